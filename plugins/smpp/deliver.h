/* SPDX-License-Identifier: Apache-2.0
 * catalyst.smppDeliver: what its files share. deliver.c has the node, deliver_compose.c makes PDUs.
 */
#ifndef PLUGIN_SMPP_DELIVER_H
#define PLUGIN_SMPP_DELIVER_H
#include "metrics.h"
#include "receipt.h"
#include "segment.h"
#include "tenants.h"

enum { DELIVER_AUTO, DELIVER_RECEIPT, DELIVER_MESSAGE };

struct deliver_config {
    int kind;
    wf_str tenant_id, system_id, message_id, state;
    int64_t wait_ms;
};

/* Makes the PDUs of an item. NULL with *code and *why: it cannot be delivered. */
struct delivery *deliver_compose(const wf_host *h, wf_item *it, const struct deliver_config *c,
                                 const char **code, const char **why);

/* On the worker of the item, with a struct delivery_result; `it` NULL: it is gone. */
void deliver_woken(const wf_host *h, wf_item *it, wf_str data);

extern const wf_param deliver_params[];
extern const char deliver_docs[];
void *deliver_open(const wf_host *h, wf_inst *inst, wf_error *why);
void deliver_close(const wf_host *h, void *state);
void deliver_process(const wf_host *h, wf_item *const *items, size_t n);

#endif
