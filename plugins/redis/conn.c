/* SPDX-License-Identifier: Apache-2.0
 * One connection per worker and node: a life of catalyst/conn.h, bytes of catalyst/stream.h, and
 * hiredis for reading answers. All commands of a frame leave together.
 *
 * Answers come in the order of commands, so the first call under way is the one that an answer is
 * for. A connection begins with AUTH, SELECT and PING; when all are answered it is up. Thread: the
 * worker's. Nothing blocks.
 */
#include "redis_int.h"

enum {
    CONNECT_MS = 5000,
    SILENT_MS = 30000,
    IDLE_MS = 60000,
    ANSWER_MAX = 256 << 20, /* bytes of one answer; more is no answer to an item */
};

static const char *secret(const struct conn *c, const char *field)
{
    return c->c.h->secret(c->cred, field).ptr;
}

static int is_on(const wf_host *h, const wf_cred *cred, const char *field)
{
    return !strcmp(h->secret(cred, field).ptr, "true");
}

/* --- sending ---------------------------------------------------------------------------------- */

void conn_send(struct conn *c, struct job *job, int argc, const char *const *argv,
               const size_t *lens)
{
    char head[32];
    wf_stream_write(&c->stream, head, (size_t)snprintf(head, sizeof head, "*%d\r\n", argc));
    for (int i = 0; i < argc; i++) {
        size_t len = (size_t)snprintf(head, sizeof head, "$%zu\r\n", lens[i]);
        wf_stream_write(&c->stream, head, len);
        wf_stream_write(&c->stream, argv[i], lens[i]);
        wf_stream_write(&c->stream, "\r\n", 2);
    }
    if (!job) {
        c->skip++;
        return;
    }
    job->skip = c->skip;
    c->skip = 0;
    wf_conn_sent(&job->call);
}

static void on_send(wf_conn *base, wf_item *const *items, size_t n)
{
    struct conn *c = (struct conn *)base;
    for (size_t i = 0; i < n; i++)
        command_send(c, items[i]);
    wf_stream_flush(&c->stream);
}

/* A command of the connection's own: its call has no item. */
static void send_own(struct conn *c, int argc, const char *const *argv)
{
    size_t lens[3] = { 0 };
    for (int i = 0; i < argc; i++)
        lens[i] = strlen(argv[i]);
    conn_send(c, (struct job *)wf_conn_call_new(&c->c, 0), argc, argv, lens);
}

static void on_idle(wf_conn *base)
{
    struct conn *c = (struct conn *)base;
    send_own(c, 1, (const char *[]){ "PING" });
    wf_stream_flush(&c->stream);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void take_own(struct conn *c, const redisReply *r)
{
    if (wf_conn_is_up(&c->c))
        return; /* a ping */
    int is_error = r->type == REDIS_REPLY_ERROR;
    if (is_error && (!strncmp(r->str, "LOADING", 7) || !strncmp(r->str, "MASTERDOWN", 10)))
        wf_conn_down(&c->c, WF_TRANSIENT, r->str);
    else if (is_error)
        wf_conn_down(&c->c, WF_ACCOUNT, r->str);
    else if (--c->greetings == 0)
        wf_conn_up(&c->c);
}

static void take_reply(struct conn *c, const redisReply *r)
{
    struct job *job = (struct job *)c->c.calls;
    if (!job) {
        wf_conn_down(&c->c, WF_TRANSIENT, "said something that it was not asked for");
        return;
    }
    if (job->skip) {
        job->skip--;
        return;
    }
    wf_conn_answered(&job->call);
    wf_item *it = job->call.n ? wf_conn_call_item(&job->call, 0) : NULL;
    int is_own = !job->call.n;
    if (!it || !result_take(it, job, r))
        wf_conn_call_free(&job->call);
    if (is_own)
        take_own(c, r);
    else if (r->type == REDIS_REPLY_ERROR && !strncmp(r->str, "READONLY", 8))
        wf_conn_rest(&c->c); /* it became a replica: the name may lead to another server now */
}

static void on_bytes(void *arg, const char *bytes, size_t len)
{
    struct conn *c = arg;
    uint64_t life = c->stream.lives;
    wf_conn_heard(&c->c);
    c->fed += len;
    redisReaderFeed(c->reader, bytes, len);
    while (c->stream.lives == life) {
        void *reply = NULL;
        if (redisReaderGetReply(c->reader, &reply) != REDIS_OK) {
            wf_conn_down(&c->c, WF_TRANSIENT, c->reader->errstr);
            return;
        }
        if (!reply)
            break;
        c->fed = 0;
        take_reply(c, reply);
        freeReplyObject(reply);
    }
    if (c->stream.lives == life && c->fed > ANSWER_MAX)
        wf_conn_down(&c->c, WF_TRANSIENT, "an answer is larger than 256 MiB");
}

static void on_lost(wf_conn *base, wf_conn_call *call)
{
    wf_item *it = call->n ? wf_conn_call_item(call, 0) : NULL;
    if (it)
        result_lost((struct conn *)base, it);
}

/* --- a life ----------------------------------------------------------------------------------- */

static void on_open(void *arg)
{
    struct conn *c = arg;
    const char *user = secret(c, "user"), *password = secret(c, "password"),
               *database = secret(c, "database");
    c->greetings = 1;
    if (*password) {
        c->greetings++;
        if (*user)
            send_own(c, 3, (const char *[]){ "AUTH", user, password });
        else
            send_own(c, 2, (const char *[]){ "AUTH", password });
    }
    if (*database && strcmp(database, "0") != 0) {
        c->greetings++;
        send_own(c, 2, (const char *[]){ "SELECT", database });
    }
    send_own(c, 1, (const char *[]){ "PING" });
    wf_stream_flush(&c->stream);
}

static void on_close(void *arg, wf_fault fault, const char *why)
{
    struct conn *c = arg;
    wf_conn_down(&c->c, fault, why);
}

static const char *on_host(wf_conn *base)
{
    struct conn *c = (struct conn *)base;
    const char *path = secret(c, "path"), *host = secret(c, "host");
    const char *port = secret(c, "port");
    if (*path) {
        snprintf(c->c.label, sizeof c->c.label, "redis %s", path);
        return path;
    }
    snprintf(c->c.label, sizeof c->c.label, "redis %s:%s", host, *port ? port : "6379");
    return *host ? host : "127.0.0.1";
}

static void on_connect(wf_conn *base, const char *address)
{
    struct conn *c = (struct conn *)base;
    const char *name = secret(c, "serverName");
    long port = strtol(secret(c, "port"), NULL, 10);
    c->reader = redisReaderCreate();
    if (!c->reader)
        abort();
    wf_stream_connect(&c->stream, address, port > 0 && port < 65536 ? (uint16_t)port : 6379, c->tls,
                      *name ? name : secret(c, "host"));
}

static void on_disconnect(wf_conn *base)
{
    struct conn *c = (struct conn *)base;
    wf_stream_close(&c->stream);
    if (c->reader)
        redisReaderFree(c->reader);
    c->reader = NULL;
    c->fed = 0;
    c->skip = 0;
}

static int64_t timeout_ms(wf_conn *c, wf_item *it)
{
    const struct config *config = c->h->config(it);
    return config ? config->timeout_ms : CALL_TIMEOUT_MS;
}

static const wf_conn_type conn_type = {
    .name = "redis",
    .call_size = sizeof(struct job),
    .host = on_host,
    .connect = on_connect,
    .disconnect = on_disconnect,
    .send = on_send,
    .lost = on_lost,
    .timeout_ms = timeout_ms,
    .idle = on_idle,
    .connect_ms = CONNECT_MS,
    .silent_ms = SILENT_MS,
    .idle_ms = IDLE_MS,
};

/* 0, or -1 with why. Without TLS there is nothing to do. */
static int make_tls(struct conn *c, wf_error *why)
{
    static _Thread_local char text[300]; /* read at once, by the worker that called */
    const wf_host *h = c->c.h;
    if (!is_on(h, c->cred, "ssl"))
        return 0;
    c->tls =
        wf_tls_context(&(wf_tls_options){ .ca_file = secret(c, "caFile"),
                                          .cert_file = secret(c, "certFile"),
                                          .key_file = secret(c, "keyFile"),
                                          .insecure = is_on(h, c->cred, "disableTlsVerification") },
                       text, sizeof text);
    if (c->tls)
        return 0;
    *why = (wf_error){ .size = sizeof *why, .fault = WF_ACCOUNT, .detail = { text, strlen(text) } };
    return -1;
}

void *conn_create(const wf_host *h, wf_inst *inst, const wf_cred *cred, wf_error *why)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->cred = cred;
    if (wf_conn_init(&c->c, &conn_type, h, inst, why) != 0 || make_tls(c, why) != 0) {
        free(c);
        return NULL;
    }
    c->stream = (wf_stream){ .loop = c->c.loop,
                             .inst = inst,
                             .on_open = on_open,
                             .on_bytes = on_bytes,
                             .on_close = on_close,
                             .arg = c };
    wf_conn_start(&c->c);
    return c;
}

void *conn_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    return conn_create(h, inst, ((const struct config *)h->inst_config(inst))->credential, why);
}

void conn_close(const wf_host *h, void *state)
{
    struct conn *c = state;
    (void)h;
    wf_conn_close(&c->c);
    wf_stream_fini(&c->stream);
    SSL_CTX_free(c->tls);
    free(c);
}
