/* SPDX-License-Identifier: Apache-2.0
 * redis.call(...) of Lua steps: any command over the step's own connection, answers as values.
 *
 * The connection is shared by all runs of the step, so what would change it for the others, or hold
 * their answers up, is refused. Thread: the worker's.
 */
#include "redis_int.h"
#include <catalyst/functions.h>
#include <strings.h>

enum { CALL_ARGS_MAX = 100000 };

/* Commands that change the connection, end it, block it, or answer more or less than once. */
static const char *const not_offered[] = {
    "AUTH",         "HELLO",        "SELECT",    "QUIT",       "RESET",      "CLIENT",
    "MONITOR",      "SYNC",         "PSYNC",     "MULTI",      "EXEC",       "DISCARD",
    "WATCH",        "UNWATCH",      "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE",
    "PUNSUBSCRIBE", "SUNSUBSCRIBE", "BLPOP",     "BRPOP",      "BRPOPLPUSH", "BLMOVE",
    "BLMPOP",       "BZPOPMIN",     "BZPOPMAX",  "BZMPOP",     "WAIT",       "WAITAOF",
    "SHUTDOWN",     "DEBUG",        "READONLY",  "READWRITE",  "ASKING",     "REPLICAOF",
    "SLAVEOF",      "FAILOVER",     NULL
};

/* What only reads may run twice. */
static const char *const reading[] = {
    "GET",       "MGET",      "EXISTS",     "TTL",    "PTTL",    "TYPE",
    "STRLEN",    "GETRANGE",  "HGET",       "HMGET",  "HGETALL", "HEXISTS",
    "HLEN",      "HKEYS",     "HVALS",      "LRANGE", "LINDEX",  "LLEN",
    "SMEMBERS",  "SISMEMBER", "SMISMEMBER", "SCARD",  "ZRANGE",  "ZRANGEBYSCORE",
    "ZREVRANGE", "ZSCORE",    "ZRANK",      "ZCARD",  "ZCOUNT",  "GETBIT",
    "BITCOUNT",  "PFCOUNT",   "KEYS",       "SCAN",   "PING",    "TIME",
    "INFO",      NULL
};

static int is_one_of(const char *const *list, const char *word)
{
    for (; *list; list++)
        if (!strcasecmp(*list, word))
            return 1;
    return 0;
}

static const wf_value *args_of(const wf_host *h, wf_item *it)
{
    return h->v->get(h->value(it), "args", 4);
}

static const char *command_of(const wf_host *h, wf_item *it)
{
    return h->v->text(it, h->v->at(args_of(h, it), 0)).ptr;
}

/* XREAD and XREADGROUP wait only when they are told to. */
static int blocks(const wf_host *h, wf_item *it, const char *command)
{
    const wf_value *args = args_of(h, it);
    if (strncasecmp(command, "XREAD", 5) != 0)
        return 0;
    for (size_t i = 1; i < h->v->count(args); i++)
        if (!strcasecmp(h->v->text(it, h->v->at(args, i)).ptr, "BLOCK"))
            return 1;
    return 0;
}

void call_send(struct conn *c, wf_item *it)
{
    const wf_host *h = c->c.h;
    const wf_value *args = args_of(h, it);
    size_t n = h->v->count(args);
    const char *command = command_of(h, it);
    if (!n || !*command || n > CALL_ARGS_MAX || is_one_of(not_offered, command) ||
        blocks(h, it, command)) {
        result_fail(
            h, it, WF_REJECTED, "rejected",
            h->fmt(it, "redis.call: '%.40s' is not offered on a shared connection", command).ptr);
        return;
    }
    const char **argv = h->alloc(it, n * sizeof *argv);
    size_t *lens = h->alloc(it, n * sizeof *lens);
    for (size_t i = 0; i < n; i++) {
        wf_str text = h->v->text(it, h->v->at(args, i));
        argv[i] = text.ptr;
        lens[i] = text.len;
    }
    struct job *job = (struct job *)wf_conn_call_new(&c->c, 1);
    conn_send(c, job, (int)n, argv, lens);
    wf_conn_call_park(&job->call, 0, it, CALL_TIMEOUT_MS);
}

int call_is_harmless(const wf_host *h, wf_item *it)
{
    return is_one_of(reading, command_of(h, it));
}

static void *call_open(const wf_host *h, wf_inst *inst, const wf_cred *cred, wf_error *why)
{
    static const char none[] = "the step names no credential of type redis";
    if (cred)
        return conn_create(h, inst, cred, why);
    *why =
        (wf_error){ .size = sizeof *why, .fault = WF_ACCOUNT, .detail = { none, sizeof none - 1 } };
    return NULL;
}

static void call(const wf_host *h, void *state, wf_item *it)
{
    (void)h;
    wf_conn_take(state, &it, 1);
}

static const wf_function functions[] = {
    { .name = "redis.call",
      .help = "Run a command of Redis",
      .cred = "redis",
      .open = call_open,
      .close = conn_close,
      .call = call },
};

WF_FUNCTIONS(functions);
