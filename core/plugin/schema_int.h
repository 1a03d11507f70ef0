/* SPDX-License-Identifier: Apache-2.0
 * What the two halves of the schema share: a writer that keeps commas right, and the parts of
 * nodes.
 */
#ifndef CATALYST_SCHEMA_INT_H
#define CATALYST_SCHEMA_INT_H
#include "plugin/plugin_int.h"

#define SCHEMA_DRAFT "https://json-schema.org/draft/2020-12/schema"

struct out {
    struct strbuf *b;
    bool comma; /* something stands before on this level */
};

void out_open(struct out *o, char bracket);
void out_close(struct out *o, char bracket);
void out_key(struct out *o, const char *key);
void out_text(struct out *o, const char *text);
void out_raw(struct out *o, const char *json);
void out_pair(struct out *o, const char *key, const char *text);
void out_pair_raw(struct out *o, const char *key, const char *json);

/* An object of a node's parameters, for $defs. */
void schema_parameters(struct out *o, const struct node_type *type);
/* Definitions that parameters refer to. */
void schema_shared_defs(struct out *o);
/* The first row of a name, or NULL. */
const wf_param *param_lookup_row(const wf_param *table, const char *name);
/* The text is a JSON number, boolean or null. */
bool param_is_json_scalar(const char *text);

#endif
