/* SPDX-License-Identifier: Apache-2.0
 * The SDK's values over core/json: a wf_value is a struct json.
 *
 * Everything a plugin makes lives in its item's arena; where that is, the engine says through one
 * hook. What plugins hand in is copied, because their buffers end with the call. A missing value is
 * NULL, and a NULL among the parts of a new value is null in an array and left out of an object, as
 * in JavaScript's JSON. Thread: the item's worker; nothing blocks.
 */
#include "plugin/plugin_int.h"

/* The same for all threads; each worker may set it once more to what it is. */
static struct arena *(*arena_hook)(wf_item *);

static struct arena *arena_of_item(wf_item *it)
{
    return __atomic_load_n(&arena_hook, __ATOMIC_RELAXED)(it);
}

static const struct json *js(const wf_value *v) { return (const struct json *)v; }

static const wf_value *wf(const struct json *v)
{
    return v && v->type != JSON_MISSING ? (const wf_value *)v : NULL;
}

static const wf_value *keep(wf_item *it, struct json v)
{
    struct json *kept = arena_alloc(arena_of_item(it), sizeof *kept);
    *kept = v;
    return wf(kept);
}

/* --- reading ---------------------------------------------------------------------------------- */

static wf_json_type value_type(const wf_value *v)
{
    static const uint8_t types[] = {
        [JSON_MISSING] = WF_JSON_MISSING, [JSON_NULL] = WF_JSON_NULL,
        [JSON_FALSE] = WF_JSON_BOOL,      [JSON_TRUE] = WF_JSON_BOOL,
        [JSON_INT] = WF_JSON_NUMBER,      [JSON_DOUBLE] = WF_JSON_NUMBER,
        [JSON_NUMBER] = WF_JSON_NUMBER,   [JSON_STRING] = WF_JSON_STRING,
        [JSON_ARRAY] = WF_JSON_ARRAY,     [JSON_OBJECT] = WF_JSON_OBJECT,
    };
    return v ? (wf_json_type)types[js(v)->type] : WF_JSON_MISSING;
}

static int value_boolean(const wf_value *v) { return json_truth(js(v)); }

static int value_int64(const wf_value *v, int64_t *out) { return json_int(js(v), out) ? 0 : -1; }

static int value_number(const wf_value *v, double *out) { return json_double(js(v), out) ? 0 : -1; }

static int value_bytes(const wf_value *v, const char **ptr, size_t *len)
{
    if (!v || js(v)->type != JSON_STRING)
        return -1;
    *ptr = js(v)->s;
    *len = js(v)->len;
    return 0;
}

static size_t value_count(const wf_value *v)
{
    return v && js(v)->type >= JSON_ARRAY ? js(v)->len : 0;
}

static const wf_value *value_at(const wf_value *v, size_t i) { return wf(json_at(js(v), i)); }

static wf_str value_key(const wf_value *v, size_t i)
{
    if (!v || js(v)->type != JSON_OBJECT || i >= js(v)->len)
        return (wf_str){ "", 0 };
    return json_str(&js(v)->members[i].key);
}

static const wf_value *value_get(const wf_value *v, const char *key, size_t len)
{
    return wf(json_get(js(v), key, len));
}

/* Plain names joined by dots are walked as they stand; indices and quotes are parsed first. */
static const wf_value *value_path(const wf_value *v, const char *text)
{
    const struct json *at = js(v);
    struct json_path path;
    struct arena scratch;
    char memory[4096];
    if (!strchr(text, '['))
        return wf(*text ? param_lookup(at, text) : at);
    arena_init(&scratch, memory, sizeof memory);
    if (json_path_parse(&scratch, text, strlen(text), &path, NULL) == 0)
        at = json_path_get(at, &path);
    else
        at = NULL;
    arena_fini(&scratch);
    return wf(at);
}

static int value_equal(const wf_value *a, const wf_value *b)
{
    static const struct json missing = { .type = JSON_MISSING };
    return json_equal(a ? js(a) : &missing, b ? js(b) : &missing);
}

static wf_str value_text(wf_item *it, const wf_value *v)
{
    struct arena *a = arena_of_item(it);
    if (!v || js(v)->type <= JSON_NULL)
        return (wf_str){ "", 0 };
    if (js(v)->type == JSON_STRING)
        return arena_str(a, js(v)->s, js(v)->len);
    return json_text(a, js(v));
}

static wf_str value_json(wf_item *it, const wf_value *v)
{
    return v ? json_text(arena_of_item(it), js(v)) : (wf_str){ "null", 4 };
}

/* --- making ----------------------------------------------------------------------------------- */

static const wf_value *value_parse(wf_item *it, wf_str text, const char **why)
{
    struct arena *a = arena_of_item(it);
    struct json_error error;
    struct json v;
    if (json_parse_copy(a, text.ptr, text.len, 0, &v, &error) == 0)
        return keep(it, v);
    if (why)
        *why = arena_printf(a, "at byte %zu: %s", error.offset, error.reason).ptr;
    return NULL;
}

static const wf_value *value_of_bool(wf_item *it, int b) { return keep(it, json_of_bool(b != 0)); }

static const wf_value *value_of_int(wf_item *it, int64_t i) { return keep(it, json_of_int(i)); }

static const wf_value *value_of_number(wf_item *it, double d)
{
    return keep(it, json_of_double(d));
}

static const wf_value *value_of_str(wf_item *it, const char *ptr, size_t len)
{
    return keep(it, json_of_str(arena_of_item(it), ptr, len));
}

static const wf_value *value_array(wf_item *it, const wf_value *const *parts, size_t n)
{
    struct json *elements;
    struct json v = json_array(arena_of_item(it), n, &elements);
    for (size_t i = 0; i < n; i++)
        if (wf(js(parts[i])))
            elements[i] = *js(parts[i]);
    return keep(it, v);
}

static struct json_member *find_member(struct json_member *members, size_t n, wf_str key)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(json_str(&members[i].key), key))
            return &members[i];
    return NULL;
}

static const wf_value *value_object(wf_item *it, const wf_str *keys, const wf_value *const *parts,
                                    size_t n)
{
    struct arena *a = arena_of_item(it);
    struct json_member *members;
    struct json v = json_object(a, n, &members);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (!wf(js(parts[i])))
            continue;
        struct json key = json_of_str(a, keys[i].ptr, keys[i].len);
        struct json_member *member = find_member(members, used, json_str(&key));
        if (!member) /* of equal keys the last wins, in the place of the first */
            member = &members[used++];
        member->key = key;
        member->value = *js(parts[i]);
    }
    v.len = (uint32_t)used;
    return keep(it, v);
}

static const wf_value *value_set_key(wf_item *it, const wf_value *base, wf_str key,
                                     const wf_value *value)
{
    struct arena *a = arena_of_item(it);
    struct json name = json_of_str(a, key.ptr, key.len);
    return keep(it, json_set_member(a, js(base), &name, js(value)));
}

static const wf_value *value_set(wf_item *it, const wf_value *base, const char *text,
                                 const wf_value *value)
{
    struct arena *a = arena_of_item(it);
    struct json_path path;
    struct json v;
    bool object = !base || js(base)->type == JSON_OBJECT;
    if (object && *text && !strpbrk(text, ".[]"))
        return value_set_key(it, base, str_of(text), value);
    if (json_path_parse(a, text, strlen(text), &path, NULL) != 0 ||
        json_set(a, js(base), &path, js(value), &v, NULL) != 0)
        return NULL;
    return keep(it, v);
}

static const wf_value *value_unset(wf_item *it, const wf_value *base, const char *text)
{
    struct arena *a = arena_of_item(it);
    struct json_path path;
    struct json v;
    if (json_path_parse(a, text, strlen(text), &path, NULL) != 0 ||
        json_unset(a, js(base), &path, &v, NULL) != 0)
        return NULL;
    return keep(it, v);
}

const wf_values *values_table(struct arena *(*arena_of)(wf_item *))
{
    static const wf_values table = {
        .size = sizeof(wf_values),
        .type = value_type,
        .boolean = value_boolean,
        .int64 = value_int64,
        .number = value_number,
        .bytes = value_bytes,
        .count = value_count,
        .at = value_at,
        .key = value_key,
        .get = value_get,
        .path = value_path,
        .equal = value_equal,
        .text = value_text,
        .json = value_json,
        .parse = value_parse,
        .of_bool = value_of_bool,
        .of_int = value_of_int,
        .of_number = value_of_number,
        .of_str = value_of_str,
        .array = value_array,
        .object = value_object,
        .set = value_set,
        .unset = value_unset,
        .set_key = value_set_key,
    };
    __atomic_store_n(&arena_hook, arena_of, __ATOMIC_RELAXED);
    return &table;
}
