/* SPDX-License-Identifier: Apache-2.0
 * Executions of the memory store, for people. Thread: any; one lock; callbacks come after it.
 */
#include "store/mem_int.h"
#include "store/show_int.h"

static struct mem_exec *find_exec(const struct mem_store *m, struct exec_id id)
{
    return map_get(&m->execs, (const char *)&id, sizeof id);
}

struct lane_of {
    const struct mem_store *m;
    struct job_lane lane;
};

static bool has_row(void *ctx, uint64_t position)
{
    const struct lane_of *of = ctx;
    return find_exec(of->m, (struct exec_id){ of->lane.source, of->lane.partition, position }) !=
           NULL;
}

static void show_lane(struct show *show, const struct mem_store *m, const struct mem_lane *lane)
{
    struct lane_of of = { m, lane->key };
    const struct mem_exec *e;
    LIST_EACH(e, &lane->execs, struct mem_exec, link)
    show_exec(show, &e->exec);
    const struct mem_block *b;
    LIST_EACH(b, &lane->blocks, struct mem_block, link)
    show_block(show, &b->block, has_row, &of);
}

static void show_versions(struct show *show, const struct mem_store *m)
{
    for (uint32_t i = 0; i < m->n_versions; i++) {
        const struct mem_workflow *w = &m->workflows[m->versions[i].workflow];
        show_version(show, i + 1, m->versions[i].number, str_of(w->id), str_of(w->name));
    }
}

int mem_executions(struct store *s, const struct store_filter *filter, store_on_execution *each,
                   void *ctx, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    struct show show;
    show_init(&show, filter);
    pthread_mutex_lock(&m->lock);
    show_versions(&show, m);
    struct map_slot *slot;
    for (size_t at = 0; map_each(&m->lanes, &at, &slot);)
        show_lane(&show, m, slot->value);
    pthread_mutex_unlock(&m->lock);
    show_trim(&show);
    show_tell(&show, each, ctx);
    show_fini(&show);
    return 0;
}

/* The last block that has it: an execution that was retried ended twice. */
static const struct store_block *find_block(const struct mem_lane *lane, uint64_t position,
                                            uint32_t *i)
{
    const struct store_block *found = NULL;
    const struct mem_block *b;
    LIST_EACH(b, &lane->blocks, struct mem_block, link)
    {
        if (show_find(&b->block, position, i))
            found = &b->block;
    }
    return found && show_find(found, position, i) ? found : NULL;
}

int mem_execution(struct store *s, struct exec_id id, store_on_execution *each, void *ctx,
                  struct err *err)
{
    struct mem_store *m = mem_of(s);
    struct show show;
    show_init(&show, NULL);
    pthread_mutex_lock(&m->lock);
    show_versions(&show, m);
    const struct mem_lane *lane = mem_lane_get(m, id.source, id.partition);
    const struct mem_exec *e = find_exec(m, id);
    uint32_t i = 0;
    const struct store_block *b = lane ? find_block(lane, id.position, &i) : NULL;
    show_one(&show, e ? &e->exec : NULL, b, i);
    pthread_mutex_unlock(&m->lock);
    show_tell(&show, each, ctx);
    bool is_there = show.n != 0;
    show_fini(&show);
    return is_there ? 0 : show_missing(id, err);
}

int mem_execution_retry(struct store *s, struct exec_id id, struct err *err)
{
    struct mem_store *m = mem_of(s);
    pthread_mutex_lock(&m->lock);
    struct mem_exec *e = find_exec(m, id);
    int rc = show_may_retry(id, e ? e->exec.status : STORE_STATUS_NONE, err);
    if (rc == 0) {
        e->retry = true;
        e->handed_epoch = 0;
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}
