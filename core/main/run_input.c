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

static void add_files(struct run *r, struct inbound_item *item, const struct json *binary)
{
    if (!binary || binary->type != JSON_OBJECT)
        return;
    struct inbound_file *files = ARENA_ARRAY(&r->arena, struct inbound_file, binary->len);
    for (uint32_t i = 0; i < binary->len; i++) {
        const struct json *part = &binary->members[i].value;
        wf_str data = json_str(JSON_GET(part, "data")), key = json_str(&binary->members[i].key),
               bytes;
        if (!base64_decode(&r->arena, data.ptr, data.len, &bytes))
            bytes = data;
        files[item->n_files++] =
            (struct inbound_file){ arena_str(&r->arena, key.ptr, key.len).ptr,
                                   json_str(JSON_GET(part, "mimeType")),
                                   json_str(JSON_GET(part, "fileName")), bytes };
    }
    item->files = files;
}

void run_add_item(struct run *r, const struct json *v)
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
        return;
    item->json = *JSON_GET(v, "json");
    add_files(r, item, JSON_GET(v, "binary"));
}

void run_add_items(struct run *r, const struct json *array)
{
    for (uint32_t i = 0; i < array->len; i++)
        run_add_item(r, &array->elements[i]);
}

static int add_value(struct run *r, const struct json *v, struct err *err)
{
    if (v->type == JSON_OBJECT) {
        run_add_item(r, v);
        return 0;
    }
    if (v->type != JSON_ARRAY)
        return err_set(err, ERR_INVALID,
                       "input: must be an object, an array of objects or JSON lines, got a %s",
                       json_type_name(v));
    for (uint32_t i = 0; i < v->len; i++)
        if (v->elements[i].type != JSON_OBJECT)
            return err_set(err, ERR_INVALID, "input: element %u is a %s, must be an object", i,
                           json_type_name(&v->elements[i]));
    run_add_items(r, v);
    return 0;
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
