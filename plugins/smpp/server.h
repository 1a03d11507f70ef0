/* SPDX-License-Identifier: Apache-2.0
 * The SMSC side: tenants bind to us, submit, and receive.
 *
 *   listener --> peer (stream, session) --bind--> tenant
 *                  |--submit_sm--> event --> engine; stored --> submit_sm_resp
 *                  '<--deliver_sm-- mailbox <-- smppDeliver, of whichever worker
 *
 * Files: server.c (node, listener), server_peer.c (one connection), server_submit.c (what it
 * submits), server_deliver.c (what it is sent), tenants.c, presence.c, known.c.
 *
 * Thread: the worker's. Each worker listens on the same port with a socket of its own.
 */
#ifndef PLUGIN_SMPP_SERVER_H
#define PLUGIN_SMPP_SERVER_H
#include <catalyst/channel.h>
#include <catalyst/conn.h>
#include <catalyst/stream.h>
#include "address.h"
#include "inbox.h"
#include "metrics.h"
#include "receipt.h"
#include "segment.h"
#include "session.h"
#include "shelf.h"
#include "tenants.h"

enum { PEER_UNSENT_MAX = 1 << 20, SERVER_QUEUE_MAX = 10000 };

struct server_config {
    const wf_cred *credential;
    wf_str host, system_id;
    int64_t port, max_connections, bind_ms, response_ms, enquire_ms, inactivity_ms, part_timeout_ms;
    int zero;
};

struct server;

/* A connection; its memory is used again for the next one. */
struct peer_link {
    struct peer_link *next; /* among all */
    struct server *server;
    uint64_t life; /* this connection's number; grows */
    int is_open;
    int is_touched; /* has something to flush, or is to be closed */
    int is_ended;
    wf_stream stream;
    struct session session;
    char address[64];
    const struct tenant *tenant; /* NULL: not bound */
    struct presence *presence;
    struct delivery *first, **end; /* wait for the window */
    uint32_t waiting;
};

struct known;
struct server {
    const wf_host *h;
    wf_inst *inst;
    const wf_loop *loop;
    struct server_config config;
    char host[200], system_id[17], label[260];
    struct tenants tenants;
    SSL_CTX *tls; /* NULL: in the clear */
    int fd;       /* -1: does not listen */
    uint16_t port;
    wf_watch *watch, *box_watch;
    wf_timer *timer;
    struct peer_link *peers;
    uint32_t n_open, n_bound;
    struct inbox inbox;
    struct shelf **shelves; /* one for each tenant, opened with its first long message */
    struct mailbox *box;
    struct known *known;
    uint8_t *room; /* SMPP_PDU_MAX octets */
    uint64_t lives;
    int is_stopping;
};

/* --- server_peer.c ---------------------------------------------------------------------------- */

/* Takes an accepted socket. */
void peer_take(struct server *s, int fd, const char *address);
/* Sends what was gathered; closes what has ended. */
void peer_flush(struct peer_link *p);
void peer_free(struct peer_link *p);
/* An answer with a message id ("": none). */
void peer_answer(struct peer_link *p, uint32_t command, uint32_t sequence, uint32_t status,
                 const char *id);
/* The peer of an answer, or NULL when that connection is gone. */
struct peer_link *peer_of(const struct inbox_answer *a);

/* --- server_submit.c -------------------------------------------------------------------------- */

/* One answer for the events of a submit_multi. */
struct inbox_group {
    uint32_t left;
    int ok;
    uint8_t n_unsuccess;
    uint32_t unsuccess_len;
    uint8_t unsuccess[SMPP_DESTS_MAX * 28];
};

void submit_request(struct peer_link *p, const struct session_pdu *raw);
void submit_stored(struct server *s, uint64_t tag, int ok);
void submit_expired(struct server *s, int64_t now_ms);

/* --- server_deliver.c ------------------------------------------------------------------------- */

void deliver_mail(struct server *s);
void deliver_pump(struct peer_link *p);
void deliver_response(struct peer_link *p, const struct window_slot *slot, uint32_t status);
void deliver_lost(struct peer_link *p, const struct window_slot *slot);
/* What still waits when a connection ends. */
void deliver_drop(struct peer_link *p);

/* --- known.c: what became of messages, as far as is remembered ----------------------------------
 */

struct known *known_create(void);
void known_destroy(struct known *k);
void known_set(struct known *k, const char *tenant_id, const char *id, unsigned state);
/* The state of smpp, or -1. */
int known_get(const struct known *k, const char *tenant_id, const char *id, size_t id_len);

/* --- the nodes -------------------------------------------------------------------------------- */

extern const wf_param server_params[];
extern const char server_docs[];
extern const wf_trigger server_trigger;
int server_check(const wf_host *h, const void *config, char *why, size_t why_size);
void *server_open(const wf_host *h, wf_inst *inst, wf_error *why);
void server_close(const wf_host *h, void *state);

#endif
