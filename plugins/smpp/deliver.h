/* SPDX-License-Identifier: Apache-2.0
 * catalyst.smppDeliver: what its files share. deliver.c has the node, deliver_compose.c makes PDUs,
 * deliver_keep.c keeps what nobody is there for.
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
    int64_t wait_ms, keep_ms, keep_most;
};

/* Makes the PDUs of an item. NULL with *code and *why: it cannot be delivered. */
struct delivery *deliver_compose(const wf_host *h, wf_item *it, const struct deliver_config *c,
                                 const char **code, const char **why);

/* On the worker of the item, with a struct delivery_result; `it` NULL: it is gone. */
void deliver_woken(const wf_host *h, wf_item *it, wf_str data);

/* --- deliver_keep.c: a node's state ----------------------------------------------------------- */

struct keep;
struct keep *keep_create(const wf_host *h, wf_inst *inst);
void keep_destroy(struct keep *k);
/* The item is parked until a receiver of the tenant is bound, or until until_ms (monotonic), and
 * then given to deliver_again(). -1: `most` are here already. */
int keep_add(struct keep *k, wf_item *it, wf_str tenant_id, wf_str system_id, int64_t until_ms,
             uint32_t most);
void deliver_again(const wf_host *h, wf_item *it, int64_t until_ms);

extern const wf_param deliver_params[];
extern const char deliver_docs[];
void *deliver_open(const wf_host *h, wf_inst *inst, wf_error *why);
void deliver_close(const wf_host *h, void *state);
void deliver_process(const wf_host *h, wf_item *const *items, size_t n);

#endif
