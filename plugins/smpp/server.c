/* SPDX-License-Identifier: Apache-2.0
 * catalyst.smppServer: an SMSC for tenants. Every worker listens on the port with a socket of its
 * own and the kernel deals connections out. What a tenant submits is answered with its message id
 * when it is stored.
 *
 * Thread: the worker's. Nothing blocks but reading certificates in open().
 */
#include "server.h"

enum { TICK_MS = 500, BACKLOG = 128 };

static const wf_pair alphabets[] = {
    { "gsm7", "GSM 03.38" }, { "latin1", "Latin-1" }, { "ascii", "ASCII" }, { NULL, NULL }
};

const wf_param server_params[] = {
    { WF_P_CRED(struct server_config, credential, "smppTenants"), .flags = WF_REQUIRED,
      .help = "The tenants that may bind, and the server's certificate" },
    { WF_P_STR(struct server_config, host), .def = "0.0.0.0",
      .help = "Address to listen on; :: for all, IPv6 too" },
    { WF_P_INT(struct server_config, port), .def = "2775", .min = 0, .max = 65535,
      .help = "Port; 0: one that is free, which the log tells" },
    { WF_NAMED("systemId"), WF_F_STR(struct server_config, system_id), .def = "catalyst",
      .help = "Our system_id, at most 15 characters" },
    { WF_NAMED("options.defaultAlphabet"), WF_F_CHOICE(struct server_config, zero, alphabets),
      .def = "gsm7", .help = "What data_coding 0 of tenants is" },
    { WF_NAMED("options.maxConnections"), WF_F_INT(struct server_config, max_connections),
      .def = "1000", .min = 1, .max = 100000, .help = "Connections of each worker" },
    { WF_NAMED("options.bindTimeout"), WF_F_MS(struct server_config, bind_ms), .def = "5s",
      .min = 100, .max = 60000, .help = "How long a connection may stay without a bind" },
    { WF_NAMED("options.responseTimeout"), WF_F_MS(struct server_config, response_ms), .def = "30s",
      .min = 100, .max = 600000, .help = "How long a tenant may take to answer a deliver_sm" },
    { WF_NAMED("options.enquireLink"), WF_F_MS(struct server_config, enquire_ms), .def = "30s",
      .min = 1000, .max = 3600000, .help = "Silence after which a tenant is asked for a sign" },
    { WF_NAMED("options.inactivity"), WF_F_MS(struct server_config, inactivity_ms), .def = "5m",
      .min = 0, .max = 86400000,
      .help = "A tenant that asks nothing for so long is unbound; 0: never" },
    { WF_NAMED("options.partTimeout"), WF_F_MS(struct server_config, part_timeout_ms), .def = "60s",
      .min = 1000, .max = 3600000,
      .help = "How long the first parts of a message wait for the others" },
    WF_END,
};

/* --- checks ----------------------------------------------------------------------------------- */

static const char *secret(const wf_host *h, const wf_cred *cred, const char *field)
{
    return h->secret(cred, field).ptr;
}

int server_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct server_config *c = config;
    struct sockaddr_storage address;
    struct tenants t;
    if (!wf_stream_address(c->host.ptr, (uint16_t)c->port, &address) || *c->host.ptr == '/') {
        snprintf(why, why_size, "host '%.100s' is no address to listen on", c->host.ptr);
        return -1;
    }
    if (c->system_id.len > 15) {
        snprintf(why, why_size, "systemId has at most 15 characters");
        return -1;
    }
    if (!c->credential)
        return 0;
    if (tenants_parse(&t, secret(h, c->credential, "tenants"), why, why_size) != 0)
        return -1;
    tenants_fini(&t);
    return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static int make_tls(struct server *s, char *why, size_t size)
{
    const wf_cred *cred = s->config.credential;
    const char *cert = secret(s->h, cred, "certFile");
    if (!*cert)
        return 0;
    s->tls =
        wf_tls_server_context(&(wf_tls_options){ .cert_file = cert,
                                                 .key_file = secret(s->h, cred, "keyFile"),
                                                 .ca_file = secret(s->h, cred, "clientCaFile") },
                              why, size);
    return s->tls ? 0 : -1;
}

static void destroy(struct server *s)
{
    tenants_fini(&s->tenants);
    SSL_CTX_free(s->tls);
    free(s->room);
    free(s);
}

void *server_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    static _Thread_local char text[400]; /* read at once, by the worker that called */
    struct server *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->h = h;
    s->inst = inst;
    s->config = *(const struct server_config *)h->inst_config(inst);
    s->fd = -1;
    snprintf(s->host, sizeof s->host, "%s", s->config.host.ptr);
    snprintf(s->system_id, sizeof s->system_id, "%s", s->config.system_id.ptr);
    s->loop = h->service("loop/1");
    s->inbox.triggers = h->service("trigger/1");
    snprintf(text, sizeof text, "this engine has no sockets or no triggers for plugins");
    if (!s->loop || !s->inbox.triggers ||
        tenants_parse(&s->tenants, secret(h, s->config.credential, "tenants"), text, sizeof text) !=
            0 ||
        make_tls(s, text, sizeof text) != 0) {
        *why = (wf_error){ .size = sizeof *why,
                           .fault = WF_ACCOUNT,
                           .detail = { text, strlen(text) } };
        destroy(s);
        return NULL;
    }
    s->shelves = calloc(s->tenants.n + 1, sizeof(struct shelf *));
    s->room = malloc(SMPP_PDU_MAX);
    s->known = known_create();
    s->box = mailbox_create();
    if (!s->room || !s->shelves)
        abort();
    return s;
}

static void stop_listening(struct server *s)
{
    if (s->fd < 0)
        return;
    s->loop->watch_stop(s->watch);
    close(s->fd);
    s->fd = -1;
}

static void on_mail(void *arg, int events)
{
    (void)events;
    deliver_mail(arg);
}

void server_close(const wf_host *h, void *state)
{
    struct server *s = state;
    struct inbox_answer a;
    (void)h;
    stop_listening(s);
    while (inbox_drop(&s->inbox, &a))
        if (a.group && --a.group->left == 0)
            free(a.group);
    for (struct peer_link *p = s->peers, *next; p; p = next) {
        next = p->next;
        peer_free(p);
    }
    s->peers = NULL;
    deliver_mail(s); /* of binds that are gone: offline */
    if (s->box_watch)
        s->loop->watch_stop(s->box_watch);
    if (s->timer)
        s->loop->timer_stop(s->timer);
    for (size_t i = 0; i < s->tenants.n; i++)
        if (s->shelves[i])
            shelf_close(s->shelves[i]);
    free(s->shelves);
    mailbox_destroy(s->box);
    known_destroy(s->known);
    inbox_fini(&s->inbox);
    destroy(s);
}

/* --- listening -------------------------------------------------------------------------------- */

static void address_text(const struct sockaddr_storage *from, char *to, size_t size)
{
    const void *address = from->ss_family == AF_INET
                              ? (const void *)&((const struct sockaddr_in *)from)->sin_addr
                              : (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr;
    if (!inet_ntop(from->ss_family, address, to, (socklen_t)size))
        snprintf(to, size, "?");
}

static void on_connection(void *arg, int events)
{
    struct server *s = arg;
    (void)events;
    for (int round = 0; round < 64; round++) {
        struct sockaddr_storage from = { 0 };
        socklen_t len = sizeof from;
        char address[64];
        int fd = accept4(s->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (s->n_open >= s->config.max_connections) {
            close(fd);
            s->h->count(s->inst, COUNT_REFUSED_BINDS, 1);
            continue;
        }
        address_text(&from, address, sizeof address);
        peer_take(s, fd, address);
    }
}

static int fail_to_listen(struct server *s, wf_error *why)
{
    static _Thread_local char text[400];
    snprintf(text, sizeof text, "smpp: cannot listen on %s port %d: %s", s->host,
             (int)s->config.port, strerror(errno));
    *why =
        (wf_error){ .size = sizeof *why, .fault = WF_TRANSIENT, .detail = { text, strlen(text) } };
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    return -1;
}

static int listen_on(struct server *s, wf_error *why)
{
    struct sockaddr_storage address;
    int yes = 1;
    socklen_t len = wf_stream_address(s->host, (uint16_t)s->config.port, &address);
    s->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return fail_to_listen(s, why);
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    if (bind(s->fd, (struct sockaddr *)&address, len) != 0 || listen(s->fd, BACKLOG) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&address, &len) != 0)
        return fail_to_listen(s, why);
    s->port = ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                                 : ((struct sockaddr_in6 *)&address)->sin6_port);
    s->watch = s->loop->watch(s->inst, s->fd, on_connection, s);
    if (!s->watch)
        return fail_to_listen(s, why);
    s->loop->watch_set(s->watch, WF_READABLE);
    snprintf(s->label, sizeof s->label, "smpp server %s:%u", s->host, s->port);
    s->h->log(s->inst, WF_INFO, "smpp.listening", "%s, %zu tenants", s->label, s->tenants.n);
    return 0;
}

static void flush_touched(struct server *s)
{
    for (struct peer_link *p = s->peers; p; p = p->next)
        if (p->is_open && p->is_touched) {
            p->is_touched = 0;
            peer_flush(p);
        }
}

static void on_timer(void *arg)
{
    struct server *s = arg;
    int64_t now_ms = wf_conn_now_ms();
    uint32_t used = 0;
    s->timer = s->loop->timer(s->inst, TICK_MS, on_timer, s);
    for (struct peer_link *p = s->peers; p; p = p->next) {
        if (!p->is_open)
            continue;
        session_tick(&p->session, now_ms);
        deliver_pump(p);
        used += p->session.window.used;
        peer_flush(p);
    }
    s->h->count(s->inst, COUNT_WINDOW, used);
    if (s->inbox.source)
        submit_expired(s, now_ms);
}

/* --- the trigger ------------------------------------------------------------------------------ */

static int trigger_start(const wf_host *h, void *state, wf_source *source, wf_error *why)
{
    struct server *s = state;
    (void)h;
    if (s->fd < 0 && listen_on(s, why) != 0)
        return -1;
    s->is_stopping = 0;
    s->inbox.source = source;
    s->inbox.is_full = 0;
    if (!s->box_watch) {
        s->box_watch = s->loop->watch(s->inst, mailbox_fd(s->box), on_mail, s);
        s->loop->watch_set(s->box_watch, WF_READABLE);
    }
    if (!s->timer)
        s->timer = s->loop->timer(s->inst, TICK_MS, on_timer, s);
    return 0;
}

/* Nobody new; who is bound gets the answers that are owed, and is unbound. */
static void trigger_stop(const wf_host *h, void *state)
{
    struct server *s = state;
    struct inbox_answer a;
    (void)h;
    s->is_stopping = 1;
    s->inbox.source = NULL;
    stop_listening(s);
    while (inbox_drop(&s->inbox, &a)) {
        struct peer_link *p = peer_of(&a);
        int is_last = !a.group || --a.group->left == 0;
        if (a.group)
            a.group->ok = 0;
        if (p && is_last)
            peer_answer(p, a.command, a.sequence, SMPP_RSYSERR, "");
        if (a.group && is_last)
            free(a.group);
    }
    for (struct peer_link *p = s->peers; p; p = p->next)
        if (p->is_open) {
            session_unbind(&p->session, "the server stops", wf_conn_now_ms());
            peer_flush(p);
        }
}

static void trigger_stored(const wf_host *h, void *state, const uint64_t *tags, size_t n, int ok)
{
    struct server *s = state;
    (void)h;
    for (size_t i = 0; i < n; i++)
        submit_stored(s, tags[i], ok);
    flush_touched(s);
}

static void trigger_room(const wf_host *h, void *state)
{
    struct server *s = state;
    (void)h;
    s->inbox.is_full = 0;
    inbox_flush(&s->inbox);
}

const wf_trigger server_trigger = { .size = sizeof server_trigger,
                                    .start = trigger_start,
                                    .stop = trigger_stop,
                                    .stored = trigger_stored,
                                    .room = trigger_room };

/* --- what it says of itself ------------------------------------------------------------------- */

const char server_docs[] =
    "Tenants bind as to any SMSC (SMPP 3.4) and submit; every message becomes an execution whose "
    "item "
    "is the\nenvelope that `catalyst.firewall`, `catalyst.billingReserve` and `catalyst.smsSend` "
    "take:\n"
    "`{v, id, ts_us, tenant_id, trace_id, channel: \"sms\", from, to, text, dcs?, ttl_s?, dlr, "
    "system_id}`, and where\nthey are there `service_type`, `priority`, `reference` "
    "(user_message_reference), `parts`. Binary text is\nhexadecimal, with `dcs`.\n"
    "\n"
    "`submit_sm_resp` leaves when the message is stored; its message_id is the envelope's `id`. An "
    "engine that\nends before has promised nothing, and the tenant sends again. "
    "`catalyst.smppDeliver` "
    "sends receipts and\nmessages back.\n"
    "\n"
    "**Keep this workflow short**: give the envelope to a topic (`catalyst.kafka`) and end. "
    "Answers "
    "leave in the order\nin which executions are stored, so one that waits for something lets all "
    "tenants behind it wait; and a\nreceipt that is delivered within the same execution overtakes "
    "the answer, which few clients understand.\n"
    "\n"
    "The credential `smppTenants` has a line for each tenant:\n"
    "\n"
    "```\n"
    "# system_id password tenant_id   options\n"
    "acme         s3cret   tenant-1    binds=4 rate=200 window=50 from=192.0.2.0/24,2001:db8::/32\n"
    "shop         pa55     tenant-2    mode=transmitter\n"
    "```\n"
    "\n"
    "| option | meaning |\n"
    "|---|---|\n"
    "| `binds` | Sessions at the same time, of all workers of an engine; 4 |\n"
    "| `rate` | Messages a second, of all workers; 0, the default: no limit |\n"
    "| `window` | Requests of a session that may await their answer; 100 |\n"
    "| `mode` | `transceiver` (the default: all three), `transmitter`, `receiver` |\n"
    "| `from` | Addresses and networks it may come from; without it all |\n"
    "\n"
    "With `certFile` (and `keyFile`) the server speaks TLS; with `clientCaFile` clients must show "
    "a "
    "certificate.\n"
    "\n"
    "| a tenant | is answered |\n"
    "|---|---|\n"
    "| is unknown, has another password, comes from elsewhere | `ESME_RINVPASWD`, and nothing "
    "tells "
    "which of them it was |\n"
    "| binds in a mode that it may not | `ESME_RBINDFAIL` |\n"
    "| has too many binds | `ESME_RALYBND` |\n"
    "| is too fast, or has too many unanswered | `ESME_RTHROTTLED` |\n"
    "| sends a broken PDU, header or parameter | the status that names it |\n"
    "| cannot be served now: full, stopping, store down | `ESME_RSYSERR` |\n"
    "| asks `query_sm` | what this worker last heard of the message, else `ESME_RQUERYFAIL` |\n"
    "| asks `cancel_sm`, `replace_sm` | `ESME_RCANCELFAIL`, `ESME_RREPLACEFAIL` |\n"
    "\n"
    "**Long messages** (header, SAR parameters, message_payload) come whole. Each part is answered "
    "with an id of its\nown, the first ones at once; the message has the id of the part that came "
    "last. `submit_multi` becomes an\nexecution for each destination: the first has the id of the "
    "answer, the others that id with `.1`, `.2` ...\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.smppServer\", \"parameters\": {\"port\": 2775},\n"
    " \"credentials\": {\"smppTenants\": {\"name\": \"tenants\"}}}\n"
    "```\n";
