/* SPDX-License-Identifier: Apache-2.0
 * base64 for binary data inside JSON. See base64.h.
 */
#include "base/base64.h"
#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(char *to, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t word = (uint32_t)p[i] << 16;
        if (i + 1 < len)
            word |= (uint32_t)p[i + 1] << 8;
        if (i + 2 < len)
            word |= p[i + 2];
        *to++ = alphabet[word >> 18];
        *to++ = alphabet[word >> 12 & 63];
        *to++ = i + 1 < len ? alphabet[word >> 6 & 63] : '=';
        *to++ = i + 2 < len ? alphabet[word & 63] : '=';
    }
}

void base64_add(struct strbuf *b, const void *bytes, size_t len)
{
    size_t digits = (len + 2) / 3 * 4;
    char *to = strbuf_reserve(b, digits);
    if (!to)
        return;
    base64_encode(to, bytes, len);
    to[digits] = 0;
    b->len += digits;
}

int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(struct arena *a, const char *text, size_t len, wf_str *out)
{
    while (len && text[len - 1] == '=')
        len--;
    if (len % 4 == 1)
        return false;
    char *bytes = arena_alloc(a, len / 4 * 3 + 4), *to = bytes;
    uint32_t word = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return false;
        word = word << 6 | (uint32_t)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *to++ = (char)(word >> bits);
        }
    }
    *to = 0;
    *out = (wf_str){ bytes, (size_t)(to - bytes) };
    return true;
}
