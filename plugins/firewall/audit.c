/* SPDX-License-Identifier: Apache-2.0
 * Every load of rules and lists leaves a line in the log and a row in firewall_audit, and each
 * version of the rules is kept whole in firewall_rules, so that a verdict can be worked out again
 * from the version it carries. Without a store of the engine there is the log.
 *
 * Thread: the worker's, of the one node that speaks for the keeper. Nothing blocks.
 */
#include "firewall_int.h"
#include <stdio.h>
#include <string.h>

static void on_rows(const wf_host *h, void *arg, const wf_rows *rows)
{
    (void)h;
    (void)arg;
    (void)rows; /* the log has the event; a row that could not be written is no reason to stop */
}

static wf_str text_of(const char *text) { return (wf_str){ text, strlen(text) }; }

static void write_rows(struct node *d, const struct keeper_event *e)
{
    static const char keep[] =
        "INSERT INTO firewall_rules (hash, at_ms, body) VALUES ($1, $2::bigint, $3)"
        " ON CONFLICT (hash) DO NOTHING";
    static const char note[] =
        "INSERT INTO firewall_audit (id, at_ms, kind, source, version, outcome, entries, detail)"
        " VALUES ($1, $2::bigint, $3, $4, $5, $6, $7::bigint, $8) ON CONFLICT (id) DO NOTHING";
    char at[24], count[24], id[64];
    snprintf(at, sizeof at, "%lld", (long long)e->at_ms);
    snprintf(count, sizeof count, "%llu", (unsigned long long)e->count);
    snprintf(id, sizeof id, "%llx-%016llx", (unsigned long long)e->at_ms,
             (unsigned long long)name_hash(e->source, strlen(e->source)));
    wf_str row[] = {
        text_of(id),        text_of(at),         text_of(e->is_rules ? "rules" : "list"),
        text_of(e->source), text_of(e->version), text_of(e->failed ? "refused" : "loaded"),
        text_of(count),     text_of(e->text)
    };
    wf_statement statements[2] = { { .pg = note, .params = row, .n_params = 8 } };
    wf_str body[3];
    size_t n = 1;
    if (e->rules) {
        body[0] = text_of(e->rules->hash);
        body[1] = text_of(at);
        body[2] = (wf_str){ e->rules->text, e->rules->text_len };
        statements[n++] = (wf_statement){ .pg = keep, .params = body, .n_params = 3 };
    }
    d->sql->run(d->inst, statements, n, on_rows, NULL);
}

void node_audit(struct node *d)
{
    struct keeper_event e;
    while (keeper_event(d->keeper, &e)) {
        d->h->count(d->inst, e.failed ? METRIC_REFUSED : METRIC_RELOADS, 1);
        if (e.failed)
            d->h->log(d->inst, WF_WARN, "firewall.refused", "%s: %s", e.source, e.text);
        else
            d->h->log(d->inst, WF_INFO, "firewall.loaded", "%s: %llu %s, version %s", e.source,
                      (unsigned long long)e.count, e.is_rules ? "rules" : "numbers", e.version);
        if (d->sql)
            write_rows(d, &e);
        rules_unref(e.rules);
    }
}
