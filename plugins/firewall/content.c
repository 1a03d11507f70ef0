/* SPDX-License-Identifier: Apache-2.0
 * The content engine as the node sees it (content.h): a frame's texts are normalised one behind the
 * other into one buffer, and the later steps read them there. The buffers are as large as the
 * largest frame needs, but memory that is not touched is not taken; a usual frame stays in the
 * cache.
 */
#include "content.h"
#include "model.h"
#include "patterns.h"
#include "simhash.h"
#include <catalyst/text.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { NEAR_DISTANCE = 6, NEAR_MIN_BYTES = 20, MASKED_MIN = 12 };

struct content {
    uint64_t id; /* no two ever had the same */
    struct patterns *patterns;
    struct model *loaded;
    const struct model *model;
    uint32_t near_distance, near_min_bytes;
};

/* What the later steps need of a message. */
struct slot {
    char *text;
    uint32_t len, flags, n_alts, n_urls;
    struct norm_alt alts[NORM_ALTS_MAX];
    struct url urls[CONTENT_HOSTS_MAX];
};

struct content_scratch {
    const struct content_message *messages;
    struct content_result *results;
    hs_scratch_t *hs;
    uint64_t fits; /* the content hs was made for */
    struct near_table *near;
    struct url_cache urls;
    struct model_features features;
    char masked[CONTENT_TEXT_MAX];
    uint16_t from[CONTENT_TEXT_MAX + 1];
    struct slot slots[CONTENT_FRAME_MAX];
    char hosts[CONTENT_FRAME_MAX * CONTENT_HOSTS_MAX * URL_HOST_MAX];
    char texts[CONTENT_FRAME_MAX * CONTENT_TEXT_MAX];
};

/* --- content ---------------------------------------------------------------------------------- */

static int take_model(struct content *c, const char *file, struct content_problem *why)
{
    if (!file)
        return 0;
    c->model = model_shipped;
    if (*file)
        c->model = c->loaded = model_load(file, why->text, sizeof why->text);
    return c->model ? 0 : -1;
}

struct content *content_compile(const struct content_pattern *patterns, size_t n,
                                const struct content_options *options, struct content_problem *why)
{
    static atomic_uint_fast64_t ids;
    struct content *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    *why = (struct content_problem){ .pattern = SIZE_MAX };
    c->id = atomic_fetch_add(&ids, 1) + 1;
    c->near_distance = options->near_distance ? options->near_distance : NEAR_DISTANCE;
    if (c->near_distance > SIMHASH_DISTANCE_MAX)
        c->near_distance = SIMHASH_DISTANCE_MAX;
    c->near_min_bytes = options->near_min_bytes ? options->near_min_bytes : NEAR_MIN_BYTES;
    if (take_model(c, options->model_file, why) == 0 &&
        (c->patterns = patterns_compile(patterns, n, options, why)) != NULL)
        return c;
    content_free(c);
    return NULL;
}

void content_free(struct content *c)
{
    if (!c)
        return;
    patterns_free(c->patterns);
    model_free(c->loaded);
    free(c);
}

size_t content_bytes(const struct content *c)
{
    return sizeof *c + patterns_bytes(c->patterns) + (c->loaded ? sizeof *c->loaded : 0);
}

struct content_scratch *content_scratch_create(void)
{
    struct content_scratch *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->near = near_create();
    return s;
}

void content_scratch_free(struct content_scratch *s)
{
    if (!s)
        return;
    hs_free_scratch(s->hs);
    near_free(s->near);
    free(s);
}

/* --- stage 0 ---------------------------------------------------------------------------------- */

static uint32_t flags_of(const struct norm *n, const struct slot *slot)
{
    return (slot->n_urls ? CONTENT_HAS_URL : 0u) |
           (n->flags & NORM_MIXED ? CONTENT_WAS_MIXED : 0u) |
           (n->flags & NORM_HIDDEN ? CONTENT_WAS_HIDDEN : 0u) |
           (n->flags & NORM_CUT ? CONTENT_WAS_CUT : 0u);
}

static void tell_hosts(const struct slot *slot, struct content_result *out)
{
    for (uint32_t i = 0; i < slot->n_urls; i++) {
        const struct content_host *h = &slot->urls[i].host;
        uint32_t k = 0;
        while (k < out->n_hosts &&
               (out->hosts[k].len != h->len || memcmp(out->hosts[k].ptr, h->ptr, h->len) != 0))
            k++;
        if (k < out->n_hosts)
            out->hosts[k].is_obfuscated |= h->is_obfuscated;
        else
            out->hosts[out->n_hosts++] = *h;
    }
}

/* What is looked at: whole characters, when they are any. */
static size_t cut_text(const struct content_message *m)
{
    size_t len = wf_text_cut(m->text, m->len, CONTENT_TEXT_MAX);
    return len + 4 > CONTENT_TEXT_MAX || len == m->len ? len : CONTENT_TEXT_MAX;
}

/* Returns the bytes of texts and adds those of hosts that it took. */
static size_t begin_one(struct content_scratch *s, uint32_t i, char *text, size_t *hosts)
{
    const struct content_message *m = &s->messages[i];
    struct content_result *out = &s->results[i];
    struct slot *slot = &s->slots[i];
    struct norm n = { .text = text, .from = s->from, .size = CONTENT_TEXT_MAX };
    size_t len = cut_text(m), used;
    norm_run(&n, m->text, len);
    if (len < m->len)
        n.flags |= NORM_CUT;
    slot->text = text;
    slot->len = n.len;
    slot->flags = n.flags;
    slot->n_alts = n.n_alts;
    memcpy(slot->alts, n.alts, sizeof n.alts);
    slot->n_urls =
        urls_find(&s->urls, &n, m->text, slot->urls, CONTENT_HOSTS_MAX, s->hosts + *hosts, &used);
    *hosts += used;
    out->n_hosts = out->n_hits = out->more_hits = out->near_count = 0;
    out->fingerprint = 0;
    out->score_pm = -1;
    out->text_bytes = n.len;
    out->flags = flags_of(&n, slot);
    tell_hosts(slot, out);
    return n.len;
}

void content_begin(struct content_scratch *s, const struct content_message *messages, size_t n,
                   struct content_result *out)
{
    size_t texts = 0, hosts = 0;
    if (n > CONTENT_FRAME_MAX)
        abort(); /* the caller's mistake, never a message's */
    s->messages = messages;
    s->results = out;
    for (uint32_t i = 0; i < n; i++)
        texts += begin_one(s, i, s->texts + texts, &hosts);
}

/* --- stages 5 to 7 ---------------------------------------------------------------------------- */

static void match_one(const struct content *c, struct content_scratch *s, uint16_t i)
{
    const struct slot *slot = &s->slots[i];
    struct content_result *out = &s->results[i];
    struct pattern_hits hits;
    hits.n = hits.more = 0;
    patterns_match(c->patterns, s->hs, slot->text, slot->len, slot->alts, slot->n_alts, &hits);
    patterns_match_raw(c->patterns, s->hs, s->messages[i].text, cut_text(&s->messages[i]), &hits);
    out->n_hits = hits.n;
    out->more_hits = hits.more;
    memcpy(out->hits, hits.numbers, hits.n * sizeof *hits.numbers);
}

void content_match(const struct content *c, struct content_scratch *s, const uint16_t *which,
                   size_t n)
{
    if (!c || patterns_are_none(c->patterns))
        return;
    if (s->fits != c->id) {
        if (patterns_scratch(c->patterns, &s->hs) != 0)
            abort(); /* out of memory */
        s->fits = c->id;
    }
    for (size_t i = 0; i < n; i++)
        match_one(c, s, which[i]);
}

static void near_one(const struct content *c, struct content_scratch *s, int64_t window_ms,
                     uint16_t i)
{
    const struct slot *slot = &s->slots[i];
    struct simhash_text masked = { .text = s->masked, .size = sizeof s->masked };
    if (slot->len < c->near_min_bytes)
        return;
    simhash_mask(&masked, slot->text, slot->len, slot->urls, slot->n_urls);
    if (masked.len < MASKED_MIN)
        return; /* nothing but numbers and links */
    struct near_text text = { .fingerprint = simhash_of(masked.text, masked.len),
                              .group = s->messages[i].group,
                              .len = masked.len,
                              .now_ms = s->messages[i].now_ms };
    s->results[i].fingerprint = text.fingerprint;
    s->results[i].near_count = near_count(s->near, &text, c->near_distance, window_ms);
}

void content_near(const struct content *c, struct content_scratch *s, int64_t window_ms,
                  const uint16_t *which, size_t n)
{
    for (size_t i = 0; c && i < n; i++)
        near_one(c, s, window_ms, which[i]);
}

void content_score(const struct content *c, struct content_scratch *s, const uint16_t *which,
                   size_t n)
{
    for (size_t i = 0; c && c->model && i < n; i++) {
        const struct slot *slot = &s->slots[which[i]];
        const struct content_message *m = &s->messages[which[i]];
        struct model_text text = { .raw = m->text,
                                   .raw_len = cut_text(m),
                                   .text = slot->text,
                                   .len = slot->len,
                                   .norm_flags = slot->flags,
                                   .urls = slot->urls,
                                   .n_urls = slot->n_urls };
        s->results[which[i]].score_pm = model_score_pm(c->model, &text, &s->features);
    }
}

size_t content_skeleton(const char *text, size_t len, char *out, size_t size)
{
    return norm_skeleton(text, len, out, size);
}
