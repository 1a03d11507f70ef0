/* SPDX-License-Identifier: Apache-2.0
 * Messages of an account on their way out: written once as PDUs, kept until every part has its
 * response, and ended once.
 *
 * Messages wait in the queue of one bind, which is chosen by sender and recipient, so that the
 * messages of a pair keep their order; a part that was throttled goes back to its old place, at the
 * head. When a bind goes down its queue moves to another. A message that waits for a time (a second
 * try, the distance of a recipient) stands in a heap meanwhile.
 *
 *   part: to do --sent--> under way --accepted--> done
 *            ^                |--throttled, temporary--> to do
 *            '----------------+--refused--> failed: no more parts leave
 *                             '--no answer--> unknown: no more parts leave
 *
 * Thread: the worker's. Messages are used again: nothing is allocated for one that has a single
 * part, once as many were under way before.
 */
#ifndef PLUGIN_SMPP_OUTBOX_H
#define PLUGIN_SMPP_OUTBOX_H
#include "esme.h"

enum { MESSAGE_BYTES = 400, OUTBOX_MAX = 100000 };

struct message {
    struct message *next; /* in a queue, or among the spare */
    uint32_t index;       /* in outbox->all */
    int32_t heap_at;      /* place in the heap + 1; 0: not there */
    uint64_t number;      /* order of arrival */
    uint32_t pair_hash;   /* sender and recipient */
    uint32_t recipient_hash;
    const wf_host *h;
    wf_ticket ticket;
    int64_t begun_ms, deadline_ms, not_before_ms;
    struct link *queued; /* waits there */
    /* what to do */
    uint32_t command;
    int resend; /* the SMSC knows repetitions: what is unknown is sent again */
    uint32_t attempts, max_attempts;
    /* parts: whole PDUs one after the other */
    uint8_t *bytes;
    uint32_t len, size;
    uint8_t first[MESSAGE_BYTES]; /* bytes points here unless they are more */
    uint16_t parts, units, under_way, accepted;
    uint64_t to_do[4];             /* a bit for each part */
    int failed, unknown, given_up; /* given_up: another engine has its item, nobody waits here */
    uint32_t status;               /* of the failure, or the last that told to wait */
    const char *own_code;          /* a failure of ours: "expired" ...; else NULL */
    char alphabet;                 /* enum gsm_alphabet */
    /* ids of parts, with a blank between them */
    char first_id[80];
    char *ids;
    uint32_t ids_len, ids_size;
    /* query_sm_resp */
    uint8_t message_state, error_code;
    char final_date[18];
};

struct outbox {
    struct account *account;
    struct message **all;
    uint32_t n_all, size_all;
    struct message *spare;
    struct message **heap;
    uint32_t n_heap, size_heap;
    uint64_t numbers;
    uint32_t n_queued, n_live;
    int64_t scanned_ms;
    struct recipients *recipients; /* NULL: no distance is kept */
};

/* A cleared message, to be filled and put or dropped. NULL: too many wait. */
struct message *outbox_message(struct outbox *o);
/* Room for `len` more octets behind message->len. */
uint8_t *message_room(struct message *m, size_t len);
void outbox_drop(struct outbox *o, struct message *m);
/* It waits for a bind; outbox_pump() sends it. Its item is parked. */
void outbox_put(struct outbox *o, struct message *m);

/* The item's end; `it` NULL: it is gone. Of send_outcome.c. */
void send_finish(struct account *a, struct message *m, wf_item *it);

/* --- heap.c: messages by time ----------------------------------------------------------------- */

void heap_add(struct outbox *o, struct message *m);
void heap_remove(struct outbox *o, struct message *m);

/* --- recipients.c: when each recipient was sent to last ----------------------------------------
 */

struct recipients *recipients_create(int64_t distance_ms);
void recipients_destroy(struct recipients *r);
/* When the next message to this one may leave; it is taken for sent then. */
int64_t recipients_next(struct recipients *r, uint32_t hash, int64_t now_ms);

#endif
