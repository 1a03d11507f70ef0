/* SPDX-License-Identifier: Apache-2.0
 * Numbers: what a number's text is worth, without losing digits on the way. Only json_double
 * rounds.
 */
#include "json/json_int.h"
#include "base/err.h"
#include <stdlib.h>

enum {
    POINT_MAX = 1000000000
}; /* beyond it an exponent is `huge`; a text has at most 2^32 digits */

/* The exponent behind 'e', cut at +-10 * POINT_MAX. */
static int64_t exponent_of(const char *p, const char *end)
{
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    int64_t e = 0;
    for (; p < end; p++)
        if (e < (int64_t)POINT_MAX)
            e = e * 10 + (*p - '0');
        else if (e < (int64_t)POINT_MAX * 10)
            e = (int64_t)POINT_MAX * 10;
    return negative ? -e : e;
}

void decimal_of(const char *text, size_t len, struct decimal *out)
{
    const char *p = text, *end = text + len;
    *out = (struct decimal){ .negative = len && *p == '-' };
    p += out->negative;
    int64_t before = 0; /* digits of the integer part, from the first that counts */
    int64_t seen = 0;   /* digits from the first that counts */
    bool fraction = false;
    for (; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        if (!out->first && *p == '0') {
            before -= fraction; /* a zero between the point and the first digit */
            continue;
        }
        if (!out->first)
            out->first = p;
        before += !fraction;
        seen++;
        if (*p != '0')
            out->n = (uint32_t)seen;
    }
    int64_t e = p < end ? exponent_of(p + 1, end) : 0;
    out->huge = e > POINT_MAX || e < -(int64_t)POINT_MAX;
    out->point = out->n ? before + e : 0;
}

static const char *next_digit(const char *p) { return *p == '.' ? p + 1 : p; }

/* The first `n` digits as an integer; n <= 19. */
static uint64_t digits_value(const struct decimal *d, uint32_t n)
{
    uint64_t value = 0;
    const char *p = d->first;
    for (uint32_t i = 0; i < n; i++) {
        p = next_digit(p);
        value = value * 10 + (unsigned)(*p++ - '0');
    }
    return value;
}

bool decimal_int(const struct decimal *d, int64_t *out)
{
    if (d->point > 19 || d->point < (int64_t)d->n)
        return false; /* too large, or digits behind the point */
    uint64_t value = digits_value(d, d->n);
    for (int64_t i = d->n; i < d->point; i++)
        value *= 10; /* stays below 10^19, which fits */
    if (value > (uint64_t)INT64_MAX + d->negative)
        return false;
    *out = (int64_t)(d->negative ? 0 - value : value);
    return true;
}

bool decimal_same(const struct decimal *a, const struct decimal *b)
{
    if (!a->n || !b->n)
        return a->n == b->n;
    if (a->negative != b->negative || a->n != b->n || a->point != b->point)
        return false;
    const char *p = a->first, *q = b->first;
    for (uint32_t i = 0; i < a->n; i++) {
        p = next_digit(p);
        q = next_digit(q);
        if (*p++ != *q++)
            return false;
    }
    return true;
}

/* strtod for bytes that do not end with a NUL. */
static double slow_double(const char *text, size_t len)
{
    char local[256];
    char *copy = len < sizeof local ? local : xmalloc(len + 1);
    memcpy(copy, text, len);
    copy[len] = 0;
    double value = strtod(copy, NULL);
    if (copy != local)
        free(copy);
    return value;
}

static double text_double(const char *text, size_t len)
{
    static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    struct decimal d;
    decimal_of(text, len, &d);
    /* Both the digits and the power are exact in a double, so one division or product rounds once.
     */
    int64_t e = d.point - (int64_t)d.n;
    if (d.n > 15 || e < -22 || e > 22)
        return slow_double(text, len);
    double value = (double)digits_value(&d, d.n);
    value = e < 0 ? value / powers[-e] : value * powers[e];
    return d.negative ? -value : value;
}

bool json_double(const struct json *v, double *out)
{
    if (!json_is_number(v))
        return false;
    if (v->type == JSON_INT)
        *out = (double)v->i;
    else if (v->type == JSON_DOUBLE)
        *out = v->d;
    else
        *out = text_double(v->s, v->len);
    return true;
}

static bool double_int(double d, int64_t *out)
{
    if (!(d >= -0x1p63 && d < 0x1p63) || d != (double)(int64_t)d)
        return false;
    *out = (int64_t)d;
    return true;
}

bool json_int(const struct json *v, int64_t *out)
{
    if (!json_is_number(v))
        return false;
    if (v->type == JSON_INT) {
        *out = v->i;
        return true;
    }
    if (v->type == JSON_DOUBLE)
        return double_int(v->d, out);
    struct decimal d;
    decimal_of(v->s, v->len, &d);
    return decimal_int(&d, out);
}

/* A number's text against another number. */
static bool text_equal(const struct json *text, const struct json *other)
{
    struct decimal a, b;
    if (other->type == JSON_DOUBLE)
        return text_double(text->s, text->len) == other->d;
    decimal_of(text->s, text->len, &a);
    if (other->type == JSON_INT) {
        int64_t i;
        return decimal_int(&a, &i) && i == other->i;
    }
    decimal_of(other->s, other->len, &b);
    if (a.huge || b.huge)
        return (!a.n && !b.n) || (text->len == other->len && !memcmp(text->s, other->s, text->len));
    return decimal_same(&a, &b);
}

bool number_equal(const struct json *a, const struct json *b)
{
    if (a->type == JSON_NUMBER)
        return text_equal(a, b);
    if (b->type == JSON_NUMBER)
        return text_equal(b, a);
    if (a->type == b->type)
        return a->type == JSON_INT ? a->i == b->i : a->d == b->d;
    int64_t i;
    return double_int(a->type == JSON_DOUBLE ? a->d : b->d, &i) &&
           i == (a->type == JSON_INT ? a->i : b->i);
}
