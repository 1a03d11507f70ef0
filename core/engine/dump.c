/* SPDX-License-Identifier: Apache-2.0
 * Views for people and scripts: one execution with the items of every node run, and the engine's
 * state.
 */
#include "engine/engine_int.h"
#include "base/base64.h"
#include <string.h>

/* --- an execution ----------------------------------------------------------------------------- */

static void add_binary(struct strbuf *b, const struct parts *parts)
{
    strbuf_adds(b, ",\"binary\":{");
    for (uint32_t i = 0; i < parts->meta.len; i++) {
        const struct json_member *m = &parts->meta.members[i];
        if (i)
            strbuf_addc(b, ',');
        strbuf_add_json(b, m->key.s, m->key.len);
        strbuf_adds(b, ":{\"data\":\"");
        wf_str bytes;
        if (blob_whole(parts->blobs[i], &bytes))
            base64_add(b, bytes.ptr, bytes.len);
        strbuf_addc(b, '"');
        for (uint32_t k = 0; k < m->value.len; k++) {
            strbuf_addc(b, ',');
            strbuf_add_json(b, m->value.members[k].key.s, m->value.members[k].key.len);
            strbuf_addc(b, ':');
            json_add(b, &m->value.members[k].value);
        }
        strbuf_addc(b, '}');
    }
    strbuf_addc(b, '}');
}

static void add_pair(struct strbuf *b, const struct wf_item *parent)
{
    if (parent->input)
        strbuf_addf(b, "{\"item\":%u,\"input\":%u}", parent->index, parent->input);
    else
        strbuf_addf(b, "{\"item\":%u}", parent->index);
}

static void add_lineage(struct strbuf *b, const struct wf_item *it)
{
    if (it->parent) {
        strbuf_adds(b, ",\"pairedItem\":");
        add_pair(b, it->parent);
    }
    if (!it->parents)
        return;
    strbuf_adds(b, ",\"pairedItem\":[");
    for (uint32_t i = 0; i < it->parents->n; i++) {
        if (i)
            strbuf_addc(b, ',');
        add_pair(b, it->parents->items[i]);
    }
    strbuf_addc(b, ']');
}

static void add_item(struct strbuf *b, const struct wf_item *it, bool failed)
{
    strbuf_adds(b, "{\"json\":");
    json_add(b, &it->json);
    if (it->parts && it->parts->meta.len)
        add_binary(b, it->parts);
    add_lineage(b, it);
    const struct json *error = failed ? JSON_GET(&it->json, "error") : NULL;
    if (error) {
        strbuf_adds(b, ",\"error\":");
        json_add(b, error);
    }
    strbuf_addc(b, '}');
}

static void add_run(struct strbuf *b, const struct run *r, const struct plan_node *node)
{
    strbuf_adds(b, "{\"outputs\":[");
    for (uint16_t p = 0; p < r->n_outputs; p++) {
        strbuf_adds(b, p ? ",[" : "[");
        for (uint32_t i = 0; i < r->outputs[p].n; i++) {
            if (i)
                strbuf_addc(b, ',');
            add_item(b, r->outputs[p].items[i], p == node->error_port);
        }
        strbuf_addc(b, ']');
    }
    strbuf_adds(b, "]}");
}

/* Runs are chained newest first; they are shown oldest first. */
static void add_runs(struct strbuf *b, const struct run *r, const struct plan_node *node)
{
    if (r->prev) {
        add_runs(b, r->prev, node);
        strbuf_addc(b, ',');
    }
    add_run(b, r, node);
}

void exec_dump(struct strbuf *b, const struct exec *e, enum store_status status)
{
    strbuf_addf(b, "{\"status\":\"%s\",\"error\":", store_status_name(status));
    if (e->error) {
        wf_str error;
        error_json((struct arena *)&e->arena, e, &error);
        strbuf_add(b, error.ptr, error.len);
    } else {
        strbuf_adds(b, "null");
    }
    strbuf_adds(b, ",\"nodes\":{");
    bool first = true;
    for (uint32_t i = 0; e->runs && i < e->ep->plan->n_nodes; i++) {
        if (!e->runs[i])
            continue;
        const struct plan_node *node = exec_node(e, i);
        if (!first)
            strbuf_addc(b, ',');
        first = false;
        strbuf_add_json(b, node->name, strlen(node->name));
        strbuf_adds(b, ":[");
        add_runs(b, e->runs[i], node);
        strbuf_addc(b, ']');
    }
    strbuf_adds(b, "}}");
}

void exec_dump_last(struct strbuf *b, const struct exec *e)
{
    for (uint32_t i = 0; i < e->last.n; i++) {
        json_add(b, &e->last.items[i]->json);
        strbuf_addc(b, '\n');
    }
}

/* --- the engine ------------------------------------------------------------------------------- */

static void add_lane(struct strbuf *b, const struct lane *lane)
{
    strbuf_addf(b,
                "{\"source\":%u,\"partition\":%u,\"epoch\":%llu,\"next\":%llu,\"committed\":%llu,"
                "\"block\":%llu,"
                "\"released\":%llu,\"begun\":%llu,\"live\":%u,\"dropping\":%s,\"workflow\":",
                lane->source, lane->partition, (unsigned long long)lane->epoch,
                (unsigned long long)lane->next, (unsigned long long)lane->committed,
                (unsigned long long)lane->seq, (unsigned long long)lane->released,
                (unsigned long long)lane->begun, lane->live, lane->dropping ? "true" : "false");
    strbuf_add_json(b, lane->ep->plan->id, strlen(lane->ep->plan->id));
    strbuf_addc(b, '}');
}

static void add_plan(struct strbuf *b, const struct engine_plan *ep)
{
    strbuf_adds(b, "{\"workflow\":");
    strbuf_add_json(b, ep->plan->id, strlen(ep->plan->id));
    strbuf_addf(b, ",\"version\":%llu,\"live\":%u,\"retired\":%s,\"nodes\":[",
                (unsigned long long)ep->plan->version, ep->live, ep->retired ? "true" : "false");
    for (uint32_t i = 0; i < ep->plan->n_nodes; i++) {
        const struct node_counters *c = &ep->insts[i].counters;
        strbuf_adds(b, i ? ",{\"name\":" : "{\"name\":");
        strbuf_add_json(b, ep->plan->nodes[i].name, strlen(ep->plan->nodes[i].name));
        strbuf_addf(b,
                    ",\"calls\":%llu,\"items\":%llu,\"failed\":%llu,\"retried\":%llu,\"parked\":%"
                    "llu,\"busy_us\":%llu}",
                    (unsigned long long)c->calls, (unsigned long long)c->items,
                    (unsigned long long)c->failed, (unsigned long long)c->retried,
                    (unsigned long long)c->parked, (unsigned long long)c->busy_ns / 1000);
    }
    strbuf_adds(b, "]}");
}

void engine_dump(struct strbuf *b, const struct engine *en)
{
    strbuf_addf(b,
                "{\"worker\":%u,\"live\":%u,\"parked\":%u,\"ready\":%u,\"commit_in_flight\":%s,"
                "\"timers\":%u,\"statements\":%u,\"lanes\":[",
                en->config.worker, en->counters.live, en->counters.parked, en->counters.ready,
                en->flight ? "true" : "false", en->n_heap, en->n_sql);
    bool first = true;
    for (const struct link *at = en->lanes.next; at != &en->lanes; at = at->next) {
        if (!first)
            strbuf_addc(b, ',');
        first = false;
        add_lane(b, CONTAINER_OF(at, struct lane, link));
    }
    strbuf_adds(b, "],\"plans\":[");
    first = true;
    for (const struct link *at = en->plans.next; at != &en->plans; at = at->next) {
        if (!first)
            strbuf_addc(b, ',');
        first = false;
        add_plan(b, CONTAINER_OF(at, struct engine_plan, link));
    }
    strbuf_adds(b, "]}");
}

/* --- invariants ------------------------------------------------------------------------------- */

static uint32_t check_list(const struct link *list, bool saved)
{
    uint32_t n = 0;
    for (const struct link *at = list->next; at != list; at = at->next, n++) {
        const struct exec *e = CONTAINER_OF(at, struct exec, lane_link);
        BUG_IF(e->magic != exec_MAGIC);
        BUG_IF(e->saved != saved);
        BUG_IF(e->state == EXEC_NONE || e->state == EXEC_ENDED || e->state == EXEC_RUNNING ||
               e->state == EXEC_DONE);
        BUG_IF(e->state == EXEC_PARKED && e->seg.pending == 0 && !e->sleep);
    }
    return n;
}

static uint32_t check_done(const struct link *list)
{
    uint32_t n = 0;
    for (const struct link *at = list->next; at != list; at = at->next, n++) {
        const struct exec *e = CONTAINER_OF(at, struct exec, lane_link);
        BUG_IF(e->magic != exec_MAGIC);
        BUG_IF(e->state != EXEC_DONE || !e->rows);
    }
    return n;
}

void engine_check(const struct engine *en)
{
    uint32_t live = 0, parked = 0;
    for (const struct link *at = en->lanes.next; at != &en->lanes; at = at->next) {
        const struct lane *lane = CONTAINER_OF(at, struct lane, link);
        uint32_t n = check_list(&lane->unsaved, false) + check_list(&lane->saved, true) +
                     check_done(&lane->done);
        BUG_IF(n != lane->live);
        BUG_IF(lane->committed > lane->next);
        BUG_IF(lane->released > lane->seq);
        live += n;
    }
    for (const struct link *at = en->parked.next; at != &en->parked; at = at->next)
        parked++;
    for (const struct link *at = en->drowsy.next; at != &en->drowsy; at = at->next)
        parked++;
    BUG_IF(live != en->counters.live);
    BUG_IF(parked != en->counters.parked);
    for (uint32_t i = 2; i <= en->n_heap; i++)
        BUG_IF(en->heap[i]->due_us < en->heap[i / 2]->due_us);
}
