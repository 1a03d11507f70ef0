/* SPDX-License-Identifier: Apache-2.0
 * text: UTF-8 stepping and the two-way trip between numbers and text by JavaScript's rules. Pure
 * functions; any thread. strtod and printf are called in the C locale, which the program never
 * leaves.
 */
#include "expr/text_int.h"
#include "json/json.h"
#include <math.h>
#include <stdlib.h>
#include <ctype.h>

char *text_put_utf8(char *to, uint32_t code)
{
    if (code >= 0xD800 && code <= 0xDFFF)
        code = 0xFFFD;
    return str_utf8_put(to, code);
}

uint32_t text_get_utf8(const char **at, const char *end)
{
    const unsigned char *s = (const unsigned char *)*at;
    size_t left = (size_t)(end - *at);
    unsigned n = s[0] < 0x80 ? 0 : s[0] >= 0xF0 ? 3 : s[0] >= 0xE0 ? 2 : 1;
    uint32_t code = n == 0 ? s[0] : n == 1 ? s[0] & 31u : n == 2 ? s[0] & 15u : s[0] & 7u;
    if ((s[0] >= 0x80 && s[0] < 0xC0) || n >= left) {
        *at += 1;
        return n ? 0xFFFD : code;
    }
    for (unsigned i = 1; i <= n; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            *at += 1;
            return 0xFFFD;
        }
        code = code << 6 | (s[i] & 63u);
    }
    *at += n + 1;
    return code;
}

bool text_is_ascii(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] >= 0x80)
            return false;
    return true;
}

size_t text_count(const char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)s[i] & 0xC0) != 0x80;
    return n;
}

size_t text_offset(const char *s, size_t len, size_t index)
{
    size_t i = 0;
    for (; i < len; i++)
        if (((unsigned char)s[i] & 0xC0) != 0x80 && index-- == 0)
            break;
    return i;
}

bool text_is_space(uint32_t c)
{
    return c == ' ' || (c >= 9 && c <= 13) || c == 0xA0 || c == 0xFEFF || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

bool text_is_valid(const char *s, size_t len)
{
    const char *at = s, *end = s + len;
    while (at < end) {
        const char *before = at;
        uint32_t c = text_get_utf8(&at, end);
        char again[4];
        size_t n = (size_t)(text_put_utf8(again, c) - again);
        if (n != (size_t)(at - before) || memcmp(again, before, n) || c > 0x10FFFF)
            return false;
    }
    return true;
}

size_t text_of_number(double d, char to[TEXT_NUMBER_MAX])
{
    const char *word = d != d              ? "NaN"
                       : isinf(d) && d > 0 ? "Infinity"
                       : isinf(d)          ? "-Infinity"
                                           : NULL;
    size_t len;
    if (word) {
        len = strlen(word);
        memcpy(to, word, len);
    } else {
        /* the item format writes numbers as JavaScript does */
        struct json v = json_of_double(d);
        len = json_write(&v, to);
    }
    to[len] = '\0';
    return len;
}

static const char *skip_spaces(const char *s, const char *end)
{
    while (s < end) {
        const char *next = s;
        if (!text_is_space(text_get_utf8(&next, end)))
            break;
        s = next;
    }
    return s;
}

/* Length of the decimal number at the start of s, 0 for none. */
static size_t decimal_length(const char *s, const char *end)
{
    const char *at = s;
    if (at < end && (*at == '+' || *at == '-'))
        at++;
    if (end - at >= 8 && !memcmp(at, "Infinity", 8))
        return (size_t)(at + 8 - s);
    const char *first = at;
    while (at < end && isdigit((unsigned char)*at))
        at++;
    size_t digits = (size_t)(at - first);
    if (at < end && *at == '.') {
        const char *dot = at++;
        while (at < end && isdigit((unsigned char)*at))
            at++;
        digits += (size_t)(at - dot - 1);
    }
    if (!digits)
        return 0;
    if (at < end && (*at | 32) == 'e') {
        const char *e = at + 1;
        if (e < end && (*e == '+' || *e == '-'))
            e++;
        if (e < end && isdigit((unsigned char)*e)) {
            while (e < end && isdigit((unsigned char)*e))
                e++;
            at = e;
        }
    }
    return (size_t)(at - s);
}

static double decimal_value(const char *s, size_t len)
{
    char small[64], *text = len < sizeof small ? small : malloc(len + 1);
    if (!text)
        return NAN;
    memcpy(text, s, len);
    text[len] = '\0';
    double d = strtod(text, NULL);
    if (text != small)
        free(text);
    return d;
}

double text_parse_float(const char *s, size_t len)
{
    const char *end = s + len;
    s = skip_spaces(s, end);
    size_t n = decimal_length(s, end);
    return n ? decimal_value(s, n) : NAN;
}

static double based_value(const char *s, const char *end, int base)
{
    double value = 0;
    if (s == end)
        return NAN;
    for (; s < end; s++) {
        int c = (unsigned char)*s;
        int digit = isdigit(c) ? c - '0' : isalpha(c) ? (c | 32) - 'a' + 10 : 99;
        if (digit >= base)
            return NAN;
        value = value * base + digit;
    }
    return value;
}

double text_to_number(const char *s, size_t len)
{
    const char *end = s + len;
    s = skip_spaces(s, end);
    if (s == end)
        return 0;
    size_t n = decimal_length(s, end);
    if (end - s > 2 && s[0] == '0' && strchr("xXoObB", s[1])) {
        int base = (s[1] | 32) == 'x' ? 16 : (s[1] | 32) == 'o' ? 8 : 2;
        while (end > s && text_is_space((unsigned char)end[-1]))
            end--;
        return based_value(s + 2, end, base);
    }
    if (!n || skip_spaces(s + n, end) != end)
        return NAN;
    return decimal_value(s, n);
}
