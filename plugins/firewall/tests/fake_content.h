/* SPDX-License-Identifier: Apache-2.0
 * A content engine of the tests' own, and all of the node's sources after it: patterns are texts
 * that are found as they stand, hosts follow http://, near duplicates are equal texts, and what
 * holds "spam" scores 900.
 */
#ifndef FAKE_CONTENT_H
#define FAKE_CONTENT_H
#include "../content.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct content {
    struct content_pattern *patterns;
    size_t n;
    int has_model;
};
struct content_scratch {
    const struct content_message *messages;
    struct content_result *results;
    char hosts[CONTENT_FRAME_MAX][80];
    char seen[64][200];
    uint32_t counts[64];
    unsigned n_seen;
};

struct content *content_compile(const struct content_pattern *patterns, size_t n,
                                const struct content_options *options, struct content_problem *why)
{
    struct content *c = calloc(1, sizeof *c);
    for (size_t i = 0; i < n; i++)
        if (memchr(patterns[i].text, '(', patterns[i].len) &&
            !memchr(patterns[i].text, ')', patterns[i].len)) {
            why->pattern = i;
            strcpy(why->text, "a parenthesis is not closed");
            free(c);
            return NULL;
        }
    c->patterns = calloc(n + 1, sizeof *c->patterns);
    for (c->n = 0; c->n < n; c->n++) {
        c->patterns[c->n] = patterns[c->n];
        c->patterns[c->n].text = strdup(patterns[c->n].text);
    }
    c->has_model = options->model_file != NULL;
    return c;
}

void content_free(struct content *c)
{
    for (size_t i = 0; c && i < c->n; i++)
        free((void *)(uintptr_t)c->patterns[i].text);
    if (c)
        free(c->patterns);
    free(c);
}

size_t content_bytes(const struct content *c) { return sizeof *c; }
struct content_scratch *content_scratch_create(void)
{
    return calloc(1, sizeof(struct content_scratch));
}
void content_scratch_free(struct content_scratch *s) { free(s); }

void content_begin(struct content_scratch *s, const struct content_message *messages, size_t n,
                   struct content_result *out)
{
    s->messages = messages;
    s->results = out;
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct content_result){ .score_pm = -1 };
        const char *at =
            messages[i].len ? memmem(messages[i].text, messages[i].len, "http://", 7) : NULL;
        if (!at)
            continue;
        size_t len = 0, left = messages[i].len - (size_t)(at + 7 - messages[i].text);
        while (len < left && len < 79 && at[7 + len] != ' ' && at[7 + len] != '/') {
            s->hosts[i][len] = (char)tolower(at[7 + len]);
            len++;
        }
        s->hosts[i][len] = 0;
        out[i].n_hosts = 1;
        out[i].flags = CONTENT_HAS_URL;
        out[i].hosts[0] = (struct content_host){ .ptr = s->hosts[i],
                                                 .len = (uint32_t)len,
                                                 .is_shortener = !strcmp(s->hosts[i], "bit.ly") };
    }
}

void content_match(const struct content *c, struct content_scratch *s, const uint16_t *which,
                   size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const struct content_message *m = &s->messages[which[k]];
        struct content_result *r = &s->results[which[k]];
        for (size_t i = 0; i < c->n; i++) {
            int again = r->n_hits && r->hits[r->n_hits - 1] == c->patterns[i].number;
            if (!again && memmem(m->text, m->len, c->patterns[i].text, c->patterns[i].len) &&
                r->n_hits < CONTENT_HITS_MAX)
                r->hits[r->n_hits++] = c->patterns[i].number;
        }
    }
}

void content_near(const struct content *c, struct content_scratch *s, int64_t window_ms,
                  const uint16_t *which, size_t n)
{
    (void)c;
    (void)window_ms;
    for (size_t k = 0; k < n; k++) {
        const struct content_message *m = &s->messages[which[k]];
        unsigned i = 0;
        while (i < s->n_seen &&
               (strlen(s->seen[i]) != m->len || memcmp(s->seen[i], m->text, m->len) != 0))
            i++;
        if (i == s->n_seen && i < 64 && m->len < 200) {
            memcpy(s->seen[s->n_seen++], m->text, m->len);
        }
        s->results[which[k]].near_count = i < 64 ? ++s->counts[i] : 0;
    }
}

void content_score(const struct content *c, struct content_scratch *s, const uint16_t *which,
                   size_t n)
{
    for (size_t k = 0; c->has_model && k < n; k++) {
        const struct content_message *m = &s->messages[which[k]];
        s->results[which[k]].score_pm = memmem(m->text, m->len, "spam", 4) ? 900 : 100;
    }
}

/* Letters in lower case, 0 as o and 1 as l. */
size_t content_skeleton(const char *text, size_t len, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 1 < size; i++)
        if (isalnum((unsigned char)text[i]))
            out[n++] = text[i] == '0' ? 'o' : text[i] == '1' ? 'l' : (char)tolower(text[i]);
    out[n] = 0;
    return n;
}

#include "../hash.c"
#include "../words.c"
#include "../tree.c"
#include "../numbers.c"
#include "../numbers_delta.c"
#include "../numbers_file.c"
#include "../numbers_text.c"
#include "../slots.c"
#include "../sketch.c"
#include "../ranges.c"
#include "../rules_read.c"
#include "../rules_when.c"
#include "../rules_load.c"
#include "../registry.c"
#include "../keeper.c"
#include "../keeper_files.c"
#include "../keeper_redis.c"
#include "../message.c"
#include "../conds.c"
#include "../stages.c"
#include "../verdict.c"
#include "../audit.c"
#include "../node.c"
#include "../feedback.c"
#include "../quarantine.c"
#undef KEY
#include "../review.c"
#undef KEY
#include "../migrations.c"
#include "../firewall.c"

#endif
