/* SPDX-License-Identifier: Apache-2.0
 * numbers.h - sets of telephone numbers: up to hundreds of millions, exact, two cache misses a
 * look.
 *
 *   struct numbers        the set as it was loaded: immutable, reference counted
 *   struct numbers_delta  what was added and removed since: a small table, immutable as well; each
 *                         batch of changes makes a new one
 *
 * A number is the digits of E.164 as an integer (15 digits fit 50 bits). The set spreads numbers by
 * a bijection of 50 bits: the high bits name a bucket of about twelve, the low ones (at most 32)
 * stand in the bucket. Nothing is lost, so there are no false positives, and 100 million numbers
 * take 433 MB (4.3 bytes each) however they are distributed; with expiry four bytes more.
 *
 * Thread: any once made; references are atomic.
 */
#ifndef FIREWALL_NUMBERS_H
#define FIREWALL_NUMBERS_H
#include <stddef.h>
#include <stdint.h>

enum { NUMBERS_BITS = 50, NUMBERS_MAX = 1000000000, NUMBERS_NEVER = 0 /* expiry: does not end */ };

/* Digits of a number in any usual notation ("+49 151-234", "0049.."): 0 when it is none (a name,
 * more than 15 digits, fewer than 3, a national one that begins with 0). */
uint64_t number_parse(const char *text, size_t len);

/* --- the set ---------------------------------------------------------------------------------- */

struct numbers;
struct numbers_builder;

struct numbers_builder *numbers_builder_create(void);
/* `expires_s`: since 1970; NUMBERS_NEVER. The last one of a number counts. */
void numbers_builder_add(struct numbers_builder *b, uint64_t number, uint32_t expires_s);
size_t numbers_builder_count(const struct numbers_builder *b);
/* The set, with one reference; the builder is gone. */
struct numbers *numbers_builder_finish(struct numbers_builder *b);
void numbers_builder_free(struct numbers_builder *b);

struct numbers *numbers_ref(struct numbers *s); /* NULL is fine */
void numbers_unref(struct numbers *s);          /* NULL is fine */
size_t numbers_count(const struct numbers *s);
size_t numbers_bytes(const struct numbers *s);
/* All numbers, in no order. */
void numbers_each(const struct numbers *s,
                  void (*each)(void *arg, uint64_t number, uint32_t expires_s), void *arg);

/* A file that is mapped and used as it is. Written beside and renamed. 0, or -1 with why. */
int numbers_save(const struct numbers *s, const char *file, char *why, size_t why_size);
/* NULL with why. The file must not be changed in place while it is used; renaming is fine. */
struct numbers *numbers_map(const char *file, char *why, size_t why_size);
/* A file of lines, or one of numbers_save(). `stop` not 0, or NULL: given up. NULL with why. */
struct numbers *numbers_load(const char *file, const _Atomic int *stop, char *why, size_t why_size);
/* Whether the file begins as numbers_save() writes it. */
int numbers_is_map(const char *file);

/* --- what changed since ----------------------------------------------------------------------- */

struct numbers_delta;
struct numbers_change {
    uint64_t number;
    uint32_t expires_s;
    int is_removed;
};

/* A new delta: the old one (or NULL) with changes on top; one reference. */
struct numbers_delta *numbers_delta_with(const struct numbers_delta *old,
                                         const struct numbers_change *changes, size_t n);
struct numbers_delta *numbers_delta_ref(struct numbers_delta *d); /* NULL is fine */
void numbers_delta_unref(struct numbers_delta *d);                /* NULL is fine */
size_t numbers_delta_count(const struct numbers_delta *d);
/* A set with the changes worked in. */
struct numbers *numbers_merge(const struct numbers *s, const struct numbers_delta *d,
                              uint32_t now_s);

/* --- looking ---------------------------------------------------------------------------------- */

/* hits[i] = 1 when numbers[i] stands in the set with its delta and has not expired. Number 0 is in
 * no set. Either may be NULL. Fetches ahead: meant for a frame. */
void numbers_look(const struct numbers *s, const struct numbers_delta *d, uint32_t now_s,
                  const uint64_t *numbers, size_t n, uint8_t *hits);

#endif
