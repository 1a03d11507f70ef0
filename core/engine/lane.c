/* SPDX-License-Identifier: Apache-2.0
 * Lanes: the ordered sources this engine owns. A lane knows the next position to take, the position
 * in the store, and how far its outputs are acknowledged outside (`released`), which a later commit
 * writes down.
 */
#include "engine/engine_int.h"
#include <stdlib.h>
#include <string.h>

struct lane *engine_lane_add(struct engine *en, const struct lane_config *config)
{
    struct lane *lane = xcalloc(1, sizeof *lane);
    lane->en = en;
    lane->ep = config->plan;
    lane->trigger = config->trigger;
    lane->source = config->at.source;
    lane->partition = config->at.partition;
    lane->epoch = config->at.epoch;
    lane->next = lane->committed = config->at.position;
    if (config->start > lane->next)
        lane->next = config->start;
    lane->begun_at = config->at.begun > lane->next ? config->at.begun : lane->next;
    lane->begun = lane->begun_at;
    lane->seq = config->at.block_seq;
    lane->released = lane->released_committed = config->at.released;
    lane->durability = config->plan->plan->settings.durability;
    lane->user = config->user;
    list_init(&lane->unsaved);
    list_init(&lane->saved);
    list_init(&lane->done);
    columns_init(&lane->columns[0], en->limits.max_turn_bytes * 4);
    columns_init(&lane->columns[1], en->limits.max_turn_bytes * 4);
    list_append(&en->lanes, &lane->link);
    lane->ep->lanes++;
    return lane;
}

struct lane *engine_lane_find(struct engine *en, uint32_t source, uint32_t partition)
{
    struct lane *lane;
    LIST_EACH(lane, &en->lanes, struct lane, link)
    {
        if (lane->source == source && lane->partition == partition)
            return lane;
    }
    return NULL;
}

struct lane *engine_lane_after(struct engine *en, uint32_t source, uint32_t partition)
{
    uint64_t given = (uint64_t)source << 32 | partition;
    struct lane *lane, *next = NULL, *first = NULL;
    LIST_EACH(lane, &en->lanes, struct lane, link)
    {
        uint64_t key = (uint64_t)lane->source << 32 | lane->partition;
        if (!first || key < ((uint64_t)first->source << 32 | first->partition))
            first = lane;
        if (key > given && (!next || key < ((uint64_t)next->source << 32 | next->partition)))
            next = lane;
    }
    return next ? next : first;
}

enum { LOOK_AGAIN_US = 1000000 };
struct lane *engine_lane_waking(struct engine *en)
{
    int64_t now_us = en->io.wall_us(en->io.ctx);
    struct lane *lane;
    LIST_EACH(lane, &en->lanes, struct lane, link)
    {
        if (!lane->evicted || lane->wake_us > now_us || lane->dropping)
            continue;
        lane->wake_us = now_us + LOOK_AGAIN_US;
        return lane;
    }
    return NULL;
}

void lane_destroy(struct lane *lane)
{
    list_remove(&lane->link);
    lane->ep->lanes--;
    columns_fini(&lane->columns[0]);
    columns_fini(&lane->columns[1]);
    free(lane->pending);
    free(lane);
}

static bool awaits_answer(const struct exec *e) { return e->reply && !e->answered; }

/* Its client would wait for ever: what goes on elsewhere cannot answer here. */
static void answer_dropped(struct exec *e)
{
    struct engine *en = e->en;
    if (!awaits_answer(e))
        return;
    e->answered = true;
    en->io.answer(
        en->io.ctx,
        &(struct engine_reply_out){
            .handle = e->reply,
            .status = 503,
            .body = STR("{\"error\":\"the engine stops; the execution goes on elsewhere\"}"),
            .error = STR("the engine stops; the execution goes on elsewhere") });
}

static bool any_awaits_answer(const struct lane *lane)
{
    struct exec *e;
    LIST_EACH(e, &lane->saved, struct exec, lane_link)
    {
        if (awaits_answer(e))
            return true;
    }
    return false;
}

static void drop_all(struct link *list)
{
    struct exec *e;
    LIST_EACH(e, list, struct exec, lane_link)
    {
        answer_dropped(e);
        exec_drop(e);
    }
}

void lane_lose(struct lane *lane)
{
    struct engine *en = lane->en;
    drop_all(&lane->unsaved);
    drop_all(&lane->saved);
    drop_all(&lane->done);
    turn_forget_lane(en->gather, lane);
    if (en->flight)
        turn_forget_lane(en->flight, lane);
    en->io.lane_lost(en->io.ctx, lane);
    lane_destroy(lane);
}

void lane_check_gone(struct lane *lane)
{
    const struct columns *c = lane->columns;
    bool journaled = lane->durability >= DURABILITY_EXACTLY_ONCE;
    if (!lane->dropping || lane->in_flight || c[0].n || c[1].n || lane->n_pending ||
        !list_empty(&lane->unsaved) || lane->next != lane->committed ||
        (journaled && lane->released != lane->released_committed) ||
        (journaled && lane->begun > lane_begun_least(lane)) || lane->handing ||
        turn_answers_lane(lane->en->gather, lane))
        return;
    /* What acts outside right now is worth the wait: nobody else can learn how that ended. */
    if (lane->n_begun && lane->en->now_us < lane->begun_until_us)
        return;
    if (!any_awaits_answer(
            lane)) /* the journal keeps an execution, but not the client that waits for it */
        lane_lose(lane);
}

void engine_lane_drop(struct engine *en, struct lane *lane, bool drain)
{
    /* What is in flight must not be torn out of its transaction: that lane drains in any case. */
    if (drain || lane->in_flight) {
        lane->dropping = true;
        lane->begun_until_us = drain ? en->io.mono_us(en->io.ctx) + BEGUN_WAIT_US : 0;
        lane->handing = engine_lane_keeps_begun(lane) && !list_empty(&lane->saved);
        lane_check_gone(lane);
        return;
    }
    (void)en;
    lane_lose(lane);
}

bool engine_lane_keeps_begun(const struct lane *lane)
{
    return lane->durability == DURABILITY_EXACTLY_ONCE && lane->ep->has_once;
}

void engine_lane_taken(struct lane *lane, uint64_t position)
{
    lane->taken =
        engine_lane_keeps_begun(lane) && position > lane->begun_at ? lane->begun_at : position;
}

void *lane_user(const struct lane *lane) { return lane->user; }

struct exec_id lane_id(const struct lane *lane)
{
    return (struct exec_id){ lane->source, lane->partition, lane->next };
}

enum durability lane_durability(const struct lane *lane) { return lane->durability; }

void lane_set_plan(struct lane *lane, struct engine_plan *plan, uint32_t trigger)
{
    lane->ep->lanes--;
    lane->ep = plan;
    lane->ep->lanes++;
    lane->trigger = trigger;
}

void lane_add_release(struct lane *lane, uint64_t seq, uint64_t position, bool acknowledged)
{
    if (acknowledged && !lane->n_pending) {
        lane->released = seq;
        if (lane->durability == DURABILITY_AT_LEAST_ONCE)
            lane->en->io.acknowledge(lane->en->io.ctx, lane, position);
        return;
    }
    if (lane->n_pending == lane->pending_size) {
        lane->pending_size = lane->pending_size ? lane->pending_size * 2 : 8;
        lane->pending = xrealloc(lane->pending, lane->pending_size * sizeof *lane->pending);
    }
    lane->pending[lane->n_pending++] = (struct pending_release){ seq, position, acknowledged };
}

/* At least once: a turn without outputs got to `position`. */
void lane_pass(struct lane *lane, uint64_t position)
{
    if (lane->n_pending)
        lane->pending[lane->n_pending - 1].position = position;
    else
        lane->en->io.acknowledge(lane->en->io.ctx, lane, position);
}

void engine_lane_resend(struct engine *en, struct lane *lane, const struct store_block *block)
{
    lane_add_release(lane, block->seq, lane->committed, !block->n_outputs);
    if (block->n_outputs)
        en->io.release(en->io.ctx, lane, block->seq, block);
}

void engine_released(struct engine *en, struct lane *lane, uint64_t seq)
{
    uint32_t done = 0;
    uint64_t position = 0;
    while (done < lane->n_pending &&
           (lane->pending[done].seq <= seq || lane->pending[done].acknowledged)) {
        lane->released = lane->pending[done].seq;
        position = lane->pending[done++].position;
    }
    if (!done)
        return;
    lane->n_pending -= done;
    memmove(lane->pending, lane->pending + done, lane->n_pending * sizeof *lane->pending);
    if (lane->durability == DURABILITY_AT_LEAST_ONCE)
        en->io.acknowledge(en->io.ctx, lane, position);
    lane_check_gone(lane); /* without a journal, no turn may come any more */
}
