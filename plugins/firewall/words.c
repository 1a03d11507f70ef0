/* SPDX-License-Identifier: Apache-2.0
 * Words of rules files: verdicts, reasons, durations, and which word was probably meant.
 * Thread: any.
 */
#include "rules.h"
#include "hash.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *verdict_name(enum verdict v)
{
    static const char *const names[] = { "",
#define X(name, text) text,
                                         VERDICTS(X)
#undef X
    };
    return (unsigned)v < VERDICT_END ? names[v] : "";
}

const char *reason_name(enum reason r)
{
    static const char *const names[] = { "",
#define X(name, text, help) text,
                                         REASONS(X)
#undef X
    };
    return (unsigned)r < REASON_END ? names[r] : "";
}

enum reason reason_of(const char *name)
{
    for (unsigned r = 1; r < REASON_END; r++)
        if (!strcmp(reason_name((enum reason)r), name))
            return (enum reason)r;
    return REASON_NONE;
}

int words_duration(const struct tree *t, int64_t *ms)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = { { "ms", 1 }, { "s", 1e3 }, { "m", 6e4 }, { "h", 3.6e6 }, { "d", 8.64e7 } };
    double n = t->number;
    if (t->type == TREE_STRING) {
        char *end = NULL;
        size_t i = 0;
        n = strtod(t->text, &end);
        while (i < 5 && strcmp(units[i].unit, end) != 0)
            i++;
        if (end == t->text || i == 5)
            return -1;
        n *= units[i].ms;
    } else if (t->type != TREE_NUMBER) {
        return -1;
    }
    if (!(n >= 0) || n > 8.64e7 * 3660)
        return -1;
    *ms = (int64_t)n;
    return 0;
}

static unsigned least3(unsigned a, unsigned b, unsigned c)
{
    a = a < b ? a : b;
    return a < c ? a : c;
}

unsigned words_distance(const char *a, size_t a_len, const char *b, size_t b_len, unsigned max)
{
    enum { LONGEST = 64 };
    unsigned row[LONGEST + 1];
    size_t apart = a_len > b_len ? a_len - b_len : b_len - a_len;
    if (a_len > LONGEST || b_len > LONGEST || apart > max)
        return max + 1;
    for (size_t i = 0; i <= b_len; i++)
        row[i] = (unsigned)i;
    for (size_t i = 0; i < a_len; i++) {
        unsigned before = row[0], least = ++row[0];
        for (size_t k = 0; k < b_len; k++) {
            unsigned here = least3(row[k + 1] + 1, row[k] + 1, before + (a[i] != b[k]));
            before = row[k + 1];
            row[k + 1] = here;
            least = here < least ? here : least;
        }
        if (least > max)
            return max + 1;
    }
    return row[b_len] < max + 1 ? row[b_len] : max + 1;
}

const char *words_suggest(const char *word, const char *const *list)
{
    const char *best = NULL;
    unsigned least = 3;
    for (; *list; list++) {
        unsigned d = words_distance(word, strlen(word), *list, strlen(*list), 2);
        if (d < least) {
            least = d;
            best = *list;
        }
    }
    return best;
}

uint64_t name_hash(const char *text, size_t len) { return hash_bytes(hash_seed(), text, len); }

size_t words_lower(const char *text, size_t len, char out[SENDER_BYTES])
{
    size_t n = len < SENDER_BYTES ? len : SENDER_BYTES;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20u : c);
    }
    return n;
}

uint64_t sender_hash(const char *text, size_t len)
{
    char lower[SENDER_BYTES];
    return hash_bytes(hash_seed(), lower, words_lower(text, len, lower));
}

unsigned digits_of(uint64_t number)
{
    unsigned n = 1;
    for (; number >= 10; number /= 10)
        n++;
    return n;
}

int prefix_fits(const struct prefix *p, uint64_t number, unsigned digits)
{
    static const uint64_t powers[] = { 1u,
                                       10u,
                                       100u,
                                       1000u,
                                       10000u,
                                       100000u,
                                       1000000u,
                                       10000000u,
                                       100000000u,
                                       1000000000u,
                                       10000000000u,
                                       100000000000u,
                                       1000000000000u,
                                       10000000000000u,
                                       100000000000000u,
                                       1000000000000000u };
    return digits >= p->digits && digits - p->digits < 16 &&
           number / powers[digits - p->digits] == p->value;
}
