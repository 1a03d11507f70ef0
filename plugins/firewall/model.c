/* SPDX-License-Identifier: Apache-2.0
 * From a text to its features, and from features to a score. A link counts as one character and
 * digits as 0, so that the model learns that there is a number of eleven digits and not which.
 * Features are not told apart when their hashes meet; with 65,536 places few matter.
 */
#include "model.h"
#include "word_kinds.h"
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- file ------------------------------------------------------------------------------------- */

uint64_t model_checksum(const struct model *m)
{
    const unsigned char *p = (const unsigned char *)m;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i + 8 <= offsetof(struct model, checksum); i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

/* What is wrong with it, or NULL. */
static const char *model_fault(const struct model *m)
{
    if (memcmp(m->magic, "CATMODEL", sizeof m->magic) != 0)
        return "it is no model";
    if (m->version != MODEL_VERSION || m->n_weights != MODEL_WEIGHTS || m->n_marks != MODEL_MARKS)
        return "it is of another version; train it again";
    if (m->checksum != model_checksum(m))
        return "its checksum is wrong, it was cut or damaged";
    return isfinite(m->scale) && isfinite(m->bias) ? NULL : "its numbers are none";
}

struct model *model_load(const char *file, char *why, size_t size)
{
    struct model *m = malloc(sizeof *m + 1);
    const char *fault = "it cannot be read";
    if (!m)
        abort();
    FILE *f = fopen(file, "rb");
    if (f) {
        size_t got = fread(m, 1, sizeof *m + 1, f);
        fault = got != sizeof *m ? "it is no model or was cut" : model_fault(m);
        fclose(f);
    }
    if (!fault)
        return m;
    snprintf(why, size, "model file '%s': %s", file, fault);
    free(m);
    return NULL;
}

void model_free(struct model *m) { free(m); }

/* --- features --------------------------------------------------------------------------------- */

/* Marks: bits of model_features.marks. New ones go to the end; a changed meaning needs training. */
enum {
    MARK_URL,
    MARK_SHORTENER,
    MARK_OBFUSCATED,
    MARK_MANY_URLS,
    MARK_ODD_TLD,
    MARK_URL_LAST, /* a link ends the text */
    MARK_PHONE,    /* a number of 9 digits or more */
    MARK_SHORT_CODE,
    MARK_MONEY,
    MARK_PER_MIN, /* prices as premium numbers have them */
    MARK_PERCENT,
    MARK_BANG,
    MARK_MIXED,
    MARK_HIDDEN,
    MARK_LEET,
    MARK_SPACED,
    MARK_SPELLED,
    MARK_CAPITALS_20,
    MARK_CAPITALS_50,
    MARK_DIGITS_10,
    MARK_DIGITS_25,
    MARK_LONG_60,
    MARK_LONG_100,
    MARK_LONG_140,
    MARK_LONG_200,
    MARK_URGENT,
    MARK_MONEY_AND_URL,
    MARK_PHONE_AND_URGENT,
    MARK_URGENT_AND_URL,
    MARK_CODE_ONLY, /* a number of 4 to 8 digits and neither link nor phone: a one-time code */
    MARK_COUNT
};
_Static_assert((int)MARK_COUNT <= (int)MODEL_MARKS, "marks fit the file");

struct shape {
    uint32_t digits, run, phones, codes, pins, money, bangs, percents, urgent, premium;
};

static inline uint16_t text_hash(uint64_t x) { return (uint16_t)((x * 0x9e3779b97f4a7c15u) >> 48); }

static void end_run(struct shape *s)
{
    s->phones += s->run >= 9 && s->run <= 14;
    s->codes += s->run == 5;
    s->pins += s->run >= 4 && s->run <= 8;
    s->run = 0;
}

static int is_money_sign(const char *t, size_t left)
{
    return *t == '$' || (left > 1 && memcmp(t, "\xc2\xa3", 2) == 0) ||
           (left > 2 && memcmp(t, "\xe2\x82", 2) == 0);
}

static void look_at_sign(struct shape *s, const char *t, size_t left)
{
    s->bangs += *t == '!';
    s->percents += *t == '%';
    s->money += is_money_sign(t, left) != 0;
}

struct reading {
    uint16_t *to; /* of the features */
    struct shape shape;
    uint64_t hash, before; /* of this word and the one before */
    uint64_t key;          /* of this word, for word_kind() */
    uint32_t gram, letters;
};

static inline void add_feature(struct reading *r, uint64_t x) { *r->to++ = text_hash(x); }

static inline void put_gram(struct reading *r, unsigned char c)
{
    r->gram = r->gram << 8 | c;
    add_feature(r, r->gram);
}

static inline void end_feature_word(struct reading *r)
{
    if (!r->letters)
        return;
    add_feature(r, r->hash ^ 0x5bd1e9955bd1e995u);
    add_feature(r, r->hash + r->before * 31);
    r->shape.urgent += word_kind(r->key, r->letters) >> 2;
    r->before = r->hash;
    r->hash = r->key = r->letters = 0;
}

static inline void read_letter(struct reading *r, char c)
{
    if (r->shape.run) {
        r->shape.premium += c == 'p'; /* 150p */
        end_run(&r->shape);
    }
    r->key = r->key << 8 | (unsigned char)c;
    r->hash = (r->hash ^ (unsigned char)c) * 0x100000001b3u + 1;
    r->letters++;
    put_gram(r, (unsigned char)c);
}

static inline void read_digit(struct reading *r)
{
    r->shape.digits++;
    r->shape.run++;
    r->key = r->key << 8 | '0';
    r->hash = (r->hash ^ '0') * 0x100000001b3u + 1;
    r->letters++;
    put_gram(r, '0');
}

static void read_sign(struct reading *r, const char *p, size_t left)
{
    end_feature_word(r);
    /* spaces within a number do not end it */
    if (r->shape.run && !(*p == ' ' && left > 1 && norm_is_digit(p[1])))
        end_run(&r->shape);
    put_gram(r, (unsigned char)*p);
    look_at_sign(&r->shape, p, left);
}

static uint64_t url_marks(const struct model_text *t)
{
    uint64_t marks = t->n_urls ? 1ull << MARK_URL : 0;
    if (t->n_urls > 1)
        marks |= 1ull << MARK_MANY_URLS;
    for (uint32_t i = 0; i < t->n_urls; i++) {
        const struct content_host *h = &t->urls[i].host;
        const char *tld = strrchr(h->ptr, '.');
        marks |= h->is_shortener ? 1ull << MARK_SHORTENER : 0;
        marks |= h->is_obfuscated ? 1ull << MARK_OBFUSCATED : 0;
        if (tld && strcmp(tld, ".com") != 0 && strcmp(tld, ".uk") != 0 && strcmp(tld, ".org") != 0)
            marks |= 1ull << MARK_ODD_TLD;
        marks |= t->urls[i].end + 2 >= t->len ? 1ull << MARK_URL_LAST : 0;
    }
    return marks;
}

static uint64_t norm_marks(uint32_t flags)
{
    static const struct {
        uint32_t flag, mark;
    } rows[] = { { NORM_MIXED, MARK_MIXED },     { NORM_HIDDEN, MARK_HIDDEN },
                 { NORM_LEET, MARK_LEET },       { NORM_SPACED, MARK_SPACED },
                 { NORM_SPELLED, MARK_SPELLED }, { NORM_OBFUSCATED, MARK_OBFUSCATED } };
    uint64_t marks = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (flags & rows[i].flag)
            marks |= 1ull << rows[i].mark;
    return marks;
}

static uint64_t capital_marks(const char *raw, size_t len)
{
    uint32_t capitals = 0, letters = 0;
    for (size_t i = 0; i < len; i++) {
        capitals += (unsigned char)(raw[i] - 'A') < 26;
        letters += (unsigned char)((raw[i] | 32) - 'a') < 26;
    }
    return (letters > 10 && capitals * 5 > letters ? 1ull << MARK_CAPITALS_20 : 0) |
           (letters > 10 && capitals * 2 > letters ? 1ull << MARK_CAPITALS_50 : 0);
}

static uint64_t shape_marks(const struct shape *s, size_t len, int has_url)
{
    const struct {
        uint32_t mark, holds;
    } rows[] = {
        { MARK_PHONE, s->phones > 0 },
        { MARK_SHORT_CODE, s->codes > 0 },
        { MARK_MONEY, s->money > 0 },
        { MARK_PER_MIN, s->premium > 0 },
        { MARK_PERCENT, s->percents > 0 },
        { MARK_BANG, s->bangs > 1 },
        { MARK_DIGITS_10, s->digits * 10 > len },
        { MARK_DIGITS_25, s->digits * 4 > len },
        { MARK_LONG_60, len > 60 },
        { MARK_LONG_100, len > 100 },
        { MARK_LONG_140, len > 140 },
        { MARK_LONG_200, len > 200 },
        { MARK_URGENT, s->urgent > 0 },
        { MARK_MONEY_AND_URL, s->money && has_url },
        { MARK_PHONE_AND_URGENT, s->phones && s->urgent },
        { MARK_URGENT_AND_URL, s->urgent && has_url },
        { MARK_CODE_ONLY, s->pins && !has_url && !s->phones && !s->money },
    };
    uint64_t marks = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        marks |= (uint64_t)(rows[i].holds != 0) << rows[i].mark;
    return marks;
}

void model_features(const struct model_text *t, struct model_features *f)
{
    struct reading r = { .to = f->hashed, .gram = ' ' };
    const char *p = t->text, *end = t->text + t->len;
    const uint16_t *last = f->hashed + MODEL_FEATURES_MAX - 8; /* a byte adds three at most */
    uint32_t url = 0;
    while (p < end && r.to < last) {
        if (url < t->n_urls && p == t->text + t->urls[url].start) {
            end_feature_word(&r);
            put_gram(&r, 'U');
            r.before = 'U';
            p = t->text + t->urls[url++].end;
            continue;
        }
        if ((unsigned char)*p >= 0x80)
            look_at_sign(&r.shape, p, (size_t)(end - p));
        if (norm_is_letter(*p))
            read_letter(&r, *p);
        else if (norm_is_digit(*p))
            read_digit(&r);
        else
            read_sign(&r, p, (size_t)(end - p));
        p++;
    }
    end_feature_word(&r);
    put_gram(&r, ' ');
    end_run(&r.shape);
    f->n = (uint32_t)(r.to - f->hashed);
    f->marks = url_marks(t) | norm_marks(t->norm_flags) | capital_marks(t->raw, t->raw_len) |
               shape_marks(&r.shape, t->len, t->n_urls > 0);
}

/* --- score ------------------------------------------------------------------------------------ */

double model_margin(const struct model *m, const struct model_features *f)
{
    int32_t sum = 0;
    double margin = m->bias;
    for (uint32_t i = 0; i < f->n; i++)
        sum += m->weights[f->hashed[i]];
    if (f->n)
        margin += (double)m->scale * sum / sqrt(f->n);
    for (uint64_t marks = f->marks; marks; marks &= marks - 1)
        margin += (double)m->marks[__builtin_ctzll(marks)];
    return margin;
}

int32_t model_score_pm(const struct model *m, const struct model_text *t,
                       struct model_features *room)
{
    if (t->len == 0)
        return 0;
    model_features(t, room);
    return (int32_t)(1000.0 / (1.0 + exp(-model_margin(m, room))));
}
