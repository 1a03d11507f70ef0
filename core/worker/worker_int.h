/* SPDX-License-Identifier: Apache-2.0
 * A worker's parts. Files: worker.c the thread and its life, turn.c what it does each round, io.c
 * and outside.c what the engine asks for, deploy.c plans and triggers coming and going, takeover.c
 * what a dead engine left.
 */
#ifndef CATALYST_WORKER_INT_H
#define CATALYST_WORKER_INT_H
#include "worker/worker.h"
#include "base/list.h"
#include "worker/outside.h"

/* A plan that runs here, with its triggers. */
struct deployed {
    struct link link;
    struct worker *w;
    struct engine_plan *ep;
    struct trigger **triggers; /* plan->n_triggers; NULL: no kind, or it did not start */
    char **troubles;           /* why a trigger did not start, or NULL */
    uint32_t *sources;
    uint32_t n_triggers, stopping; /* triggers that still give up their lanes */
    bool retired;
};

/* A parked execution whose version is not here yet. */
struct orphan {
    struct link link;
    struct arena arena;
    struct store_exec exec;
    uint32_t source, partition;
};

struct worker {
    struct outside out; /* first: what io.ctx points to */
    struct worker_config config;
    struct thread thread;
    struct expr_lua *lua;
    struct store_session *session;
    struct http_server *http;
    struct kafka_sink *sink;
    struct webhook_table *webhooks;
    struct error_table *errors;
    struct trigger_host host;
    struct loop_hook turn_hook;
    struct timer timer;   /* the engine's next, or the end of commit_gap */
    int64_t commit_after; /* monotonic us: until then a turn that can wait gathers more */
    size_t take_turn;     /* whose turn it is to be asked first */
    /* Before a commit nothing is taken, so that what runs may end; settle_until 0: not now. */
    int64_t settle_until, settle_end;     /* monotonic us: of this while, of all */
    uint32_t settle_from, settle_mark;    /* executions at their beginnings */
    uint32_t settle_skip, settle_backoff; /* commits that do not wait, as waiting did not help */
    struct timer grace;
    struct timer retry_timer;
    uint32_t looked_source, looked_partition; /* the lane asked last for marked executions */
    bool looking;
    uint32_t looked_got; /* executions it was given */
    struct link plans;   /* struct deployed */
    struct link orphans, heirs;
    bool store_up;
    char store_trouble[496];
    bool draining, cut;
    bool http_gone;
};

/* turn.c */
void worker_turn(void *arg);
void worker_poke(void *arg);

/* io.c */
struct engine_io worker_io(struct worker *w);

/* deploy.c */
void deploy_plan(struct worker *w, struct plan *plan, const uint32_t *sources);
void deploy_retire(struct worker *w, const char *workflow_id);
void deploy_drain_all(struct worker *w);
bool deploy_all_gone(const struct worker *w);
void deploy_adopt(struct worker *w, struct lane *lane, const struct store_exec *exec);
void deploy_orphans(struct worker *w);
void deploy_free_all(struct worker *w);

/* retry.c */
void retry_start(struct worker *w);
void retry_stop(struct worker *w);

/* takeover.c */
void takeover_start(struct worker *w, uint32_t instance);
void takeover_free(struct worker *w);

#endif
