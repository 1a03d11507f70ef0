/* SPDX-License-Identifier: Apache-2.0
 * Percent-encoding, queries and form bodies. Everything decoded lies in the caller's arena and is
 * no longer than what came in; the number of fields is capped by the caller. Any thread.
 */
#include "http/http.h"
#include "base/hex.h"
#include <string.h>

size_t http_decode(char *to, wf_str raw, bool is_form)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '+' && is_form) {
            c = ' ';
        } else if (c == '%' && raw.len - i > 2) {
            int high = hex_digit(raw.ptr[i + 1]), low = hex_digit(raw.ptr[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            }
        }
        to[len++] = c;
    }
    return len;
}

static wf_str decoded(struct arena *a, const char *from, const char *end)
{
    size_t raw = (size_t)(end - from);
    char *to = arena_alloc(a, raw + 1);
    size_t len = http_decode(to, (wf_str){ from, raw }, true);
    to[len] = 0;
    return (wf_str){ to, len };
}

static size_t count_pieces(wf_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] != '&' && (i == 0 || text.ptr[i - 1] == '&');
    return n;
}

int http_form_parse(struct arena *a, wf_str text, size_t max_fields, struct http_fields *fields,
                    struct err *err)
{
    size_t n = count_pieces(text);
    *fields = (struct http_fields){ 0 };
    if (n > max_fields)
        return err_set(err, ERR_LIMIT, "http: %zu form or query fields, at most %zu are allowed", n,
                       max_fields);
    if (!n)
        return 0;
    fields->at = ARENA_ARRAY(a, struct http_field, n);
    const char *at = text.ptr, *end = text.ptr + text.len;
    while (at < end) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        stop = stop ? stop : end;
        if (stop > at) {
            const char *equals = memchr(at, '=', (size_t)(stop - at));
            struct http_field *f = &fields->at[fields->n++];
            f->name = decoded(a, at, equals ? equals : stop);
            f->value = decoded(a, equals ? equals + 1 : stop, stop);
        }
        at = stop + 1;
    }
    return 0;
}

wf_str http_field_get(const struct http_fields *fields, const char *name)
{
    wf_str wanted = str_of(name);
    for (size_t i = 0; i < fields->n; i++)
        if (str_eq(fields->at[i].name, wanted))
            return fields->at[i].value;
    return (wf_str){ NULL, 0 };
}

wf_str http_media_type(struct arena *a, wf_str content_type)
{
    size_t from = 0, end = 0;
    while (from < content_type.len &&
           (content_type.ptr[from] == ' ' || content_type.ptr[from] == '\t'))
        from++;
    for (end = from; end < content_type.len; end++)
        if (strchr("; \t", content_type.ptr[end]))
            break;
    char *to = arena_alloc(a, end - from + 1);
    for (size_t i = from; i < end; i++) {
        char c = content_type.ptr[i];
        to[i - from] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    to[end - from] = 0;
    return (wf_str){ to, end - from };
}
