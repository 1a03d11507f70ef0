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
 *                                 '--FENCED, BAD_ROWS--> see verdict.c
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

/* A state that is cut could not be read again. Of a failed execution that holds too much its input
 * is kept, from which it begins again. False: neither has room. */
static bool save_state(struct strbuf *state, struct exec *e, enum store_status status)
{
    bool anew = exec_save_state(state, e, false);
    if (state->failed && status == STORE_ERROR) {
        size_t cap = state->cap;
        strbuf_fini(state);
        strbuf_init(state, cap < STORE_PAYLOAD_MAX ? STORE_PAYLOAD_MAX : cap);
        anew = exec_save_state(state, e, true);
    }
    e->begins_again = anew;
    return !state->failed;
}

/* The store learns with this turn what became of the execution's idempotency key; status 0: it was
 * accepted. */
static void add_key_mark(struct turn *t, struct exec *e, const struct engine_reply_out *out,
                         bool of_accept)
{
    struct store_key_mark *k = array_next(&t->keys, &t->n_keys, &t->keys_size, sizeof *k);
    *k = (struct store_key_mark){ .exec = e->id,
                                  .key = arena_str(&t->arena, e->key.ptr, e->key.len),
                                  .token = e->key_token,
                                  .status = out->status,
                                  .headers = out->headers,
                                  .body = out->body,
                                  .of_accept = of_accept };
    if (out->status == 200 && e->key_status)
        k->status = e->key_status;
    e->key_marked = true;
    e->lane->columns[t->index].named = true;
    t->bytes += out->body.len;
}

bool turn_add_exec_row(struct turn *t, struct exec *e, enum store_status status)
{
    struct strbuf state;
    strbuf_init(&state, e->en->limits.max_exec_bytes);
    bool whole = save_state(&state, e, status);
    if (!whole && status == STORE_WAITING) {
        strbuf_fini(&state);
        return false;
    }
    if (!whole)
        strbuf_clear(&state);
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
        if (e->key.len && !e->key_marked)
            add_key_mark(t, e, &(struct engine_reply_out){ 0 }, false);
        const char *node = e->seg.inst ? e->seg.inst->node->name : "";
        row->node = arena_str(&t->arena, node, strlen(node));
        return true;
    }
    row->ended_us = e->en->now_wall_us;
    if (e->error) {
        const char *node = exec_node(e, e->error_node)->name;
        row->node = arena_str(&t->arena, node, strlen(node));
        error_json(&t->arena, e, &row->error);
    }
    return true;
}

void turn_add_dead_letter(struct exec *e, struct columns *c, uint32_t exec)
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
    struct store_output out = { .exec = exec,
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

bool turn_add_ended(struct exec *e, enum store_status status)
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
    if (status == STORE_ERROR) { /* first, as it says what may leave */
        turn_add_dead_letter(e, c, i);
        turn_add_exec_row(t, e, status);
    } else if (e->saved) {
        *(struct exec_id *)array_next(&t->ended, &t->n_ended, &t->ended_size, sizeof e->id) = e->id;
    }
    bool keeps_back = status == STORE_ERROR && e->begins_again;
    for (struct pending_output *p = keeps_back ? NULL : e->outputs; p; p = p->next) {
        p->out.exec = i;
        store_output_add(&c->outputs, &p->out);
        c->n_outputs++;
    }
    /* Messages that did not fit would be lost; after a restart they come again. */
    BUG_IF(c->outputs.failed);
    bool asks_rows = e->rows && !keeps_back;
    if (asks_rows)
        add_rows(t, e);
    t->n_done++;
    t->bytes += c->inputs.len + c->outputs.len - before;
    return asks_rows;
}

static void answer(struct exec *e, int status, wf_str headers, wf_str body, const char *error,
                   bool of_accept)
{
    struct turn *t = e->en->gather;
    struct engine_reply_out out = { e->reply, status,
                                    arena_str(&t->arena, headers.ptr, headers.len),
                                    arena_str(&t->arena, body.ptr, body.len),
                                    arena_str(&t->arena, error, strlen(error)) };
    if (e->reply) {
        struct turn_reply *r = array_next(&t->replies, &t->n_replies, &t->replies_size, sizeof *r);
        *r = (struct turn_reply){ out, e->id, of_accept };
    }
    if (e->key.len)
        add_key_mark(t, e, &out, of_accept);
    e->answered = true;
}

void turn_answer(struct exec *e, int status, wf_str headers, wf_str body)
{
    answer(e, status, headers, body, "", false);
}

void turn_answer_failure(struct exec *e, const char *why)
{
    answer(e, 500, no_str(), STR(TURN_FAILURE_BODY), why, false);
}

void turn_start_workflow(struct turn *t, const struct exec *e, const char *workflow, wf_str item)
{
    struct turn_start *s = array_next(&t->starts, &t->n_starts, &t->starts_size, sizeof *s);
    *s = (struct turn_start){ arena_strdup(&t->arena, workflow),
                              arena_str(&t->arena, item.ptr, item.len), e->id };
}

void turn_answer_accept(struct exec *e, int status)
{
    answer(e, status, no_str(), no_str(), "", true);
}

/* --- a turn's life ---------------------------------------------------------------------------- */

void turn_init(struct turn *t, uint32_t index)
{
    memset(t, 0, sizeof *t);
    t->index = index;
    arena_init(&t->arena, NULL, 0);
    list_init(&t->held);
    list_init(&t->done);
}

static void turn_clear(struct turn *t)
{
    t->n_execs = t->n_ended = t->n_rows = t->n_replies = t->n_starts = t->n_lanes = t->n_done = 0;
    t->n_keys = 0;
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
    free(t->keys);
}

/* One that holds more than a row may cannot wait. True: its row is written. */
static bool save_waiting(struct turn *t, struct exec *e)
{
    if (turn_add_exec_row(t, e, STORE_WAITING)) {
        e->handed = exec_is_leaving(e) && exec_stands_clean(e);
        return true;
    }
    struct item_error *error =
        error_create(e, WF_REJECTED,
                     "the execution waits and holds more than the %llu bytes that are kept of one",
                     (unsigned long long)e->en->limits.max_exec_bytes);
    error->code = "too_large";
    exec_fail_here(e, error);
    return false;
}

static void set_saved(struct exec *e)
{
    e->saved = true;
    e->dirty = false;
    exec_grow_up(e);
    list_remove(&e->lane_link);
    list_append(&e->lane->saved, &e->lane_link);
}

static void stay(struct exec *e)
{
    list_remove(&e->link);
    list_append(&e->en->parked, &e->link);
    e->drowsy = false;
}

/* Only a row of one that is gone from memory says when it wakes: what is here is not looked for. */
static void evict(struct turn *t, struct exec *e)
{
    struct lane *lane = e->lane;
    if (!exec_is_drowsy(e)) { /* no more: a try is due since, or near */
        stay(e);
        return;
    }
    if (!save_waiting(t, e))
        return;
    if (e->begins_again) { /* a long way back */
        set_saved(e);
        stay(e);
        return;
    }
    int64_t wake_us = exec_wakes_us(e);
    if (e->deadline) {
        int64_t deadline_us = e->en->now_wall_us + (e->deadline->due_us - e->en->now_us);
        wake_us = deadline_us < wake_us ? deadline_us : wake_us;
    }
    t->execs[t->n_execs - 1].wake_us = wake_us;
    if (!lane->evicted || wake_us < lane->wake_us)
        lane->wake_us = wake_us;
    lane->evicted++;
    e->en->counters.evicted++;
    exec_drop(e);
}

/* What waits in a lane that goes gets a last row, which says that nothing has begun beyond it.
 * Those that are held are written below. */
static void hand_over(struct turn *t, struct lane *lane)
{
    struct exec *e;
    lane->handing = false;
    LIST_EACH(e, &lane->saved, struct exec, lane_link)
    {
        if (e->state != EXEC_HELD && exec_stands_clean(e))
            save_waiting(t, e);
    }
}

/* Executions that have not ended get a row, so that the position may pass them. */
static void save_live(struct engine *en, struct turn *t)
{
    struct exec *parked;
    LIST_EACH(parked, &en->drowsy, struct exec, link) { evict(t, parked); }
    struct lane *lane;
    LIST_EACH(lane, &en->lanes, struct lane, link)
    {
        if (lane->durability == DURABILITY_NONE)
            continue;
        if (lane->handing)
            hand_over(t, lane);
        struct exec *e;
        LIST_EACH(e, &lane->unsaved, struct exec, lane_link)
        {
            if (!save_waiting(t, e))
                continue;
            set_saved(e);
        }
    }
    /* each_step: what these did must be known before they go on. */
    struct exec *e;
    LIST_EACH(e, &en->held, struct exec, link)
    {
        if (e->handed && !e->dirty)
            continue; /* it goes on elsewhere */
        if (e->dirty && !save_waiting(t, e))
            continue;
        e->dirty = false;
        list_remove(&e->link);
        list_append(&t->held, &e->link);
    }
}

/* A lane that rests, or goes, says that nothing more has begun than was taken. */
static bool lowers_begun(const struct lane *lane, bool flush)
{
    return (flush || lane->dropping) && lane->begun > lane_begun_least(lane);
}

static bool lane_moved(const struct lane *lane, const struct columns *c, bool flush)
{
    return c->n || lane->next != lane->committed || lowers_begun(lane, flush) ||
           (flush && lane->released != lane->released_committed);
}

/* It grows while the lane works, and falls back when it rests. */
static uint64_t begun_ahead(const struct lane *lane, bool flush)
{
    uint64_t taken = lane->next - lane->committed, least = lane_begun_least(lane);
    if (lane->durability != DURABILITY_EXACTLY_ONCE || !lane->ep->has_once || lane->dropping ||
        (flush && !taken))
        return least;
    uint64_t ahead = taken < BEGUN_AHEAD_MAX ? taken * BEGUN_AHEAD_TURNS : BEGUN_AHEAD_MAX;
    if (ahead < BEGUN_AHEAD_MIN)
        ahead = BEGUN_AHEAD_MIN;
    ahead = lane->next + (ahead < BEGUN_AHEAD_MAX ? ahead : BEGUN_AHEAD_MAX);
    if (!taken || ahead < lane->begun)
        ahead = lane->begun;
    return ahead > least ? ahead : least;
}

static void fill_block(struct store_block *b, struct lane *lane, struct columns *c, bool flush)
{
    *b = (struct store_block){ .source = lane->source,
                               .partition = lane->partition,
                               .epoch = lane->epoch,
                               .position_old = lane->committed,
                               .position_new = lane->next,
                               .seq = c->n ? ++lane->seq : 0,
                               .released = lane->released,
                               .begun = begun_ahead(lane, flush),
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

static void turn_add_lane(struct turn *t, struct lane *lane, bool flush)
{
    if (t->n_lanes == t->lanes_size) {
        t->lanes_size = t->lanes_size ? t->lanes_size * 2 : 16;
        t->lanes = xrealloc(t->lanes, t->lanes_size * sizeof *t->lanes);
        t->blocks = xrealloc(t->blocks, t->lanes_size * sizeof *t->blocks);
    }
    fill_block(&t->blocks[t->n_lanes], lane, &lane->columns[t->index], flush);
    if (t->blocks[t->n_lanes].begun < lane->begun)
        lane->begun =
            t->blocks[t->n_lanes].begun; /* from now on: the store may know it any moment */
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
            turn_add_lane(t, lane, flush);
    }
    t->record.n_blocks = t->n_lanes;
    LIST_EACH(lane, &en->lanes, struct lane, link)
    {
        if (lane->durability < DURABILITY_EXACTLY_ONCE &&
            lane_moved(lane, &lane->columns[t->index], false))
            turn_add_lane(t, lane, flush);
    }
}

void turn_fill_record(struct turn *t)
{
    t->record.blocks = t->blocks;
    t->record.execs = t->execs;
    t->record.n_execs = t->n_execs;
    t->record.ended = t->ended;
    t->record.n_ended = t->n_ended;
    t->record.rows = t->rows;
    t->record.n_rows = t->n_rows;
    t->record.keys = t->keys;
    t->record.n_keys = t->n_keys;
}

bool turn_record_empty(const struct turn *t)
{
    const struct store_turn *r = &t->record;
    return !r->n_blocks && !r->n_execs && !r->n_ended && !r->n_rows && !r->n_keys;
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
        lane->begun = b->begun;
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
        /* Nothing beyond this was reached before: it would stand in the store instead. */
        if (e->ep->plan->settings.durability == DURABILITY_EACH_STEP &&
            e->maybe_begun == BEGUN_MAYBE)
            e->maybe_begun = BEGUN_NOT;
        e->stored_here = true;
        exec_set_state(e, EXEC_RUNNING);
        step_next(e);
    }
}

static void check_dropping(struct engine *en)
{
    struct lane *lane;
    LIST_EACH(lane, &en->lanes, struct lane, link) { lane_check_gone(lane); }
}

void turn_done(struct engine *en, struct turn *t)
{
    turn_release(en, t);
    struct exec *e;
    LIST_EACH(e, &t->done, struct exec, link) { exec_drop(e); }
    en->counters.turns++;
    en->last_commit_us = en->now_us;
    if (en->flight == t)
        en->flight = NULL;
    let_held_go(t);
    turn_clear(t);
    check_dropping(en);
}

bool turn_full(const struct engine *en)
{
    return en->gather->bytes >= 2 * en->limits.max_turn_bytes;
}

enum { WORTH_WAITING = 32 };
bool engine_can_wait(const struct engine *en)
{
    const struct turn *t = en->gather;
    return t->n_done >= WORTH_WAITING && t->n_done < en->limits.max_turn / 4 &&
           t->bytes < en->limits.max_turn_bytes / 4 && !t->n_replies && !t->n_keys &&
           list_empty(&t->held);
}

uint32_t engine_young(const struct engine *en)
{
    const struct turn *t = en->gather;
    bool nobody_waits = !t->n_replies && !t->n_keys && list_empty(&en->held);
    bool has_room = t->n_done < en->limits.max_turn && t->bytes < en->limits.max_turn_bytes;
    return !en->flight && nobody_waits && has_room && t->n_done >= WORTH_WAITING ? en->n_young : 0;
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
    turn_fill_record(t);
    if (!t->n_lanes && turn_record_empty(t) && !t->n_replies && !t->n_starts &&
        list_empty(&t->held)) {
        turn_clear(t); /* what ended in lanes that were lost since counts no more: the turn has room
                          again */
        check_dropping(en);
        return false;
    }
    en->gather = &en->turns[!t->index];
    if (turn_record_empty(t)) {
        turn_done(en, t);
        return false;
    }
    en->flight = t;
    t->in_flight = true;
    en->io.commit(en->io.ctx, &t->record);
    return true;
}
