/* SPDX-License-Identifier: Apache-2.0
 * One transaction of the trigger: rows of the inbox are done, what the core knows has changed,
 * notifications are due. All of it or nothing, and only while this engine owns the routing. So a
 * crash at any instant loses no alert and tells nothing twice. Every statement may be repeated:
 * when a connection breaks in the middle the same batch runs again. Thread: the worker's.
 */
#include "trigger_int.h"

enum { CLAIMS_KEEP_MS = 604800000, CLEAN_EVERY_MS = 3600000 };

void pending_free(struct pending_list *list)
{
    while (list->first) {
        struct pending *p = list->first;
        list->first = p->next;
        free(p->id);
        free(p->json);
        free(p);
    }
    *list = (struct pending_list){ 0 };
}

struct batch *batch_create(void) { return memory_get(sizeof(struct batch)); }

void batch_free(struct batch *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n; i++) {
        for (uint32_t k = 0; k < b->at[i].n_params; k++)
            free((char *)b->at[i].params[k].ptr);
        free((wf_str *)b->at[i].params);
    }
    free(b->at);
    pending_free(&b->fresh);
    free(b);
}

void batch_add(struct batch *b, const char *sql, unsigned flags, size_t n,
               const char *const *params)
{
    wf_str *copies = memory_get(n * sizeof *copies);
    for (size_t i = 0; i < n; i++)
        copies[i] = str_of(memory_text(params[i]));
    b->at = memory_grow(b->at, b->n, sizeof *b->at);
    b->at[b->n++] =
        (wf_statement){ .pg = sql, .params = copies, .n_params = (uint32_t)n, .flags = flags };
}

/* --- the core's changes ----------------------------------------------------------------------- */

struct filling {
    struct trigger *t;
    struct batch *b;
};

static void fill_change(void *arg, const char *key, const json_t *body)
{
    struct filling *f = arg;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    const char *params[] = { f->t->engine, key, text };
    if (text)
        batch_add(f->b,
                  "INSERT INTO notify_state (engine, key, body) VALUES ($1, $2, $3) "
                  "ON CONFLICT (engine, key) DO UPDATE SET body = excluded.body",
                  0, 3, params);
    else
        batch_add(f->b, "DELETE FROM notify_state WHERE engine = $1 AND key = $2", 0, 2, params);
    free(text);
}

static void fill_outbox(struct trigger *t, struct batch *b, int64_t now_ms)
{
    char now[24];
    snprintf(now, sizeof now, "%lld", (long long)now_ms);
    for (const struct pending *p = b->fresh.first; p; p = p->next) {
        const char *params[] = { t->engine, p->id, p->json, now };
        batch_add(b,
                  "INSERT INTO notify_outbox (engine, id, body, at_ms) VALUES ($1, $2, $3, $4) "
                  "ON CONFLICT (engine, id) DO NOTHING",
                  0, 4, params);
    }
}

static void fill_inbox(struct batch *b, const wf_rows *inbox)
{
    for (size_t i = 0; i < inbox->n_rows; i++) {
        char *seq = memory_print("%.*s", (int)inbox->cells[i * inbox->n_columns].len,
                                 inbox->cells[i * inbox->n_columns].ptr);
        const char *params[] = { seq };
        batch_add(b, "DELETE FROM notify_inbox WHERE seq = $1", 0, 1, params);
        free(seq);
    }
}

void batch_fill(struct trigger *t, struct batch *b, const wf_rows *inbox, int64_t now_ms)
{
    struct filling f = { t, b };
    char epoch[24], old[24];
    const char *owner[] = { t->engine, epoch }, *clean[] = { t->engine, old };
    snprintf(epoch, sizeof epoch, "%lld", (long long)t->epoch);
    batch_add(b, "UPDATE notify_owner SET epoch = epoch WHERE engine = $1 AND epoch = $2",
              WF_SQL_MUST_HIT, 2, owner);
    fill_inbox(b, inbox);
    router_changes(t->router, fill_change, &f);
    fill_outbox(t, b, now_ms);
    if (now_ms >= t->cleaned_ms + CLEAN_EVERY_MS) {
        t->cleaned_ms = now_ms;
        snprintf(old, sizeof old, "%lld", (long long)(now_ms - CLAIMS_KEEP_MS));
        batch_add(b, "DELETE FROM notify_claims WHERE engine = $1 AND at_ms < $2", 0, 2, clean);
    }
}
