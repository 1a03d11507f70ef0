/* SPDX-License-Identifier: Apache-2.0
 * Receipts whose message this worker does not remember: another worker or an earlier process sent
 * it, it was sent long ago, or the receipt overtook the turn that records it. They wait together
 * and one query asks for all; what it finds goes into the cache, and from there on they are
 * finished like the others.
 *
 * Thread: the worker's. One query at a time per node. The list is in the order of arrival; the ones
 * of the query under way stand first.
 */
#include "messages_int.h"
#include <stdio.h>
#include <time.h>

enum {
    FIRST_MS = 20,  /* a few come together; a turn's commit takes about as long */
    BATCH = 512,    /* keys of one query */
    AGAIN_MS = 250, /* doubles with each try */
    AGAIN_MAX_MS = 2000,
    DOWN_MS = 1000,   /* the store does not answer */
    PARK_MS = 3600000 /* the wait ends by hold_ms; this only has to be longer */
};

static const char query_pg[] =
    "WITH keys AS (SELECT v->>0 AS channel, v->>1 AS account, v->>2 AS provider_id "
    "FROM jsonb_array_elements($1::jsonb) AS e(v)), "
    "found AS (SELECT DISTINCT ON (channel, account, provider_id) m.id FROM keys "
    "JOIN messages_log m USING (channel, account, provider_id) "
    "ORDER BY channel, account, provider_id, m.at_us DESC) "
    "SELECT l.channel, l.account, l.provider_id, l.context, "
    "(SELECT coalesce(sum(1 << s.state), 0) FROM messages_status s WHERE s.provider_id = "
    "l.provider_id AND s.id = l.id AND s.channel = l.channel AND s.account = l.account) "
    "FROM (SELECT DISTINCT id FROM found) f JOIN messages_log l ON l.id = f.id "
    "WHERE l.account <> ''";

static const char query_sqlite[] =
    "WITH keys AS (SELECT json_extract(value, '$[0]') AS channel, json_extract(value, '$[1]') AS "
    "account, json_extract(value, '$[2]') AS provider_id FROM json_each($1)), "
    "found AS (SELECT m.id AS id, max(m.at_us) FROM keys JOIN messages_log m ON m.provider_id = "
    "keys.provider_id AND m.channel = keys.channel AND m.account = keys.account "
    "GROUP BY m.channel, m.account, m.provider_id) "
    "SELECT l.channel, l.account, l.provider_id, l.context, "
    "(SELECT coalesce(sum(1 << s.state), 0) FROM messages_status s WHERE s.provider_id = "
    "l.provider_id AND s.id = l.id AND s.channel = l.channel AND s.account = l.account) "
    "FROM (SELECT DISTINCT id FROM found) f JOIN messages_log l ON l.id = f.id "
    "WHERE l.account <> ''";

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the list --------------------------------------------------------------------------------- */

static struct place place_copy(const struct place *at)
{
    char *to = malloc(at->channel.len + at->account.len + at->provider_id.len + 1);
    if (!to)
        abort();
    struct place copy = { { to, at->channel.len },
                          { to + at->channel.len, at->account.len },
                          { to + at->channel.len + at->account.len, at->provider_id.len } };
    memcpy(to, at->channel.ptr, at->channel.len);
    memcpy(to + at->channel.len, at->account.ptr, at->account.len);
    memcpy(to + at->channel.len + at->account.len, at->provider_id.ptr, at->provider_id.len);
    return copy;
}

static void waiter_free(struct waiter *w) { free((char *)(uintptr_t)w->at.channel.ptr); }

static void arm(struct status_node *node, int64_t due_ms);

void lookup_wait(struct status_node *node, wf_item *it, const struct place *at, int64_t hold_ms)
{
    if (node->n_waiting == node->size) {
        node->size = node->size ? node->size * 2 : 64;
        node->waiting = realloc(node->waiting, node->size * sizeof *node->waiting);
        if (!node->waiting)
            abort();
    }
    int64_t now = clock_ms();
    node->waiting[node->n_waiting++] = (struct waiter){ .ticket = node->h->park(it, PARK_MS),
                                                        .at = place_copy(at),
                                                        .until_ms = now + hold_ms,
                                                        .due_ms = now + FIRST_MS };
    node->h->count(node->inst, METRIC_WAITING, (int64_t)node->n_waiting);
    arm(node, now + FIRST_MS);
}

/* --- the query -------------------------------------------------------------------------------- */

/* `[["sms","acme","id"],..]` of the first n. */
static char *keys_json(const struct waiter *w, size_t n, size_t *len)
{
    size_t room = 3;
    for (size_t i = 0; i < n; i++)
        room += 12 + 6 * (w[i].at.channel.len + w[i].at.account.len + w[i].at.provider_id.len);
    char *text = malloc(room), *to = text;
    if (!text)
        abort();
    *to++ = '[';
    for (size_t i = 0; i < n; i++) {
        const wf_str parts[] = { w[i].at.channel, w[i].at.account, w[i].at.provider_id };
        for (size_t k = 0; k < 3; k++) {
            to += sprintf(to, k ? ",\"" : i ? ",[\"" : "[\"");
            for (size_t c = 0; c < parts[k].len; c++) {
                unsigned char ch = (unsigned char)parts[k].ptr[c];
                if (ch < 0x20 || ch == '"' || ch == '\\')
                    to += sprintf(to, "\\u%04x", ch);
                else
                    *to++ = (char)ch;
            }
            *to++ = '"';
        }
        *to++ = ']';
    }
    *to++ = ']';
    *len = (size_t)(to - text);
    return text;
}

/* The first that are due move to the front, in their order; how many. */
static size_t gather_due(struct status_node *node, int64_t now)
{
    size_t n = 0;
    for (size_t i = 0; i < node->n_waiting && n < BATCH; i++) {
        if (node->waiting[i].due_ms > now)
            continue;
        struct waiter w = node->waiting[i];
        memmove(&node->waiting[n + 1], &node->waiting[n], (i - n) * sizeof w);
        node->waiting[n++] = w;
    }
    return n;
}

static void remember(struct status_node *node, const wf_rows *rows)
{
    for (size_t i = 0; i < rows->n_rows; i++) {
        const wf_str *row = &rows->cells[i * rows->n_columns];
        struct place at = { row[0], row[1], row[2] };
        uint32_t seen = 1u << WF_STATE_ACCEPTED;
        for (size_t k = 0, bits = 0; k < row[4].len; k++) {
            bits = bits * 10 + (size_t)(row[4].ptr[k] - '0');
            if (k + 1 == row[4].len)
                seen |= (uint32_t)bits;
        }
        cache_add(node->cache, &at, row[3], seen);
    }
}

/* Ends what was found and what has waited long enough; the others come again. */
static void settle(struct status_node *node, const wf_rows *rows, int64_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->n_waiting; i++) {
        struct waiter *w = &node->waiting[i];
        bool asked = i < node->n_asked;
        wf_item *it = NULL;
        wf_str unused;
        bool found = asked && !rows->error && cache_find(node->cache, &w->at, &unused);
        bool over = asked && !rows->error && !found && now >= w->until_ms;
        if (found || over) {
            it = node->h->resume(node->h, w->ticket);
            waiter_free(w);
            if (it && !(found && status_finish(node->h, it, node)))
                status_unknown(node->h, it);
            continue;
        }
        if (asked) {
            int64_t wait =
                rows->error ? DOWN_MS : (int64_t)AGAIN_MS << (w->tries < 4 ? w->tries : 4);
            w->tries += !rows->error;
            wait = wait < AGAIN_MAX_MS ? wait : AGAIN_MAX_MS;
            w->due_ms = now + wait;
            if (!rows->error && w->due_ms > w->until_ms)
                w->due_ms = w->until_ms > now ? w->until_ms : now;
        }
        node->waiting[kept++] = *w;
    }
    node->n_waiting = kept;
    node->h->count(node->inst, METRIC_WAITING, (int64_t)kept);
}

static void arm_next(struct status_node *node)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < node->n_waiting; i++)
        if (node->waiting[i].due_ms < due)
            due = node->waiting[i].due_ms;
    if (node->n_waiting)
        arm(node, due);
}

static void node_free(struct status_node *node)
{
    for (size_t i = 0; i < node->n_waiting; i++)
        waiter_free(&node->waiting[i]);
    free(node->waiting);
    cache_put_back(node->cache);
    free(node);
}

static void on_rows(const wf_host *h, void *arg, const wf_rows *rows)
{
    struct status_node *node = arg;
    node->is_asking = false;
    if (node->closed) {
        node_free(node);
        return;
    }
    if (rows->error)
        h->log(node->inst, WF_WARN, "lookup", "receipts wait for the store: %s", rows->error);
    else
        remember(node, rows);
    settle(node, rows, clock_ms());
    node->n_asked = 0;
    arm_next(node);
}

static void ask(struct status_node *node)
{
    node->n_asked = gather_due(node, clock_ms());
    if (!node->n_asked) {
        arm_next(node);
        return;
    }
    wf_str keys;
    char *text = keys_json(node->waiting, node->n_asked, &keys.len);
    keys.ptr = text;
    wf_statement statement = {
        .pg = query_pg, .sqlite = query_sqlite, .params = &keys, .n_params = 1
    };
    node->is_asking = true;
    node->h->count(node->inst, METRIC_QUERIES, 1);
    int refused = node->sql->run(node->inst, &statement, 1, on_rows, node);
    free(text);
    if (refused) {
        wf_rows none = { .size = sizeof none, .error = "this engine's store runs no statements" };
        on_rows(node->h, node, &none);
    }
}

static void on_timer(void *arg)
{
    struct status_node *node = arg;
    node->timer = NULL;
    ask(node);
}

static void arm(struct status_node *node, int64_t due_ms)
{
    if (node->is_asking || (node->timer && node->timer_ms <= due_ms))
        return;
    if (node->timer)
        node->loop->timer_stop(node->timer);
    int64_t in_ms = due_ms - clock_ms();
    node->timer_ms = due_ms;
    node->timer = node->loop->timer(node->inst, in_ms > 0 ? in_ms : 0, on_timer, node);
}

void lookup_free(struct status_node *node)
{
    if (node->timer)
        node->loop->timer_stop(node->timer);
    node->timer = NULL;
    if (node->is_asking)
        node->closed = true;
    else
        node_free(node);
}
