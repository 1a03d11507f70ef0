/* SPDX-License-Identifier: Apache-2.0
 * catalyst.smsSend: what its files share. send.c has parameters and frames, compose.c makes PDUs of
 * an item, send_outcome.c ends it.
 */
#ifndef PLUGIN_SMPP_SEND_H
#define PLUGIN_SMPP_SEND_H
#include "outbox.h"

enum { OP_SEND, OP_DATA, OP_QUERY, OP_CANCEL, OP_REPLACE };
enum { REPEATED_UNKNOWN, REPEATED_SEND };
enum { ENCODE_AUTO, ENCODE_GSM7, ENCODE_UCS2, ENCODE_LATIN1, ENCODE_BINARY };
enum { RECEIPTS_MEMBER, RECEIPTS_ALWAYS, RECEIPTS_FAILURES, RECEIPTS_NEVER };
enum { PORT_ACCEPTED, PORT_REJECTED, PORT_UNKNOWN };

struct send_config {
    const wf_cred *credential;
    int operation, repeated, encoding, receipts, flash, ussd;
    wf_str from_name, to_name, text_name, from, message_id, service_type;
    int64_t ttl_ms, attempts, priority, protocol_id;
};

struct sender {
    struct account_user user; /* first */
    struct account *account;
};

/* Why an item cannot be sent. */
struct send_refusal {
    enum wf_class error_class;
    const char *code, *text;
};

/* Fills m's PDUs from the item. 0, or -1 with *no. */
int compose(struct account *a, const struct send_config *c, const wf_host *h, wf_item *it,
            struct message *m, struct send_refusal *no);

void send_refuse(struct account *a, const wf_host *h, wf_item *it, const struct send_refusal *no);
/* It may have been sent by an earlier engine. */
void send_repeated(struct account *a, const wf_host *h, wf_item *it);

extern const wf_param send_params[];
extern const char send_docs[];
int send_check(const wf_host *h, const void *config, char *why, size_t why_size);
void *send_open(const wf_host *h, wf_inst *inst, wf_error *why);
void send_close(const wf_host *h, void *state);
void send_process(const wf_host *h, wf_item *const *items, size_t n);

#endif
