/* SPDX-License-Identifier: Apache-2.0
 * The compiled rate cards: one immutable snapshot that all workers of the process share, and the
 * price of a message from it. A newer snapshot replaces the pointer; the old one goes with its last
 * reader. Money is int64 micro-units, products are __int128, nothing is ever a float.
 */
#ifndef PLUGIN_BILLING_RATES_H
#define PLUGIN_BILLING_RATES_H
#include "trie.h"

enum { RATE_PREFIX_MAX = 15, RATE_NAME_MAX = 63, RATE_BANDS_MAX = 16 };
enum rate_mode { RATE_GRADUATED = 1, RATE_ALL_UNITS };

struct rate_band {
    int64_t from, price_micro; /* from so many units of the month on */
};
struct rate {
    int64_t price_micro; /* of the first band */
    uint32_t bands;      /* index into rates.bands */
    uint8_t n_bands, mode;
    char prefix[RATE_PREFIX_MAX + 3]; /* as it was matched; NUL-ended */
};
/* One channel, direction and class of one version. */
struct rate_group {
    uint64_t hash;
    char channel[32], direction[4], class_name[32];
    struct trie numbers, networks; /* networks: MCC and MNC as digits, matched whole */
};
struct rate_version {
    int64_t number, from_us, to_us; /* [from, to) */
    char currency[4];
    struct rate_group *groups;
    uint32_t n_groups;
    int has_bands;
};
struct rate_card {
    char name[RATE_NAME_MAX + 1];
    struct rate_version *versions; /* in order of time */
    uint32_t n_versions;
};
struct rates {
    uint32_t refs;           /* atomic */
    int64_t number;          /* of billing_meta */
    struct rate_card *cards; /* in order of name */
    uint32_t n_cards;
    struct rate *rates;
    uint32_t n_rates;
    struct rate_band *bands;
    uint32_t n_bands;
};

/* Rows come in any order; build sorts and checks them. */
struct rate_row {
    char card[RATE_NAME_MAX + 1], channel[32], direction[4], class_name[32], prefix[18];
    char currency[4];
    int64_t version, from_us, price_micro;
    const char *bands; /* "1000:4500,5000:4000": NUL-ended, freed by the builder */
    uint8_t mode;
};
struct rate_builder {
    struct rate_row *rows;
    uint32_t n, size;
};
void rate_builder_add(struct rate_builder *b, const struct rate_row *row); /* takes row->bands */
void rate_builder_free(struct rate_builder *b);
/* The snapshot, with one reference. Versions without rows are there, too: rows with channel "". */
struct rates *rates_build(struct rate_builder *b, int64_t number);
struct rates *rates_hold(struct rates *r);
void rates_drop(struct rates *r);

/* "1000:4500,5000:4000" with rising thresholds: how many, or -1. */
int rate_bands_parse(const char *text, struct rate_band *out, int max);

const struct rate_card *rates_card(const struct rates *r,
                                   const char *name); /* NULL: no such card */

struct rate_query {
    const char *channel, *class_name, *digits, *network, *direction; /* not NUL-ended */
    size_t channel_len, class_len, digits_len, network_len, direction_len;
    const char *currency; /* three letters */
    int64_t at_us;
};
struct rate_hit {
    const struct rate_card *card;
    const struct rate_version *version;
    const struct rate *rate;
};
/* The first of these cards that has a price: those of a tenant, its tier, and everybody. Within a
 * card: the version of that time, then the message's class before any class, then the network
 * before the longest prefix. 0, or -1 when none has. */
int rates_find(const struct rates *r, const struct rate_card *const *cards, unsigned n,
               const struct rate_query *q, struct rate_hit *hit);
/* What `units` cost when `before` were counted in this month, of which the first `bundle` are free.
 * -1: more than money can be. *unit_micro is the price of the first of them. */
int rate_price(const struct rates *r, const struct rate *rate, int64_t bundle, int64_t before,
               int64_t units, int64_t *amount_micro, int64_t *unit_micro);
#endif
