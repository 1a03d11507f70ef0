/* SPDX-License-Identifier: Apache-2.0
 * From an item to PDUs: addresses, alphabet, parts, validity, our id. Done once for a message, as
 * it comes; what is sent again is the same bytes with another sequence number. Thread: the
 * worker's. Nothing allocates beside the item's arena and the message's own room.
 */
#include "json_out.h"
#include "send.h"

enum { TEXT_MAX = 40000, PDU_ROOM = 1024, TLV_ROOM = 700 };

struct draft {
    struct account *account;
    const struct send_config *c;
    const wf_host *h;
    wf_item *it;
    const wf_value *json;
    struct message *m;
    struct send_refusal *no;
    struct smpp_pdu pdu;
    wf_str id;
    char from_room[ADDRESS_MAX], to_room[ADDRESS_MAX], validity[SMPP_TIME_BYTES];
};

static int refuse(struct draft *d, enum wf_class error_class, const char *code, const char *text)
{
    *d->no = (struct send_refusal){ error_class, code, text };
    return -1;
}

/* A name with dots is a path. */
static const wf_value *value_of(const struct draft *d, const char *name, size_t len)
{
    return memchr(name, '.', len) ? d->h->v->path(d->json, name) : d->h->v->get(d->json, name, len);
}

static wf_str member(const struct draft *d, const char *name, size_t len)
{
    const wf_value *v = value_of(d, name, len);
    wf_str text = { "", 0 };
    if (d->h->v->bytes(v, &text.ptr, &text.len) != 0 && d->h->v->type(v) == WF_JSON_NUMBER)
        return d->h->v->text(d->it, v);
    return text;
}

static uint32_t hash(uint32_t h, wf_str s)
{
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.ptr[i]) * 16777619u;
    return h ^ h >> 15;
}

/* --- addresses -------------------------------------------------------------------------------- */

static int set_addresses(struct draft *d)
{
    const struct address_rules *rules = &d->account->set.addresses;
    wf_str to = member(d, d->c->to_name.ptr, d->c->to_name.len);
    wf_str from = d->c->from.len ? d->c->from : member(d, d->c->from_name.ptr, d->c->from_name.len);
    const char *why = NULL;
    struct smpp_address *target = &d->pdu.sm.to, *source = &d->pdu.sm.from;
    if (d->c->operation >= OP_QUERY && d->c->operation != OP_REPLACE) {
        target = &d->pdu.query.to;
        source = &d->pdu.query.from;
    }
    if (d->c->operation != OP_QUERY && d->c->operation != OP_REPLACE &&
        smpp_address_of(to.ptr, to.len, rules, d->to_room, target, &why) != 0)
        return refuse(d, WF_CLASS_PERMANENT_RECIPIENT, "to", why);
    if (from.len && smpp_address_of(from.ptr, from.len, rules, d->from_room, source, &why) != 0)
        return refuse(d, WF_CLASS_PERMANENT_CONTENT, "from", why);
    d->m->recipient_hash = hash(2166136261u, to);
    d->m->pair_hash = hash(d->m->recipient_hash, from);
    return 0;
}

/* --- time ------------------------------------------------------------------------------------- */

/* ttl_s counts from ts_us, where the message has it: its age is not given to it again. */
static int set_times(struct draft *d)
{
    const wf_values *v = d->h->v;
    int64_t ttl_s, ts_us, left_ms = d->c->ttl_ms;
    int has_ttl = v->int64(v->get(d->json, "ttl_s", 5), &ttl_s) == 0 && ttl_s > 0;
    if (has_ttl && ttl_s < 31536000)
        left_ms = ttl_s * 1000;
    if (v->int64(v->get(d->json, "ts_us", 5), &ts_us) == 0 && ts_us > 0) {
        int64_t age_ms = d->h->now_ms(d->it) - ts_us / 1000;
        left_ms -= age_ms > 0 ? age_ms : 0;
    }
    if (left_ms <= 0)
        return refuse(d, WF_CLASS_TRANSIENT, "expired", "its time was over before it was sent");
    d->m->deadline_ms = d->m->begun_ms + left_ms;
    if (!has_ttl || d->c->operation != OP_SEND)
        return 0;
    size_t len = smpp_time_write((left_ms + 999) / 1000, d->validity);
    d->pdu.sm.validity = (struct smpp_str){ d->validity, (uint32_t)len };
    return 0;
}

/* --- text ------------------------------------------------------------------------------------- */

/* Which alphabet, and which data_coding when the item names one: -1 when it does not. */
static int choose(struct draft *d, wf_str *text, struct gsm_coding *coding, int *dcs)
{
    static const uint8_t alphabets[] = { 0, GSM_SEPTETS, GSM_UCS2, GSM_LATIN1, GSM_BINARY };
    const wf_values *v = d->h->v;
    int64_t given;
    *dcs = -1;
    *coding = (struct gsm_coding){ .alphabet = alphabets[d->c->encoding] };
    if (v->int64(v->get(d->json, "dcs", 3), &given) == 0 && given > 0 && given < 256) {
        *dcs = (int)given;
        coding->alphabet = (uint8_t)gsm_alphabet_of((uint8_t)given, d->account->set.zero);
    }
    if (coding->alphabet)
        return 0;
    struct gsm_choice choice;
    struct gsm_rules rules = d->account->set.alphabets;
    int is_zero_gsm = d->account->set.zero == GSM_SEPTETS;
    if (!is_zero_gsm) { /* an SMSC whose 0 is Latin-1 or ASCII */
        coding->alphabet = (uint8_t)d->account->set.zero;
        uint8_t *room = d->h->alloc(d->it, text->len * 2 + 2);
        if (gsm_encode(text->ptr, text->len, coding, room, text->len * 2 + 2, NULL) < 0)
            coding->alphabet = GSM_UCS2;
        return 0;
    }
    if (gsm_choose(text->ptr, text->len, &rules, &choice) != 0)
        return refuse(d, WF_CLASS_PERMANENT_CONTENT, "text", "the text needs more than 255 parts");
    *coding = choice.coding;
    if (choice.transliterated) {
        size_t room = text->len * GSM_TRANSLIT_FACTOR + 1;
        char *plain = d->h->alloc(d->it, room);
        *text = (wf_str){ plain, gsm_transliterate(text->ptr, text->len, plain, room, NULL) };
    }
    return 0;
}

/* The session's own info goes back as it came. */
static void add_ussd(const struct draft *d, struct smpp_out *tlvs)
{
    const wf_values *v = d->h->v;
    int64_t n;
    const wf_value *op = v->path(d->json, "reply.ussd_service_op");
    if (v->int64(op ? op : v->get(d->json, "ussd_service_op", 15), &n) == 0 && n >= 0 && n < 256)
        smpp_tlv_put_number(tlvs, d->account->set.ussd_op_tag, (uint32_t)n, 1);
    if (v->int64(v->get(d->json, "its_session_info", 16), &n) == 0 && n >= 0 && n < 65536)
        smpp_tlv_put_number(tlvs, d->account->set.ussd_session_tag, (uint32_t)n, 2);
}

static void add_tlvs(const struct draft *d, struct smpp_out *tlvs)
{
    const struct account_settings *set = &d->account->set;
    if (set->user_reference && d->id.len)
        smpp_tlv_put_number(tlvs, SMPP_TAG_USER_MESSAGE_REFERENCE,
                            hash(2166136261u, d->id) & 0xffff, 2);
    if (set->id_tag && d->id.len && d->id.len <= 64)
        smpp_tlv_put_text(tlvs, set->id_tag, d->id.ptr, d->id.len);
    if (d->c->ussd)
        add_ussd(d, tlvs);
}

static int add_pdu(struct draft *d)
{
    struct smpp_error error;
    size_t need = smpp_pdu_size(&d->pdu);
    uint8_t *to = message_room(d->m, need ? need : 1);
    int n = smpp_pdu_write(&d->pdu, to, need, &error);
    if (n <= 0)
        return refuse(d, WF_CLASS_PERMANENT_CONTENT, "request",
                      d->h->fmt(d->it, "%s: %s", error.field, error.why).ptr);
    d->m->len += (uint32_t)n;
    d->m->parts++;
    return 0;
}

static uint8_t final_coding(const struct draft *d, int dcs)
{
    uint8_t coding = dcs >= 0 ? (uint8_t)dcs : d->pdu.sm.data_coding;
    if (!d->c->flash || dcs >= 0)
        return coding;
    return coding == 8 ? 0x18 : coding == 0 ? 0x10 : coding; /* class 0: shown at once */
}

static int add_parts(struct draft *d, const uint8_t *coded, size_t len,
                     const struct gsm_coding *coding, int dcs)
{
    struct segment_plan plan;
    uint8_t scratch[SEGMENT_SCRATCH], *tlv_bytes, few[TLV_ROOM];
    enum segment_way way = d->c->operation == OP_DATA ? SEGMENT_PAYLOAD : d->account->set.way;
    if (segment_plan_make(coded, len, coding, way, d->account->set.packed, &plan) != 0)
        return refuse(d, WF_CLASS_PERMANENT_CONTENT, "text", "the text needs more than 255 parts");
    size_t room = way == SEGMENT_PAYLOAD && len > TLV_ROOM / 2 ? len + TLV_ROOM : sizeof few;
    tlv_bytes = room > sizeof few ? d->h->alloc(d->it, room) : few;
    uint16_t reference = (uint16_t)(d->m->number & 0xffff);
    for (unsigned i = 0; i < plan.parts; i++) {
        struct smpp_out tlvs = smpp_out_of(tlv_bytes, room);
        add_tlvs(d, &tlvs);
        if (segment_fill(&plan, coded, i, reference, scratch, &tlvs, &d->pdu) != 0)
            return refuse(d, WF_CLASS_PERMANENT_CONTENT, "text", "the text is too long");
        d->pdu.sm.data_coding = final_coding(d, dcs);
        if (add_pdu(d) != 0)
            return -1;
    }
    d->m->units = plan.parts;
    d->m->alphabet = (char)coding->alphabet;
    return 0;
}

static int add_text(struct draft *d)
{
    uint8_t few[1024], *coded = few;
    wf_str text = member(d, d->c->text_name.ptr, d->c->text_name.len);
    struct gsm_coding coding;
    int dcs;
    size_t at = 0;
    if (text.len > TEXT_MAX)
        return refuse(d, WF_CLASS_PERMANENT_CONTENT, "text",
                      "the text is longer than 40,000 bytes");
    if (!text.len && d->h->v->type(d->h->v->get(d->json, d->c->text_name.ptr,
                                                d->c->text_name.len)) != WF_JSON_STRING)
        return refuse(d, WF_CLASS_PERMANENT_CONTENT, "text", "the item has no text");
    if (choose(d, &text, &coding, &dcs) != 0)
        return -1;
    size_t room = text.len * 2 + 2;
    if (room > sizeof few)
        coded = d->h->alloc(d->it, room);
    ssize_t len = coding.alphabet == GSM_BINARY
                      ? json_hex_read(text.ptr, text.len, coded)
                      : gsm_encode(text.ptr, text.len, &coding, coded, room, &at);
    if (len < 0 && coding.alphabet == GSM_BINARY)
        return refuse(d, WF_CLASS_PERMANENT_CONTENT, "text", "binary text is not hexadecimal");
    if (len < 0)
        return refuse(d, WF_CLASS_PERMANENT_CONTENT, "text",
                      d->h->fmt(d->it, "byte %zu of the text is not in its alphabet", at).ptr);
    return add_parts(d, coded, (size_t)len, &coding, dcs);
}

/* --- operations ------------------------------------------------------------------------------- */

static uint8_t registered(const struct draft *d)
{
    static const uint8_t of[] = { 1, 1, 2, 0 };
    const wf_value *dlr = d->h->v->get(d->json, "dlr", 3);
    if (d->c->receipts == RECEIPTS_MEMBER && d->h->v->type(dlr) == WF_JSON_BOOL)
        return d->h->v->boolean(dlr) ? 1 : 0;
    return of[d->c->receipts];
}

static int compose_message(struct draft *d)
{
    struct smpp_sm *sm = &d->pdu.sm;
    sm->service_type =
        (struct smpp_str){ d->c->service_type.ptr, (uint32_t)d->c->service_type.len };
    if (d->c->ussd && !sm->service_type.len)
        sm->service_type = (struct smpp_str){ "USSD", 4 };
    sm->registered = registered(d);
    sm->priority = (uint8_t)d->c->priority;
    sm->protocol_id = (uint8_t)d->c->protocol_id;
    return add_text(d);
}

/* query, cancel and replace go by the SMSC's id. */
static int compose_query(struct draft *d)
{
    wf_str id = d->c->message_id;
    if (!id.len)
        return refuse(d, WF_CLASS_PERMANENT_CONTENT, "messageId", "messageId is empty");
    struct smpp_str text = { id.ptr, (uint32_t)id.len };
    if (d->c->operation != OP_REPLACE) {
        d->pdu.query.message_id = text;
        return add_pdu(d);
    }
    d->pdu.sm.message_id = text;
    return compose_message(d);
}

int compose(struct account *a, const struct send_config *c, const wf_host *h, wf_item *it,
            struct message *m, struct send_refusal *no)
{
    static const uint32_t commands[] = { SMPP_SUBMIT_SM, SMPP_DATA_SM, SMPP_QUERY_SM,
                                         SMPP_CANCEL_SM, SMPP_REPLACE_SM };
    struct draft d;
    memset(&d.pdu, 0, sizeof d.pdu);
    d.account = a;
    d.c = c;
    d.h = h;
    d.it = it;
    d.json = h->value(it);
    d.m = m;
    d.no = no;
    d.id = member(&d, "id", 2);
    d.pdu.command = m->command = commands[c->operation];
    m->h = h;
    m->resend = c->repeated == REPEATED_SEND;
    m->max_attempts = (uint32_t)c->attempts;
    if (set_addresses(&d) != 0 || set_times(&d) != 0)
        return -1;
    return c->operation <= OP_DATA ? compose_message(&d) : compose_query(&d);
}
