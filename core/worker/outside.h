/* SPDX-License-Identifier: Apache-2.0
 * outside: the part of engine_io that is the same wherever an engine lives on a loop. The object
 * that io.ctx points to begins with a `struct outside`.
 */
#ifndef CATALYST_OUTSIDE_H
#define CATALYST_OUTSIDE_H
#include "engine/engine.h"
#include "http/http.h"
#include "loop/loop.h"

struct outside {
    struct loop *loop;
    struct engine *engine;
    struct http_client *client;
    struct offload *offload;
    struct offload_owner owner;
    struct link requests; /* under way */
    int blob_dir;         /* where binary data spills (blob_file.c); -1: it stays in memory */
};

/* engine and client are set by the owner when they are made, blob_dir before outside_io. */
void outside_init(struct outside *o, struct loop *loop, struct offload *offload);
/* Fills clocks, random, request, cancel, offload, wake, blob_file and loop. io->ctx is set. */
void outside_io(struct engine_io *io);
/* The private folder of files for binary data: made where it is missing, cleared of what an engine
 * left that was killed; only its owner may look into it. *dir is a descriptor. `path` NULL: one for
 * this user below $TMPDIR, or /var/tmp; when that cannot be had, a warning, and *dir is -1. */
int blob_dir_open(const char *path, int *dir, struct err *err);
/* engine_io.blob_file: an open file there that has no name any more. */
int blob_file_open(int dir, struct err *err);
/* Ends all requests without an answer. */
void outside_cancel_all(struct outside *o);

#endif
