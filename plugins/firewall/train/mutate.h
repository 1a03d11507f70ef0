/* SPDX-License-Identifier: Apache-2.0
 * mutate.h - what senders of campaigns do to a text so that no two are the same: other names,
 * numbers and links, look-alike letters, capitals, signs, invisible characters. Seeded, for tests
 * and for the trainer's own campaigns.
 */
#ifndef FIREWALL_MUTATE_H
#define FIREWALL_MUTATE_H
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    MUTATE_FILL = 1,   /* {name}, {num}, {url}, {money}, {code} with others each time */
    MUTATE_LOOKS = 2,  /* look-alike letters of other scripts, digits for letters */
    MUTATE_HIDDEN = 4, /* zero-width characters */
    MUTATE_SHAPE = 8   /* capitals, signs and spaces */
};

struct mutate {
    uint64_t seed;
    char *out;
    size_t size, len;
};

static inline uint32_t mutate_next(struct mutate *m, uint32_t below)
{
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((m->seed >> 33) % below);
}

static inline void mutate_put(struct mutate *m, const char *s)
{
    for (; *s && m->len + 1 < m->size; s++)
        m->out[m->len++] = *s;
}

static inline void mutate_digits(struct mutate *m, uint32_t n)
{
    char digit[2] = "";
    while (n--) {
        digit[0] = (char)('0' + mutate_next(m, 10));
        mutate_put(m, digit);
    }
}

static inline void mutate_word(struct mutate *m)
{
    static const char *const parts[] = { "ba",  "ko",   "le",  "mi",  "ru", "sta",
                                         "ver", "pay",  "lo",  "gin", "ex", "pre",
                                         "ss",  "deli", "tra", "ck",  "x",  "my" };
    for (uint32_t n = 2 + mutate_next(m, 3); n; n--)
        mutate_put(m, parts[mutate_next(m, sizeof parts / sizeof *parts)]);
}

static inline void mutate_url(struct mutate *m)
{
    static const char *const ends[] = { ".com/", ".net/", ".info/", ".xyz/", ".top/", ".online/" };
    static const char *const shorts[] = { "bit.ly/", "tinyurl.com/", "cutt.ly/", "is.gd/",
                                          "rb.gy/" };
    static const char *const begins[] = { "http://", "https://", "", "www." };
    uint32_t kind = mutate_next(m, 4);
    if (kind == 0) {
        mutate_put(m, shorts[mutate_next(m, 5)]);
    } else {
        mutate_put(m, begins[mutate_next(m, 4)]);
        mutate_word(m);
        mutate_put(m, mutate_next(m, 2) ? "-" : "");
        mutate_word(m);
        mutate_put(m, ends[mutate_next(m, 6)]);
    }
    mutate_word(m);
    mutate_digits(m, mutate_next(m, 4));
}

/* What stands in braces; 1 when it is known. */
static inline int mutate_fill(struct mutate *m, const char *name, size_t len)
{
    static const char *const names[] = { "Anna",      "John",  "Maria",     "Wei",
                                         "Omar",      "Priya", "Tom",       "Elena",
                                         "Kofi",      "Sofia", "Miguel",    "Aisha",
                                         "Alexander", "Li",    "Christine", "Bo" };
    static const char *const signs[] = { "$", "£", "€", "USD ", "EUR " };
    if (len == 4 && memcmp(name, "name", 4) == 0)
        mutate_put(m, names[mutate_next(m, 16)]);
    else if (len == 3 && memcmp(name, "num", 3) == 0)
        mutate_digits(m, 4 + mutate_next(m, 5));
    else if (len == 4 && memcmp(name, "code", 4) == 0)
        mutate_digits(m, 4 + 2 * mutate_next(m, 2));
    else if (len == 5 && memcmp(name, "phone", 5) == 0)
        mutate_put(m, "0"), mutate_digits(m, 10);
    else if (len == 3 && memcmp(name, "url", 3) == 0)
        mutate_url(m);
    else if (len == 5 && memcmp(name, "money", 5) == 0)
        mutate_put(m, signs[mutate_next(m, 5)]), mutate_digits(m, 2 + mutate_next(m, 3));
    else
        return 0;
    return 1;
}

static inline const char *mutate_look(struct mutate *m, char c)
{
    static const char from[] = "aAeEoOpPcCxXiIysS";
    static const char *const to[] = { "а", "А", "е", "Е", "о", "О", "р", "Р", "с",
                                      "С", "х", "Х", "і", "І", "у", "ѕ", "Ѕ" };
    static const char leet[] = "aeios", digits[] = "43105";
    static char one[2];
    const char *at = strchr(from, c);
    if (mutate_next(m, 4) == 0 && (at = strchr(leet, c)) != NULL) {
        one[0] = digits[at - leet];
        return one;
    }
    at = strchr(from, c);
    return at ? to[at - from] : NULL;
}

/* Writes a text of the template, NUL-ended; its length. In links nothing but the filling changes.
 */
static inline size_t mutate(struct mutate *m, const char *template, unsigned how)
{
    m->len = 0;
    for (const char *p = template; *p; p++) {
        const char *end = *p == '{' ? strchr(p, '}') : NULL;
        if (end && mutate_fill(m, p + 1, (size_t)(end - p) - 1)) {
            p = end;
            continue;
        }
        char one[2] = { *p, 0 };
        int is_letter = (unsigned char)((*p | 32) - 'a') < 26;
        const char *look = NULL;
        if (is_letter && how & MUTATE_LOOKS && mutate_next(m, 6) == 0)
            look = mutate_look(m, *p);
        if (is_letter && how & MUTATE_SHAPE && mutate_next(m, 12) == 0)
            one[0] = (char)(*p ^ 32);
        mutate_put(m, look ? look : one);
        if (how & MUTATE_HIDDEN && mutate_next(m, 10) == 0)
            mutate_put(m, "\xe2\x80\x8b");
        if (how & MUTATE_SHAPE && (*p == ' ' || *p == '!' || *p == '.') && mutate_next(m, 6) == 0)
            mutate_put(m, *p == ' ' ? " " : "!");
    }
    m->out[m->len] = 0;
    return m->len;
}

#endif
