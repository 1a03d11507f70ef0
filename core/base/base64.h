/* SPDX-License-Identifier: Apache-2.0
 * base64: RFC 4648 section 4, with padding; decoding also takes the URL alphabet and text without
 * padding.
 */
#ifndef CATALYST_BASE64_H
#define CATALYST_BASE64_H
#include "base/arena.h"
#include "base/str.h"
#include <stdbool.h>

/* The value of a digit of either alphabet, or -1. */
int base64_digit(char c);
/* Writes (len + 2) / 3 * 4 digits, no NUL. */
void base64_encode(char *to, const void *bytes, size_t len);
void base64_add(struct strbuf *b, const void *bytes, size_t len);
/* The bytes in the arena (NUL-ended), or false when the text is not base64. */
bool base64_decode(struct arena *a, const char *text, size_t len, wf_str *out);

#endif
