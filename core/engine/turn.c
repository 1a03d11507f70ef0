/* SPDX-License-Identifier: Apache-2.0
 * Turns: what ended or moved is gathered in columns, committed as one transaction, and only then
 * let out.
 *
 * There are two turns. One gathers while the other may be in flight, so commits grow with load
 * exactly as frames do. An execution that ends writes its row of the columns and its memory is free
 * at once; one that has not ended when its turn closes gets a row of its own, so the lane's
 * position can pass it.
 *
 *   gather --engine_commit--> in flight --engine_committed OK--> outputs, answers, held executions
 * released
 *                                 |--FENCED----> the lane is lost; the rest of the turn is
 * committed again
 *                                 '--BAD_ROWS--> those executions fail; the turn is committed again
 *
 * Lanes without a journal (none, at_least_once) use the columns for their outputs only; these leave
 * when the turn closes, or with the commit when the turn has one.
 */
#include "engine/engine_int.h"
#include <stdlib.h>
#include <string.h>

/* --- columns ---------------------------------------------------------------------------------- */

void columns_init(struct columns *c, size_t cap)
{
    memset(c, 0, sizeof *c);
    strbuf_init(&c->inputs, cap);
    strbuf_init(&c->outputs, cap);
}

void columns_clear(struct columns *c)
{
    c->n = c->n_outputs = 0;
    c->any_input = c->named = false;
    strbuf_clear(&c->inputs);
    strbuf_clear(&c->outputs);
}

void columns_fini(struct columns *c)
{
    free(c->positions);
    free(c->versions);
    free(c->statuses);
    free(c->durations_us);
    free(c->started_us);
    strbuf_fini(&c->inputs);
    strbuf_fini(&c->outputs);
}

static void columns_grow(struct columns *c)
{
    c->size = c->size ? c->size * 2 : 256;
    c->positions = xrealloc(c->positions, c->size * sizeof *c->positions);
    c->versions = xrealloc(c->versions, c->size * sizeof *c->versions);
    c->statuses = xrealloc(c->statuses, c->size * sizeof *c->statuses);
    c->durations_us = xrealloc(c->durations_us, c->size * sizeof *c->durations_us);
    c->started_us = xrealloc(c->started_us, c->size * sizeof *c->started_us);
}

static bool saves_input(const struct exec *e, enum store_status status)
{
    const struct plan_settings *s = &e->ep->plan->settings;
    if (!e->en->config.save_inputs || status != STORE_SUCCESS || !e->raw.ptr)
        return false; /* what failed has a row with its whole state; what was restored has no bytes
                       */
    return s->save == SAVE_ALL ||
           (s->save == SAVE_SAMPLE && s->save_sample && e->id.position % s->save_sample == 0);
}

static void add_input(struct columns *c, const struct exec *e, enum store_status status)
{
    bool save = saves_input(e, status);
    uint32_t len = save ? (uint32_t)e->raw.len : UINT32_MAX;
    size_t bytes = sizeof len + (save ? e->raw.len : 0);
    char *to = strbuf_reserve(&c->inputs, bytes);
    if (!to)
        return;
    memcpy(to, &len, sizeof len);
    if (save && e->raw.len)
        memcpy(to + sizeof len, e->raw.ptr, e->raw.len);
    to[bytes] = 0;
    c->inputs.len += bytes;
    c->any_input |= save;
}

/* --- what an execution leaves in the turn ----------------------------------------------------- */

static void *array_next(void *array, uint32_t *n, uint32_t *size, size_t element)
{
    void **at = array;
    if (*n == *size) {
        *size = *size ? *size * 2 : 64;
        *at = xrealloc(*at, *size * element);
    }
    return (char *)*at + (size_t)(*n)++ * element;
}

static void add_rows(struct turn *t, const struct exec *e)
{
    for (const struct pending_row *r = e->rows; r; r = r->next) {
        struct store_row *row = array_next(&t->rows, &t->n_rows, &t->rows_size, sizeof *row);
        *row = (struct store_row){ arena_str(&t->arena, r->table.ptr, r->table.len),
                                   arena_str(&t->arena, r->row.ptr, r->row.len),
                                   arena_str(&t->arena, r->unique.ptr, r->unique.len), e->id };
        t->bytes += r->row.len;
    }
}

static void add_exec_row(struct turn *t, struct exec *e, enum store_status status)
{
    struct strbuf state;
    strbuf_init(&state, e->en->limits.max_exec_bytes);
    exec_save(&state, e);
    struct store_exec *row = array_next(&t->execs, &t->n_execs, &t->execs_size, sizeof *row);
    *row =
        (struct store_exec){ .id = e->id,
                             .version = e->ep->plan->version,
                             .status = status,
                             .started_us = e->started_wall_us,
                             .state = arena_str(&t->arena, state.ptr ? state.ptr : "", state.len) };
    strbuf_fini(&state);
    e->lane->columns[t->index].named = true;
    if (status == STORE_WAITING) {
        row->wake_us = exec_wakes_us(e);
        const char *node = e->seg.inst ? e->seg.inst->node->name : "";
        row->node = arena_str(&t->arena, node, strlen(node));
        return;
    }
    row->ended_us = e->en->now_wall_us;
    if (e->error) {
        const char *node = exec_node(e, e->error_node)->name;
        row->node = arena_str(&t->arena, node, strlen(node));
        error_json(&t->arena, e, &row->error);
    }
}

static void add_dead_letter(struct exec *e, struct columns *c)
{
    const char *topic = e->ep->plan->settings.dead_letter;
    if (!topic || !e->error)
        return;
    struct strbuf headers;
    strbuf_init(&headers, 1u << 16);
    char id[EXEC_ID_TEXT];
    exec_id_text(e->id, id);
    store_headers_add(&headers, STR("catalyst-execution"), str_of(id));
    store_headers_add(&headers, STR("catalyst-workflow"), str_of(e->ep->plan->id));
    store_headers_add(&headers, STR("catalyst-node"), str_of(exec_node(e, e->error_node)->name));
    store_headers_add(&headers, STR("catalyst-reason"), str_of(e->error->message));
    struct store_output out = { .exec = c->n - 1,
                                .index = e->n_outputs++,
                                .partition = -1,
                                .channel = STR("kafka"),
                                .connection = STR(""),
                                .topic = str_of(topic),
                                .body = e->raw,
                                .headers = strbuf_str(&headers) };
    store_output_add(&c->outputs, &out);
    c->n_outputs++;
    strbuf_fini(&headers);
}

void turn_add_ended(struct exec *e, enum store_status status)
{
    struct turn *t = e->en->gather;
    struct columns *c = &e->lane->columns[t->index];
    size_t before = c->inputs.len + c->outputs.len;
    if (c->n == c->size)
        columns_grow(c);
    uint32_t i = c->n++;
    c->positions[i] = e->id.position;
    c->versions[i] = e->ep->plan->version;
    c->statuses[i] = (uint8_t)status;
    int64_t took = e->en->now_us - e->started_us;
    c->durations_us[i] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    c->started_us[i] = e->started_wall_us;
    if (e->journaled)
        add_input(c, e, status);
    bool begins_again = status == STORE_ERROR && e->memory; /* and asks for all of it again */
    for (struct pending_output *p = begins_again ? NULL : e->outputs; p; p = p->next) {
        p->out.exec = i;
        store_output_add(&c->outputs, &p->out);
        c->n_outputs++;
    }
    if (status == STORE_ERROR) {
        add_dead_letter(e, c);
        add_exec_row(t, e, status);
    } else if (e->saved) {
        *(struct exec_id *)array_next(&t->ended, &t->n_ended, &t->ended_size, sizeof e->id) = e->id;
    }
    /* Messages that did not fit would be lost; after a restart they come again. */
    BUG_IF(c->outputs.failed);
    if (e->rows && !begins_again)
        add_rows(t, e);
    t->n_done++;
    t->bytes += c->inputs.len + c->outputs.len - before;
}

static void answer(struct exec *e, int status, wf_str headers, wf_str body, bool of_accept)
{
    struct turn *t = e->en->gather;
    struct turn_reply *r = array_next(&t->replies, &t->n_replies, &t->replies_size, sizeof *r);
    *r = (struct turn_reply){ { e->reply, status, arena_str(&t->arena, headers.ptr, headers.len),
                                arena_str(&t->arena, body.ptr, body.len) },
                              e->id,
                              of_accept };
    e->answered = true;
}

void turn_answer(struct exec *e, int status, wf_str headers, wf_str body)
{
    answer(e, status, headers, body, false);
}

void turn_start_workflow(struct exec *e, const char *workflow, wf_str item)
{
    struct turn *t = e->en->gather;
    struct turn_start *s = array_next(&t->starts, &t->n_starts, &t->starts_size, sizeof *s);
    *s = (struct turn_start){ arena_strdup(&t->arena, workflow),
                              arena_str(&t->arena, item.ptr, item.len), e->id };
}

void turn_answer_accept(struct exec *e, int status) { answer(e, status, no_str(), no_str(), true); }

/* --- a turn's life ---------------------------------------------------------------------------- */

void turn_init(struct turn *t, uint32_t index)
{
    memset(t, 0, sizeof *t);
    t->index = index;
    arena_init(&t->arena, NULL, 0);
    list_init(&t->held);
}

static void turn_clear(struct turn *t)
{
    t->n_execs = t->n_ended = t->n_rows = t->n_replies = t->n_starts = t->n_lanes = t->n_done = 0;
    t->bytes = 0;
    t->in_flight = false;
    arena_clear(&t->arena);
    memset(&t->record, 0, sizeof t->record);
}

void turn_fini(struct turn *t)
{
    arena_fini(&t->arena);
    free(t->blocks);
    free(t->lanes);
    free(t->execs);
    free(t->ended);
    free(t->rows);
    free(t->replies);
    free(t->starts);
}

/* Executions that have not ended get a row, so that the position may pass them. */
static void save_live(struct engine *en, struct turn *t)
{
    struct lane *lane;
    LIST_EACH(lane, &en->lanes, struct lane, link)
    {
        if (lane->durability == DURABILITY_NONE)
            continue;
        struct exec *e;
        LIST_EACH(e, &lane->unsaved, struct exec, lane_link)
        {
            add_exec_row(t, e, STORE_WAITING);
            e->saved = true;
            e->dirty = false;
            list_remove(&e->lane_link);
            list_append(&lane->saved, &e->lane_link);
        }
    }
    /* each_step: what these did must be known before they go on. */
    struct exec *e;
    LIST_EACH(e, &en->held, struct exec, link)
    {
        if (e->dirty)
            add_exec_row(t, e, STORE_WAITING);
        e->dirty = false;
        list_remove(&e->link);
        list_append(&t->held, &e->link);
    }
}

static bool lane_moved(const struct lane *lane, const struct columns *c, bool flush)
{
    return c->n || lane->next != lane->committed ||
           (flush && lane->released != lane->released_committed);
}

static void fill_block(struct store_block *b, struct lane *lane, struct columns *c)
{
    *b = (struct store_block){ .source = lane->source,
                               .partition = lane->partition,
                               .epoch = lane->epoch,
                               .position_old = lane->committed,
                               .position_new = lane->next,
                               .seq = c->n ? ++lane->seq : 0,
                               .released = lane->released,
                               .n = c->n,
                               .positions = c->positions,
                               .versions = c->versions,
                               .statuses = c->statuses,
                               .durations_us = c->durations_us,
                               .started_us = c->started_us,
                               .inputs = c->any_input && !c->inputs.failed ? strbuf_str(&c->inputs)
                                                                           : no_str(),
                               .outputs = strbuf_str(&c->outputs),
                               .n_outputs = c->n_outputs };
}

static void turn_add_lane(struct turn *t, struct lane *lane)
{
    if (t->n_lanes == t->lanes_size) {
        t->lanes_size = t->lanes_size ? t->lanes_size * 2 : 16;
        t->lanes = xrealloc(t->lanes, t->lanes_size * sizeof *t->lanes);
        t->blocks = xrealloc(t->blocks, t->lanes_size * sizeof *t->blocks);
    }
    fill_block(&t->blocks[t->n_lanes], lane, &lane->columns[t->index]);
    t->lanes[t->n_lanes++] = lane;
    lane->in_flight = true;
}

/* Lanes with a journal first: these are the blocks of the record. */
static void gather_lanes(struct engine *en, struct turn *t)
{
    bool flush = en->now_us - en->last_commit_us > RELEASED_FLUSH_US;
    struct lane *lane;
    LIST_EACH(lane, &en->lanes, struct lane, link)
    {
        const struct columns *c = &lane->columns[t->index];
        if (lane->durability >= DURABILITY_EXACTLY_ONCE && (c->named || lane_moved(lane, c, flush)))
            turn_add_lane(t, lane);
    }
    t->record.n_blocks = t->n_lanes;
    LIST_EACH(lane, &en->lanes, struct lane, link)
    {
        if (lane->durability < DURABILITY_EXACTLY_ONCE &&
            lane_moved(lane, &lane->columns[t->index], false))
            turn_add_lane(t, lane);
    }
}

static void fill_record(struct turn *t)
{
    t->record.blocks = t->blocks;
    t->record.execs = t->execs;
    t->record.n_execs = t->n_execs;
    t->record.ended = t->ended;
    t->record.n_ended = t->n_ended;
    t->record.rows = t->rows;
    t->record.n_rows = t->n_rows;
}

static bool record_empty(const struct store_turn *r)
{
    return !r->n_blocks && !r->n_execs && !r->n_ended && !r->n_rows;
}

/* Lets out what waited for the turn to be durable. */
static void turn_release(struct engine *en, struct turn *t)
{
    for (uint32_t i = 0; i < t->n_lanes; i++) {
        struct lane *lane = t->lanes[i];
        struct store_block *b = &t->blocks[i];
        lane->in_flight = false;
        lane->committed = b->position_new;
        lane->released_committed = b->released;
        if (lane->durability != DURABILITY_AT_LEAST_ONCE)
            en->io.acknowledge(en->io.ctx, lane, b->position_new);
        if (b->seq)
            lane_add_release(lane, b->seq, b->position_new, !b->n_outputs);
        else if (lane->durability == DURABILITY_AT_LEAST_ONCE)
            lane_pass(lane, b->position_new);
        if (b->n_outputs)
            en->io.release(en->io.ctx, lane, b->seq, b);
        columns_clear(&lane->columns[t->index]);
    }
    for (uint32_t i = 0; i < t->n_replies; i++)
        en->io.answer(en->io.ctx, &t->replies[i].out);
    for (uint32_t i = 0; i < t->n_starts; i++)
        en->io.start(en->io.ctx, t->starts[i].workflow, t->starts[i].item);
}

static void let_held_go(struct turn *t)
{
    struct exec *e;
    LIST_EACH(e, &t->held, struct exec, link)
    {
        exec_set_state(e, EXEC_RUNNING);
        step_next(e);
    }
}

static void turn_done(struct engine *en, struct turn *t)
{
    turn_release(en, t);
    en->counters.turns++;
    en->last_commit_us = en->now_us;
    if (en->flight == t)
        en->flight = NULL;
    struct lane *dropping;
    let_held_go(t);
    turn_clear(t);
    LIST_EACH(dropping, &en->lanes, struct lane, link) { lane_check_gone(dropping); }
}

bool turn_full(const struct engine *en)
{
    return en->gather->bytes >= 2 * en->limits.max_turn_bytes;
}

bool engine_commit(struct engine *en)
{
    if (en->flight)
        return true;
    en->now_us = en->io.mono_us(en->io.ctx);
    en->now_wall_us = en->io.wall_us(en->io.ctx);
    struct turn *t = en->gather;
    save_live(en, t);
    gather_lanes(en, t);
    fill_record(t);
    if (!t->n_lanes && record_empty(&t->record) && !t->n_replies && !t->n_starts &&
        list_empty(&t->held)) {
        turn_clear(t); /* what ended in lanes that were lost since counts no more: the turn has room
                          again */
        return false;
    }
    en->gather = &en->turns[!t->index];
    if (record_empty(&t->record)) {
        turn_done(en, t);
        return false;
    }
    en->flight = t;
    t->in_flight = true;
    en->io.commit(en->io.ctx, &t->record);
    return true;
}

/* --- trouble ---------------------------------------------------------------------------------- */

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

static void commit_again(struct engine *en, struct turn *t)
{
    fill_record(t);
    if (record_empty(&t->record))
        turn_done(en, t);
    else
        en->io.commit(en->io.ctx, &t->record);
}

/* The outputs of one execution of a block are taken out. */
static void drop_outputs(struct columns *c, struct store_block *b, uint32_t exec)
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
    c->n_outputs = b->n_outputs = n;
    b->outputs = strbuf_str(&c->outputs);
}

static void mark_failed(struct engine *en, struct turn *t, struct exec_id id)
{
    for (uint32_t i = 0; i < t->n_lanes; i++) {
        if (!of_lane(id, t->lanes[i]))
            continue;
        struct columns *c = &t->lanes[i]->columns[t->index];
        for (uint32_t k = 0; k < c->n; k++)
            if (c->positions[k] == id.position) {
                bool counted = c->statuses[k] == STORE_ERROR;
                c->statuses[k] = STORE_ERROR;
                drop_outputs(c, &t->blocks[i], k);
                struct engine_plan *ep = engine_plan_of(en, c->versions[k]);
                if (ep && !counted) {
                    ep->counters.succeeded--;
                    ep->counters.failed++;
                }
            }
    }
}

static bool same_exec(struct exec_id a, struct exec_id b)
{
    return a.source == b.source && a.partition == b.partition && a.position == b.position;
}

/* The one row of an execution in the turn: it may have failed before its row was refused, and a row
 * that it left when it was parked must not be removed now. */
static struct store_exec *failed_row(struct turn *t, struct exec_id id)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_ended; i++)
        if (!same_exec(t->ended[i], id))
            t->ended[n++] = t->ended[i];
    t->n_ended = n;
    for (uint32_t i = 0; i < t->n_execs; i++)
        if (same_exec(t->execs[i].id, id)) {
            t->execs[i].state =
                (wf_str){ "", 0 }; /* what it says was sent goes with the refused row */
            return &t->execs[i];
        }
    struct store_exec *row = array_next(&t->execs, &t->n_execs, &t->execs_size, sizeof *row);
    *row = (struct store_exec){ .id = id };
    return row;
}

static void answer_failure(struct turn *t, struct exec_id id)
{
    for (uint32_t i = 0; i < t->n_replies; i++) {
        struct turn_reply *r = &t->replies[i];
        if (!same_exec(r->exec, id) || r->of_accept)
            continue;
        r->out.status = 500;
        r->out.headers = no_str();
        r->out.body = STR(TURN_FAILURE_BODY);
    }
}

/* An execution whose row the database refused fails as a whole: its outputs and other rows go, its
 * error is kept. The others of the turn are not touched. */
static void fail_bad_row(struct engine *en, struct turn *t, struct exec_id id, const char *table,
                         const char *reason)
{
    mark_failed(en, t, id);
    answer_failure(t, id);
    struct strbuf error;
    strbuf_init(&error, 1u << 16);
    strbuf_adds(&error, "{\"message\":");
    wf_str text =
        arena_printf(&t->arena, "the database refused a row for table '%s': %s", table, reason);
    strbuf_add_json(&error, text.ptr, text.len);
    strbuf_adds(&error, ",\"code\":\"row_refused\"}");
    struct store_exec *row = failed_row(t, id);
    row->status = STORE_ERROR;
    row->ended_us = en->now_wall_us;
    if (!row->started_us)
        row->started_us = en->now_wall_us;
    row->error = arena_str(&t->arena, error.ptr, error.len);
    strbuf_fini(&error);
    for (uint32_t i = 0; i < t->n_lanes; i++)
        for (uint32_t k = 0; of_lane(id, t->lanes[i]) && k < t->blocks[i].n; k++)
            if (t->blocks[i].positions[k] == id.position)
                row->version = t->blocks[i].versions[k];
}

static bool is_bad(const struct store_commit_result *result, const struct turn *t,
                   struct exec_id id)
{
    for (uint32_t i = 0; i < result->n_bad; i++) {
        if (same_exec(t->rows[result->bad[i].row].exec, id))
            return true;
    }
    return false;
}

static void on_bad_rows(struct engine *en, struct turn *t, const struct store_commit_result *result)
{
    en->counters.bad_rows += result->n_bad;
    for (uint32_t i = 0; i < result->n_bad; i++) {
        const struct store_row *row = &t->rows[result->bad[i].row];
        bool done = false; /* by another row of the same execution */
        for (uint32_t k = 0; k < i && !done; k++)
            done = same_exec(t->rows[result->bad[k].row].exec, row->exec);
        if (done)
            continue;
        fail_bad_row(en, t, row->exec, row->table.ptr, result->bad[i].reason);
    }
    struct store_row *kept = arena_alloc(&t->arena, t->n_rows * sizeof *kept + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_rows; i++)
        if (!is_bad(result, t, t->rows[i].exec))
            kept[n++] = t->rows[i];
    memcpy(t->rows, kept, n * sizeof *kept);
    t->n_rows = n;
    commit_again(en, t);
}

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
