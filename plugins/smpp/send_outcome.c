/* SPDX-License-Identifier: Apache-2.0
 * The end of a message: the item leaves on a port with what became of it under `send`. Thread: the
 * worker's.
 */
#include "send.h"

struct pairs {
    wf_str keys[16];
    const wf_value *values[16];
    size_t n;
};

static void add(struct pairs *p, const char *key, const wf_value *value)
{
    p->keys[p->n] = (wf_str){ key, strlen(key) };
    p->values[p->n++] = value;
}

static void add_text(struct pairs *p, const wf_host *h, wf_item *it, const char *key,
                     const char *text)
{
    add(p, key, h->v->of_str(it, text, strlen(text)));
}

static void begin(struct pairs *p, const struct account *a, const wf_host *h, wf_item *it,
                  enum wf_outcome outcome)
{
    const struct send_config *c = h->config(it);
    p->n = 0;
    add_text(p, h, it, "outcome", wf_outcome_name(outcome));
    add_text(p, h, it, "channel", c->ussd ? "ussd" : "sms");
    add_text(p, h, it, "account", a->name);
}

static void leave(const wf_host *h, wf_item *it, unsigned port, const struct pairs *p)
{
    static const enum metric counters[] = { COUNT_ACCEPTED, COUNT_REJECTED, COUNT_UNKNOWN };
    static const wf_str name = { "send", 4 };
    const wf_value *send = h->v->object(it, p->keys, p->values, p->n);
    h->count(h->inst(it), counters[port], 1);
    h->emit(it, port, h->v->set_key(it, h->value(it), name, send));
}

/* Ids are given in the form under which receipts are looked up. */
static const wf_value *id_value(const struct account *a, const wf_host *h, wf_item *it,
                                const char *id, size_t len)
{
    char key[RECEIPT_KEY_BYTES];
    size_t n = receipt_key(id, len, (enum receipt_id_form)a->set.receipts.response_ids, key);
    return h->v->of_str(it, key, n);
}

static void add_ids(struct pairs *p, const struct account *a, const wf_host *h, wf_item *it,
                    const struct message *m)
{
    const wf_value *ids[SEGMENT_MAX];
    size_t n = 0;
    if (m->parts <= 1) {
        if (m->first_id[0])
            add(p, "provider_id", id_value(a, h, it, m->first_id, strlen(m->first_id)));
        return;
    }
    for (const char *id = m->ids_len ? m->ids : ""; *id && n < SEGMENT_MAX;) {
        size_t len = strcspn(id, " ");
        ids[n++] = id_value(a, h, it, id, len);
        id += len + (id[len] != 0);
    }
    if (!n)
        return;
    add(p, "provider_id", ids[0]);
    add(p, "provider_ids", h->v->array(it, ids, n));
}

static void add_parts(struct pairs *p, const wf_host *h, wf_item *it, const struct message *m)
{
    if (m->command != SMPP_SUBMIT_SM && m->command != SMPP_DATA_SM)
        return;
    add(p, "segments", h->v->of_int(it, m->parts));
    add_text(p, h, it, "encoding", gsm_alphabet_name((enum gsm_alphabet)m->alphabet));
}

static void add_failure(struct pairs *p, const wf_host *h, wf_item *it, enum wf_class error_class,
                        const char *code, const char *text)
{
    wf_count_rejected(h, it, COUNT_REASON, error_class);
    add_text(p, h, it, "class", wf_class_name(error_class));
    add_text(p, h, it, "code", code);
    add_text(p, h, it, "text", text);
}

/* query_sm: what the SMSC knows of it. */
static void add_query(struct pairs *p, const wf_host *h, wf_item *it, const struct message *m)
{
    enum wf_class error_class;
    enum wf_state state = receipt_state_of(m->message_state, &error_class);
    if (m->command != SMPP_QUERY_SM)
        return;
    if (state)
        add_text(p, h, it, "state", wf_state_name(state));
    add_text(p, h, it, "smsc_state", receipt_state_word(m->message_state));
    add(p, "error_code", h->v->of_int(it, m->error_code));
    if (m->final_date[0])
        add_text(p, h, it, "final_date", m->final_date);
}

static void finish_rejected(struct account *a, const struct message *m, wf_item *it)
{
    const wf_host *h = m->h;
    const struct smpp_status_info *info = smpp_status_of(m->status);
    struct pairs p;
    uint32_t refused;
    const char *trouble = account_trouble(a, &refused);
    begin(&p, a, h, it, WF_OUTCOME_REJECTED);
    add_ids(&p, a, h, it, m);
    add_parts(&p, h, it, m);
    if (m->parts > 1)
        add(&p, "parts_accepted", h->v->of_int(it, m->accepted));
    if (m->own_code && m->status) /* time was over while the SMSC wanted us to wait */
        add_failure(&p, h, it, info->error_class, m->own_code,
                    h->fmt(it, "its time was over; the SMSC last said %s", info->name).ptr);
    else if (m->own_code)
        add_failure(
            &p, h, it, refused ? smpp_status_of(refused)->error_class : WF_CLASS_TRANSIENT,
            m->own_code,
            h->fmt(it, "its time was over%s%s", trouble ? "; " : "", trouble ? trouble : "").ptr);
    else
        add_failure(&p, h, it, info->error_class,
                    *info->name ? info->name : h->fmt(it, "0x%08x", (unsigned)m->status).ptr,
                    info->text);
    if (info->error_class == WF_CLASS_PERMANENT_ACCOUNT && !m->own_code)
        h->log(h->inst(it), WF_ERROR, "smpp.account", "%s: %s", a->label, info->text);
    leave(h, it, PORT_REJECTED, &p);
}

static void finish_unknown(struct account *a, const struct message *m, wf_item *it)
{
    const wf_host *h = m->h;
    struct pairs p;
    begin(&p, a, h, it, WF_OUTCOME_UNKNOWN);
    add_ids(&p, a, h, it, m);
    add_parts(&p, h, it, m);
    if (m->parts > 1)
        add(&p, "parts_accepted", h->v->of_int(it, m->accepted));
    add_text(&p, h, it, "code", m->own_code ? m->own_code : "timeout");
    add_text(&p, h, it, "text",
             m->own_code && !strcmp(m->own_code, "connection")
                 ? "the connection broke before its response came"
                 : "no response came in time");
    leave(h, it, PORT_UNKNOWN, &p);
}

void send_finish(struct account *a, struct message *m, wf_item *it)
{
    struct pairs p;
    if (!it)
        return;
    if (m->failed) {
        finish_rejected(a, m, it);
        return;
    }
    if (m->unknown) {
        finish_unknown(a, m, it);
        return;
    }
    begin(&p, a, m->h, it, WF_OUTCOME_ACCEPTED);
    add_ids(&p, a, m->h, it, m);
    add_parts(&p, m->h, it, m);
    add_query(&p, m->h, it, m);
    leave(m->h, it, PORT_ACCEPTED, &p);
}

void send_refuse(struct account *a, const wf_host *h, wf_item *it, const struct send_refusal *no)
{
    struct pairs p;
    begin(&p, a, h, it, WF_OUTCOME_REJECTED);
    add_failure(&p, h, it, no->error_class, no->code, no->text);
    leave(h, it, PORT_REJECTED, &p);
}

void send_repeated(struct account *a, const wf_host *h, wf_item *it)
{
    struct pairs p;
    begin(&p, a, h, it, WF_OUTCOME_UNKNOWN);
    add_text(&p, h, it, "code", "restart");
    add_text(&p, h, it, "text", "an engine that ended may have sent it");
    leave(h, it, PORT_UNKNOWN, &p);
}
