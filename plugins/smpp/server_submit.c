/* SPDX-License-Identifier: Apache-2.0
 * What tenants submit: PDUs to envelopes, and answers when these are stored. Thread: the worker's.
 * Nothing blocks but the lock of a shelf, for parts of long messages.
 */
#include "server.h"

/* One message on its way to an envelope. */
struct submission {
    struct peer_link *peer;
    const struct smpp_pdu *pdu;
    const struct smpp_address *to;
    const struct gsm_coding *coding;
    const uint8_t *octets;
    uint32_t len;
    const char *id;
    unsigned parts, parts_missing;
};

/* Seconds that a message may live; 0: for ever; -1: its time is over, or no time at all. */
static int64_t seconds_of(const struct smpp_str *validity, int64_t now_us)
{
    int64_t at_us;
    if (!validity->len)
        return 0;
    if (smpp_time_read(validity, now_us, &at_us) != 1 || at_us <= now_us)
        return -1;
    return (at_us - now_us + 999999) / 1000000;
}

/* --- envelopes -------------------------------------------------------------------------------- */

static void put_address(struct json_out *j, const char *key, const struct smpp_address *address)
{
    static const struct address_rules plain;
    char text[ADDRESS_TEXT_MAX];
    size_t len = smpp_address_text(address, &plain, text);
    json_out_text(j, key, text, len);
}

static void put_text(struct json_out *j, const struct submission *s)
{
    uint8_t data_coding = s->pdu->sm.data_coding;
    if (s->coding->alphabet == GSM_BINARY) {
        json_out_hex(j, "text", s->octets, s->len);
        json_out_int(j, "dcs", data_coding ? data_coding : 4);
        return;
    }
    size_t room = (size_t)s->len * GSM_DECODE_FACTOR + 1;
    char *decoded = room <= SMPP_PDU_MAX ? (char *)s->peer->server->room : malloc(room);
    if (!decoded)
        abort();
    json_out_text(j, "text", decoded, gsm_decode(s->octets, s->len, s->coding, decoded, room));
    if (decoded != (char *)s->peer->server->room)
        free(decoded);
    if (data_coding >= 0x10) /* a message class, such as flash */
        json_out_int(j, "dcs", data_coding);
}

static void put_options(struct json_out *j, const struct smpp_pdu *pdu, int64_t now_us)
{
    const struct smpp_sm *sm = &pdu->sm;
    int64_t ttl_s = seconds_of(&sm->validity, now_us);
    if (ttl_s > 0)
        json_out_int(j, "ttl_s", ttl_s);
    if (sm->priority)
        json_out_int(j, "priority", sm->priority);
    json_out_extras(j, pdu, SMPP_TAG_USSD_SERVICE_OP, SMPP_TAG_ITS_SESSION_INFO);
    json_out_bool(j, "dlr", (sm->registered & 3) != 0);
}

static void add_event(const struct submission *s, const struct inbox_answer *answer)
{
    struct server *server = s->peer->server;
    struct json_out *j = inbox_begin(&server->inbox);
    int64_t now_us = inbox_wall_us();
    char trace[33], *at = trace;
    for (const char *p = s->id; *p && at < trace + 32; p++)
        if (*p != '-')
            *at++ = *p;
    json_out_int(j, "v", 1);
    json_out_word(j, "id", s->id);
    json_out_int(j, "ts_us", now_us);
    json_out_word(j, "tenant_id", s->peer->tenant->tenant_id);
    json_out_text(j, "trace_id", trace, (size_t)(at - trace));
    json_out_word(j, "channel", "sms");
    put_address(j, "from", &s->pdu->sm.from);
    put_address(j, "to", s->to);
    put_text(j, s);
    put_options(j, s->pdu, now_us);
    json_out_word(j, "system_id", s->peer->tenant->system_id);
    if (s->parts > 1)
        json_out_int(j, "parts", s->parts);
    if (s->parts_missing)
        json_out_int(j, "parts_missing", s->parts_missing);
    inbox_add(&server->inbox, answer);
    server->h->count(server->inst, COUNT_MESSAGES, 1);
}

static void refuse(struct peer_link *p, const struct session_pdu *raw, uint32_t status)
{
    struct server *s = p->server;
    s->h->count(s->inst, smpp_status_is_throttle(status) ? COUNT_THROTTLED : COUNT_REFUSED, 1);
    session_answer_status(&p->session, raw->command, raw->sequence, status);
}

/* --- long messages ---------------------------------------------------------------------------- */

static struct shelf *shelf_of(struct peer_link *p)
{
    struct server *s = p->server;
    size_t i = (size_t)(p->tenant - s->tenants.list);
    char name[400];
    if (!s->shelves[i]) {
        snprintf(name, sizeof name, "%s %s", s->label, p->tenant->system_id);
        s->shelves[i] = shelf_open(name, s->config.part_timeout_ms);
    }
    return s->shelves[i];
}

/* `pdu` is that of the last part, or an empty one when the others never came. */
static void add_whole(struct peer_link *p, const struct segment_whole *whole,
                      const struct smpp_pdu *pdu, const char *id, const struct inbox_answer *answer)
{
    struct submission s = { .peer = p,
                            .pdu = pdu,
                            .to = &whole->to,
                            .coding = &whole->coding,
                            .octets = whole->octets,
                            .len = whole->len,
                            .id = id,
                            .parts = whole->total,
                            .parts_missing = (unsigned)(whole->total - whole->have) };
    add_event(&s, answer);
}

/* Every part is answered with an id of its own: the earlier ones at once, for many clients send the
 * next only then, the last when the whole is stored; that id is the message's. */
static void take_part(struct peer_link *p, const struct session_pdu *raw,
                      const struct smpp_pdu *pdu, const struct segment_part *part,
                      const struct inbox_answer *answer)
{
    struct shelf *shelf = shelf_of(p);
    struct segment_whole whole;
    int is_owed = 0;
    shelf_lock(shelf);
    for (int round = 0; round < 3; round++) {
        enum segment_took took = segment_shelf_put(shelf_parts(shelf), &pdu->sm.from, &pdu->sm.to,
                                                   part, raw->sequence, wf_conn_now_ms(), &whole);
        is_owed = took == SEGMENT_WHOLE;
        if (whole.have && is_owed) {
            add_whole(p, &whole, pdu, answer->id, answer);
        } else if (whole.have) { /* one that was given up */
            char id[37];
            struct smpp_pdu without = { .sm = { .from = whole.from } };
            inbox_uuid(id, inbox_wall_us() / 1000);
            add_whole(p, &whole, &without, id, NULL);
        }
        if (took != SEGMENT_FULL)
            break;
    }
    shelf_unlock(shelf);
    if (!is_owed)
        peer_answer(p, raw->command, raw->sequence, SMPP_OK, answer->id);
}

void submit_expired(struct server *s, int64_t now_ms)
{
    struct segment_whole whole;
    for (size_t i = 0; i < s->tenants.n; i++) {
        struct peer_link of = { .server = s, .tenant = &s->tenants.list[i] };
        if (!s->shelves[i])
            continue;
        shelf_lock(s->shelves[i]);
        while (segment_shelf_expired(shelf_parts(s->shelves[i]), now_ms, &whole)) {
            char id[37];
            struct smpp_pdu without = { .sm = { .from = whole.from } };
            inbox_uuid(id, inbox_wall_us() / 1000);
            add_whole(&of, &whole, &without, id, NULL);
        }
        shelf_unlock(s->shelves[i]);
    }
    inbox_flush(&s->inbox);
}

/* --- requests --------------------------------------------------------------------------------- */

/* To many: an event for each, one answer for all. The first has the id of the answer, the others
 * that id with a dot and a number. */
static void take_multi(struct peer_link *p, const struct session_pdu *raw,
                       const struct smpp_pdu *pdu, const struct submission *s,
                       const struct inbox_answer *answer)
{
    struct submission one = *s;
    struct inbox_group *group = calloc(1, sizeof *group);
    struct inbox_answer of = *answer;
    struct smpp_dest dest;
    uint32_t at = 0, n = 0;
    char id[60];
    if (!group)
        abort();
    struct smpp_out failed = smpp_out_of(group->unsuccess, sizeof group->unsuccess);
    of.group = group;
    group->ok = 1;
    while (smpp_dest_next(&pdu->sm.dests, &at, &dest)) {
        if (dest.list.ptr || !dest.address.addr.len) {
            smpp_unsuccess_put(&failed,
                               &(struct smpp_unsuccess){
                                   .address = dest.address,
                                   .status = dest.list.ptr ? SMPP_RINVDLNAME : SMPP_RINVDSTADR });
            group->n_unsuccess++;
            continue;
        }
        snprintf(id, sizeof id, n ? "%s.%u" : "%s", answer->id, (unsigned)n);
        one.to = &dest.address;
        one.id = id;
        group->left++;
        n++;
        add_event(&one, &of);
    }
    group->unsuccess_len = failed.used;
    if (n)
        return;
    free(group);
    refuse(p, raw, SMPP_RINVNUMDESTS);
}

static void take_message(struct peer_link *p, const struct session_pdu *raw,
                         const struct smpp_pdu *pdu)
{
    static const enum gsm_alphabet zeros[] = { GSM_SEPTETS, GSM_LATIN1, GSM_ASCII };
    struct server *server = p->server;
    struct segment_part part;
    struct smpp_error error = { .status = SMPP_OK };
    struct inbox_answer answer = {
        .at = p, .life = p->life, .command = raw->command, .sequence = raw->sequence
    };
    if (smpp_tlv_check(&pdu->tlvs, &error) != 0 ||
        segment_read(pdu, zeros[server->config.zero], 0, server->room, &part, &error) != 0) {
        refuse(p, raw, error.status);
        return;
    }
    if (raw->command != SMPP_SUBMIT_MULTI && !pdu->sm.to.addr.len) {
        refuse(p, raw, SMPP_RINVDSTADR);
        return;
    }
    if (seconds_of(&pdu->sm.validity, inbox_wall_us()) < 0) {
        refuse(p, raw, SMPP_RINVEXPIRY);
        return;
    }
    if (!presence_may(p->presence, inbox_wall_us())) {
        refuse(p, raw, SMPP_RTHROTTLED);
        return;
    }
    inbox_uuid(answer.id, inbox_wall_us() / 1000);
    struct submission s = { .peer = p,
                            .pdu = pdu,
                            .to = &pdu->sm.to,
                            .coding = &part.coding,
                            .octets = part.octets,
                            .len = part.len,
                            .id = answer.id };
    if (raw->command == SMPP_SUBMIT_MULTI)
        take_multi(p, raw, pdu, &s, &answer);
    else if (part.total > 1)
        take_part(p, raw, pdu, &part, &answer);
    else
        add_event(&s, &answer);
}

static void take_query(struct peer_link *p, const struct session_pdu *raw,
                       const struct smpp_pdu *pdu)
{
    uint8_t bytes[120];
    struct smpp_error error;
    struct smpp_str id = pdu->query.message_id;
    int state = known_get(p->server->known, p->tenant->tenant_id, id.ptr, id.len);
    if (state < 0) {
        refuse(p, raw, SMPP_RQUERYFAIL);
        return;
    }
    int len =
        smpp_pdu_write(&(struct smpp_pdu){ .command = SMPP_QUERY_SM | SMPP_RESP,
                                           .reply = { .id = id, .message_state = (uint8_t)state } },
                       bytes, sizeof bytes, &error);
    if (len > 0)
        session_answer(&p->session, bytes, (size_t)len, raw->sequence);
    else
        refuse(p, raw, SMPP_RQUERYFAIL);
}

void submit_request(struct peer_link *p, const struct session_pdu *raw)
{
    struct smpp_pdu pdu;
    struct smpp_error error;
    if (smpp_pdu_read(&pdu, raw->bytes, raw->len, &error) != 0)
        refuse(p, raw, error.status);
    else if (raw->command == SMPP_QUERY_SM)
        take_query(p, raw, &pdu);
    else if (raw->command == SMPP_CANCEL_SM) /* it may be on its way for long */
        refuse(p, raw, SMPP_RCANCELFAIL);
    else if (raw->command == SMPP_REPLACE_SM)
        refuse(p, raw, SMPP_RREPLACEFAIL);
    else if (p->server->is_stopping || !p->server->inbox.source)
        refuse(p, raw, SMPP_RSYSERR);
    else
        take_message(p, raw, &pdu);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer_group(const struct inbox_answer *a, struct peer_link *p)
{
    struct inbox_group *g = a->group;
    uint8_t bytes[SMPP_DESTS_MAX * 28 + 200];
    struct smpp_error error;
    int len =
        smpp_pdu_write(&(struct smpp_pdu){ .command = SMPP_SUBMIT_MULTI | SMPP_RESP,
                                           .reply = { .id = { a->id, (uint32_t)strlen(a->id) },
                                                      .unsuccess = { (const char *)g->unsuccess,
                                                                     g->unsuccess_len },
                                                      .unsuccess_count = g->n_unsuccess } },
                       bytes, sizeof bytes, &error);
    if (g->ok && len > 0)
        session_answer(&p->session, bytes, (size_t)len, a->sequence);
    else
        session_answer_status(&p->session, a->command, a->sequence, SMPP_RSYSERR);
}

void submit_stored(struct server *s, uint64_t tag, int ok)
{
    struct inbox_answer a;
    if (inbox_take(&s->inbox, tag, &a) != 0)
        return;
    struct peer_link *p = peer_of(&a);
    if (a.group) {
        a.group->ok &= ok;
        if (--a.group->left == 0) {
            if (p)
                answer_group(&a, p);
            free(a.group);
        }
    } else if (p) {
        peer_answer(p, a.command, a.sequence, ok ? SMPP_OK : SMPP_RSYSERR, a.id);
    }
    if (!p)
        return;
    if (ok && a.id[0])
        known_set(s->known, p->tenant->tenant_id, a.id, SMPP_STATE_ENROUTE);
    p->is_touched = 1;
}
