/* SPDX-License-Identifier: Apache-2.0
 * Metrics as Prometheus text (exposition format 0.0.4). One table of names; every worker writes its
 * samples on its own thread, with a label `worker`; the answer puts those of one name together.
 * What plugins declare stands behind (families.h).
 */
#include "admin/admin_int.h"
#include "admin/families.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* id, name, type, help */
#define METRICS(X)                                                                                 \
    X(STARTED, "catalyst_executions_started_total", "counter", "Executions started")               \
    X(ENDED, "catalyst_executions_total", "counter", "Executions ended, by outcome")               \
    X(LATENCY, "catalyst_execution_seconds", "histogram", "Time from start to end of executions")  \
    X(LIVE, "catalyst_executions_live", "gauge", "Executions in memory")                           \
    X(PARKED, "catalyst_executions_parked", "gauge",                                               \
      "Executions in memory that wait for something")                                              \
    X(CALLS, "catalyst_node_calls_total", "counter", "Calls of a node")                            \
    X(ITEMS, "catalyst_node_items_total", "counter", "Items a node was called with")               \
    X(NODE_FAILED, "catalyst_node_failed_total", "counter", "Items that failed at a node")         \
    X(NODE_RETRIED, "catalyst_node_retried_total", "counter", "Items that got another try")        \
    X(NODE_BUSY, "catalyst_node_busy_seconds_total", "counter", "Time inside a node's calls")      \
    X(FRAMES, "catalyst_frame_items", "histogram", "Items of a frame")                             \
    X(COMMITS, "catalyst_commits_total", "counter", "Turns committed")                             \
    X(COMMIT_TIME, "catalyst_commit_seconds_total", "counter", "Time that commits took")           \
    X(FENCED, "catalyst_commits_fenced_total", "counter",                                          \
      "Commits refused because another engine owns a lane")                                        \
    X(BAD_ROWS, "catalyst_rows_refused_total", "counter",                                          \
      "Rows of plugins that the database refused")                                                 \
    X(RESTORED, "catalyst_executions_restored_total", "counter",                                   \
      "Executions taken back from the store")                                                      \
    X(SQL, "catalyst_sql_calls_total", "counter", "Calls of plugins to the store")                 \
    X(SQL_STATEMENTS, "catalyst_sql_statements_total", "counter", "Statements in these calls")     \
    X(SQL_ERRORS, "catalyst_sql_errors_total", "counter", "Such calls that ended with an error")   \
    X(SQL_FULL, "catalyst_sql_refused_total", "counter",                                           \
      "Of these: refused because too many waited")                                                 \
    X(SQL_TIME, "catalyst_sql_seconds_total", "counter", "Time from their call to their answer")   \
    X(SQL_OPEN, "catalyst_sql_open", "gauge", "Such calls without an answer yet")                  \
    X(LAG, "catalyst_trigger_lag", "gauge", "Messages waiting outside for a trigger")              \
    X(REBALANCES, "catalyst_trigger_rebalances_total", "counter",                                  \
      "Times that a trigger's partitions were given to it or taken from it")                       \
    X(TROUBLE, "catalyst_trigger_trouble", "gauge",                                                \
      "1: the trigger does not work, /readyz says why")                                            \
    X(SENT, "catalyst_outputs_sent_total", "counter",                                              \
      "Output messages handed to the broker client")                                               \
    X(ACKED, "catalyst_outputs_acknowledged_total", "counter", "Output messages acknowledged")     \
    X(WAITING, "catalyst_outputs_waiting", "gauge", "Output messages not acknowledged yet")        \
    X(TRANSACTIONS, "catalyst_kafka_transactions_total", "counter",                                \
      "Kafka transactions with outputs, by outcome")                                               \
    X(HTTP, "catalyst_http_requests_total", "counter", "Requests of the webhook server")           \
    X(REJECTED, "catalyst_http_rejected_total", "counter",                                         \
      "Requests the webhook server refused by itself")                                             \
    X(CONNECTIONS, "catalyst_http_connections", "gauge", "Open connections of the webhook server") \
    X(CLIENT, "catalyst_http_client_calls_total", "counter", "Outside calls of nodes")             \
    X(CLIENT_FAILED, "catalyst_http_client_failed_total", "counter",                               \
      "Outside calls that had no answer, by reason")                                               \
    X(CLIENT_TIME, "catalyst_http_client_seconds", "histogram",                                    \
      "From an outside call's start to its answer's end")                                          \
    X(LUA, "catalyst_lua_bytes", "gauge", "Memory of scripts")                                     \
    X(UP, "catalyst_worker_ready", "gauge", "1: the worker can take work")

enum {
#define X(id, name, type, help) M_##id,
    METRICS(X)
#undef X
        N_METRICS
};

struct part {
    struct strbuf lines[N_METRICS];
    struct families plugins;
    uint32_t worker;
};

/* --- samples ---------------------------------------------------------------------------------- */

static void add_label(struct strbuf *b, const char *name, const char *value)
{
    strbuf_addc(b, ',');
    families_label(b, name, value);
}

static const char *metric_name(unsigned id)
{
    static const char *const names[] = {
#define X(id, name, type, help) name,
        METRICS(X)
#undef X
    };
    return names[id];
}

/* name<suffix>{worker="0",a="..",b=".."} value */
static void sample(struct part *p, unsigned id, const char *suffix, double value, const char *a,
                   const char *a_value, const char *b, const char *b_value)
{
    struct strbuf *line = &p->lines[id];
    strbuf_addf(line, "%s%s{worker=\"%u\"", metric_name(id), suffix, p->worker);
    if (a)
        add_label(line, a, a_value);
    if (b)
        add_label(line, b, b_value);
    strbuf_addf(line, "} %.17g\n", value);
}

static void plain(struct part *p, unsigned id, double value)
{
    sample(p, id, "", value, NULL, NULL, NULL, NULL);
}

static void add_latency(struct part *p, const char *workflow, const struct plan_counters *c)
{
    uint64_t sum = 0;
    char bound[32];
    for (int i = 0; i < 19; i++) {
        sum += c->latency_le[i];
        snprintf(bound, sizeof bound, "%.6f", (double)(64ull << i) / 1e6);
        sample(p, M_LATENCY, "_bucket", (double)sum, "workflow", workflow, "le", bound);
    }
    sum += c->latency_le[19];
    sample(p, M_LATENCY, "_bucket", (double)sum, "workflow", workflow, "le", "+Inf");
    sample(p, M_LATENCY, "_sum", (double)c->latency_us_sum / 1e6, "workflow", workflow, NULL, NULL);
    sample(p, M_LATENCY, "_count", (double)sum, "workflow", workflow, NULL, NULL);
}

/* Names that plugins' metrics cannot have. */
static bool is_ours(const char *name)
{
    for (unsigned i = 0; i < N_METRICS; i++)
        if (!strcmp(metric_name(i), name))
            return true;
    return process_metric_is_ours(name);
}

static void add_plugin(struct part *p, const struct engine_plan *ep, const struct plan *plan,
                       uint32_t i)
{
    const struct node_type *type = plan->nodes[i].type;
    if (!type || !type->n_metrics)
        return;
    struct strbuf labels;
    strbuf_init(&labels, 64 << 10);
    strbuf_addf(&labels, "worker=\"%u\"", p->worker);
    add_label(&labels, "workflow", plan->id);
    add_label(&labels, "node", plan->nodes[i].name);
    for (unsigned m = 0; m < type->n_metrics; m++)
        families_add(&p->plugins, &type->node.metrics[m], engine_node_metric(ep, i, m), labels.ptr);
    strbuf_fini(&labels);
}

static void add_node(struct part *p, const struct engine_plan *ep, const struct plan *plan,
                     uint32_t i)
{
    const struct node_counters *c = engine_node_counters(ep, i);
    const char *node = plan->nodes[i].name;
    sample(p, M_CALLS, "", (double)c->calls, "workflow", plan->id, "node", node);
    sample(p, M_ITEMS, "", (double)c->items, "workflow", plan->id, "node", node);
    sample(p, M_NODE_FAILED, "", (double)c->failed, "workflow", plan->id, "node", node);
    sample(p, M_NODE_RETRIED, "", (double)c->retried, "workflow", plan->id, "node", node);
    sample(p, M_NODE_BUSY, "", (double)c->busy_ns / 1e9, "workflow", plan->id, "node", node);
    add_plugin(p, ep, plan, i);
}

static void add_plan(struct part *p, const struct engine_plan *ep)
{
    const struct plan *plan = engine_plan_get(ep);
    const struct plan_counters *c = engine_plan_counters(ep);
    char version[32];
    snprintf(version, sizeof version, "%u", plan->number);
    sample(p, M_STARTED, "", (double)c->started, "workflow", plan->id, "version", version);
    sample(p, M_ENDED, "", (double)c->succeeded, "workflow", plan->id, "outcome", "success");
    sample(p, M_ENDED, "", (double)c->failed, "workflow", plan->id, "outcome", "error");
    sample(p, M_ENDED, "", (double)c->canceled, "workflow", plan->id, "outcome", "canceled");
    add_latency(p, plan->id, c);
    for (uint32_t i = 0; i < plan->n_nodes; i++)
        add_node(p, ep, plan, i);
}

static void add_engine(struct part *p, struct engine *en)
{
    const struct engine_counters *c = engine_counters_get(en);
    plain(p, M_LIVE, c->live);
    plain(p, M_PARKED, c->parked);
    plain(p, M_COMMITS, (double)c->commits);
    plain(p, M_COMMIT_TIME, (double)c->commit_us_sum / 1e6);
    plain(p, M_FENCED, (double)c->fenced);
    plain(p, M_BAD_ROWS, (double)c->bad_rows);
    plain(p, M_RESTORED, (double)c->restored);
    uint64_t sum = 0;
    char bound[16];
    for (int i = 0; i < 11; i++) {
        sum += c->frame_le[i];
        snprintf(bound, sizeof bound, "%u", 1u << i);
        sample(p, M_FRAMES, "_bucket", (double)sum, "le", bound, NULL, NULL);
    }
    sample(p, M_FRAMES, "_bucket", (double)sum, "le", "+Inf", NULL, NULL);
    sample(p, M_FRAMES, "_sum", (double)c->frame_items, NULL, NULL, NULL, NULL);
    sample(p, M_FRAMES, "_count", (double)c->frames, NULL, NULL, NULL, NULL);
    for (struct engine_plan *ep = NULL; (ep = engine_plan_next(en, ep));)
        if (!engine_plan_retired(ep))
            add_plan(p, ep);
}

static void on_trigger(void *ctx, const struct worker_trigger *t)
{
    if (t->lag >= 0)
        sample(ctx, M_LAG, "", (double)t->lag, "workflow", t->workflow, "node", t->node);
    if (t->rebalances >= 0)
        sample(ctx, M_REBALANCES, "", (double)t->rebalances, "workflow", t->workflow, "node",
               t->node);
    sample(ctx, M_TROUBLE, "", t->trouble != NULL, "workflow", t->workflow, "node", t->node);
}

static void add_client(struct part *p, const struct http_client_stats *c)
{
    uint64_t sum = 0;
    char bound[32];
    plain(p, M_CLIENT, (double)c->calls);
    sample(p, M_CLIENT_FAILED, "", (double)c->timeouts, "reason", "timeout", NULL, NULL);
    sample(p, M_CLIENT_FAILED, "", (double)(c->failed - c->timeouts), "reason", "other", NULL,
           NULL);
    for (int i = 0; i < HTTP_LATENCY_BOUNDS; i++) {
        sum += c->latency_le[i];
        snprintf(bound, sizeof bound, "%.3f", (double)(UINT64_C(1) << i) / 1e3);
        sample(p, M_CLIENT_TIME, "_bucket", (double)sum, "le", bound, NULL, NULL);
    }
    sum += c->latency_le[HTTP_LATENCY_BOUNDS];
    sample(p, M_CLIENT_TIME, "_bucket", (double)sum, "le", "+Inf", NULL, NULL);
    sample(p, M_CLIENT_TIME, "_sum", (double)c->latency_us_sum / 1e6, NULL, NULL, NULL, NULL);
    sample(p, M_CLIENT_TIME, "_count", (double)sum, NULL, NULL, NULL, NULL);
}

static void add_http(struct part *p, struct worker *w)
{
    const struct http_stats *http = worker_http_stats(w);
    add_client(p, worker_client_stats(w));
    if (!http)
        return;
    plain(p, M_HTTP, (double)http->requests);
    plain(p, M_CONNECTIONS, http->connections);
    for (int i = 1; i < HTTP_REJECT_COUNT; i++)
        sample(p, M_REJECTED, "", (double)http->rejected[i], "reason",
               http_reject_name((enum http_reject)i), NULL, NULL);
}

static void add_sql(struct part *p, const struct store_sql_stats *sql)
{
    plain(p, M_SQL, (double)sql->calls);
    plain(p, M_SQL_STATEMENTS, (double)sql->statements);
    plain(p, M_SQL_ERRORS, (double)sql->errors);
    plain(p, M_SQL_FULL, (double)sql->full);
    plain(p, M_SQL_TIME, (double)sql->us_sum / 1e6);
    plain(p, M_SQL_OPEN, sql->open);
}

void *metrics_collect(struct worker *w)
{
    struct part *p = xcalloc(1, sizeof *p);
    for (int i = 0; i < N_METRICS; i++)
        strbuf_init(&p->lines[i], 16u << 20);
    p->worker = worker_number(w);
    p->plugins.is_ours = is_ours;
    add_engine(p, worker_engine(w));
    add_http(p, w);
    add_sql(p, worker_sql_stats(w));
    worker_triggers(w, on_trigger, p);
    const struct kafka_sink_stats *kafka = worker_kafka_stats(w);
    if (kafka) {
        plain(p, M_SENT, (double)kafka->sent);
        plain(p, M_ACKED, (double)kafka->acknowledged);
        plain(p, M_WAITING, (double)kafka->waiting);
        sample(p, M_TRANSACTIONS, "", (double)kafka->transactions_committed, "outcome", "committed",
               NULL, NULL);
        sample(p, M_TRANSACTIONS, "", (double)kafka->transactions_aborted, "outcome", "aborted",
               NULL, NULL);
    }
    plain(p, M_LUA, (double)worker_lua_bytes(w));
    plain(p, M_UP, worker_trouble(w) ? 0 : 1);
    return p;
}

void metrics_free(void *part)
{
    struct part *p = part;
    for (int i = 0; i < N_METRICS; i++)
        strbuf_fini(&p->lines[i]);
    families_fini(&p->plugins);
    free(p);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void add_plugins(struct strbuf *b, struct gather *g)
{
    uint32_t n = g->admin->n_workers;
    struct families **parts = xcalloc(n, sizeof(void *));
    for (uint32_t i = 0; i < n; i++) {
        struct part *p = g->parts[i];
        parts[i] = p ? &p->plugins : NULL;
    }
    families_write(b, parts, n);
    free(parts);
}

void metrics_answer(struct gather *g)
{
    static const char *const heads[] = {
#define X(id, name, type, help) "# HELP " name " " help "\n# TYPE " name " " type "\n",
        METRICS(X)
#undef X
    };
    struct strbuf b;
    strbuf_init(&b, 256u << 20);
    for (int m = 0; m < N_METRICS; m++) {
        bool any = false;
        for (uint32_t i = 0; i < g->admin->n_workers; i++) {
            const struct part *p = g->parts[i];
            if (!p || !p->lines[m].len)
                continue;
            if (!any)
                strbuf_adds(&b, heads[m]);
            any = true;
            strbuf_add(&b, p->lines[m].ptr, p->lines[m].len);
        }
    }
    add_plugins(&b, g);
    process_metrics(&b, g->admin);
    const struct http_header type = { STR("content-type"),
                                      STR("text/plain; version=0.0.4; charset=utf-8") };
    http_respond(g->req, 200, &type, 1, strbuf_str(&b));
    strbuf_fini(&b);
}
