/* SPDX-License-Identifier: Apache-2.0
 * The plugin: its nodes, its credentials, its metrics.
 *
 *   codec      pdu_*.c gsm_*.c segment*.c receipt*.c status.c address.c   bytes, no state
 *   session    window.c pace.c session.c session_take.c                  states, no sockets
 *   client     account.c link.c outbox*.c heap.c recipients.c; esme.h has the picture
 *   nodes      send*.c compose.c, receive*.c, server*.c, deliver*.c
 */
#include "deliver.h"
#include "metrics.h"
#include "receive.h"
#include "send.h"
#include "server.h"

#define SMPP_METRIC_ROW(id, kind, name, unit, help) { kind, name, unit, help },
const wf_metric smpp_metrics[] = { SMPP_METRICS(SMPP_METRIC_ROW) WF_EACH_CLASS(
    WF_REJECTED_ROW, "sms"){ (wf_metric_kind)0, NULL, NULL, NULL } };
#undef SMPP_METRIC_ROW

#define TEXT(n, h)                                                                                 \
    {                                                                                              \
        .name = (n), .type = WF_STRING, .help = (h)                                                \
    }
#define TEXT_OR(n, d, h)                                                                           \
    {                                                                                              \
        .name = (n), .type = WF_STRING, .def = (d), .help = (h)                                    \
    }
#define FLAG(n, h)                                                                                 \
    {                                                                                              \
        .name = (n), .type = WF_BOOL, .def = "false", .help = (h)                                  \
    }
#define NUMBER(n, d, lo, hi, h)                                                                    \
    {                                                                                              \
        .name = (n), .type = WF_INT, .def = (d), .min = (lo), .max = (hi), .help = (h)             \
    }

const wf_param smpp_account_fields[] = {
    TEXT_OR("host", "localhost", "The SMSC's host"),
    NUMBER("port", "2775", 1, 65535, "Its port"),
    { .name = "systemId", .type = WF_STRING, .flags = WF_REQUIRED, .help = "system_id" },
    { .name = "password", .type = WF_STRING, .flags = WF_SECRET, .help = "Password" },
    TEXT("systemType", "system_type"),
    TEXT("addressRange", "address_range of receivers"),
    TEXT("account", "Name of the account in items; empty: systemId"),
    TEXT_OR("bindMode", "transceiver",
            "transceiver: one kind of bind for both directions; separate: smsSend binds "
            "transmitters, smppReceive receivers"),
    TEXT_OR("version", "3.4", "interface_version: 3.4, 5.0 or 3.3"),
    NUMBER("binds", "1", 1, BINDS_MAX, "Sessions of each worker"),
    NUMBER("window", "50", 1, 10000, "Requests of a bind that may await their response"),
    NUMBER("rate", "0", 0, 1000000,
           "Messages a second over all binds of a worker together; 0: no limit"),
    NUMBER("recipientDistanceMs", "0", 0, 3600000,
           "Milliseconds between two messages to the same recipient; 0: none"),
    NUMBER("enquireLinkSeconds", "30", 1, 3600, "Silence after which the SMSC is asked for a sign"),
    NUMBER("responseSeconds", "30", 1, 600, "How long a response may take"),
    NUMBER("bindSeconds", "10", 1, 120, "How long the answer to a bind may take"),
    TEXT_OR("concatenation", "udh8",
            "How long texts are sent: udh8, udh16, sar (parameters) or payload (message_payload)"),
    TEXT_OR("defaultAlphabet", "gsm7",
            "What the SMSC takes data_coding 0 for: gsm7, latin1, ascii"),
    FLAG("packedSeptets", "GSM texts are packed on the wire; few SMSCs want that"),
    FLAG("transliterate", "Quotes, dashes and accents that GSM lacks are replaced where it saves "
                          "parts"),
    FLAG("latin1", "The SMSC takes Latin-1 (data_coding 3)"),
    TEXT("singleShift", "Languages whose single shift table may be used, with commas"),
    TEXT("lockingShift", "Languages whose locking shift table may be used, with commas"),
    NUMBER("shortCodeTon", "0", 0, 6, "Type of number of short codes; 0: network specific (3)"),
    NUMBER("shortCodeNpi", "0", 0, 18, "Numbering plan of short codes"),
    FLAG("keepPlus", "Numbers are sent with their plus sign"),
    TEXT("countryCode", "Calling code of numbers in national form, in place of their 0"),
    TEXT_OR("responseIds", "text", "How submit_sm_resp writes ids: text, decimal or hex"),
    TEXT_OR("receiptIds", "text", "How receipts write ids: text, decimal or hex"),
    FLAG("unmarkedReceipts", "The SMSC forgets esm_class: a text that reads like a receipt is one"),
    NUMBER("receiptUtcMinutes", "0", -840, 840, "Offset of the times in receipts from UTC"),
    FLAG("userMessageReference", "A number of the item's id goes along as user_message_reference"),
    NUMBER("idTag", "0", 0, 65535,
           "Tag of an optional parameter that carries the item's id; 0: none"),
    NUMBER("ussdOpTag", "1281", 1, 65535,
           "Tag of ussd_service_op; others than 0x0501 for dialects"),
    NUMBER("ussdSessionTag", "4995", 1, 65535, "Tag of its_session_info; others than 0x1383"),
    FLAG("ssl", "By TLS"),
    TEXT("caFile", "File with the authorities that sign the server's certificate, PEM; empty: the "
                   "system's"),
    TEXT("certFile", "File with our certificate, PEM; empty: none"),
    TEXT("keyFile", "File with its key, PEM; empty: in certFile"),
    TEXT("serverName", "Name in the server's certificate; empty: host"),
    FLAG("disableTlsVerification", "Take any certificate"),
    WF_END,
};

static const wf_param tenant_fields[] = {
    { .name = "tenants",
      .type = WF_STRING,
      .flags = WF_REQUIRED | WF_SECRET | WF_MULTILINE,
      .help = "A line for each: system_id password tenant_id, and perhaps binds= rate= window= "
              "mode= from=" },
    TEXT("certFile", "File with the server's certificate, PEM; empty: no TLS"),
    TEXT("keyFile", "File with its key, PEM; empty: in certFile"),
    TEXT("clientCaFile", "File with authorities, PEM: clients must show a certificate of theirs"),
    WF_END,
};

static const wf_cred_type creds[] = {
    { "smpp", "An account at an SMSC", smpp_account_fields },
    { "smppTenants", "Tenants that may bind to our SMSC side", tenant_fields },
};

static const wf_pair send_codes[] = {
    { "busy", "Too many messages wait for the account" },
    { NULL, NULL },
};
static const char *const send_ports[] = { "accepted", "rejected", "unknown", NULL };

static const char *const main_port[] = { "main", NULL };
static const char *const deliver_ports[] = { "accepted", "rejected", "unknown", "offline", NULL };

static const wf_node nodes[] = {
    { .type = "catalyst.smsSend",
      .help = "Send short messages by SMPP",
      .ports = send_ports,
      .params = send_params,
      .config_size = sizeof(struct send_config),
      .process = send_process,
      .open = send_open,
      .close = send_close,
      .metrics = smpp_metrics,
      .codes = send_codes,
      .flags = WF_NODE_EFFECT | WF_NODE_ONCE | WF_NODE_BEGINS,
      .check = send_check,
      .group = "channel",
      .docs = send_docs },
    { .type = "catalyst.smppReceive",
      .help = "Receipts and messages that an SMSC delivers",
      .ports = main_port,
      .params = receive_params,
      .config_size = sizeof(struct receive_config),
      .process = pass_on,
      .open = receive_open,
      .close = receive_close,
      .metrics = smpp_metrics,
      .flags = WF_NODE_TRIGGER,
      .check = receive_check,
      .group = "trigger",
      .docs = receive_docs,
      .trigger = &receive_trigger },
    { .type = "catalyst.smppServer",
      .help = "An SMSC for tenants: what they submit by SMPP",
      .ports = main_port,
      .params = server_params,
      .config_size = sizeof(struct server_config),
      .process = pass_on,
      .open = server_open,
      .close = server_close,
      .metrics = smpp_metrics,
      .flags = WF_NODE_TRIGGER,
      .check = server_check,
      .group = "trigger",
      .docs = server_docs,
      .trigger = &server_trigger },
    { .type = "catalyst.smppDeliver",
      .help = "Receipts and messages to tenants that are bound to us by SMPP",
      .ports = deliver_ports,
      .params = deliver_params,
      .config_size = sizeof(struct deliver_config),
      .process = deliver_process,
      .open = deliver_open,
      .close = deliver_close,
      .metrics = smpp_metrics,
      .flags = WF_NODE_EFFECT,
      .group = "channel",
      .docs = deliver_docs },
};

WF_PLUGIN_CREDS("smpp", "1.0.0", nodes, creds);
