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

static void send_last(struct command *m)
{
    struct job *job = (struct job *)wf_conn_call_new(&m->conn->c, 1);
    conn_send(m->conn, job, m->argc, m->argv, m->lens);
    wf_conn_call_park(&job->call, 0, m->it, m->c->timeout_ms);
}

/* One whose answer nobody needs: EXEC or the last command tells. */
static void send_more(struct command *m) { conn_send(m->conn, NULL, m->argc, m->argv, m->lens); }

static void simple(struct command *m, const char *name, wf_str a)
{
    begin(m, ARGS_FIXED);
    word(m, name);
    arg(m, a);
    send_last(m);
}

static void lone(struct command *m, const char *name)
{
    begin(m, ARGS_FIXED);
    word(m, name);
}

/* --- set -------------------------------------------------------------------------------------- */

static void set_string(struct command *m)
{
    begin(m, ARGS_FIXED);
    word(m, "SET");
    arg(m, m->c->key);
    arg(m, m->h->v->text(m->it, m->c->value));
    if (m->c->expire) {
        word(m, "EX");
        number(m, m->c->ttl_s);
    }
    send_last(m);
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
static void set_whole(struct command *m, int type, const wf_value *value)
{
    lone(m, "MULTI");
    send_more(m);
    if (type != TYPE_HASH) {
        lone(m, "DEL");
        arg(m, m->c->key);
        send_more(m);
    }
    if (type == TYPE_HASH)
        fill_hash(m, value);
    else
        fill_list(m, type == TYPE_LIST ? "RPUSH" : "SADD", value);
    if (m->h->v->count(value))
        send_more(m);
    if (m->c->expire) {
        lone(m, "EXPIRE");
        arg(m, m->c->key);
        number(m, m->c->ttl_s);
        send_more(m);
    }
    lone(m, "EXEC");
    send_last(m);
}

static void send_set(struct command *m)
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
        set_string(m);
    else if (is == (type == TYPE_HASH ? WF_JSON_OBJECT : WF_JSON_ARRAY))
        set_whole(m, type, value);
    else
        result_fail(m->h, m->it, WF_REJECTED, "value",
                    type == TYPE_HASH ? "a hash wants an object" : "a list or set wants an array");
}

/* --- get -------------------------------------------------------------------------------------- */

static void send_get(struct command *m, int type)
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
    send_last(m);
}

/* --- the others ------------------------------------------------------------------------------- */

static void send_incr(struct command *m)
{
    if (!m->c->expire) {
        simple(m, "INCR", m->c->key);
        return;
    }
    /* One script: an INCR whose EXPIRE was lost would count for ever. */
    begin(m, ARGS_FIXED);
    word(m, "EVAL");
    word(m, "local n=redis.call('INCR',KEYS[1]) redis.call('EXPIRE',KEYS[1],ARGV[1]) return n");
    word(m, "1");
    arg(m, m->c->key);
    number(m, m->c->ttl_s);
    send_last(m);
}

static void send_three(struct command *m, const char *name, wf_str a, wf_str b)
{
    begin(m, ARGS_FIXED);
    word(m, name);
    arg(m, a);
    arg(m, b);
    send_last(m);
}

static void send_hset(struct command *m)
{
    begin(m, ARGS_FIXED);
    word(m, "HSET");
    arg(m, m->c->key);
    arg(m, m->c->field);
    arg(m, m->h->v->text(m->it, m->c->value));
    send_last(m);
}

static void send_zadd(struct command *m)
{
    begin(m, ARGS_FIXED);
    word(m, "ZADD");
    arg(m, m->c->key);
    arg(m, m->h->fmt(m->it, "%.17g", m->c->score));
    arg(m, m->c->member);
    send_last(m);
}

static void send_zrange(struct command *m)
{
    begin(m, ARGS_FIXED);
    word(m, m->c->reverse ? "ZREVRANGE" : "ZRANGE");
    arg(m, m->c->key);
    number(m, m->c->start);
    number(m, m->c->stop);
    if (m->c->with_scores)
        word(m, "WITHSCORES");
    send_last(m);
}

static void send_eval(struct command *m)
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
    send_last(m);
}

static void send_item(struct command *m)
{
    const struct config *c = m->c;
    switch (c->operation) {
    case OP_DELETE:
        simple(m, "DEL", c->key);
        break;
    case OP_GET:
        send_get(m, c->type);
        break;
    case OP_SET:
        send_set(m);
        break;
    case OP_INCR:
        send_incr(m);
        break;
    case OP_INFO:
        lone(m, "INFO");
        send_last(m);
        break;
    case OP_KEYS:
        simple(m, "KEYS", c->pattern);
        break;
    case OP_LLEN:
        simple(m, "LLEN", c->list);
        break;
    case OP_POP:
        simple(m, c->tail ? "RPOP" : "LPOP", c->list);
        break;
    case OP_PUSH:
        send_three(m, c->tail ? "RPUSH" : "LPUSH", c->list, c->message);
        break;
    case OP_PUBLISH:
        send_three(m, "PUBLISH", c->channel, c->message);
        break;
    case OP_HGET:
        send_three(m, "HGET", c->key, c->field);
        break;
    case OP_HSET:
        send_hset(m);
        break;
    case OP_HGETALL:
        simple(m, "HGETALL", c->key);
        break;
    case OP_ZADD:
        send_zadd(m);
        break;
    case OP_ZRANGE:
        send_zrange(m);
        break;
    default:
        send_eval(m);
    }
}

void command_send(struct conn *c, wf_item *it)
{
    const wf_host *h = c->c.h;
    struct command m = { .h = h, .it = it, .c = h->config(it), .conn = c };
    if (m.c)
        send_item(&m);
    else
        call_send(c, it);
}
