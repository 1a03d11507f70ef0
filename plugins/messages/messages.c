/* SPDX-License-Identifier: Apache-2.0
 * What became of messages: a log of every message with its outcome, and receipts that find their
 * message again. All channels share it, so that a workflow, a report and a support desk look in one
 * place.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "messages_int.h"

/* --- catalyst.messageRecord ------------------------------------------------------------------- */

#define EVENTS_HELP                                                                                \
    "Topic for an event about each message, e.g. messaging.sms.status; empty: none is sent"

static const wf_param record_params[] = {
    { WF_NAMED("events"), WF_F_STR(struct record_config, events), .help = EVENTS_HELP },
    { WF_NAMED("outcome"), WF_F_STR(struct record_config, outcome), .flags = WF_EXPR,
      .help = "The outcome; empty: by the members that earlier nodes added" },
    { WF_NAMED("reason"), WF_F_STR(struct record_config, reason), .flags = WF_EXPR,
      .help = "Its reason code; empty: by those members" },
    WF_END,
};
static const char *const record_ports[] = { "main", NULL };
static const wf_metric record_metrics[] = {
    WF_EACH_TRAFFIC(RECORDED_ROWS) /* */
    WF_EACH_CHANNEL(RECORDED_TIME) /* */
    { (wf_metric_kind)0, NULL, NULL, NULL },
};
_Static_assert(sizeof record_metrics / sizeof *record_metrics == RECORD_METRICS + 1,
               "as the table");

static const char record_docs[] =
    "Writes one row of `messages_log` for each message, in the turn's transaction: whatever became "
    "of it. The outcome is read from the members that the nodes before it added:\n\n"
    "| member | of | outcome | reason |\n"
    "|---|---|---|---|\n"
    "| `send` | a connector | `send.outcome`: accepted, rejected, unknown | `send.code` |\n"
    "| `billing.reason` | billingReserve, port denied | denied | no_funds, no_rate ... |\n"
    "| `firewall` | firewall | `firewall.verdict` | `firewall.reason` |\n\n"
    "A message that its provider took (`send.provider_id`, or `send.provider_ids` for one of "
    "several "
    "parts, with `send.account` and `send.channel`) can be found again by its receipt: see "
    "catalyst.messageStatus. What the receipt's execution will know of it are the members id, "
    "tenant_id, trace_id, channel, from, to, ts_us, class, dlr, billing, settle, bind, server and "
    "idem.\n\n"
    "A message that was released from quarantine (`quarantine.state`) and then was not sent has a "
    "row of its "
    "own, with the account `quarantine`: the one from when it was held stays.\n\n"
    "A message without `id` is kept under the execution's key. The item goes on unchanged.\n\n"
    "The event is `{v, id, ts_us, tenant_id, trace_id, channel, msg_id, provider_id, state, code, "
    "class, reason, ts_provider_us, msg_ts_us, from, dlr}`, keyed by the recipient; `state` is the "
    "outcome.\n\n"
    "Where is a message? `SELECT * FROM messages_current WHERE id = '...'`";

/* --- catalyst.messageStatus ------------------------------------------------------------------- */

static const wf_param status_params[] = {
    { WF_NAMED("events"), WF_F_STR(struct status_config, events), .help = EVENTS_HELP },
    { WF_NAMED("options.hold"), WF_F_MS(struct status_config, hold_ms), .def = "5s", .min = 0,
      .max = 3600000,
      .help = "How long a receipt waits for a message that is not known yet: receipts may overtake "
              "the answer to the send" },
    WF_END,
};
static const char *const status_ports[] = { "moved", "old", "unknown", NULL };
static const wf_metric status_metrics[] = {
    { WF_COUNTER, "messages_moved_total", NULL, "Receipts that moved the state of a message" },
    { WF_COUNTER, "messages_old_total", NULL, "Receipts that were known, or came too late" },
    { WF_COUNTER, "messages_unknown_total", NULL, "Receipts of messages nobody knows" },
    { WF_COUNTER, "messages_cache_hits_total", NULL, "Receipts whose message was in memory" },
    { WF_COUNTER, "messages_cache_misses_total", NULL, "Receipts that had to ask the store" },
    { WF_COUNTER, "messages_queries_total", NULL,
      "Queries for messages; each serves many receipts" },
    { WF_GAUGE, "messages_waiting", NULL, "Receipts that wait for their message" },
    WF_EACH_TRAFFIC(ENDED_ROWS) /* */
    WF_EACH_CHANNEL(ENDED_TIME) /* */
    { (wf_metric_kind)0, NULL, NULL, NULL },
};
_Static_assert(sizeof status_metrics / sizeof *status_metrics == STATUS_METRICS + 1,
               "as the table");

static const char status_docs[] =
    "Takes a receipt: `{channel, account, provider_id, state, code, class, ts_provider_us}`, as "
    "the "
    "triggers of the channels give them, and finds the message that catalyst.messageRecord kept. "
    "States are those of all channels: accepted < sent < delivered < read, and rejected, expired, "
    "failed, which end a message. Receipts come twice and out of order; a state only grows.\n\n"
    "| port | when | adds |\n"
    "|---|---|---|\n"
    "| moved | the message's state grew | `message`, `status: {state, moved: true, final}` |\n"
    "| old | known already, or of a lower rank | the same with moved false |\n"
    "| unknown | no such message within options.hold, or no state in the receipt | nothing |\n\n"
    "`message` is what was kept: id, tenant_id, from, to, billing ... A message of several parts "
    "is "
    "as far as the part furthest behind, and failed as soon as one part is; `final` says that no "
    "more is to be expected.\n\n"
    "Messages of the last seconds are found in the worker's memory. For others one query asks for "
    "all receipts that wait; while the store is down they keep waiting and nothing is lost. Each "
    "state of each part is one row of `messages_status`, once, however often its receipt comes.";

static const wf_node nodes[] = {
    { .type = "catalyst.messageRecord",
      .help = "Keeps what became of a message, so that people and receipts find it",
      .ports = record_ports,
      .params = record_params,
      .config_size = sizeof(struct record_config),
      .process = record_process,
      .open = record_open,
      .close = record_close,
      .metrics = record_metrics,
      .group = "channel",
      .docs = record_docs },
    { .type = "catalyst.messageStatus",
      .help = "Finds the message of a receipt and moves its state",
      .ports = status_ports,
      .params = status_params,
      .config_size = sizeof(struct status_config),
      .process = status_process,
      .open = status_open,
      .close = status_close,
      .metrics = status_metrics,
      .group = "channel",
      .docs = status_docs },
};

/* --- tables ----------------------------------------------------------------------------------- */

#define LOG_COLUMNS                                                                                \
    "channel text NOT NULL, account text NOT NULL, provider_id text NOT NULL, id text NOT NULL, "  \
    "tenant_id text NOT NULL, sender text NOT NULL, recipient text NOT NULL, "                     \
    "outcome text NOT NULL, reason text NOT NULL, segments integer NOT NULL, "                     \
    "price_micro bigint NOT NULL, currency text NOT NULL, context text NOT NULL, "                 \
    "at_us bigint NOT NULL, PRIMARY KEY (provider_id, id, channel, account)"
#define STATUS_COLUMNS                                                                             \
    "channel text NOT NULL, account text NOT NULL, provider_id text NOT NULL, id text NOT NULL, "  \
    "state smallint NOT NULL, code text NOT NULL, class text NOT NULL, at_us bigint NOT NULL, "    \
    "PRIMARY KEY (provider_id, id, channel, account, state)"
/* Names in the order of enum wf_state. */
#define CURRENT                                                                                    \
    "SELECT l.*, CASE coalesce((SELECT max(s.state) FROM messages_status s WHERE s.provider_id = " \
    "l.provider_id AND s.id = l.id AND s.channel = l.channel AND s.account = l.account), 0) "      \
    "WHEN 0 THEN l.outcome WHEN 1 THEN 'accepted' WHEN 2 THEN 'sent' WHEN 3 THEN 'delivered' "     \
    "WHEN 4 THEN 'read' WHEN 5 THEN 'rejected' WHEN 6 THEN 'expired' ELSE 'failed' END AS state "  \
    "FROM messages_log l;"
/* Rows are only added: statistics and visibility need no hurry. */
#define PARTITIONS(table)                                                                          \
    "DO $$ BEGIN FOR i IN 0..15 LOOP EXECUTE format('CREATE TABLE " table                          \
    "_%s PARTITION OF " table                                                                      \
    " FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (autovacuum_vacuum_insert_threshold = "      \
    "200000, autovacuum_vacuum_insert_scale_factor = 0.5, autovacuum_analyze_threshold = 200000, " \
    "autovacuum_analyze_scale_factor = 0.5)', i, i); END LOOP; END $$;"

static const wf_migration migrations[] = {
    { .number = 1,
      .name = "messages and their states",
      .pg =
          "CREATE TABLE messages_log (" LOG_COLUMNS ") PARTITION BY HASH (provider_id);" PARTITIONS(
              "messages_log") "CREATE INDEX messages_log_id ON messages_log (id);"
                              "CREATE INDEX messages_log_at ON messages_log USING brin (at_us);"
                              "CREATE TABLE messages_status (" STATUS_COLUMNS
                              ") PARTITION BY HASH (provider_id);" PARTITIONS(
                                  "messages_status") "CREATE VIEW messages_current AS " CURRENT,
      .sqlite = "CREATE TABLE messages_log (" LOG_COLUMNS ") WITHOUT ROWID;"
                "CREATE INDEX messages_log_id ON messages_log (id);"
                "CREATE TABLE messages_status (" STATUS_COLUMNS ") WITHOUT ROWID;"
                "CREATE VIEW messages_current AS " CURRENT },
};

extern const wf_plugin wf_plugin_entry;
WF_EXPORT const wf_plugin wf_plugin_entry = {
    WF_PLUGIN_BASE("messages", "1.0.0", nodes),
    .migrations = migrations,
    .n_migrations = sizeof migrations / sizeof *migrations,
};
