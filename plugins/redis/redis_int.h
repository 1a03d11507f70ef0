/* SPDX-License-Identifier: Apache-2.0
 * What the files of the redis plugin share.
 *
 *   redis.c    parameters, the plugin
 *   conn.c     one connection per worker and node, on the worker's loop
 *   command.c  an item becomes commands
 *   result.c   answers become outputs or failures
 */
#ifndef PLUGIN_REDIS_INT_H
#define PLUGIN_REDIS_INT_H
#include <catalyst/plugin.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

struct conn;

/* A command under way, or an item that waits for the connection. */
struct job {
    struct job *next;
    struct conn *conn;
    wf_ticket ticket;
    int step; /* of operations that ask twice */
};

typedef void conn_reply_fn(const wf_host *h, wf_item *it, struct job *job, redisReply *reply);

void *conn_open(const wf_host *h, wf_inst *inst, wf_error *why);
void conn_close(const wf_host *h, void *state);
/* Sends the item's commands now, or when the connection is up. Parks the item. */
void conn_take(struct conn *c, wf_item *it);
/* One command whose answer ends the item, or NULL `job`: one whose answer nobody needs. */
int conn_send(struct conn *c, struct job *job, int argc, const char **argv, const size_t *lens);
/* Parks the item for this job. */
void conn_wait(struct job *job, wf_item *it);
const wf_host *conn_host(const struct conn *c);

/* --- commands, results ------------------------------------------------------------------------ */

/* Sends what the item asks for as `job`, which the answer ends; on failure the item is failed and
 * the job freed. */
void command_send(struct conn *c, wf_item *it, struct job *job);
/* Ends the item, or sends its next command: then 1 and the job lives on. */
int result_take(wf_item *it, struct job *job, const redisReply *reply);
/* The connection broke under a command. */
void result_lost(const wf_host *h, wf_item *it, const char *why);
void result_fail(const wf_host *h, wf_item *it, wf_fault fault, const char *code, const char *why);

#endif
