/* SPDX-License-Identifier: Apache-2.0
 * Words that the Markdown manual and the terminal page share.
 */
#ifndef CATALYST_DOCS_INT_H
#define CATALYST_DOCS_INT_H
#include "plugin/plugin_int.h"

/* "whole number, 1 to 100". */
void docs_type(struct strbuf *b, const wf_param *row);
/* "required, expression", with `before` in front; nothing when there is nothing to say. */
void docs_notes(struct strbuf *b, const wf_param *row, const char *before);
/* "with `mode` `a` or `b`"; quote is put around names and values. */
void docs_show_if(struct strbuf *b, const wf_param *row, const char *quote);
/* "on each item". */
const char *docs_works(const wf_node *node);
/* docs_metrics.c */
const char *docs_metric_kind(const wf_metric *metric);
/* The name of metric `first` as people read it, with all values of its labels: of as many rows as
 * are returned, the first one included. */
size_t docs_metric_name(struct strbuf *b, const struct node_type *type, size_t first);

#endif
