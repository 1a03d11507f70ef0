/* SPDX-License-Identifier: Apache-2.0
 * What the files of the webhook plugin share: the respond node's table and function.
 */
#ifndef PLUGIN_WEBHOOK_INT_H
#define PLUGIN_WEBHOOK_INT_H
#include <catalyst/plugin.h>
#include <stdio.h>
#include <string.h>

struct respond_config {
    int with;
    wf_str redirect_url, text, key, part;
    const wf_value *json;
    int64_t code;
    wf_list headers;
};

extern const wf_param respond_params[];
extern const char respond_docs[];
void respond(const wf_host *h, wf_segment *const *segs, size_t n);

#endif
