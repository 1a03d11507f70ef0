/* SPDX-License-Identifier: Apache-2.0
 * hex: bytes as hexadecimal digits, written in small letters, read in both. Pure; any thread.
 */
#ifndef CATALYST_HEX_H
#define CATALYST_HEX_H
#include <catalyst/plugin.h>
#include <stdbool.h>
#include <stddef.h>

/* The value of a digit, or -1. */
static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Writes 2 * n digits, no NUL. */
void hex_encode(char *to, const void *bytes, size_t n);
/* Reads n bytes; false when the text is anything but 2 * n digits. */
bool hex_decode(wf_str text, void *bytes, size_t n);

#endif
