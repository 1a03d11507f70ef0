/* SPDX-License-Identifier: Apache-2.0
 * catalyst.telegramTrigger: the parts that telegram.c puts into the plugin's table.
 */
#ifndef PLUGIN_TELEGRAM_POLL_H
#define PLUGIN_TELEGRAM_POLL_H
#include <catalyst/plugin.h>

struct poll_config {
    const wf_cred *credential;
    const wf_value *updates; /* names, as a list */
    int64_t limit, timeout_ms;
};
extern const wf_param poll_params[];
extern const wf_trigger poll_trigger;
extern const wf_metric poll_metrics[];
extern const char poll_docs[];

void *poll_open(const wf_host *h, wf_inst *inst, wf_error *why);
void poll_close(const wf_host *h, void *state);
int poll_check(const wf_host *h, const void *config, char *why, size_t why_size);
/* The trigger's items are handed on. */
void poll_pass(const wf_host *h, wf_item *const *items, size_t n);

#endif
