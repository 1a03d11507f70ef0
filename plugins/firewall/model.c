/* SPDX-License-Identifier: Apache-2.0
 * From a text to its features, and from features to a score. A link counts as one character and
 * digits as 0, so that the model learns that there is a number of eleven digits and not which.
 * Features are not told apart when their hashes meet; with 131,072 places few matter.
 */
#include "model.h"
#include "text_bits.h"
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

static inline uint32_t text_hash(uint64_t x)
{
    return (uint32_t)((x * 0x9e3779b97f4a7c15u) >> (64 - MODEL_BITS));
}

static void end_run(struct shape *s)
{
    s->phones += s->run >= 9 && s->run <= 14;
    s->codes += s->run == 5;
    s->pins += s->run >= 4 && s->run <= 8;
    s->run = 0;
}

enum { PLAIN_FRONT = 16, PLAIN_TAIL = 64 };

/* The text with a link as one character and digits as 0, between spaces; its length. */
static size_t plain_text(const struct model_text *t, char *out)
{
    size_t len = 0, at = 0, size = t->len < CONTENT_TEXT_MAX ? t->len : CONTENT_TEXT_MAX;
    for (uint32_t i = 0; i <= t->n_urls; i++) {
        size_t end = i < t->n_urls ? t->urls[i].start : size;
        if (end > size)
            end = size;
        if (at < end)
            text_replace(out + len, t->text + at, end - at, '0', '9', '0');
        len += at < end ? end - at : 0;
        if (i < t->n_urls && end < size) {
            out[len++] = 'U';
            at = t->urls[i].end;
        }
    }
    memset(out - PLAIN_FRONT, ' ', PLAIN_FRONT);
    memset(out + len, ' ', PLAIN_TAIL);
    return len;
}

static uint32_t *gram_features(const char *text, size_t len, uint32_t *to)
{
    for (size_t i = 0; i < len; i++) {
        uint32_t gram;
        memcpy(&gram, text + i - 2, 4); /* the last begins where the last two letters do */
        *to++ = text_hash(gram);
    }
    return to;
}

/* A word, and a word with the one before it. */
static uint32_t *word_features(const char *text, size_t len, const struct text_bits *bits,
                               struct shape *s, uint32_t *to, const uint32_t *last)
{
    uint64_t before = 0;
    for (size_t i = text_bits_next(bits->word, 0, len, 0), end; i < len && to < last;
         i = text_bits_next(bits->word, end, len, 0)) {
        end = text_bits_next(bits->word, i, len, ~0ull);
        uint64_t key = text_bits_key(text + end, end - i), first, hash;
        memcpy(&first, text + i, 8);
        hash = (key ^ (end - i > 8 ? first * 0xd6e8feb86659fd93u : 0)) + (end - i);
        hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u;
        *to++ = text_hash(hash);
        *to++ = text_hash(hash + before * 31 + 0x5bd1e9955bd1e995u);
        s->urgent += word_kind(key, end - i) >> 2;
        before = hash;
    }
    return to;
}

/* Numbers, with single spaces inside. */
static void read_numbers(const char *text, size_t len, const struct text_bits *bits,
                         struct shape *s)
{
    for (size_t i = text_bits_next(bits->digit, 0, len, 0), end, next; i < len; i = next) {
        end = text_bits_next(bits->digit, i, len, ~0ull);
        next = text_bits_next(bits->digit, end, len, 0);
        s->run += (uint32_t)(end - i);
        s->digits += (uint32_t)(end - i);
        if (end < len && next == end + 1 && text[end] == ' ')
            continue;
        s->premium += text[end] == 'p'; /* 150p */
        end_run(s);
    }
}

static void read_signs(const char *text, size_t len, const struct text_bits *bits, struct shape *s)
{
    s->bangs = bits->bangs;
    s->percents = bits->percents;
    s->money = bits->dollars;
    for (size_t i = 0; bits->high && i < len; i++)
        s->money += memcmp(text + i, "\xc2\xa3", 2) == 0 || memcmp(text + i, "\xe2\x82", 2) == 0;
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
    uint32_t capitals, letters;
    text_capitals(raw, len, &capitals, &letters);
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
        { MARK_DIGITS_10, s->digits > len / 10 },
        { MARK_DIGITS_25, s->digits > len / 4 },
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
    char room[PLAIN_FRONT + CONTENT_TEXT_MAX + PLAIN_TAIL], *text = room + PLAIN_FRONT;
    struct text_bits bits;
    struct shape shape = { 0 };
    size_t len = plain_text(t, text), most = len < MODEL_GRAMS_MAX ? len : MODEL_GRAMS_MAX;
    text_bits_of(&bits, text, len);
    uint32_t *to = gram_features(text, most, f->hashed);
    to = word_features(text, len, &bits, &shape, to, f->hashed + MODEL_FEATURES_MAX - 1);
    read_numbers(text, len, &bits, &shape);
    read_signs(text, len, &bits, &shape);
    f->n = (uint32_t)(to - f->hashed);
    f->marks = url_marks(t) | norm_marks(t->norm_flags) | capital_marks(t->raw, t->raw_len) |
               shape_marks(&shape, t->len, t->n_urls > 0);
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
