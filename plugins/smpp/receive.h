/* SPDX-License-Identifier: Apache-2.0
 * catalyst.smppReceive: what its files share. receive.c has parameters and the trigger's life,
 * receive_event.c makes items of what came.
 */
#ifndef PLUGIN_SMPP_RECEIVE_H
#define PLUGIN_SMPP_RECEIVE_H
#include "esme.h"
#include "inbox.h"
#include "shelf.h"

struct receive_config {
    const wf_cred *credential;
    int in_parts;
    int64_t part_timeout_ms;
};

struct receiver {
    struct account_user user; /* first */
    const wf_host *h;
    wf_inst *inst;
    struct receive_config config;
    struct account *account; /* NULL: not joined */
    struct inbox inbox;
    struct shelf *shelf;
    wf_timer *timer;
    const wf_loop *loop;
    int is_stopping; /* nothing more is taken; the account is left when nothing is owed */
    char trouble[300];
    uint8_t *room; /* SMPP_PDU_MAX octets: packed septets and decoded text */
};

/* Makes an item of a deliver_sm or data_sm, or puts its part on the shelf. 1: it is answered when
 * the item is stored; 0: now, with *status. */
int receive_event(struct receiver *r, const struct smpp_pdu *pdu, const struct inbox_answer *answer,
                  uint32_t *status);
/* Messages whose parts never came. */
void receive_expired(struct receiver *r, int64_t now_ms);

extern const wf_param receive_params[];
extern const char receive_docs[];
extern const wf_trigger receive_trigger;
int receive_check(const wf_host *h, const void *config, char *why, size_t why_size);
void *receive_open(const wf_host *h, wf_inst *inst, wf_error *why);
void receive_close(const wf_host *h, void *state);
void pass_on(const wf_host *h, wf_item *const *items, size_t n);

#endif
