/* SPDX-License-Identifier: Apache-2.0
 * pg_sql_int: the connection for plugins' statements, and the calls on it.
 *
 *   pg_sql.c       connecting, reading, limits of time
 *   pg_sql_call.c  what a call sends, and what its answers mean
 */
#ifndef CATALYST_STORE_PG_SQL_INT_H
#define CATALYST_STORE_PG_SQL_INT_H
#include "store/pg_int.h"
#include "store/sql_int.h"

enum sql_state {
    SQL_REST = 1,   /* no connection, and nobody who needs one */
    SQL_DOWN,       /* waits for its timer to connect */
    SQL_CONNECTING, /* libpq shakes hands */
    SQL_READY,
};

/* What the connection answers next, in the order of sending. */
enum sql_step_kind {
    STEP_SETUP = 1,
    STEP_SETUP_END,
    STEP_PREPARE,
    STEP_PREPARE_END,
    STEP_BEGIN, /* of a call that decides at its end whether it was all in vain */
    STEP_STATEMENT,
    STEP_END,     /* the sync behind a call */
    STEP_VERDICT, /* COMMIT or ROLLBACK of such a call */
    STEP_VERDICT_END,
};
struct sql_step {
    enum sql_step_kind kind;
    struct sql_call *call;
    struct sql_prepared *prepared;
    size_t statement;
};

/* A statement's text on this connection. */
struct sql_prepared {
    struct link link;
    char name[24];
    bool is_bad; /* why it could not be prepared */
    char why[300], sqlstate[6];
};

struct pg_sql {
    struct store_session *session; /* not once it is closed */
    struct loop *loop;
    enum sql_state state;
    PGconn *conn;
    struct watch *watch;
    struct timer timer; /* of the state: back-off, connecting */
    struct timer tick;  /* looks for calls that wait too long */
    int64_t backoff_us, heard_us;
    unsigned rotation;
    uint64_t random;
    struct link waiting, flying, refused; /* struct sql_call */
    unsigned n_flying;
    struct sql_call *verdict; /* a call that needs a second round trip: nothing else is sent */
    struct sql_step *steps;   /* a ring */
    unsigned first_step, n_steps, steps_size;
    struct map prepared; /* text -> struct sql_prepared */
    struct link all_prepared;
    unsigned n_prepared;
    bool is_wrong_server; /* it says that it cannot serve: look for another */
    bool is_closed;
    unsigned depth;
};

/* pg_sql.c */
struct sql_step *sql_step_add(struct pg_sql *q, enum sql_step_kind kind, struct sql_call *call);
/* Ends the connection: what is under way is told, what waits goes on with the next one. */
void sql_lost(struct pg_sql *q, const char *reason);

/* pg_sql_call.c */
/* Memory of the kind in a call. */
void sql_call_begin(struct sql_call *call);
void sql_call_drop(struct sql_call *call);
bool sql_call_is_alone(const struct sql_call *call); /* needs a second round trip */
/* -1: the connection broke. */
int sql_call_send(struct pg_sql *q, struct sql_call *call);
/* The first step was answered; takes the result. */
void sql_call_result(struct pg_sql *q, const struct sql_step *step, PGresult *r);
/* The sync behind it was. True: the call is over and to be told. -1 in *rc: the connection broke.
 */
bool sql_call_end(struct pg_sql *q, const struct sql_step *step, int *rc);
void sql_call_tell(struct pg_sql *q, struct sql_call *call);
/* Told that the connection broke. */
void sql_call_tell_lost(struct pg_sql *q, struct sql_call *call, const char *reason);

#endif
