/* SPDX-License-Identifier: Apache-2.0
 * catalyst.notifyDispatch, what an execution of catalyst.notifyTrigger does first: it claims its
 * notification, which then leaves by the port of its kind. Of two
 * executions for the same one, after a crash, the first goes on and the second ends without an
 * item. The claim knows an execution by key(), so one that is run again keeps its own.
 * Thread: the worker's.
 */
#include "notify_int.h"
#include "router.h"

enum { CLAIM_MS = 60000, DISPATCH_REPEATED = KINDS };

struct claim {
    wf_ticket ticket;
    unsigned port;
};

static unsigned claim_port(const wf_host *h, wf_item *it)
{
    wf_str kind = member(h, h->value(it), "kind");
    unsigned port = 0;
    while (port < KIND_OTHER && (strlen(kind_names[port]) != kind.len ||
                                 memcmp(kind_names[port], kind.ptr, kind.len) != 0))
        port++;
    return port;
}

static void claim_pass(const wf_host *h, wf_item *it, unsigned port)
{
    h->count(h->inst(it), port, 1);
    h->pass(it, port);
}

static void claim_answered(const wf_host *h, void *arg, const wf_rows *rows)
{
    struct claim claim = *(struct claim *)arg;
    wf_item *it = h->resume(h, claim.ticket);
    free(arg);
    if (!it)
        return;
    if (rows->error) {
        h->fail_with(it, &(wf_error){ .size = sizeof(wf_error), .fault = WF_TRANSIENT },
                     "claiming the notification: %s", rows->error);
        return;
    }
    const char *key = h->key(it);
    if (rows->n_rows && rows->cells[0].ptr && rows->cells[0].len == strlen(key) &&
        !memcmp(rows->cells[0].ptr, key, rows->cells[0].len)) {
        claim_pass(h, it, claim.port);
        return;
    }
    h->count(h->inst(it), DISPATCH_REPEATED, 1);
    h->done(it);
}

static void claim_item(const wf_host *h, wf_item *it)
{
    const wf_sql *sql = h->service("sql/1");
    unsigned port = claim_port(h, it);
    wf_str id = member(h, h->value(it), "id"), engine = member(h, h->value(it), "engine");
    wf_str params[] = { engine, id, str_of(h->key(it)),
                        h->fmt(it, "%lld", (long long)h->now_ms(it)) };
    wf_statement statements[] = {
        { .pg = "INSERT INTO notify_claims (engine, id, taken_by, at_ms) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (engine, id) DO NOTHING",
          .params = params,
          .n_params = 4 },
        { .pg = "DELETE FROM notify_outbox WHERE engine = $1 AND id = $2",
          .params = params,
          .n_params = 2 },
        { .pg = "SELECT taken_by FROM notify_claims WHERE engine = $1 AND id = $2",
          .params = params,
          .n_params = 2 },
    };
    if (!sql || !id.len || !engine.len) {
        claim_pass(h, it, port); /* made by hand */
        return;
    }
    struct claim *claim = memory_get(sizeof *claim);
    *claim = (struct claim){ h->park(it, CLAIM_MS), port };
    if (sql->run(h->inst(it), statements, 3, claim_answered, claim) == 0)
        return;
    it = h->resume(h, claim->ticket);
    free(claim);
    if (it)
        claim_pass(h, it, port);
}

void dispatch_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        claim_item(h, items[i]);
}

void trigger_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

/* --- tables ----------------------------------------------------------------------------------- */

const wf_param trigger_params[] = {
    { WF_P_STR(struct trigger_config, engine), .def = "default",
      .help = "The routing's name, for catalyst.notify and the rows it keeps" },
    { WF_P_VALUE(struct trigger_config, configuration),
      .help = "Routes, receivers and the rest as JSON, with Alertmanager's names" },
    { WF_P_STR(struct trigger_config, file),
      .help = "A file with the configuration, where `configuration` is absent" },
    { WF_NAMED("pollInterval"), WF_F_MS(struct trigger_config, poll_ms), .def = "500ms", .min = 20,
      .max = 60000, .help = "How often the inbox is looked at" },
    WF_END,
};

const wf_metric trigger_metrics[] = {
    { WF_COUNTER, "notify_routed_total", NULL, "Alerts that came to the routing" },
    { WF_COUNTER, "notify_notifications_total", NULL, "Notifications that became due" },
    { WF_COUNTER, "notify_inhibited_total", NULL, "Alerts left out: another one inhibits them" },
    { WF_COUNTER, "notify_silenced_total", NULL, "Alerts left out: silenced" },
    { WF_COUNTER, "notify_quiet_total", NULL, "Alerts left out: quiet hours" },
    { WF_COUNTER, "notify_loops_total", NULL, "Alerts about a channel not sent over it" },
    { WF_COUNTER, "notify_storm_total", NULL, "Notifications that went into a summary" },
    { WF_COUNTER, "notify_flapping_total", NULL, "Ends of flapping alerts that were held back" },
    { WF_COUNTER, "notify_escalations_total", NULL, "Steps of escalation" },
    { WF_GAUGE, "notify_groups", NULL, "Groups there are" },
    { WF_GAUGE, "notify_active_alerts", NULL, "Alerts that are known" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};

const wf_metric dispatch_metrics[] = {
    { WF_COUNTER, "notify_dispatched_total{receiver=\"slack\"}", NULL,
      "Notifications by receiver" },
    { WF_COUNTER, "notify_dispatched_total{receiver=\"pagerduty\"}", NULL,
      "Notifications by receiver" },
    { WF_COUNTER, "notify_dispatched_total{receiver=\"email\"}", NULL,
      "Notifications by receiver" },
    { WF_COUNTER, "notify_dispatched_total{receiver=\"sms\"}", NULL, "Notifications by receiver" },
    { WF_COUNTER, "notify_dispatched_total{receiver=\"webhook\"}", NULL,
      "Notifications by receiver" },
    { WF_COUNTER, "notify_dispatched_total{receiver=\"other\"}", NULL,
      "Notifications by receiver" },
    { WF_COUNTER, "notify_repeated_total", NULL, "Executions for a notification that was taken" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};

const char dispatch_docs[] =
    "Stands behind `catalyst.notifyTrigger`: the item leaves by the port of its `kind`, to which "
    "the sender is\nconnected. Before that the execution claims the notification in "
    "`notify_claims` and takes it off the\noutbox: of two executions for the same one, which an "
    "engine that died at the wrong instant may leave,\nthe second ends here without an item. An "
    "item without `id` is let through.\n"
    "\n"
    "```json\n"
    "{\"nodes\": [{\"name\": \"Due\", \"type\": \"catalyst.notifyTrigger\"},\n"
    "  {\"name\": \"By kind\", \"type\": \"catalyst.notifyDispatch\"}, {\"name\": \"Slack\", "
    "\"type\": \"catalyst.slack\"}],\n"
    " \"connections\": {\"Due\": {\"main\": [[{\"node\": \"By kind\"}]]},\n"
    "  \"By kind\": {\"main\": [[{\"node\": \"Slack\"}]]}}}\n"
    "```\n";

const char trigger_docs[] =
    "Routes what `catalyst.notify` takes, as Alertmanager 0.25 does: alerts are grouped, wait\n"
    "`group_wait`, are told, and again after `group_interval` when something changed or\n"
    "`repeat_interval` is over. Each notification starts an execution; "
    "connect\n`catalyst.notifyDispatch`, and the senders to that. One worker of all engines does "
    "this; groups, "
    "the\n"
    "notification log, silences and acknowledgements are kept in the store, and a restart tells\n"
    "nothing twice and forgets nothing.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.notifyTrigger\", \"parameters\": {\"configuration\": {\n"
    "  \"global\": {\"resolve_timeout\": \"5m\", \"storm\": {\"max\": 30, \"per\": \"1m\"}},\n"
    "  \"route\": {\"receiver\": \"team\", \"group_by\": [\"alertname\", \"tenant\"],\n"
    "    \"routes\": [{\"matchers\": [\"severity=\\\"critical\\\"\"], \"receiver\": \"duty\",\n"
    "      \"escalation\": [{\"after\": \"15m\", \"receiver\": \"lead\"}]}]},\n"
    "  \"inhibit_rules\": [{\"source_matchers\": [\"severity=\\\"critical\\\"\"],\n"
    "    \"target_matchers\": [\"severity=\\\"warning\\\"\"], \"equal\": [\"alertname\", "
    "\"tenant\"]}],\n"
    "  \"time_intervals\": [{\"name\": \"night\", \"time_intervals\": [{\"location\": "
    "\"Europe/Berlin\",\n"
    "    \"times\": [{\"start_time\": \"22:00\", \"end_time\": \"24:00\"}]}]}],\n"
    "  \"schedules\": [{\"name\": \"duty\", \"start\": \"2026-01-05T08:00:00Z\", \"shift\": "
    "\"7d\",\n"
    "    \"location\": \"Europe/Berlin\", \"people\": [\"ann\", \"bob\"]}],\n"
    "  \"people\": {\"ann\": {\"phone\": \"+49170..\"}, \"bob\": {\"phone\": \"+49171..\"}},\n"
    "  \"receivers\": [{\"name\": \"team\", \"slack_configs\": [{\"channel\": \"#ops\"}]},\n"
    "    {\"name\": \"duty\", \"pagerduty_configs\": [{}], \"sms_configs\": [{\"oncall\": "
    "\"duty\"}]},\n"
    "    {\"name\": \"lead\", \"email_configs\": [{\"to\": \"lead@example.com\"}]}]}}}\n"
    "```\n"
    "\n"
    "**As in Alertmanager:** `route` with `routes`, `matchers` (and `match`, `match_re`), "
    "`continue`,\n`group_by` (`[\"...\"]`: all), the three times, `mute_time_intervals` and "
    "`active_time_intervals`,\n`inhibit_rules`, `time_intervals`, `receivers` with "
    "`slack_configs`, `pagerduty_configs`,\n`email_configs`, `webhook_configs` and "
    "`send_resolved`. What else stands in an integration is yours: it\ncomes with the item as "
    "`config`. Regexes run in linear time: no look-around, no back-references.\n"
    "\n"
    "**On top of it:**\n"
    "\n"
    "| setting | what it does |\n"
    "|---|---|\n"
    "| `sms_configs`, `other_configs` | two more kinds of receivers |\n"
    "| `global.mute_exempt_matchers` | whom quiet hours do not mute; default "
    "`severity=\"critical\"`, `[]`: nobody |\n"
    "| `route.escalation` | further receivers, each `after` a while without acknowledgement "
    "(`catalyst.notifyAck`); all reached are told when it is over |\n"
    "| `schedules`, `people`, `oncall` of an integration | whose turn it is comes with the item "
    "as `oncall` |\n"
    "| `global.storm`, `storm` of an integration | at most `max` notifications in `per`; the "
    "rest becomes one summary with `storm: true` |\n"
    "| `global.flapping` | the end of an alert that changed `changes` times within `window` is "
    "held back until it was quiet so long |\n"
    "| `critical_only` of an integration | only alerts with severity critical; default for SMS |\n"
    "| `loop_guard_matchers` of an integration | alerts that are never sent this way; default "
    "for SMS `channel=\"sms\"` |\n"
    "\n"
    "**The item** has Alertmanager's webhook members (`version`, `groupKey`, `status`, "
    "`receiver`,\n"
    "`groupLabels`, `commonLabels`, `commonAnnotations`, `externalURL`, `alerts`, "
    "`truncatedAlerts`) and `id`\n(the same when it is made again), `kind`, `integration`, "
    "`incident` (from the first firing to the end),\n`severity`, `step` of escalation, `firing` "
    "and "
    "`resolved` (how many), `title`, `text`, for SMS `sms` (one\nGSM-7 segment), `config`, "
    "`oncall`.\n";
