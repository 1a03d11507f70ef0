/* SPDX-License-Identifier: Apache-2.0
 * Executions of the memory store, for people. Thread: any; one lock; callbacks come after it.
 */
#include "store/mem_int.h"
#include <stdlib.h>

struct found {
    struct arena arena;
    struct store_execution *list;
    uint32_t n, size;
};

static void found_init(struct found *f)
{
    *f = (struct found){ 0 };
    arena_init(&f->arena, NULL, 0);
}

static void found_fini(struct found *f)
{
    arena_fini(&f->arena);
    free(f->list);
}

static wf_str copy_str(struct arena *a, wf_str s)
{
    return arena_str(a, s.ptr ? s.ptr : "", s.len);
}

static struct store_execution *add(struct found *f, const struct mem_store *m, uint64_t version)
{
    if (f->n == f->size) {
        f->size = f->size ? 2 * f->size : 64;
        f->list = xrealloc(f->list, f->size * sizeof *f->list);
    }
    struct store_execution *x = &f->list[f->n++];
    const struct mem_workflow *w = mem_workflow_of(m, version);
    *x = (struct store_execution){ .version = version };
    x->workflow = copy_str(&f->arena, w ? str_of(w->id) : STR(""));
    x->workflow_name = copy_str(&f->arena, w ? str_of(w->name) : STR(""));
    return x;
}

static bool workflow_matches(const struct mem_store *m, uint64_t version, const char *workflow)
{
    if (!workflow)
        return true;
    const struct mem_workflow *w = mem_workflow_of(m, version);
    return w && (!strcmp(w->id, workflow) || !strcmp(w->name, workflow));
}

static bool matches(const struct mem_store *m, const struct store_filter *filter, uint64_t version,
                    enum store_status status, int64_t started_us)
{
    return (!filter->status || filter->status == status) && started_us >= filter->since_us &&
           started_us < filter->until_us && workflow_matches(m, version, filter->workflow);
}

/* --- from rows
 * ---------------------------------------------------------------------------------------- */

static struct mem_exec *find_exec(const struct mem_store *m, struct exec_id id)
{
    return map_get(&m->execs, (const char *)&id, sizeof id);
}

static void add_exec(struct found *f, const struct mem_store *m, const struct store_exec *e)
{
    struct store_execution *x = add(f, m, e->version);
    x->id = e->id;
    x->status = e->status;
    x->started_us = e->started_us;
    x->duration_us = e->ended_us ? e->ended_us - e->started_us : 0;
    x->node = copy_str(&f->arena, e->node);
    x->error = copy_str(&f->arena, e->error);
    x->state = copy_str(&f->arena, e->state);
}

/* --- from blocks
 * -------------------------------------------------------------------------------------- */

/* What a block says of an execution that has a row is told by the row. One that failed and has no
 * row any more was run again. */
static enum store_status block_status(const struct mem_store *m, const struct store_block *b,
                                      uint32_t i)
{
    struct exec_id id = { b->source, b->partition, b->positions[i] };
    if (b->statuses[i] == STORE_SUCCESS)
        return STORE_SUCCESS;
    if (find_exec(m, id))
        return STORE_STATUS_NONE;
    return b->statuses[i] == STORE_ERROR ? STORE_RETRIED : (enum store_status)b->statuses[i];
}

static wf_str nth_input(const struct store_block *b, uint32_t n)
{
    wf_str input = { "", 0 };
    size_t at = 0;
    for (uint32_t i = 0; i <= n; i++)
        if (store_input_next(b->inputs, &at, &input) != 1)
            return STR("");
    return input;
}

static wf_str outputs_of(struct arena *a, const struct store_block *b, uint32_t exec)
{
    struct strbuf text;
    strbuf_init(&text, SIZE_MAX / 2);
    struct store_output out;
    for (size_t at = 0; store_output_next(b->outputs, &at, &out) == 1;)
        if (out.exec == exec)
            store_output_add(&text, &out);
    wf_str copy = arena_str(a, text.ptr ? text.ptr : "", text.len);
    strbuf_fini(&text);
    return copy;
}

static void add_from_block(struct found *f, const struct mem_store *m, const struct store_block *b,
                           uint32_t i, enum store_status status)
{
    struct store_execution *x = add(f, m, b->versions[i]);
    x->id = (struct exec_id){ b->source, b->partition, b->positions[i] };
    x->status = status;
    x->started_us = b->started_us[i];
    x->duration_us = b->durations_us[i];
}

/* --- list and show
 * ------------------------------------------------------------------------------------ */

static void collect_lane(struct found *f, const struct mem_store *m, const struct mem_lane *lane,
                         const struct store_filter *filter)
{
    const struct mem_exec *e;
    LIST_EACH(e, &lane->execs, struct mem_exec, link)
    {
        if (matches(m, filter, e->exec.version, e->exec.status, e->exec.started_us))
            add_exec(f, m, &e->exec);
    }
    const struct mem_block *it;
    LIST_EACH(it, &lane->blocks, struct mem_block, link)
    {
        const struct store_block *b = &it->block;
        for (uint32_t i = 0; i < b->n; i++) {
            enum store_status status = block_status(m, b, i);
            if (status && matches(m, filter, b->versions[i], status, b->started_us[i]))
                add_from_block(f, m, b, i, status);
        }
    }
}

static int newest_first(const void *a, const void *b)
{
    const struct store_execution *x = a, *y = b;
    return x->started_us < y->started_us ? 1 : x->started_us > y->started_us ? -1 : 0;
}

static void tell(struct found *f, uint32_t limit, store_on_execution *each, void *ctx)
{
    if (f->n)
        qsort(f->list, f->n, sizeof *f->list, newest_first);
    for (uint32_t i = 0; i < f->n && i < limit; i++)
        each(ctx, &f->list[i]);
}

int mem_executions(struct store *s, const struct store_filter *filter, store_on_execution *each,
                   void *ctx, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    struct found f;
    found_init(&f);
    pthread_mutex_lock(&m->lock);
    struct map_slot *slot;
    for (size_t at = 0; map_each(&m->lanes, &at, &slot);)
        collect_lane(&f, m, slot->value, filter);
    pthread_mutex_unlock(&m->lock);
    tell(&f, filter->limit, each, ctx);
    found_fini(&f);
    return 0;
}

/* The last block that has it: an execution that was retried ended twice. */
static const struct store_block *find_block(const struct mem_lane *lane, uint64_t position,
                                            uint32_t *index)
{
    const struct store_block *found = NULL;
    const struct mem_block *it;
    LIST_EACH(it, &lane->blocks, struct mem_block, link)
    {
        for (uint32_t i = 0; i < it->block.n; i++) {
            if (it->block.positions[i] == position) {
                found = &it->block;
                *index = i;
            }
        }
    }
    return found;
}

int mem_execution(struct store *s, struct exec_id id, store_on_execution *each, void *ctx,
                  struct err *err)
{
    struct mem_store *m = mem_of(s);
    struct found f;
    found_init(&f);
    pthread_mutex_lock(&m->lock);
    const struct mem_lane *lane = mem_lane_get(m, id.source, id.partition);
    const struct mem_exec *e = find_exec(m, id);
    uint32_t i = 0;
    const struct store_block *b = lane ? find_block(lane, id.position, &i) : NULL;
    if (e)
        add_exec(&f, m, &e->exec);
    else if (b)
        add_from_block(&f, m, b, i, b->statuses[i]);
    if (f.n && b) {
        f.list[0].input = copy_str(&f.arena, nth_input(b, i));
        f.list[0].outputs = outputs_of(&f.arena, b, i);
    }
    pthread_mutex_unlock(&m->lock);
    tell(&f, 1, each, ctx);
    bool found = f.n != 0;
    found_fini(&f);
    char text[EXEC_ID_TEXT];
    exec_id_text(id, text);
    return found ? 0 : err_set(err, ERR_NOT_FOUND, "store: there is no execution %s", text);
}

int mem_execution_retry(struct store *s, struct exec_id id, struct err *err)
{
    struct mem_store *m = mem_of(s);
    char text[EXEC_ID_TEXT];
    exec_id_text(id, text);
    pthread_mutex_lock(&m->lock);
    struct mem_exec *e = find_exec(m, id);
    enum store_status status = e ? e->exec.status : STORE_STATUS_NONE;
    bool may = status == STORE_ERROR || status == STORE_CANCELED;
    if (may) {
        e->retry = true;
        e->handed_epoch = 0;
    }
    pthread_mutex_unlock(&m->lock);
    if (!status)
        return err_set(err, ERR_NOT_FOUND, "store: there is no failed execution %s", text);
    if (!may)
        return err_set(err, ERR_CONFLICT, "store: execution %s is %s, not failed", text,
                       store_status_name(status));
    return 0;
}
