/* SPDX-License-Identifier: Apache-2.0
 * Edits by copy: the containers along the path are copied, one level after the other, and
 * everything else is shared with the old value.
 */
#include "json/json_int.h"
#include "base/err.h"

enum { FILL_MAX = 100000 }; /* nulls that one edit may add to an array */

static int edit_fail(struct json_error *error, size_t step, const char *reason)
{
    if (error)
        *error = (struct json_error){ step, reason };
    return -1;
}

static struct json stored(const struct json *value)
{
    return value && value->type != JSON_MISSING ? *value : (struct json){ .type = JSON_NULL };
}

static bool absent(const struct json *v)
{
    return !v || v->type == JSON_MISSING || v->type == JSON_NULL;
}

/* A copy of a container with room for `len`, and with its text as long as what that covers is kept:
 * the caller changes none of its slots but the one at `place`, and what comes behind the old end.
 */
static struct json container_with(struct arena *a, const struct json *old, size_t len, size_t place)
{
    bool object = old->type == JSON_OBJECT;
    bool text = has_text(old) && span_of(old).n <= place;
    struct json *copy = arena_alloc(a, ((len << object) + text) * sizeof *copy);
    struct json with = { .type = old->type, .flags = text ? JSON_TEXT : 0, .len = (uint32_t)len };
    if (old->len)
        memcpy(copy, old->elements - text, (((size_t)old->len << object) + text) * sizeof *copy);
    with.elements = copy + text;
    return with;
}

/* A copy of an object with room for one more member; *slot is the member's value, old or new. */
static struct json object_with(struct arena *a, const struct json *object, const struct json *key,
                               struct json **slot)
{
    const struct json *old = json_get(object, key->s, key->len);
    uint32_t len = object->len, place = old ? (uint32_t)((old - &object->members->value) / 2) : len;
    BUG_IF(len == UINT32_MAX);
    struct json with = container_with(a, object, (size_t)len + !old, place);
    struct json_member *member = (struct json_member *)&with.members[place];
    if (!old)
        *member = (struct json_member){ .key = *key };
    *slot = &member->value;
    return with;
}

/* The same for an array's element, with nulls up to it. */
static struct json array_with(struct arena *a, const struct json *array, size_t place,
                              struct json **slot)
{
    size_t len = place < array->len ? array->len : place + 1;
    struct json with = container_with(a, array, len, place), *copy = (struct json *)with.elements;
    for (size_t i = array->len; i < len; i++)
        copy[i] = (struct json){ .type = JSON_NULL };
    *slot = &copy[place];
    return with;
}

/* Replaces the container in *slot, or what is absent there, by a copy in which *slot, moved on, is
 * what the step names. NULL, or why it cannot be done. */
static const char *copy_step(struct arena *a, const struct json_step *step, struct json **slot)
{
    struct json *at = *slot;
    if (absent(at))
        *at = (struct json){ .type = step->key ? JSON_OBJECT : JSON_ARRAY };
    if (at->type == JSON_OBJECT) {
        if (!step->key)
            return "an index, but an object is there";
        struct json key = json_of_str_borrow((wf_str){ step->key, step->len });
        *at = object_with(a, at, &key, slot);
        return NULL;
    }
    if (at->type != JSON_ARRAY)
        return "neither an object nor an array is there";
    size_t place;
    if (!step_index(step, at->len, &place))
        return step->key ? "a name, but an array is there" : "index before the array's start";
    if (place >= (size_t)at->len + FILL_MAX)
        return "index too far behind the array's end";
    *at = array_with(a, at, place, slot);
    return NULL;
}

int json_set(struct arena *a, const struct json *base, const struct json_path *path,
             const struct json *value, struct json *out, struct json_error *error)
{
    struct json root =
        base && base->type != JSON_MISSING ? *base : (struct json){ .type = JSON_OBJECT };
    struct json *slot = &root;
    for (uint32_t i = 0; i < path->n; i++) {
        const char *why = copy_step(a, &path->steps[i], &slot);
        if (why)
            return edit_fail(error, i, why);
    }
    *slot = stored(value);
    *out = root;
    return 0;
}

struct json json_set_member(struct arena *a, const struct json *base, const struct json *key,
                            const struct json *value)
{
    static const struct json empty = { .type = JSON_OBJECT };
    struct json *slot;
    struct json object =
        object_with(a, base && base->type == JSON_OBJECT ? base : &empty, key, &slot);
    *slot = stored(value);
    return object;
}

struct json json_set_key(struct arena *a, const struct json *base, wf_str key,
                         const struct json *value)
{
    struct json name = json_of_str_borrow(key);
    return json_set_member(a, base, &name, value);
}

/* The container in *at without its element or member at `place`. */
static struct json container_without(struct arena *a, const struct json *at, size_t place)
{
    bool object = at->type == JSON_OBJECT;
    size_t unit = sizeof *at << object, rest = at->len - place - 1;
    struct json left = { .type = at->type, .len = at->len - 1 };
    if (!left.len || !at->elements)
        return left;
    char *copy = arena_alloc(a, left.len * unit);
    memcpy(copy, at->elements, place * unit);
    memcpy(copy + place * unit, (const char *)at->elements + (place + 1) * unit, rest * unit);
    left.elements = (const struct json *)(const void *)copy;
    return left;
}

int json_unset(struct arena *a, const struct json *base, const struct json_path *path,
               struct json *out, struct json_error *error)
{
    struct json root =
        base && base->type != JSON_MISSING ? *base : (struct json){ .type = JSON_OBJECT };
    if (!path->n)
        return edit_fail(error, 0, "the path names the whole value");
    if (!json_path_get(&root, path)) {
        *out = root;
        return 0;
    }
    struct json *slot = &root;
    for (uint32_t i = 0; i + 1 < path->n; i++)
        BUG_IF(copy_step(a, &path->steps[i], &slot) != NULL);
    /* Where the last step leads is known to be there. */
    struct json_path last = { &path->steps[path->n - 1], 1 };
    const struct json *gone = json_path_get(slot, &last);
    size_t place = slot->type == JSON_OBJECT ? (size_t)(gone - &slot->members->value) / 2
                                             : (size_t)(gone - slot->elements);
    *slot = container_without(a, slot, place);
    *out = root;
    return 0;
}
