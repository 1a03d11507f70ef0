/* SPDX-License-Identifier: Apache-2.0
 * fake_json.h - JSON values of the fake host; authors include fake_host.h only.
 *
 * A plain tree, made for clarity. It behaves as the engine's values do where a plugin can see it:
 * values are immutable, edits copy, numbers keep their text, NULL means missing. Memory belongs to
 * a fake_heap and is freed with it. One thread.
 */
#ifndef WF_FAKE_JSON_H
#define WF_FAKE_JSON_H
#include <catalyst/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A test that includes its plugin first has names such as `params` at file scope. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"

struct fake_heap {
    struct fake_block *blocks;
};
struct fake_block {
    struct fake_block *next;
    _Alignas(16) char bytes[];
};

/* Cleared memory that lives as long as the heap. */
static inline void *fake_alloc(struct fake_heap *heap, size_t bytes)
{
    struct fake_block *block = calloc(1, sizeof *block + bytes + 1);
    if (!block) {
        fprintf(stderr, "fake host: out of memory\n");
        abort();
    }
    block->next = heap->blocks;
    heap->blocks = block;
    return block->bytes;
}

static inline void fake_heap_free(struct fake_heap *heap)
{
    while (heap->blocks) {
        struct fake_block *block = heap->blocks;
        heap->blocks = block->next;
        free(block);
    }
}

static inline wf_str fake_str(struct fake_heap *heap, const char *ptr, size_t len)
{
    char *copy = fake_alloc(heap, len + 1);
    if (len)
        memcpy(copy, ptr, len);
    return (wf_str){ copy, len };
}

static inline const char *fake_strdup(struct fake_heap *heap, const char *text)
{
    return text ? fake_str(heap, text, strlen(text)).ptr : NULL;
}

static inline wf_str fake_vfmt(struct fake_heap *heap, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *text = fake_alloc(heap, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (wf_str){ text, (size_t)len };
}

WF_PRINTF(2, 3) static inline const char *fake_fmt(struct fake_heap *heap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    wf_str text = fake_vfmt(heap, format, args);
    va_end(args);
    return text.ptr;
}

struct wf_value {
    wf_json_type type;
    int truth;    /* WF_JSON_BOOL */
    wf_str text;  /* WF_JSON_STRING: its bytes; WF_JSON_NUMBER: as written */
    size_t n;     /* elements or members */
    wf_str *keys; /* of members */
    const wf_value **parts;
};

/* --- making -------------------------------------------------------------------------------------
 */

static inline wf_value *fake_value(struct fake_heap *heap, wf_json_type type)
{
    wf_value *v = fake_alloc(heap, sizeof *v);
    v->type = type;
    return v;
}

static inline wf_value *fake_container(struct fake_heap *heap, wf_json_type type, size_t n)
{
    wf_value *v = fake_value(heap, type);
    v->n = n;
    v->parts = fake_alloc(heap, (n + 1) * sizeof *v->parts);
    v->keys = type == WF_JSON_OBJECT ? fake_alloc(heap, (n + 1) * sizeof *v->keys) : NULL;
    return v;
}

static inline const wf_value *fake_string(struct fake_heap *heap, const char *ptr, size_t len)
{
    wf_value *v = fake_value(heap, WF_JSON_STRING);
    v->text = fake_str(heap, ptr, len);
    return v;
}

static inline const wf_value *fake_int(struct fake_heap *heap, int64_t i)
{
    wf_value *v = fake_value(heap, WF_JSON_NUMBER);
    v->text.ptr = fake_fmt(heap, "%lld", (long long)i);
    v->text.len = strlen(v->text.ptr);
    return v;
}

/* The shortest text that reads back as the same number; NaN and infinities are null. */
static inline const wf_value *fake_number(struct fake_heap *heap, double d)
{
    char text[40];
    if (d != d || d > 1.7976931348623157e308 || d < -1.7976931348623157e308)
        return fake_value(heap, WF_JSON_NULL);
    if (d > -9007199254740992.0 && d < 9007199254740992.0 && d == (double)(int64_t)d)
        return fake_int(heap, (int64_t)d);
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    wf_value *v = fake_value(heap, WF_JSON_NUMBER);
    v->text = fake_str(heap, text, strlen(text));
    return v;
}

/* --- parsing -------------------------------------------------------------------------------------
 */

struct fake_parser {
    struct fake_heap *heap;
    const char *start, *p, *end;
    const char *why; /* NULL while all is well */
};

static inline const wf_value *fake_parse_fail(struct fake_parser *r, const char *why)
{
    if (!r->why)
        r->why = fake_fmt(r->heap, "at byte %zu: %s", (size_t)(r->p - r->start), why);
    return NULL;
}

static inline int fake_parse_next(struct fake_parser *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
    return r->p < r->end ? (unsigned char)*r->p : -1;
}

static inline int fake_parse_hex4(struct fake_parser *r, unsigned *out)
{
    *out = 0;
    if (r->end - r->p < 4)
        return -1;
    for (int i = 0; i < 4; i++, r->p++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *digit = *r->p ? strchr(digits, *r->p) : NULL;
        if (!digit)
            return -1;
        unsigned value = (unsigned)(digit - digits);
        *out = *out * 16 + (value > 15 ? value - 6 : value);
    }
    return 0;
}

static inline char *fake_put_utf8(char *to, unsigned c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* One escape behind its backslash. -1: there is no such escape. */
static inline int fake_parse_escape(struct fake_parser *r, char **to)
{
    static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    const char *name = r->p < r->end && *r->p ? strchr(names, *r->p) : NULL;
    unsigned high, low;
    if (name) {
        r->p++;
        *(*to)++ = means[name - names];
        return 0;
    }
    if (r->p >= r->end || *r->p++ != 'u' || fake_parse_hex4(r, &high) != 0)
        return -1;
    if (high >= 0xdc00 && high < 0xe000)
        return -1;
    if (high >= 0xd800 && high < 0xdc00) {
        if (r->end - r->p < 2 || r->p[0] != '\\' || r->p[1] != 'u')
            return -1;
        r->p += 2;
        if (fake_parse_hex4(r, &low) != 0 || low < 0xdc00 || low >= 0xe000)
            return -1;
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    *to = fake_put_utf8(*to, high);
    return 0;
}

/* The text between quotes; p stands on the first. ptr NULL: reported. */
static inline wf_str fake_parse_text(struct fake_parser *r)
{
    char *text = fake_alloc(r->heap, (size_t)(r->end - r->p) + 1), *to = text;
    for (r->p++; r->p < r->end && *r->p != '"';) {
        if ((unsigned char)*r->p < 0x20) {
            fake_parse_fail(r, "control character in a string");
            return (wf_str){ NULL, 0 };
        }
        if (*r->p != '\\') {
            *to++ = *r->p++;
            continue;
        }
        r->p++;
        if (fake_parse_escape(r, &to) != 0) {
            fake_parse_fail(r, "bad escape");
            return (wf_str){ NULL, 0 };
        }
    }
    if (r->p >= r->end) {
        fake_parse_fail(r, "string not closed");
        return (wf_str){ NULL, 0 };
    }
    r->p++;
    return (wf_str){ text, (size_t)(to - text) };
}

static inline const wf_value *fake_parse_number(struct fake_parser *r)
{
    const char *start = r->p, *digits = r->p + (*r->p == '-');
    char copy[400], *end;
    while (r->p < r->end && *r->p && strchr("+-.eE0123456789", *r->p))
        r->p++;
    size_t len = (size_t)(r->p - start);
    if (len >= sizeof copy || digits >= r->p || *digits < '0' || *digits > '9' ||
        (*digits == '0' && digits + 1 < r->p && digits[1] >= '0' && digits[1] <= '9') ||
        r->p[-1] == '.')
        return fake_parse_fail(r, "bad number");
    memcpy(copy, start, len);
    copy[len] = 0;
    strtod(copy, &end);
    if (*end)
        return fake_parse_fail(r, "bad number");
    wf_value *v = fake_value(r->heap, WF_JSON_NUMBER);
    v->text = fake_str(r->heap, copy, len);
    return v;
}

static inline const wf_value *fake_parse_value(struct fake_parser *r, unsigned depth);

static inline const wf_value *fake_parse_container(struct fake_parser *r, unsigned depth)
{
    int object = *r->p++ == '{', close = object ? '}' : ']';
    size_t n = 0, size = 4;
    wf_value *v = fake_container(r->heap, object ? WF_JSON_OBJECT : WF_JSON_ARRAY, size);
    if (fake_parse_next(r) == close) {
        r->p++;
        v->n = 0;
        return v;
    }
    for (;; r->p++) {
        wf_str key = { NULL, 0 };
        if (n == size) {
            wf_value *larger = fake_container(r->heap, v->type, size * 2);
            memcpy(larger->parts, v->parts, size * sizeof *v->parts);
            if (object)
                memcpy(larger->keys, v->keys, size * sizeof *v->keys);
            v = larger;
            size *= 2;
        }
        if (object) {
            if (fake_parse_next(r) != '"')
                return fake_parse_fail(r, "expected a name in quotes");
            key = fake_parse_text(r);
            if (!key.ptr)
                return NULL;
            if (fake_parse_next(r) != ':')
                return fake_parse_fail(r, "expected ':'");
            r->p++;
        }
        const wf_value *part = fake_parse_value(r, depth + 1);
        if (!part)
            return NULL;
        size_t at = n;
        for (size_t i = 0; object && i < n; i++)
            if (v->keys[i].len == key.len && !memcmp(v->keys[i].ptr, key.ptr, key.len))
                at = i; /* the last of equal names wins */
        v->parts[at] = part;
        if (object)
            v->keys[at] = key;
        n += at == n;
        int next = fake_parse_next(r);
        if (next == close)
            break;
        if (next != ',')
            return fake_parse_fail(r, "expected ',' or the end of the container");
    }
    r->p++;
    v->n = n;
    return v;
}

static inline const wf_value *fake_parse_value(struct fake_parser *r, unsigned depth)
{
    static const struct {
        const char *text;
        wf_json_type type;
        int truth;
    } words[] = { { "null", WF_JSON_NULL, 0 },
                  { "true", WF_JSON_BOOL, 1 },
                  { "false", WF_JSON_BOOL, 0 } };
    int c = fake_parse_next(r);
    if (depth > 128)
        return fake_parse_fail(r, "nested too deep");
    if (c == '{' || c == '[')
        return fake_parse_container(r, depth);
    if (c == '-' || (c >= '0' && c <= '9'))
        return fake_parse_number(r);
    if (c == '"') {
        wf_str text = fake_parse_text(r);
        return text.ptr ? fake_string(r->heap, text.ptr, text.len) : NULL;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t len = strlen(words[i].text);
        if ((size_t)(r->end - r->p) < len || memcmp(r->p, words[i].text, len) != 0)
            continue;
        r->p += len;
        wf_value *v = fake_value(r->heap, words[i].type);
        v->truth = words[i].truth;
        return v;
    }
    return fake_parse_fail(r, c < 0 ? "unexpected end" : "expected a value");
}

/* NULL with *why (which may be NULL) when the text is no JSON. */
static inline const wf_value *fake_parse(struct fake_heap *heap, const char *text, size_t len,
                                         const char **why)
{
    struct fake_parser r = { heap, text, text, text + len, NULL };
    const wf_value *v = fake_parse_value(&r, 0);
    if (v && fake_parse_next(&r) >= 0)
        v = fake_parse_fail(&r, "more text behind the value");
    if (!v && why)
        *why = r.why;
    return v;
}

/* --- writing -------------------------------------------------------------------------------------
 */

struct fake_text {
    char *ptr;
    size_t len, size;
};

static inline void fake_text_add(struct fake_text *to, const char *ptr, size_t len)
{
    if (to->len + len + 1 > to->size) {
        to->size = (to->len + len + 1) * 2;
        to->ptr = realloc(to->ptr, to->size);
        if (!to->ptr)
            abort();
    }
    if (len)
        memcpy(to->ptr + to->len, ptr, len);
    to->len += len;
    to->ptr[to->len] = 0;
}

static inline void fake_write_string(struct fake_text *to, wf_str s)
{
    fake_text_add(to, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        static const char means[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
        const char *mean = s.ptr[i] ? strchr(means, s.ptr[i]) : NULL;
        char escape[8];
        if (mean)
            snprintf(escape, sizeof escape, "\\%c", names[mean - means]);
        else if ((unsigned char)s.ptr[i] < 0x20)
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)s.ptr[i]);
        else
            snprintf(escape, sizeof escape, "%c", s.ptr[i]);
        fake_text_add(to, escape, strlen(escape));
    }
    fake_text_add(to, "\"", 1);
}

static inline void fake_write(struct fake_text *to, const wf_value *v)
{
    int object = v && v->type == WF_JSON_OBJECT;
    if (!v || v->type <= WF_JSON_NULL) {
        fake_text_add(to, "null", 4);
    } else if (v->type == WF_JSON_BOOL) {
        fake_text_add(to, v->truth ? "true" : "false", v->truth ? 4 : 5);
    } else if (v->type == WF_JSON_NUMBER) {
        fake_text_add(to, v->text.ptr, v->text.len);
    } else if (v->type == WF_JSON_STRING) {
        fake_write_string(to, v->text);
    } else {
        fake_text_add(to, object ? "{" : "[", 1);
        for (size_t i = 0; i < v->n; i++) {
            if (i)
                fake_text_add(to, ",", 1);
            if (object) {
                fake_write_string(to, v->keys[i]);
                fake_text_add(to, ":", 1);
            }
            fake_write(to, v->parts[i]);
        }
        fake_text_add(to, object ? "}" : "]", 1);
    }
}

/* Compact JSON. */
static inline wf_str fake_json(struct fake_heap *heap, const wf_value *v)
{
    struct fake_text text = { NULL, 0, 0 };
    fake_write(&text, v);
    wf_str copy = fake_str(heap, text.ptr, text.len);
    free(text.ptr);
    return copy;
}

/* --- reading -------------------------------------------------------------------------------------
 */

static inline wf_json_type fake_type(const wf_value *v) { return v ? v->type : WF_JSON_MISSING; }

static inline int fake_get_number(const wf_value *v, double *out)
{
    if (fake_type(v) != WF_JSON_NUMBER)
        return -1;
    *out = strtod(v->text.ptr, NULL);
    return 0;
}

static inline int fake_get_int64(const wf_value *v, int64_t *out)
{
    double d;
    char *end;
    if (fake_get_number(v, &d) != 0)
        return -1;
    if (!strpbrk(v->text.ptr, ".eE")) {
        char again[32];
        long long i = strtoll(v->text.ptr, &end, 10);
        snprintf(again, sizeof again, "%lld", i);
        *out = i;
        return !strcmp(again, v->text.ptr) || !strcmp(v->text.ptr, "-0") ? 0 : -1;
    }
    if (d < -9223372036854775808.0 || d >= 9223372036854775808.0 || d != (double)(int64_t)d)
        return -1;
    *out = (int64_t)d;
    return 0;
}

static inline int fake_truth(const wf_value *v)
{
    double d;
    switch (fake_type(v)) {
    case WF_JSON_BOOL:
        return v->truth;
    case WF_JSON_NUMBER:
        return fake_get_number(v, &d) == 0 && d != 0;
    case WF_JSON_STRING:
        return v->text.len > 0;
    case WF_JSON_ARRAY:
    case WF_JSON_OBJECT:
        return 1;
    default:
        return 0;
    }
}

static inline int fake_bytes(const wf_value *v, const char **ptr, size_t *len)
{
    if (fake_type(v) != WF_JSON_STRING)
        return -1;
    *ptr = v->text.ptr;
    *len = v->text.len;
    return 0;
}

static inline size_t fake_count(const wf_value *v) { return v ? v->n : 0; }

static inline const wf_value *fake_at(const wf_value *v, size_t i)
{
    return v && i < v->n ? v->parts[i] : NULL;
}

static inline wf_str fake_key(const wf_value *v, size_t i)
{
    return v && v->keys && i < v->n ? v->keys[i] : (wf_str){ "", 0 };
}

static inline const wf_value *fake_get(const wf_value *v, const char *key, size_t len)
{
    for (size_t i = 0; v && v->keys && i < v->n; i++)
        if (v->keys[i].len == len && !memcmp(v->keys[i].ptr, key, len))
            return v->parts[i];
    return NULL;
}

static inline int fake_equal(const wf_value *a, const wf_value *b)
{
    double x, y;
    int64_t i, j;
    if (fake_type(a) != fake_type(b))
        return 0;
    switch (fake_type(a)) {
    case WF_JSON_BOOL:
        return a->truth == b->truth;
    case WF_JSON_NUMBER:
        if (fake_get_int64(a, &i) == 0 && fake_get_int64(b, &j) == 0)
            return i == j;
        return fake_get_number(a, &x) == 0 && fake_get_number(b, &y) == 0 && x == y;
    case WF_JSON_STRING:
        return a->text.len == b->text.len && !memcmp(a->text.ptr, b->text.ptr, a->text.len);
    case WF_JSON_ARRAY:
    case WF_JSON_OBJECT:
        for (size_t k = 0; k < a->n; k++)
            if (!fake_equal(a->parts[k],
                            a->keys ? fake_get(b, a->keys[k].ptr, a->keys[k].len) : fake_at(b, k)))
                return 0;
        return a->n == b->n;
    default:
        return 1;
    }
}

/* Takes one step off a path "a.b[0]['x.y']". 1: *key is set; 2: *index is set; 0: the end; -1: no
 * path. */
static inline int fake_step(const char **path, wf_str *key, int64_t *index)
{
    const char *p = *path;
    char *end;
    if (!*p)
        return 0;
    if (*p == '[' && (p[1] == '\'' || p[1] == '"')) {
        const char *close = strchr(p + 2, p[1]);
        if (!close || close[1] != ']')
            return -1;
        *key = (wf_str){ p + 2, (size_t)(close - p - 2) };
        p = close + 2;
    } else if (*p == '[') {
        *index = strtoll(p + 1, &end, 10);
        if (end == p + 1 || *end != ']')
            return -1;
        p = end + 1;
        *path = *p == '.' ? p + 1 : p;
        return 2;
    } else {
        size_t len = strcspn(p, ".[");
        if (!len)
            return -1;
        *key = (wf_str){ p, len };
        p += len;
    }
    *path = *p == '.' ? p + 1 : p;
    return 1;
}

static inline const wf_value *fake_path(const wf_value *v, const char *path)
{
    wf_str key;
    int64_t index;
    int step;
    while ((step = fake_step(&path, &key, &index)) > 0 && v) {
        if (step == 1)
            v = fake_get(v, key.ptr, key.len);
        else if (v->type != WF_JSON_ARRAY)
            v = NULL;
        else
            v = fake_at(v, (size_t)(index < 0 ? index + (int64_t)v->n : index));
    }
    return step < 0 ? NULL : v;
}

#pragma GCC diagnostic pop
#endif
