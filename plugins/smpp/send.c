/* SPDX-License-Identifier: Apache-2.0
 * catalyst.smsSend: a message of each item over the binds of an account. A frame becomes one write
 * for each bind, however many messages that is.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "send.h"

enum { PARK_SLACK_MS = 120000 };

static const wf_pair operations[] = {
    { "send", "Send a message (submit_sm)" },
    { "data", "Send a message as data_sm, its text as message_payload" },
    { "query", "Ask what became of a message (query_sm)" },
    { "cancel", "Cancel a message that was not delivered yet (cancel_sm)" },
    { "replace", "Replace a message that was not delivered yet (replace_sm)" },
    { NULL, NULL },
};
static const wf_pair repetitions[] = {
    { "unknown", "It leaves on the port unknown, and nothing is sent" },
    { "send", "It is sent: the SMSC knows repetitions, or they do no harm" },
    { NULL, NULL },
};
static const wf_pair encodings[] = {
    { "auto", "The cheapest that holds the text, by the account's rules" },
    { "gsm7", "GSM 03.38" },
    { "ucs2", "UCS-2" },
    { "latin1", "Latin-1" },
    { "binary", "The text is hexadecimal" },
    { NULL, NULL },
};
static const wf_pair receipts[] = {
    { "member", "As the item's member dlr says; without one always" },
    { "always", "Always" },
    { "failures", "Only when it failed" },
    { "never", "Never" },
    { NULL, NULL },
};

#define SENDS "operation=send|data"
#define TEXTS "operation=send|data|replace"
#define BY_ID "operation=query|cancel|replace"

const wf_param send_params[] = {
    { WF_P_CRED(struct send_config, credential, "smpp"), .flags = WF_REQUIRED,
      .help = "The account at the SMSC" },
    { WF_P_CHOICE(struct send_config, operation, operations), .def = "send", .help = "What to do" },
    { WF_P_STR(struct send_config, from), .flags = WF_EXPR,
      .help = "The sender, for all messages of this node; empty: the item's member" },
    { WF_NAMED("messageId"), WF_F_STR(struct send_config, message_id), .flags = WF_EXPR,
      .show_if = BY_ID, .help = "The SMSC's id of the message: send.provider_id" },
    { WF_P_CHOICE(struct send_config, repeated, repetitions), .def = "unknown", .show_if = SENDS,
      .help = "What becomes of a message that was sent and not answered, or that an engine which "
              "ended may have sent" },
    { WF_P_CHOICE(struct send_config, receipts, receipts), .def = "member", .show_if = TEXTS,
      .help = "When the SMSC is asked for a receipt" },
    { WF_P_CHOICE(struct send_config, encoding, encodings), .def = "auto", .show_if = TEXTS,
      .help = "Alphabet; the item's member dcs wins" },
    { WF_NAMED("options.fromMember"), WF_F_STR(struct send_config, from_name), .def = "from",
      .help = "Member of the item with the sender" },
    { WF_NAMED("options.toMember"), WF_F_STR(struct send_config, to_name), .def = "to",
      .help = "Member of the item with the recipient" },
    { WF_NAMED("options.textMember"), WF_F_STR(struct send_config, text_name), .def = "text",
      .show_if = TEXTS, .help = "Member of the item with the text" },
    { WF_NAMED("options.maxWait"), WF_F_MS(struct send_config, ttl_ms), .def = "5m", .min = 1,
      .max = 86400000 * 3LL,
      .help =
          "How long a message without ttl_s may wait for its bind and for an SMSC that is full" },
    { WF_NAMED("options.attempts"), WF_F_INT(struct send_config, attempts), .def = "5", .min = 1,
      .max = 100,
      .help = "How often a message is sent that the SMSC refuses for now; being told "
              "to slow down does not count" },
    { WF_NAMED("options.flash"), WF_F_BOOL(struct send_config, flash), .show_if = SENDS,
      .help = "Shown at once and not kept (message class 0)" },
    { WF_NAMED("options.serviceType"), WF_F_STR(struct send_config, service_type), .show_if = SENDS,
      .help = "service_type, at most 5 characters" },
    { WF_NAMED("options.ussd"), WF_F_BOOL(struct send_config, ussd), .show_if = SENDS,
      .help = "A reply over USSD: service_type USSD, and the item's ussd_service_op (or "
              "reply.ussd_service_op) and its_session_info go along" },
    { WF_NAMED("options.priority"), WF_F_INT(struct send_config, priority), .def = "0", .min = 0,
      .max = 9, .show_if = SENDS, .help = "priority_flag" },
    { WF_NAMED("options.protocolId"), WF_F_INT(struct send_config, protocol_id), .def = "0",
      .min = 0, .max = 255, .show_if = SENDS, .help = "protocol_id" },
    WF_END,
};

/* --- life ------------------------------------------------------------------------------------- */

int send_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct send_config *c = config;
    if (!c->to_name.len || !c->from_name.len ||
        (c->operation != OP_QUERY && c->operation != OP_CANCEL && !c->text_name.len)) {
        snprintf(why, why_size,
                 "options.fromMember, toMember and textMember name members of the "
                 "item; none can be empty");
        return -1;
    }
    if (c->service_type.len > 5) {
        snprintf(why, why_size, "options.serviceType has at most 5 characters");
        return -1;
    }
    return account_check(h, c->credential, why, why_size);
}

void *send_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const struct send_config *c = h->inst_config(inst);
    struct sender *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->user = (struct account_user){
        .h = h, .inst = inst, .cred = c->credential, .use = USE_SEND, .node = s
    };
    s->account = account_join(&s->user, why);
    if (s->account)
        return s;
    free(s);
    return NULL;
}

void send_close(const wf_host *h, void *state)
{
    struct sender *s = state;
    (void)h;
    account_leave(s->account, &s->user);
    free(s);
}

/* --- frames ----------------------------------------------------------------------------------- */

static int was_begun(const wf_host *h, wf_item *it, const struct send_config *c)
{
    return c->repeated == REPEATED_UNKNOWN && c->operation <= OP_DATA && wf_maybe_sent(h, it);
}

static void take(struct account *a, const wf_host *h, wf_item *it)
{
    const struct send_config *c = h->config(it);
    struct send_refusal no;
    if (was_begun(h, it, c)) {
        send_repeated(a, h, it);
        return;
    }
    struct message *m = outbox_message(a->outbox);
    if (!m) {
        h->fail_with(it,
                     &(wf_error){ .size = sizeof(wf_error), .fault = WF_TRANSIENT, .code = "busy" },
                     "%s: too many messages wait", a->label);
    } else if (compose(a, c, h, it, m, &no) != 0) {
        send_refuse(a, h, it, &no);
        outbox_drop(a->outbox, m);
    } else {
        m->ticket = h->park(it, m->deadline_ms - m->begun_ms + a->set.response_ms + PARK_SLACK_MS);
        outbox_put(a->outbox, m);
    }
}

void send_process(const wf_host *h, wf_item *const *items, size_t n)
{
    struct sender *s = h->state(items[0]);
    for (size_t i = 0; i < n; i++)
        take(s->account, h, items[i]);
    outbox_pump(s->account->outbox);
}

/* --- what it says of itself ------------------------------------------------------------------- */

const char send_docs[] =
    "Takes the envelope of a message: `from`, `to`, `text`, and where they are there `ttl_s`, "
    "`ts_us`, `dcs`,\n`dlr`, `id`. Every item leaves on one of three ports with what became of it "
    "under `send`; the rest of\nthe item is left as it is.\n"
    "\n"
    "| port | `send` | meaning |\n"
    "|---|---|---|\n"
    "| `accepted` | `outcome`, `channel`, `account`, `provider_id`, `segments`, `encoding` | The "
    "SMSC took all parts; of several parts `provider_ids` has every id |\n"
    "| `rejected` | the same, `class`, `code`, `text`, `parts_accepted` | It will never be taken "
    "like this, or its time was over |\n"
    "| `unknown` | the same, `code`, `text` | It was sent and the answer was lost, or an engine "
    "that ended may have sent it |\n"
    "\n"
    "`code` is the SMSC's status (`ESME_RINVDSTADR`), or ours: `to`, `from`, `text` (cannot be "
    "sent), `expired`\n(its time was over while it waited), and on `unknown` `timeout`, "
    "`connection`, `restart`. `class` is one of\nthe SDK's error classes. `provider_id` is written "
    "as receipts are looked up by: see `responseIds` of the\ncredential.\n"
    "\n"
    "**Again or not.** SMPP has no idempotency keys. A message whose response does not come in "
    "`responseSeconds`,\nor whose bind breaks under it, is `unknown` and is never sent again, "
    "unless `repeated` says so. A bind that\nis not up lets messages wait, until their `ttl_s` "
    "(counted from `ts_us`) or `maxWait` is over. What the SMSC\nrefuses for now (system error) is "
    "tried again after 1, 2, 4 ... 60 seconds, `attempts` times. After\n`ESME_RTHROTTLED` or "
    "`ESME_RMSGQFUL` the bind is silent for 1, 2, 4 ... 60 seconds, its rate is halved and\ngrows "
    "slowly again; such messages go back to the head of the queue and nothing is counted against "
    "them.\nThe messages of a sender to a recipient keep their order: they take the same bind.\n"
    "\n"
    "With `durability` `exactly_once` and `each_step` the engine journals what this node may begin "
    "before it is called,\nso that after a restart just these messages are `unknown`; with "
    "`at_least_once` and `none` it is everything\nthat waited outside.\n"
    "\n"
    "**USSD** over SMPP: with `options.ussd` the answer to a session that `catalyst.smppReceive` "
    "gave, or a push; `send.channel` is `ussd` then. `textMember` may\nbe a path such as "
    "`reply.text`. Workflows ussd-smpp-menu and ussd-outbound show both. An item that came from a "
    "phone has "
    "`from` and `to` the other way round: set\n`fromMember` to `to` and `toMember` to `from`.\n"
    "\n"
    "**Several parts.** `accepted` when the SMSC took all. As soon as one is refused or unknown, "
    "no more are sent;\n`parts_accepted` tells how many it has. Refused wins over unknown.\n"
    "\n"
    "**Binds, windows, rates** are the account's, for all nodes of a worker together: see the "
    "credential `smpp`.\nEach worker has its own, so an account with `binds` 2 on an engine with 4 "
    "workers holds 8.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.smsSend\", \"parameters\": {\"options\": {\"maxWait\": \"2m\"}},\n"
    " \"credentials\": {\"smpp\": {\"name\": \"carrier\"}}}\n"
    "```\n"
    "\n"
    "turns `{\"id\": \"m1\", \"from\": \"ACME\", \"to\": \"+4915112345678\", \"text\": \"Hello\"}` "
    "into\n"
    "\n"
    "```json\n"
    "{\"id\": \"m1\", \"from\": \"ACME\", \"to\": \"+4915112345678\", \"text\": \"Hello\", "
    "\"send\": "
    "{\"outcome\":\n"
    " \"accepted\", \"channel\": \"sms\", \"account\": \"acme\", \"provider_id\": \"7f3a\", "
    "\"segments\": 1, \"encoding\":\n"
    " \"gsm7\"}}\n"
    "```\n";
