/* SPDX-License-Identifier: Apache-2.0
 * text_int: UTF-8 and numbers as text, the way JavaScript sees them. Positions in strings are
 * counted in code points, not in UTF-16 units: they differ from JavaScript behind characters above
 * U+FFFF only.
 */
#ifndef CATALYST_EXPR_TEXT_INT_H
#define CATALYST_EXPR_TEXT_INT_H
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes one code point (a surrogate becomes U+FFFD); returns the end. */
char *text_put_utf8(char *to, uint32_t code);
/* Reads the code point at *at (< end) and moves *at behind it; a broken byte reads as U+FFFD. */
uint32_t text_get_utf8(const char **at, const char *end);
/* Code points in the bytes. */
size_t text_count(const char *s, size_t len);
/* Byte offset of code point `index`, or len when it is behind the end. */
size_t text_offset(const char *s, size_t len, size_t index);
bool text_is_ascii(const char *s, size_t len);
/* White space of JavaScript's trim(). */
bool text_is_space(uint32_t code);
bool text_is_valid(const char *s, size_t len);

enum { TEXT_NUMBER_MAX = 48 };
/* A number as JavaScript prints it: shortest digits that read back. Returns the length; NUL-ended.
 */
size_t text_of_number(double d, char to[TEXT_NUMBER_MAX]);
/* JavaScript's Number("..."): NaN when it is none; "" is 0. */
double text_to_number(const char *s, size_t len);
/* JavaScript's parseFloat: the longest number at the start, or NaN. */
double text_parse_float(const char *s, size_t len);

#endif
