/* SPDX-License-Identifier: Apache-2.0
 * show_int: gathering executions for people, out of rows and blocks, the same for all kinds of
 * stores.
 */
#ifndef CATALYST_STORE_SHOW_INT_H
#define CATALYST_STORE_SHOW_INT_H
#include "store/store_int.h"

struct show_version {
    uint64_t version;
    uint32_t number;
    wf_str id, name;
};

struct show {
    struct arena arena;
    struct store_filter filter;
    struct show_version *versions;
    uint32_t n_versions, versions_size;
    struct store_execution *list;
    uint32_t n, size;
};

/* Filter NULL: everything. */
void show_init(struct show *show, const struct store_filter *filter);
void show_fini(struct show *show);
/* Makes a version's workflow known. */
void show_version(struct show *show, uint64_t version, uint32_t number, wf_str id, wf_str name);
/* True when the filter lets this version through. */
bool show_wants_version(const struct show *show, uint64_t version);
/* Adds a parked or failed execution when the filter wants it. */
void show_exec(struct show *show, const struct store_exec *e);
/* Adds what the filter wants of a block. `has_row` tells whether an execution has a row, which then
 * tells more; asked only of those that did not end well. */
void show_block(struct show *show, const struct store_block *b,
                bool (*has_row)(void *ctx, uint64_t position), void *ctx);
/* One execution with its input and outputs: `e` or NULL, `b` with index i or NULL. */
void show_one(struct show *show, const struct store_exec *e, const struct store_block *b,
              uint32_t i);
/* The last entry of a block with that position; false when there is none. */
bool show_find(const struct store_block *b, uint64_t position, uint32_t *i);
/* Newest first, cut to the limit. The start of the last one when the limit is reached, else
 * INT64_MIN: what started before it is not wanted any more. */
int64_t show_trim(struct show *show);
/* Tells what is there. */
void show_tell(struct show *show, store_on_execution *each, void *ctx);
/* ERR_NOT_FOUND. */
int show_missing(struct exec_id id, struct err *err);
/* Why an execution of that status may not be retried: 0 when it may. */
int show_may_retry(struct exec_id id, enum store_status status, struct err *err);
#endif
