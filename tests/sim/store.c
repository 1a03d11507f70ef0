/* SPDX-License-Identifier: Apache-2.0
 * The simulated store and sink. A commit is a transaction that arrives some time after it was sent,
 * even when its engine is dead by then, and whose answer comes later still or never. It moves all
 * its lanes by compare-and-set on (epoch, position) or nothing.
 *
 * Beside that it judges: who owns a lane is kept a second time, apart from the epoch, and every row
 * must stand in a turn that names its lane.
 */
#include "sim.h"
#include <limits.h>
#include <stdlib.h>

struct tx {
    struct arena arena;
    const struct store_turn *live; /* the engine's own memory */
    struct store_turn turn;        /* a copy, as it was sent */
    struct store_commit_result result;
    bool applied;
};

/* --- copies ----------------------------------------------------------------------------------- */

static void *copy(struct arena *a, const void *from, size_t bytes)
{
    char *to = arena_alloc(a, bytes + 1);
    if (bytes)
        memcpy(to, from, bytes);
    to[bytes] = 0;
    return to;
}

static wf_str copy_str(struct arena *a, wf_str s)
{
    return s.ptr ? (wf_str){ copy(a, s.ptr, s.len), s.len } : s;
}

static struct store_block copy_block(struct arena *a, const struct store_block *b)
{
    struct store_block c = *b;
    c.positions = copy(a, b->positions, b->n * sizeof *b->positions);
    c.versions = copy(a, b->versions, b->n * sizeof *b->versions);
    c.statuses = copy(a, b->statuses, b->n);
    c.durations_us = copy(a, b->durations_us, b->n * sizeof *b->durations_us);
    c.started_us = copy(a, b->started_us, b->n * sizeof *b->started_us);
    c.inputs = copy_str(a, b->inputs);
    c.outputs = copy_str(a, b->outputs);
    return c;
}

static struct store_turn copy_turn(struct arena *a, const struct store_turn *t)
{
    struct store_turn c = *t;
    struct store_block *blocks = copy(a, t->blocks, t->n_blocks * sizeof *blocks);
    for (uint32_t i = 0; i < t->n_blocks; i++)
        blocks[i] = copy_block(a, &t->blocks[i]);
    struct store_exec *execs = copy(a, t->execs, t->n_execs * sizeof *execs);
    for (uint32_t i = 0; i < t->n_execs; i++) {
        execs[i].state = copy_str(a, t->execs[i].state);
        execs[i].error = copy_str(a, t->execs[i].error);
    }
    struct store_row *rows = copy(a, t->rows, t->n_rows * sizeof *rows);
    for (uint32_t i = 0; i < t->n_rows; i++)
        rows[i].row = copy_str(a, t->rows[i].row);
    c.blocks = blocks;
    c.execs = execs;
    c.ended = copy(a, t->ended, t->n_ended * sizeof *t->ended);
    c.rows = rows;
    return c;
}

/* --- transactions ----------------------------------------------------------------------------- */

void store_io_commit(void *ctx, const struct store_turn *turn)
{
    struct unit *u = ctx;
    if (u->flight)
        sim_fail("two commits are in flight");
    struct tx *tx = xcalloc(1, sizeof *tx);
    arena_init(&tx->arena, NULL, 0);
    tx->live = turn;
    tx->turn = copy_turn(&tx->arena, turn);
    u->flight = tx;
    sim_event(EV_APPLY, u, 60000)->tx = tx;
}

void tx_drop(struct tx *tx)
{
    arena_fini(&tx->arena);
    free(tx);
}

/* The turn's memory stays as it was until the engine hears of the outcome. */
static void check_memory(const struct tx *tx)
{
    const struct store_turn *a = tx->live, *b = &tx->turn;
    bool same = a->n_blocks == b->n_blocks && a->n_execs == b->n_execs && a->n_rows == b->n_rows &&
                a->n_ended == b->n_ended;
    for (uint32_t i = 0; same && i < a->n_blocks; i++) {
        const struct store_block *x = &a->blocks[i], *y = &b->blocks[i];
        same = x->n == y->n && x->seq == y->seq && str_eq(x->outputs, y->outputs) &&
               (!x->n || (!memcmp(x->positions, y->positions, x->n * sizeof *x->positions) &&
                          !memcmp(x->statuses, y->statuses, x->n)));
    }
    for (uint32_t i = 0; same && i < a->n_execs; i++)
        same = str_eq(a->execs[i].state, b->execs[i].state);
    for (uint32_t i = 0; same && i < a->n_rows; i++)
        same = str_eq(a->rows[i].row, b->rows[i].row);
    if (!same)
        sim_fail("a turn changed while it was in flight");
}

static void check_named(const struct store_turn *t, struct exec_id id, const char *what)
{
    for (uint32_t i = 0; i < t->n_blocks; i++)
        if (t->blocks[i].source == id.source && t->blocks[i].partition == id.partition)
            return;
    sim_fail("%s of %u-%llu stands in a turn that does not name its lane", what, id.partition,
             (unsigned long long)id.position);
}

static void check_turn(const struct store_turn *t)
{
    for (uint32_t i = 0; i < t->n_execs; i++) {
        struct exec_id id = t->execs[i].id;
        check_named(t, id, "the row");
        for (uint32_t k = i + 1; k < t->n_execs; k++)
            if (id.partition == t->execs[k].id.partition && id.position == t->execs[k].id.position)
                sim_fail("two rows of %u-%llu in one turn", id.partition,
                         (unsigned long long)id.position);
        for (uint32_t k = 0; k < t->n_ended; k++)
            if (id.partition == t->ended[k].partition && id.position == t->ended[k].position)
                sim_fail("the row of %u-%llu is written and removed in one turn", id.partition,
                         (unsigned long long)id.position);
    }
    for (uint32_t i = 0; i < t->n_ended; i++)
        check_named(t, t->ended[i], "the end");
    for (uint32_t i = 0; i < t->n_rows; i++)
        check_named(t, t->rows[i].exec, "a ledger row");
}

static bool is_bad(const struct store_row *row)
{
    return strstr(row->row.ptr, "\"bad\":1") != NULL &&
           !sim_message(row->exec.partition, row->exec.position)->mended;
}

static bool any_bad(struct tx *tx)
{
    struct store_bad_row *bad = ARENA_ARRAY(&tx->arena, struct store_bad_row, tx->turn.n_rows + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < tx->turn.n_rows; i++)
        if (is_bad(&tx->turn.rows[i]))
            bad[n++] = (struct store_bad_row){ i, "check constraint" };
    tx->result = (struct store_commit_result){ .result = STORE_BAD_ROWS, .bad = bad, .n_bad = n };
    return n != 0;
}

static void count_columns(struct sim_lane *lane, const struct store_block *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->positions[i] >= lane->n)
            sim_fail("block %u/%llu names a message that never was", b->partition,
                     (unsigned long long)b->seq);
        struct message *m = &lane->messages[b->positions[i]];
        *(b->statuses[i] == STORE_SUCCESS ? &m->succeeded : &m->failed) += 1;
        if (m->succeeded > 1 || m->succeeded + m->failed > 1 + m->marks)
            sim_fail("%u-%llu ended twice", b->partition, (unsigned long long)b->positions[i]);
    }
    struct store_output out;
    uint32_t n = 0;
    for (size_t at = 0; store_output_next(b->outputs, &at, &out) == 1; n++) {
        struct message *m = &lane->messages[b->positions[out.exec]];
        if (m->bad_row && !m->mended)
            sim_fail("an execution whose row was refused sends: %s", m->text);
        m->outputs_kept++;
    }
    if (n != b->n_outputs)
        sim_fail("block %u/%llu has %u outputs and says %u", b->partition,
                 (unsigned long long)b->seq, n, b->n_outputs);
}

static void move_lane(const struct unit *u, uint64_t life, const struct store_block *b)
{
    struct sim_lane *lane = &world.lanes[b->partition];
    if (lane->owner != u || lane->owner_life != life)
        sim_fail("a zombie wrote: lane %u, epoch %llu", b->partition, (unsigned long long)b->epoch);
    if (b->position_new < lane->position || b->released < lane->released ||
        b->released > lane->block_seq)
        sim_fail("lane %u goes back, or released what is not there", b->partition);
    lane->position = b->position_new;
    lane->released = b->released;
    lane->begun = b->begun;
    if (b->begun < b->position_new)
        sim_fail("lane %u took %llu and begun only %llu", b->partition,
                 (unsigned long long)b->position_new, (unsigned long long)b->begun);
    if (!b->seq)
        return;
    lane->block_seq = b->seq;
    struct sim_block *kept = xcalloc(1, sizeof *kept);
    kept->seq = b->seq;
    kept->block = (struct store_block){ .source = b->source,
                                        .partition = b->partition,
                                        .seq = b->seq,
                                        .n = b->n,
                                        .n_outputs = b->n_outputs };
    size_t bytes = b->n * sizeof *b->positions;
    uint64_t *positions = xmalloc(bytes + 1);
    if (bytes)
        memcpy(positions, b->positions, bytes);
    kept->block.positions = positions;
    char *outputs = xmalloc(b->outputs.len + 1);
    if (b->outputs.len)
        memcpy(outputs, b->outputs.ptr, b->outputs.len);
    kept->block.outputs = (wf_str){ outputs, b->outputs.len };
    if (lane->last)
        lane->last->next = kept;
    else
        lane->blocks = kept;
    lane->last = kept;
    count_columns(lane, b);
}

static void forget_exec(struct exec_id id)
{
    struct message *m = sim_message(id.partition, id.position);
    free((char *)m->exec.state.ptr);
    m->marked = false;
    m->handed = 0;
    m->exec = (struct store_exec){ 0 };
    m->has_exec = false;
}

static void keep_exec(const struct store_exec *e)
{
    forget_exec(e->id);
    struct message *m = sim_message(e->id.partition, e->id.position);
    m->has_exec = true;
    m->exec = *e;
    if (e->status == STORE_ERROR) /* how its nodes ended is known */
        memset(m->begun, 0, sizeof m->begun);
    sim_say("store: row of %u-%llu: %s, %zu bytes", e->id.partition,
            (unsigned long long)e->id.position, store_status_name(e->status), e->state.len);
    m->exec.node = m->exec.error = (wf_str){ "", 0 };
    snprintf(m->error, sizeof m->error, "%.*s", (int)e->error.len,
             e->error.ptr ? e->error.ptr : "");
    char *state = xmalloc(e->state.len + 1);
    if (e->state.len)
        memcpy(state, e->state.ptr, e->state.len);
    state[e->state.len] = 0;
    m->exec.state.ptr = state;
}

static unsigned number_in(wf_str row, const char *key)
{
    const char *at = strstr(row.ptr, key);
    return at ? (unsigned)strtoul(at + strlen(key), NULL, 10) : UINT_MAX;
}

/* With a unique key, a row that is there stays as it is. */
static void keep_row(const struct store_row *row)
{
    struct message *m = sim_message(row->exec.partition, row->exec.position);
    unsigned i = number_in(row->row, "\"i\":"), k = number_in(row->row, "\"k\":");
    if (i >= ITEMS_MAX || k >= ROWS_MAX)
        sim_fail("a row that nobody wrote: %s", row->row.ptr);
    if (!row->unique.len || !m->rows_kept[i][k])
        m->rows_kept[i][k]++;
}

static void apply(struct tx *tx, const struct unit *u, uint64_t life)
{
    const struct store_turn *t = &tx->turn;
    for (uint32_t i = 0; i < t->n_blocks; i++) {
        const struct store_block *b = &t->blocks[i];
        struct sim_lane *lane = &world.lanes[b->partition];
        if (lane->epoch == b->epoch && lane->position == b->position_old &&
            (!b->seq || b->seq == lane->block_seq + 1))
            continue;
        if (lane->owner == u && lane->owner_life == life && lane->epoch == b->epoch)
            sim_fail("the owner of lane %u is fenced: position %llu, stored %llu", b->partition,
                     (unsigned long long)b->position_old, (unsigned long long)lane->position);
        tx->result = (struct store_commit_result){ .result = STORE_FENCED, .lane = i };
        world.fenced++;
        return;
    }
    if (any_bad(tx)) {
        world.bad_rows++;
        return;
    }
    for (uint32_t i = 0; i < t->n_blocks; i++)
        move_lane(u, life, &t->blocks[i]);
    for (uint32_t i = 0; i < t->n_execs; i++)
        keep_exec(&t->execs[i]);
    for (uint32_t i = 0; i < t->n_ended; i++)
        forget_exec(t->ended[i]);
    for (uint32_t i = 0; i < t->n_rows; i++)
        keep_row(&t->rows[i]);
    tx->result = (struct store_commit_result){ .result = STORE_OK };
    world.applied++;
}

void store_apply(struct event *ev)
{
    struct tx *tx = ev->tx;
    struct unit *u = ev->unit;
    bool alive = u->engine && u->life == ev->life;
    if (alive)
        check_memory(tx);
    check_turn(&tx->turn);
    apply(tx, u, ev->life);
    sim_say("store: turn of unit %ld.%llu: %u blocks %u rows: result %d", (long)(u - world.unit),
            (unsigned long long)ev->life, tx->turn.n_blocks, tx->turn.n_execs,
            (int)tx->result.result);
    if (alive)
        sim_event(EV_COMMITTED, u, 40000)->tx = tx;
    else
        tx_drop(tx);
}

void store_committed(struct event *ev)
{
    struct tx *tx = ev->tx;
    ev->unit->flight = NULL;
    engine_committed(ev->unit->engine, &tx->result);
    tx_drop(tx);
}

void store_take(struct unit *u, unsigned partition, struct store_lane *at)
{
    struct sim_lane *lane = &world.lanes[partition];
    lane->epoch++;
    lane->owner = u;
    lane->owner_life = u->life;
    *at = (struct store_lane){ .source = SOURCE,
                               .partition = partition,
                               .epoch = lane->epoch,
                               .position = lane->position,
                               .block_seq = lane->block_seq,
                               .released = lane->released,
                               .begun = lane->begun,
                               .fresh = lane->epoch == 1 };
}

void store_clear(void)
{
    for (unsigned p = 0; p < PARTS_MAX; p++) {
        struct sim_lane *lane = &world.lanes[p];
        for (struct sim_block *b = lane->blocks, *next; b; b = next) {
            next = b->next;
            free((char *)b->block.outputs.ptr);
            free((uint64_t *)b->block.positions);
            free(b);
        }
        for (unsigned n = 0; n < lane->n; n++) {
            free((char *)lane->messages[n].exec.state.ptr);
            for (unsigned i = 0; i < INDEX_MAX; i++)
                free(lane->messages[n].bodies[i]);
        }
    }
}

/* --- the sink --------------------------------------------------------------------------------- */

void sink_arrive(struct event *ev)
{
    struct message *m = sim_message(ev->partition, ev->position);
    if (ev->index >= INDEX_MAX)
        sim_fail("output %u of %s", ev->index, m->text);
    if (!m->bodies[ev->index])
        m->bodies[ev->index] = xstrdup(ev->body);
    else if (strcmp(m->bodies[ev->index], ev->body) != 0)
        sim_fail("output %u of %u-%llu left with two bodies", ev->index, ev->partition,
                 (unsigned long long)ev->position);
    m->seen[ev->index]++;
}
