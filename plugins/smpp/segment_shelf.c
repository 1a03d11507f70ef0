/* SPDX-License-Identifier: Apache-2.0
 * segment_shelf.c - parts wait here until their message is whole.
 *
 *     put ──> waiting (by key, and in a row by the time of the last part)
 *                │ all there                 │ too long, or no room
 *                v                           v
 *              whole, then done            given up: what came is handed out
 *
 * A message that is whole leaves a note of its parts' checksums ("done") for the same time: an SMSC
 * whose answer was lost sends parts again, and they must not begin a message that never ends. Done
 * notes are the first to go when room is short.
 *
 * What a message costs is counted when it is put: its record, its table of parts and its octets.
 *
 * Thread: one at a time. Allocates a record per message and a block per part; nothing blocks.
 */
#include "segment.h"
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096, ADDRESS_ROOM = 66 };

struct piece {
    uint8_t *octets; /* NULL: not here yet, or done */
    uint16_t len;
    uint8_t here;
    uint32_t sum;
    uint64_t tag;
};

struct waiting {
    struct waiting *next_in_bucket;
    struct waiting *before, *after; /* in the row; oldest first */
    uint32_t hash, bytes;
    int64_t last_ms;
    struct segment_part first; /* what the parts have in common; its octets are not used */
    char from[ADDRESS_ROOM], to[ADDRESS_ROOM]; /* TON, NPI and the address */
    uint8_t from_len, to_len, have, done;
    struct piece pieces[];
};

struct row {
    struct waiting *oldest, *newest;
};

struct segment_shelf {
    struct segment_limits limits;
    struct waiting *buckets[BUCKETS];
    struct row waiting, done;
    uint32_t messages, done_count, bytes;
    /* what was handed out last */
    uint8_t *octets;
    size_t octets_room;
    uint64_t tags[SEGMENT_MAX];
    char from[ADDRESS_ROOM], to[ADDRESS_ROOM];
};

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

struct segment_shelf *segment_shelf_create(const struct segment_limits *limits)
{
    struct segment_shelf *shelf = must(calloc(1, sizeof *shelf));
    if (limits)
        shelf->limits = *limits;
    if (!shelf->limits.messages)
        shelf->limits.messages = 10000;
    if (!shelf->limits.bytes)
        shelf->limits.bytes = 16u << 20;
    if (!shelf->limits.timeout_ms)
        shelf->limits.timeout_ms = 60000;
    return shelf;
}

/* --- keys ------------------------------------------------------------------------------------- */

static uint32_t sum_of(uint32_t sum, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ p[i]) * 16777619u;
    return sum;
}

static uint8_t put_address(const struct smpp_address *address, char to[ADDRESS_ROOM])
{
    size_t len = address->addr.len < ADDRESS_ROOM - 2 ? address->addr.len : ADDRESS_ROOM - 2;
    to[0] = (char)address->ton;
    to[1] = (char)address->npi;
    if (len)
        memcpy(to + 2, address->addr.ptr, len);
    return (uint8_t)(len + 2);
}

static struct smpp_address address_in(const char *from, uint8_t len)
{
    return (struct smpp_address){ .ton = (uint8_t)from[0],
                                  .npi = (uint8_t)from[1],
                                  .addr = { .ptr = from + 2, .len = len - 2u } };
}

struct key {
    char from[ADDRESS_ROOM], to[ADDRESS_ROOM];
    uint8_t from_len, to_len;
    uint32_t hash;
};

static void key_make(struct key *k, const struct smpp_address *from, const struct smpp_address *to,
                     const struct segment_part *part)
{
    uint8_t rest[4] = { (uint8_t)(part->reference >> 8), (uint8_t)part->reference, part->total,
                        part->wide };
    k->from_len = put_address(from, k->from);
    k->to_len = put_address(to, k->to);
    k->hash = sum_of(2166136261u, k->from, k->from_len);
    k->hash = sum_of(k->hash, k->to, k->to_len);
    k->hash = sum_of(k->hash, rest, sizeof rest);
}

static struct waiting *find(const struct segment_shelf *shelf, const struct key *k,
                            const struct segment_part *part)
{
    struct waiting *w = shelf->buckets[k->hash % BUCKETS];
    for (; w; w = w->next_in_bucket)
        if (w->hash == k->hash && w->from_len == k->from_len && w->to_len == k->to_len &&
            !memcmp(w->from, k->from, k->from_len) && !memcmp(w->to, k->to, k->to_len) &&
            w->first.reference == part->reference && w->first.total == part->total &&
            w->first.wide == part->wide)
            return w;
    return NULL;
}

/* --- records ---------------------------------------------------------------------------------- */

static void row_remove(struct row *row, struct waiting *w)
{
    if (row->oldest == w)
        row->oldest = w->after;
    else
        w->before->after = w->after;
    if (row->newest == w)
        row->newest = w->before;
    else
        w->after->before = w->before;
    w->before = w->after = NULL;
}

static void row_append(struct row *row, struct waiting *w)
{
    w->before = row->newest;
    *(row->newest ? &row->newest->after : &row->oldest) = w;
    row->newest = w;
}

static uint32_t record_bytes(uint8_t total)
{
    return (uint32_t)(sizeof(struct waiting) + total * sizeof(struct piece));
}

static struct waiting *add(struct segment_shelf *shelf, const struct key *k,
                           const struct segment_part *part)
{
    struct waiting *w = must(calloc(1, record_bytes(part->total)));
    w->hash = k->hash;
    w->bytes = record_bytes(part->total);
    w->first = *part;
    memcpy(w->from, k->from, sizeof w->from);
    memcpy(w->to, k->to, sizeof w->to);
    w->from_len = k->from_len;
    w->to_len = k->to_len;
    w->next_in_bucket = shelf->buckets[w->hash % BUCKETS];
    shelf->buckets[w->hash % BUCKETS] = w;
    row_append(&shelf->waiting, w);
    shelf->messages++;
    shelf->bytes += w->bytes;
    return w;
}

static void free_octets(struct segment_shelf *shelf, struct waiting *w)
{
    for (unsigned i = 0; i < w->first.total; i++) {
        free(w->pieces[i].octets);
        w->pieces[i].octets = NULL;
    }
    shelf->bytes -= w->bytes - record_bytes(w->first.total);
    w->bytes = record_bytes(w->first.total);
}

/* `row`: the one it stands in. */
static void drop(struct segment_shelf *shelf, struct row *row, struct waiting *w)
{
    struct waiting **at = &shelf->buckets[w->hash % BUCKETS];
    while (*at != w)
        at = &(*at)->next_in_bucket;
    *at = w->next_in_bucket;
    row_remove(row, w);
    *(row == &shelf->done ? &shelf->done_count : &shelf->messages) -= 1;
    free_octets(shelf, w);
    shelf->bytes -= w->bytes;
    free(w);
}

void segment_shelf_destroy(struct segment_shelf *shelf)
{
    if (!shelf)
        return;
    while (shelf->waiting.oldest)
        drop(shelf, &shelf->waiting, shelf->waiting.oldest);
    while (shelf->done.oldest)
        drop(shelf, &shelf->done, shelf->done.oldest);
    free(shelf->octets);
    free(shelf);
}

/* Copies what came into the shelf's own block, where it stays until the next is handed out. */
static void hand_out(struct segment_shelf *shelf, const struct waiting *w,
                     struct segment_whole *whole)
{
    uint32_t len = w->bytes - record_bytes(w->first.total), at = 0;
    unsigned have = 0;
    if (shelf->octets_room < len + 1) {
        free(shelf->octets);
        shelf->octets = must(malloc(len + 1));
        shelf->octets_room = len + 1;
    }
    for (unsigned i = 0; i < w->first.total; i++) {
        const struct piece *piece = &w->pieces[i];
        if (!piece->here)
            continue;
        memcpy(shelf->octets + at, piece->octets, piece->len);
        at += piece->len;
        shelf->tags[have++] = piece->tag;
    }
    memcpy(shelf->from, w->from, sizeof shelf->from);
    memcpy(shelf->to, w->to, sizeof shelf->to);
    *whole = (struct segment_whole){ .coding = w->first.coding,
                                     .octets = shelf->octets,
                                     .len = at,
                                     .reference = w->first.reference,
                                     .total = w->first.total,
                                     .have = (uint8_t)have,
                                     .tags = shelf->tags,
                                     .from = address_in(shelf->from, w->from_len),
                                     .to = address_in(shelf->to, w->to_len),
                                     .source_port = w->first.source_port,
                                     .dest_port = w->first.dest_port };
}

static void set_done(struct segment_shelf *shelf, struct waiting *w)
{
    free_octets(shelf, w);
    row_remove(&shelf->waiting, w);
    w->done = 1;
    shelf->messages--;
    shelf->done_count++;
    row_append(&shelf->done, w);
}

/* --- putting ---------------------------------------------------------------------------------- */

/* 0 when there is room for `bytes` more and, if it is new, for one more message. */
static int make_room(struct segment_shelf *shelf, int is_new, uint32_t bytes)
{
    while (shelf->done.oldest && (shelf->done_count > shelf->limits.messages ||
                                  shelf->bytes + bytes > shelf->limits.bytes))
        drop(shelf, &shelf->done, shelf->done.oldest);
    if (is_new && shelf->messages >= shelf->limits.messages)
        return -1;
    return shelf->bytes + bytes > shelf->limits.bytes ? -1 : 0;
}

static void put_piece(struct segment_shelf *shelf, struct waiting *w,
                      const struct segment_part *part, uint32_t sum, uint64_t tag, int64_t now_ms)
{
    struct piece *piece = &w->pieces[part->number - 1];
    piece->octets = must(malloc(part->len + 1));
    if (part->len)
        memcpy(piece->octets, part->octets, part->len);
    piece->len = (uint16_t)part->len;
    piece->here = 1;
    piece->sum = sum;
    piece->tag = tag;
    w->have++;
    w->bytes += part->len;
    shelf->bytes += part->len;
    w->last_ms = now_ms;
    row_remove(&shelf->waiting, w);
    row_append(&shelf->waiting, w);
}

enum segment_took segment_shelf_put(struct segment_shelf *shelf, const struct smpp_address *from,
                                    const struct smpp_address *to, const struct segment_part *part,
                                    uint64_t tag, int64_t now_ms, struct segment_whole *whole)
{
    struct key k;
    enum segment_took took = SEGMENT_HELD;
    whole->have = 0;
    key_make(&k, from, to, part);
    uint32_t sum = sum_of(2166136261u, part->octets, part->len);
    struct waiting *w = find(shelf, &k, part);
    if (w && w->pieces[part->number - 1].here) {
        if (w->pieces[part->number - 1].sum == sum)
            return SEGMENT_DUPLICATE;
        if (!w->done) {
            hand_out(shelf, w, whole);
            took = SEGMENT_CLASH;
        }
        drop(shelf, w->done ? &shelf->done : &shelf->waiting, w);
        w = NULL;
    }
    uint32_t bytes = part->len + (w ? 0 : record_bytes(part->total));
    if (make_room(shelf, w == NULL, bytes) != 0 && took == SEGMENT_HELD) {
        /* The oldest goes, be it this one's own; the caller comes again. */
        if (shelf->waiting.oldest) {
            hand_out(shelf, shelf->waiting.oldest, whole);
            drop(shelf, &shelf->waiting, shelf->waiting.oldest);
        }
        return SEGMENT_FULL;
    }
    if (!w)
        w = add(shelf, &k, part);
    put_piece(shelf, w, part, sum, tag, now_ms);
    if (w->have < w->first.total)
        return took;
    hand_out(shelf, w, whole);
    set_done(shelf, w);
    return SEGMENT_WHOLE;
}

int segment_shelf_expired(struct segment_shelf *shelf, int64_t now_ms, struct segment_whole *whole)
{
    int64_t timeout_ms = shelf->limits.timeout_ms;
    whole->have = 0;
    while (shelf->done.oldest && now_ms - timeout_ms >= shelf->done.oldest->last_ms)
        drop(shelf, &shelf->done, shelf->done.oldest);
    struct waiting *w = shelf->waiting.oldest;
    if (!w || now_ms - timeout_ms < w->last_ms)
        return 0;
    hand_out(shelf, w, whole);
    drop(shelf, &shelf->waiting, w);
    return 1;
}

int64_t segment_shelf_due_ms(const struct segment_shelf *shelf)
{
    const struct waiting *w = shelf->waiting.oldest;
    if (!w)
        w = shelf->done.oldest;
    return w ? w->last_ms + shelf->limits.timeout_ms : -1;
}

uint32_t segment_shelf_messages(const struct segment_shelf *shelf) { return shelf->messages; }

uint32_t segment_shelf_bytes(const struct segment_shelf *shelf) { return shelf->bytes; }
