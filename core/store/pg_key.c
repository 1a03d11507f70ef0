/* SPDX-License-Identifier: Apache-2.0
 * Claims of idempotency keys in PostgreSQL: one statement each, which may be repeated. Thread: any;
 * blocks.
 */
#include "store/pg_int.h"

/* The row as it was before the statement; what another transaction has just put there is not seen,
 * and so has no print. */
#define CLAIM                                                                                      \
    "WITH claimed AS (INSERT INTO webhook_key AS k (source, key, print, token, owner, "            \
    "expires_at) VALUES ($1::int, $2::text, $3::text, $4::bigint, $5::int, "                       \
    "now() + $6::bigint * interval '1 millisecond') ON CONFLICT (source, key) DO UPDATE SET "      \
    "print = excluded.print, token = excluded.token, owner = excluded.owner, accepted = false, "   \
    "status = NULL, headers = NULL, body = NULL, expires_at = excluded.expires_at "                \
    "WHERE (k.token = excluded.token AND NOT k.accepted) OR k.expires_at <= now() "                \
    "OR (NOT k.accepted AND NOT EXISTS (SELECT FROM engine_instance i "                            \
    "WHERE i.id = k.owner AND i.taken_by IS NULL)) RETURNING 1) "                                  \
    "SELECT (SELECT count(*) FROM claimed), k.print, k.status, k.headers, k.body "                 \
    "FROM (VALUES (1)) one LEFT JOIN webhook_key k ON k.source = $1::int AND k.key = $2::text"

static wf_str copied(struct arena *a, wf_str s)
{
    return s.ptr ? arena_str(a, s.ptr, s.len) : (wf_str){ "", 0 };
}

int pg_key_claim(struct store *s, const struct store_key *key, struct arena *a,
                 struct store_key_found *found, struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_int(&args, key->source);
    pg_arg_str(&args, key->key);
    pg_arg_str(&args, key->print);
    pg_arg_int(&args, (int64_t)key->token);
    pg_arg_int(&args, key->instance);
    pg_arg_int(&args, key->keep_ms);
    PGresult *r = pg_query(pg_of(s), PG_KEYS, "claim a key", CLAIM, &args, true, err);
    if (!r)
        return -1;
    wf_str print = pg_get_bytes(r, 0, 1);
    if (pg_get_i64(r, 0, 0)) {
        found->state = STORE_KEY_NEW;
    } else if (print.ptr && !str_eq(print, key->print)) {
        found->state = STORE_KEY_OTHER;
    } else if (!print.ptr || PQgetisnull(r, 0, 2)) {
        found->state = STORE_KEY_BUSY;
    } else {
        found->state = STORE_KEY_ANSWERED;
        found->status = (int)pg_get_i32(r, 0, 2);
        found->headers = copied(a, pg_get_bytes(r, 0, 3));
        found->body = copied(a, pg_get_bytes(r, 0, 4));
    }
    PQclear(r);
    return 0;
}

int pg_key_release(struct store *s, const struct store_key *key, struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_int(&args, key->source);
    pg_arg_str(&args, key->key);
    pg_arg_int(&args, (int64_t)key->token);
    PGresult *r = pg_query(pg_of(s), PG_KEYS, "release a key",
                           "DELETE FROM webhook_key WHERE source = $1::int AND key = $2::text "
                           "AND token = $3::bigint AND NOT accepted",
                           &args, false, err);
    PQclear(r);
    return r ? 0 : -1;
}
