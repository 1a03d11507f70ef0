/* SPDX-License-Identifier: Apache-2.0
 * Sets of labels: names with values, sorted by name. A label that is not there is the same as one
 * with an empty value, as in Alertmanager, so empty ones are dropped. Thread: any.
 */
#ifndef PLUGIN_NOTIFY_LABELS_H
#define PLUGIN_NOTIFY_LABELS_H
#include "memory.h"
#include <jansson.h>

enum { LABELS_MAX = 100, LABEL_BYTES_MAX = 4096 };

struct label {
    char *name, *value;
};

struct labels {
    struct label *at; /* sorted by name */
    size_t n;
};

/* 0, or -1 with *why when it is no object of names and texts. Numbers and booleans become text. */
int labels_of_json(struct labels *to, const json_t *object, const char **why);
void labels_add(struct labels *l, const char *name, const char *value);
void labels_fini(struct labels *l);
/* "" when there is none. */
const char *labels_get(const struct labels *l, const char *name);
/* Prometheus' fingerprint of the set. */
uint64_t labels_hash(const struct labels *l);
/* {a="x", b="y"}; to be freed. */
char *labels_text(const struct labels *l);
json_t *labels_json(const struct labels *l);
int label_name_is_valid(const char *name);

#endif
