/* SPDX-License-Identifier: Apache-2.0
 * simhash.h - near duplicates: a fingerprint of 64 bits that hardly changes when a text does
 * (SimHash over runs of four characters), and how many texts with nearly the same fingerprint came
 * lately.
 *
 * What a campaign changes from message to message is masked first: digits, links, the name behind a
 * greeting, spaces and punctuation. Two texts are near when their fingerprints differ in at most
 * `distance` bits and their masked lengths by a quarter. All pairs up to 7 bits apart are found; of
 * those 8 apart (the most that can be asked for) the few with exactly two in each quarter are not.
 *
 * Thread: near_* belong to one worker. The table's memory is fixed; when it is full, texts that
 * came only once go first, then those not seen for long.
 */
#ifndef FIREWALL_SIMHASH_H
#define FIREWALL_SIMHASH_H
#include "urls.h"

enum { SIMHASH_DISTANCE_MAX = 8, NEAR_CLUSTERS = 16384, NEAR_PARTS = 8 };

struct simhash_text {
    char *text; /* given: room for size bytes; as large as the text is enough */
    uint32_t size, len;
};

/* The text with what changes taken out. */
void simhash_mask(struct simhash_text *out, const char *text, size_t len, const struct url *urls,
                  uint32_t n_urls);
uint64_t simhash_of(const char *masked, size_t len);

struct near_table;
struct near_table *near_create(void);
void near_free(struct near_table *t);

struct near_text {
    uint64_t fingerprint, group;
    uint32_t len; /* masked */
    int64_t now_ms;
};

/* Counts the text and returns how many near ones of its group came in the last window_ms, this one
 * too. Time goes in steps of a NEAR_PARTS-th of the window. */
uint32_t near_count(struct near_table *t, const struct near_text *text, uint32_t distance,
                    int64_t window_ms);

#endif
