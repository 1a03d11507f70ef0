/* SPDX-License-Identifier: Apache-2.0
 * What sessions ask of the memory store: turns, lanes, blocks, parked executions. A turn is checked
 * whole before anything of it is kept, so it is all or nothing without an undo. Thread: any; one
 * lock.
 */
#include "store/mem_int.h"
#include "base/clock.h"
#include "json/json.h"
#include <stdio.h>
#include <stdlib.h>

enum { MEM_BLOCK_BYTES = 256 << 20, ROW_JSON_DEPTH = 32 };

/* --- lanes ------------------------------------------------------------------------------------ */

struct mem_lane *mem_lane_get(struct mem_store *m, uint32_t source, uint32_t partition)
{
    struct job_lane key = { source, partition };
    return map_get(&m->lanes, (const char *)&key, sizeof key);
}

struct mem_lane *mem_lane_make(struct mem_store *m, uint32_t source, uint32_t partition)
{
    struct mem_lane *lane = mem_lane_get(m, source, partition);
    if (lane)
        return lane;
    lane = xcalloc(1, sizeof *lane);
    lane->key = (struct job_lane){ source, partition };
    lane->lane = (struct store_lane){ .source = source, .partition = partition, .fresh = true };
    list_init(&lane->blocks);
    list_init(&lane->execs);
    map_put(&m->lanes, (const char *)&lane->key, sizeof lane->key, lane);
    return lane;
}

static void assign(struct mem_store *m, struct job *job)
{
    struct mem_lane *lane = mem_lane_make(m, job->source, job->partition);
    if (!lane->lane.epoch)
        lane->lane.position = job->number;
    lane->lane.epoch++;
    lane->owner = job->instance;
    job->lane = lane->lane;
}

static void lanes_of(struct mem_store *m, struct job *job)
{
    job->lanes = ARENA_ARRAY(&job->arena, struct job_lane, m->lanes.used);
    struct map_slot *slot;
    for (size_t at = 0; map_each(&m->lanes, &at, &slot);) {
        const struct mem_lane *lane = slot->value;
        if (lane->owner == job->instance)
            job->lanes[job->n++] = lane->key;
    }
}

static bool lane_agrees(const struct mem_lane *lane, const struct store_block *b)
{
    return lane && lane->lane.epoch == b->epoch && lane->lane.position == b->position_old &&
           (!b->seq || lane->lane.block_seq + 1 == b->seq);
}

/* --- blocks ----------------------------------------------------------------------------------- */

static wf_str copy_str(struct arena *a, wf_str s) { return s.ptr ? arena_str(a, s.ptr, s.len) : s; }

static const void *copy_array(struct arena *a, const void *from, uint32_t n, size_t bytes)
{
    void *to = arena_alloc(a, n * bytes);
    if (n)
        memcpy(to, from, n * bytes);
    return to;
}

static struct store_block copy_block(struct arena *a, const struct store_block *b, bool with_inputs)
{
    struct store_block copy = *b;
    copy.positions = copy_array(a, b->positions, b->n, sizeof *b->positions);
    copy.versions = copy_array(a, b->versions, b->n, sizeof *b->versions);
    copy.statuses = copy_array(a, b->statuses, b->n, sizeof *b->statuses);
    copy.durations_us = copy_array(a, b->durations_us, b->n, sizeof *b->durations_us);
    copy.started_us = copy_array(a, b->started_us, b->n, sizeof *b->started_us);
    copy.inputs = with_inputs ? copy_str(a, b->inputs) : (wf_str){ "", 0 };
    copy.outputs = copy_str(a, b->outputs);
    return copy;
}

void mem_block_free(struct mem_store *m, struct mem_block *b)
{
    m->block_bytes -= b->arena.total_bytes;
    list_remove(&b->link);
    arena_fini(&b->arena);
    free(b);
}

static void keep_block(struct mem_store *m, struct mem_lane *lane, const struct store_block *b)
{
    struct mem_block *it = xcalloc(1, sizeof *it);
    arena_init(&it->arena, NULL, 0);
    it->block = copy_block(&it->arena, b, m->base.config.save_inputs);
    it->created_us = clock_wall_us();
    m->block_bytes += it->arena.total_bytes;
    list_append(&lane->blocks, &it->link);
    while (m->block_bytes > MEM_BLOCK_BYTES) {
        struct mem_block *oldest = LIST_FIRST(&lane->blocks, struct mem_block, link);
        if (!oldest || oldest->block.seq > lane->lane.released)
            break;
        mem_block_free(m, oldest);
    }
}

static void blocks(struct mem_store *m, struct job *job)
{
    struct mem_lane *lane = mem_lane_get(m, job->source, job->partition);
    if (!lane)
        return;
    uint32_t room = 0;
    struct mem_block *b;
    LIST_EACH(b, &lane->blocks, struct mem_block, link)
    room += b->block.seq > job->number;
    if (room > job->limit)
        room = job->limit;
    job->blocks = ARENA_ARRAY(&job->arena, struct store_block, room);
    LIST_EACH(b, &lane->blocks, struct mem_block, link)
    {
        if (b->block.seq > job->number && job->n < room)
            job->blocks[job->n++] = copy_block(&job->arena, &b->block, false);
    }
}

/* --- parked and failed executions ------------------------------------------------------------- */

static struct store_exec copy_exec(struct arena *a, const struct store_exec *e)
{
    struct store_exec copy = *e;
    copy.node = copy_str(a, e->node);
    copy.error = copy_str(a, e->error);
    copy.state = copy_str(a, e->state);
    return copy;
}

void mem_exec_remove(struct mem_store *m, struct exec_id id)
{
    struct mem_exec *e = map_take(&m->execs, (const char *)&id, sizeof id);
    if (!e)
        return;
    list_remove(&e->link);
    arena_fini(&e->arena);
    free(e);
}

static void keep_exec(struct mem_store *m, const struct store_exec *exec)
{
    mem_exec_remove(m, exec->id);
    struct mem_exec *e = xcalloc(1, sizeof *e);
    arena_init(&e->arena, NULL, 0);
    e->exec = copy_exec(&e->arena, exec);
    list_append(&mem_lane_make(m, exec->id.source, exec->id.partition)->execs, &e->link);
    map_put(&m->execs, (const char *)&e->exec.id, sizeof e->exec.id, e);
}

static bool is_due(const struct mem_exec *e, const struct mem_lane *lane, int64_t wake_us)
{
    if (e->handed_epoch == lane->lane.epoch)
        return false;
    if (e->retry)
        return true;
    return e->exec.status == STORE_WAITING &&
           (wake_us == INT64_MAX || (e->exec.wake_us && e->exec.wake_us <= wake_us));
}

static void parked(struct mem_store *m, struct job *job)
{
    struct mem_lane *lane = mem_lane_get(m, job->source, job->partition);
    if (!lane || lane->owner != job->instance)
        return;
    job->execs = ARENA_ARRAY(&job->arena, struct store_exec, job->limit);
    struct mem_exec *e;
    LIST_EACH(e, &lane->execs, struct mem_exec, link)
    {
        if (job->n == job->limit)
            break;
        if (!is_due(e, lane, job->wake_us))
            continue;
        e->handed_epoch = lane->lane.epoch;
        job->execs[job->n++] = copy_exec(&job->arena, &e->exec);
    }
}

/* --- rows of plugins -------------------------------------------------------------------------- */

/* The table, its unique columns and the row's values there; NULL values never conflict. */
static bool unique_key(const struct store_row *row, const struct json *value, struct strbuf *key,
                       const char **why)
{
    strbuf_add(key, row->table.ptr, row->table.len);
    wf_str column, keys, same;
    store_unique_split(row->unique, &keys, &same);
    for (size_t at = 0; store_next_column(keys, &at, &column);) {
        const struct json *v = json_get(value, column.ptr, column.len);
        if (!store_name_ok(column))
            *why = "a column in `unique` is no name";
        else if (!v)
            *why = "a column in `unique` is missing in the row";
        if (*why || v->type == JSON_NULL)
            return false;
        strbuf_addc(key, ' ');
        json_add(key, v);
    }
    return row->unique.len != 0;
}

/* Whether the row that is there has what one with its key must have, too. */
static bool is_same(struct arena *a, const struct mem_row *there, const struct store_row *row,
                    const struct json *value)
{
    wf_str column, keys, same;
    struct json old;
    struct json_error error;
    store_unique_split(row->unique, &keys, &same);
    if (!same.len ||
        json_parse(a, there->row, strlen(there->row), ROW_JSON_DEPTH, &old, &error) != 0)
        return true;
    for (size_t at = 0; store_next_column(same, &at, &column);) {
        const struct json *x = json_get(&old, column.ptr, column.len);
        const struct json *y = json_get(value, column.ptr, column.len);
        if (!x || !y ? x != y : !str_eq(json_text(a, x), json_text(a, y)))
            return false;
    }
    return true;
}

/* NULL when the row may be kept; *key is filled when it is unique. */
static const char *check_row(struct mem_store *m, struct arena *a, const struct store_row *row,
                             struct strbuf *key)
{
    struct json value;
    struct json_error error;
    const char *why = NULL;
    if (!store_table_ok(row->table))
        return "this is no name of a table that plugins may write to";
    if (json_parse(a, row->row.ptr, row->row.len, ROW_JSON_DEPTH, &value, &error) != 0)
        return error.reason;
    if (value.type != JSON_OBJECT)
        return "the row is not a JSON object";
    if (!unique_key(row, &value, key, &why))
        strbuf_clear(key);
    const struct mem_row *there = key->len ? map_get(&m->uniques, key->ptr, key->len) : NULL;
    if (!why && there && !is_same(a, there, row, &value))
        return "a row with the same key is there, with other values in `unique`";
    return why;
}

static void keep_row(struct mem_store *m, const struct store_row *row, const struct strbuf *key)
{
    if (key->len && map_get(&m->uniques, key->ptr, key->len))
        return;
    struct mem_row *it = xcalloc(1, sizeof *it);
    it->table = strndup(row->table.ptr, row->table.len);
    it->row = strndup(row->row.ptr, row->row.len);
    it->next = m->rows;
    m->rows = it;
    if (key->len)
        map_put_copy(&m->uniques, key->ptr, key->len, it);
}

/* Checks all rows that go to no table of a plugin, or keeps them. */
static void walk_rows(struct mem_store *m, struct job *job, bool keep)
{
    const struct store_turn *turn = job->turn;
    struct strbuf key;
    struct arena scratch;
    strbuf_init(&key, 1 << 20);
    arena_init(&scratch, NULL, 0);
    for (uint32_t i = 0; i < turn->n_rows; i++) {
        if (mem_tables_want(m, &turn->rows[i]))
            continue;
        strbuf_clear(&key);
        const char *why = check_row(m, &scratch, &turn->rows[i], &key);
        if (keep)
            keep_row(m, &turn->rows[i], &key);
        else if (why)
            job_bad_row(job, i, why);
        arena_clear(&scratch);
    }
    arena_fini(&scratch);
    strbuf_fini(&key);
}

uint32_t mem_count_rows(struct store *s, const char *table)
{
    struct mem_store *m = mem_of(s);
    uint32_t n = 0;
    pthread_mutex_lock(&m->lock);
    for (const struct mem_row *row = m->rows; row; row = row->next)
        n += !strcmp(row->table, table);
    pthread_mutex_unlock(&m->lock);
    char sql[120], found[24];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM \"%s\"", table);
    mem_tables_text(m, sql, found, sizeof found);
    n += (uint32_t)strtoul(found, NULL, 10);
    return n;
}

/* --- turns ------------------------------------------------------------------------------------ */

static void move_lane(struct mem_store *m, const struct store_block *b)
{
    struct mem_lane *lane = mem_lane_get(m, b->source, b->partition);
    lane->lane.position = b->position_new;
    lane->lane.released = b->released;
    lane->lane.begun = b->begun;
    lane->lane.fresh = false;
    if (!b->seq)
        return;
    lane->lane.block_seq = b->seq;
    keep_block(m, lane, b);
}

static int by_row(const void *a, const void *b)
{
    const struct store_bad_row *x = a, *y = b;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* All rows, or none of them and the turn's result says which were refused. */
static bool take_rows(struct mem_store *m, struct job *job)
{
    mem_tables_begin(m, job);
    walk_rows(m, job, false);
    bool good = job->result.result != STORE_BAD_ROWS;
    if (good)
        walk_rows(m, job, true);
    else
        qsort((struct store_bad_row *)job->result.bad, job->result.n_bad, sizeof *job->result.bad,
              by_row);
    mem_tables_end(m, good);
    return good;
}

static void commit(struct mem_store *m, struct job *job)
{
    const struct store_turn *turn = job->turn;
    for (uint32_t i = 0; i < turn->n_blocks; i++) {
        const struct store_block *b = &turn->blocks[i];
        if (!lane_agrees(mem_lane_get(m, b->source, b->partition), b)) {
            job->result = (struct store_commit_result){ .result = STORE_FENCED, .lane = i };
            return;
        }
    }
    if (turn->n_rows && !take_rows(m, job))
        return;
    for (uint32_t i = 0; i < turn->n_blocks; i++)
        move_lane(m, &turn->blocks[i]);
    for (uint32_t i = 0; i < turn->n_execs; i++)
        keep_exec(m, &turn->execs[i]);
    for (uint32_t i = 0; i < turn->n_ended; i++)
        mem_exec_remove(m, turn->ended[i]);
    for (uint32_t i = 0; i < turn->n_keys; i++)
        mem_key_mark(m, &turn->keys[i]);
    job->result.result = STORE_OK;
}

void mem_run(struct mem_store *m, struct job *job)
{
    pthread_mutex_lock(&m->lock);
    switch (job->kind) {
    case JOB_COMMIT:
        commit(m, job);
        break;
    case JOB_ASSIGN:
        assign(m, job);
        break;
    case JOB_BLOCKS:
        blocks(m, job);
        break;
    case JOB_PARKED:
        parked(m, job);
        break;
    case JOB_LANES_OF:
        lanes_of(m, job);
        break;
    case JOB_STATE:
    case JOB_SQL:
        break;
    }
    pthread_mutex_unlock(&m->lock);
}
