/* SPDX-License-Identifier: Apache-2.0
 * catalyst.smppServer and catalyst.smppDeliver with clients on sockets: who may bind, what becomes
 * of what they submit, and what they are sent.
 */
#include "fake_cases.h"
#include "taken_events.h"
#include "smsc_peer.h" /* for its loop */
#include "../smpp.c"

/* --- a client --------------------------------------------------------------------------------- */

enum { CLIENT_KEPT = 64, CLIENT_TEXT = 400 };
struct client {
    int fd;
    uint8_t in[65536];
    size_t len;
    unsigned n; /* PDUs that came */
    int is_closed;
    struct {
        uint32_t command, status, sequence;
        char id[80], text[CLIENT_TEXT], from[32], to[32];
        uint8_t esm_class, unsuccess, state;
        uint32_t text_len, unsuccess_status, tlv_state;
        char tlv_id[80];
    } got[CLIENT_KEPT];
    int answers_deliveries; /* with this status; -1: not at all */
};

static struct server *server_of(struct fake *f) { return f->state; }

static struct client *dial(struct fake *f)
{
    struct client *c = calloc(1, sizeof *c);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(server_of(f)->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    int yes = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        abort();
    return c;
}

static void hang_up(struct client *c)
{
    close(c->fd);
    free(c);
}

static void say_pdu(struct client *c, const struct smpp_pdu *pdu)
{
    uint8_t bytes[66000];
    struct smpp_error error;
    int len = smpp_pdu_write(pdu, bytes, sizeof bytes, &error);
    if (len < 0 || send(c->fd, bytes, (size_t)len, MSG_NOSIGNAL) != len)
        abort();
}

static void copy_text(char *to, size_t size, struct smpp_str s)
{
    snprintf(to, size, "%.*s", (int)s.len, s.ptr ? s.ptr : "");
}

static void client_pdu(struct client *c, const struct smpp_pdu *pdu)
{
    unsigned i = c->n++ % CLIENT_KEPT;
    memset(&c->got[i], 0, sizeof c->got[i]);
    c->got[i].command = pdu->command;
    c->got[i].status = pdu->status;
    c->got[i].sequence = pdu->sequence;
    if (pdu->command & SMPP_RESP) {
        struct smpp_unsuccess failed;
        uint32_t at = 0;
        copy_text(c->got[i].id, sizeof c->got[i].id, pdu->reply.id);
        c->got[i].state = pdu->reply.message_state;
        c->got[i].unsuccess = pdu->reply.unsuccess_count;
        if (pdu->reply.unsuccess_count && smpp_unsuccess_next(&pdu->reply.unsuccess, &at, &failed))
            c->got[i].unsuccess_status = failed.status;
        return;
    }
    if (pdu->command != SMPP_DELIVER_SM)
        return;
    struct smpp_str id;
    memcpy(c->got[i].text, pdu->sm.text.ptr, pdu->sm.text.len); /* may hold zeros */
    c->got[i].text_len = pdu->sm.text.len;
    copy_text(c->got[i].from, sizeof c->got[i].from, pdu->sm.from.addr);
    copy_text(c->got[i].to, sizeof c->got[i].to, pdu->sm.to.addr);
    c->got[i].esm_class = pdu->sm.esm_class;
    smpp_tlv_number(&pdu->tlvs, SMPP_TAG_MESSAGE_STATE, &c->got[i].tlv_state);
    if (smpp_tlv_text(&pdu->tlvs, SMPP_TAG_RECEIPTED_MESSAGE_ID, &id))
        copy_text(c->got[i].tlv_id, sizeof c->got[i].tlv_id, id);
    if (c->answers_deliveries >= 0)
        say_pdu(c, &(struct smpp_pdu){ .command = SMPP_DELIVER_SM | SMPP_RESP,
                                       .status = (uint32_t)c->answers_deliveries,
                                       .sequence = pdu->sequence });
}

static void listen_to(struct client *c)
{
    ssize_t got = recv(c->fd, c->in + c->len, sizeof c->in - c->len, MSG_DONTWAIT);
    c->is_closed |= got == 0 || (got < 0 && errno != EAGAIN);
    c->len += got > 0 ? (size_t)got : 0;
    size_t at = 0;
    for (;;) {
        struct smpp_pdu pdu;
        struct smpp_error error;
        int n = smpp_frame(c->in + at, c->len - at, &error);
        if (n <= 0)
            break;
        if (smpp_pdu_read(&pdu, c->in + at, (size_t)n, &error) != 0)
            fail_msg("client: %s %s", error.field, error.why);
        client_pdu(c, &pdu);
        at += (size_t)n;
    }
    c->len -= at;
    memmove(c->in, c->in + at, c->len);
}

#define wait_for(client, condition)                                                                \
    do {                                                                                           \
        for (int64_t end_ = loop_now() + 10000; !(condition) && loop_now() < end_;) {              \
            loop_once();                                                                           \
            listen_to(client);                                                                     \
        }                                                                                          \
        if (!(condition))                                                                          \
            fail_msg("never came true: %s", #condition);                                           \
    } while (0)

static void rest_ms(struct client *c, int64_t ms)
{
    for (int64_t end = loop_now() + ms; loop_now() < end;) {
        loop_once();
        listen_to(c);
    }
}

static uint32_t last_status(const struct client *c)
{
    return c->got[(c->n - 1) % CLIENT_KEPT].status;
}

static uint32_t bind_as(struct client *c, uint32_t command, const char *id, const char *password)
{
    unsigned n = c->n;
    say_pdu(c, &(struct smpp_pdu){ .command = command,
                                   .sequence = 1,
                                   .bind = { .system_id = { id, (uint32_t)strlen(id) },
                                             .password = { password, (uint32_t)strlen(password) },
                                             .interface_version = 0x34 } });
    wait_for(c, c->n > n);
    return last_status(c);
}

static struct client *bound(struct fake *f, const char *id, const char *password)
{
    struct client *c = dial(f);
    assert_int_equal(bind_as(c, SMPP_BIND_TRANSCEIVER, id, password), 0);
    return c;
}

static struct smpp_pdu submit(uint32_t sequence, const char *text, uint32_t len)
{
    return (struct smpp_pdu){ .command = SMPP_SUBMIT_SM,
                              .sequence = sequence,
                              .sm = { .from = { 5, 0, { "ACME", 4 } },
                                      .to = { 1, 1, { "4915112345678", 13 } },
                                      .registered = 1,
                                      .text = { text, len } } };
}

/* --- the server ------------------------------------------------------------------------------- */

#define TENANTS                                                                                    \
    "# all of them\\nacme s3cret t-1 binds=2 window=5\\nshop pa55 t-2 rate=5\\n"                   \
    "far  pa55 t-3 from=10.0.0.0/8,192.0.2.7\\nnear pa55 t-4 from=127.0.0.0/8\\n"                  \
    "tx pa55 t-5 mode=transmitter\\n"

static struct fake *create(const char *type, const char *params)
{
    struct fake *f = fake_create(&wf_plugin_entry, type);
    fake_service(f, "loop/1", &loop_table);
    fake_service(f, "trigger/1", &taken_table);
    fake_cred(f, "smppTenants", "{\"tenants\":\"" TENANTS "\"}");
    if (fake_start(f, params) != 0)
        fail_msg("%s", fake_error(f));
    return f;
}

static struct fake *start_with(const char *options)
{
    char params[300];
    snprintf(params, sizeof params, "{\"host\":\"127.0.0.1\",\"port\":0,\"options\":{%s}}",
             options);
    struct fake *f = create("catalyst.smppServer", params);
    assert_int_equal(trigger_begin(f), 0);
    assert_int_not_equal(server_of(f)->port, 0);
    return f;
}

static struct fake *start(void) { return start_with(""); }

static int teardown(void **state)
{
    (void)state;
    taken_clear();
    return 0;
}

static void has(size_t i, const char *part)
{
    if (i >= n_taken || !strstr(taken[i].json, part))
        fail_msg("no %s in %s", part, i < n_taken ? taken[i].json : "(no such event)");
}

/* --- binds ------------------------------------------------------------------------------------ */

static void test_who_may_bind(void **state)
{
    (void)state;
    static const struct {
        const char *id, *password;
        uint32_t command, status;
    } binds[] = {
        { "acme", "s3cret", SMPP_BIND_TRANSCEIVER, 0 },
        { "acme", "s3cre", SMPP_BIND_TRANSCEIVER, SMPP_RINVPASWD },
        { "acme", "s3crett", SMPP_BIND_TRANSCEIVER, SMPP_RINVPASWD },
        { "acme", "", SMPP_BIND_TRANSCEIVER, SMPP_RINVPASWD },
        { "", "", SMPP_BIND_TRANSCEIVER, SMPP_RINVPASWD },
        { "nobody", "........", SMPP_BIND_TRANSCEIVER, SMPP_RINVPASWD },
        { "far", "pa55", SMPP_BIND_TRANSCEIVER, SMPP_RINVPASWD },
        { "near", "pa55", SMPP_BIND_TRANSCEIVER, 0 },
        { "tx", "pa55", SMPP_BIND_TRANSMITTER, 0 },
        { "tx", "pa55", SMPP_BIND_TRANSCEIVER, SMPP_RBINDFAIL },
        { "tx", "pa55", SMPP_BIND_RECEIVER, SMPP_RBINDFAIL },
    };
    struct fake *f = start();
    for (size_t i = 0; i < sizeof binds / sizeof *binds; i++) {
        struct client *c = dial(f);
        assert_int_equal(bind_as(c, binds[i].command, binds[i].id, binds[i].password),
                         binds[i].status);
        if (binds[i].status)
            wait_for(c, c->is_closed);
        else
            assert_string_equal(c->got[0].id, "catalyst");
        hang_up(c);
    }
    for (size_t i = 0; i < fake_logs(f); i++) {
        assert_null(strstr(fake_log(f, i), "s3cre"));
        assert_null(strstr(fake_log(f, i), "pa55"));
    }
    fake_destroy(f);
}

static void test_limits_of_binds(void **state)
{
    (void)state;
    struct fake *f = start_with("\"maxConnections\":3");
    struct fake *g = start(); /* another worker of the process */
    struct client *a = bound(f, "acme", "s3cret"), *b = bound(g, "acme", "s3cret");
    struct client *c = dial(f);
    assert_int_equal(bind_as(c, SMPP_BIND_RECEIVER, "acme", "s3cret"), SMPP_RALYBND);
    wait_for(c, c->is_closed);
    hang_up(c);
    hang_up(b); /* there is room again */
    rest_ms(a, 50);
    c = bound(f, "acme", "s3cret");
    struct client *d = dial(f), *e = dial(f);
    wait_for(e, e->is_closed); /* one connection too many */
    hang_up(e);
    hang_up(d);
    hang_up(c);
    hang_up(a);
    fake_destroy(g);
    fake_destroy(f);
}

static void test_a_connection_without_bind(void **state)
{
    (void)state;
    struct fake *f = start_with("\"bindTimeout\":300");
    struct client *c = dial(f);
    wait_for(c, c->is_closed);
    hang_up(c);
    c = dial(f);
    if (send(c->fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL) != 18)
        abort();
    wait_for(c, c->is_closed);
    hang_up(c);
    assert_int_equal(server_of(f)->n_open, 0);
    fake_destroy(f);
}

/* --- submitting ------------------------------------------------------------------------------- */

static void test_submit(void **state)
{
    (void)state;
    struct fake *f = start();
    struct client *c = bound(f, "acme", "s3cret");
    struct smpp_pdu pdu = submit(7, "Hello \x1b\x65", 8);
    pdu.sm.validity = (struct smpp_str){ "000000010000000R", 16 };
    say_pdu(c, &pdu);
    wait_for(c, n_taken == 1);
    rest_ms(c, 30);
    assert_int_equal(c->n, 1); /* not answered before it is stored */
    has(0, "{\"v\":1,\"id\":\"");
    has(0, "\"tenant_id\":\"t-1\"");
    has(0, "\"channel\":\"sms\",\"from\":\"ACME\",\"to\":\"+4915112345678\",\"text\":\"Hello "
           "\xe2\x82\xac\"");
    has(0, "\"ttl_s\":3600,\"dlr\":true,\"system_id\":\"acme\"");
    trigger_stored_one(f, 0, 1);
    wait_for(c, c->n == 2);
    assert_int_equal(c->got[1].sequence, 7);
    assert_int_equal(c->got[1].status, 0);
    assert_int_equal(strlen(c->got[1].id), 36);
    has(0, c->got[1].id);
    /* what is known of it */
    struct smpp_pdu query = { .command = SMPP_QUERY_SM,
                              .sequence = 8,
                              .query = { .message_id = { c->got[1].id, 36 } } };
    say_pdu(c, &query);
    wait_for(c, c->n == 3);
    assert_int_equal(c->got[2].status, 0);
    assert_int_equal(c->got[2].state, SMPP_STATE_ENROUTE);
    query.query.message_id = (struct smpp_str){ "nothing", 7 };
    say_pdu(c, &query);
    wait_for(c, c->n == 4);
    assert_int_equal(c->got[3].status, SMPP_RQUERYFAIL);
    hang_up(c);
    fake_destroy(f);
}

static void test_not_stored(void **state)
{
    (void)state;
    struct fake *f = start();
    struct client *c = bound(f, "acme", "s3cret");
    struct smpp_pdu pdu = submit(7, "x", 1);
    say_pdu(c, &pdu);
    wait_for(c, n_taken == 1);
    trigger_stored_one(f, 0, 0);
    wait_for(c, c->n == 2);
    assert_int_equal(last_status(c), SMPP_RSYSERR);
    hang_up(c);
    fake_destroy(f);
}

static void test_binary_and_data_sm(void **state)
{
    (void)state;
    struct fake *f = start();
    struct client *c = bound(f, "acme", "s3cret");
    struct smpp_pdu pdu = submit(7, "\x00\xff", 2);
    pdu.sm.data_coding = 4;
    pdu.sm.registered = 0;
    say_pdu(c, &pdu);
    uint8_t bytes[50];
    struct smpp_out tlvs = smpp_out_of(bytes, sizeof bytes);
    smpp_tlv_put(&tlvs, SMPP_TAG_MESSAGE_PAYLOAD, "payload", 7);
    pdu = submit(8, "", 0);
    pdu.command = SMPP_DATA_SM;
    pdu.tlvs = smpp_tlvs_of(&tlvs);
    say_pdu(c, &pdu);
    wait_for(c, n_taken == 2);
    has(0, "\"text\":\"00ff\",\"dcs\":4,\"dlr\":false");
    has(1, "\"text\":\"payload\"");
    trigger_stored_one(f, 1, 1);
    wait_for(c, c->n == 2);
    assert_int_equal(c->got[1].command, (SMPP_DATA_SM | SMPP_RESP));
    assert_int_equal(strlen(c->got[1].id), 36);
    hang_up(c);
    fake_destroy(f);
}

static void test_refused(void **state)
{
    (void)state;
    struct fake *f = start();
    struct client *c = bound(f, "acme", "s3cret");
    struct smpp_pdu pdu = submit(2, "x", 1);
    pdu.sm.to.addr.len = 0;
    say_pdu(c, &pdu);
    wait_for(c, c->n == 2);
    assert_int_equal(last_status(c), SMPP_RINVDSTADR);
    pdu = submit(3, "\x7f\x00", 2);
    pdu.sm.esm_class = 0x40; /* a header longer than the text */
    say_pdu(c, &pdu);
    wait_for(c, c->n == 3);
    assert_int_not_equal(last_status(c), 0);
    pdu = submit(4, "x", 1);
    pdu.sm.validity = (struct smpp_str){ "200101000000000+", 16 }; /* long ago */
    say_pdu(c, &pdu);
    wait_for(c, c->n == 4);
    assert_int_equal(last_status(c), SMPP_RINVEXPIRY);
    say_pdu(c, &(struct smpp_pdu){ .command = SMPP_CANCEL_SM, .sequence = 5 });
    wait_for(c, c->n == 5);
    assert_int_equal(last_status(c), SMPP_RCANCELFAIL);
    assert_int_equal(n_taken, 0);
    hang_up(c);
    fake_destroy(f);
}

static void test_window_and_rate(void **state)
{
    (void)state;
    struct fake *f = start();
    struct client *c = bound(f, "acme", "s3cret"); /* window=5 */
    for (uint32_t i = 1; i <= 7; i++) {
        struct smpp_pdu pdu = submit(i, "x", 1);
        say_pdu(c, &pdu);
    }
    wait_for(c, c->n == 3);
    assert_int_equal(c->got[1].status, SMPP_RTHROTTLED);
    assert_int_equal(c->got[1].sequence, 6);
    assert_int_equal(c->got[2].sequence, 7);
    assert_int_equal(n_taken, 5);
    hang_up(c);
    c = bound(f, "shop", "pa55"); /* rate=5 */
    unsigned refused = 0;
    for (uint32_t i = 1; i <= 10; i++) {
        struct smpp_pdu pdu = submit(i, "x", 1);
        say_pdu(c, &pdu);
    }
    wait_for(c, c->n + n_taken >= 1 + 10 + 5);
    for (unsigned i = 1; i < c->n; i++)
        refused += c->got[i].status == SMPP_RTHROTTLED;
    assert_in_range(refused, 7, 9);
    rest_ms(c, 500);
    struct smpp_pdu pdu = submit(20, "x", 1);
    size_t had = n_taken;
    say_pdu(c, &pdu);
    wait_for(c, n_taken == had + 1);
    hang_up(c);
    fake_destroy(f);
}

static void test_parts(void **state)
{
    (void)state;
    struct fake *f = start();
    struct client *a = bound(f, "acme", "s3cret"), *b = bound(f, "near", "pa55");
    struct smpp_pdu one = submit(2,
                                 "\x05\x00\x03\x07\x02\x01"
                                 "ab",
                                 8),
                    two = submit(3,
                                 "\x05\x00\x03\x07\x02\x02"
                                 "cd",
                                 8);
    one.sm.esm_class = two.sm.esm_class = 0x40;
    say_pdu(a, &one);
    wait_for(a, a->n == 2);
    assert_int_equal(strlen(a->got[1].id), 36);
    say_pdu(b, &two); /* another tenant's part with the same reference */
    wait_for(b, b->n == 2);
    assert_int_equal(n_taken, 0);
    say_pdu(a, &two);
    wait_for(a, n_taken == 1);
    has(0, "\"text\":\"abcd\"");
    has(0, "\"parts\":2");
    has(0, "\"tenant_id\":\"t-1\"");
    trigger_stored_one(f, 0, 1);
    wait_for(a, a->n == 3);
    has(0, a->got[2].id);
    hang_up(a);
    hang_up(b);
    fake_destroy(f);
}

static void test_submit_multi(void **state)
{
    (void)state;
    struct fake *f = start();
    struct client *c = bound(f, "acme", "s3cret");
    uint8_t list[200];
    struct smpp_out dests = smpp_out_of(list, sizeof list);
    smpp_dest_put(&dests, &(struct smpp_dest){ .address = { 1, 1, { "491511", 6 } } });
    smpp_dest_put(&dests, &(struct smpp_dest){ .list = { "friends", 7 } });
    smpp_dest_put(&dests, &(struct smpp_dest){ .address = { 1, 1, { "491522222", 9 } } });
    struct smpp_pdu pdu = submit(9, "to many", 7);
    pdu.command = SMPP_SUBMIT_MULTI;
    pdu.sm.dests = smpp_str_of_out(&dests);
    pdu.sm.dest_count = 3;
    say_pdu(c, &pdu);
    wait_for(c, n_taken == 2);
    trigger_stored_one(f, 0, 1);
    rest_ms(c, 30);
    assert_int_equal(c->n, 1); /* when all are stored */
    trigger_stored_one(f, 1, 1);
    wait_for(c, c->n == 2);
    assert_int_equal(c->got[1].unsuccess, 1);
    assert_int_equal(c->got[1].unsuccess_status, SMPP_RINVDLNAME);
    has(0, c->got[1].id);
    char second[100];
    snprintf(second, sizeof second, "\"id\":\"%s.1\"", c->got[1].id);
    has(1, second);
    has(1, "\"to\":\"+491522222\"");
    hang_up(c);
    fake_destroy(f);
}

static void test_engine_full_and_stop(void **state)
{
    (void)state;
    struct fake *f = start();
    struct client *c = bound(f, "acme", "s3cret");
    taken_room = 1;
    for (uint32_t i = 1; i <= 3; i++) {
        struct smpp_pdu pdu = submit(i, "x", 1);
        say_pdu(c, &pdu);
    }
    wait_for(c, n_taken == 1);
    rest_ms(c, 30);
    taken_room = 1;
    trigger_of(f)->room(&f->host, f->state);
    assert_int_equal(n_taken, 2);
    trigger_of(f)->stop(&f->host, f->state);
    wait_for(c, c->n == 2); /* what the engine had no room for */
    assert_int_equal(c->got[1].sequence, 3);
    assert_int_equal(c->got[1].status, SMPP_RSYSERR);
    trigger_stored_one(f, 0, 1);
    trigger_stored_one(f, 1, 1);
    wait_for(c, c->n == 5);
    assert_int_equal(c->got[2].status, 0);
    assert_int_equal(c->got[4].command, SMPP_UNBIND); /* then it is unbound */
    hang_up(c);
    fake_destroy(f);
}

/* --- delivering ------------------------------------------------------------------------------- */

#define RECEIPT                                                                                    \
    "{\"kind\":\"receipt\",\"code\":\"000\",\"message\":{\"id\":\"m-1\",\"tenant_id\":\"t-1\","    \
    "\"from\":\"ACME\",\"to\":\"+4915112345678\",\"ts_us\":1700000000000000},\"status\":{"         \
    "\"state\":\"delivered\"}}"

static void test_deliver_receipt(void **state)
{
    (void)state;
    struct fake *f = start(), *d = create("catalyst.smppDeliver", "{}");
    wf_item *none = fake_item(d, RECEIPT);
    fake_run(d);
    assert_int_equal(fake_ended(none), FAKE_EMITTED);
    assert_non_null(strstr(fake_output_json(d, 3, 0), "\"outcome\":\"offline\""));
    struct client *c = bound(f, "acme", "s3cret");
    wf_item *it = fake_item(d, RECEIPT);
    fake_run(d);
    wait_for(c, c->n == 2);
    assert_int_equal(c->got[1].esm_class, 4);
    assert_string_equal(c->got[1].from, "4915112345678");
    assert_string_equal(c->got[1].to, "ACME");
    assert_memory_equal(c->got[1].text, "id:m-1 sub:001 dlvrd:001 submit date:", 37);
    assert_non_null(strstr(c->got[1].text, "stat:DELIVRD err:000"));
    assert_int_equal(c->got[1].tlv_state, SMPP_STATE_DELIVERED);
    assert_string_equal(c->got[1].tlv_id, "m-1");
    while (!fake_ended(it)) {
        loop_once();
        fake_wait(d, 1);
    }
    assert_non_null(strstr(fake_output_json(d, 0, 0), "\"deliver\":{\"outcome\":\"accepted\""));
    say_pdu(c, &(struct smpp_pdu){ .command = SMPP_QUERY_SM,
                                   .sequence = 3,
                                   .query = { .message_id = { "m-1", 3 } } });
    wait_for(c, c->n == 3);
    assert_int_equal(c->got[2].state, SMPP_STATE_DELIVERED);
    hang_up(c);
    fake_destroy(d);
    fake_destroy(f);
}

static void test_deliver_message(void **state)
{
    (void)state;
    char json[1000], text[301];
    memset(text, 'z', 300);
    text[300] = 0;
    snprintf(json, sizeof json,
             "{\"kind\":\"message\",\"tenant_id\":\"t-1\",\"from\":\"+4915112345678\",\"to\":"
             "\"12345\",\"text\":\"%s\"}",
             text);
    struct fake *f = start(), *d = create("catalyst.smppDeliver", "{}");
    struct client *c = bound(f, "acme", "s3cret");
    wf_item *it = fake_item(d, json);
    fake_run(d);
    wait_for(c, c->n == 3); /* two parts */
    assert_int_equal(c->got[1].esm_class, 0x40);
    assert_int_equal(c->got[2].text[5], 2);
    assert_string_equal(c->got[2].from, "4915112345678");
    while (!fake_ended(it)) {
        loop_once();
        fake_wait(d, 1);
    }
    assert_int_equal(fake_outputs(d, 0), 1);
    hang_up(c);
    fake_destroy(d);
    fake_destroy(f);
}

static void test_deliver_refused_and_lost(void **state)
{
    (void)state;
    struct fake *f = start(), *d = create("catalyst.smppDeliver", "{}");
    struct client *c = bound(f, "acme", "s3cret");
    c->answers_deliveries = SMPP_RX_P_APPN;
    wf_item *it = fake_item(d, RECEIPT);
    fake_run(d);
    wait_for(c, c->n == 2);
    while (!fake_ended(it)) {
        loop_once();
        fake_wait(d, 1);
    }
    assert_non_null(strstr(fake_output_json(d, 1, 0), "\"code\":\"ESME_RX_P_APPN\""));
    c->answers_deliveries = -1;
    it = fake_item(d, RECEIPT);
    fake_run(d);
    wait_for(c, c->n == 3);
    hang_up(c); /* it may have it */
    while (!fake_ended(it)) {
        loop_once();
        fake_wait(d, 1);
    }
    assert_non_null(strstr(fake_output_json(d, 2, 0), "\"outcome\":\"unknown\""));
    static const char *const bad[] = {
        "{\"message\":{\"id\":\"m\"},\"state\":\"delivered\"}",
        "{\"message\":{\"tenant_id\":\"t-1\"},\"state\":\"delivered\"}",
        "{\"message\":{\"tenant_id\":\"t-1\",\"id\":\"m\"},\"state\":\"odd\"}",
        "{\"kind\":\"message\",\"tenant_id\":\"t-1\",\"raw\":\"xy\"}",
        "{\"kind\":\"message\",\"tenant_id\":\"t-1\",\"from\":\"a name that is too long\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        fake_item(d, bad[i]);
    fake_run(d);
    assert_int_equal(fake_outputs(d, 1), 1 + sizeof bad / sizeof *bad);
    fake_destroy(d);
    fake_destroy(f);
}

/* What is for a tenant that is away waits for it: in its order, so many, so long. */
static void test_deliver_keeps(void **state)
{
    (void)state;
    char json[300];
    struct fake *f = start(),
                *d = create("catalyst.smppDeliver",
                            "{\"options\":{\"keep\":\"1h\",\"keepMost\":3}}"),
                *soon = create("catalyst.smppDeliver", "{\"options\":{\"keep\":\"600ms\"}}");
    wf_item *it = NULL;
    for (int i = 0; i < 4; i++) {
        snprintf(json, sizeof json,
                 "{\"message\":{\"id\":\"m-%d\",\"tenant_id\":\"t-1\",\"from\":\"A\",\"to\":"
                 "\"+4915112345678\"},\"state\":\"delivered\"}",
                 i);
        wf_item *one = fake_item(d, json);
        it = i < 3 ? one : it;
    }
    fake_run(d);
    assert_int_equal(fake_outputs(d, 3), 1);
    assert_non_null(strstr(fake_output_json(d, 3, 0), "\"code\":\"full\""));
    assert_non_null(strstr(fake_output_json(d, 3, 0), "\"id\":\"m-3\""));
    assert_int_equal(fake_metric(d, COUNT_KEPT), 3);
    wf_item *late = fake_item(soon, RECEIPT);
    fake_run(soon);
    while (!fake_ended(late)) {
        loop_once();
        fake_wait(soon, 1);
    }
    assert_non_null(strstr(fake_output_json(soon, 3, 0), "\"code\":\"expired\""));
    assert_int_equal(fake_metric(soon, COUNT_KEPT), 0);
    struct client *c = bound(f, "acme", "s3cret");
    wait_for(c, c->n == 4);
    for (int i = 0; i < 3; i++) {
        snprintf(json, sizeof json, "m-%d", i);
        assert_string_equal(c->got[1 + i].tlv_id, json);
    }
    while (!fake_ended(it)) {
        loop_once();
        fake_wait(d, 1);
    }
    assert_int_equal(fake_outputs(d, 0), 3);
    assert_int_equal(fake_metric(d, COUNT_KEPT), 0);
    hang_up(c);

    fake_destroy(soon);
    fake_destroy(d);
    fake_destroy(f);
}

/* --- checks ----------------------------------------------------------------------------------- */

static void refused_list(const char *tenants, const char *why)
{
    char cred[500];
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.smppServer");
    fake_service(f, "loop/1", &loop_table);
    fake_service(f, "trigger/1", &taken_table);
    snprintf(cred, sizeof cred, "{\"tenants\":\"%s\"}", tenants);
    fake_cred(f, "smppTenants", cred);
    assert_int_equal(fake_start(f, "{}"), -1);
    if (!strstr(fake_error(f), why) || strstr(fake_error(f), "s3cret"))
        fail_msg("%s", fake_error(f));
    fake_destroy(f);
}

static void test_checks(void **state)
{
    (void)state;
    refused_list("acme s3cret", "entry 1");
    refused_list("acme s3cret t\\nacme s3cret u", "entry 2 of the tenants has a system_id");
    refused_list("acme s3cretpassword t", "entry 1");
    refused_list("acme s3cret t binds=0", "entry 1");
    refused_list("acme s3cret t rate=fast", "entry 1");
    refused_list("acme s3cret t from=10.0.0.0/33", "entry 1");
    refused_list("acme s3cret t mode=both", "entry 1");
    refused_list("acme s3cret t colour=red", "entry 1");
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.smppServer");
    fake_cred(f, "smppTenants", "{\"tenants\":\"\"}");
    assert_int_equal(fake_start(f, "{\"host\":\"example\"}"), -1);
    assert_non_null(strstr(fake_error(f), "no address"));
    fake_destroy(f);
}

#define T(fn) cmocka_unit_test_teardown(fn, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(test_who_may_bind),
        T(test_limits_of_binds),
        T(test_a_connection_without_bind),
        T(test_submit),
        T(test_not_stored),
        T(test_binary_and_data_sm),
        T(test_refused),
        T(test_window_and_rate),
        T(test_parts),
        T(test_submit_multi),
        T(test_engine_full_and_stop),
        T(test_deliver_receipt),
        T(test_deliver_message),
        T(test_deliver_refused_and_lost),
        T(test_deliver_keeps),
        T(test_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
