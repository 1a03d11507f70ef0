/* SPDX-License-Identifier: Apache-2.0
 * Which fingerprints near to one came lately. A fingerprint is cut into four quarters of 16 bits.
 * When two differ in at most 7 bits, some quarter differs in at most one: so looking up each
 * quarter and its 16 neighbours finds them all. A bitmap of each quarter answers most of the 68
 * questions without touching a list.
 *
 * Clusters stand in one array; the lists are numbers in it. Each cluster counts in NEAR_PARTS parts
 * of the window; a part is cleared when its time comes round again. Texts made to fill one list
 * make it no slower: only its newest WALK_MAX are looked at.
 */
#include "simhash.h"
#include <stdlib.h>
#include <string.h>

enum { QUARTERS = 4, KEYS = 65536, NONE = 0xffff, TRIES = 8, WALK_MAX = 64 };

struct cluster {
    uint64_t fingerprint;
    uint32_t group, len;
    uint16_t next[QUARTERS];
    uint32_t parts[NEAR_PARTS];
    uint32_t part;  /* the newest part that was counted in */
    uint32_t total; /* of all its time, to tell singles */
};

struct near_table {
    uint64_t seen[QUARTERS][KEYS / 64];
    uint16_t heads[QUARTERS][KEYS];
    uint32_t used, hand;
    struct cluster clusters[NEAR_CLUSTERS];
};

_Static_assert((int)NEAR_CLUSTERS < (int)NONE, "numbers of clusters fit 16 bits");

struct near_table *near_create(void)
{
    struct near_table *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    memset(t->heads, 0xff, sizeof t->heads);
    return t;
}

void near_free(struct near_table *t) { free(t); }

/* Groups see other places of the table, so that a text many send is no long list. */
static uint16_t key_of(uint64_t fingerprint, uint32_t group, unsigned quarter)
{
    return (uint16_t)(fingerprint >> (16 * quarter) ^ group);
}

static void link_in(struct near_table *t, uint32_t number)
{
    struct cluster *c = &t->clusters[number];
    for (unsigned q = 0; q < QUARTERS; q++) {
        uint16_t key = key_of(c->fingerprint, c->group, q);
        c->next[q] = t->heads[q][key];
        t->heads[q][key] = (uint16_t)number;
        t->seen[q][key / 64] |= 1ull << key % 64;
    }
}

static void link_out(struct near_table *t, uint32_t number)
{
    struct cluster *c = &t->clusters[number];
    for (unsigned q = 0; q < QUARTERS; q++) {
        uint16_t key = key_of(c->fingerprint, c->group, q), *at = &t->heads[q][key];
        while (*at != number)
            at = &t->clusters[*at].next[q];
        *at = c->next[q];
        if (t->heads[q][key] == NONE)
            t->seen[q][key / 64] &= ~(1ull << key % 64);
    }
}

/* A place for a new cluster: an unused one, else of the next few a single, else the oldest. */
static uint32_t place(struct near_table *t, uint32_t part)
{
    uint32_t best = 0, best_age = 0;
    if (t->used < NEAR_CLUSTERS)
        return t->used++;
    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t number = t->hand = (t->hand + 1) % NEAR_CLUSTERS;
        const struct cluster *c = &t->clusters[number];
        uint32_t age = part - c->part;
        if (c->total == 1 || age >= NEAR_PARTS) {
            best = number;
            break;
        }
        if (i == 0 || age > best_age)
            best = number, best_age = age;
    }
    link_out(t, best);
    return best;
}

static int is_near(const struct cluster *c, const struct near_text *text, uint32_t distance)
{
    uint32_t more = c->len > text->len ? c->len : text->len;
    uint32_t less = c->len > text->len ? text->len : c->len;
    return c->group == (uint32_t)text->group && more - less <= more / 4 &&
           (uint32_t)__builtin_popcountll(c->fingerprint ^ text->fingerprint) <= distance;
}

static uint32_t find_in(const struct near_table *t, unsigned quarter, uint16_t key,
                        const struct near_text *text, uint32_t distance)
{
    if (!(t->seen[quarter][key / 64] >> key % 64 & 1))
        return NONE;
    uint32_t number = t->heads[quarter][key];
    for (unsigned i = 0; i < WALK_MAX && number != NONE; i++) {
        if (is_near(&t->clusters[number], text, distance))
            return number;
        number = t->clusters[number].next[quarter];
    }
    return NONE;
}

static uint32_t find(const struct near_table *t, const struct near_text *text, uint32_t distance)
{
    uint32_t number;
    for (unsigned q = 0; q < QUARTERS; q++)
        if ((number = find_in(t, q, key_of(text->fingerprint, (uint32_t)text->group, q), text,
                              distance)) != NONE)
            return number;
    /* up to three bits apart some quarter is the same */
    for (unsigned q = 0; q < QUARTERS && distance >= QUARTERS; q++) {
        uint16_t key = key_of(text->fingerprint, (uint32_t)text->group, q);
        for (unsigned bit = 0; bit < 16; bit++)
            if ((number = find_in(t, q, key ^ (uint16_t)(1u << bit), text, distance)) != NONE)
                return number;
    }
    return NONE;
}

/* The parts that passed since the cluster was counted last hold nothing. */
static void advance(struct cluster *c, uint32_t part)
{
    int32_t passed = (int32_t)(part - c->part);
    if (passed <= 0 && passed > -NEAR_PARTS)
        return;                             /* the clock went back a little: count where we are */
    if (passed < 0 || passed >= NEAR_PARTS) /* or the window is another */
        memset(c->parts, 0, sizeof c->parts);
    else
        for (uint32_t p = c->part + 1; p != part + 1; p++)
            c->parts[p % NEAR_PARTS] = 0;
    c->part = part;
}

uint32_t near_count(struct near_table *t, const struct near_text *text, uint32_t distance,
                    int64_t window_ms)
{
    int64_t part_ms = window_ms > NEAR_PARTS ? window_ms / NEAR_PARTS : 1;
    uint32_t part = (uint32_t)(text->now_ms / part_ms), sum = 0;
    uint32_t number = find(t, text, distance);
    if (number == NONE) {
        number = place(t, part);
        t->clusters[number] = (struct cluster){ .fingerprint = text->fingerprint,
                                                .group = (uint32_t)text->group,
                                                .len = text->len,
                                                .part = part };
        link_in(t, number);
    }
    struct cluster *c = &t->clusters[number];
    advance(c, part);
    c->parts[c->part % NEAR_PARTS]++;
    c->total++;
    for (unsigned i = 0; i < NEAR_PARTS; i++)
        sum += c->parts[i];
    return sum;
}
