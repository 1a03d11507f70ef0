/* SPDX-License-Identifier: Apache-2.0
 * Making values from C values, and copying them whole into another arena.
 */
#include "json/json_int.h"
#include "base/err.h"
#include <math.h>

struct json json_of_int(int64_t i) { return (struct json){ .type = JSON_INT, .i = i }; }

struct json json_of_double(double d)
{
    if (!isfinite(d))
        return (struct json){ .type = JSON_NULL };
    if (d > -0x1p53 && d < 0x1p53 && d == (double)(int64_t)d)
        return json_of_int((int64_t)d);
    return (struct json){ .type = JSON_DOUBLE, .d = d };
}

struct json json_of_bool(bool b) { return (struct json){ .type = b ? JSON_TRUE : JSON_FALSE }; }

static struct json string_of(const char *ptr, size_t len)
{
    BUG_IF(len > UINT32_MAX);
    struct json v = { .type = JSON_STRING, .len = (uint32_t)len };
    v.s = len ? ptr : "";
    v.flags = scan_plain(v.s, len) ? JSON_PLAIN : 0;
    return v;
}

struct json json_of_str_borrow(wf_str s) { return string_of(s.ptr, s.len); }

const char *scan_utf8(const char *p, const char *end)
{
    while (p < end) {
        p = scan_string(p, end, SCAN_READ);
        size_t n = p < end ? str_utf8_length((const unsigned char *)p, (size_t)(end - p)) : 1;
        if (!n)
            break;
        p += p < end ? n : 0;
    }
    return p;
}

struct json json_of_str(struct arena *a, const char *ptr, size_t len)
{
    static const char replacement[3] = { '\xef', '\xbf', '\xbd' }; /* U+FFFD */
    if (!len)
        return string_of("", 0);
    const char *p = ptr, *end = ptr + len;
    if (scan_string(p, end, SCAN_READ) == end && len <= UINT32_MAX) /* nearly always */
        return (struct json){ .type = JSON_STRING,
                              .flags = JSON_PLAIN,
                              .len = (uint32_t)len,
                              .s = arena_str(a, ptr, len).ptr };
    const char *bad = scan_utf8(p, end);
    if (bad == end)
        return string_of(arena_str(a, ptr, len).ptr, len);
    size_t n_bad = 0;
    for (const char *at = bad; at < end; at = scan_utf8(at + 1, end))
        n_bad++;
    char *copy = arena_alloc(a, len + 2 * n_bad), *to = copy;
    for (; p < end; p = bad + 1, bad = scan_utf8(p, end)) {
        memcpy(to, p, (size_t)(bad - p));
        to += bad - p;
        if (bad == end)
            break;
        memcpy(to, replacement, sizeof replacement);
        to += sizeof replacement;
    }
    return string_of(copy, (size_t)(to - copy));
}

struct json json_array(struct arena *a, size_t n, struct json **elements)
{
    BUG_IF(n > UINT32_MAX);
    struct json *slots = n ? arena_alloc(a, n * sizeof *slots) : NULL;
    for (size_t i = 0; i < n; i++)
        slots[i] = (struct json){ .type = JSON_NULL };
    if (elements)
        *elements = slots;
    return (struct json){ .type = JSON_ARRAY, .len = (uint32_t)n, .elements = slots };
}

struct json json_object(struct arena *a, size_t n, struct json_member **members)
{
    BUG_IF(n > UINT32_MAX);
    struct json_member *slots = n ? arena_alloc(a, n * sizeof *slots) : NULL;
    for (size_t i = 0; i < n; i++)
        slots[i] = (struct json_member){
            .key = { .type = JSON_STRING, .flags = JSON_PLAIN, .s = "" },
            .value = { .type = JSON_NULL },
        };
    if (members)
        *members = slots;
    return (struct json){ .type = JSON_OBJECT, .len = (uint32_t)n, .members = slots };
}

struct json json_object_like(const struct json *base, struct json *slots, size_t n)
{
    BUG_IF(n > UINT32_MAX);
    struct json v = { .type = JSON_OBJECT, .len = (uint32_t)n, .elements = slots + 1 };
    if (!base || base->type != JSON_OBJECT || !has_text(base))
        return v;
    struct json_span span = span_of(base);
    if (span.n > n || memcmp(slots + 1, base->members, span.n * sizeof *base->members) != 0)
        return v;
    span_put(slots, span);
    v.flags = JSON_TEXT;
    return v;
}

/* Gives a value that was copied bytewise its own contents, as far as they are its own: bytes of a
 * string, the slots of a container. */
static void own_contents(struct arena *a, struct json *v)
{
    if (v->type == JSON_STRING || v->type == JSON_NUMBER) {
        v->s = arena_str(a, v->s, v->len).ptr;
    } else if (has_contents(v)) {
        size_t bytes = sizeof *v * ((size_t)v->len << (v->type == JSON_OBJECT));
        v->elements = memcpy(arena_alloc(a, bytes), v->elements, bytes);
        v->flags = 0; /* its text may go */
    }
}

struct json json_copy(struct arena *a, const struct json *v)
{
    struct json copy = v ? *v : (struct json){ .type = JSON_MISSING };
    struct walk w;
    own_contents(a, &copy);
    if (!has_contents(&copy))
        return copy;
    walk_init(&w);
    walk_push(&w, &copy);
    while (w.n) {
        struct walk_frame *f = &w.frames[w.n - 1];
        if (f->at == f->end) {
            w.n--;
            continue;
        }
        struct json *slot = (struct json *)f->at++; /* of the copy: ours to change */
        own_contents(a, slot);
        if (has_contents(slot))
            walk_push(&w, slot);
    }
    walk_fini(&w);
    return copy;
}
