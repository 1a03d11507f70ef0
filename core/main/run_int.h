/* SPDX-License-Identifier: Apache-2.0
 * The parts of `catalyst run`: run.c the command, run_input.c its input, run_io.c the engine's
 * outside.
 */
#ifndef CATALYST_RUN_INT_H
#define CATALYST_RUN_INT_H
#include "main/main.h"
#include "worker/outside.h"

struct run {
    struct outside out; /* first: what io.ctx points to */
    const struct config *config;
    struct arena arena;
    struct definitions definitions;
    struct inbound_item *items;
    size_t n_items, items_size;
    const char *output; /* items, json, none */
    int code;
    struct strbuf said, complained; /* on stdout and stderr, when it is over */
    struct expr_lua *lua;
    /* Where rows and statements of plugins go: in memory, opened when the first comes. */
    struct store *store;
    struct store_tables *tables;
    struct store_session *session;
    struct store_turn rows;
    bool no_store, is_committing;
    struct loop_hook hook;
    struct timer timer;
};

/* run_input.c: an object, an array of objects or of {json, binary?}, or JSON lines. */
int run_input(struct run *r, wf_str text, struct err *err);
/* -1 with *err: an item's binary part has no base64 in its `data`. */
int run_add_items(struct run *r, const struct json *array, struct err *err);
int run_add_item(struct run *r, const struct json *item, struct err *err);

/* run_io.c */
int run_open(struct run *r, struct err *err);
void run_execute(struct run *r, struct engine_plan *ep, uint32_t start);
void run_close(struct run *r);

/* run.c: the outcome, which is printed at the end. */
void run_ended(struct run *r, struct exec *e, enum store_status status);

#endif
