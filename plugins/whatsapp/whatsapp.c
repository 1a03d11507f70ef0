/* SPDX-License-Identifier: Apache-2.0
 * WhatsApp over the Cloud API: catalyst.whatsapp sends, catalyst.whatsappEvents takes the webhook's
 * calls apart. Thread: the worker's. Nothing blocks.
 */
#include "whatsapp_int.h"

static const wf_param api_fields[] = {
    { .name = "accessToken",
      .type = WF_STRING,
      .flags = WF_REQUIRED | WF_SECRET,
      .help = "Access token of a system user" },
    { .name = "baseUrl",
      .type = WF_STRING,
      .def = "https://graph.facebook.com",
      .help = "Server of the API" },
    { .name = "apiVersion", .type = WF_STRING, .def = "v21.0", .help = "Version of the API" },
    WF_END,
};
static const wf_param webhook_fields[] = {
    { .name = "verifyToken",
      .type = WF_STRING,
      .flags = WF_REQUIRED | WF_SECRET,
      .help = "What the subscription of the webhook must name" },
    WF_END,
};
static const wf_cred_type creds[] = {
    { "whatsAppApi", "An account of the WhatsApp Cloud API", api_fields },
    { "whatsAppWebhook", "The subscription of a WhatsApp webhook", webhook_fields },
};

static const char *const send_ports[] = { "accepted", "rejected", "unknown", NULL };
static const char *const events_ports[] = { "messages", "statuses", "errors", "challenge", NULL };

#define SENT(outcome, help)                                                                        \
    {                                                                                              \
        WF_COUNTER, "send_total{channel=\"whatsapp\",outcome=\"" outcome "\"}", NULL,              \
            "What was sent, by outcome: " help                                                     \
    }
static const wf_metric send_metrics[] = {
    SENT("accepted", "Messages that were taken"),
    SENT("rejected", "Messages that were refused, or put off for too long"),
    SENT("unknown", "Messages that were sent and not answered"),
    { WF_COUNTER, "send_paced_total{channel=\"whatsapp\"}", NULL,
      "Items that waited for their turn" },
    { WF_COUNTER, "send_throttled_total{channel=\"whatsapp\"}", NULL,
      "Told to come later: Calls that were told to come back later" },
    WF_EACH_CLASS(WF_REJECTED_ROW, "whatsapp") /* */
    { (wf_metric_kind)0, NULL, NULL, NULL },
};

static const wf_node nodes[] = {
    { .type = "catalyst.whatsapp",
      .help = "Send WhatsApp messages over the Cloud API",
      .ports = send_ports,
      .params = send_params,
      .config_size = sizeof(struct send_config),
      .process = pace_items,
      .open = pace_open,
      .close = pace_close,
      .metrics = send_metrics,
      .check = send_check,
      .flags = WF_NODE_EFFECT | WF_NODE_ONCE | WF_NODE_BEGINS,
      .codes = send_codes,
      .group = "channel",
      .docs = send_docs },
    { .type = "catalyst.whatsappEvents",
      .help = "Take the calls of a WhatsApp webhook apart: messages, statuses, errors",
      .ports = events_ports,
      .params = events_params,
      .config_size = sizeof(struct events_config),
      .process = events_process,
      .codes = events_codes,
      .group = "channel",
      .docs = events_docs },
};

WF_PLUGIN_CREDS("whatsapp", "1.0.0", nodes, creds);
