/* SPDX-License-Identifier: Apache-2.0
 * The encoder of RFC 3492, section 6.3: the ASCII letters of a label first, then for each other
 * code point, in ascending order, the distance to it as a number of variable length in base 36.
 */
#include "punycode.h"
#include <string.h>

enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, BIAS = 72, FIRST = 128 };

static uint32_t adapt(uint32_t delta, uint32_t points, int first)
{
    uint32_t k = 0;
    delta = first ? delta / DAMP : delta / 2;
    delta += delta / points;
    for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
        delta /= BASE - T_MIN;
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static char digit(uint32_t d) { return (char)(d < 26 ? 'a' + d : '0' + d - 26); }

struct label {
    char text[PUNY_LABEL_MAX];
    size_t len;
    int is_full;
};

static void put_byte(struct label *l, char c)
{
    if (l->len == sizeof l->text)
        l->is_full = 1;
    else
        l->text[l->len++] = c;
}

static void put_number(struct label *l, uint32_t q, uint32_t bias)
{
    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
        if (q < t)
            break;
        put_byte(l, digit(t + (q - t) % (BASE - t)));
        q = (q - t) / (BASE - t);
    }
    put_byte(l, digit(q));
}

/* The smallest code point of the label that is `least` or more. */
static uint32_t next_point(const uint32_t *points, size_t n, uint32_t least)
{
    uint32_t next = UINT32_MAX;
    for (size_t i = 0; i < n; i++)
        if (points[i] >= least && points[i] < next)
            next = points[i];
    return next;
}

static void put_rest(struct label *l, const uint32_t *points, size_t n, uint32_t basic)
{
    uint32_t least = FIRST, delta = 0, bias = BIAS, done = basic;
    while (done < n && !l->is_full) {
        uint32_t next = next_point(points, n, least);
        delta += (next - least) * (done + 1);
        least = next;
        for (size_t i = 0; i < n; i++) {
            if (points[i] < least)
                delta++;
            if (points[i] != least)
                continue;
            put_number(l, delta, bias);
            bias = adapt(delta, done + 1, done == basic);
            delta = 0;
            done++;
        }
        delta++;
        least++;
    }
}

/* 0, or -1 when it is empty or too long. */
static int put_label(struct label *l, const uint32_t *points, size_t n)
{
    uint32_t basic = 0;
    *l = (struct label){ .len = 0 };
    for (size_t i = 0; i < n; i++)
        basic += points[i] < FIRST;
    if (n == 0 || n > PUNY_LABEL_MAX)
        return -1;
    for (size_t i = 0; basic < n && i < 4; i++)
        put_byte(l, "xn--"[i]);
    for (size_t i = 0; i < n; i++)
        if (points[i] < FIRST)
            put_byte(l, (char)points[i]);
    if (basic < n) {
        if (basic)
            put_byte(l, '-');
        put_rest(l, points, n, basic);
    }
    return l->is_full ? -1 : 0;
}

size_t puny_host(const uint32_t *host, size_t n, char *out, size_t size)
{
    size_t len = 0, start = 0;
    struct label l;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && host[i] != '.')
            continue;
        if (put_label(&l, host + start, i - start) != 0 || len + l.len + 2 > size)
            return 0;
        memcpy(out + len, l.text, l.len);
        len += l.len;
        out[len++] = '.';
        start = i + 1;
    }
    out[--len] = 0;
    return len;
}
