/* SPDX-License-Identifier: Apache-2.0
 * acme.notify: posts one message per item to a chat; the answer leaves on port "sent".
 */
#include <catalyst/plugin.h>

enum { SENT };

struct config {
    wf_str server, text;
    const wf_cred *account;
};

static const wf_param params[] = {
    { WF_P_STR(struct config, server), .def = "https://chat.example.com", .help = "Base URL" },
    { WF_P_STR(struct config, text), .flags = WF_REQUIRED | WF_EXPR, .help = "The message" },
    { WF_P_CRED(struct config, account, "acmeChat"), .flags = WF_REQUIRED, .help = "Who posts" },
    WF_END,
};

static void on_reply(const wf_host *h, wf_item *it, const wf_reply *r)
{
    if (r->status >= 200 && r->status < 300)
        h->emit(it, SENT, h->build(it, "{s:S}", "answer", r->body));
    else if (r->status == 429 || r->status >= 500)
        h->retry(it, r->retry_after_ms, "chat: HTTP %d: %s", r->status, r->body.ptr);
    else if (!r->status && !(r->flags & WF_REPLY_MAYBE_SENT))
        h->retry(it, 0, "chat: %s", r->error);
    else if (!r->status)
        h->fail(it, "chat: %s, and the message may have arrived", r->error);
    else
        h->fail(it, "chat: HTTP %d: %s", r->status, r->body.ptr);
}

static void send_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wf_item *it = items[i];
        const struct config *c = h->config(it);
        wf_str url = h->fmt(it, "%s/messages", c->server.ptr);
        wf_str token = h->fmt(it, "Bearer %s", h->secret(c->account, "token").ptr);
        wf_str body = h->v->json(it, h->build(it, "{s:S}", "text", c->text));
        wf_pair headers[] = { { "authorization", token.ptr },
                              { "idempotency-key", h->key(it) },
                              { 0 } };
        h->request(it, &(wf_request){ "POST", url.ptr, body, .headers = headers }, on_reply);
    }
}

static const char *const ports[] = { "sent", NULL };
static const wf_node nodes[] = {
    { .type = "acme.notify",
      .help = "Posts a message to a chat",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = send_all,
      .flags = WF_NODE_EFFECT },
};
static const wf_param account[] = {
    { .name = "token", .type = WF_STRING, .flags = WF_SECRET, .help = "Access token" },
    WF_END,
};
static const wf_cred_type creds[] = { { "acmeChat", "An account of the chat", account } };

WF_PLUGIN_CREDS("notify", "1.0.0", nodes, creds);
