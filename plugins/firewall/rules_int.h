/* SPDX-License-Identifier: Apache-2.0
 * What the files that read rules share: a reading, and its list of mistakes.
 */
#ifndef FIREWALL_RULES_INT_H
#define FIREWALL_RULES_INT_H
#include "rules.h"
#include "hash.h"
#include "numbers.h"
#include "numbers_int.h"
#include <stdarg.h>
#include <stdio.h>

enum { MISTAKES_MAX = 20 };

struct reading {
    struct pool *pool;
    struct rules *rules;
    const struct rules *old;
    char *mistakes; /* lines; NULL: none */
    size_t mistakes_len;
    unsigned n_mistakes;
    const char *rule_id; /* for messages; NULL outside of rules */
    struct content_pattern *patterns;
    const struct tree **pattern_of; /* where each stands */
    const char **when_names;
    size_t n_patterns, size_patterns;
};

/* Notes a mistake; always -1. */
__attribute__((format(printf, 3, 4))) int mistake(struct reading *r, unsigned line, const char *f,
                                                  ...);
/* Says of each member that is not in `allowed` (ends with NULL) that it is unknown. */
void check_members(struct reading *r, const struct tree *object, const char *what,
                   const char *const *allowed);

/* Readers of members; a member that is not there leaves *out. -1 with a mistake. */
int read_int(struct reading *r, const struct tree *object, const char *key, int64_t min,
             int64_t max, int64_t *out);
int read_ratio(struct reading *r, const struct tree *object, const char *key, double *out);
int read_duration(struct reading *r, const struct tree *object, const char *key, int64_t *out);
const char *read_string(struct reading *r, const struct tree *object, const char *key);
/* The place of a word in `words`, or -1 with a mistake. */
int read_choice(struct reading *r, const struct tree *t, const char *what,
                const char *const *words);
/* One text or a list of them: calls `each` for every one; -1 with a mistake. */
int read_texts(struct reading *r, const struct tree *t, const char *what,
               int (*each)(struct reading *r, const struct tree *text, void *arg), void *arg);
size_t text_count(const struct tree *t);

int read_prefix(struct reading *r, const struct tree *t, struct prefix *out);
/* The place of a name, added when it is new. */
uint32_t names_add(struct names *s, uint64_t hash);
void names_fini(struct names *s);

/* Reads `when` into rule->conds and sets stage and reason. */
int read_when(struct reading *r, const struct tree *when, struct rule *rule);
const struct registry *read_registry(struct reading *r, const struct tree *root);

#endif
