/* SPDX-License-Identifier: Apache-2.0
 * gsm_choose.c - which alphabet carries a text in the fewest parts.
 *
 * One pass over the text counts the base alphabet, Latin-1 and UTF-16 side by side; that settles
 * nearly all messages. National tables are looked at only when the route allows some and the base
 * does not do it in one part: a second pass finds which pairs of tables have every character, a
 * third counts each of those. Parts are counted as they will be cut, for an escape pair or a
 * surrogate pair that falls on a border leaves a place empty.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "segment.h"
#include "gsm_int.h"

/* Units put into parts of `each`, never dividing a character. */
struct count {
    uint32_t units, parts, used, each, single;
};

static struct count count_of(const struct gsm_coding *coding, int wide)
{
    return (struct count){ .each = segment_each(coding, wide ? SEGMENT_UDH16 : SEGMENT_UDH8),
                           .single = segment_single(coding),
                           .parts = 1 };
}

static inline void count_add(struct count *c, uint32_t width)
{
    c->units += width;
    if (c->used + width > c->each) {
        c->parts++;
        c->used = 0;
    }
    c->used += width;
}

static uint32_t count_parts(const struct count *c) { return c->units <= c->single ? 1 : c->parts; }

/* What the air carries for a choice of that many units and parts, headers included: to break a tie.
 */
static uint32_t octets_of(const struct gsm_coding *coding, uint32_t units, uint32_t parts, int wide)
{
    uint32_t header =
        (parts > 1 ? (wide ? 6 : 5) : 0) + (coding->single ? 3 : 0) + (coding->locking ? 3 : 0);
    uint32_t body = coding->alphabet == GSM_SEPTETS ? (units * 7 + 7) / 8
                    : coding->alphabet == GSM_UCS2  ? units * 2
                                                    : units;
    return body + parts * (header ? header + 1 : 0);
}

/* --- characters, one by one, as they are or rewritten ------------------------------------------
 */

struct chars {
    const char *p, *end;
    const char *stand_in; /* what is left of it; NULL: none */
    int rewrite;
};

static struct chars chars_of(const char *text, size_t len, int rewrite)
{
    return (struct chars){ .p = text, .end = text + len, .rewrite = rewrite };
}

/* 0 at the end. */
static inline int chars_next(struct chars *c, uint32_t *cp)
{
    for (;;) {
        if (c->stand_in && *c->stand_in) {
            *cp = (unsigned char)*c->stand_in++;
            return 1;
        }
        c->stand_in = NULL;
        if (c->p == c->end)
            return 0;
        if ((unsigned char)*c->p < 0x80 && !c->rewrite) {
            *cp = (unsigned char)*c->p++;
            return 1;
        }
        *cp = gsm_next(&c->p, c->end);
        if (!c->rewrite || gsm_base_septet(*cp) != GSM_NONE)
            return 1;
        c->stand_in = gsm_stand_in(*cp);
        if (!c->stand_in)
            return 1;
    }
}

/* --- candidates ------------------------------------------------------------------------------- */

struct search {
    const char *text;
    size_t len;
    const struct gsm_rules *rules;
    int rewrite;
    struct gsm_coding coding; /* the best so far; alphabet 0: none */
    uint32_t parts, units, octets;
};

static void offer(struct search *s, const struct gsm_coding *coding, const struct count *c)
{
    uint32_t parts = count_parts(c);
    uint32_t octets = octets_of(coding, c->units, parts, s->rules->reference16);
    if (s->coding.alphabet && (parts > s->parts || (parts == s->parts && octets >= s->octets)))
        return;
    s->coding = *coding;
    s->parts = parts;
    s->units = c->units;
    s->octets = octets;
}

static const struct gsm_coding base = { .alphabet = GSM_SEPTETS };
static const struct gsm_coding latin1 = { .alphabet = GSM_LATIN1 };
static const struct gsm_coding ucs2 = { .alphabet = GSM_UCS2 };

/* Returns 1 when the base alphabet does it. */
static int search_base(struct search *s)
{
    struct count c = count_of(&base, s->rules->reference16);
    struct chars chars = chars_of(s->text, s->len, s->rewrite);
    for (uint32_t cp; chars_next(&chars, &cp);) {
        uint8_t septet = gsm_base_septet(cp);
        if (septet == GSM_NONE)
            return 0;
        count_add(&c, septet & GSM_SHIFTED ? 2 : 1);
    }
    offer(s, &base, &c);
    return 1;
}

static void search_wide(struct search *s)
{
    struct count in_latin1 = count_of(&latin1, s->rules->reference16);
    struct count in_ucs2 = count_of(&ucs2, s->rules->reference16);
    int latin1_does = s->rules->latin1;
    struct chars chars = chars_of(s->text, s->len, s->rewrite);
    for (uint32_t cp; chars_next(&chars, &cp);) {
        latin1_does &= cp < 0x100;
        count_add(&in_latin1, 1);
        count_add(&in_ucs2, cp > 0xffff ? 2 : 1);
    }
    if (latin1_does)
        offer(s, &latin1, &in_latin1);
    offer(s, &ucs2, &in_ucs2);
}

/* Of every locking table, the single tables that complete it; 0 bits when none does. */
static void find_pairs(const struct search *s, uint32_t pairs[GSM_LANGUAGES])
{
    uint32_t singles = s->rules->single | 1u << GSM_LANGUAGE_BASE;
    uint32_t lockings = s->rules->locking & ~(1u << GSM_SPANISH);
    struct chars chars = chars_of(s->text, s->len, s->rewrite);
    for (unsigned l = 0; l < GSM_LANGUAGES; l++)
        pairs[l] = l == GSM_LANGUAGE_BASE || (lockings >> l & 1) ? singles : 0;
    for (uint32_t cp; chars_next(&chars, &cp);) {
        const struct gsm_where *where = gsm_where_is(cp);
        for (unsigned l = 0; l < GSM_LANGUAGES; l++)
            if (!where || !(where->locking >> l & 1))
                pairs[l] &= where ? where->single : 0;
    }
}

static void count_pair(struct search *s, const struct gsm_coding *coding)
{
    struct count c = count_of(coding, s->rules->reference16);
    struct chars chars = chars_of(s->text, s->len, s->rewrite);
    for (uint32_t cp; chars_next(&chars, &cp);)
        count_add(&c, gsm_where_is(cp)->locking >> coding->locking & 1 ? 1 : 2);
    offer(s, coding, &c);
}

static void search_national(struct search *s)
{
    uint32_t pairs[GSM_LANGUAGES];
    find_pairs(s, pairs);
    for (unsigned l = 0; l < GSM_LANGUAGES; l++)
        for (unsigned single = 0; single < GSM_LANGUAGES; single++)
            if ((l || single) && (pairs[l] >> single & 1))
                count_pair(s, &(struct gsm_coding){ .alphabet = GSM_SEPTETS,
                                                    .single = (uint8_t)single,
                                                    .locking = (uint8_t)l });
}

/* Nothing is better than one part of the base alphabet, and that is what most messages are. */
static void search(struct search *s)
{
    if (!s->rules->no_septets && search_base(s) && s->parts == 1)
        return;
    search_wide(s);
    if ((s->rules->single | s->rules->locking) && !s->rules->no_septets)
        search_national(s);
}

int gsm_choose(const char *text, size_t len, const struct gsm_rules *rules,
               struct gsm_choice *choice)
{
    struct search plain = { .text = text, .len = len, .rules = rules };
    search(&plain);
    struct search best = plain;
    /* One part, or the base alphabet already: there is nothing to save. */
    if (rules->transliterate && plain.parts > 1 &&
        (plain.coding.alphabet != GSM_SEPTETS || plain.coding.single || plain.coding.locking)) {
        struct search rewritten = { .text = text, .len = len, .rules = rules, .rewrite = 1 };
        search(&rewritten);
        if (rewritten.parts < plain.parts)
            best = rewritten;
    }
    *choice = (struct gsm_choice){ .coding = best.coding,
                                   .transliterated = (uint8_t)best.rewrite,
                                   .parts = (uint16_t)best.parts,
                                   .units = best.units,
                                   .parts_plain = (uint16_t)plain.parts,
                                   .units_plain = plain.units };
    return best.parts > SEGMENT_MAX ? -1 : 0;
}
