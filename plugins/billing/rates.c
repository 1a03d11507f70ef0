/* SPDX-License-Identifier: Apache-2.0
 * Building a snapshot of the rate cards, and looking prices up in it. Thread: a snapshot is built
 * by one worker and read by all; only its count of readers changes.
 */
#include "rates.h"
#include <stdlib.h>
#include <string.h>

static void *rates_memory(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes ? bytes : 1);
    if (!memory)
        abort();
    return memory;
}

/* --- rows ------------------------------------------------------------------------------------- */

void rate_builder_add(struct rate_builder *b, const struct rate_row *row)
{
    if (b->n == b->size) {
        b->size = b->size ? b->size * 2 : 1024;
        b->rows = rates_memory(b->rows, b->size * sizeof *b->rows);
    }
    b->rows[b->n++] = *row;
}

void rate_builder_free(struct rate_builder *b)
{
    for (uint32_t i = 0; i < b->n; i++)
        free((char *)(uintptr_t)b->rows[i].bands);
    free(b->rows);
    *b = (struct rate_builder){ 0 };
}

static int by_number(int64_t a, int64_t b) { return a < b ? -1 : a > b; }

static int by_place(const void *one, const void *other)
{
    const struct rate_row *a = one, *b = other;
    int way = strcmp(a->card, b->card);
    if (!way)
        way = by_number(a->from_us, b->from_us);
    if (!way)
        way = strcmp(a->channel, b->channel);
    if (!way)
        way = strcmp(a->direction, b->direction);
    if (!way)
        way = strcmp(a->class_name, b->class_name);
    return way ? way : strcmp(a->prefix, b->prefix); /* numbers before "n..." */
}

static int same_group(const struct rate_row *a, const struct rate_row *b)
{
    return !strcmp(a->channel, b->channel) && !strcmp(a->direction, b->direction) &&
           !strcmp(a->class_name, b->class_name);
}

/* --- building --------------------------------------------------------------------------------- */

static const char *take_number(const char *p, int64_t *out)
{
    int64_t n = 0;
    const char *from = p;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
            return NULL;
    *out = n;
    return p > from ? p : NULL;
}

int rate_bands_parse(const char *text, struct rate_band *out, int max)
{
    int n = 0;
    for (const char *p = text; *p; n++) {
        if (n == max || !(p = take_number(p, &out[n].from)) || *p++ != ':' ||
            !(p = take_number(p, &out[n].price_micro)) || (*p && *p++ != ','))
            return -1;
        if (out[n].from <= (n ? out[n - 1].from : 0) || (!*p && p[-1] == ','))
            return -1;
    }
    return n;
}

static int32_t add_rate(struct rates *r, const struct rate_row *row)
{
    struct rate *rate = &r->rates[r->n_rates];
    struct rate_band bands[RATE_BANDS_MAX];
    int n = row->bands ? rate_bands_parse(row->bands, bands, RATE_BANDS_MAX) : 0;
    n = n < 0 ? 0 : n;
    *rate = (struct rate){ .price_micro = row->price_micro,
                           .bands = r->n_bands,
                           .n_bands = (uint8_t)n,
                           .mode = row->mode };
    memcpy(rate->prefix, row->prefix, sizeof rate->prefix);
    if (n) {
        r->bands = rates_memory(r->bands, (r->n_bands + (uint32_t)n) * sizeof *r->bands);
        memcpy(r->bands + r->n_bands, bands, (size_t)n * sizeof *bands);
        r->n_bands += (uint32_t)n;
    }
    return (int32_t)r->n_rates++;
}

static uint64_t hash_more(uint64_t hash, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    return (hash ^ 0xff) * 0x100000001b3u;
}

static uint64_t group_hash(const char *channel, size_t channel_len, const char *direction,
                           size_t direction_len, const char *class_name, size_t class_len)
{
    uint64_t hash = hash_more(0xcbf29ce484222325u, channel, channel_len);
    return hash_more(hash_more(hash, direction, direction_len), class_name, class_len);
}

/* Rows [from, to) are one group in order of prefix. */
static void add_group(struct rates *r, struct rate_version *v, const struct rate_row *rows,
                      uint32_t from, uint32_t to)
{
    v->groups = rates_memory(v->groups, (v->n_groups + 1) * sizeof *v->groups);
    struct rate_group *g = &v->groups[v->n_groups++];
    const struct rate_row *first = &rows[from];
    memset(g, 0, sizeof *g);
    memcpy(g->channel, first->channel, sizeof g->channel);
    memcpy(g->direction, first->direction, sizeof g->direction);
    memcpy(g->class_name, first->class_name, sizeof g->class_name);
    g->hash = group_hash(g->channel, strlen(g->channel), g->direction, strlen(g->direction),
                         g->class_name, strlen(g->class_name));
    struct trie_key *keys = rates_memory(NULL, (to - from) * sizeof *keys);
    uint32_t n = 0, n_numbers = 0;
    for (uint32_t i = from; i < to; i++) {
        const char *prefix = rows[i].prefix;
        int is_network = *prefix == 'n';
        if (i > from && !strcmp(prefix, rows[i - 1].prefix))
            continue;
        v->has_bands |= rows[i].bands && *rows[i].bands;
        prefix += is_network;
        keys[n++] = (struct trie_key){ prefix, (uint32_t)strlen(prefix), add_rate(r, &rows[i]) };
        n_numbers += !is_network;
    }
    trie_build(&g->numbers, keys, n_numbers);
    trie_build(&g->networks, keys + n_numbers, n - n_numbers);
    free(keys);
}

/* Rows [from, to) are one version. */
static void add_version(struct rates *r, struct rate_card *card, const struct rate_row *rows,
                        uint32_t from, uint32_t to)
{
    card->versions = rates_memory(card->versions, (card->n_versions + 1) * sizeof *card->versions);
    if (card->n_versions)
        card->versions[card->n_versions - 1].to_us = rows[from].from_us;
    struct rate_version *v = &card->versions[card->n_versions++];
    *v = (struct rate_version){ .number = rows[from].version,
                                .from_us = rows[from].from_us,
                                .to_us = INT64_MAX };
    memcpy(v->currency, rows[from].currency, sizeof v->currency);
    while (from < to) {
        uint32_t end = from;
        while (end < to && same_group(&rows[from], &rows[end]))
            end++;
        if (*rows[from].channel)
            add_group(r, v, rows, from, end);
        from = end;
    }
}

static void add_card(struct rates *r, const struct rate_row *rows, uint32_t from, uint32_t to)
{
    r->cards = rates_memory(r->cards, (r->n_cards + 1) * sizeof *r->cards);
    struct rate_card *card = &r->cards[r->n_cards++];
    memset(card, 0, sizeof *card);
    memcpy(card->name, rows[from].card, sizeof card->name);
    while (from < to) {
        uint32_t end = from;
        while (end < to && rows[end].from_us == rows[from].from_us)
            end++;
        add_version(r, card, rows, from, end);
        from = end;
    }
}

struct rates *rates_build(struct rate_builder *b, int64_t number)
{
    struct rates *r = rates_memory(NULL, sizeof *r);
    *r = (struct rates){ .refs = 1, .number = number };
    r->rates = rates_memory(NULL, b->n * sizeof *r->rates);
    if (b->n)
        qsort(b->rows, b->n, sizeof *b->rows, by_place);
    for (uint32_t from = 0; from < b->n;) {
        uint32_t end = from;
        while (end < b->n && !strcmp(b->rows[end].card, b->rows[from].card))
            end++;
        add_card(r, b->rows, from, end);
        from = end;
    }
    return r;
}

struct rates *rates_hold(struct rates *r)
{
    __atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

static void free_version(struct rate_version *v)
{
    for (uint32_t i = 0; i < v->n_groups; i++) {
        trie_free(&v->groups[i].numbers);
        trie_free(&v->groups[i].networks);
    }
    free(v->groups);
}

void rates_drop(struct rates *r)
{
    if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (uint32_t i = 0; i < r->n_cards; i++) {
        for (uint32_t k = 0; k < r->cards[i].n_versions; k++)
            free_version(&r->cards[i].versions[k]);
        free(r->cards[i].versions);
    }
    free(r->cards);
    free(r->rates);
    free(r->bands);
    free(r);
}

/* --- looking ---------------------------------------------------------------------------------- */

const struct rate_card *rates_card(const struct rates *r, const char *name)
{
    uint32_t from = 0, to = r->n_cards;
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        int way = strcmp(r->cards[middle].name, name);
        if (!way)
            return &r->cards[middle];
        if (way < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static const struct rate_version *version_at(const struct rate_card *card, int64_t at_us)
{
    for (uint32_t i = card->n_versions; i > 0; i--)
        if (card->versions[i - 1].from_us <= at_us)
            return &card->versions[i - 1];
    return NULL;
}

static int rate_is(const char *have, const char *text, size_t len)
{
    return !memcmp(have, text, len) && !have[len];
}

/* A name too long for a group is none of its. */
static const struct rate_group *group_of(const struct rate_version *v, const struct rate_query *q,
                                         const char *class_name, size_t class_len)
{
    uint64_t hash = group_hash(q->channel, q->channel_len, q->direction, q->direction_len,
                               class_name, class_len);
    for (uint32_t i = 0; i < v->n_groups; i++) {
        const struct rate_group *g = &v->groups[i];
        if (g->hash == hash && rate_is(g->channel, q->channel, q->channel_len) &&
            rate_is(g->direction, q->direction, q->direction_len) &&
            rate_is(g->class_name, class_name, class_len))
            return g;
    }
    return NULL;
}

static int32_t find_in(const struct rates *r, const struct rate_group *g,
                       const struct rate_query *q)
{
    int32_t found = -1;
    if (q->network_len && g->networks.n > 1) {
        found = trie_find(&g->networks, q->network, q->network_len);
        if (found >= 0 && strlen(r->rates[found].prefix) != q->network_len + 1)
            found = -1; /* a network is matched whole */
    }
    return found >= 0 ? found : trie_find(&g->numbers, q->digits, q->digits_len);
}

int rates_find(const struct rates *r, const struct rate_card *const *cards, unsigned n,
               const struct rate_query *q, struct rate_hit *hit)
{
    if (q->channel_len > 31 || q->class_len > 31 || q->direction_len > 3)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        const struct rate_version *v = cards[i] ? version_at(cards[i], q->at_us) : NULL;
        if (!v || memcmp(v->currency, q->currency, 3) != 0)
            continue;
        for (int any = q->class_len == 0; any < 2; any++) {
            const struct rate_group *g = group_of(v, q, q->class_name, any ? 0 : q->class_len);
            int32_t found = g ? find_in(r, g, q) : -1;
            if (found < 0)
                continue;
            *hit = (struct rate_hit){ cards[i], v, &r->rates[found] };
            return 0;
        }
    }
    return -1;
}

__extension__ typedef __int128 rate_wide;

/* --- price ------------------------------------------------------------------------------------ */

/* Band k of a rate begins at this unit of the month and has this price; band 0 is the base price.
 */
static struct rate_band band_at(const struct rates *r, const struct rate *rate, unsigned k)
{
    return k ? r->bands[rate->bands + k - 1] : (struct rate_band){ 0, rate->price_micro };
}

static unsigned band_of(const struct rates *r, const struct rate *rate, int64_t counted)
{
    unsigned k = rate->n_bands;
    while (k && band_at(r, rate, k).from > counted)
        k--;
    return k;
}

int rate_price(const struct rates *r, const struct rate *rate, int64_t bundle, int64_t before,
               int64_t units, int64_t *amount_micro, int64_t *unit_micro)
{
    rate_wide sum = 0;
    int64_t free_units = before < bundle ? bundle - before : 0;
    free_units = free_units < units ? free_units : units;
    int64_t counted = before > bundle ? before - bundle : 0, left = units - free_units;
    unsigned k = band_of(r, rate, counted);
    *unit_micro = free_units ? 0 : band_at(r, rate, k).price_micro;
    while (left > 0) {
        struct rate_band band = band_at(r, rate, k);
        int64_t fit = left;
        if (rate->mode != RATE_ALL_UNITS && k < rate->n_bands) {
            int64_t room = band_at(r, rate, k + 1).from - counted;
            fit = room < left ? room : left;
        }
        sum += (rate_wide)band.price_micro * fit;
        counted += fit;
        left -= fit;
        k++;
    }
    *amount_micro = (int64_t)sum;
    return sum > INT64_MAX / 4 ? -1 : 0;
}
