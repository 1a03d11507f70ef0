/* SPDX-License-Identifier: Apache-2.0
 * Slices, names that are near each other, and the growable buffer. See str.h.
 */
#include "base/str.h"
#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

bool str_eq_nocase(wf_str a, wf_str b)
{
    return a.len == b.len && (!a.len || !strncasecmp(a.ptr, b.ptr, a.len));
}

bool str_eq_secret(wf_str a, wf_str b)
{
    if (a.len != b.len)
        return false;
    volatile unsigned char diff = 0;
    for (size_t i = 0; i < a.len; i++)
        diff |= (unsigned char)a.ptr[i] ^ (unsigned char)b.ptr[i];
    return diff == 0;
}

enum { NAME_MAX_LEN = 64 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

unsigned str_distance(const char *a, const char *b, unsigned limit)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > NAME_MAX_LEN || lb > NAME_MAX_LEN)
        return limit + 1;
    unsigned rows[3][NAME_MAX_LEN + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    memset(rows, 0, sizeof rows);
    for (size_t j = 0; j <= lb; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        unsigned *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[lb] > limit ? limit + 1 : above[lb];
}

char *str_utf8_put(char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3; /* bytes after the first */
    *to++ = (char)((0xf00 >> (more + 1) & 0xff) | code >> (6 * more));
    while (more--)
        *to++ = (char)(0x80 | (code >> (6 * more) & 0x3f));
    return to;
}

const char *str_nearest(const char *name, const char *const *names, size_t n)
{
    const char *best = NULL;
    unsigned limit = (unsigned)(strlen(name) / 3) + 1, best_distance = limit + 1;
    for (size_t i = 0; i < n; i++) {
        unsigned d = str_distance(name, names[i], limit);
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}

void strbuf_init(struct strbuf *b, size_t cap) { *b = (struct strbuf){ .cap = cap }; }

void strbuf_fini(struct strbuf *b)
{
    free(b->ptr);
    *b = (struct strbuf){ .cap = b->cap };
}

void strbuf_clear(struct strbuf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->ptr)
        b->ptr[0] = 0;
}

char *strbuf_reserve(struct strbuf *b, size_t bytes)
{
    if (b->failed || bytes > b->cap || b->len > b->cap - bytes) {
        b->failed = true;
        return NULL;
    }
    if (b->len + bytes + 1 > b->size) {
        size_t size = b->size ? b->size : 256;
        while (size < b->len + bytes + 1)
            size *= 2;
        b->ptr = xrealloc(b->ptr, size);
        b->size = size;
    }
    return b->ptr + b->len;
}

void strbuf_add(struct strbuf *b, const void *ptr, size_t len)
{
    char *to = strbuf_reserve(b, len);
    if (!to)
        return;
    if (len)
        memcpy(to, ptr, len);
    to[len] = 0;
    b->len += len;
}

void strbuf_vaddf(struct strbuf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *to = strbuf_reserve(b, (size_t)len);
    if (to) {
        vsnprintf(to, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

void strbuf_addf(struct strbuf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    strbuf_vaddf(b, format, args);
    va_end(args);
}

static void add_json_char(struct strbuf *b, unsigned char c)
{
    static const char short_form[] = {
        ['"'] = '"', ['\\'] = '\\', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'
    };
    if (c < sizeof short_form && short_form[c]) {
        char pair[2] = { '\\', short_form[c] };
        strbuf_add(b, pair, 2);
    } else if (c < 0x20) {
        strbuf_addf(b, "\\u%04x", c);
    } else {
        strbuf_addc(b, (char)c);
    }
}

void strbuf_add_json(struct strbuf *b, const char *ptr, size_t len)
{
    const unsigned char *p = (const unsigned char *)ptr;
    strbuf_addc(b, '"');
    for (size_t i = 0; i < len;) {
        size_t n = str_utf8_length(p + i, len - i);
        if (n == 1)
            add_json_char(b, p[i]);
        else if (n)
            strbuf_add(b, p + i, n);
        else
            strbuf_adds(b, "\xef\xbf\xbd");
        i += n ? n : 1;
    }
    strbuf_addc(b, '"');
}

char *strbuf_take(struct strbuf *b)
{
    char *ptr = b->ptr ? b->ptr : xstrdup("");
    *b = (struct strbuf){ .cap = b->cap };
    return ptr;
}
