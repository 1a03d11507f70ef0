/* SPDX-License-Identifier: Apache-2.0
 * One bind of an account: a life of catalyst/conn.h, bytes of catalyst/stream.h, and a session in
 * between. What goes over it is the outbox's business and that of smppReceive.
 *
 * No item waits in the wf_conn and nothing under way is a call of it: messages wait in the outbox
 * and stand in the session's window, which outlives the items that are cancelled meanwhile.
 * Thread: the worker's. Nothing blocks.
 */
#include "esme.h"

/* Deliveries are answered when they are durable: what comes in half a second of full speed may be
 * owed, before the SMSC is told to wait and has to send them all again. */
enum { REFUSED_AGAIN_MS = 30000, PORT = 2775, OWED_MAX = 8192 };

static const char *secret(const struct link *l, const char *field)
{
    return l->account->h->secret(l->account->cred, field).ptr;
}

/* --- what the session says -------------------------------------------------------------------- */

static void on_write(void *owner, const void *bytes, size_t len)
{
    wf_stream_write(&((struct link *)owner)->stream, bytes, len);
}

static void on_bound(void *owner, uint32_t status)
{
    struct link *l = owner;
    struct account *a = l->account;
    l->refused = status;
    if (status) {
        account_count(a, COUNT_REFUSED_BINDS, 1);
        return; /* on_ended() follows */
    }
    wf_conn_up(&l->c);
    l->is_counted = 1;
    a->n_up++;
    account_tell(a);
    outbox_on_up(l);
}

/* The first user that receives; without one the SMSC keeps its messages. */
static void on_request(void *owner, const struct session_pdu *pdu)
{
    struct link *l = owner;
    struct account_user *user = account_receiver(l->account);
    if (user) {
        user->request(user->node, l, pdu);
        return;
    }
    account_count(l->account, COUNT_REFUSED, 1);
    session_answer_status(&l->session, pdu->command, pdu->sequence, SMPP_RX_T_APPN);
}

static void on_response(void *owner, const struct window_slot *slot, const struct session_pdu *pdu)
{
    outbox_on_response(owner, slot, pdu);
}

static void on_lost(void *owner, const struct window_slot *slot, enum session_loss loss)
{
    outbox_on_lost(owner, slot, loss);
}

/* A bind that the SMSC refused for what we are is a matter for people, others pass by. */
static wf_fault fault_of(uint32_t refused)
{
    return refused && smpp_status_of(refused)->error_class == WF_CLASS_PERMANENT_ACCOUNT &&
                   refused != SMPP_RALYBND
               ? WF_ACCOUNT
               : WF_TRANSIENT;
}

static void on_ended(void *owner, const char *why)
{
    struct link *l = owner;
    char words[200];
    if (l->is_broken)
        return;
    l->is_broken = 1;
    if (l->refused)
        snprintf(words, sizeof words, "the bind was refused: %s (%s)",
                 smpp_status_of(l->refused)->text, smpp_status_of(l->refused)->name);
    else
        snprintf(words, sizeof words, "%s", why);
    wf_stream_flush(&l->stream); /* a last answer */
    wf_conn_down(&l->c, fault_of(l->refused), words);
    if (l->c.state == WF_CONN_DOWN && l->c.fault == WF_ACCOUNT)
        wf_conn_start_timer(&l->c, REFUSED_AGAIN_MS);
}

static const struct session_owner session_calls = { .write = on_write,
                                                    .bound = on_bound,
                                                    .request = on_request,
                                                    .response = on_response,
                                                    .lost = on_lost,
                                                    .ended = on_ended };

/* --- the stream ------------------------------------------------------------------------------- */

static uint32_t bind_command(enum account_use use)
{
    return use == (USE_SEND | USE_RECEIVE) ? SMPP_BIND_TRANSCEIVER
           : use == USE_SEND               ? SMPP_BIND_TRANSMITTER
                                           : SMPP_BIND_RECEIVER;
}

static struct smpp_str text_of(wf_str s) { return (struct smpp_str){ s.ptr, (uint32_t)s.len }; }

static void on_open(void *arg)
{
    struct link *l = arg;
    struct account *a = l->account;
    uint8_t bytes[300];
    struct smpp_error error;
    int64_t now_ms = wf_conn_now_ms();
    struct smpp_pdu pdu = { .command = bind_command(a->use),
                            .bind = {
                                .system_id = text_of(a->h->secret(a->cred, "systemId")),
                                .password = text_of(a->h->secret(a->cred, "password")),
                                .system_type = text_of(a->h->secret(a->cred, "systemType")),
                                .interface_version = a->set.interface_version,
                                .range = { .addr = text_of(a->h->secret(a->cred, "addressRange")) },
                            } };
    int len = smpp_pdu_write(&pdu, bytes, sizeof bytes, &error);
    if (len < 0) {
        char words[200];
        snprintf(words, sizeof words, "the bind cannot be written: %s %s", error.field, error.why);
        wf_conn_down(&l->c, WF_ACCOUNT, words);
        return;
    }
    session_init(&l->session, &session_calls, l,
                 &(struct session_settings){ .role = SESSION_ESME,
                                             .window = a->set.window,
                                             .owed = OWED_MAX,
                                             .bind_ms = a->set.bind_ms,
                                             .enquire_ms = a->set.enquire_ms,
                                             .response_ms = a->set.response_ms },
                 now_ms);
    l->has_session = 1;
    l->is_broken = 0;
    l->refused = 0;
    l->life++;
    session_bind(&l->session, bytes, (size_t)len, (enum session_mode)a->use, now_ms);
    explicit_bzero(bytes, sizeof bytes);
    wf_stream_flush(&l->stream);
}

static void on_bytes(void *arg, const char *bytes, size_t len)
{
    struct link *l = arg;
    uint64_t life = l->life;
    wf_conn_heard(&l->c);
    if (l->has_session)
        session_feed(&l->session, bytes, len, wf_conn_now_ms());
    if (l->life != life || !l->has_session)
        return;
    struct account_user *user = account_receiver(l->account);
    if (user && user->fed)
        user->fed(user->node);
    outbox_pump(l->account->outbox);
    link_flush(l);
}

static void on_close(void *arg, wf_fault fault, const char *why)
{
    struct link *l = arg;
    if (l->has_session && l->session.state != SESSION_ENDED)
        session_end(&l->session, why);
    else
        wf_conn_down(&l->c, fault, why);
}

void link_flush(struct link *l)
{
    if (l->stream.state == WF_STREAM_OPEN)
        wf_stream_flush(&l->stream);
}

/* --- the life --------------------------------------------------------------------------------- */

static const char *on_host(wf_conn *base)
{
    struct link *l = (struct link *)base;
    const char *host = secret(l, "host");
    snprintf(l->c.label, sizeof l->c.label, "%s", l->account->label);
    return *host ? host : "127.0.0.1";
}

static void on_connect(wf_conn *base, const char *address)
{
    struct link *l = (struct link *)base;
    const char *name = secret(l, "serverName");
    long port = strtol(secret(l, "port"), NULL, 10);
    wf_stream_connect(&l->stream, address, port > 0 && port < 65536 ? (uint16_t)port : PORT,
                      l->account->tls, *name ? name : secret(l, "host"));
}

/* Also when an attempt is late, or the account closes: the session may not know yet. */
static void on_disconnect(wf_conn *base)
{
    struct link *l = (struct link *)base;
    wf_stream_close(&l->stream);
    if (!l->has_session)
        return;
    l->is_broken = 1;
    session_end(&l->session, "closed");
    account_count(l->account, COUNT_LATE, (int64_t)l->session.late);
    session_fini(&l->session);
    l->has_session = 0;
    if (l->is_counted) {
        l->account->n_up--;
        account_tell(l->account);
    }
    l->is_counted = 0;
    outbox_on_down(l);
}

static void on_send(wf_conn *c, wf_item *const *items, size_t n)
{
    (void)c; /* nothing is ever given to wf_conn_take() */
    (void)items;
    (void)n;
}

static void on_call_lost(wf_conn *c, wf_conn_call *call)
{
    (void)c;
    (void)call;
}

static int64_t timeout_ms(wf_conn *c, wf_item *it)
{
    (void)c;
    (void)it;
    return 0;
}

static const wf_conn_type conn_type = {
    .name = "smpp",
    .host = on_host,
    .connect = on_connect,
    .disconnect = on_disconnect,
    .send = on_send,
    .lost = on_call_lost,
    .timeout_ms = timeout_ms,
    .connect_ms = 15000,
};

void link_init(struct link *l, struct account *a, unsigned index)
{
    wf_error why;
    l->account = a;
    l->index = index;
    wf_conn_init(&l->c, &conn_type, a->h, a->inst, &why);
    l->stream = (wf_stream){ .loop = a->loop,
                             .inst = a->inst,
                             .on_open = on_open,
                             .on_bytes = on_bytes,
                             .on_close = on_close,
                             .arg = l };
}

void link_start(struct link *l) { wf_conn_start(&l->c); }

void link_move(struct link *l)
{
    l->c.h = l->account->h;
    l->c.inst = l->stream.inst = l->account->inst;
}

void link_fini(struct link *l)
{
    if (link_is_up(l)) {
        session_unbind(&l->session, "the last node of the account closed", wf_conn_now_ms());
        link_flush(l);
    }
    wf_conn_close(&l->c);
    wf_stream_fini(&l->stream);
}
