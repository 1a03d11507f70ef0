/* SPDX-License-Identifier: Apache-2.0
 * Input of `catalyst run`. An element that is an object with `json` (and nothing but `binary`,
 * `pairedItem`, `error` beside it) is an item; any other object is an item's JSON.
 */
#include "main/run_int.h"
#include "base/base64.h"
#include <string.h>

static bool is_item(const struct json *v)
{
    const struct json *json = JSON_GET(v, "json");
    if (!json || json->type != JSON_OBJECT)
        return false;
    for (uint32_t i = 0; i < v->len; i++) {
        wf_str key = json_str(&v->members[i].key);
        if (!str_eq(key, STR("json")) && !str_eq(key, STR("binary")) &&
            !str_eq(key, STR("pairedItem")) && !str_eq(key, STR("error")))
            return false;
    }
    return true;
}

static int add_file(struct run *r, struct inbound_file *file, wf_str name, const struct json *part,
                    struct err *err)
{
    const struct json *data = JSON_GET(part, "data");
    wf_str text = json_str(data), bytes;
    if (!data || data->type != JSON_STRING)
        return err_set(err, ERR_INVALID, "binary '%.*s': needs 'data', a text in base64",
                       STR_ARG(name));
    if (!base64_decode(&r->arena, text.ptr, text.len, &bytes))
        return err_set(err, ERR_INVALID, "binary '%.*s': 'data' is not base64", STR_ARG(name));
    *file = (struct inbound_file){ arena_str(&r->arena, name.ptr, name.len).ptr,
                                   json_str(JSON_GET(part, "mimeType")),
                                   json_str(JSON_GET(part, "fileName")), bytes };
    return 0;
}

static int add_files(struct run *r, struct inbound_item *item, const struct json *binary,
                     struct err *err)
{
    if (!binary || binary->type == JSON_NULL)
        return 0;
    if (binary->type != JSON_OBJECT)
        return err_set(err, ERR_INVALID, "'binary' must be an object, got a %s",
                       json_type_name(binary));
    struct inbound_file *files = ARENA_ARRAY(&r->arena, struct inbound_file, binary->len);
    item->files = files;
    for (uint32_t i = 0; i < binary->len; i++)
        if (add_file(r, &files[item->n_files++], json_str(&binary->members[i].key),
                     &binary->members[i].value, err) != 0)
            return -1;
    return 0;
}

int run_add_item(struct run *r, const struct json *v, struct err *err)
{
    if (r->n_items == r->items_size) {
        struct inbound_item *old = r->items;
        r->items_size = r->items_size ? r->items_size * 2 : 16;
        r->items = ARENA_ARRAY(&r->arena, struct inbound_item, r->items_size);
        if (r->n_items)
            memcpy(r->items, old, r->n_items * sizeof *old);
    }
    struct inbound_item *item = &r->items[r->n_items++];
    *item = (struct inbound_item){ .json = *v };
    if (!is_item(v))
        return 0;
    item->json = *JSON_GET(v, "json");
    return add_files(r, item, JSON_GET(v, "binary"), err) == 0
               ? 0
               : err_context(err, "item %zu", r->n_items - 1);
}

int run_add_items(struct run *r, const struct json *array, struct err *err)
{
    for (uint32_t i = 0; i < array->len; i++)
        if (run_add_item(r, &array->elements[i], err) != 0)
            return -1;
    return 0;
}

static int add_value(struct run *r, const struct json *v, struct err *err)
{
    if (v->type == JSON_OBJECT)
        return run_add_item(r, v, err) == 0 ? 0 : err_context(err, "input");
    if (v->type != JSON_ARRAY)
        return err_set(err, ERR_INVALID,
                       "input: must be an object, an array of objects or JSON lines, got a %s",
                       json_type_name(v));
    for (uint32_t i = 0; i < v->len; i++)
        if (v->elements[i].type != JSON_OBJECT)
            return err_set(err, ERR_INVALID, "input: element %u is a %s, must be an object", i,
                           json_type_name(&v->elements[i]));
    return run_add_items(r, v, err) == 0 ? 0 : err_context(err, "input");
}

static int add_lines(struct run *r, wf_str text, struct err *err)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    for (unsigned line = 1; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = stop ? (size_t)(stop - at) : (size_t)(end - at);
        struct json v;
        struct json_error why;
        if (strspn(at, " \t\r") < len) {
            if (json_parse(&r->arena, at, len, 0, &v, &why) != 0)
                return err_set(err, ERR_INVALID, "input: line %u, byte %zu: %s", line, why.offset,
                               why.reason);
            if (add_value(r, &v, err) != 0)
                return err_context(err, "line %u", line);
        }
        at += len + 1;
    }
    return 0;
}

int run_input(struct run *r, wf_str text, struct err *err)
{
    struct json v;
    struct json_error why;
    while (text.len && strchr(" \t\r\n", text.ptr[text.len - 1]))
        text.len--;
    if (!text.len)
        return err_set(err, ERR_INVALID, "input: is empty");
    if (json_parse(&r->arena, text.ptr, text.len, 0, &v, &why) == 0)
        return add_value(r, &v, err);
    const char *newline = memchr(text.ptr, '\n', text.len);
    if (newline && text.ptr[0] == '{' && why.offset > (size_t)(newline - text.ptr))
        return add_lines(r, text, err);
    return err_set(err, ERR_INVALID, "input: byte %zu: %s", why.offset, why.reason);
}
