/* SPDX-License-Identifier: Apache-2.0
 * catalyst/filter_node.h - the whole of a node that is a filter and nothing more: its config,
 * parameters, state and checks. Header only, needs libc only.
 *
 * Two functions of two lines are left to such a node: where what holds goes, and where the rest.
 *
 *   static void process(const wf_host *h, wf_item *const *items, size_t n)
 *   {
 *       wf_filter_items(h, items, n, PORT_TRUE, PORT_FALSE);
 *   }
 *   static const wf_node nodes[] = { { WF_FILTER_NODE, .type = .., .process = process, .. } };
 *
 * Thread: [w]. Nothing blocks.
 */
#ifndef WF_FILTER_NODE_H
#define WF_FILTER_NODE_H
#include <catalyst/filter.h>

typedef struct {
    wf_filter filter;
    wf_filter_switches switches;
} wf_filter_config;

WF_FILTER_TABLE wf_param wf_filter_node_params[] = {
    WF_FILTER_PARAMS(wf_filter_config, filter),
    WF_FILTER_SWITCH_PARAMS(wf_filter_config, switches),
    WF_END,
};

WF_FILTER_TABLE wf_pair wf_filter_node_codes[] = { WF_FILTER_CODES, { NULL, NULL } };

enum { WF_FILTER_NOWHERE = -1 }; /* instead of a port: the item ends here */

/* Sends each item, unchanged, by the port its answer names. */
static inline void wf_filter_items(const wf_host *h, wf_item *const *items, size_t n, int holds,
                                   int fails)
{
    for (size_t i = 0; i < n; i++) {
        const wf_filter_config *c = h->config(items[i]);
        wf_filter_error error;
        int answer =
            wf_filter_match(h, items[i], &c->filter, &c->switches, h->state(items[i]), &error);
        int port = answer > 0 ? holds : fails;
        if (answer < 0)
            wf_filter_fail_item(h, items[i], &error);
        else if (port == WF_FILTER_NOWHERE)
            h->done(items[i]);
        else
            h->pass(items[i], (unsigned)port);
    }
}

static inline int wf_filter_node_check(const wf_host *h, const void *config, char *why,
                                       size_t why_size)
{
    const wf_filter_config *c = config;
    return wf_filter_check(h, &c->filter, &c->switches, why, why_size);
}

#define WF_FILTER_NODE                                                                             \
    .params = wf_filter_node_params, .config_size = sizeof(wf_filter_config),                      \
    .open = wf_filter_open, .close = wf_filter_close, .codes = wf_filter_node_codes,               \
    .check = wf_filter_node_check

#endif
