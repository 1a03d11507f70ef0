/* SPDX-License-Identifier: Apache-2.0
 * One connection to the SMSC side: its stream, its session, its bind. Thread: the worker's. Nothing
 * blocks.
 */
#include "server.h"

/* --- ends ------------------------------------------------------------------------------------- */

static void unbind(struct peer_link *p)
{
    struct server *s = p->server;
    if (!p->presence)
        return;
    presence_end(p->presence, s->box, p->life);
    p->presence = NULL;
    p->tenant = NULL;
    s->h->count(s->inst, COUNT_BINDS_UP, --s->n_bound);
}

/* The last of a connection; its memory waits for the next. */
static void finish(struct peer_link *p)
{
    if (!p->is_open)
        return;
    p->is_open = 0;
    p->is_ended = 1;
    session_end(&p->session, "closed");
    unbind(p);
    deliver_drop(p);
    wf_stream_close(&p->stream);
    session_fini(&p->session);
    p->server->n_open--;
}

void peer_free(struct peer_link *p)
{
    if (p->is_open && session_is_bound(&p->session)) {
        session_unbind(&p->session, "the server closes", wf_conn_now_ms());
        wf_stream_flush(&p->stream);
    }
    finish(p);
    wf_stream_fini(&p->stream);
    free(p);
}

void peer_flush(struct peer_link *p)
{
    if (!p->is_open)
        return;
    uint64_t life = p->life;
    wf_stream_flush(&p->stream);
    if (p->life != life || !p->is_open)
        return;
    if (p->is_ended || p->stream.out_len - p->stream.out_sent > PEER_UNSENT_MAX)
        finish(p);
}

struct peer_link *peer_of(const struct inbox_answer *a)
{
    struct peer_link *p = a->at;
    return p->is_open && p->life == a->life ? p : NULL;
}

void peer_answer(struct peer_link *p, uint32_t command, uint32_t sequence, uint32_t status,
                 const char *id)
{
    uint8_t pdu[SMPP_HEADER_BYTES + 66];
    if (status || !*id) {
        session_answer_status(&p->session, command, sequence, status);
        return;
    }
    session_answer(&p->session, pdu,
                   smpp_reply_write(pdu, command | SMPP_RESP, SMPP_OK, 0, id, strlen(id)),
                   sequence);
}

/* --- binds ------------------------------------------------------------------------------------ */

static enum session_mode mode_of(uint32_t command)
{
    return command == SMPP_BIND_TRANSMITTER ? SESSION_TRANSMITTER
           : command == SMPP_BIND_RECEIVER  ? SESSION_RECEIVER
                                            : SESSION_TRANSCEIVER;
}

static void refuse_bind(struct peer_link *p, const struct session_pdu *raw,
                        const struct smpp_pdu *pdu, uint32_t status)
{
    struct server *s = p->server;
    s->h->count(s->inst, COUNT_REFUSED_BINDS, 1);
    s->h->log(s->inst, WF_WARN, "smpp.bind_refused", "%s: %.*s from %s: %s", s->label,
              pdu && pdu->bind.system_id.len < 20 ? (int)pdu->bind.system_id.len : 0,
              pdu ? pdu->bind.system_id.ptr : "", p->address, smpp_status_of(status)->name);
    session_refuse(&p->session, raw, status);
}

static void take_bind(struct peer_link *p, const struct session_pdu *raw)
{
    struct server *s = p->server;
    struct smpp_pdu pdu;
    struct smpp_error error;
    uint8_t answer[100], tlv[8];
    enum session_mode mode = mode_of(raw->command);
    const struct tenant *tenant = NULL;
    if (smpp_pdu_read(&pdu, raw->bytes, raw->len, &error) != 0) {
        refuse_bind(p, raw, NULL, error.status);
        return;
    }
    uint32_t status = s->is_stopping
                          ? (uint32_t)SMPP_RSYSERR
                          : tenants_check(&s->tenants, &pdu.bind, mode, p->address, &tenant);
    if (!status) {
        p->presence = presence_begin(tenant, s->box, p->life, mode);
        status = p->presence ? SMPP_OK : SMPP_RALYBND;
    }
    if (status) {
        refuse_bind(p, raw, &pdu, status);
        return;
    }
    p->tenant = tenant;
    p->session.set.owed = tenant->window;
    s->h->count(s->inst, COUNT_BINDS_UP, ++s->n_bound);
    struct smpp_out tlvs = smpp_out_of(tlv, sizeof tlv);
    smpp_tlv_put_number(&tlvs, SMPP_TAG_SC_INTERFACE_VERSION, SMPP_VERSION_34, 1);
    int len = smpp_pdu_write(
        &(struct smpp_pdu){ .command = raw->command | SMPP_RESP,
                            .sequence = raw->sequence,
                            .tlvs = smpp_tlvs_of(&tlvs),
                            .reply = { .id = { s->system_id, (uint32_t)strlen(s->system_id) } } },
        answer, sizeof answer, &error);
    session_accept(&p->session, mode, answer, len > 0 ? (size_t)len : 0, wf_conn_now_ms());
}

/* --- what the session says -------------------------------------------------------------------- */

static void on_write(void *owner, const void *bytes, size_t len)
{
    wf_stream_write(&((struct peer_link *)owner)->stream, bytes, len);
}

static void on_bound(void *owner, uint32_t status)
{
    (void)owner; /* we never bind here */
    (void)status;
}

static void on_request(void *owner, const struct session_pdu *pdu)
{
    struct peer_link *p = owner;
    if (pdu->command == SMPP_BIND_RECEIVER || pdu->command == SMPP_BIND_TRANSMITTER ||
        pdu->command == SMPP_BIND_TRANSCEIVER)
        take_bind(p, pdu);
    else
        submit_request(p, pdu);
}

static void on_response(void *owner, const struct window_slot *slot, const struct session_pdu *pdu)
{
    struct peer_link *p = owner;
    p->server->h->count(p->server->inst, COUNT_LATENCY, wf_conn_now_ms() - slot->sent_ms);
    deliver_response(p, slot, pdu->status);
}

static void on_lost(void *owner, const struct window_slot *slot, enum session_loss loss)
{
    (void)loss;
    deliver_lost(owner, slot);
}

static void on_ended(void *owner, const char *why)
{
    struct peer_link *p = owner;
    (void)why;
    p->is_ended = 1; /* peer_flush() closes it, after the last answer */
}

static const struct session_owner session_calls = { .write = on_write,
                                                    .bound = on_bound,
                                                    .request = on_request,
                                                    .response = on_response,
                                                    .lost = on_lost,
                                                    .ended = on_ended };

/* --- the stream ------------------------------------------------------------------------------- */

static void on_open(void *arg) { (void)arg; }

static void on_bytes(void *arg, const char *bytes, size_t len)
{
    struct peer_link *p = arg;
    uint64_t life = p->life;
    session_feed(&p->session, bytes, len, wf_conn_now_ms());
    inbox_flush(&p->server->inbox);
    if (p->life == life && p->is_open)
        deliver_pump(p);
    peer_flush(p);
}

static void on_close(void *arg, wf_fault fault, const char *why)
{
    (void)fault;
    (void)why;
    finish(arg);
}

static struct peer_link *spare(struct server *s)
{
    struct peer_link *p = s->peers;
    while (p && p->is_open)
        p = p->next;
    if (p)
        return p;
    p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->server = s;
    p->next = s->peers;
    s->peers = p;
    p->stream = (wf_stream){ .loop = s->loop,
                             .inst = s->inst,
                             .on_open = on_open,
                             .on_bytes = on_bytes,
                             .on_close = on_close,
                             .arg = p };
    return p;
}

void peer_take(struct server *s, int fd, const char *address)
{
    struct peer_link *p = spare(s);
    p->life = ++s->lives;
    p->is_open = 1;
    p->is_ended = 0;
    p->tenant = NULL;
    p->presence = NULL;
    p->first = NULL;
    p->end = &p->first;
    p->waiting = 0;
    snprintf(p->address, sizeof p->address, "%s", address);
    session_init(&p->session, &session_calls, p,
                 &(struct session_settings){ .role = SESSION_SMSC,
                                             .window = 100,
                                             .owed = 1,
                                             .bind_ms = s->config.bind_ms,
                                             .enquire_ms = s->config.enquire_ms,
                                             .response_ms = s->config.response_ms,
                                             .inactivity_ms = s->config.inactivity_ms },
                 wf_conn_now_ms());
    s->n_open++;
    wf_stream_take(&p->stream, fd, s->tls);
}
