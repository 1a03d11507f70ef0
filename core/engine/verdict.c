/* SPDX-License-Identifier: Apache-2.0
 * What the store says of a turn: it is in, another engine owns a lane, or the database refused
 * rows.
 *
 * Executions that asked for rows stay in memory, DONE, until then: one whose row was refused fails
 * as any other, with its state kept for a retry, its dead letter and its error workflow. Nothing of
 * it left, so the state keeps all that it asked for, and a retry asks for it again.
 */
#include "engine/engine_int.h"
#include <string.h>

static bool of_lane(struct exec_id id, const struct lane *lane)
{
    return id.source == lane->source && id.partition == lane->partition;
}

bool turn_answers_lane(const struct turn *t, const struct lane *lane)
{
    for (uint32_t i = 0; i < t->n_replies; i++)
        if (of_lane(t->replies[i].exec, lane))
            return true;
    return false;
}

/* What these answers tell will not be durable. Their clients would wait for ever without one. */
static void refuse_answers(struct turn *t, const struct lane *lane)
{
    uint32_t n = 0;
    struct engine *en = lane->en;
    for (uint32_t i = 0; i < t->n_replies; i++) {
        struct turn_reply *r = &t->replies[i];
        if (!of_lane(r->exec, lane)) {
            t->replies[n++] = *r;
            continue;
        }
        r->out.status = 503;
        r->out.headers = no_str();
        r->out.body = STR("{\"error\":\"the engine stops; the outcome is not known\"}");
        r->out.error = STR("the engine stops; the outcome is not known");
        en->io.answer(en->io.ctx, &r->out);
    }
    t->n_replies = n;
}

void turn_forget_lane(struct turn *t, struct lane *lane)
{
    refuse_answers(t, lane);
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_execs; i++)
        if (!of_lane(t->execs[i].id, lane))
            t->execs[n++] = t->execs[i];
    t->n_execs = n;
    n = 0;
    for (uint32_t i = 0; i < t->n_ended; i++)
        if (!of_lane(t->ended[i], lane))
            t->ended[n++] = t->ended[i];
    t->n_ended = n;
    n = 0;
    for (uint32_t i = 0; i < t->n_rows; i++)
        if (!of_lane(t->rows[i].exec, lane))
            t->rows[n++] = t->rows[i];
    t->n_rows = n;
    n = 0;
    for (uint32_t i = 0; i < t->n_keys; i++)
        if (!of_lane(t->keys[i].exec, lane))
            t->keys[n++] = t->keys[i];
    t->n_keys = n;
    n = 0;
    for (uint32_t i = 0; i < t->n_starts; i++)
        if (!of_lane(t->starts[i].exec, lane))
            t->starts[n++] = t->starts[i];
    t->n_starts = n;
    n = 0;
    uint32_t journaled = 0;
    for (uint32_t i = 0; i < t->n_lanes; i++)
        if (t->lanes[i] != lane) {
            journaled += i < t->record.n_blocks;
            t->lanes[n] = t->lanes[i];
            t->blocks[n++] = t->blocks[i];
        }
    t->n_lanes = n;
    t->record.n_blocks = journaled;
    columns_clear(&lane->columns[t->index]);
}

static bool same_exec(struct exec_id a, struct exec_id b)
{
    return a.source == b.source && a.partition == b.partition && a.position == b.position;
}

static void commit_again(struct engine *en, struct turn *t)
{
    turn_fill_record(t);
    if (turn_record_empty(t))
        turn_done(en, t);
    else
        en->io.commit(en->io.ctx, &t->record);
}

/* --- refused rows ----------------------------------------------------------------------------- */

/* The outputs of one execution of a block are taken out. */
static void drop_outputs(struct columns *c, uint32_t exec)
{
    struct strbuf kept;
    strbuf_init(&kept, c->outputs.cap);
    struct store_output out;
    size_t at = 0;
    uint32_t n = 0;
    wf_str all = strbuf_str(&c->outputs);
    while (store_output_next(all, &at, &out) == 1)
        if (out.exec != exec) {
            store_output_add(&kept, &out);
            n++;
        }
    strbuf_fini(&c->outputs);
    c->outputs = kept;
    c->n_outputs = n;
}

/* Its column says that it failed, and its outputs are gone but for the dead letter. */
static void fail_column(struct turn *t, struct exec *e)
{
    struct columns *c = &e->lane->columns[t->index];
    for (uint32_t k = 0; k < c->n; k++) {
        if (c->positions[k] != e->id.position)
            continue;
        if (c->statuses[k] == STORE_SUCCESS) {
            e->ep->counters.succeeded--;
            e->ep->counters.failed++;
        }
        c->statuses[k] = STORE_ERROR;
        drop_outputs(c, k);
        turn_add_dead_letter(e, c, k);
    }
    for (uint32_t i = 0; i < t->n_lanes; i++)
        if (t->lanes[i] == e->lane) {
            t->blocks[i].outputs = strbuf_str(&c->outputs);
            t->blocks[i].n_outputs = c->n_outputs;
        }
}

/* What the turn says of it so far: it may have failed before its row was refused, and a row that it
 * left when it was parked must not be removed now. */
static void forget_outcome(struct turn *t, struct exec_id id)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_ended; i++)
        if (!same_exec(t->ended[i], id))
            t->ended[n++] = t->ended[i];
    t->n_ended = n;
    n = 0;
    for (uint32_t i = 0; i < t->n_execs; i++)
        if (!same_exec(t->execs[i].id, id))
            t->execs[n++] = t->execs[i];
    t->n_execs = n;
    n = 0;
    for (uint32_t i = 0; i < t->n_starts; i++)
        if (!same_exec(t->starts[i].exec, id))
            t->starts[n++] = t->starts[i];
    t->n_starts = n;
}

static void answer_failure(struct turn *t, struct exec_id id)
{
    for (uint32_t i = 0; i < t->n_keys; i++) {
        struct store_key_mark *k = &t->keys[i];
        if (!same_exec(k->exec, id) || k->of_accept || !k->status)
            continue;
        k->status = 500;
        k->headers = no_str();
        k->body = STR(TURN_FAILURE_BODY);
    }
    for (uint32_t i = 0; i < t->n_replies; i++) {
        struct turn_reply *r = &t->replies[i];
        if (!same_exec(r->exec, id) || r->of_accept)
            continue;
        r->out.status = 500;
        r->out.headers = no_str();
        r->out.body = STR(TURN_FAILURE_BODY);
        r->out.error = STR("the database refused a row that it asked for");
    }
}

static struct exec *find_done(struct turn *t, struct exec_id id)
{
    struct exec *e;
    LIST_EACH(e, &t->done, struct exec, link)
    {
        if (same_exec(e->id, id))
            return e;
    }
    return NULL;
}

/* The node that asked for row i of the turn: its execution's rows stand there in their order. */
static uint32_t asking_node(const struct turn *t, const struct exec *e, uint32_t i)
{
    const struct pending_row *r = e->rows;
    for (uint32_t k = 0; k < i; k++)
        if (same_exec(t->rows[k].exec, e->id))
            r = r->next;
    return r->by.node;
}

/* An execution whose row the database refused fails as a whole: its outputs and other rows go. The
 * others of the turn are not touched. */
static void refuse(struct turn *t, const struct store_bad_row *bad)
{
    struct exec_id id = t->rows[bad->row].exec;
    struct exec *e = find_done(t, id);
    BUG_IF(!e);
    if (e->refused)
        return; /* by another of its rows */
    e->error = error_create(e, WF_REJECTED, "the database refused a row for table '%s': %s",
                            t->rows[bad->row].table.ptr, bad->reason);
    e->error->code = "row_refused";
    e->error_node = asking_node(t, e, bad->row);
    e->error_item = 0;
    e->failed = e->refused = true;
    forget_outcome(t, id);
    fail_column(t, e);
    answer_failure(t, id);
    turn_add_exec_row(t, e, STORE_ERROR);
    exec_start_error_workflow(e, t);
    if (e->en->io.ended)
        e->en->io.ended(e->en->io.ctx, e, STORE_ERROR);
}

/* The rows stand in the order of their executions in the done list. */
static void drop_refused_rows(struct turn *t)
{
    const struct link *at = t->done.next;
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_rows; i++) {
        while (!same_exec(CONTAINER_OF(at, struct exec, link)->id, t->rows[i].exec))
            at = at->next;
        if (!CONTAINER_OF(at, struct exec, link)->refused)
            t->rows[n++] = t->rows[i];
    }
    t->n_rows = n;
}

static void on_bad_rows(struct engine *en, struct turn *t, const struct store_commit_result *result)
{
    en->counters.bad_rows += result->n_bad;
    for (uint32_t i = 0; i < result->n_bad; i++)
        refuse(t, &result->bad[i]);
    drop_refused_rows(t);
    commit_again(en, t);
}

/* --- the verdict ------------------------------------------------------------------------------ */

void engine_committed(struct engine *en, const struct store_commit_result *result)
{
    struct turn *t = en->flight;
    BUG_IF(!t);
    en->now_us = en->io.mono_us(en->io.ctx);
    en->now_wall_us = en->io.wall_us(en->io.ctx);
    en->counters.commit_us_sum += (uint64_t)result->took_us;
    switch (result->result) {
    case STORE_OK:
        en->counters.commits++;
        turn_done(en, t);
        return;
    case STORE_BAD_ROWS:
        on_bad_rows(en, t, result);
        return;
    case STORE_FENCED:
        en->counters.fenced++;
        BUG_IF(result->lane >= t->record.n_blocks);
        lane_lose(t->lanes[result->lane]);
        commit_again(en, t);
        return;
    }
    BUG_IF("a commit result is one of the three");
}
