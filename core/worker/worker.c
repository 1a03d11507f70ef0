/* SPDX-License-Identifier: Apache-2.0
 * A worker's thread: made, run, drained, ended. Everything it owns is made and freed on its own
 * thread; other threads only post mail.
 */
#include "worker/worker_int.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- making the parts ------------------------------------------------------------------------- */

static void on_store_state(void *ctx, bool up, const char *reason)
{
    struct worker *w = ctx;
    w->store_up = up;
    bool is_named = !up && !strncmp(reason, "store: ", 7);
    snprintf(w->store_trouble, sizeof w->store_trouble, "%s%s",
             is_named ? "" : "store: ", up ? "" : reason);
    if (up)
        log_info("worker", "store.up", "worker %u", w->config.number);
    else
        log_warn("worker", "store.down", "worker %u: %s", w->config.number, reason);
}

static void on_http_request(void *ctx, struct http_request *req)
{
    struct worker *w = ctx;
    webhook_request(w->webhooks, req);
    loop_wake_soon(w->out.loop);
}

static void on_engine_timer(void *arg) { worker_poke(arg); /* the turn hook ticks the engine */ }

static void on_log(void *ctx, int level, const char *event, const char *text)
{
    (void)ctx;
    log_line((enum log_level)level, "engine", event, "%s", text);
}

static void need_version(void *ctx, struct lane *lane, const struct store_exec *exec)
{
    deploy_adopt(ctx, lane, exec);
}

static int make_engine(struct worker *w, struct err *err)
{
    w->lua = expr_lua_create(&w->config.lua, w->config.lua_dir, err);
    if (!w->lua)
        return -1;
    struct engine_config config = { .io = worker_io(w),
                                    .limits = w->config.limits,
                                    .lua = w->lua,
                                    .worker = w->config.number,
                                    .save_inputs = w->config.save_inputs,
                                    .log = on_log };
    w->out.engine = engine_create(&config);
    return 0;
}

static int make_clients(struct worker *w, struct err *err)
{
    struct store_session_config session = {
        .loop = w->out.loop, .instance = w->config.instance, .ctx = w, .on_state = on_store_state
    };
    w->session = store_session_open(w->config.store, &session);
    w->out.client = http_client_create(w->out.loop, &w->config.client, err);
    if (!w->out.client)
        return -1;
    if (!w->config.kafka)
        return 0;
    w->sink = kafka_sink_create(w->out.loop, w->out.engine, w->config.number, w->config.kafka, err);
    return w->sink ? 0 : -1;
}

static int make_server(struct worker *w, struct err *err)
{
    w->webhooks = webhook_table_create();
    w->errors = error_table_create();
    w->http_gone = true;
    if (!w->config.http)
        return 0;
    struct http_server_config config = *w->config.http;
    config.reuse_port = w->config.n_workers > 1;
    config.ctx = w;
    config.on_request = on_http_request;
    w->http = http_server_create(w->out.loop, &config, err);
    w->http_gone = !w->http;
    return w->http ? 0 : -1;
}

static void make_host(struct worker *w)
{
    w->host = (struct trigger_host){ .loop = w->out.loop,
                                     .engine = w->out.engine,
                                     .store = w->config.store,
                                     .session = w->session,
                                     .offload = w->config.offload,
                                     .owner = &w->out.owner,
                                     .worker = w->config.number,
                                     .n_workers = w->config.n_workers,
                                     .instance = w->config.instance,
                                     .kafka = w->config.kafka,
                                     .sink = w->sink,
                                     .webhooks = w->webhooks,
                                     .webhook_accept_ms = w->config.webhook_accept_ms,
                                     .store_up = &w->store_up,
                                     .errors = w->errors,
                                     .ctx = w,
                                     .poke = worker_poke,
                                     .need_version = need_version };
    w->timer = (struct timer){ .fn = on_engine_timer, .arg = w };
    w->turn_hook = (struct loop_hook){ .fn = worker_turn, .arg = w };
    loop_hook_add(w->out.loop, LOOP_TURN, &w->turn_hook);
    retry_start(w);
}

static void free_parts(struct worker *w)
{
    loop_hook_remove(&w->turn_hook);
    retry_stop(w);
    deploy_free_all(w);
    if (w->http)
        http_server_destroy(w->http);
    outside_cancel_all(&w->out);
    if (w->out.engine)
        engine_destroy(w->out.engine);
    takeover_free(w);
    if (w->sink)
        kafka_sink_destroy(w->sink, 1000);
    if (w->out.client)
        http_client_destroy(w->out.client);
    if (w->session)
        store_session_close(w->session);
    if (w->webhooks)
        webhook_table_destroy(w->webhooks);
    if (w->errors)
        error_table_destroy(w->errors);
    if (w->lua)
        expr_lua_destroy(w->lua);
    if (w->out.loop)
        loop_destroy(w->out.loop);
}

/* --- life ------------------------------------------------------------------------------------- */

static void thread_main(void *arg)
{
    struct worker *w = arg;
    loop_run(w->out.loop);
    loop_shut(w->out.loop);
}

struct worker *worker_start(const struct worker_config *config, struct err *err)
{
    struct worker *w = xcalloc(1, sizeof *w);
    w->config = *config;
    list_init(&w->plans);
    list_init(&w->orphans);
    list_init(&w->heirs);
    w->out.loop = loop_create(err);
    if (!w->out.loop)
        goto fail_loop;
    outside_init(&w->out, w->out.loop, config->offload);
    w->out.blob_dir = config->blob_dir;
    if (make_engine(w, err) != 0 || make_clients(w, err) != 0 || make_server(w, err) != 0)
        goto fail;
    make_host(w);
    char name[16];
    snprintf(name, sizeof name, "worker-%u", config->number);
    if (thread_start(&w->thread, name, thread_main, w, err) != 0)
        goto fail;
    return w;
fail:
    free_parts(w);
fail_loop:
    free(w);
    return NULL;
}

void worker_wait(struct worker *w) { thread_join(&w->thread); }

void worker_join(struct worker *w)
{
    worker_wait(w);
    if (w->cut)
        return; /* clients are in the middle of things; the process is about to end */
    free_parts(w);
    free(w);
}

/* --- mail ------------------------------------------------------------------------------------- */

struct letter {
    struct mail mail;
    struct worker *w;
    void (*fn)(struct worker *w, struct letter *letter);
    struct plan *plan;
    uint32_t *sources;
    char *name;
    int64_t grace_ms;
    uint32_t instance;
    void (*ask)(void *arg, struct worker *w);
    void *arg;
};

static void on_letter(struct mail *m)
{
    struct letter *letter = CONTAINER_OF(m, struct letter, mail);
    letter->fn(letter->w, letter);
    if (letter->plan)
        plan_unref(letter->plan);
    free(letter->sources);
    free(letter->name);
    free(letter);
}

static int post(struct worker *w, const struct letter *content)
{
    struct letter *letter = xmalloc(sizeof *letter);
    *letter = *content;
    letter->mail = (struct mail){ .fn = on_letter };
    letter->w = w;
    if (loop_post(w->out.loop, &letter->mail) == 0)
        return 0;
    if (letter->plan)
        plan_unref(letter->plan);
    free(letter->sources);
    free(letter->name);
    free(letter);
    return -1;
}

static void on_http_drained(void *ctx)
{
    struct worker *w = ctx;
    w->http_gone = true;
    loop_wake_soon(w->out.loop);
}

static void on_grace(void *arg)
{
    struct worker *w = arg;
    struct engine_left left = engine_left(w->out.engine);
    log_warn("worker", "drain.cut",
             "worker %u: time is up; %u executions are cut: %u of them are in the store and go on "
             "at the next start, %u are not; the end of %u more is not in the store; what is not "
             "was not acknowledged, unless its durability is none%s%s",
             w->config.number, left.durable + left.others, left.durable, left.others, left.ended,
             w->store_up ? "" : "; ", w->store_up ? "" : worker_trouble(w));
    w->cut = true;
    loop_stop(w->out.loop);
}

static void do_drain(struct worker *w, struct letter *letter)
{
    if (w->draining)
        return;
    w->draining = true;
    w->grace = (struct timer){ .fn = on_grace, .arg = w };
    timer_start(w->out.loop, &w->grace, letter->grace_ms * 1000);
    if (!w->store_up)
        log_warn("worker", "drain.store",
                 "worker %u: what ends cannot be made durable until the store answers: %s",
                 w->config.number, worker_trouble(w));
    deploy_drain_all(w);
    if (w->http && !w->http_gone)
        http_server_drain(w->http, letter->grace_ms, on_http_drained, w);
    loop_wake_soon(w->out.loop);
}

void worker_drain(struct worker *w, int64_t grace_ms)
{
    post(w, &(struct letter){ .fn = do_drain, .grace_ms = grace_ms });
}

static void do_deploy(struct worker *w, struct letter *letter)
{
    if (!w->draining)
        deploy_plan(w, letter->plan, letter->sources);
}

void worker_deploy(struct worker *w, struct plan *plan, const uint32_t *sources)
{
    uint32_t *copy = NULL;
    if (sources) {
        copy = xcalloc(plan->n_triggers, sizeof *copy);
        memcpy(copy, sources, plan->n_triggers * sizeof *copy);
    }
    post(w, &(struct letter){ .fn = do_deploy, .plan = plan_ref(plan), .sources = copy });
}

static void do_retire(struct worker *w, struct letter *letter) { deploy_retire(w, letter->name); }

void worker_retire(struct worker *w, const char *workflow_id)
{
    post(w, &(struct letter){ .fn = do_retire, .name = xstrdup(workflow_id) });
}

static void do_takeover(struct worker *w, struct letter *letter)
{
    if (!w->draining)
        takeover_start(w, letter->instance);
}

void worker_takeover(struct worker *w, uint32_t instance)
{
    post(w, &(struct letter){ .fn = do_takeover, .instance = instance });
}

static void do_ask(struct worker *w, struct letter *letter) { letter->ask(letter->arg, w); }

int worker_post(struct worker *w, void (*fn)(void *arg, struct worker *w), void *arg)
{
    return post(w, &(struct letter){ .fn = do_ask, .ask = fn, .arg = arg });
}

/* --- numbers ---------------------------------------------------------------------------------- */

uint32_t worker_number(const struct worker *w) { return w->config.number; }

struct engine *worker_engine(struct worker *w) { return w->out.engine; }

int worker_http_port(const struct worker *w) { return w->http ? http_server_port(w->http) : 0; }

const struct http_stats *worker_http_stats(const struct worker *w)
{
    return w->http ? http_server_stats(w->http) : NULL;
}

const struct http_client_stats *worker_client_stats(const struct worker *w)
{
    return http_client_stats(w->out.client);
}

const struct kafka_sink_stats *worker_kafka_stats(const struct worker *w)
{
    return w->sink ? kafka_sink_stats(w->sink) : NULL;
}

const struct store_sql_stats *worker_sql_stats(const struct worker *w)
{
    return store_sql_stats(w->session);
}

size_t worker_lua_bytes(const struct worker *w) { return expr_lua_bytes(w->lua); }

static struct worker_trigger look_at(struct trigger *t, const struct plan *p)
{
    return (struct worker_trigger){ .workflow = p->id,
                                    .node = p->nodes[t->node].name,
                                    .trouble = t->kind->trouble ? t->kind->trouble(t) : NULL,
                                    .lag = t->kind->lag ? t->kind->lag(t) : -1,
                                    .rebalances = t->kind->rebalances
                                                      ? (int64_t)t->kind->rebalances(t)
                                                      : -1 };
}

void worker_triggers(struct worker *w, void (*each)(void *ctx, const struct worker_trigger *t),
                     void *ctx)
{
    struct deployed *d;
    LIST_EACH(d, &w->plans, struct deployed, link)
    {
        for (uint32_t i = 0; i < d->n_triggers; i++) {
            struct trigger *t = d->triggers[i];
            const struct plan *p = engine_plan_get(d->ep);
            struct worker_trigger seen = { .workflow = p->id,
                                           .node = p->nodes[p->triggers[i]].name,
                                           .trouble = d->troubles[i],
                                           .lag = -1,
                                           .rebalances = -1 };
            if (t)
                seen = look_at(t, p);
            if (t || (d->troubles[i] && !d->retired))
                each(ctx, &seen);
        }
    }
}

const char *worker_trouble(const struct worker *w)
{
    if (!w->store_up)
        return w->store_trouble[0] ? w->store_trouble : "store: connecting";
    return w->sink ? kafka_sink_trouble(w->sink) : NULL;
}
