/* SPDX-License-Identifier: Apache-2.0
 * What comes of an answer: outputs as n8n has them, or the right kind of failure. Thread: the
 * worker's.
 */
#include "redis_int.h"

enum { STEP_FIRST, STEP_TYPE, STEP_TYPED, STEP_VALUES };

void result_fail(const wf_host *h, wf_item *it, wf_fault fault, const char *code, const char *why)
{
    h->fail_with(it, &(wf_error){ .size = sizeof(wf_error), .fault = fault, .code = code }, "%s",
                 why);
}

void result_lost(const struct conn *c, wf_item *it)
{
    const struct config *config = c->c.h->config(it);
    if (!config) {
        wf_conn_lost_item(&c->c, it, call_is_harmless(c->c.h, it));
        return;
    }
    int operation = config->operation;
    int twice = operation == OP_INCR || operation == OP_POP || operation == OP_PUSH ||
                operation == OP_PUBLISH || operation == OP_EVAL;
    wf_conn_lost_item(&c->c, it, !twice);
}

static int begins(const redisReply *r, const char *word)
{
    return !strncmp(r->str, word, strlen(word));
}

static void fail_reply(const wf_host *h, wf_item *it, const redisReply *r)
{
    static const char *const later[] = { "LOADING",     "BUSY",       "TRYAGAIN",
                                         "CLUSTERDOWN", "MASTERDOWN", "OOM",
                                         "READONLY",    "NOREPLICAS", NULL };
    wf_fault fault = WF_REJECTED;
    const char *code = "rejected";
    for (int i = 0; later[i]; i++)
        if (begins(r, later[i])) {
            fault = WF_TRANSIENT;
            code = "busy";
        }
    if (begins(r, "NOAUTH") || begins(r, "WRONGPASS") || begins(r, "NOPERM")) {
        fault = WF_ACCOUNT;
        code = "auth";
    }
    if (begins(r, "MOVED") || begins(r, "ASK ")) {
        result_fail(h, it, WF_ACCOUNT, "cluster",
                    h->fmt(it,
                           "redis: this server is one of a cluster and the key belongs to another "
                           "(%.100s); clusters are not offered here: name a proxy that knows it",
                           r->str)
                        .ptr);
        return;
    }
    result_fail(h, it, fault, code, h->fmt(it, "redis: %.400s", r->str).ptr);
}

/* --- values ----------------------------------------------------------------------------------- */

static const wf_value *value_of(const wf_host *h, wf_item *it, const redisReply *r)
{
    switch (r->type) {
    case REDIS_REPLY_INTEGER:
        return h->v->of_int(it, r->integer);
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        return h->v->of_str(it, r->str, r->len);
    case REDIS_REPLY_ARRAY: {
        const wf_value **values = h->alloc(it, (r->elements + 1) * sizeof *values);
        for (size_t i = 0; i < r->elements; i++)
            values[i] = value_of(h, it, r->element[i]);
        return h->v->array(it, values, r->elements);
    }
    default:
        return h->v->parse(it, (wf_str){ "null", 4 }, &(const char *){ NULL });
    }
}

/* name, value, name, value ... as an object; of a name that comes twice the last counts. */
static const wf_value *pairs_of(const wf_host *h, wf_item *it, const redisReply *r)
{
    const wf_value *object = h->build(it, "{}");
    for (size_t i = 0; i + 1 < r->elements; i += 2)
        object = h->v->set_key(it, object, (wf_str){ r->element[i]->str, r->element[i]->len },
                               value_of(h, it, r->element[i + 1]));
    return object;
}

static const wf_value *scores_of(const wf_host *h, wf_item *it, const redisReply *r)
{
    const wf_value **rows = h->alloc(it, (r->elements / 2 + 1) * sizeof *rows);
    for (size_t i = 0; i + 1 < r->elements; i += 2)
        rows[i / 2] = h->build(it, "{s:v,s:f}", "member", value_of(h, it, r->element[i]), "score",
                               strtod(r->element[i + 1]->str, NULL));
    return h->v->array(it, rows, r->elements / 2);
}

static void emit_property(const wf_host *h, wf_item *it, const wf_value *value)
{
    const struct config *c = h->config(it);
    const wf_value *out = c->dots ? h->v->set(it, NULL, c->property.ptr, value) : NULL;
    h->emit(it, 0, out ? out : h->v->set_key(it, NULL, c->property, value));
}

static void emit_named(const wf_host *h, wf_item *it, wf_str name, const redisReply *r)
{
    h->emit(it, 0, h->v->set_key(it, NULL, name, value_of(h, it, r)));
}

/* "k:v" lines; numbers as numbers. */
static void emit_info(const wf_host *h, wf_item *it, const redisReply *r)
{
    const wf_value *object = h->build(it, "{}");
    for (const char *line = r->str; *line;) {
        size_t len = strcspn(line, "\r\n");
        const char *colon = memchr(line, ':', len), *why;
        if (colon && *line != '#') {
            wf_str text = h->fmt(it, "%.*s", (int)(line + len - colon - 1), colon + 1);
            const wf_value *number =
                strspn(text.ptr, "0123456789.") == text.len ? h->v->parse(it, text, &why) : NULL;
            object = h->v->set_key(it, object, (wf_str){ line, (size_t)(colon - line) },
                                   number ? number : h->v->of_str(it, text.ptr, text.len));
        }
        line += len;
        line += strspn(line, "\r\n");
    }
    h->emit(it, 0, object);
}

/* A message that is JSON comes as JSON. */
static void emit_popped(const wf_host *h, wf_item *it, const redisReply *r)
{
    const char *why;
    const wf_value *value =
        r->type == REDIS_REPLY_STRING ? h->v->parse(it, (wf_str){ r->str, r->len }, &why) : NULL;
    emit_property(h, it, value ? value : value_of(h, it, r));
}

/* --- operations that ask twice ---------------------------------------------------------------- */

static struct conn *conn_of(const struct job *job) { return (struct conn *)job->call.conn; }

static const wf_host *host_of(const struct job *job) { return job->call.conn->h; }

static int ask(wf_item *it, struct job *job, int step, int argc, const char **argv,
               const size_t *lens)
{
    const struct config *c = host_of(job)->config(it);
    job->step = step;
    conn_send(conn_of(job), job, argc, argv, lens);
    wf_conn_call_park(&job->call, 0, it, c->timeout_ms);
    return 1;
}

/* get: the key is no string, so what is it? */
static int ask_type(wf_item *it, struct job *job)
{
    const struct config *c = host_of(job)->config(it);
    const char *argv[] = { "TYPE", c->key.ptr };
    return ask(it, job, STEP_TYPE, 2, argv, (size_t[]){ 4, c->key.len });
}

static int ask_typed(wf_item *it, struct job *job, const redisReply *type)
{
    const wf_host *h = host_of(job);
    const struct config *c = h->config(it);
    const char *name = !strcmp(type->str, "hash")   ? "HGETALL"
                       : !strcmp(type->str, "list") ? "LRANGE"
                       : !strcmp(type->str, "set")  ? "SMEMBERS"
                       : !strcmp(type->str, "zset") ? "ZRANGE"
                                                    : "GET";
    const char *argv[] = { name, c->key.ptr, "0", "-1" };
    int is_range = !strcmp(name, "LRANGE") || !strcmp(name, "ZRANGE");
    return ask(it, job, !strcmp(name, "HGETALL") ? STEP_VALUES : STEP_TYPED, is_range ? 4 : 2, argv,
               (size_t[]){ strlen(name), c->key.len, 1, 2 });
}

static int take_get(wf_item *it, struct job *job, const redisReply *r)
{
    const wf_host *h = host_of(job);
    const struct config *c = h->config(it);
    if (job->step == STEP_FIRST && c->type == TYPE_AUTOMATIC && r->type == REDIS_REPLY_ERROR &&
        begins(r, "WRONGTYPE"))
        return ask_type(it, job);
    if (r->type == REDIS_REPLY_ERROR) {
        fail_reply(h, it, r);
        return 0;
    }
    if (job->step == STEP_TYPE)
        return ask_typed(it, job, r);
    int is_hash = job->step == STEP_VALUES || (job->step == STEP_FIRST && c->type == TYPE_HASH);
    emit_property(h, it, is_hash ? pairs_of(h, it, r) : value_of(h, it, r));
    return 0;
}

/* keys with getValues: names and values in a second answer, so that nothing is kept in between. */
static int take_keys(wf_item *it, struct job *job, const redisReply *r)
{
    const wf_host *h = host_of(job);
    const struct config *c = h->config(it);
    if (!c->get_values || !r->elements) {
        if (c->get_values)
            h->emit(it, 0, h->build(it, "{}"));
        else
            h->emit(it, 0, h->build(it, "{s:v}", "keys", value_of(h, it, r)));
        return 0;
    }
    const char **argv = h->alloc(it, (r->elements + 4) * sizeof *argv);
    size_t *lens = h->alloc(it, (r->elements + 4) * sizeof *lens);
    argv[0] = "EVAL";
    argv[1] = "local o={} for i,k in ipairs(KEYS) do local t=redis.call('TYPE',k).ok local v "
              "if t=='string' then v=redis.call('GET',k) "
              "elseif t=='hash' then v={'hash',redis.call('HGETALL',k)} "
              "elseif t=='list' then v=redis.call('LRANGE',k,0,-1) "
              "elseif t=='set' then v=redis.call('SMEMBERS',k) "
              "elseif t=='zset' then v=redis.call('ZRANGE',k,0,-1) end "
              "o[#o+1]={k,t,v or false} end return o";
    argv[2] = h->fmt(it, "%zu", r->elements).ptr;
    lens[0] = 4;
    lens[1] = strlen(argv[1]);
    lens[2] = strlen(argv[2]);
    for (size_t i = 0; i < r->elements; i++) {
        argv[i + 3] = r->element[i]->str;
        lens[i + 3] = r->element[i]->len;
    }
    return ask(it, job, STEP_VALUES, (int)r->elements + 3, argv, lens);
}

static void emit_values(const wf_host *h, wf_item *it, const redisReply *r)
{
    const wf_value *object = h->build(it, "{}");
    for (size_t i = 0; i < r->elements; i++) {
        const redisReply *row = r->element[i];
        if (row->elements < 3)
            continue;
        const redisReply *value = row->element[2];
        int is_hash = !strcmp(row->element[1]->str, "hash") && value->elements == 2;
        object =
            h->v->set_key(it, object, (wf_str){ row->element[0]->str, row->element[0]->len },
                          is_hash ? pairs_of(h, it, value->element[1]) : value_of(h, it, value));
    }
    h->emit(it, 0, object);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* EXEC answers with an array, in which a command may have failed. */
static const redisReply *error_in(const redisReply *r)
{
    if (r->type == REDIS_REPLY_ERROR)
        return r;
    for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++)
        if (r->element[i]->type == REDIS_REPLY_ERROR)
            return r->element[i];
    return NULL;
}

static void take_simple(const wf_host *h, wf_item *it, const redisReply *r)
{
    const struct config *c = h->config(it);
    switch (c->operation) {
    case OP_INCR:
        emit_named(h, it, c->key, r);
        break;
    case OP_INFO:
        emit_info(h, it, r);
        break;
    case OP_LLEN:
        emit_named(h, it, c->list, r);
        break;
    case OP_POP:
        emit_popped(h, it, r);
        break;
    case OP_HGETALL:
        emit_property(h, it, pairs_of(h, it, r));
        break;
    case OP_ZRANGE:
        emit_property(h, it, c->with_scores ? scores_of(h, it, r) : value_of(h, it, r));
        break;
    case OP_HGET:
    case OP_EVAL:
        emit_property(h, it, value_of(h, it, r));
        break;
    default: /* what writes hands its item on */
        h->pass(it, 0);
    }
}

/* Nothing is nothing: nil in Lua. */
static void take_call(const wf_host *h, wf_item *it, const redisReply *r)
{
    if (r->type == REDIS_REPLY_ERROR)
        fail_reply(h, it, r);
    else if (r->type == REDIS_REPLY_NIL)
        h->emit(it, 0, h->build(it, "{}"));
    else
        h->emit(it, 0, h->build(it, "{s:v}", "value", value_of(h, it, r)));
}

int result_take(wf_item *it, struct job *job, const redisReply *r)
{
    const wf_host *h = host_of(job);
    const struct config *c = h->config(it);
    const redisReply *error;
    if (!c) {
        take_call(h, it, r);
        return 0;
    }
    if (c->operation == OP_GET)
        return take_get(it, job, r);
    if ((error = error_in(r)))
        fail_reply(h, it, error);
    else if (c->operation == OP_KEYS && job->step == STEP_FIRST)
        return take_keys(it, job, r);
    else if (c->operation == OP_KEYS)
        emit_values(h, it, r);
    else
        take_simple(h, it, r);
    return 0;
}
