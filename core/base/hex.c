/* SPDX-License-Identifier: Apache-2.0
 * Digits two by two. See hex.h.
 */
#include "base/hex.h"

void hex_encode(char *to, const void *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        *to++ = digits[p[i] >> 4];
        *to++ = digits[p[i] & 15];
    }
}

bool hex_decode(wf_str text, void *bytes, size_t n)
{
    unsigned char *to = bytes;
    if (text.len != n * 2)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(text.ptr[2 * i]), low = hex_digit(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        to[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}
