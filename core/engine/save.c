/* SPDX-License-Identifier: Apache-2.0
 * An execution as JSON: what the store keeps of one that waits or failed, and how it comes back.
 *
 *   {"v":1, "items":[{"j":{..}, "n":node, "r":run, "o":port, "p":parent | [parents],
 * "b":{name:{..,"data"}}}..], "stack":[{"n":node, "a":attempt, "in":[[item..]..]}..],
 * "waiting":[{"n":node, "in":[[..]|null..]}..], "runs":[{"n":node, "i":index, "out":[[..]..]}..],
 * "trigger":[item..], "counts":[..], "nodeRuns":n, "outputIndex":n, "outputs":base64,
 * "memory":[{"n":node, "v":value, "l":[[item..]..]}..],
 * "rows":[[table,row,unique,node]..], "raw":base64,
 * "wake":of its next try, "deadline":of its timeout, "begun":n, "handed":epoch}
 *
 * Items are numbered as they are met; everything else names them by number. Nodes are indices: a
 * version never changes. The node an execution stands at is the top of the stack, with its whole
 * input: what it had not finished runs again, with the same keys. Raw memory that a node keeps
 * between runs holds pointers and is not saved: such an execution starts again from its trigger
 * items, and what it asked for before it failed does not leave (turn_add_ended). So does one that
 * holds much binary data (BLOB_SAVE_BYTES); a trigger item's own part that is larger comes back as
 * lost.
 *
 * What a failed execution sent and wrote leaves with its error, so it is not saved: a retry would
 * do it twice. All of one whose row was refused stays, so it is saved. `outputIndex` is what its
 * next output is called, so that no two that leave share a name. `begun`: it came from the store or
 * was repeated itself, so an earlier life may have been further than this (enum begun). `handed`:
 * it was not, the owner of that epoch gave it away as it stands here; that is true for the next
 * epoch, whose owner may run it further without another row.
 */
#include "engine/engine_int.h"
#include "base/base64.h"
#include "base/map.h"
#include <stdlib.h>
#include <string.h>

/* --- saving ----------------------------------------------------------------------------------- */

struct ascent {
    struct wf_item *it;
    uint32_t looked; /* parents looked at */
};

struct saver {
    struct strbuf *b;
    struct map numbers;           /* address of an item -> number + 1 */
    const struct wf_item **items; /* by number */
    uint32_t n, size;
    struct ascent *path; /* from an item up to the ancestor whose number is sought */
    uint32_t n_path, path_size;
};

/* it->self is the address itself, kept in the item: a key that lives as long as the item. */
static void *known_number(const struct saver *s, const struct wf_item *it)
{
    return map_get(&s->numbers, (const char *)&it->self, sizeof it->self);
}

static void give_number(struct saver *s, struct wf_item *it)
{
    if (s->n == s->size) {
        s->size = s->size ? s->size * 2 : 32;
        s->items = xrealloc(s->items, s->size * sizeof *s->items);
    }
    s->items[s->n] = it;
    map_put(&s->numbers, (const char *)&it->self, sizeof it->self, (void *)(uintptr_t)(s->n + 1));
    s->n++;
}

/* The next parent that was not looked at yet. */
static struct wf_item *next_parent(struct ascent *at)
{
    const struct wf_item *it = at->it;
    if (!it->parents)
        return at->looked++ ? NULL : it->parent;
    return at->looked < it->parents->n ? it->parents->items[at->looked++] : NULL;
}

static void ascend(struct saver *s, struct wf_item *it)
{
    if (s->n_path == s->path_size) {
        s->path_size = s->path_size ? s->path_size * 2 : 32;
        s->path = xrealloc(s->path, s->path_size * sizeof *s->path);
    }
    s->path[s->n_path++] = (struct ascent){ it, 0 };
}

/* Parents get their numbers first. A line of items may be as long as a loop has passes, so there is
 * no recursion. */
static uint32_t number_of(struct saver *s, struct wf_item *it)
{
    void *known = known_number(s, it);
    if (known)
        return (uint32_t)((uintptr_t)known - 1);
    ascend(s, it);
    while (s->n_path) {
        struct ascent *at = &s->path[s->n_path - 1];
        struct wf_item *parent = next_parent(at);
        if (parent && !known_number(s, parent)) {
            ascend(s, parent);
        } else if (!parent) {
            give_number(s, at->it);
            s->n_path--;
        }
    }
    return s->n - 1;
}

static void number_vec(struct saver *s, const struct item_vec *vec)
{
    for (uint32_t i = 0; i < vec->n; i++)
        number_of(s, vec->items[i]);
}

static void number_all(struct saver *s, const struct exec *e)
{
    number_vec(s, &e->trigger);
    for (const struct run *r = e->newest_run; r; r = r->older)
        for (uint16_t p = 0; p < r->n_outputs; p++)
            number_vec(s, &r->outputs[p]);
    for (uint32_t i = 0; i < e->n_stack; i++)
        for (uint16_t k = 0; k < e->stack[i].n_inputs; k++)
            number_vec(s, e->stack[i].n_inputs == 1 ? &e->stack[i].one : &e->stack[i].inputs[k]);
    for (const struct waiting *w = e->waiting; w; w = w->next)
        for (uint16_t k = 0; k < w->n_inputs; k++)
            number_vec(s, &w->inputs[k]);
    for (uint16_t k = 0; e->seg.inst && k < e->seg.n_inputs; k++)
        number_vec(s, &e->seg.inputs[k]);
    for (const struct kept *k = e->kept; k; k = k->next)
        for (unsigned i = 0; i < WF_MEMORY_LISTS; i++)
            number_vec(s, &memory_to_save(e, k)->lists[i].vec);
}

static void add_binary(struct strbuf *b, const struct parts *parts)
{
    strbuf_addc(b, '{');
    for (uint32_t i = 0; i < parts->meta.len; i++) {
        const struct json_member *m = &parts->meta.members[i];
        if (i)
            strbuf_addc(b, ',');
        strbuf_add_json(b, m->key.s, m->key.len);
        strbuf_addc(b, ':');
        json_add(b, &m->value);
        b->len--; /* open the object again */
        wf_str bytes;
        if (parts->blobs[i]->len > BLOB_SAVE_BYTES || !blob_whole(parts->blobs[i], &bytes)) {
            strbuf_addf(b, ",\"lost\":%llu}", (unsigned long long)parts->blobs[i]->len);
            continue;
        }
        strbuf_adds(b, ",\"data\":\"");
        base64_add(b, bytes.ptr, bytes.len);
        strbuf_adds(b, "\"}");
    }
    strbuf_addc(b, '}');
}

static void add_item(struct saver *s, const struct wf_item *it)
{
    struct strbuf *b = s->b;
    strbuf_adds(b, "{\"j\":");
    json_add(b, &it->json);
    strbuf_addf(b, ",\"n\":%u,\"r\":%u,\"o\":%u", it->node, it->run, it->port);
    if (it->parent)
        strbuf_addf(b, ",\"p\":%u", number_of(s, it->parent));
    if (it->parents) {
        strbuf_adds(b, ",\"p\":[");
        for (uint32_t i = 0; i < it->parents->n; i++)
            strbuf_addf(b, "%s%u", i ? "," : "", number_of(s, it->parents->items[i]));
        strbuf_addc(b, ']');
    }
    if (it->parts) {
        strbuf_adds(b, ",\"b\":");
        add_binary(b, it->parts);
    }
    strbuf_addc(b, '}');
}

static void add_vec(struct saver *s, const struct item_vec *vec)
{
    strbuf_addc(s->b, '[');
    for (uint32_t i = 0; i < vec->n; i++)
        strbuf_addf(s->b, "%s%u", i ? "," : "", number_of(s, vec->items[i]));
    strbuf_addc(s->b, ']');
}

static void add_step(struct saver *s, uint32_t node, unsigned attempt,
                     const struct item_vec *inputs, uint16_t n)
{
    strbuf_addf(s->b, "{\"n\":%u,\"a\":%u,\"in\":[", node, attempt);
    for (uint16_t k = 0; k < n; k++) {
        if (k)
            strbuf_addc(s->b, ',');
        add_vec(s, &inputs[k]);
    }
    strbuf_adds(s->b, "]}");
}

/* A failed execution that is run again has all its tries. */
static unsigned attempt_of(const struct exec *e, unsigned attempt)
{
    return e->failed ? 1 : attempt;
}

static void add_stack(struct saver *s, const struct exec *e)
{
    strbuf_adds(s->b, ",\"stack\":[");
    bool first = true;
    for (uint32_t i = 0; i < e->n_stack; i++, first = false) {
        const struct step *step = &e->stack[i];
        if (!first)
            strbuf_addc(s->b, ',');
        add_step(s, step->node, attempt_of(e, step->attempt),
                 step->n_inputs == 1 ? &step->one : step->inputs, step->n_inputs);
    }
    if (e->seg.inst) {
        if (!first)
            strbuf_addc(s->b, ',');
        add_step(s, e->seg.inst->node->index, attempt_of(e, e->seg.attempt), e->seg.inputs,
                 e->seg.n_inputs);
    }
    strbuf_addc(s->b, ']');
}

static void add_waiting(struct saver *s, const struct exec *e)
{
    strbuf_adds(s->b, ",\"waiting\":[");
    for (const struct waiting *w = e->waiting; w; w = w->next) {
        strbuf_addf(s->b, "%s{\"n\":%u,\"in\":[", w == e->waiting ? "" : ",", w->node);
        for (uint16_t k = 0; k < w->n_inputs; k++) {
            if (k)
                strbuf_addc(s->b, ',');
            if (w->filled[k])
                add_vec(s, &w->inputs[k]);
            else
                strbuf_adds(s->b, "null");
        }
        strbuf_adds(s->b, "]}");
    }
    strbuf_addc(s->b, ']');
}

static void add_run(struct saver *s, const struct run *r)
{
    strbuf_addf(s->b, "{\"n\":%u,\"i\":%u,\"out\":[", r->node, r->index);
    for (uint16_t p = 0; p < r->n_outputs; p++) {
        if (p)
            strbuf_addc(s->b, ',');
        add_vec(s, &r->outputs[p]);
    }
    strbuf_adds(s->b, "]}");
}

/* The chain begins with the newest, the list with the oldest. */
static void add_runs(struct saver *s, const struct exec *e)
{
    uint32_t n = 0;
    for (const struct run *r = e->newest_run; r; r = r->older)
        n++;
    const struct run **runs = xcalloc(n + 1, sizeof *runs);
    uint32_t at = n;
    for (const struct run *r = e->newest_run; r; r = r->older)
        runs[--at] = r;
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            strbuf_addc(s->b, ',');
        add_run(s, runs[i]);
    }
    free(runs);
}

static void add_memory(struct saver *s, const struct exec *e)
{
    if (!e->kept)
        return;
    strbuf_adds(s->b, ",\"memory\":[");
    for (const struct kept *k = e->kept; k; k = k->next) {
        const struct kept_state *state = memory_to_save(e, k);
        strbuf_addf(s->b, "%s{\"n\":%u", k == e->kept ? "" : ",", k->node);
        if (state->value) {
            strbuf_adds(s->b, ",\"v\":");
            json_add(s->b, state->value);
        }
        strbuf_adds(s->b, ",\"l\":[");
        for (unsigned i = 0; i < WF_MEMORY_LISTS; i++) {
            if (i)
                strbuf_addc(s->b, ',');
            add_vec(s, &state->lists[i].vec);
        }
        strbuf_adds(s->b, "]}");
    }
    strbuf_addc(s->b, ']');
}

/* What the node under way asked for it will ask for again; what a failed execution asked for has
 * left, but for one whose row was refused. */
static bool keeps_effect(const struct exec *e, const struct asked_by *by)
{
    return (!e->failed || e->refused) && !outcome_under_way(e, by);
}

static void add_outputs(struct strbuf *b, const struct exec *e)
{
    struct strbuf records;
    strbuf_init(&records, b->cap);
    for (const struct pending_output *p = e->outputs; p; p = p->next)
        if (keeps_effect(e, &p->by))
            store_output_add(&records, &p->out);
    b->failed |= records.failed;
    if (records.len) {
        strbuf_adds(b, ",\"outputs\":\"");
        base64_add(b, records.ptr, records.len);
        strbuf_addc(b, '"');
    }
    strbuf_fini(&records);
    if (!e->rows)
        return;
    bool first = true;
    strbuf_adds(b, ",\"rows\":[");
    for (const struct pending_row *r = e->rows; r; r = r->next) {
        if (!keeps_effect(e, &r->by))
            continue;
        strbuf_adds(b, first ? "[" : ",[");
        first = false;
        strbuf_add_json(b, r->table.ptr, r->table.len);
        strbuf_addc(b, ',');
        strbuf_add_json(b, r->row.ptr, r->row.len);
        strbuf_addc(b, ',');
        strbuf_add_json(b, r->unique.ptr, r->unique.len);
        strbuf_addf(b, ",%u]", r->by.node);
    }
    strbuf_addc(b, ']');
}

static void add_progress(struct saver *s, const struct exec *e)
{
    add_stack(s, e);
    add_waiting(s, e);
    add_memory(s, e);
    strbuf_adds(s->b, ",\"runs\":[");
    add_runs(s, e);
    /* The run under way will be counted again. */
    strbuf_addf(s->b, "],\"nodeRuns\":%llu",
                (unsigned long long)e->node_runs - (e->seg.inst != NULL));
    if (e->run_counts) {
        strbuf_adds(s->b, ",\"counts\":[");
        for (uint32_t i = 0; i < e->ep->plan->n_nodes; i++) {
            unsigned under_way = e->seg.inst && e->seg.inst->node->index == i && e->run_counts[i];
            strbuf_addf(s->b, "%s%u", i ? "," : "", e->run_counts[i] - under_way);
        }
        strbuf_addc(s->b, ']');
    }
    add_outputs(s->b, e);
}

/* More binary data than a row of the store should hold. */
static bool holds_large(const struct saver *s)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const struct parts *parts = s->items[i]->parts;
        for (uint32_t k = 0; parts && k < parts->meta.len; k++)
            bytes += parts->blobs[k]->len;
    }
    return bytes > BLOB_SAVE_BYTES;
}

int64_t exec_wakes_us(const struct exec *e)
{
    int64_t due_us = e->sleep ? e->sleep->due_us : 0;
    for (uint16_t k = 0; e->seg.inst && k < e->seg.n_inputs; k++)
        for (uint32_t i = 0; i < e->seg.inputs[k].n; i++) {
            const struct ticket *t = e->seg.inputs[k].items[i]->ticket;
            if (t && t->kind == TICKET_RETRY && t->due_us > due_us)
                due_us = t->due_us;
        }
    return due_us ? e->en->now_wall_us + (due_us - e->en->now_us) : 0;
}

/* By the wall clock: another engine may take the execution up. A failed one that is run again waits
 * for nothing, and has its time anew. */
static void add_times(struct strbuf *b, const struct exec *e)
{
    const struct engine *en = e->en;
    int64_t wake_us = e->failed ? 0 : exec_wakes_us(e);
    if (wake_us)
        strbuf_addf(b, ",\"wake\":%lld", (long long)wake_us);
    if (e->deadline && !e->failed)
        strbuf_addf(b, ",\"deadline\":%lld",
                    (long long)(en->now_wall_us + (e->deadline->due_us - en->now_us)));
}

void exec_save(struct strbuf *b, const struct exec *e) { exec_save_state(b, e, false); }

bool exec_stands_clean(const struct exec *e)
{
    if (e->failed || e->begins_again || e->memory || e->returned)
        return false;
    if (e->state == EXEC_HELD || e->sleep || !e->seg.inst)
        return true;
    uint32_t flags = e->seg.inst->node->type ? e->seg.inst->node->type->node.flags : 0;
    if (flags & WF_NODE_BEGINS)
        return !e->has_begun;
    return !(flags & WF_NODE_EFFECT);
}

bool exec_save_state(struct strbuf *b, const struct exec *e, bool input_only)
{
    struct saver s = { .b = b };
    map_init(&s.numbers);
    bool anew = e->memory || input_only;
    if (!anew)
        number_all(&s, e);
    if (!anew && holds_large(&s)) {
        anew = true;
        map_fini(&s.numbers);
        map_init(&s.numbers);
        s.n = 0;
    }
    if (anew)
        number_vec(&s, &e->trigger);
    strbuf_adds(b, "{\"v\":1,\"items\":[");
    for (uint32_t i = 0; i < s.n; i++) {
        if (i)
            strbuf_addc(b, ',');
        add_item(&s, s.items[i]);
    }
    strbuf_adds(b, "],\"trigger\":");
    add_vec(&s, &e->trigger);
    if (!anew && e->trigger.n)
        add_progress(&s, e);
    add_times(b, e);
    if (e->n_outputs)
        strbuf_addf(b, ",\"outputIndex\":%u", e->n_outputs);
    if (e->maybe_begun)
        strbuf_addf(b, ",\"begun\":%u", e->maybe_begun);
    if (exec_is_leaving(e) && exec_stands_clean(e))
        strbuf_addf(b, ",\"handed\":%llu", (unsigned long long)e->lane->epoch);
    if (e->key.len && !e->answered) {
        strbuf_adds(b, ",\"key\":[");
        strbuf_add_json(b, e->key.ptr, e->key.len);
        strbuf_addf(b, ",%lld,%u,%u]", (long long)e->key_token, e->key_status, e->answer_data);
    }
    if (!e->trigger.n ||
        e->ep->plan->settings.dead_letter) { /* it did not parse, or may be sent on as it was */
        strbuf_adds(b, ",\"raw\":\"");
        base64_add(b, e->raw.ptr, e->raw.len);
        strbuf_addc(b, '"');
    }
    strbuf_addc(b, '}');
    map_fini(&s.numbers);
    free(s.items);
    free(s.path);
    return anew;
}

/* --- loading ---------------------------------------------------------------------------------- */

struct loader {
    struct exec *e;
    struct wf_item **items;
    uint32_t n;
    bool bad;
};

static int64_t int_of(struct loader *l, const struct json *v, int64_t max)
{
    int64_t i = 0;
    if (!json_int(v, &i) || i < 0 || i > max) {
        l->bad = true;
        return 0;
    }
    return i;
}

static const struct json *list_of(struct loader *l, const struct json *v)
{
    static const struct json none = { .type = JSON_ARRAY };
    if (v && v->type == JSON_ARRAY)
        return v;
    l->bad |= v != NULL && v->type != JSON_NULL;
    return &none;
}

static struct item_vec load_vec(struct loader *l, const struct json *v)
{
    const struct json *list = list_of(l, v);
    struct item_vec vec = { arena_alloc(&l->e->arena, list->len * sizeof(struct wf_item *) + 1),
                            0 };
    for (uint32_t i = 0; i < list->len && l->n; i++)
        vec.items[vec.n++] = l->items[int_of(l, &list->elements[i], l->n - 1)];
    l->bad |= vec.n != list->len;
    return vec;
}

static void load_parts(struct loader *l, struct wf_item *it, const struct json *v)
{
    if (!v || v->type != JSON_OBJECT)
        return;
    const wf_blobs *blobs = service_find("blob/1");
    for (uint32_t i = 0; i < v->len; i++) {
        const struct json *part = &v->members[i].value;
        wf_str data = json_str(JSON_GET(part, "data")), bytes, key = json_str(&v->members[i].key);
        int64_t lost;
        if (json_int(JSON_GET(part, "lost"), &lost)) {
            blobs->attach(it, arena_str(&l->e->arena, key.ptr, key.len).ptr,
                          blob_lost(l->e, (uint64_t)lost), json_str(JSON_GET(part, "mimeType")),
                          json_str(JSON_GET(part, "fileName")));
            continue;
        }
        if (!base64_decode(&l->e->arena, data.ptr, data.len, &bytes)) {
            l->bad = true;
            return;
        }
        blobs->attach(it, arena_str(&l->e->arena, key.ptr, key.len).ptr,
                      blobs->of_bytes(it, bytes.ptr, bytes.len),
                      json_str(JSON_GET(part, "mimeType")), json_str(JSON_GET(part, "fileName")));
    }
    it->parts = it->attached;
    it->attached = NULL;
}

static void load_parents(struct loader *l, struct wf_item *it, const struct json *p, uint32_t known)
{
    if (!p)
        return;
    if (p->type == JSON_ARRAY) {
        struct item_vec *parents = arena_alloc(&l->e->arena, sizeof *parents);
        *parents = load_vec(l, p);
        it->parents = parents;
        return;
    }
    int64_t i = int_of(l, p, known ? known - 1 : 0);
    if (known)
        it->parent = l->items[i];
    else
        l->bad = true;
}

static void load_items(struct loader *l, const struct json *list)
{
    l->items = ARENA_ARRAY(&l->e->arena, struct wf_item *, list->len + 1);
    for (uint32_t i = 0; i < list->len && !l->bad; i++) {
        const struct json *v = &list->elements[i], *json = JSON_GET(v, "j");
        static const struct json empty = { .type = JSON_OBJECT };
        uint32_t node = (uint32_t)int_of(l, JSON_GET(v, "n"), l->e->ep->plan->n_nodes - 1);
        struct wf_item *it = item_create(l->e, json ? json : &empty, node,
                                         (uint16_t)int_of(l, JSON_GET(v, "r"), UINT16_MAX));
        it->port = (uint16_t)int_of(l, JSON_GET(v, "o"), UINT16_MAX);
        load_parents(l, it, JSON_GET(v, "p"), i);
        load_parts(l, it, JSON_GET(v, "b"));
        l->items[l->n++] = it;
    }
}

static void load_step(struct loader *l, const struct json *v)
{
    struct exec *e = l->e;
    uint32_t node = (uint32_t)int_of(l, JSON_GET(v, "n"), e->ep->plan->n_nodes - 1);
    const struct json *in = list_of(l, JSON_GET(v, "in"));
    uint16_t n = exec_node(e, node)->n_inputs;
    if (l->bad || in->len != n || !n) {
        l->bad = true;
        return;
    }
    struct item_vec *inputs = ARENA_ARRAY(&e->arena, struct item_vec, n);
    for (uint16_t k = 0; k < n; k++)
        inputs[k] = load_vec(l, &in->elements[k]);
    step_push(e, node, inputs, n, (uint16_t)int_of(l, JSON_GET(v, "a"), UINT16_MAX));
}

static void load_waiting(struct loader *l, const struct json *v)
{
    struct exec *e = l->e;
    uint32_t node = (uint32_t)int_of(l, JSON_GET(v, "n"), e->ep->plan->n_nodes - 1);
    const struct json *in = list_of(l, JSON_GET(v, "in"));
    for (uint16_t k = 0; !l->bad && k < in->len && k < exec_node(e, node)->n_inputs; k++)
        if (in->elements[k].type == JSON_ARRAY)
            step_wait_input(e, node, k, load_vec(l, &in->elements[k]));
}

static void load_run(struct loader *l, const struct json *v)
{
    struct exec *e = l->e;
    uint32_t node = (uint32_t)int_of(l, JSON_GET(v, "n"), e->ep->plan->n_nodes - 1);
    const struct json *out = list_of(l, JSON_GET(v, "out"));
    if (!e->runs)
        e->runs = ARENA_ARRAY(&e->arena, struct run *, e->ep->plan->n_nodes);
    struct run *r = ARENA_NEW(&e->arena, struct run);
    *r = (struct run){ .prev = e->runs[node],
                       .older = e->newest_run,
                       .node = node,
                       .index = (uint16_t)int_of(l, JSON_GET(v, "i"), UINT16_MAX),
                       .n_outputs = (uint16_t)out->len,
                       .outputs = ARENA_ARRAY(&e->arena, struct item_vec, out->len + 1) };
    for (uint32_t p = 0; p < out->len; p++)
        r->outputs[p] = load_vec(l, &out->elements[p]);
    e->runs[node] = e->newest_run = r;
}

static void load_memory(struct loader *l, const struct json *v)
{
    struct exec *e = l->e;
    struct kept *k = memory_of(e, (uint32_t)int_of(l, JSON_GET(v, "n"), e->ep->plan->n_nodes - 1));
    const struct json *lists = list_of(l, JSON_GET(v, "l"));
    k->now.value = JSON_GET(v, "v");
    for (uint32_t i = 0; i < lists->len && i < WF_MEMORY_LISTS; i++) {
        struct item_vec vec = load_vec(l, &lists->elements[i]);
        k->now.lists[i] = (struct kept_list){ vec, vec.n };
    }
    k->before = k->now;
}

static void load_outputs(struct loader *l, const struct json *doc)
{
    struct exec *e = l->e;
    wf_str text = json_str(JSON_GET(doc, "outputs")), records;
    if (!base64_decode(&e->arena, text.ptr, text.len, &records)) {
        l->bad = true;
        return;
    }
    size_t at = 0;
    struct store_output out;
    int more;
    while ((more = store_output_next(records, &at, &out)) == 1) {
        struct pending_output *p = ARENA_NEW(&e->arena, struct pending_output);
        p->out = out;
        *e->outputs_last = p;
        e->outputs_last = &p->next;
    }
    l->bad |= more < 0;
    const struct json *rows = list_of(l, JSON_GET(doc, "rows"));
    struct pending_row **last = &e->rows;
    for (uint32_t i = 0; i < rows->len; i++) {
        struct pending_row *r = ARENA_NEW(&e->arena, struct pending_row);
        r->table = json_str(json_at(&rows->elements[i], 0));
        r->row = json_str(json_at(&rows->elements[i], 1));
        r->unique = json_str(json_at(&rows->elements[i], 2));
        r->by.node = (uint32_t)int_of(l, json_at(&rows->elements[i], 3), e->ep->plan->n_nodes - 1);
        *last = r;
        last = &r->next;
    }
}

static void load_progress(struct loader *l, const struct json *doc)
{
    struct exec *e = l->e;
    const struct json *runs = list_of(l, JSON_GET(doc, "runs")),
                      *waiting = list_of(l, JSON_GET(doc, "waiting")),
                      *stack = list_of(l, JSON_GET(doc, "stack")),
                      *memory = list_of(l, JSON_GET(doc, "memory")),
                      *counts = list_of(l, JSON_GET(doc, "counts"));
    for (uint32_t i = 0; i < runs->len && !l->bad; i++)
        load_run(l, &runs->elements[i]);
    for (uint32_t i = 0; i < waiting->len && !l->bad; i++)
        load_waiting(l, &waiting->elements[i]);
    for (uint32_t i = 0; i < memory->len && !l->bad; i++)
        load_memory(l, &memory->elements[i]);
    /* The stack is saved bottom first. The legacy order pushes to the bottom, so it is read from
     * the top. */
    for (uint32_t i = 0; i < stack->len && !l->bad; i++)
        load_step(l, &stack->elements[e->ep->plan->settings.order_v1 ? i : stack->len - 1 - i]);
    if (counts->len == e->ep->plan->n_nodes)
        for (uint32_t i = 0; i < counts->len; i++) {
            exec_next_run(e, i);
            e->run_counts[i] = (uint16_t)int_of(l, &counts->elements[i], UINT16_MAX);
        }
    e->node_runs = (uint64_t)int_of(l, JSON_GET(doc, "nodeRuns"), INT64_MAX);
    load_outputs(l, doc);
}

/* Starts again from the trigger items: pushes what follows the trigger. */
static void load_restart(struct loader *l)
{
    struct exec *e = l->e;
    const struct plan_node *node = exec_node(e, e->trigger.items[0]->node);
    bool v1 = e->ep->plan->settings.order_v1;
    for (uint32_t k = 0; k < node->n_edges; k++) {
        const struct plan_edge *edge = &node->edges[v1 ? node->n_edges - 1 - k : k];
        if (edge->port)
            continue;
        if (exec_node(e, edge->to)->n_inputs > 1)
            step_wait_input(e, edge->to, edge->input, e->trigger);
        else
            step_push(e, edge->to, &e->trigger, 1, 1);
    }
}

static int64_t load_times(struct loader *l, const struct json *doc)
{
    struct exec *e = l->e;
    const struct json *wake = JSON_GET(doc, "wake"), *deadline = JSON_GET(doc, "deadline");
    if (deadline && e->deadline) {
        int64_t left_us = int_of(l, deadline, INT64_MAX) - e->en->now_wall_us;
        int64_t due_us = e->en->now_us + (left_us > 0 ? left_us : 0);
        if (due_us < e->deadline->due_us)
            ticket_set_timer(e->deadline, due_us);
    }
    return wake ? int_of(l, wake, INT64_MAX) : 0;
}

/* Its answer is for the store: the client of then is gone. */
static void load_key(struct loader *l, const struct json *v)
{
    struct exec *e = l->e;
    if (!v)
        return;
    wf_str key = json_str(json_at(v, 0));
    e->key = arena_str(&e->arena, key.ptr, key.len);
    e->key_token = (uint64_t)int_of(l, json_at(v, 1), INT64_MAX);
    e->key_status = (uint16_t)int_of(l, json_at(v, 2), UINT16_MAX);
    e->answer_data = (uint8_t)int_of(l, json_at(v, 3), ANSWER_NO_DATA);
    e->key_marked = true;
}

static void load_begun(struct loader *l, const struct json *doc)
{
    struct exec *e = l->e;
    const struct json *saved = JSON_GET(doc, "begun");
    const struct json *handed = JSON_GET(doc, "handed");
    uint8_t begun = saved ? (uint8_t)int_of(l, saved, BEGUN_ALL) : BEGUN_NOT;
    if (handed && (uint64_t)int_of(l, handed, INT64_MAX) + 1 == e->lane->epoch)
        e->maybe_begun = BEGUN_NOT;
    if (!JSON_GET(doc, "stack"))
        begun = BEGUN_ALL;
    if (begun > e->maybe_begun)
        e->maybe_begun = begun;
}

int exec_load(struct exec *e, wf_str state, int64_t *wake_us, struct err *err)
{
    struct json doc;
    struct json_error why;
    if (json_parse_copy(&e->arena, state.ptr, state.len, 0, &doc, &why) != 0)
        return err_set(err, ERR_INVALID, "saved state, byte %zu: %s", why.offset, why.reason);
    struct loader l = { .e = e };
    int64_t version = int_of(&l, JSON_GET(&doc, "v"), 1);
    load_items(&l, list_of(&l, JSON_GET(&doc, "items")));
    e->trigger = load_vec(&l, JSON_GET(&doc, "trigger"));
    if (l.bad || version != 1)
        return err_set(err, ERR_INVALID, "saved state is damaged");
    if (!e->trigger.n)
        return err_set(err, ERR_INVALID,
                       "its message did not parse; send it again once it is mended");
    const struct json *raw = JSON_GET(&doc, "raw"), *index = JSON_GET(&doc, "outputIndex");
    e->n_outputs = index ? (uint32_t)int_of(&l, index, UINT32_MAX) : 0;
    load_begun(&l, &doc);
    load_key(&l, JSON_GET(&doc, "key"));
    if (raw)
        l.bad |= !base64_decode(&e->arena, json_str(raw).ptr, json_str(raw).len, &e->raw);
    if (JSON_GET(&doc, "stack"))
        load_progress(&l, &doc);
    else
        load_restart(&l);
    *wake_us = load_times(&l, &doc);
    return l.bad ? err_set(err, ERR_INVALID, "saved state is damaged") : 0;
}
