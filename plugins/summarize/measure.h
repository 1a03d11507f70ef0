/* SPDX-License-Identifier: Apache-2.0
 * One measure of one group: values go in, one value comes out.
 */
#ifndef PLUGIN_SUMMARIZE_MEASURE_H
#define PLUGIN_SUMMARIZE_MEASURE_H
#include <catalyst/collect.h>

enum { APPEND, AVERAGE, CONCATENATE, COUNT, COUNT_UNIQUE, MAX, MIN, SUM };

/* A row of fieldsToSummarize. */
struct summary {
    int aggregation;
    wf_str field;
    int include_empty;
    wf_str separate_by, custom;
};

struct measure {
    const wf_host *h;
    wf_item *it; /* to allocate of */
    const struct summary *what;
    size_t n;
    int is_double; /* sum: the integer overflowed, or a number was none */
    int64_t sum;
    double sum_double;
    const wf_value *best; /* max, min */
    wf_gathered list;
    char *text;
    size_t text_len, text_size;
    wf_index unique;
};

/* null, missing or an empty text. */
int measure_is_empty(const wf_values *v, const wf_value *value);
void measure_start(struct measure *m, const wf_host *h, wf_item *it, const struct summary *what);
void measure_add(struct measure *m, const wf_value *value);
const wf_value *measure_result(struct measure *m);

#endif
