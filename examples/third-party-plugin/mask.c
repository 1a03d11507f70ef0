/* SPDX-License-Identifier: Apache-2.0
 * acme.mask: leaves only the last digits of a number readable, so that it can be logged.
 */
#include <catalyst/plugin.h>

struct config {
    wf_str field, value;
    int64_t keep;
};

static const wf_param params[] = {
    { WF_P_STR(struct config, value), .flags = WF_REQUIRED | WF_EXPR, .help = "What to mask" },
    { WF_P_STR(struct config, field), .def = "masked", .help = "Name of the field it goes to" },
    { WF_P_INT(struct config, keep), .def = "4", .min = 0, .max = 32, .help = "How much stays" },
    WF_END,
};

static void mask_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct config *c = h->config(items[i]);
        char *text = h->alloc(items[i], c->value.len + 1);
        for (size_t k = 0; k < c->value.len; k++)
            text[k] = k + (size_t)c->keep < c->value.len ? '*' : c->value.ptr[k];
        text[c->value.len] = 0;
        const wf_value *masked = h->build(items[i], "S", (wf_str){ text, c->value.len });
        h->emit(items[i], 0, h->v->set_key(items[i], h->value(items[i]), c->field, masked));
    }
}

static const char *const ports[] = { "main", NULL };
static const wf_node nodes[] = { { .type = "acme.mask",
                                   .help = "Masks all but the end of a text",
                                   .ports = ports,
                                   .params = params,
                                   .config_size = sizeof(struct config),
                                   .process = mask_all } };

WF_PLUGIN("mask", "1.0.0", nodes);
