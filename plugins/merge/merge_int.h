/* SPDX-License-Identifier: Apache-2.0
 * What the files of the merge plugin share: the config, one run over a segment, and joining of
 * objects.
 */
#ifndef PLUGIN_MERGE_INT_H
#define PLUGIN_MERGE_INT_H
#include <catalyst/collect.h>

enum { MODE_APPEND, MODE_COMBINE, MODE_CHOOSE, MODE_SQL };
enum { BY_AUTO, BY_FIELDS, BY_POSITION, BY_ALL };
enum { OLD_NONE, OLD_FIELDS, OLD_POSITION, OLD_ALL };
enum { JOIN_MATCHES, JOIN_NON_MATCHES, JOIN_EVERYTHING, JOIN_ENRICH_1, JOIN_ENRICH_2 };
enum { FROM_BOTH, FROM_INPUT_1, FROM_INPUT_2 };
enum { CLASH_AUTO, CLASH_SUFFIX, CLASH_INPUT_1, CLASH_INPUT_2, CLASH_LAST };
enum { DEPTH_DEEP, DEPTH_SHALLOW };
enum { MATCHES_ALL, MATCHES_FIRST };
enum { OUTPUT_SPECIFIED, OUTPUT_INPUT_1, OUTPUT_INPUT_2, OUTPUT_EMPTY };
enum { INPUTS_MAX = 10, OUTPUT_MAX = 1000000 };

struct field_pair {
    wf_str field1, field2;
};

struct config {
    int mode, combine_by, combination_mode, join_mode, from, output, advanced;
    int64_t n_inputs, use_input;
    wf_str fields; /* names with commas, the same in both inputs */
    wf_list pairs; /* of struct field_pair */
    int clash, depth, override_empty, matches, include_unpaired, no_dots, fuzzy;
    wf_str choose_mode, query;
};

/* One call for one execution. */
struct merge {
    const wf_host *h;
    wf_segment *seg;
    const struct config *c;
    wf_item *it; /* to allocate of */
    int clash;   /* CLASH_* but AUTO */
    size_t made; /* items put out */
};

/* Who wins when nothing is said. */
int merge_clash(const struct config *c);
/* Joins the objects of `n` items, one of each input in order, and puts the result out. Items may be
 * NULL. 0, or -1 after the segment was failed because it makes too much. */
int merge_put(struct merge *m, wf_item *const *items, size_t n);
/* Puts one item of input `number` (0 or 1) out that found no partner. */
int merge_put_alone(struct merge *m, wf_item *it, unsigned number);
/* Puts an item out as it is. */
int merge_pass(struct merge *m, wf_item *it);

/* Joins two inputs by fields. 0, or -1 after the segment was failed. */
int merge_join(struct merge *m);

#endif
