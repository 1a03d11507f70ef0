/* SPDX-License-Identifier: Apache-2.0
 * Node types for the tests and the fuzzer of core/workflow: small ones whose parameters show every
 * kind of mistake, and stand-ins for n8n's types that take what real exports hold.
 */
#ifndef CATALYST_TEST_WORKFLOW_KIT_H
#define CATALYST_TEST_WORKFLOW_KIT_H
#include "workflow/workflow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void kit_process(const wf_host *h, wf_item *const *items, size_t n)
{
    (void)h;
    (void)items;
    (void)n;
}

static inline void kit_segments(const wf_host *h, wf_segment *const *segs, size_t n)
{
    (void)h;
    (void)segs;
    (void)n;
}

/* --- pass: a parameter of every type ---------------------------------------------------------- */

struct kit_row {
    wf_str name;
    const wf_value *value;
};

struct kit_pass {
    wf_str text, secret;
    int64_t amount, delay, size;
    double ratio;
    int loud, mode;
    wf_list rows;
    const wf_value *body;
    wf_str deep;
};

static const wf_pair kit_modes[] = { { "fast", "quick" }, { "slow", "with care" }, { NULL, NULL } };
static const wf_param kit_row_params[] = {
    { WF_P_STR(struct kit_row, name), .flags = WF_REQUIRED, .help = "Name of the field" },
    { WF_P_VALUE(struct kit_row, value), .flags = WF_EXPR, .help = "Its value" },
    WF_END,
};
static const wf_param kit_pass_params[] = {
    { WF_P_STR(struct kit_pass, text), .flags = WF_EXPR, .help = "Text" },
    { WF_P_STR(struct kit_pass, secret), .flags = WF_SECRET, .help = "A secret" },
    { WF_P_INT(struct kit_pass, amount), .flags = WF_EXPR, .def = "1", .min = 1, .max = 100,
      .help = "How many" },
    { WF_P_MS(struct kit_pass, delay), .help = "How long" },
    { WF_P_BYTES(struct kit_pass, size), .help = "How large" },
    { WF_P_DOUBLE(struct kit_pass, ratio), .help = "Share" },
    { WF_P_BOOL(struct kit_pass, loud), .help = "Loud or not" },
    { WF_P_CHOICE(struct kit_pass, mode, kit_modes), .def = "fast", .help = "How" },
    { WF_P_LIST(struct kit_pass, rows, kit_row_params, struct kit_row), .help = "Fields" },
    { WF_P_VALUE(struct kit_pass, body), .flags = WF_EXPR, .help = "Any value" },
    { WF_NAMED("options.deep"), WF_F_STR(struct kit_pass, deep), .flags = WF_EXPR,
      .help = "In a group" },
    WF_END,
};

/* --- send: required parameters and a credential, and a check of its own ----------------------- */

struct kit_send {
    wf_str to, from;
    const wf_cred *cred;
};

static const wf_param kit_send_params[] = {
    { WF_P_STR(struct kit_send, to), .flags = WF_REQUIRED | WF_EXPR, .help = "Recipient" },
    { WF_P_STR(struct kit_send, from), .help = "Sender" },
    { WF_P_CRED(struct kit_send, cred, "smsApi,httpBasicAuth"), .flags = WF_REQUIRED,
      .help = "Account" },
    WF_END,
};

static inline int kit_check_send(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct kit_send *c = config;
    (void)h;
    if (!c->from.len || !c->to.len || strcmp(c->from.ptr, c->to.ptr) != 0)
        return 0;
    snprintf(why, why_size, "'from' and 'to' are the same");
    return -1;
}

/* --- switch, merge: ports that hang on parameters --------------------------------------------- */

struct kit_switch {
    wf_list rules;
};

static const wf_param kit_switch_params[] = {
    { WF_P_LIST(struct kit_switch, rules, kit_row_params, struct kit_row),
      .help = "One output each" },
    WF_END,
};

static inline void kit_shape_switch(const void *config, unsigned *inputs, unsigned *outputs)
{
    (void)inputs;
    *outputs = (unsigned)((const struct kit_switch *)config)->rules.n;
}

struct kit_merge {
    int64_t inputs;
};

static const wf_param kit_merge_params[] = {
    { WF_NAMED("numberInputs"), WF_F_INT(struct kit_merge, inputs), .def = "2",
      .help = "How many inputs" },
    WF_END,
};

static inline void kit_shape_merge(const void *config, unsigned *inputs, unsigned *outputs)
{
    (void)outputs;
    *inputs = (unsigned)((const struct kit_merge *)config)->inputs;
}

/* --- code ------------------------------------------------------------------------------------- */

struct kit_code {
    wf_str code;
};

static const wf_param kit_code_params[] = {
    { WF_P_STR(struct kit_code, code), .flags = WF_RAW | WF_MULTILINE, .help = "Script" },
    WF_END,
};

/* --- n8n's types: whatever their exports hold, with expressions anywhere ---------------------- */

struct kit_any {
    const wf_value *value;
    const wf_cred *cred;
};

#define KIT_ANY(n)                                                                                 \
    {                                                                                              \
        WF_NAMED(n), WF_F_VALUE(struct kit_any, value), .flags = WF_EXPR, .help = "Anything"       \
    }
static const wf_param kit_any_params[] = {
    KIT_ANY("additionalFields"),
    KIT_ANY("aggregate"),
    KIT_ANY("assignments"),
    KIT_ANY("authentication"),
    KIT_ANY("batchSize"),
    KIT_ANY("body"),
    KIT_ANY("bodyParameters"),
    KIT_ANY("channel"),
    KIT_ANY("channelId"),
    KIT_ANY("chatId"),
    KIT_ANY("columns"),
    KIT_ANY("conditions"),
    KIT_ANY("contentType"),
    KIT_ANY("dataType"),
    KIT_ANY("dataToSave"),
    KIT_ANY("destinationFieldName"),
    KIT_ANY("documentId"),
    KIT_ANY("duplicateItem"),
    KIT_ANY("email"),
    KIT_ANY("errorMessage"),
    KIT_ANY("event"),
    KIT_ANY("fieldToSplitOut"),
    KIT_ANY("fields"),
    KIT_ANY("fieldsToAggregate"),
    KIT_ANY("fieldsToSummarize"),
    KIT_ANY("filters"),
    KIT_ANY("format"),
    KIT_ANY("fromEmail"),
    KIT_ANY("groupId"),
    KIT_ANY("headerParameters"),
    KIT_ANY("html"),
    KIT_ANY("httpMethod"),
    KIT_ANY("include"),
    KIT_ANY("inputSource"),
    KIT_ANY("jsonBody"),
    KIT_ANY("jsonOutput"),
    KIT_ANY("jsonParse"),
    KIT_ANY("language"),
    KIT_ANY("maxItems"),
    KIT_ANY("message"),
    KIT_ANY("method"),
    KIT_ANY("mode"),
    KIT_ANY("nodeCredentialType"),
    KIT_ANY("operation"),
    KIT_ANY("options"),
    KIT_ANY("path"),
    KIT_ANY("parametersUi"),
    KIT_ANY("query"),
    KIT_ANY("queryParameters"),
    KIT_ANY("resource"),
    KIT_ANY("respondWith"),
    KIT_ANY("responseBody"),
    KIT_ANY("responseMode"),
    KIT_ANY("resume"),
    KIT_ANY("rule"),
    KIT_ANY("rules"),
    KIT_ANY("schema"),
    KIT_ANY("select"),
    KIT_ANY("sendBody"),
    KIT_ANY("sendHeaders"),
    KIT_ANY("sendInputData"),
    KIT_ANY("sendQuery"),
    KIT_ANY("sheetName"),
    KIT_ANY("sortFieldsUi"),
    KIT_ANY("specifyBody"),
    KIT_ANY("subject"),
    KIT_ANY("table"),
    KIT_ANY("text"),
    KIT_ANY("toEmail"),
    KIT_ANY("topic"),
    KIT_ANY("unit"),
    KIT_ANY("updates"),
    KIT_ANY("amount"),
    KIT_ANY("url"),
    KIT_ANY("useKey"),
    KIT_ANY("key"),
    KIT_ANY("value"),
    KIT_ANY("values"),
    KIT_ANY("value1"),
    KIT_ANY("value2"),
    KIT_ANY("workflowId"),
    KIT_ANY("workflowInputs"),
    KIT_ANY("joinMode"),
    KIT_ANY("fieldsToMatchString"),
    KIT_ANY("combineBy"),
    KIT_ANY("keepOnlySet"),
    KIT_ANY("output"),
    KIT_ANY("outputsAmount"),
    KIT_ANY("fallbackOutput"),
    KIT_ANY("compare"),
    KIT_ANY("genericAuthType"),
    KIT_ANY("triggerTimes"),
    KIT_ANY("limit"),
    KIT_ANY("returnAll"),
    KIT_ANY("pollTimes"),
    KIT_ANY("simple"),
    KIT_ANY("requestMethod"),
    KIT_ANY("queryParametersUi"),
    KIT_ANY("jsonParameters"),
    KIT_ANY("bodyParametersJson"),
    KIT_ANY("expire"),
    KIT_ANY("ttl"),
    KIT_ANY("keyType"),
    KIT_ANY("propertyName"),
    KIT_ANY("action"),
    KIT_ANY("type"),
    KIT_ANY("dataPropertyName"),
    KIT_ANY("allowUnauthorizedCerts"),
    KIT_ANY("combinationMode"),
    { WF_P_CRED(struct kit_any, cred,
                "smtp,slackApi,telegramApi,twilioApi,postgres,redis,kafka,httpHeaderAuth,"
                "googleSheetsOAuth2Api,gmailOAuth2"),
      .help = "Account" },
    KIT_ANY("mergeByFields"),
    KIT_ANY("inputDataFieldName"),
    KIT_ANY("errorType"),
    KIT_ANY("errorObject"),
    WF_END,
};

static const char *const kit_main[] = { "main", NULL };
static const char *const kit_if_ports[] = { "true", "false", NULL };
static const char *const kit_loop_ports[] = { "done", "loop", NULL };
static const char *const kit_sw4_ports[] = { "0", "1", "2", "3", NULL };
static const char *const kit_none[] = { NULL };
static const char *const kit_two_inputs[] = { "left", "right", NULL };
static const char *const kit_trigger_aliases[] = { "n8n-nodes-base.manualTrigger",
                                                   "n8n-nodes-base.webhook",
                                                   "n8n-nodes-base.scheduleTrigger",
                                                   "n8n-nodes-base.kafkaTrigger",
                                                   "n8n-nodes-base.errorTrigger",
                                                   "n8n-nodes-base.executeWorkflowTrigger",
                                                   "n8n-nodes-base.cron",
                                                   "n8n-nodes-base.telegramTrigger",
                                                   "n8n-nodes-base.gmailTrigger",
                                                   NULL };
static const char *const kit_any_aliases[] = {
    "n8n-nodes-base.set",          "n8n-nodes-base.httpRequest",
    "n8n-nodes-base.noOp",         "n8n-nodes-base.filter",
    "n8n-nodes-base.wait",         "n8n-nodes-base.splitOut",
    "n8n-nodes-base.aggregate",    "n8n-nodes-base.sort",
    "n8n-nodes-base.limit",        "n8n-nodes-base.removeDuplicates",
    "n8n-nodes-base.postgres",     "n8n-nodes-base.redis",
    "n8n-nodes-base.slack",        "n8n-nodes-base.telegram",
    "n8n-nodes-base.emailSend",    "n8n-nodes-base.respondToWebhook",
    "n8n-nodes-base.kafka",        "n8n-nodes-base.executeWorkflow",
    "n8n-nodes-base.googleSheets", "n8n-nodes-base.dateTime",
    "n8n-nodes-base.crypto",       "n8n-nodes-base.summarize",
    "n8n-nodes-base.itemLists",    "n8n-nodes-base.twilio",
    "n8n-nodes-base.stopAndError", NULL
};
static const char *const kit_if_aliases[] = { "n8n-nodes-base.if", NULL };
static const char *const kit_switch_aliases[] = { "n8n-nodes-base.switch", NULL };
static const char *const kit_merge_aliases[] = { "n8n-nodes-base.merge", NULL };
static const char *const kit_loop_aliases[] = { "n8n-nodes-base.splitInBatches", NULL };
struct kit_n8n_code {
    wf_str code;
    const wf_value *value;
};
static const wf_param kit_n8n_code_params[] = {
    { WF_NAMED("jsCode"), WF_F_STR(struct kit_n8n_code, code), .flags = WF_RAW, .help = "Script" },
    { WF_NAMED("mode"), WF_F_VALUE(struct kit_n8n_code, value), .help = "Mode" },
    { WF_NAMED("language"), WF_F_VALUE(struct kit_n8n_code, value), .help = "Language" },
    WF_END,
};
static const char *const kit_code_aliases[] = { "n8n-nodes-base.code", NULL };

#define KIT_NODE(t, p, S, table)                                                                   \
    .type = (t), .help = "A node of the tests", .ports = (p), .params = (table),                   \
    .config_size = sizeof(struct S), .group = "test"
#define KIT_ITEMS(t, p, S, table) KIT_NODE(t, p, S, table), .process = kit_process

static const wf_node kit_nodes[] = {
    { KIT_ITEMS("test.trigger", kit_main, kit_any, kit_any_params), .flags = WF_NODE_TRIGGER },
    { KIT_ITEMS("test.pass", kit_main, kit_pass, kit_pass_params) },
    { KIT_ITEMS("test.send", kit_main, kit_send, kit_send_params), .check = kit_check_send },
    { KIT_ITEMS("test.if", kit_if_ports, kit_any, kit_any_params) },
    { KIT_ITEMS("test.switch", kit_none, kit_switch, kit_switch_params),
      .shape = kit_shape_switch },
    { KIT_NODE("test.merge", kit_main, kit_merge, kit_merge_params), .shape = kit_shape_merge,
      .inputs = kit_two_inputs, .process_segments = kit_segments,
      .flags = WF_NODE_SEGMENT | WF_NODE_ANY_INPUT },
    { KIT_ITEMS("test.loop", kit_loop_ports, kit_any, kit_any_params) },
    { KIT_ITEMS("test.code", kit_main, kit_code, kit_code_params) },
    { KIT_ITEMS("test.end", kit_none, kit_any, kit_any_params) },
    { KIT_ITEMS("n8n.trigger", kit_main, kit_any, kit_any_params), .flags = WF_NODE_TRIGGER,
      .aliases = kit_trigger_aliases },
    { KIT_ITEMS("n8n.any", kit_main, kit_any, kit_any_params), .aliases = kit_any_aliases },
    { KIT_ITEMS("n8n.if", kit_if_ports, kit_any, kit_any_params), .aliases = kit_if_aliases },
    { KIT_ITEMS("n8n.switch", kit_sw4_ports, kit_any, kit_any_params),
      .aliases = kit_switch_aliases },
    { KIT_ITEMS("n8n.merge", kit_main, kit_any, kit_any_params), .inputs = kit_two_inputs,
      .aliases = kit_merge_aliases },
    { KIT_ITEMS("n8n.loop", kit_loop_ports, kit_any, kit_any_params), .aliases = kit_loop_aliases },
    { KIT_ITEMS("n8n.code", kit_main, kit_n8n_code, kit_n8n_code_params),
      .aliases = kit_code_aliases },
};
static const wf_plugin kit_plugin = { WF_PLUGIN_BASE("kit", "1.0.0", kit_nodes) };

static inline struct plugin_set *kit_plugins(void)
{
    struct plugin_set *set = plugin_set_create();
    struct err err = { 0 };
    if (plugin_set_add(set, &kit_plugin, "", &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return set;
}

/* Knows the credentials called "good" and those with id "1". */
static inline const wf_cred *kit_credential(void *ctx, wf_str id, wf_str name, const char *types,
                                            char *why, size_t why_size)
{
    static const char handle;
    (void)ctx;
    if (str_eq(name, STR("good")) || str_eq(id, STR("1")))
        return (const wf_cred *)(const void *)&handle;
    snprintf(why, why_size,
             "there is no credential '%.*s' of type %s; 'catalyst credentials' lists all",
             STR_ARG(name), types);
    return NULL;
}
#endif
