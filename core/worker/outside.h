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
};

/* engine and client are set by the owner when they are made. */
void outside_init(struct outside *o, struct loop *loop, struct offload *offload);
/* Fills clocks, random, request, cancel, offload, wake and loop. */
void outside_io(struct engine_io *io);
/* Ends all requests without an answer. */
void outside_cancel_all(struct outside *o);

#endif
