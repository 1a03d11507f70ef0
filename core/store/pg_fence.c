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
    "SET position = w.new, released = w.released, fresh = false, token = $8, "                     \
    "block_seq = CASE w.seq WHEN 0 THEN p.block_seq ELSE w.seq END FROM w "                        \
    "WHERE p.source = w.source AND p.partition = w.partition AND p.epoch = w.epoch "               \
    "AND p.position = w.old AND (w.seq = 0 OR p.block_seq = w.seq - 1) "
#define MOVED                                                                                      \
    "RETURNING w.i, p.ctid AS place) SELECT catalyst_fence($9, (SELECT count(*) FROM moved)), "    \
    "(SELECT array_agg(place ORDER BY i) FROM moved)"

const struct pg_statement pg_fence_statements[] = {
    { "fence", "WITH w AS (SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], "
               "$5::bigint[], $6::bigint[], $7::bigint[]) WITH ORDINALITY "
               "AS w(source, partition, epoch, old, new, seq, released, i)), "
               "moved AS (UPDATE source_position p " MOVE MOVED },
    { "fence_at",
      "WITH w AS (SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], "
      "$5::bigint[], $6::bigint[], $7::bigint[], $10::tid[]) WITH ORDINALITY "
      "AS w(source, partition, epoch, old, new, seq, released, place, i)), "
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
    struct pg_array places = pg_array(a, PG_TID, n, TID_BYTES * (size_t)n);
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

static void put_lanes(struct arena *a, const struct store_turn *turn, struct pg_params *p)
{
    uint32_t n = turn->n_blocks;
    struct pg_array source = pg_array(a, PG_INT4, n, 4 * (size_t)n);
    struct pg_array partition = pg_array(a, PG_INT4, n, 4 * (size_t)n);
    for (uint32_t i = 0; i < n; i++) {
        pg_add_i32(&source, turn->blocks[i].source);
        pg_add_i32(&partition, turn->blocks[i].partition);
    }
    pg_put_array(p, &source);
    pg_put_array(p, &partition);
}

int pg_fence_send(struct pg_session *ps, struct arena *a, const struct store_turn *turn,
                  uint64_t token, unsigned tag)
{
    uint32_t n = turn->n_blocks;
    struct pg_params p = { .n = 0 };
    struct pg_array columns[5]; /* epoch, old, new, seq, released */
    put_lanes(a, turn, &p);
    for (int i = 0; i < 5; i++)
        columns[i] = pg_array(a, PG_INT8, n, 8 * (size_t)n);
    for (uint32_t i = 0; i < n; i++) {
        const struct store_block *b = &turn->blocks[i];
        pg_add_i64(&columns[0], b->epoch);
        pg_add_i64(&columns[1], b->position_old);
        pg_add_i64(&columns[2], b->position_new);
        pg_add_i64(&columns[3], b->seq);
        pg_add_i64(&columns[4], b->released);
    }
    for (int i = 0; i < 5; i++)
        pg_put_array(&p, &columns[i]);
    pg_put_i64(&p, token);
    pg_put_i64(&p, n);
    bool has_places = put_places(ps, a, turn, &p);
    return pg_send(ps, tag, has_places ? "fence_at" : "fence", &p);
}

int pg_read_back_send(struct pg_session *ps, struct arena *a, const struct store_turn *turn,
                      unsigned tag)
{
    struct pg_params p = { .n = 0 };
    put_lanes(a, turn, &p);
    return pg_send(ps, tag, "read_back", &p);
}
