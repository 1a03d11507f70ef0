/* SPDX-License-Identifier: Apache-2.0
 * The client side: accounts at SMSCs, their binds, and the messages that go over them.
 *
 *   smsSend ---- messages ----> outbox ---> link ---> session ---> SMSC
 *   smppReceive <-- deliver_sm, data_sm ----'   (one bind of an account)
 *
 * An account lives once per worker, however many nodes use it: that is how smppReceive shares the
 * transceivers of smsSend. Nodes come and go with versions of workflows; the account's loop, log
 * and metrics are those of one of them, the next takes over when that one closes, and the binds
 * stay up. All nodes of the plugin have the same metrics for that reason.
 *
 * Files: account.c (settings, who uses it, timer), link.c (one bind), outbox*.c (queues, windows,
 * responses), compose.c (item to PDUs), send.c and receive.c (the nodes).
 *
 * Thread: the worker's. Nothing blocks.
 */
#ifndef PLUGIN_SMPP_ESME_H
#define PLUGIN_SMPP_ESME_H
#include <catalyst/channel.h>
#include <catalyst/conn.h>
#include <catalyst/stream.h>
#include "address.h"
#include "metrics.h"
#include "receipt.h"
#include "segment.h"
#include "session.h"

enum { BINDS_MAX = 32 };
enum account_use { USE_SEND = 1, USE_RECEIVE = 2 };
enum bind_mode { BIND_TRANSCEIVER, BIND_SEPARATE };

/* What an account's credential says beside login and TLS. */
struct account_settings {
    uint32_t binds, window;
    struct wf_rate rate; /* of all binds together */
    int64_t enquire_ms, response_ms, bind_ms, distance_ms;
    enum gsm_alphabet zero; /* what the SMSC takes data_coding 0 for */
    enum segment_way way;
    int packed, user_reference;
    uint16_t id_tag; /* TLV that carries our id; 0: none */
    uint16_t ussd_op_tag, ussd_session_tag;
    uint8_t interface_version;
    struct gsm_rules alphabets;
    struct address_rules addresses;
    struct receipt_rules receipts;
};

struct account;
struct message;

/* --- one bind --------------------------------------------------------------------------------- */

struct link {
    wf_conn c; /* first: its life; items never wait in it */
    struct account *account;
    unsigned index;
    wf_stream stream;
    struct session session;
    int has_session;
    int is_broken;    /* down() is on its way */
    int is_counted;   /* among the binds of the account that are up */
    uint64_t life;    /* grows with each session: answers of an older one are dropped */
    uint32_t refused; /* status of the last bind_resp that said no */
    /* messages for this bind, by number */
    struct message *first, *last;
    uint32_t waiting;
};

void link_init(struct link *l, struct account *a, unsigned index);
void link_start(struct link *l);
void link_fini(struct link *l);
/* The account belongs to another node now. */
void link_move(struct link *l);
/* Sends what was gathered. */
void link_flush(struct link *l);
static inline int link_is_up(const struct link *l)
{
    return l->has_session && session_is_bound(&l->session);
}

/* --- accounts --------------------------------------------------------------------------------- */

/* Who gets what comes in. `pdu` is a request that is owed an answer: account_answer(). */
struct account_user {
    struct account_user *next;
    const wf_host *h;
    wf_inst *inst;
    const wf_cred *cred;
    enum account_use use;
    void *node;
    void (*request)(void *node, struct link *l, const struct session_pdu *pdu);
    void (*fed)(void *node); /* all that came with these bytes was given */
};

struct recipients;
struct account {
    struct account *next;
    uint32_t key_hash;
    char key[400];        /* host, port, system_id, mode: what makes it one account */
    char label[200];      /* for people: "smpp host:port system_id" */
    char name[64];        /* system_id: `account` of items */
    enum account_use use; /* both for transceivers */
    struct account_settings set;
    const wf_host *h; /* those of `users` */
    wf_inst *inst;
    const wf_cred *cred;
    const wf_loop *loop;
    SSL_CTX *tls; /* NULL: in the clear */
    struct account_user *users;
    struct link links[BINDS_MAX];
    uint32_t n_links, n_up;
    wf_timer *timer;
    int64_t due_ms, ticked_ms;
    struct outbox *outbox;
    struct wf_bucket bucket; /* what may leave, by set.rate; a bind gives way by its own pace */
    uint32_t turn;           /* the bind that is asked first */
};

/* The account of a credential on this worker, made when there is none; `user` is filled but for
 * next and belongs to the node. NULL with *why. */
struct account *account_join(struct account_user *user, wf_error *why);
/* 0, or -1 with *why, without making one: for check(). */
int account_check(const wf_host *h, const wf_cred *cred, char *why, size_t why_size);
void account_leave(struct account *a, struct account_user *user);
/* The accounts of this thread, newest first; NULL: none. */
struct account *account_list(void);
/* Fields of the credential, of smpp.c: accounts with other values are other accounts. */
extern const wf_param smpp_account_fields[];
/* A tick is wanted in so many milliseconds, or sooner. */
void account_wake_in(struct account *a, int64_t ms);
/* NULL: some bind is up. Else why none is, and in *is_refused whether the SMSC said no. */
const char *account_trouble(const struct account *a, uint32_t *refused);
struct account_user *account_receiver(const struct account *a);
void account_count(struct account *a, enum metric metric, int64_t by);
/* What binds there are and are to be, and the room in them, as gauges. */
void account_tell(struct account *a);

/* --- what the links tell ---------------------------------------------------------------------- */

struct outbox *outbox_create(struct account *a);
void outbox_destroy(struct outbox *o);
void outbox_on_up(struct link *l);
void outbox_on_down(struct link *l);
void outbox_on_response(struct link *l, const struct window_slot *slot,
                        const struct session_pdu *pdu);
void outbox_on_lost(struct link *l, const struct window_slot *slot, enum session_loss loss);
/* Sends what may leave; asks for the next wake-up. */
void outbox_pump(struct outbox *o);
void outbox_tick(struct outbox *o, int64_t now_ms);

#endif
