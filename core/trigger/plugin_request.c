/* SPDX-License-Identifier: Apache-2.0
 * HTTP requests of plugins' triggers, for sources that are polled. They go the way of an item's
 * request; what is under way when the plugin is stopped is canceled, so that no answer comes to a
 * state that is gone. Thread: the worker's; nothing blocks.
 */
#include "trigger/plugin_int.h"
#include <stdlib.h>

enum { REQUESTS_MAX = 64 };

struct asked {
    struct link link;
    struct wf_source *source;
    wf_ticket ticket;
    wf_source_fn *fn;
    void *arg;
};

static void on_reply(const wf_host *h, void *arg, const wf_reply *reply)
{
    struct asked *a = arg;
    wf_source_fn *fn = a->fn;
    void *of_plugin = a->arg;
    struct trigger_host *host = a->source->trigger.host;
    list_remove(&a->link);
    free(a);
    fn(h, of_plugin, reply);
    host->poke(host->ctx);
}

static bool too_many(const struct wf_source *s)
{
    unsigned n = 0;
    for (const struct link *at = s->requests.next; at != &s->requests; at = at->next)
        n++;
    return n >= REQUESTS_MAX;
}

int plugin_request(struct wf_source *s, const wf_request *request, wf_source_fn *fn, void *arg)
{
    const struct plan_node *node = &engine_plan_get(s->opened)->nodes[s->opened_node];
    wf_request known;
    if (!s->is_started || too_many(s) ||
        plugin_struct_copy(&known, sizeof known, request, node->type->plugin->request_size) != 0 ||
        known.upload || known.flags & WF_REQ_DOWNLOAD)
        return -1;
    struct asked *a = xcalloc(1, sizeof *a);
    *a = (struct asked){ .source = s, .fn = fn, .arg = arg };
    list_append(&s->requests, &a->link);
    a->ticket = engine_ask(s->trigger.host->engine, &known, on_reply, a);
    if (a->ticket.id)
        return 0;
    list_remove(&a->link);
    free(a);
    return -1;
}

void plugin_request_cancel(struct wf_source *s)
{
    struct asked *a;
    LIST_EACH(a, &s->requests, struct asked, link)
    {
        list_remove(&a->link);
        engine_ask_cancel(s->trigger.host->engine, a->ticket);
        free(a);
    }
}
