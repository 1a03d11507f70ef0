/* SPDX-License-Identifier: Apache-2.0
 * The lanes of a turn: moved all or none, and read back when nobody knows whether they moved.
 *
 * A lane's row is updated by every commit. While somebody holds a transaction open for long, none
 * of its old versions may go, and finding the living one by the key takes longer with every commit.
 * So the session remembers the place (ctid) of each lane's row and looks there first; the
 * compare-and-set holds as before. When the row is somewhere else by now, it is looked for by the
 * key once. Thread: the loop's; nothing blocks.
 */
#include "store/pg_int.h"
#include <stdlib.h>

#define MOVE                                                                                       \
    "SET position = w.new, released = w.released, begun = w.begun, fresh = false, token = $9, "    \
    "block_seq = CASE w.seq WHEN 0 THEN p.block_seq ELSE w.seq END FROM w "                        \
    "WHERE p.source = w.source AND p.partition = w.partition AND p.epoch = w.epoch "               \
    "AND p.position = w.old AND (w.seq = 0 OR p.block_seq = w.seq - 1) "
#define MOVED                                                                                      \
    "RETURNING w.i, p.ctid AS place) SELECT catalyst_fence($10, (SELECT count(*) FROM moved)), "   \
    "(SELECT array_agg(place ORDER BY i) FROM moved)"

const struct pg_statement pg_fence_statements[] = {
    { "fence", "WITH w AS (SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], "
               "$5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[]) WITH ORDINALITY "
               "AS w(source, partition, epoch, old, new, seq, released, begun, i)), "
               "moved AS (UPDATE source_position p " MOVE MOVED },
    { "fence_at",
      "WITH w AS (SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], "
      "$5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $11::tid[]) WITH ORDINALITY "
      "AS w(source, partition, epoch, old, new, seq, released, begun, place, i)), "
      "moved AS (UPDATE source_position p " MOVE "AND p.ctid = w.place " MOVED },
    { "read_back", "SELECT w.i::int, p.epoch, p.position, p.block_seq, p.token "
                   "FROM unnest($1::int[], $2::int[]) WITH ORDINALITY AS w(source, partition, i) "
                   "JOIN source_position p ON p.source = w.source AND p.partition = w.partition "
                   "FOR NO KEY UPDATE OF p" },
    { NULL, NULL },
};

/* --- places ----------------------------------------------------------------------------------- */

enum { TID_BYTES = 6 };

struct pg_place {
    struct job_lane lane; /* the map's key */
    char tid[TID_BYTES];
};

static struct pg_place *find_place(struct pg_session *ps, const struct store_block *b)
{
    struct job_lane lane = { b->source, b->partition };
    return map_get(&ps->places, (const char *)&lane, sizeof lane);
}

void pg_fence_moved(struct arena *a, const PGresult *r, wf_str *places)
{
    wf_str array = pg_get_bytes(r, 0, 1);
    *places = array.ptr ? arena_str(a, array.ptr, array.len) : array;
}

void pg_fence_remember(struct pg_session *ps, const struct store_turn *turn, wf_str places)
{
    enum { HEAD_BYTES = 20, ENTRY_BYTES = 4 + TID_BYTES };
    if (places.len != HEAD_BYTES + (size_t)turn->n_blocks * ENTRY_BYTES)
        return; /* an array without NULLs, one entry for each lane */
    for (uint32_t i = 0; i < turn->n_blocks; i++) {
        const struct store_block *b = &turn->blocks[i];
        struct pg_place *place = find_place(ps, b);
        if (!place) {
            place = xcalloc(1, sizeof *place);
            place->lane = (struct job_lane){ b->source, b->partition };
            map_put(&ps->places, (const char *)&place->lane, sizeof place->lane, place);
        }
        memcpy(place->tid, places.ptr + HEAD_BYTES + (size_t)i * ENTRY_BYTES + 4, TID_BYTES);
    }
}

void pg_fence_forget(struct pg_session *ps, const struct store_turn *turn)
{
    for (uint32_t i = 0; i < turn->n_blocks; i++) {
        struct job_lane lane = { turn->blocks[i].source, turn->blocks[i].partition };
        free(map_take(&ps->places, (const char *)&lane, sizeof lane));
    }
}

void pg_places_fini(struct pg_session *ps)
{
    struct map_slot *slot;
    for (size_t at = 0; map_each(&ps->places, &at, &slot);)
        free(slot->value);
    map_fini(&ps->places);
}

/* The places of all lanes; false when one is not known. */
static bool put_places(struct pg_session *ps, struct arena *a, const struct store_turn *turn,
                       struct pg_params *p)
{
    uint32_t n = turn->n_blocks;
    static const uint32_t type = PG_TID;
    struct pg_array places;
    pg_arrays(a, &type, 1, n, &places);
    for (uint32_t i = 0; i < n; i++) {
        const struct pg_place *place = find_place(ps, &turn->blocks[i]);
        if (!place)
            return false;
        pg_add_tid(&places, place->tid);
    }
    pg_put_array(p, &places);
    return true;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* A lane's key, which is all of "read_back", and the rest of "fence". */
enum {
    SOURCE,
    PARTITION,
    LANE_COLUMNS,
    EPOCH = LANE_COLUMNS,
    OLD,
    NEW,
    SEQ,
    RELEASED,
    BEGUN,
    FENCE_COLUMNS
};
static const uint32_t fence_types[FENCE_COLUMNS] = {
    [SOURCE] = PG_INT4, [PARTITION] = PG_INT4, [EPOCH] = PG_INT8,    [OLD] = PG_INT8,
    [NEW] = PG_INT8,    [SEQ] = PG_INT8,       [RELEASED] = PG_INT8, [BEGUN] = PG_INT8,
};

static void add_lane(struct pg_array *columns, const struct store_block *b)
{
    pg_add_i32(&columns[SOURCE], b->source);
    pg_add_i32(&columns[PARTITION], b->partition);
}

int pg_fence_send(struct pg_session *ps, struct arena *a, const struct store_turn *turn,
                  uint64_t token, unsigned tag)
{
    struct pg_params p = { .n = 0 };
    struct pg_array columns[FENCE_COLUMNS];
    pg_arrays(a, fence_types, FENCE_COLUMNS, turn->n_blocks, columns);
    for (uint32_t i = 0; i < turn->n_blocks; i++) {
        const struct store_block *b = &turn->blocks[i];
        add_lane(columns, b);
        pg_add_i64(&columns[EPOCH], b->epoch);
        pg_add_i64(&columns[OLD], b->position_old);
        pg_add_i64(&columns[NEW], b->position_new);
        pg_add_i64(&columns[SEQ], b->seq);
        pg_add_i64(&columns[RELEASED], b->released);
        pg_add_i64(&columns[BEGUN], b->begun);
    }
    pg_put_arrays(&p, columns, FENCE_COLUMNS);
    pg_put_i64(&p, token);
    pg_put_i64(&p, turn->n_blocks);
    bool has_places = put_places(ps, a, turn, &p);
    return pg_send(ps, tag, has_places ? "fence_at" : "fence", &p);
}

int pg_read_back_send(struct pg_session *ps, struct arena *a, const struct store_turn *turn,
                      unsigned tag)
{
    struct pg_params p = { .n = 0 };
    struct pg_array columns[LANE_COLUMNS];
    pg_arrays(a, fence_types, LANE_COLUMNS, turn->n_blocks, columns);
    for (uint32_t i = 0; i < turn->n_blocks; i++)
        add_lane(columns, &turn->blocks[i]);
    pg_put_arrays(&p, columns, LANE_COLUMNS);
    return pg_send(ps, tag, "read_back", &p);
}
