/* SPDX-License-Identifier: Apache-2.0
 * The GET that subscribes a webhook: who knows the verify token gets the challenge back.
 * Thread: the worker's.
 */
#include "whatsapp_int.h"

enum { CHALLENGE_MAX = 256 };

/* Takes as long whatever the token is: over all that was given, and tells nothing of where it
 * differs. */
static int is_same(wf_str given, wf_str token)
{
    unsigned differs = given.len != token.len || !token.len;
    for (size_t i = 0; token.len && i < given.len; i++)
        differs |= (unsigned char)given.ptr[i] ^ (unsigned char)token.ptr[i % token.len];
    return !differs;
}

static wf_str asked(const wf_host *h, wf_item *it, const char *name)
{
    const wf_value *query = h->v->get(h->value(it), "query", 5);
    const wf_value *v = h->v->get(query, name, strlen(name));
    return h->v->type(v) == WF_JSON_STRING ? h->v->text(it, v) : (wf_str){ "", 0 };
}

void wa_challenge(const wf_host *h, wf_item *it)
{
    const struct events_config *c = h->config(it);
    const wf_webhook *webhook = h->service("webhook/1");
    wf_str token = c->credential ? h->secret(c->credential, "verifyToken") : (wf_str){ "", 0 };
    wf_str challenge = asked(h, it, "hub.challenge");
    static const wf_pair headers[] = { { "content-type", "text/plain" },
                                       { "x-content-type-options", "nosniff" },
                                       { NULL, NULL } };
    if (!token.len) {
        h->fail_with(
            it, &(wf_error){ .size = sizeof(wf_error), .fault = WF_ACCOUNT, .code = "credential" },
            "a subscription came, and the node has no credential with a verifyToken");
        return;
    }
    int verified = is_same(asked(h, it, "hub.verify_token"), token) &&
                   !strcmp(asked(h, it, "hub.mode").ptr, "subscribe") && challenge.len &&
                   challenge.len <= CHALLENGE_MAX;
    if (!webhook || webhook->respond(it, verified ? 200 : 403, headers,
                                     verified ? challenge : (wf_str){ "", 0 }) != 0)
        h->log(h->inst(it), WF_WARN, "whatsapp.nobody",
               "no request waits for the challenge: the webhook needs responseMode responseNode");
    h->emit(it, PORT_CHALLENGE, h->build(it, "{s:b}", "verified", verified));
}
