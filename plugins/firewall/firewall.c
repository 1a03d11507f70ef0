/* SPDX-License-Identifier: Apache-2.0
 * The firewall of messages: parameters, metrics and docs of its nodes.
 *
 *   catalyst.firewall            verdicts by rules, in ordered stages
 *   catalyst.firewallFeedback    a code that was sent has been used
 *   catalyst.firewallQuarantine  keeps a message until somebody decides
 *   catalyst.firewallReview      lists and decides what is kept
 *
 * Thread: the worker's. Nothing blocks; what blocks is done by threads of the keeper (keeper.h).
 */
#include "firewall_int.h"
#include "other_nodes.h"
#include <stdio.h>
#include <stdlib.h>

/* --- parameters ------------------------------------------------------------------------------- */

static const wf_pair throttles[] = {
    { "retry", "The item comes back when the rate allows it" },
    { "block", "The item leaves on `blocked` with its reason" },
    { NULL, NULL },
};
static const wf_pair score_kinds[] = {
    { "expiry", "When the number's entry ends, in seconds or milliseconds since 1970; 0: never" },
    { "risk", "Anything else: entries never end by themselves" },
    { NULL, NULL },
};

#define FIELD(json, field, name)                                                                   \
    {                                                                                              \
        WF_NAMED("fields." json), .type = WF_STRING,                                               \
                                  .offset = WF_AT(struct config, fields[FIELD_##field], wf_str),   \
                                  .def = (name), .help = "Member with the message's " json         \
    }

static const wf_param params[] = {
    { WF_P_STR(struct config, rules), .flags = WF_REQUIRED,
      .help = "The rules file; watched, and loaded again when it changes" },
    { WF_NAMED("modelFile"), WF_F_STR(struct config, model),
      .help = "The trained model, for rules with `score`; empty: the built-in one" },
    { WF_NAMED("options.cacheFolder"), WF_F_STR(struct config, cache),
      .help = "An existing folder that keeps compiled patterns: 10,000 of them are read in "
              "milliseconds instead of compiled in seconds when the engine starts; empty: none" },
    { WF_NAMED("deny.file"), WF_F_STR(struct config, deny_file),
      .help = "File of denied numbers: one in a line, or a saved list; watched" },
    { WF_NAMED("allow.file"), WF_F_STR(struct config, allow_file),
      .help = "File of allowed numbers, the same" },
    { WF_NAMED("redis"), WF_F_CRED(struct config, redis, "redis"),
      .help = "Redis with the lists, instead of files" },
    { WF_NAMED("deny.key"), WF_F_STR(struct config, deny_key),
      .help = "Sorted set of denied numbers, such as firewall:blacklist" },
    { WF_NAMED("allow.key"), WF_F_STR(struct config, allow_key),
      .help = "Sorted set of allowed numbers" },
    { WF_NAMED("deny.savedFile"), WF_F_STR(struct config, deny_saved),
      .help = "Where the set of Redis is kept, to start with it at once" },
    { WF_NAMED("allow.savedFile"), WF_F_STR(struct config, allow_saved),
      .help = "The same of the other" },
    { WF_NAMED("scores"), WF_F_CHOICE(struct config, scores, score_kinds), .def = "expiry",
      .help = "What scores of the sorted sets say" },
    { WF_NAMED("events"), WF_F_STR(struct config, events),
      .help = "Topic for alerts, such as firewall.alerts; empty: none" },
    { WF_NAMED("alertMonitored"), WF_F_BOOL(struct config, alert_monitor), .def = "true",
      .help = "Alerts of rules in monitor mode too" },
    { WF_NAMED("hashKey"), WF_F_STR(struct config, hash_key), .flags = WF_SECRET,
      .help = "Key of the hashes in alerts; without one anybody can try all numbers" },
    { WF_NAMED("throttle"), WF_F_CHOICE(struct config, throttle, throttles), .def = "retry",
      .help = "What the verdict throttle does" },
    FIELD("tenant", TENANT, "tenant_id"),
    FIELD("from", FROM, "from"),
    FIELD("to", TO, "to"),
    FIELD("text", TEXT, "text"),
    FIELD("class", CLASS, "class"),
    FIELD("route", ROUTE, "route_hint"),
    FIELD("direction", DIRECTION, "direction"),
    FIELD("id", ID, "id"),
    FIELD("price", PRICE, "price_micro"),
    FIELD("signal", SIGNAL, "signal"),
    { WF_NAMED("options.poll"), WF_F_MS(struct config, poll_ms), .def = "1s", .min = 50,
      .max = 3600000, .help = "How often files are looked at" },
    { WF_NAMED("options.wait"), WF_F_MS(struct config, wait_ms), .def = "15s", .max = 600000,
      .help = "How long messages wait for lists when the engine starts; then they go on without" },
    { WF_NAMED("options.keys"), WF_F_INT(struct config, keys), .def = "4000000", .min = 65536,
      .max = 1000000000, .help = "Keys of limits that are kept, about 15 bytes each" },
    WF_END,
};

int node_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    (void)h;
    for (int list = 0; list < LIST_NAMES; list++) {
        wf_str file = list ? c->allow_file : c->deny_file, key = list ? c->allow_key : c->deny_key;
        const char *name = list ? "allow" : "deny";
        if (file.len && key.len) {
            snprintf(why, why_size, "%s.file and %s.key: a list has one source", name, name);
            return -1;
        }
        if (key.len && !c->redis) {
            snprintf(why, why_size, "%s.key needs the credential 'redis'", name);
            return -1;
        }
    }
    for (int f = 0; f <= FIELD_TEXT; f++)
        if (!c->fields[f].len) {
            snprintf(why, why_size, "fields: tenant, from, to and text have to be named");
            return -1;
        }
    return 0;
}

/* --- metrics, codes --------------------------------------------------------------------------- */

#define COUNTER(name, help)                                                                        \
    {                                                                                              \
        WF_COUNTER, "firewall_" name, NULL, help                                                   \
    }
static const wf_metric metrics[] = {
    COUNTER("messages_total", "Messages that got a verdict"),
    COUNTER("alerts_total", "Alerts that were sent"),
    COUNTER("noted_total", "Matches of rules that only note: monitor mode and tag"),
    COUNTER("reloads_total", "Rules and lists that were loaded"),
    COUNTER("refused_total", "Rules and lists that were not taken"),
    { WF_GAUGE, "firewall_trouble", NULL, "1 while the newest rules or lists could not be taken" },
    { WF_GAUGE, "firewall_rules", NULL, "Rules in force" },
    { WF_GAUGE, "firewall_denied_numbers", NULL,
      "Numbers of the deny list, without the latest changes" },
    { WF_GAUGE, "firewall_list_age_seconds", "s",
      "How long ago the lists were last as their source" },
#define X(name, text) COUNTER("verdict_total{verdict=\"" text "\"}", "Messages by verdict"),
    VERDICTS(X)
#undef X
#define STAGE(n, what)                                                                             \
    COUNTER("stage_total{stage=\"" #n "\"}", "Messages stopped at a stage: " what)
        STAGE(0, "members"),
    STAGE(1, "allow lists"),
    STAGE(2, "deny lists"),
    STAGE(3, "senders"),
    STAGE(4, "rates"),
    STAGE(5, "content"),
    STAGE(6, "near duplicates"),
    STAGE(7, "score"),
    STAGE(8, "weights"),
#define X(name, text, help)                                                                        \
    COUNTER("reason_total{reason=\"" text "\"}", "Messages by reason: " help),
    REASONS(X)
#undef X
#define CLASS_ROW(class, verdict)                                                                  \
    COUNTER("class_total{class=\"" class "\",verdict=\"" verdict "\"}",                            \
            "Messages by class and verdict")
#define X(name, text) CLASS_ROW("otp", text),
        VERDICTS(X)
#undef X
#define X(name, text) CLASS_ROW("transactional", text),
            VERDICTS(X)
#undef X
#define X(name, text) CLASS_ROW("marketing", text),
                VERDICTS(X)
#undef X
#define X(name, text) CLASS_ROW("other", text),
                    VERDICTS(X)
#undef X
                        { WF_HISTOGRAM, "firewall_frame_seconds", "us",
                          "How long the messages of a frame wait for their verdicts" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};
_Static_assert(sizeof metrics / sizeof *metrics == METRICS + 1, "metrics and their table agree");

static const wf_pair codes[] = {
    { "throttled", "A rule's rate is used up; the item comes back" },
    { "rules", "No rules could be loaded yet" },
    { NULL, NULL },
};
static const wf_metric feedback_metrics[] = {
    COUNTER("conversions_total", "Codes that were used"),
    COUNTER("conversions_unknown_total", "Feedback of which no code is known"),
    { (wf_metric_kind)0, NULL, NULL, NULL },
};
static const wf_metric quarantine_metrics[] = {
    COUNTER("quarantined_total", "Messages that were kept"),
    { (wf_metric_kind)0, NULL, NULL, NULL },
};
static const wf_metric review_metrics[] = {
    COUNTER("decided_total{decision=\"released\"}", "Held messages that were decided"),
    COUNTER("decided_total{decision=\"denied\"}", "Held messages that were decided"),
    COUNTER("decided_total{decision=\"expired\"}", "Held messages that were decided"),
    { (wf_metric_kind)0, NULL, NULL, NULL },
};
static const wf_pair quarantine_codes[] = {
    { "store", "The engine's store lacks the table" },
    { NULL, NULL },
};

/* --- docs ------------------------------------------------------------------------------------- */

#include "docs.h"

/* --- the plugin ------------------------------------------------------------------------------- */

static const char *const ports[] = { "passed", "quarantined", "blocked", "rerouted", NULL };
static const char *const main_port[] = { "main", NULL };
static const char *const review_ports[] = { "found", "none", NULL };

static const wf_node nodes[] = {
    { .type = "catalyst.firewall",
      .help = "Give each message a verdict by rules",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = node_process,
      .open = node_open,
      .close = node_close,
      .metrics = metrics,
      .codes = codes,
      .check = node_check,
      .group = "messaging",
      .docs = docs },
    { .type = "catalyst.firewallFeedback",
      .help = "Tell the firewall that a code was used",
      .ports = main_port,
      .params = feedback_params,
      .config_size = sizeof(struct feedback_config),
      .process = feedback_process,
      .open = feedback_open,
      .close = feedback_close,
      .metrics = feedback_metrics,
      .group = "messaging",
      .docs = feedback_docs },
    { .type = "catalyst.firewallQuarantine",
      .help = "Keep a message until somebody decides",
      .ports = main_port,
      .params = quarantine_params,
      .config_size = sizeof(struct quarantine_config),
      .process = quarantine_process,
      .metrics = quarantine_metrics,
      .codes = quarantine_codes,
      .group = "messaging",
      .docs = quarantine_docs },
    { .type = "catalyst.firewallReview",
      .help = "List and decide what the firewall keeps",
      .ports = review_ports,
      .params = review_params,
      .config_size = sizeof(struct review_config),
      .process = review_process,
      .open = review_open,
      .close = review_close,
      .metrics = review_metrics,
      .codes = review_codes,
      .flags = WF_NODE_EFFECT,
      .group = "messaging",
      .docs = review_docs },
};

extern const wf_plugin wf_plugin_entry;
WF_EXPORT const wf_plugin wf_plugin_entry = { WF_PLUGIN_BASE("firewall", "1.0.0", nodes),
                                              .docs = plugin_docs,
                                              .migrations = firewall_migrations,
                                              .n_migrations = FIREWALL_MIGRATIONS };
