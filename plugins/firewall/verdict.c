/* SPDX-License-Identifier: Apache-2.0
 * What becomes of a message: its port, its `firewall` member, and alerts with hashes in place of
 * text and numbers.
 *
 * Thread: the worker's. Nothing blocks; memory is the items' own.
 */
#include "firewall_int.h"
#include "hash.h"
#include <stdio.h>

#define KEY(text)                                                                                  \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
enum { MEMBERS = 10 };

struct members {
    const struct node *d;
    wf_item *it;
    wf_str keys[MEMBERS];
    const wf_value *values[MEMBERS];
    size_t n;
};

static void member_add(struct members *o, wf_str key, const wf_value *value)
{
    o->keys[o->n] = key;
    o->values[o->n++] = value;
}

static void member_text(struct members *o, wf_str key, const char *text)
{
    if (text && *text)
        member_add(o, key, o->d->h->v->of_str(o->it, text, strlen(text)));
}

static void member_int(struct members *o, wf_str key, int64_t n)
{
    member_add(o, key, o->d->h->v->of_int(o->it, n));
}

static int32_t score_of(const struct node *d, size_t i)
{
    const struct message *m = &d->messages[i];
    int32_t model = d->results[i].score_pm;
    int32_t score = (model > 0 ? model : 0) + m->weight;
    return score < 0 ? 0 : score;
}

/* --- alerts ----------------------------------------------------------------------------------- */

static const wf_value *hex(struct members *o, uint64_t hash)
{
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    return o->d->h->v->of_str(o->it, text, 16);
}

static uint64_t hash_number(const struct node *d, uint64_t number)
{
    char text[20];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return hash_keyed(d->hash_key, text, (size_t)n);
}

/* Never the text, never the number: who has the key can check a guess. */
static void alert(struct node *d, size_t i, const struct rule *rule, enum verdict verdict,
                  int is_monitor)
{
    static const wf_str keys[] = {
        KEY("v"),     KEY("id"),     KEY("ts_us"),         KEY("tenant_id"),
        KEY("rule"),  KEY("ver"),    KEY("verdict"),       KEY("mode"),
        KEY("score"), KEY("reason"), KEY("evidence_hash"), KEY("msisdn_hash")
    };
    const struct message *m = &d->messages[i];
    const wf_values *v = d->h->v;
    wf_item *it = d->items[i];
    struct members o = { .d = d, .it = it };
    const char *mode = is_monitor ? "monitor" : "enforce";
    const char *reason = reason_name(rule ? rule->reason : m->reason);
    const char *id = rule ? rule->id : "";
    const wf_value *values[] = {
        v->of_int(it, 1),
        v->get(d->h->value(it), d->c->fields[FIELD_ID].ptr, d->c->fields[FIELD_ID].len),
        v->of_int(it, d->now_ms * 1000),
        v->of_str(it, m->tenant, m->tenant_len),
        v->of_str(it, id, strlen(id)),
        v->of_str(it, d->snapshot->version, strlen(d->snapshot->version)),
        v->of_str(it, verdict_name(verdict), strlen(verdict_name(verdict))),
        v->of_str(it, mode, strlen(mode)),
        v->of_int(it, score_of(d, i)),
        v->of_str(it, reason, strlen(reason)),
        hex(&o, hash_keyed(d->hash_key, m->text, m->text_len)),
        hex(&o, hash_number(d, m->to)),
    };
    wf_output out = { .channel = "kafka",
                      .topic = d->c->events.ptr,
                      .key = { m->tenant, m->tenant_len },
                      .partition = -1 };
    out.body = v->json(it, v->object(it, keys, values, sizeof keys / sizeof *keys));
    if (d->h->output(it, &out) == 0)
        node_count(d, METRIC_ALERTS);
}

static void alert_all(struct node *d, size_t i)
{
    const struct message *m = &d->messages[i];
    if (!d->c->events.len)
        return;
    for (unsigned k = 0; k < m->n_notes; k++)
        if (!m->notes[k].rule->is_monitor || d->c->alert_monitor)
            alert(d, i, m->notes[k].rule, m->notes[k].rule->verdict, m->notes[k].rule->is_monitor);
    if (m->verdict > VERDICT_TAG)
        alert(d, i, m->rule, m->verdict, 0);
}

/* --- the member ------------------------------------------------------------------------------- */

static void member_notes(struct members *o, const struct message *m)
{
    const wf_values *v = o->d->h->v;
    for (int monitor = 0; monitor < 2; monitor++) {
        const wf_value *ids[NOTES_MAX];
        size_t n = 0;
        for (unsigned k = 0; k < m->n_notes; k++)
            if (m->notes[k].rule->is_monitor == monitor)
                ids[n++] = v->of_str(o->it, m->notes[k].rule->id, strlen(m->notes[k].rule->id));
        if (n)
            member_add(o, monitor ? (wf_str)KEY("monitored") : (wf_str)KEY("tags"),
                       v->array(o->it, ids, n));
    }
}

static const wf_value *member_of(const struct node *d, size_t i)
{
    const struct message *m = &d->messages[i];
    struct members o = { .d = d, .it = d->items[i] };
    member_text(&o, (wf_str)KEY("verdict"), verdict_name(m->verdict));
    if (m->rule)
        member_text(&o, (wf_str)KEY("rule"), m->rule->id);
    member_text(&o, (wf_str)KEY("reason"), reason_name(m->reason));
    member_int(&o, (wf_str)KEY("score"), score_of(d, i));
    member_text(&o, (wf_str)KEY("version"), d->snapshot->version);
    member_int(&o, (wf_str)KEY("stage"), m->stage);
    if (m->rule && m->verdict == VERDICT_REJECT)
        member_text(&o, (wf_str)KEY("code"), m->rule->code);
    if (m->rule && m->verdict == VERDICT_REROUTE)
        member_text(&o, (wf_str)KEY("route"), m->rule->route);
    if (m->verdict == VERDICT_QUARANTINE)
        member_int(&o, (wf_str)KEY("hold_until_us"),
                   (d->now_ms + (m->rule ? m->rule->hold_ms : 1800000)) * 1000);
    if (m->n_notes)
        member_notes(&o, m);
    return d->h->v->object(o.it, o.keys, o.values, o.n);
}

/* --- finishing -------------------------------------------------------------------------------- */

static void throttle(struct node *d, size_t i)
{
    const struct message *m = &d->messages[i];
    wf_error e = { .size = sizeof e,
                   .fault = WF_THROTTLE,
                   .code = "throttled",
                   .retry_after_ms = m->retry_ms > 0 ? m->retry_ms : 1000 };
    d->h->fail_with(d->items[i], &e, "firewall: rule '%s' (%s)", m->rule ? m->rule->id : "outage",
                    reason_name(m->reason));
}

static void verdict_finish(struct node *d, size_t i)
{
    static const uint8_t ports[] = { [VERDICT_QUARANTINE] = PORT_QUARANTINED,
                                     [VERDICT_DROP] = PORT_BLOCKED,
                                     [VERDICT_REJECT] = PORT_BLOCKED,
                                     [VERDICT_THROTTLE] = PORT_BLOCKED,
                                     [VERDICT_REROUTE] = PORT_REROUTED };
    const struct message *m = &d->messages[i];
    wf_item *it = d->items[i];
    node_count(d, METRIC_MESSAGES);
    node_count(d, METRIC_VERDICT + (unsigned)m->verdict - 1);
    node_count(d, METRIC_CLASS + (unsigned)__builtin_ctz(m->class_mask) * (VERDICT_END - 1) +
                      (unsigned)m->verdict - 1);
    if (m->verdict > VERDICT_TAG)
        node_count(d, METRIC_STAGE + (unsigned)m->stage);
    if (m->reason)
        node_count(d, METRIC_REASON + (unsigned)m->reason - 1);
    if (m->verdict == VERDICT_THROTTLE && d->c->throttle == THROTTLE_RETRY) {
        throttle(d, i);
        return;
    }
    alert_all(d, i);
    const wf_value *out =
        d->h->v->set_key(it, d->h->value(it), (wf_str)KEY("firewall"), member_of(d, i));
    d->h->emit(it, m->verdict < VERDICT_END ? ports[m->verdict] : PORT_BLOCKED, out);
}

void verdict_finish_all(struct node *d)
{
    for (size_t i = 0; i < d->n; i++)
        verdict_finish(d, i);
}
