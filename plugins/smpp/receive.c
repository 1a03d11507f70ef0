/* SPDX-License-Identifier: Apache-2.0
 * catalyst.smppReceive: receipts and messages that an SMSC delivers, over receivers of its own or
 * the transceivers that smsSend of the same worker has. What comes is answered when it is stored,
 * so that an engine that dies before makes the SMSC send it again.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "receive.h"

enum { TICK_MS = 1000 };

const wf_param receive_params[] = {
    { WF_P_CRED(struct receive_config, credential, "smpp"), .flags = WF_REQUIRED,
      .help = "The account at the SMSC" },
    { WF_NAMED("options.singleParts"), WF_F_BOOL(struct receive_config, in_parts),
      .help = "Each part of a long message is an item, not the whole" },
    { WF_NAMED("options.partTimeout"), WF_F_MS(struct receive_config, part_timeout_ms),
      .def = "60s", .min = 1000, .max = 3600000, .show_if = "options.singleParts=false",
      .help = "How long the first parts of a message wait for the others" },
    WF_END,
};

void pass_on(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

int receive_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    return account_check(h, ((const struct receive_config *)config)->credential, why, why_size);
}

/* --- what comes ------------------------------------------------------------------------------- */

static void on_request(void *node, struct link *l, const struct session_pdu *raw)
{
    struct receiver *r = node;
    struct smpp_pdu pdu;
    struct smpp_error error;
    uint32_t status = SMPP_OK;
    struct inbox_answer answer = {
        .at = l, .life = l->life, .command = raw->command, .sequence = raw->sequence
    };
    if (r->is_stopping || !r->inbox.source)
        status = SMPP_RX_T_APPN;
    else if (smpp_pdu_read(&pdu, raw->bytes, raw->len, &error) != 0)
        status = error.status;
    else if (receive_event(r, &pdu, &answer, &status))
        return;
    if (status)
        account_count(r->account, COUNT_REFUSED, 1);
    session_answer_status(&l->session, raw->command, raw->sequence, status);
}

static void on_fed(void *node) { inbox_flush(&((struct receiver *)node)->inbox); }

static void answer(const struct inbox_answer *a, uint32_t status)
{
    struct link *l = a->at;
    if (l->has_session && l->life == a->life)
        session_answer_status(&l->session, a->command, a->sequence, status);
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
    struct receiver *r = arg;
    r->timer = r->loop->timer(r->inst, TICK_MS, on_timer, r);
    if (r->account && r->inbox.source)
        receive_expired(r, wf_conn_now_ms());
}

void *receive_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    static const char none[] = "this engine has no sockets or no triggers for plugins";
    struct receiver *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->h = h;
    r->inst = inst;
    r->config = *(const struct receive_config *)h->inst_config(inst);
    r->loop = h->service("loop/1");
    r->inbox.triggers = h->service("trigger/1");
    if (!r->loop || !r->inbox.triggers) {
        *why = (wf_error){ .size = sizeof *why,
                           .fault = WF_ACCOUNT,
                           .detail = { none, sizeof none - 1 } };
        free(r);
        return NULL;
    }
    r->room = malloc(SMPP_PDU_MAX);
    if (!r->room)
        abort();
    return r;
}

static void leave(struct receiver *r)
{
    struct inbox_answer unused;
    if (!r->account)
        return;
    account_leave(r->account, &r->user);
    r->account = NULL;
    while (inbox_drop(&r->inbox, &unused))
        ;
    shelf_close(r->shelf);
    r->shelf = NULL;
    if (r->timer)
        r->loop->timer_stop(r->timer);
    r->timer = NULL;
}

void receive_close(const wf_host *h, void *state)
{
    struct receiver *r = state;
    (void)h;
    leave(r);
    inbox_fini(&r->inbox);
    free(r->room);
    free(r);
}

static int trigger_start(const wf_host *h, void *state, wf_source *source, wf_error *why)
{
    struct receiver *r = state;
    char name[300];
    r->is_stopping = 0;
    r->inbox.source = source;
    r->inbox.is_full = 0;
    if (r->account)
        return 0; /* it was on its way out */
    r->user = (struct account_user){ .h = h,
                                     .inst = r->inst,
                                     .cred = r->config.credential,
                                     .use = USE_RECEIVE,
                                     .node = r,
                                     .request = on_request,
                                     .fed = on_fed };
    r->account = account_join(&r->user, why);
    if (!r->account) {
        r->inbox.source = NULL;
        return -1;
    }
    if (account_receiver(r->account) != &r->user)
        h->log(r->inst, WF_WARN, "smpp.second",
               "%s: another smppReceive of this worker takes what comes", r->account->label);
    snprintf(name, sizeof name, "%s %s", r->account->label, r->account->name);
    r->shelf = shelf_open(name, r->config.part_timeout_ms);
    r->timer = r->loop->timer(r->inst, TICK_MS, on_timer, r);
    return 0;
}

/* What was taken is answered still; then the binds end. */
static void trigger_stop(const wf_host *h, void *state)
{
    struct receiver *r = state;
    struct inbox_answer dropped;
    (void)h;
    r->is_stopping = 1;
    r->inbox.source = NULL;
    while (inbox_drop(&r->inbox, &dropped))
        answer(&dropped, SMPP_RX_T_APPN);
    if (!r->inbox.n_owed)
        leave(r);
}

static void trigger_stored(const wf_host *h, void *state, const uint64_t *tags, size_t n, int ok)
{
    struct receiver *r = state;
    struct inbox_answer a;
    (void)h;
    for (size_t i = 0; i < n; i++)
        if (inbox_take(&r->inbox, tags[i], &a) == 0 && r->account)
            answer(&a, ok ? SMPP_OK : SMPP_RX_T_APPN);
    if (!r->account)
        return;
    for (uint32_t i = 0; i < r->account->n_links; i++)
        link_flush(&r->account->links[i]);
    if (r->is_stopping && !r->inbox.n_owed)
        leave(r);
}

static void trigger_room(const wf_host *h, void *state)
{
    struct receiver *r = state;
    (void)h;
    r->inbox.is_full = 0;
    inbox_flush(&r->inbox);
}

static const char *trigger_trouble(const wf_host *h, void *state)
{
    struct receiver *r = state;
    uint32_t refused;
    (void)h;
    if (!r->account || r->is_stopping)
        return NULL;
    const char *why = account_trouble(r->account, &refused);
    if (!why)
        return NULL;
    snprintf(r->trouble, sizeof r->trouble, "%s", why);
    return r->trouble;
}

const wf_trigger receive_trigger = { .size = sizeof receive_trigger,
                                     .start = trigger_start,
                                     .stop = trigger_stop,
                                     .stored = trigger_stored,
                                     .room = trigger_room,
                                     .trouble = trigger_trouble };

/* --- what it says of itself ------------------------------------------------------------------- */

const char receive_docs[] =
    "Binds to an SMSC and takes what it delivers. With `bindMode` `transceiver` (the default of "
    "the "
    "credential)\nit shares the binds of `catalyst.smsSend` on the same worker; with `separate` it "
    "has receivers of its own.\nEvery deliver_sm and data_sm becomes an execution with one item, "
    "and "
    "is answered when that is stored: an\nengine that ends before makes the SMSC send it again. "
    "When "
    "the engine cannot take it, the answer is\n`ESME_RX_T_APPN`, which means: later. So an item "
    "may "
    "come twice; `catalyst.messageStatus` merges them.\n"
    "\n"
    "| `kind` | members |\n"
    "|---|---|\n"
    "| `receipt` | `channel`, `account`, `provider_id`, `state`, `code`, `class`, "
    "`ts_provider_us`, "
    "`smsc_state`, `from`, `to`, `ts_us` |\n"
    "| `message` | `channel`, `account`, `id`, `ts_us`, `from`, `to`, `text`, `encoding`, "
    "`data_coding`, `parts`; `raw` in hexadecimal for binary, `source_port` and `dest_port` of its "
    "header; of USSD `service_type`, `ussd_service_op`, `its_session_info` |\n"
    "\n"
    "`provider_id` is written as `send.provider_id` of smsSend is, whatever base the SMSC writes "
    "ids "
    "in (`responseIds`\nand `receiptIds` of the credential). `state` is missing where the SMSC "
    "says "
    "nothing that can be known. In a\nreceipt `from` is the phone and `to` is who sent to it.\n"
    "\n"
    "**Long messages** come as one item when all parts are there, over whichever bind and worker "
    "of "
    "this engine\nthey came. The first parts are answered at once, since SMSCs wait for that "
    "before "
    "they send the next; parts\nthat wait are lost with the process. When `partTimeout` is over "
    "the "
    "item comes with what is there and\n`parts_missing`. With several engines that bind to one "
    "account set `singleParts`: each part is an item then,\nwith `part`, `part_of` and "
    "`part_reference`.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.smppReceive\", \"parameters\": {},\n"
    " \"credentials\": {\"smpp\": {\"name\": \"carrier\"}}}\n"
    "```\n"
    "\n"
    "gives\n"
    "\n"
    "```json\n"
    "{\"kind\": \"receipt\", \"channel\": \"sms\", \"account\": \"acme\", \"provider_id\": "
    "\"7f3a\", "
    "\"state\": \"delivered\",\n"
    " \"code\": \"000\", \"ts_provider_us\": 1763800000000000, \"smsc_state\": \"DELIVRD\", "
    "\"from\": "
    "\"+4915112345678\",\n"
    " \"to\": \"ACME\", \"ts_us\": 1763800001000000}\n"
    "```\n";
