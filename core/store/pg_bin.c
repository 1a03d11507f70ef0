/* SPDX-License-Identifier: Apache-2.0
 * PostgreSQL's binary forms: big-endian integers, times since 2000, arrays with a length before
 * each entry. Thread: any; nothing blocks.
 */
#include "store/pg_int.h"
#include <endian.h>
#include <string.h>

/* From 1970 to 2000. */
#define EPOCH_US INT64_C(946684800000000)

/* --- parameters ------------------------------------------------------------------------------- */

static void put(struct pg_params *p, const char *value, size_t length)
{
    BUG_IF(p->n == PG_PARAMS_MAX);
    p->values[p->n] = value;
    p->lengths[p->n] = (int)length;
    p->formats[p->n++] = 1;
}

void pg_put_i32(struct pg_params *p, uint32_t n)
{
    uint32_t big = htobe32(n);
    char *to = (char *)&p->numbers[p->n];
    memcpy(to, &big, 4);
    put(p, to, 4);
}

void pg_put_i64(struct pg_params *p, uint64_t n)
{
    p->numbers[p->n] = htobe64(n);
    put(p, (const char *)&p->numbers[p->n], 8);
}

/* The ends of time are PostgreSQL's infinities. */
static uint64_t time_of(int64_t us)
{
    return (uint64_t)(us == INT64_MAX || us == INT64_MIN ? us : us - EPOCH_US);
}

void pg_put_time(struct pg_params *p, int64_t us) { pg_put_i64(p, time_of(us)); }

void pg_put_bytes(struct pg_params *p, wf_str s) { put(p, s.ptr, s.len); }

/* --- arrays ----------------------------------------------------------------------------------- */

static void add_be32(struct pg_array *to, uint32_t n)
{
    n = htobe32(n);
    memcpy(to->at, &n, 4);
    to->at += 4;
}

static void add_be64(struct pg_array *to, uint64_t n)
{
    n = htobe64(n);
    memcpy(to->at, &n, 8);
    to->at += 8;
}

struct pg_array pg_array(struct arena *a, uint32_t type, uint32_t n, size_t content_bytes)
{
    struct pg_array to;
    to.begin = to.at = arena_alloc(a, 20 + (size_t)n * 4 + content_bytes);
    add_be32(&to, n ? 1 : 0); /* dimensions */
    add_be32(&to, 1);         /* may hold NULL */
    add_be32(&to, type);
    if (n) {
        add_be32(&to, n);
        add_be32(&to, 1); /* the first index */
    }
    return to;
}

/* Bytes of an entry; texts have no width. */
static size_t width_of(uint32_t type)
{
    switch (type) {
    case PG_INT2:
        return 2;
    case PG_INT4:
        return 4;
    case PG_TID:
        return 6;
    case PG_INT8:
    case PG_TIMESTAMPTZ:
        return 8;
    default:
        BUG_IF(true);
        return 0;
    }
}

void pg_arrays(struct arena *a, const uint32_t *types, unsigned n_types, uint32_t n,
               struct pg_array *to)
{
    for (unsigned i = 0; i < n_types; i++)
        to[i] = pg_array(a, types[i], n, n * width_of(types[i]));
}

void pg_put_arrays(struct pg_params *p, const struct pg_array *arrays, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        pg_put_array(p, &arrays[i]);
}

void pg_add_i16(struct pg_array *to, uint16_t n)
{
    add_be32(to, 2);
    n = htobe16(n);
    memcpy(to->at, &n, 2);
    to->at += 2;
}

void pg_add_i32(struct pg_array *to, uint32_t n)
{
    add_be32(to, 4);
    add_be32(to, n);
}

void pg_add_i64(struct pg_array *to, uint64_t n)
{
    add_be32(to, 8);
    add_be64(to, n);
}

void pg_add_time(struct pg_array *to, int64_t us)
{
    if (!us) {
        add_be32(to, UINT32_MAX);
        return;
    }
    pg_add_i64(to, time_of(us));
}

void pg_add_tid(struct pg_array *to, const char tid[6])
{
    add_be32(to, 6);
    memcpy(to->at, tid, 6);
    to->at += 6;
}

void pg_add_text(struct pg_array *to, wf_str s)
{
    add_be32(to, (uint32_t)s.len);
    if (s.len)
        memcpy(to->at, s.ptr, s.len);
    to->at += s.len;
}

void pg_add_null(struct pg_array *to) { add_be32(to, UINT32_MAX); }

void pg_put_array(struct pg_params *p, const struct pg_array *array)
{
    put(p, array->begin, (size_t)(array->at - array->begin));
}

/* --- results ---------------------------------------------------------------------------------- */

uint16_t pg_get_i16(const PGresult *r, int row, int column)
{
    uint16_t n;
    memcpy(&n, PQgetvalue(r, row, column), 2);
    return be16toh(n);
}

uint32_t pg_get_i32(const PGresult *r, int row, int column)
{
    uint32_t n;
    memcpy(&n, PQgetvalue(r, row, column), 4);
    return be32toh(n);
}

uint64_t pg_get_i64(const PGresult *r, int row, int column)
{
    uint64_t n;
    memcpy(&n, PQgetvalue(r, row, column), 8);
    return be64toh(n);
}

bool pg_get_bool(const PGresult *r, int row, int column)
{
    return *PQgetvalue(r, row, column) != 0;
}

int64_t pg_get_time(const PGresult *r, int row, int column)
{
    if (PQgetisnull(r, row, column))
        return 0;
    int64_t raw = (int64_t)pg_get_i64(r, row, column);
    return raw == INT64_MAX ? raw : raw + EPOCH_US;
}

int64_t pg_get_wake(const PGresult *r, int row, int column)
{
    int64_t us = pg_get_time(r, row, column);
    return us == INT64_MAX ? 0 : us;
}

wf_str pg_get_bytes(const PGresult *r, int row, int column)
{
    if (PQgetisnull(r, row, column))
        return (wf_str){ 0 };
    return (wf_str){ PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column) };
}

void pg_get_block(const PGresult *r, int row, struct kept_block *out)
{
    *out = (struct kept_block){ .source = pg_get_i32(r, row, 0),
                                .partition = pg_get_i32(r, row, 1),
                                .seq = pg_get_i64(r, row, 2),
                                .n = pg_get_i32(r, row, 3),
                                .position_min = pg_get_i64(r, row, 4),
                                .position_max = pg_get_i64(r, row, 5),
                                .version = pg_get_i64(r, row, 6),
                                .started_us = (int64_t)pg_get_i64(r, row, 7),
                                .n_outputs = pg_get_i32(r, row, 8),
                                .inputs_bytes = pg_get_i32(r, row, 9),
                                .outputs_bytes = pg_get_i32(r, row, 10),
                                .checksum = (uint32_t)pg_get_i64(r, row, 11),
                                .positions = pg_get_bytes(r, row, 12),
                                .versions = pg_get_bytes(r, row, 13),
                                .statuses = pg_get_bytes(r, row, 14),
                                .durations = pg_get_bytes(r, row, 15),
                                .started = pg_get_bytes(r, row, 16),
                                .payload = pg_get_bytes(r, row, 17) };
}
