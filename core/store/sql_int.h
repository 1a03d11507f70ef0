/* SPDX-License-Identifier: Apache-2.0
 * sql_int: a call of store_sql inside the room: a copy of what was asked, and how it is answered.
 */
#ifndef CATALYST_STORE_SQL_INT_H
#define CATALYST_STORE_SQL_INT_H
#include "store/store_int.h"

struct sql_call {
    struct link link; /* of whoever has it */
    struct arena arena;
    wf_statement *statements;
    size_t n, bytes;
    store_on_rows *done;
    void *arg;
    int64_t began_us;
    const char *refused; /* by the limits: to be told later, and not to be run; or NULL */
    void *own;           /* the kind's */
};

/* Untold. */
void sql_call_free(struct sql_call *call);
/* [loop] Tells the caller and frees the call. The session may be closed in there. */
void sql_tell(struct store_session *ss, struct sql_call *call, const wf_rows *rows);
/* [loop] The same with an error. */
void sql_tell_error(struct store_session *ss, struct sql_call *call, bool retryable,
                    bool maybe_done, const char *error);
/* What is said of a WF_SQL_MUST_HIT statement that hit no row. */
const char *sql_missed(struct arena *a, size_t statement);

#endif
