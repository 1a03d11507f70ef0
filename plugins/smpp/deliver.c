/* SPDX-License-Identifier: Apache-2.0
 * catalyst.smppDeliver: a receipt or a message to the receiver of a tenant, which may be bound to
 * any worker of this process.
 *
 * Thread: the worker's. Nothing blocks but the lock of the mailboxes.
 */
#include "deliver.h"
#include <catalyst/channel.h>
#include <catalyst/conn.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_ACCEPTED, PORT_REJECTED, PORT_UNKNOWN, PORT_OFFLINE };

static const wf_pair kinds[] = {
    { "auto", "A message when the item's kind is message, else a receipt" },
    { "receipt", "A receipt of a message that the tenant submitted" },
    { "message", "A message for the tenant" },
    { NULL, NULL },
};

const wf_param deliver_params[] = {
    { WF_P_CHOICE(struct deliver_config, kind, kinds), .def = "auto", .help = "What is delivered" },
    { WF_NAMED("tenantId"), WF_F_STR(struct deliver_config, tenant_id), .flags = WF_EXPR,
      .help = "The tenant; empty: message.tenant_id of the item, or tenant_id" },
    { WF_NAMED("systemId"), WF_F_STR(struct deliver_config, system_id), .flags = WF_EXPR,
      .help = "Only over binds of this system_id; empty: any of the tenant's" },
    { WF_NAMED("messageId"), WF_F_STR(struct deliver_config, message_id), .flags = WF_EXPR,
      .show_if = "kind=auto|receipt",
      .help = "Id of the message; empty: message.id of the item, or id" },
    { WF_P_STR(struct deliver_config, state), .flags = WF_EXPR, .show_if = "kind=auto|receipt",
      .help = "State of the message: delivered, failed, expired, rejected ...; empty: status.state "
              "of the item, or state" },
    { WF_NAMED("options.timeout"), WF_F_MS(struct deliver_config, wait_ms), .def = "2m",
      .min = 1000, .max = 3600000, .help = "How long it may wait for the tenant's answer" },
    { WF_NAMED("options.keep"), WF_F_MS(struct deliver_config, keep_ms), .def = "0", .min = 0,
      .max = 7 * 86400000LL,
      .help = "How long it waits for a tenant that is not bound; 0: it leaves on offline at once" },
    { WF_NAMED("options.keepMost"), WF_F_INT(struct deliver_config, keep_most), .def = "10000",
      .min = 1, .max = 50000, .help = "How many may wait on each worker; more leave on offline" },
    WF_END,
};

void *deliver_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    (void)why;
    return keep_create(h, inst);
}

void deliver_close(const wf_host *h, void *state)
{
    (void)h;
    keep_destroy(state);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void leave(const wf_host *h, wf_item *it, unsigned port, enum wf_class error_class,
                  const char *code, const char *text)
{
    static const char *const outcomes[] = { "accepted", "rejected", "unknown", "offline" };
    static const enum metric counters[] = { COUNT_ACCEPTED, COUNT_REJECTED, COUNT_UNKNOWN,
                                            COUNT_OFFLINE };
    const wf_value *deliver =
        h->build(it, "{s:s,s:s}", "outcome", outcomes[port], "channel", "sms");
    if (error_class)
        deliver = h->v->set(
            it, deliver, "class",
            h->v->of_str(it, wf_class_name(error_class), strlen(wf_class_name(error_class))));
    if (code)
        deliver = h->v->set(it, deliver, "code", h->v->of_str(it, code, strlen(code)));
    if (text)
        deliver = h->v->set(it, deliver, "text", h->v->of_str(it, text, strlen(text)));
    h->count(h->inst(it), counters[port], 1);
    if (port == PORT_REJECTED)
        wf_count_rejected(h, it, COUNT_REASON, error_class);
    h->emit(it, port, h->v->set(it, h->value(it), "deliver", deliver));
}

static wf_str tenant_of(const wf_host *h, wf_item *it, const struct deliver_config *c)
{
    if (c->tenant_id.len)
        return c->tenant_id;
    const wf_value *v = h->v->path(h->value(it), "message.tenant_id");
    return h->v->text(it, v ? v : h->v->get(h->value(it), "tenant_id", 9));
}

/* Nobody receives for the tenant: it waits, while it may. `until_ms` 0: for the first time. */
static void leave_or_wait(const wf_host *h, wf_item *it, int64_t until_ms, const char *text)
{
    const struct deliver_config *c = h->config(it);
    const char *code = "offline";
    int64_t now_ms = wf_conn_now_ms();
    if (!until_ms)
        until_ms = now_ms + c->keep_ms;
    if (c->keep_ms && now_ms >= until_ms) {
        code = "expired";
        text = "no receiver of the tenant was bound in time";
    } else if (c->keep_ms) {
        if (keep_add(h->state(it), it, tenant_of(h, it, c), c->system_id, until_ms,
                     (uint32_t)c->keep_most) == 0)
            return;
        code = "full";
        text = "too many wait for tenants that are not bound";
    }
    leave(h, it, PORT_OFFLINE, 0, code, text);
}

void deliver_woken(const wf_host *h, wf_item *it, wf_str data)
{
    struct delivery_result result;
    if (!it)
        return;
    memcpy(&result, data.ptr, sizeof result);
    if (result.is_offline) {
        leave_or_wait(h, it, result.until_ms, "its receiver went away before it was sent");
        return;
    }
    if (result.is_unknown) {
        leave(h, it, PORT_UNKNOWN, 0, "connection", "it was sent and not answered");
        return;
    }
    const struct smpp_status_info *info = smpp_status_of(result.status);
    if (result.status)
        leave(h, it, PORT_REJECTED, info->error_class,
              *info->name ? info->name : h->fmt(it, "0x%08x", (unsigned)result.status).ptr,
              info->text);
    else
        leave(h, it, PORT_ACCEPTED, 0, NULL, NULL);
}

/* --- frames ----------------------------------------------------------------------------------- */

void deliver_again(const wf_host *h, wf_item *it, int64_t until_ms)
{
    const struct deliver_config *c = h->config(it);
    const char *code, *why;
    wf_str tenant = tenant_of(h, it, c);
    if (!tenant.len) {
        leave(h, it, PORT_REJECTED, WF_CLASS_PERMANENT_RECIPIENT, "tenant",
              "the item names no tenant");
        return;
    }
    struct delivery *d = deliver_compose(h, it, c, &code, &why);
    if (!d) {
        leave(h, it, PORT_REJECTED, WF_CLASS_PERMANENT_CONTENT, code, why);
        return;
    }
    d->until_ms = until_ms;
    d->ticket = h->park(it, c->wait_ms);
    wf_ticket ticket = d->ticket;
    if (mailbox_post(tenant.ptr, c->system_id.ptr, d) == 0)
        return;
    free(d);
    it = h->resume(h, ticket);
    if (it)
        leave_or_wait(h, it, until_ms, "no receiver of the tenant is bound here");
}

void deliver_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        deliver_again(h, items[i], 0);
}

/* --- what it says of itself ------------------------------------------------------------------- */

const char deliver_docs[] =
    "Sends a deliver_sm to a tenant that is bound to `catalyst.smppServer` as receiver or "
    "transceiver, on whichever\nworker of this engine its session is; of several sessions in turn. "
    "The item leaves with `deliver` when the\ntenant has answered:\n"
    "\n"
    "| port | `deliver` | meaning |\n"
    "|---|---|---|\n"
    "| `accepted` | `outcome`, `channel` | The tenant has it |\n"
    "| `rejected` | and `class`, `code`, `text` | The tenant refused it, or the item cannot be "
    "delivered |\n"
    "| `unknown` | and `code`, `text` | It was sent, and the session broke or no answer came |\n"
    "| `offline` | and `code`, `text` | No receiver of the tenant is bound to this engine, or its "
    "queue is full (`offline`), also after `options.keep` (`expired`), or `options.keepMost` wait "
    "(`full`) |\n"
    "\n"
    "**Tenants that are away.** With `options.keep` what is for them waits, in the engine's store "
    "like all that waits,\nand is sent in its order when they bind to this engine. After a restart "
    "the time begins anew.\n"
    "\n"
    "A **receipt** is made of what `catalyst.messageStatus` gives: `message` (id, tenant_id, from, "
    "to, ts_us), the\nstate in `status.state` or `state`, `code`, `ts_provider_us`. An envelope "
    "that "
    "was refused on its way\n(`send.outcome` rejected, or `state` as a parameter) works as well. "
    "It "
    "carries the text form of receipts and\nthe parameters receipted_message_id and message_state. "
    "A "
    "**message** is made of `from`, `to`, and `text` or\n`raw` (hexadecimal), in parts where it is "
    "long.\n"
    "\n"
    "A restart may deliver the same receipt again; tenants take the last state.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.smppDeliver\", \"parameters\": {\"kind\": \"receipt\"}}\n"
    "```\n"
    "\n"
    "with `{\"message\": {\"id\": \"0199...\", \"tenant_id\": \"tenant-1\", \"from\": \"ACME\", "
    "\"to\": "
    "\"+4915112345678\"},\n\"status\": {\"state\": \"delivered\"}}` sends `id:0199... sub:001 "
    "dlvrd:001 "
    "... stat:DELIVRD err:000 text:`.\n";
