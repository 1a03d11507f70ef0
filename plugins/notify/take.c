/* SPDX-License-Identifier: Apache-2.0
 * catalyst.notify, catalyst.notifySilence, catalyst.notifyAck: what comes into the routing core.
 * The core runs in one trigger node of all engines, so what is for it goes to its inbox, a table:
 * the rows are durable with the item's outcome, and no alert is lost or taken twice.
 * Thread: the worker's. Nothing blocks.
 */
#include "notify_int.h"
#include "alert.h"
#include "silence.h"

enum { TAKE_ALERTS_MAX = 2000 };

#define ENGINE_PARAM(S)                                                                            \
    {                                                                                              \
        WF_P_STR(S, engine),                                                                       \
            .def = "default",                                                                      \
            .help = "Which routing it is for: the `engine` of a catalyst.notifyTrigger"            \
    }

int inbox_add(const wf_host *h, wf_item *it, wf_str engine, const char *kind, size_t number,
              const wf_value *body)
{
    const wf_ledger *ledger = h->service("ledger/1");
    const wf_value *row = h->build(
        it, "{s:S,s:S,s:s,s:S,s:i}", "id", h->fmt(it, "%s-%zu", h->key(it), number), "engine",
        engine, "kind", kind, "body", h->v->json(it, body), "at_ms", h->now_ms(it));
    if (ledger && ledger->commit_row(it, "notify_inbox", row, "id") == 0)
        return 0;
    h->fail(it, "the store has no table notify_inbox: run `catalyst migrate`");
    return -1;
}

/* --- alerts ----------------------------------------------------------------------------------- */

const wf_param take_params[] = {
    ENGINE_PARAM(struct take_config),
    { WF_P_VALUE(struct take_config, alerts), .flags = WF_EXPR,
      .help = "The alerts: an object, a list, or an object with `alerts`; absent: the item" },
    WF_END,
};

const wf_metric take_metrics[] = {
    { WF_COUNTER, "notify_alerts_total", NULL, "Alerts that were taken" },
    { WF_COUNTER, "notify_alerts_rejected_total", NULL, "Alerts that were wrong" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};

const char take_docs[] =
    "Takes alerts and gives them to the routing of a `catalyst.notifyTrigger` with the same\n"
    "`engine`. They may come from a topic (`notifications.*`), from Prometheus (its API v2, or "
    "the\n"
    "body of Alertmanager's webhook) or from any node:\n"
    "\n"
    "```json\n"
    "{\"labels\": {\"alertname\": \"SmppBindDown\", \"severity\": \"critical\", \"account\": "
    "\"a1\"},\n"
    " \"annotations\": {\"summary\": \"account a1 has no bind\"}, \"starts_at\": "
    "\"2026-01-05T08:00:00Z\"}\n"
    "```\n"
    "\n"
    "- An alert is known by its labels. `severity` beside them becomes a label when there is "
    "none.\n"
    "- It is over when `ends_at` (`endsAt`) has passed, or `status` is `resolved`. Without an end\n"
    "  it is taken for over `resolve_timeout` after it was heard last.\n"
    "- Times are texts, or numbers of seconds, milliseconds or microseconds.\n"
    "\n"
    "Rules for Prometheus that fit this are in `workflows/alerts/catalyst.rules.yml`; the shipped "
    "workflow\n`alert-routing` takes what they raise.\n"
    "\n"
    "Every item leaves with `notify: {accepted, rejected: [{index, reason}]}`: by `accepted`, or "
    "by\n`rejected` when one of its alerts was wrong (the others are taken all the same).\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.notify\", \"parameters\": {\"alerts\": \"={{ $json.body }}\"}}\n"
    "```\n";

/* The i-th alert; NULL past the end. */
static const wf_value *take_alert(const wf_values *v, const wf_value *given, size_t i)
{
    const wf_value *list = v->type(given) == WF_JSON_OBJECT ? v->get(given, "alerts", 6) : given;
    if (v->type(list) == WF_JSON_ARRAY)
        return v->at(list, i);
    return i == 0 ? given : NULL;
}

static int take_is_wrong(const wf_host *h, wf_item *it, const wf_value *alert, struct why *why)
{
    json_t *json = json_of_value(h->v, alert);
    struct alert *a = alert_of_json(json, h->now_ms(it), 300000, why);
    json_decref(json);
    if (!a)
        return 1;
    alert_unref(a);
    return 0;
}

static void take_item(const wf_host *h, wf_item *it)
{
    const struct take_config *c = h->config(it);
    const wf_value *given = c->alerts ? c->alerts : h->value(it), *alert;
    const wf_value *wrong[64];
    size_t n_wrong = 0, n = 0;
    int64_t taken = 0;
    for (; n < TAKE_ALERTS_MAX && (alert = take_alert(h->v, given, n)); n++) {
        struct why why;
        if (!take_is_wrong(h, it, alert, &why)) {
            if (inbox_add(h, it, c->engine, "alert", n, alert) != 0)
                return;
            taken++;
        } else if (n_wrong < 64) {
            wrong[n_wrong++] = h->build(it, "{s:i,s:s}", "index", (int64_t)n, "reason", why.text);
        }
    }
    if (n == TAKE_ALERTS_MAX && n_wrong < 64)
        wrong[n_wrong++] = h->build(it, "{s:i,s:s}", "index", (int64_t)n, "reason",
                                    "an item holds more than 2,000 alerts");
    h->count(h->inst(it), TAKE_ALERTS, taken);
    h->count(h->inst(it), TAKE_WRONG, (int64_t)n_wrong);
    const wf_value *notify =
        h->build(it, "{s:i,s:v}", "accepted", taken, "rejected", h->v->array(it, wrong, n_wrong));
    h->emit(it, n_wrong ? TAKE_REJECTED : TAKE_DONE,
            h->v->set_key(it, h->value(it), str_of("notify"), notify));
}

void take_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        take_item(h, items[i]);
}

/* --- silences --------------------------------------------------------------------------------- */

static const wf_pair silence_operations[] = { { "add",
                                                "Make a silence, or change the one with this id" },
                                              { "expire", "End a silence now" },
                                              { "list", "All silences that are known" },
                                              { NULL, NULL } };

#define ADDS "operation=add"
const wf_param silence_params[] = {
    ENGINE_PARAM(struct silence_config),
    { WF_P_CHOICE(struct silence_config, operation, silence_operations), .def = "add",
      .help = "What to do" },
    { WF_P_VALUE(struct silence_config, matchers), .flags = WF_EXPR, .show_if = ADDS,
      .help = "Which alerts: a text or a list of texts such as `team=\"sms\"`, `host=~\"a.*\"`" },
    { WF_P_STR(struct silence_config, duration), .flags = WF_EXPR, .show_if = ADDS,
      .help = "How long: \"2h\"" },
    { WF_NAMED("endsAt"), WF_F_STR(struct silence_config, ends_at), .flags = WF_EXPR,
      .show_if = ADDS, .help = "Until when, instead of duration" },
    { WF_NAMED("startsAt"), WF_F_STR(struct silence_config, starts_at), .flags = WF_EXPR,
      .show_if = ADDS, .help = "From when; absent: from now on" },
    { WF_NAMED("createdBy"), WF_F_STR(struct silence_config, created_by), .flags = WF_EXPR,
      .show_if = ADDS, .help = "Who" },
    { WF_P_STR(struct silence_config, comment), .flags = WF_EXPR, .show_if = ADDS, .help = "Why" },
    { WF_P_STR(struct silence_config, id), .flags = WF_EXPR, .show_if = "operation=add|expire",
      .help = "The silence; with add absent: a new one" },
    WF_END,
};

const char silence_docs[] =
    "Alerts that match a silence are not notified between its two times. The item leaves by "
    "`done`\n"
    "with `silence` (`{id, matchers, startsAt, endsAt, ..}`, for `list` with `silences`, a list), "
    "or by\n`rejected` with `silence: {reason}`.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.notifySilence\", \"parameters\": {\"matchers\": "
    "\"host=\\\"{{ $json.host }}\\\"\",\n"
    " \"duration\": \"2h\", \"createdBy\": \"ann\", \"comment\": \"new disk\"}}\n"
    "```\n";

static void silence_refuse(const wf_host *h, wf_item *it, const char *reason)
{
    h->emit(it, TAKE_REJECTED,
            h->v->set_key(it, h->value(it), str_of("silence"),
                          h->build(it, "{s:s}", "reason", reason)));
}

static void set_text(json_t *to, const char *name, wf_str text)
{
    if (text.len)
        json_object_set_new(to, name, json_stringn(text.ptr, text.len));
}

static void silence_add(const wf_host *h, wf_item *it, const struct silence_config *c)
{
    struct why why;
    json_t *json = json_object(), *whole;
    wf_str id = c->id;
    if (!id.len)
        id = h->fmt(
            it, "%016llx",
            (unsigned long long)memory_hash(memory_hash_begin, h->key(it), strlen(h->key(it))));
    set_text(json, "id", id);
    set_text(json, "startsAt", c->starts_at);
    set_text(json, "endsAt", c->ends_at);
    set_text(json, "duration", c->duration);
    set_text(json, "createdBy", c->created_by);
    set_text(json, "comment", c->comment);
    json_object_set_new(json, "matchers", json_of_value(h->v, c->matchers));
    struct silence *s = silence_of_json(json, h->now_ms(it), &why);
    json_decref(json);
    if (!s || id.len > 100) {
        silence_free(s);
        silence_refuse(h, it, s ? "id is longer than 100 bytes" : why.text);
        return;
    }
    whole = silence_save(s);
    const wf_value *value = value_of_json(h, it, whole);
    json_decref(whole);
    silence_free(s);
    if (inbox_add(h, it, c->engine, "silence", 0, value) == 0)
        h->emit(it, TAKE_DONE, h->v->set_key(it, h->value(it), str_of("silence"), value));
}

static void silence_expire(const wf_host *h, wf_item *it, const struct silence_config *c)
{
    if (!c->id.len) {
        silence_refuse(h, it, "id is missing");
        return;
    }
    const wf_value *value = h->build(it, "{s:S}", "id", c->id);
    if (inbox_add(h, it, c->engine, "expire", 0, value) == 0)
        h->emit(it, TAKE_DONE, h->v->set_key(it, h->value(it), str_of("silence"), value));
}

struct silence_list {
    wf_ticket ticket;
};

static void silence_listed(const wf_host *h, void *arg, const wf_rows *rows)
{
    struct silence_list *list = arg;
    wf_item *it = h->resume(h, list->ticket);
    free(list);
    if (!it)
        return;
    if (rows->error) {
        h->fail_with(it, &(wf_error){ .size = sizeof(wf_error), .fault = WF_TRANSIENT },
                     "the store: %s", rows->error);
        return;
    }
    const wf_value **values = h->alloc(it, (rows->n_rows + 1) * sizeof(void *));
    size_t n = 0;
    for (size_t i = 0; i < rows->n_rows; i++) {
        const char *why = NULL;
        const wf_value *one = h->v->parse(it, rows->cells[i], &why);
        int64_t starts = 0, ends = 0;
        h->v->int64(h->v->get(one, "startsAt", 8), &starts);
        h->v->int64(h->v->get(one, "endsAt", 6), &ends);
        const char *state = h->now_ms(it) >= ends    ? "expired"
                            : h->now_ms(it) < starts ? "pending"
                                                     : "active";
        if (one)
            values[n++] =
                h->v->set_key(it, one, str_of("state"), h->v->of_str(it, state, strlen(state)));
    }
    h->emit(it, TAKE_DONE,
            h->v->set_key(it, h->value(it), str_of("silences"), h->v->array(it, values, n)));
}

static void silence_list(const wf_host *h, wf_item *it, const struct silence_config *c)
{
    const wf_sql *sql = h->service("sql/1");
    wf_statement statement = {
        .pg = "SELECT body FROM notify_state WHERE engine = $1 AND key LIKE 's:%' ORDER BY key",
        .params = &c->engine,
        .n_params = 1
    };
    struct silence_list *list = memory_get(sizeof *list);
    list->ticket = h->park(it, 30000);
    if (sql && sql->run(h->inst(it), &statement, 1, silence_listed, list) == 0)
        return;
    it = h->resume(h, list->ticket);
    free(list);
    h->fail(it, "this engine has no store for silences");
}

void silence_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct silence_config *c = h->config(items[i]);
        if (c->operation == SILENCE_ADD)
            silence_add(h, items[i], c);
        else if (c->operation == SILENCE_EXPIRE)
            silence_expire(h, items[i], c);
        else
            silence_list(h, items[i], c);
    }
}

/* --- acknowledgements ------------------------------------------------------------------------- */

const wf_param ack_params[] = {
    ENGINE_PARAM(struct ack_config),
    { WF_P_STR(struct ack_config, what), .flags = WF_EXPR | WF_REQUIRED,
      .help = "The `incident` or `groupKey` of a notification, or the fingerprint of an alert" },
    { WF_P_STR(struct ack_config, who), .flags = WF_EXPR, .help = "Who looks after it" },
    WF_END,
};

const char ack_docs[] =
    "Somebody looks after it: escalation stops, and there are no reminders. What changes is still\n"
    "told, and when all alerts of the group are over the next one begins afresh.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.notifyAck\", \"parameters\": {\"what\": \"={{ $json.incident }}\", "
    "\"who\": \"ann\"}}\n"
    "```\n";

void ack_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wf_item *it = items[i];
        const struct ack_config *c = h->config(it);
        const wf_value *ack = h->build(it, "{s:S,s:S}", "what", c->what, "who", c->who);
        if (!c->what.len)
            h->emit(it, TAKE_REJECTED,
                    h->v->set_key(it, h->value(it), str_of("ack"),
                                  h->build(it, "{s:s}", "reason", "what is empty")));
        else if (inbox_add(h, it, c->engine, "ack", 0, ack) == 0)
            h->emit(it, TAKE_DONE, h->v->set_key(it, h->value(it), str_of("ack"), ack));
    }
}
