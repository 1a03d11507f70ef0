/* SPDX-License-Identifier: Apache-2.0
 * Matchers over labels: name="value", !=, =~, !~, written as Alertmanager writes them. A regex is
 * anchored at both ends and runs in linear time, so that a configuration from outside cannot stop a
 * worker; look-around and back-references are refused. Thread: one (a regex holds scratch memory).
 */
#ifndef PLUGIN_NOTIFY_MATCHER_H
#define PLUGIN_NOTIFY_MATCHER_H
#include "labels.h"
#include "why.h"

enum matcher_kind { MATCHER_EQUAL = 1, MATCHER_NOT_EQUAL, MATCHER_REGEX, MATCHER_NOT_REGEX };
enum { MATCHERS_MAX = 200 };

struct matcher {
    enum matcher_kind kind;
    char *name, *value;
    void *regex;
};

struct matchers {
    struct matcher *at; /* sorted */
    size_t n;
};

int matchers_add(struct matchers *m, enum matcher_kind kind, const char *name, const char *value,
                 struct why *why);
/* Adds those of a text: `a="x"`, `{a=~"x|y", b!=z}`. */
int matchers_parse(struct matchers *m, const char *text, struct why *why);
/* A text, a list of texts, or a list of {name, value, isRegex, isEqual}. */
int matchers_of_json(struct matchers *m, const json_t *value, struct why *why);
void matchers_fini(struct matchers *m);
int matcher_matches(const struct matcher *m, const char *value);
/* All of them match. */
int matchers_match(const struct matchers *m, const struct labels *l);
/* {a="x",b=~"y"}; to be freed. */
char *matchers_text(const struct matchers *m);
/* List of {name, value, isRegex, isEqual}. */
json_t *matchers_json(const struct matchers *m);

#endif
