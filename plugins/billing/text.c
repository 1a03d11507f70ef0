/* SPDX-License-Identifier: Apache-2.0
 * A growing text, for statements' parameters and events. Thread: any.
 */
#include "billing_int.h"
#include <stdio.h>
#include <stdlib.h>

static void text_room(struct text *t, size_t more)
{
    if (t->len + more < t->size)
        return;
    t->size = (t->len + more + 1) * 2;
    t->ptr = realloc(t->ptr, t->size);
    if (!t->ptr)
        abort();
}

void text_add(struct text *t, const char *s, size_t len)
{
    text_room(t, len);
    memcpy(t->ptr + t->len, s, len);
    t->len += len;
    t->ptr[t->len] = 0;
}

void text_addf(struct text *t, const char *format, ...)
{
    va_list args;
    char part[512];
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    int n = vsnprintf(part, sizeof part, format, args);
    va_end(args);
    text_add(t, part, n < (int)sizeof part ? (size_t)n : sizeof part - 1);
}

void text_json(struct text *t, const char *s, size_t len)
{
    size_t from = 0;
    text_add(t, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        char escape[8];
        int n = snprintf(escape, sizeof escape, "\\u%04x", c);
        text_add(t, s + from, i - from);
        text_add(t, escape, (size_t)n);
        from = i + 1;
    }
    text_add(t, s + from, len - from);
    text_add(t, "\"", 1);
}

void text_free(struct text *t)
{
    free(t->ptr);
    *t = (struct text){ 0 };
}

int64_t int_of(wf_str cell)
{
    char digits[32] = "";
    if (cell.ptr && cell.len < sizeof digits)
        memcpy(digits, cell.ptr, cell.len);
    return strtoll(digits, NULL, 10);
}
