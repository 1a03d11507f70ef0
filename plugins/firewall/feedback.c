/* SPDX-License-Identifier: Apache-2.0
 * catalyst.firewallFeedback: a code that was sent has been used. Codes that nobody uses are how
 * inflated traffic gives itself away; the counters are those of the firewall with the same rules
 * file in the same process.
 *
 * Thread: the worker's; counters are shared. Nothing blocks.
 */
#include "firewall_int.h"
#include "other_nodes.h"
#include <stdlib.h>

const wf_param feedback_params[] = {
    { WF_P_STR(struct feedback_config, rules), .flags = WF_REQUIRED,
      .help = "The rules file of the firewall, written as it is there" },
    { WF_NAMED("fields.tenant"), WF_F_STR(struct feedback_config, tenant), .def = "tenant_id",
      .help = "Member with the tenant" },
    { WF_NAMED("fields.to"), WF_F_STR(struct feedback_config, to), .def = "to",
      .help = "Member with the number the code was sent to" },
    { WF_NAMED("options.keys"), WF_F_INT(struct feedback_config, keys), .def = "4000000",
      .min = 65536, .max = 1000000000,
      .help = "As the firewall's: the first node of a process decides" },
    WF_END,
};

struct feedback {
    const struct feedback_config *c;
    struct rates *rates;
};

void *feedback_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    struct feedback *f = calloc(1, sizeof *f);
    (void)why;
    if (!f)
        abort();
    f->c = h->inst_config(inst);
    f->rates = rates_get(f->c->rules.ptr, (size_t)f->c->keys);
    return f;
}

void feedback_close(const wf_host *h, void *state)
{
    struct feedback *f = state;
    (void)h;
    rates_put(f->rates);
    free(f);
}

static int convert(const wf_host *h, const struct feedback *f, wf_item *it)
{
    const char *tenant, *to;
    size_t tenant_len, to_len;
    const wf_value *item = h->value(it);
    if (h->v->bytes(h->v->get(item, f->c->tenant.ptr, f->c->tenant.len), &tenant, &tenant_len) !=
            0 ||
        h->v->bytes(h->v->get(item, f->c->to.ptr, f->c->to.len), &to, &to_len) != 0)
        return -1;
    uint64_t number = number_parse(to, to_len);
    return number ? ranges_convert(f->rates->ranges, name_hash(tenant, tenant_len), number) : -1;
}

void feedback_process(const wf_host *h, wf_item *const *items, size_t n)
{
    struct feedback *f = h->state(items[0]);
    int64_t counts[2] = { 0, 0 };
    for (size_t i = 0; i < n; i++) {
        counts[convert(h, f, items[i]) != 0]++;
        h->pass(items[i], 0);
    }
    for (unsigned i = 0; i < 2; i++)
        if (counts[i])
            h->count(h->inst(items[0]), i, counts[i]);
}
