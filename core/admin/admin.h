/* SPDX-License-Identifier: Apache-2.0
 * admin: health, metrics and state over HTTP, on the main thread's loop and a port of its own.
 *
 *   GET /healthz   200 while the process works
 *   GET /readyz    200 when every worker can take work, else 503; JSON with the reasons
 *   GET /metrics   Prometheus text
 *   GET /admin/state   what every worker holds: executions by state, lanes, plans, nodes (JSON)
 *
 * Numbers are gathered by mail from the workers, so a scrape never stops one.
 */
#ifndef CATALYST_ADMIN_H
#define CATALYST_ADMIN_H
#include "worker/worker.h"

struct admin;
struct store_house;
struct admin_config {
    struct loop *loop;
    const char *address;
    int port; /* 0: any */
    const char *version;
};
/* Answers from now on; there are no workers yet, so /readyz says 503. */
struct admin *admin_start(const struct admin_config *config, struct err *err);
/* What the start waits for, for /readyz; copied. */
void admin_waits(struct admin *a, const char *why);
/* The workers are there, and answer until admin_stop. */
void admin_workers(struct admin *a, struct worker **workers, uint32_t n_workers);
int admin_port(const struct admin *a);
/* The store's housekeeping was done, with what it saw, or failed. [any] */
void admin_housekept(struct admin *a, bool is_done, const struct store_house *house);
/* /readyz says 503 from now on. */
void admin_draining(struct admin *a);
void admin_stop(struct admin *a);

#endif
