/* SPDX-License-Identifier: Apache-2.0
 * catalyst.whatsappEvents: the body of one webhook call becomes one item for each message, status
 * and error in it. Thread: the worker's. Nothing blocks.
 *
 * The signature was checked over the raw bytes by the webhook before there was an item. Still
 * nothing here trusts the shape of what came: a part that is not as it should be goes to port
 * errors and its neighbours go on.
 */
#include "whatsapp_int.h"

const wf_param events_params[] = {
    { WF_NAMED("credential"), WF_F_CRED(struct events_config, credential, "whatsAppWebhook"),
      .help = "Holds the verify token; needed to answer the subscription's GET" },
    WF_END,
};

const wf_pair events_codes[] = {
    { "body", "the item is no call of the WhatsApp webhook" },
    { "credential", "there is no verify token to compare with" },
    { NULL, NULL },
};

const char events_docs[] =
    "Behind a catalyst.webhook. The API signs every call: `X-Hub-Signature-256: sha256=<hex>`, "
    "the\n"
    "HMAC-SHA256 of the raw body under the app secret. The webhook checks that before anything is\n"
    "parsed and refuses others with 401; the app secret is a credential of type `hmac`:\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.webhook\", \"parameters\": {\"httpMethod\": \"POST\", \"path\": "
    "\"whatsapp\",\n"
    " \"authentication\": \"hmac\", \"options\": {\"hmacHeader\": \"X-Hub-Signature-256\"}},\n"
    " \"credentials\": {\"hmac\": {\"name\": \"whatsapp app secret\"}}}\n"
    "```\n"
    "\n"
    "With `responseMode` onReceived a call is answered as soon as it is durable.\n"
    "\n"
    "**Subscription.** The API asks once with GET (`hub.mode`, `hub.verify_token`,\n"
    "`hub.challenge`), unsigned: a second webhook of the same path with `httpMethod` GET, no\n"
    "authentication and `responseMode` responseNode, wired to this node. It compares the token in\n"
    "constant time with that of the credential `whatsAppWebhook`, answers 200 with the challenge "
    "or\n"
    "403, and gives `{\"verified\": true}` or false on port challenge.\n"
    "\n"
    "| port | item |\n"
    "|---|---|\n"
    "| messages | `channel`, `dedupe`, `provider_id`, `from`, `name`, `type`, `text`, `reply_to`, "
    "`ts_provider`, `account`, `message` (as it came) |\n"
    "| statuses | `channel`, `dedupe`, `msg_id`, `provider_id`, `to`, `state`, `code`, `class`, "
    "`reason`, `text`, `ts_provider`, `pricing`, `account` |\n"
    "| errors | `channel`, `dedupe`, `code`, `class`, `reason`, `text`, `account`, `event` (as it "
    "came) |\n"
    "\n"
    "What is not known is left out. `ts_provider` is in milliseconds since 1970, `account` the id "
    "of\n"
    "the number, `msg_id` what catalyst.whatsapp sent along. Calls come again for up to seven "
    "days\n"
    "and in any order. With `idempotencyKeyHeader` `X-Hub-Signature-256` and "
    "`idempotencyKeyRetention`\n"
    "`7d` the webhook answers a call that comes again as the first time, and starts nothing; "
    "`dedupe` "
    "is the\n"
    "same for an event each time; states are merged by rank (catalyst.messageStatus), accepted < "
    "sent "
    "<\n"
    "delivered < read, final failed. A `played` sound counts as\n"
    "read. A state or part that is not understood goes to errors.\n";

/* One call being taken apart. */
struct call {
    const wf_host *h;
    wf_item *it;
    const wf_value *value; /* of the change at hand */
};

static const wf_value *member(const struct call *c, const wf_value *object, const char *name)
{
    return c->h->v->get(object, name, strlen(name));
}

static wf_str string(const struct call *c, const wf_value *object, const char *name)
{
    const wf_value *v = member(c, object, name);
    return c->h->v->type(v) == WF_JSON_STRING ? c->h->v->text(c->it, v) : (wf_str){ "", 0 };
}

static const wf_value *put(const struct call *c, const wf_value *base, const char *name,
                           const wf_value *value)
{
    return value ? c->h->v->set(c->it, base, name, value) : base;
}

static const wf_value *put_text(const struct call *c, const wf_value *base, const char *name,
                                const char *text)
{
    return text && *text ? put(c, base, name, c->h->v->of_str(c->it, text, strlen(text))) : base;
}

/* Seconds as text. */
static const wf_value *put_time(const struct call *c, const wf_value *base, const wf_value *event)
{
    wf_str text = c->h->v->text(c->it, member(c, event, "timestamp"));
    int64_t s = 0;
    if (!text.len || text.len > 12)
        return base;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return base;
        s = s * 10 + (text.ptr[i] - '0');
    }
    return put(c, base, "ts_provider", c->h->v->of_int(c->it, s * 1000));
}

static const wf_value *put_account(const struct call *c, const wf_value *base)
{
    return put(c, base, "account", c->h->v->path(c->value, "metadata.phone_number_id"));
}

/* --- errors ----------------------------------------------------------------------------------- */

/* Code, class and words of an error object. */
static const wf_value *put_error(const struct call *c, const wf_value *base, const wf_value *error)
{
    int64_t code = 0;
    if (!error)
        return base;
    c->h->v->int64(member(c, error, "code"), &code);
    struct wa_verdict v = wa_classify(code, 0);
    wf_str text = string(c, error, "message");
    if (!text.len)
        text = string(c, error, "title");
    if (code)
        base = put(c, base, "code", c->h->v->of_int(c->it, code));
    base = put_text(c, base, "class", wf_class_name(v.class));
    base = put_text(c, base, "reason", v.reason);
    return put_text(c, base, "text", text.ptr);
}

/* An error has no id: the same content is the same error. */
static const char *fingerprint(const struct call *c, const wf_value *event)
{
    wf_str json = c->h->v->json(c->it, event);
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < json.len; i++)
        hash = (hash ^ (unsigned char)json.ptr[i]) * 0x100000001b3u;
    return c->h->fmt(c->it, "whatsapp:error:%016llx", (unsigned long long)hash).ptr;
}

static void push_error(const struct call *c, const wf_value *event)
{
    const wf_value *out =
        c->h->build(c->it, "{s:s,s:s}", "channel", "whatsapp", "dedupe", fingerprint(c, event));
    c->h->push(c->it, PORT_ERRORS,
               put(c, put_account(c, put_error(c, out, event)), "event", event));
}

/* A part that is not as the API describes it. */
static void push_strange(const struct call *c, const wf_value *event, const char *why)
{
    const wf_value *out = c->h->build(c->it, "{s:s,s:s,s:s,s:s}", "channel", "whatsapp", "dedupe",
                                      fingerprint(c, event), "reason", "input", "text", why);
    c->h->push(c->it, PORT_ERRORS, put(c, put_account(c, out), "event", event));
}

/* --- messages --------------------------------------------------------------------------------- */

/* What the sender wrote or pressed; NULL for other kinds. */
static const wf_value *text_of(const struct call *c, const wf_value *message)
{
    static const char *const places[] = { "text.body",
                                          "button.text",
                                          "interactive.button_reply.title",
                                          "interactive.list_reply.title",
                                          "image.caption",
                                          "video.caption",
                                          "document.caption",
                                          NULL };
    for (int i = 0; places[i]; i++) {
        const wf_value *v = c->h->v->path(message, places[i]);
        if (c->h->v->type(v) == WF_JSON_STRING)
            return v;
    }
    return NULL;
}

static const wf_value *name_of(const struct call *c, wf_str from)
{
    const wf_value *contacts = member(c, c->value, "contacts");
    for (size_t i = 0; i < c->h->v->count(contacts); i++) {
        const wf_value *contact = c->h->v->at(contacts, i);
        wf_str id = string(c, contact, "wa_id");
        if (id.len == from.len && !memcmp(id.ptr, from.ptr, id.len))
            return c->h->v->path(contact, "profile.name");
    }
    return NULL;
}

static void push_message(const struct call *c, const wf_value *message)
{
    wf_str id = string(c, message, "id"), from = string(c, message, "from");
    if (!id.len || !from.len) {
        push_strange(c, message, "a message without id or from");
        return;
    }
    const wf_value *out = c->h->build(c->it, "{s:s,s:s,s:S,s:S}", "channel", "whatsapp", "dedupe",
                                      c->h->fmt(c->it, "whatsapp:message:%s", id.ptr).ptr,
                                      "provider_id", id, "from", from);
    out = put(c, out, "name", name_of(c, from));
    out = put(c, out, "type", member(c, message, "type"));
    out = put(c, out, "text", text_of(c, message));
    out = put(c, out, "reply_to", c->h->v->path(message, "context.id"));
    out = put_account(c, put_time(c, out, message));
    c->h->push(c->it, PORT_MESSAGES, put(c, out, "message", message));
}

/* --- statuses --------------------------------------------------------------------------------- */

static enum wf_state state_of(wf_str name)
{
    if (name.len == 6 && !memcmp(name.ptr, "played", 6))
        return WF_STATE_READ;
    return wf_state_of(name.ptr, name.len);
}

static void push_status(const struct call *c, const wf_value *status)
{
    wf_str id = string(c, status, "id");
    enum wf_state state = state_of(string(c, status, "status"));
    if (!id.len || !state) {
        push_strange(c, status, id.len ? "a status that is not known" : "a status without id");
        return;
    }
    const char *name = wf_state_name(state);
    const wf_value *out = c->h->build(c->it, "{s:s,s:s}", "channel", "whatsapp", "dedupe",
                                      c->h->fmt(c->it, "whatsapp:status:%s:%s", id.ptr, name).ptr);
    out = put(c, out, "msg_id", member(c, status, "biz_opaque_callback_data"));
    out = put_text(c, out, "provider_id", id.ptr);
    out = put(c, out, "to", member(c, status, "recipient_id"));
    out = put_text(c, out, "state", name);
    out = put_error(c, out, c->h->v->path(status, "errors[0]"));
    out = put_time(c, out, status);
    out = put(c, out, "pricing", member(c, status, "pricing"));
    c->h->push(c->it, PORT_STATUSES, put_account(c, out));
}

/* --- the call --------------------------------------------------------------------------------- */

static void each(const struct call *c, const char *name,
                 void (*one)(const struct call *, const wf_value *))
{
    const wf_value *list = member(c, c->value, name);
    if (list && c->h->v->type(list) != WF_JSON_ARRAY) {
        push_strange(c, list, "messages, statuses or errors are no array");
        return;
    }
    for (size_t i = 0; i < c->h->v->count(list); i++)
        one(c, c->h->v->at(list, i));
}

static void take_entry(struct call *c, const wf_value *entry)
{
    const wf_value *changes = member(c, entry, "changes");
    c->value = NULL;
    if (c->h->v->type(changes) != WF_JSON_ARRAY) {
        push_strange(c, entry, "an entry without changes");
        return;
    }
    for (size_t i = 0; i < c->h->v->count(changes); i++) {
        c->value = member(c, c->h->v->at(changes, i), "value");
        each(c, "messages", push_message);
        each(c, "statuses", push_status);
        each(c, "errors", push_error);
    }
}

/* The item of a webhook, or the body alone. */
static void take_apart(const wf_host *h, wf_item *it)
{
    struct call c = { .h = h, .it = it };
    const wf_value *body = member(&c, h->value(it), "body");
    const wf_value *entries = member(&c, body ? body : h->value(it), "entry");
    if (h->v->type(entries) != WF_JSON_ARRAY) {
        h->fail_with(it,
                     &(wf_error){ .size = sizeof(wf_error), .fault = WF_REJECTED, .code = "body" },
                     "the body is no call of the WhatsApp webhook: it has no array 'entry'");
        return;
    }
    for (size_t i = 0; i < h->v->count(entries); i++)
        take_entry(&c, h->v->at(entries, i));
    h->done(it);
}

void events_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const wf_value *query = h->v->get(h->value(items[i]), "query", 5);
        if (h->v->get(query, "hub.mode", 8))
            wa_challenge(h, items[i]);
        else
            take_apart(h, items[i]);
    }
}
