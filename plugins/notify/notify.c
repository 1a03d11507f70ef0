/* SPDX-License-Identifier: Apache-2.0
 * The notification plugin: alerts in, grouped and routed as Alertmanager does it, and the senders
 * for what is due. This file declares; the work is in the others:
 *
 *   take.c      catalyst.notify, notifySilence, notifyAck: rows for the core's inbox
 *   trigger.c   catalyst.notifyTrigger: runs the core (router.h), keeps its state, emits what is
 * due router.h    the core, pure: conf, group, said, storm, flap, render, state slack.c pagerduty.c
 * email.c webhook.c   senders
 */
#include "notify_int.h"
#include "tables.h"

static const char *const take_ports[] = { "accepted", "rejected", NULL };
static const char *const control_ports[] = { "done", "rejected", NULL };

static const char *const trigger_ports[] = { "main", NULL };
static const char *const send_ports[] = { "accepted", "rejected", "unknown", NULL };

static const wf_cred_type creds[] = {
    { "slackApi", "A Slack bot or incoming webhook", slack_cred },
    { "pagerDutyEvents", "An integration of PagerDuty's Events API v2", pagerduty_cred },
    { "smtp", "A mail server", email_cred },
    { "webhookSigning", "Secrets of signed webhooks", webhook_cred },
};

static const wf_node nodes[] = {
    { .type = "catalyst.notify",
      .help = "Take alerts for grouping and routing",
      .ports = take_ports,
      .params = take_params,
      .config_size = sizeof(struct take_config),
      .process = take_process,
      .metrics = take_metrics,
      .group = "notify",
      .docs = take_docs },
    { .type = "catalyst.notifyTrigger",
      .help = "Route alerts, and start an execution for each notification that is due",
      .ports = trigger_ports,
      .params = trigger_params,
      .config_size = sizeof(struct trigger_config),
      .process = trigger_process,
      .open = trigger_open,
      .close = trigger_close,
      .check = trigger_check,
      .metrics = trigger_metrics,
      .flags = WF_NODE_TRIGGER,
      .group = "notify",
      .docs = trigger_docs,
      .trigger = &notify_trigger },
    { .type = "catalyst.notifyDispatch",
      .help = "Claim a notification that is due; it leaves by the port of its kind",
      .ports = kind_names,
      .process = dispatch_process,
      .metrics = dispatch_metrics,
      .group = "notify",
      .docs = dispatch_docs },
    { .type = "catalyst.notifySilence",
      .help = "Make, end and list silences",
      .ports = control_ports,
      .params = silence_params,
      .config_size = sizeof(struct silence_config),
      .process = silence_process,
      .group = "notify",
      .docs = silence_docs },
    { .type = "catalyst.notifyAck",
      .help = "Acknowledge: stop escalation and reminders of an incident",
      .ports = control_ports,
      .params = ack_params,
      .config_size = sizeof(struct ack_config),
      .process = ack_process,
      .group = "notify",
      .docs = ack_docs },
    { .type = "catalyst.slack",
      .help = "Send messages to Slack",
      .ports = send_ports,
      .params = slack_params,
      .config_size = sizeof(struct slack_config),
      .process = slack_process,
      .open = slack_open,
      .close = pace_close,
      .metrics = slack_metrics,
      .codes = slack_codes,
      .flags = WF_NODE_EFFECT | WF_NODE_ONCE | WF_NODE_BEGINS,
      .group = "notify",
      .docs = slack_docs },
    { .type = "catalyst.pagerDuty",
      .help = "Open and close incidents by PagerDuty's Events API v2",
      .ports = send_ports,
      .params = pagerduty_params,
      .config_size = sizeof(struct pagerduty_config),
      .process = pagerduty_process,
      .open = pagerduty_open,
      .close = pace_close,
      .metrics = pagerduty_metrics,
      .codes = pagerduty_codes,
      .flags = WF_NODE_EFFECT,
      .group = "notify",
      .docs = pagerduty_docs },
    { .type = "catalyst.email",
      .help = "Send mails and daily digests by SMTP",
      .ports = send_ports,
      .params = email_params,
      .config_size = sizeof(struct email_config),
      .process = email_process,
      .check = email_check,
      .metrics = email_metrics,
      .codes = email_codes,
      .flags = WF_NODE_EFFECT | WF_NODE_ONCE | WF_NODE_BEGINS,
      .group = "notify",
      .docs = email_docs },
    { .type = "catalyst.webhookSigned",
      .help = "Send signed webhooks, as Standard Webhooks describes",
      .ports = send_ports,
      .params = webhook_params,
      .config_size = sizeof(struct webhook_config),
      .process = webhook_process,
      .check = webhook_check,
      .metrics = webhook_metrics,
      .codes = webhook_codes,
      .flags = WF_NODE_EFFECT,
      .group = "notify",
      .docs = webhook_docs },
};

static const wf_migration migrations[] = {
    { .number = 1,
      .name = "routing: inbox, state, outbox",
      .pg = TABLES_CORE("bigserial PRIMARY KEY"),
      .sqlite = TABLES_CORE("INTEGER PRIMARY KEY AUTOINCREMENT") },
    { .number = 2,
      .name = "senders: threads, digests, endpoints",
      .pg = TABLES_SENDERS("bigserial PRIMARY KEY"),
      .sqlite = TABLES_SENDERS("INTEGER PRIMARY KEY AUTOINCREMENT") },
};

extern const wf_plugin wf_plugin_entry;
WF_EXPORT const wf_plugin wf_plugin_entry = {
    WF_PLUGIN_BASE("notify", "1.0.0", nodes),
    .creds = creds,
    .n_creds = sizeof creds / sizeof *creds,
    .migrations = migrations,
    .n_migrations = sizeof migrations / sizeof *migrations,
};
