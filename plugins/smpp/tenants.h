/* SPDX-License-Identifier: Apache-2.0
 * Tenants that may bind to our SMSC side, for all workers of the process: who they are, what they
 * may, and over which worker's bind each of them receives.
 *
 * A tenant's binds come to whichever worker the kernel gives the connection to, and a message for
 * it stands at whichever worker the workflow runs on. So limits are counted here for all, and
 * messages travel by mailbox: smppDeliver posts, the worker that has the bind sends, and the answer
 * comes back by the ticket of the item.
 *
 * Thread: any; one lock for the list and its mailboxes, taken for a bind, its end, and once for a
 * frame that delivers. Rates are counted without it.
 */
#ifndef PLUGIN_SMPP_TENANTS_H
#define PLUGIN_SMPP_TENANTS_H
#include <catalyst/plugin.h>
#include <stdatomic.h>
#include "session.h"

enum { TENANT_ADDRESSES_MAX = 32, TENANTS_MAX = 10000 };

struct tenant_network {
    uint8_t bytes[16];
    uint8_t family; /* 4 or 6 */
    uint8_t bits;
};

/* One line of the list. */
struct tenant {
    char system_id[17], password[10], tenant_id[65];
    uint32_t binds, rate, window; /* rate 0: no limit */
    enum session_mode modes;
    uint32_t n_networks; /* 0: from everywhere */
    struct tenant_network networks[TENANT_ADDRESSES_MAX];
};

struct tenants {
    struct tenant *list;
    size_t n;
};

/* Parses "system_id password tenant_id [binds=] [rate=] [window=] [mode=] [from=a,b/c]" lines. 0,
 * or -1 with a sentence that never holds a password. */
int tenants_parse(struct tenants *t, const char *text, char *why, size_t why_size);
void tenants_fini(struct tenants *t);
/* The status of a bind with these words: 0 and *found, or why not. Takes as long for a wrong
 * password as for an unknown name. `address` is text. */
uint32_t tenants_check(const struct tenants *t, const struct smpp_bind *bind,
                       enum session_mode mode, const char *address, const struct tenant **found);

/* --- binds of the process --------------------------------------------------------------------- */

/* Counts of a system_id in this process, while it is bound. */
struct presence;
struct mailbox;

/* A message for a bind: PDUs with addresses and text, without sequence numbers. */
struct delivery {
    struct delivery *next;
    wf_ticket ticket;
    uint64_t bind;                     /* which of the mailbox's */
    uint32_t n_pdus, len, left, worst; /* left, worst: of the sender */
    int is_lost;
    int64_t until_ms;   /* monotonic; how long it may wait for a bind, 0: was not said */
    char id[72], state; /* of a receipt: what query_sm will say; "" for a message */
    uint8_t bytes[];
};

/* What became of it; the data of the wake-up. */
struct delivery_result {
    uint32_t status;
    uint8_t is_unknown, is_offline;
    int64_t until_ms; /* of the delivery */
};

/* A bind begins: NULL when the tenant has as many as it may. `box` gets what is delivered to it
 * when it receives. */
struct presence *presence_begin(const struct tenant *t, struct mailbox *box, uint64_t bind,
                                enum session_mode mode);
void presence_end(struct presence *p, struct mailbox *box, uint64_t bind);
/* 1 when one more message is within the tenant's rate. */
int presence_may(struct presence *p, int64_t now_us);

/* --- mailboxes -------------------------------------------------------------------------------- */

struct mailbox *mailbox_create(void);
void mailbox_destroy(struct mailbox *box);
int mailbox_fd(const struct mailbox *box); /* readable when there is something */
/* All that is there, oldest first; to be freed by the caller. */
struct delivery *mailbox_take(struct mailbox *box);
/* Gives it to a receiver of the tenant (tenant_id, and system_id where that is not empty), in turn.
 * 0, or -1: nobody receives for it. */
int mailbox_post(const char *tenant_id, const char *system_id, struct delivery *d);
/* 1 when somebody receives for it now. */
int mailbox_receives(const char *tenant_id, const char *system_id);

#endif
