/* SPDX-License-Identifier: Apache-2.0
 * What the files of the redis plugin share.
 *
 *   redis.c    parameters, the plugin
 *   conn.c     one connection per worker and node: hiredis's reader over a socket of the loop
 *   command.c  an item becomes commands
 *   result.c   answers become outputs or failures
 *   call.c     redis.call() of Lua steps; its items have no config
 */
#ifndef PLUGIN_REDIS_INT_H
#define PLUGIN_REDIS_INT_H
#include <catalyst/conn.h>
#include <catalyst/stream.h>
#include <hiredis/hiredis.h>

enum {
    OP_DELETE,
    OP_GET,
    OP_SET,
    OP_INCR,
    OP_INFO,
    OP_KEYS,
    OP_LLEN,
    OP_POP,
    OP_PUSH,
    OP_PUBLISH,
    OP_HGET,
    OP_HSET,
    OP_HGETALL,
    OP_ZADD,
    OP_ZRANGE,
    OP_EVAL
};
enum { TYPE_AUTOMATIC, TYPE_HASH, TYPE_LIST, TYPE_SETS, TYPE_STRING };

struct text_row {
    wf_str value;
};

struct config {
    const wf_cred *credential;
    int operation, type, expire, tail, get_values, dots, with_scores, reverse, value_is_json;
    wf_str key, list, field, property, pattern, channel, message, member, script;
    const wf_value *value;
    int64_t ttl_s, start, stop, timeout_ms;
    double score;
    wf_list keys, args; /* struct text_row */
};

/* --- the connection --------------------------------------------------------------------------- */

struct conn {
    wf_conn c; /* first */
    const wf_cred *cred;
    wf_stream stream;
    SSL_CTX *tls;        /* NULL: in the clear */
    redisReader *reader; /* NULL while there is no connection */
    size_t fed;          /* bytes of the answer that is not complete */
    unsigned greetings;  /* whose answers have not come */
    unsigned skip;       /* answers of commands that belong to the next job */
};

/* A command under way for an item; without one, a greeting or a ping. */
struct job {
    wf_conn_call call;
    int step;      /* of operations that ask twice */
    unsigned skip; /* answers to drop before its own */
};

void *conn_open(const wf_host *h, wf_inst *inst, wf_error *why);
void conn_close(const wf_host *h, void *state);
void *conn_create(const wf_host *h, wf_inst *inst, const wf_cred *cred, wf_error *why);
/* Adds one command to what leaves. With NULL the next job's answer comes after its own. */
void conn_send(struct conn *c, struct job *job, int argc, const char *const *argv,
               const size_t *lens);

/* --- calls of Lua steps ----------------------------------------------------------------------- */

enum { CALL_TIMEOUT_MS = 10000 };

void call_send(struct conn *c, wf_item *it);
/* Whether its command may run twice. */
int call_is_harmless(const wf_host *h, wf_item *it);

/* --- commands, results ------------------------------------------------------------------------ */

/* Sends what the item asks for; what cannot be sent is failed. */
void command_send(struct conn *c, wf_item *it);
/* Ends the item, or sends its next command: then 1 and the job lives on. */
int result_take(wf_item *it, struct job *job, const redisReply *reply);
/* The connection broke under a command. */
void result_lost(const struct conn *c, wf_item *it);
void result_fail(const wf_host *h, wf_item *it, wf_fault fault, const char *code, const char *why);

#endif
