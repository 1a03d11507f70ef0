/* SPDX-License-Identifier: Apache-2.0
 * patterns.h - all content rules of a snapshot looked for at once, by vectorscan: a text is read
 * once, however many rules there are. Rules' expressions come from people outside, so nothing that
 * could run away is taken: automata only, no back-references, sizes capped before compiling.
 *
 * vectorscan needs SSE 4.2 or an arm64 processor; where it is absent compiling says so and nothing
 * else is tried: a matcher that is a hundred times slower would be the outage itself.
 *
 * Thread: compiling any (10,000 patterns take seconds, more with letters beyond ASCII), matching
 * the worker that owns the scratch. Compiled patterns are immutable.
 */
#ifndef FIREWALL_PATTERNS_H
#define FIREWALL_PATTERNS_H
#include "content.h"
#include "normalise.h"
#include <hs.h>

struct patterns;

/* As content_compile(). */
struct patterns *patterns_compile(const struct content_pattern *patterns, size_t n,
                                  const struct content_options *options,
                                  struct content_problem *why);
void patterns_free(struct patterns *p);
size_t patterns_bytes(const struct patterns *p);
int patterns_are_none(const struct patterns *p);

/* Makes *scratch fit these patterns too: to be called when they change. 0, or -1 without memory. */
int patterns_scratch(const struct patterns *p, hs_scratch_t **scratch);

struct pattern_hits {
    uint32_t n, more;
    uint32_t numbers[CONTENT_HITS_MAX]; /* ascending, each once */
};

/* Adds what matches. `text` is normalised and is read in its second reading too, for which it is
 * changed and changed back. */
void patterns_match(const struct patterns *p, hs_scratch_t *scratch, char *text, size_t len,
                    const struct norm_alt *alts, uint32_t n_alts, struct pattern_hits *hits);
/* The same for the patterns of texts as they came. */
void patterns_match_raw(const struct patterns *p, hs_scratch_t *scratch, const char *text,
                        size_t len, struct pattern_hits *hits);

/* --- inside: expressions (pattern_text.c) and the compiled ones on disk (pattern_cache.c) ------
 */

enum { EXPRESSION_FORMS = 3, EXPRESSION_BYTES = 4 * CONTENT_PATTERN_MAX + 80, REPEATS_MAX = 4000 };

struct expression {
    char text[EXPRESSION_BYTES];
    unsigned flags;
};

/* What vectorscan is given for a pattern: 1 to EXPRESSION_FORMS forms; 0 with why->text set. */
unsigned expression_forms(const struct content_pattern *p, struct expression *forms,
                          struct content_problem *why);

struct expressions {
    char **texts;
    unsigned *flags, *ids;
    size_t n, size;
};

hs_database_t *pattern_cache_load(const char *folder, const struct expressions *x);
void pattern_cache_store(const char *folder, const struct expressions *x, const hs_database_t *db);

#endif
