/* SPDX-License-Identifier: Apache-2.0
 * The keeper's thread for lists in Redis: sorted sets whose members are numbers and whose scores
 * say when they expire (seconds or milliseconds since 1970; 0, negative and infinite: never).
 *
 *   saved file mapped --> scan of the set, in slices --> every second: changes --> merged when many
 *
 * Changes are learnt in three ways, so that writers need not do anything special:
 * - the stream <key>:changes, entries {op: add|remove, number, score?}: exact, both ways, at once
 * - members with a score above all seen so far: additions that live longest
 * - the number of members: when it moves without an explanation, the set is scanned again, never
 *   spending more than a tenth of the time on scans; and every 15 minutes anyway
 *
 * While Redis is away the lists stay as they are, and grow old. Thread: the keeper's own; blocks.
 */
#include "keeper_int.h"
#include <catalyst/stream.h>
#include <hiredis/hiredis.h>
#include <math.h>

enum { SLICE = 5000, CHANGES = 10000, ROUND_MS = 500, RESCAN_MS = 900000, MERGE_MIN = 200000 };

struct follow {
    struct keeper *k;
    enum list_name list;
    const char *key;
    char stream[300], last_id[64];
    struct numbers *base;        /* a reference of its own; NULL: not scanned yet */
    struct numbers_delta *delta; /* same */
    double highest;              /* finite score */
    long long card;
    unsigned unexplained;
    int64_t scanned_ms, scan_took_ms;
    struct numbers_change changes[CHANGES];
    size_t n_changes;
};

struct link {
    struct keeper *k;
    redisContext *c; /* NULL: not connected */
    SSL_CTX *tls;
    SSL *ssl; /* NULL: in the clear */
    int is_told;
    char why[200];
};

/* --- asking ----------------------------------------------------------------------------------- */

static int send_all(struct link *l, const char *text, size_t len)
{
    while (len) {
        ssize_t n = l->ssl ? SSL_write(l->ssl, text, len < INT_MAX ? (int)len : INT_MAX)
                           : send(l->c->fd, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            return -1;
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

/* hiredis's reader over a socket of ours: its own calls know no TLS. */
static redisReply *read_reply(struct link *l)
{
    char bytes[65536];
    void *reply = NULL;
    while (redisReaderGetReply(l->c->reader, &reply) == REDIS_OK && !reply) {
        ssize_t n =
            l->ssl ? SSL_read(l->ssl, bytes, sizeof bytes) : recv(l->c->fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            return NULL;
        redisReaderFeed(l->c->reader, bytes, (size_t)n);
    }
    return reply;
}

static redisReply *ask_redis(struct link *l, const char *f, ...)
    __attribute__((format(printf, 2, 3)));

/* NULL: the connection broke, or the server refused; why says what. */
static redisReply *ask_redis(struct link *l, const char *f, ...)
{
    char *command = NULL;
    va_list args;
    va_start(args, f);
    int len = redisvFormatCommand(&command, f, args);
    va_end(args);
    redisReply *r = len > 0 && send_all(l, command, (size_t)len) == 0 ? read_reply(l) : NULL;
    free(command);
    if (!r) {
        snprintf(l->why, sizeof l->why, "the connection broke");
    } else if (r->type == REDIS_REPLY_ERROR) {
        snprintf(l->why, sizeof l->why, "%s", r->str);
        freeReplyObject(r);
        r = NULL;
    }
    return r;
}

static int secure(struct link *l)
{
    const struct redis_source *s = &l->k->config.redis;
    const wf_tls_options o = { s->ca_file, s->cert_file, s->key_file, s->is_insecure };
    if (!l->tls)
        l->tls = wf_tls_context(&o, l->why, sizeof l->why);
    l->ssl = l->tls ? SSL_new(l->tls) : NULL;
    if (!l->ssl)
        return -1;
    if (wf_tls_expect(l->ssl, *s->server_name ? s->server_name : s->host) &&
        SSL_set_fd(l->ssl, l->c->fd) && SSL_connect(l->ssl) == 1)
        return 0;
    snprintf(l->why, sizeof l->why, "TLS: %s", wf_tls_reason("the handshake failed"));
    return -1;
}

static int greet(struct link *l)
{
    const struct redis_source *s = &l->k->config.redis;
    redisReply *r = NULL;
    if (s->is_tls && secure(l) != 0)
        return -1;
    if (*s->password) {
        r = *s->user ? ask_redis(l, "AUTH %s %s", s->user, s->password)
                     : ask_redis(l, "AUTH %s", s->password);
        if (!r)
            return -1;
        freeReplyObject(r);
    }
    r = ask_redis(l, "SELECT %d", s->database);
    if (!r)
        return -1;
    freeReplyObject(r);
    return 0;
}

static void hang_up(struct link *l)
{
    SSL_free(l->ssl);
    l->ssl = NULL;
    if (l->c)
        redisFree(l->c);
    l->c = NULL;
}

static int connect_redis(struct link *l)
{
    const struct redis_source *s = &l->k->config.redis;
    const struct timeval patience = { .tv_sec = 3 }, answer = { .tv_sec = 30 };
    l->c = *s->path ? redisConnectUnixWithTimeout(s->path, patience)
                    : redisConnectWithTimeout(s->host, s->port, patience);
    if (!l->c)
        abort();
    if (l->c->err)
        snprintf(l->why, sizeof l->why, "%s", l->c->errstr);
    else if (redisSetTimeout(l->c, answer) == REDIS_OK && greet(l) == 0)
        return 0;
    hang_up(l);
    return -1;
}

/* --- members ---------------------------------------------------------------------------------- */

static uint32_t expiry_of(const struct follow *f, double score)
{
    if (f->k->config.redis.is_risk || !isfinite(score) || score <= 0)
        return NUMBERS_NEVER;
    score = score > 1e11 ? score / 1000 : score;
    return score < UINT32_MAX ? (uint32_t)score : NUMBERS_NEVER;
}

static void publish(struct follow *f)
{
    keeper_publish_list(f->k, f->list, numbers_ref(f->base), numbers_delta_ref(f->delta));
}

static void work_in(struct follow *f)
{
    if (!f->n_changes)
        return;
    struct numbers_delta *delta = numbers_delta_with(f->delta, f->changes, f->n_changes);
    numbers_delta_unref(f->delta);
    f->delta = delta;
    f->n_changes = 0;
    size_t n = numbers_delta_count(delta);
    if (n > MERGE_MIN && n > numbers_count(f->base) / 50) {
        struct numbers *merged = numbers_merge(f->base, delta, (uint32_t)(wall_ms() / 1000));
        numbers_unref(f->base);
        numbers_delta_unref(delta);
        f->base = merged;
        f->delta = NULL;
    }
}

static void change(struct follow *f, const char *member, size_t len, double score, int is_removed)
{
    uint64_t number = number_parse(member, len);
    if (!number)
        return;
    if (f->n_changes == CHANGES)
        work_in(f);
    f->changes[f->n_changes++] = (struct numbers_change){ number, expiry_of(f, score), is_removed };
}

/* --- scanning --------------------------------------------------------------------------------- */

static int take_slice(struct follow *f, const redisReply *slice, struct numbers_builder *b)
{
    if (slice->type != REDIS_REPLY_ARRAY || slice->elements != 2)
        return -1;
    const redisReply *pairs = slice->element[1];
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        double score = strtod(pairs->element[i + 1]->str, NULL);
        uint64_t number = number_parse(pairs->element[i]->str, pairs->element[i]->len);
        if (isfinite(score) && score > f->highest)
            f->highest = score;
        if (number && numbers_builder_count(b) < NUMBERS_MAX)
            numbers_builder_add(b, number, expiry_of(f, score));
    }
    return 0;
}

static int scan_all(struct follow *f, struct link *l, struct numbers_builder *b)
{
    char cursor[32] = "0";
    do {
        redisReply *slice = ask_redis(l, "ZSCAN %s %s COUNT %d", f->key, cursor, SLICE);
        if (!slice || take_slice(f, slice, b) != 0 || atomic_load(&f->k->stop)) {
            if (slice)
                freeReplyObject(slice);
            return -1;
        }
        snprintf(cursor, sizeof cursor, "%s", slice->element[0]->str);
        freeReplyObject(slice);
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

/* The stream's end before the scan: what comes after it is worked in on top. */
static int find_end(struct follow *f, struct link *l)
{
    redisReply *r = ask_redis(l, "XREVRANGE %s + - COUNT 1", f->stream);
    if (!r)
        return -1;
    const char *id = r->elements ? r->element[0]->element[0]->str : "0-0";
    snprintf(f->last_id, sizeof f->last_id, "%s", id);
    freeReplyObject(r);
    return 0;
}

static int read_card(struct follow *f, struct link *l, long long *card)
{
    redisReply *r = ask_redis(l, "ZCARD %s", f->key);
    if (!r)
        return -1;
    *card = r->integer;
    freeReplyObject(r);
    return 0;
}

static void save(struct follow *f)
{
    const char *file = f->k->config.saved_file[f->list];
    char why[300];
    if (*file && numbers_save(f->base, file, why, sizeof why) != 0)
        keeper_say(f->k, 0, 1, file, 0, why);
}

static int scan_list(struct follow *f, struct link *l)
{
    int64_t began = wall_ms();
    struct numbers_builder *b = numbers_builder_create();
    f->highest = 0;
    if (find_end(f, l) != 0 || scan_all(f, l, b) != 0 || read_card(f, l, &f->card) != 0) {
        numbers_builder_free(b);
        return -1;
    }
    numbers_unref(f->base);
    numbers_delta_unref(f->delta);
    f->base = numbers_builder_finish(b);
    f->delta = NULL;
    f->n_changes = 0;
    f->unexplained = 0;
    f->scanned_ms = wall_ms();
    f->scan_took_ms = f->scanned_ms - began;
    publish(f);
    atomic_store(&f->k->fresh_ms[f->list], wall_ms());
    keeper_say(f->k, 0, 0, f->key, numbers_count(f->base), "scanned");
    save(f);
    return 0;
}

/* --- following -------------------------------------------------------------------------------- */

static const redisReply *field_named(const redisReply *fields, const char *name)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (!strcmp(fields->element[i]->str, name))
            return fields->element[i + 1];
    return NULL;
}

static void take_entry(struct follow *f, const redisReply *entry)
{
    const redisReply *fields = entry->element[1];
    const redisReply *op = field_named(fields, "op"), *number = field_named(fields, "number");
    const redisReply *score = field_named(fields, "score");
    if (number)
        change(f, number->str, number->len, score ? strtod(score->str, NULL) : 0,
               op && !strcmp(op->str, "remove"));
    snprintf(f->last_id, sizeof f->last_id, "%s", entry->element[0]->str);
}

/* How many changes came, or -1. */
static int follow_stream(struct follow *f, struct link *l)
{
    size_t n = 0, got;
    do {
        redisReply *r = ask_redis(l, "XREAD COUNT %d STREAMS %s %s", SLICE, f->stream, f->last_id);
        if (!r)
            return -1;
        const redisReply *entries =
            r->type == REDIS_REPLY_ARRAY && r->elements ? r->element[0]->element[1] : NULL;
        got = entries ? entries->elements : 0;
        for (size_t i = 0; i < got; i++)
            take_entry(f, entries->element[i]);
        n += got;
        freeReplyObject(r);
    } while (got == SLICE && !atomic_load(&f->k->stop));
    return (int)n;
}

static int follow_scores(struct follow *f, struct link *l)
{
    redisReply *r = ask_redis(l, "ZRANGEBYSCORE %s (%.17g (+inf WITHSCORES LIMIT 0 %d", f->key,
                              f->highest, SLICE);
    if (!r)
        return -1;
    int n = (int)(r->elements / 2);
    for (size_t i = 0; i + 1 < r->elements; i += 2) {
        double score = strtod(r->element[i + 1]->str, NULL);
        change(f, r->element[i]->str, r->element[i]->len, score, 0);
        f->highest = score > f->highest ? score : f->highest;
    }
    freeReplyObject(r);
    return n;
}

static int wants_scan(struct follow *f, long long card, int explained)
{
    int64_t since = wall_ms() - f->scanned_ms;
    if (card != f->card && !explained)
        f->unexplained = 1;
    f->card = card;
    return since > RESCAN_MS + f->scan_took_ms * 10 ||
           (f->unexplained && since > f->scan_took_ms * 10);
}

static int follow_round(struct follow *f, struct link *l)
{
    long long card = 0;
    if (!f->scanned_ms)
        return scan_list(f, l);
    int stream = follow_stream(f, l), scores = stream < 0 ? -1 : follow_scores(f, l);
    if (scores < 0 || read_card(f, l, &card) != 0)
        return -1;
    if (f->n_changes) {
        work_in(f);
        publish(f);
    }
    atomic_store(&f->k->fresh_ms[f->list], wall_ms());
    return wants_scan(f, card, stream + scores > 0) ? scan_list(f, l) : 0;
}

/* --- the thread ------------------------------------------------------------------------------- */

/* As old as the file is: an alarm about age is right from the start. */
static void begin_with_saved(struct follow *f)
{
    const char *file = f->k->config.saved_file[f->list];
    char why[300];
    f->base = *file && numbers_is_map(file) ? numbers_map(file, why, sizeof why) : NULL;
    if (!f->base)
        return;
    publish(f);
    keeper_say(f->k, 0, 0, file, numbers_count(f->base), "as it was saved");
}

static struct follow *follow_create(struct keeper *k, enum list_name list)
{
    struct follow *f = must(calloc(1, sizeof *f));
    f->k = k;
    f->list = list;
    f->key = k->config.redis.key[list];
    snprintf(f->stream, sizeof f->stream, "%s:changes", f->key);
    begin_with_saved(f);
    return f;
}

static void follow_free(struct follow *f)
{
    if (!f)
        return;
    numbers_unref(f->base);
    numbers_delta_unref(f->delta);
    free(f);
}

/* 0 while Redis answers. */
static int all_rounds(struct link *l, struct follow *const *lists)
{
    if (!l->c && connect_redis(l) != 0)
        return -1;
    for (int i = 0; i < LIST_NAMES; i++)
        if (lists[i] && follow_round(lists[i], l) != 0)
            return -1;
    return 0;
}

void *keeper_redis_main(void *keeper)
{
    struct keeper *k = keeper;
    struct link l = { .k = k };
    struct follow *lists[LIST_NAMES] = { NULL };
    for (int i = 0; i < LIST_NAMES; i++)
        if (*k->config.redis.key[i])
            lists[i] = follow_create(k, (enum list_name)i);
    do {
        int failed = all_rounds(&l, lists) != 0;
        if (failed && !l.is_told && !atomic_load(&k->stop))
            keeper_say(k, 0, 1, "redis", 0, l.why);
        if (failed)
            hang_up(&l);
        l.is_told = failed;
    } while (!keeper_sleep(k, ROUND_MS));
    hang_up(&l);
    SSL_CTX_free(l.tls);
    for (int i = 0; i < LIST_NAMES; i++)
        follow_free(lists[i]);
    return NULL;
}
