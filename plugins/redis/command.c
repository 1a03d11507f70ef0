/* SPDX-License-Identifier: Apache-2.0
 * An item becomes one command, or a few that are sent together. Thread: the worker's.
 */
#include "redis_int.h"

enum { ARGS_FIXED = 8 };

/* A command being written; memory is the item's. */
struct command {
    const wf_host *h;
    wf_item *it;
    const struct config *c;
    struct conn *conn;
    struct job *job;
    const char **argv;
    size_t *lens;
    int argc, size;
};

static void begin(struct command *m, int size)
{
    m->argv = m->h->alloc(m->it, (size_t)size * sizeof *m->argv);
    m->lens = m->h->alloc(m->it, (size_t)size * sizeof *m->lens);
    m->argc = 0;
    m->size = size;
}

static void arg(struct command *m, wf_str s)
{
    m->argv[m->argc] = s.ptr;
    m->lens[m->argc++] = s.len;
}

static void word(struct command *m, const char *text) { arg(m, (wf_str){ text, strlen(text) }); }

static void number(struct command *m, int64_t n) { arg(m, m->h->fmt(m->it, "%lld", (long long)n)); }

static int send_last(struct command *m)
{
    return conn_send(m->conn, m->job, m->argc, m->argv, m->lens);
}

/* One whose answer nobody needs: EXEC or the last command tells. */
static int send_more(struct command *m)
{
    return conn_send(m->conn, NULL, m->argc, m->argv, m->lens);
}

static int simple(struct command *m, const char *name, wf_str a)
{
    begin(m, ARGS_FIXED);
    word(m, name);
    arg(m, a);
    return send_last(m);
}

static int lone(struct command *m, const char *name)
{
    begin(m, ARGS_FIXED);
    word(m, name);
    return 0;
}

/* --- set -------------------------------------------------------------------------------------- */

static int set_string(struct command *m)
{
    begin(m, ARGS_FIXED);
    word(m, "SET");
    arg(m, m->c->key);
    arg(m, m->h->v->text(m->it, m->c->value));
    if (m->c->expire) {
        word(m, "EX");
        number(m, m->c->ttl_s);
    }
    return send_last(m);
}

static void fill_hash(struct command *m, const wf_value *object)
{
    const wf_values *v = m->h->v;
    size_t n = v->count(object);
    begin(m, (int)n * 2 + 2);
    word(m, "HSET");
    arg(m, m->c->key);
    for (size_t i = 0; i < n; i++) {
        arg(m, v->key(object, i));
        arg(m, v->text(m->it, v->at(object, i)));
    }
}

static void fill_list(struct command *m, const char *name, const wf_value *array)
{
    const wf_values *v = m->h->v;
    size_t n = v->count(array);
    begin(m, (int)n + 2);
    word(m, name);
    arg(m, m->c->key);
    for (size_t i = 0; i < n; i++)
        arg(m, v->text(m->it, v->at(array, i)));
}

/* As one transaction: a list and a set are replaced, a hash gets fields. */
static int set_whole(struct command *m, int type, const wf_value *value)
{
    lone(m, "MULTI");
    if (send_more(m) != 0)
        return -1;
    if (type != TYPE_HASH) {
        lone(m, "DEL");
        arg(m, m->c->key);
        if (send_more(m) != 0)
            return -1;
    }
    if (type == TYPE_HASH)
        fill_hash(m, value);
    else
        fill_list(m, type == TYPE_LIST ? "RPUSH" : "SADD", value);
    if (m->h->v->count(value) && send_more(m) != 0)
        return -1;
    if (m->c->expire) {
        lone(m, "EXPIRE");
        arg(m, m->c->key);
        number(m, m->c->ttl_s);
        if (send_more(m) != 0)
            return -1;
    }
    lone(m, "EXEC");
    return send_last(m);
}

static int send_set(struct command *m)
{
    const wf_values *v = m->h->v;
    const wf_value *value = m->c->value;
    int type = m->c->type;
    if ((type == TYPE_HASH || type == TYPE_LIST || type == TYPE_SETS) &&
        v->type(value) == WF_JSON_STRING) {
        const char *why;
        const wf_value *parsed = v->parse(m->it, v->text(m->it, value), &why);
        value = parsed ? parsed : value;
    }
    wf_json_type is = v->type(value);
    if (type == TYPE_AUTOMATIC)
        type = is == WF_JSON_OBJECT ? TYPE_HASH : is == WF_JSON_ARRAY ? TYPE_LIST : TYPE_STRING;
    if (type == TYPE_STRING)
        return set_string(m);
    if (is != (type == TYPE_HASH ? WF_JSON_OBJECT : WF_JSON_ARRAY)) {
        result_fail(m->h, m->it, WF_REJECTED, "value",
                    type == TYPE_HASH ? "a hash wants an object" : "a list or set wants an array");
        free(m->job);
        return 1;
    }
    return set_whole(m, type, value);
}

/* --- get -------------------------------------------------------------------------------------- */

static int send_get(struct command *m, int type)
{
    begin(m, ARGS_FIXED);
    word(m, type == TYPE_HASH   ? "HGETALL"
            : type == TYPE_LIST ? "LRANGE"
            : type == TYPE_SETS ? "SMEMBERS"
                                : "GET");
    arg(m, m->c->key);
    if (type == TYPE_LIST) {
        word(m, "0");
        word(m, "-1");
    }
    return send_last(m);
}

/* --- the others ------------------------------------------------------------------------------- */

static int send_incr(struct command *m)
{
    if (!m->c->expire)
        return simple(m, "INCR", m->c->key);
    /* One script: an INCR whose EXPIRE was lost would count for ever. */
    begin(m, ARGS_FIXED);
    word(m, "EVAL");
    word(m, "local n=redis.call('INCR',KEYS[1]) redis.call('EXPIRE',KEYS[1],ARGV[1]) return n");
    word(m, "1");
    arg(m, m->c->key);
    number(m, m->c->ttl_s);
    return send_last(m);
}

static int send_three(struct command *m, const char *name, wf_str a, wf_str b)
{
    begin(m, ARGS_FIXED);
    word(m, name);
    arg(m, a);
    arg(m, b);
    return send_last(m);
}

static int send_hset(struct command *m)
{
    begin(m, ARGS_FIXED);
    word(m, "HSET");
    arg(m, m->c->key);
    arg(m, m->c->field);
    arg(m, m->h->v->text(m->it, m->c->value));
    return send_last(m);
}

static int send_zadd(struct command *m)
{
    begin(m, ARGS_FIXED);
    word(m, "ZADD");
    arg(m, m->c->key);
    arg(m, m->h->fmt(m->it, "%.17g", m->c->score));
    arg(m, m->c->member);
    return send_last(m);
}

static int send_zrange(struct command *m)
{
    begin(m, ARGS_FIXED);
    word(m, m->c->reverse ? "ZREVRANGE" : "ZRANGE");
    arg(m, m->c->key);
    number(m, m->c->start);
    number(m, m->c->stop);
    if (m->c->with_scores)
        word(m, "WITHSCORES");
    return send_last(m);
}

static int send_eval(struct command *m)
{
    const struct text_row *keys = m->c->keys.rows, *args = m->c->args.rows;
    begin(m, (int)(m->c->keys.n + m->c->args.n) + 3);
    word(m, "EVAL");
    arg(m, m->c->script);
    number(m, (int64_t)m->c->keys.n);
    for (size_t i = 0; i < m->c->keys.n; i++)
        arg(m, keys[i].value);
    for (size_t i = 0; i < m->c->args.n; i++)
        arg(m, args[i].value);
    return send_last(m);
}

/* 0 sent, -1 not sent, 1 the item was failed. */
static int send_item(struct command *m)
{
    const struct config *c = m->c;
    switch (c->operation) {
    case OP_DELETE:
        return simple(m, "DEL", c->key);
    case OP_GET:
        return send_get(m, c->type);
    case OP_SET:
        return send_set(m);
    case OP_INCR:
        return send_incr(m);
    case OP_INFO:
        return lone(m, "INFO") == 0 ? send_last(m) : -1;
    case OP_KEYS:
        return simple(m, "KEYS", c->pattern);
    case OP_LLEN:
        return simple(m, "LLEN", c->list);
    case OP_POP:
        return simple(m, c->tail ? "RPOP" : "LPOP", c->list);
    case OP_PUSH:
        return send_three(m, c->tail ? "RPUSH" : "LPUSH", c->list, c->message);
    case OP_PUBLISH:
        return send_three(m, "PUBLISH", c->channel, c->message);
    case OP_HGET:
        return send_three(m, "HGET", c->key, c->field);
    case OP_HSET:
        return send_hset(m);
    case OP_HGETALL:
        return simple(m, "HGETALL", c->key);
    case OP_ZADD:
        return send_zadd(m);
    case OP_ZRANGE:
        return send_zrange(m);
    default:
        return send_eval(m);
    }
}

void command_send(struct conn *c, wf_item *it, struct job *job)
{
    const wf_host *h = conn_host(c);
    struct command m = { .h = h, .it = it, .c = h->config(it), .conn = c, .job = job };
    int rc = send_item(&m);
    if (rc == 0) {
        conn_wait(job, it);
    } else if (rc < 0) {
        free(job);
        result_fail(h, it, WF_TRANSIENT, "connection", "redis: the connection is closing");
    }
}
