/* SPDX-License-Identifier: Apache-2.0
 * catalyst.whatsapp: parameters, and one request for each item. Thread: the worker's. Nothing
 * blocks.
 */
#include "whatsapp_int.h"

const char *const wa_kind_names[] = { "text",  "template", "image",      "document",
                                      "audio", "video",    "interactive" };

static const wf_pair kinds[] = {
    { "text", "Text" },
    { "template", "An approved template, also outside the 24 hours of a conversation" },
    { "image", "A picture" },
    { "document", "A file" },
    { "audio", "A sound" },
    { "video", "A film" },
    { "interactive", "Buttons, lists, flows: JSON as the API wants it" },
    { NULL, NULL },
};

#define MEDIA "messageType=image|document|audio|video"

const wf_param send_params[] = {
    { WF_NAMED("credential"), WF_F_CRED(struct send_config, credential, "whatsAppApi"),
      .flags = WF_REQUIRED, .help = "Account of the Cloud API" },
    { WF_NAMED("phoneNumberId"), WF_F_STR(struct send_config, phone_number_id),
      .flags = WF_REQUIRED | WF_EXPR, .help = "Id of the number that sends" },
    { WF_P_STR(struct send_config, to), .flags = WF_REQUIRED | WF_EXPR,
      .help = "Recipient: digits with country code, also with + in front" },
    { WF_NAMED("messageType"), WF_F_CHOICE(struct send_config, kind, kinds), .def = "text",
      .help = "What is sent" },
    { WF_P_STR(struct send_config, text), .flags = WF_REQUIRED | WF_EXPR | WF_MULTILINE,
      .show_if = "messageType=text", .help = "The text, at most 4096 characters" },
    { WF_NAMED("previewUrl"), WF_F_BOOL(struct send_config, preview_url),
      .show_if = "messageType=text", .help = "Show a preview of the first link" },
    { WF_NAMED("templateName"), WF_F_STR(struct send_config, template_name),
      .flags = WF_REQUIRED | WF_EXPR, .show_if = "messageType=template",
      .help = "Name of the template" },
    { WF_NAMED("languageCode"), WF_F_STR(struct send_config, language), .flags = WF_EXPR,
      .def = "en_US", .show_if = "messageType=template", .help = "Its language" },
    { WF_P_VALUE(struct send_config, components), .flags = WF_EXPR,
      .show_if = "messageType=template", .help = "Its components: an array, or JSON text of one" },
    { WF_NAMED("mediaLink"), WF_F_STR(struct send_config, media_link), .flags = WF_EXPR,
      .show_if = MEDIA, .help = "URL of the file; or mediaId" },
    { WF_NAMED("mediaId"), WF_F_STR(struct send_config, media_id), .flags = WF_EXPR,
      .show_if = MEDIA, .help = "Id of an uploaded file; or mediaLink" },
    { WF_NAMED("binaryPropertyName"), WF_F_STR(struct send_config, part), .flags = WF_EXPR,
      .show_if = MEDIA,
      .help = "Name of a binary part of the item, which is uploaded and sent; or mediaLink" },
    { WF_P_STR(struct send_config, caption), .flags = WF_EXPR | WF_MULTILINE,
      .show_if = "messageType=image|document|video",
      .help = "Text below it, at most 1024 characters" },
    { WF_NAMED("fileName"), WF_F_STR(struct send_config, file_name), .flags = WF_EXPR,
      .show_if = "messageType=document", .help = "Name the recipient sees" },
    { WF_P_VALUE(struct send_config, interactive), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = "messageType=interactive", .help = "An object, or JSON text of one" },
    { WF_NAMED("options.replyTo"), WF_F_STR(struct send_config, reply_to), .flags = WF_EXPR,
      .help = "Id (wamid) of the message this one answers" },
    { WF_NAMED("options.messageId"), WF_F_STR(struct send_config, message_id), .flags = WF_EXPR,
      .help = "Our id of the message, which comes back in every status; empty: the item's key, the "
              "same on every try" },
    { WF_NAMED("options.timeout"), WF_F_MS(struct send_config, timeout_ms), .def = "10s", .min = 1,
      .max = 600000, .help = "How long to wait for the answer" },
    { WF_NAMED("options.holdTime"), WF_F_MS(struct send_config, hold_ms), .def = "15m", .min = 1000,
      .max = 86400000, .help = "How long to wait after the API has put the number on hold" },
    { WF_NAMED("options.rate"), WF_F_INT(struct send_config, rate), .def = "80", .min = 0,
      .max = 100000,
      .help =
          "Messages a second of one number on one worker; 0: no limit. The API takes 80, and 1,000 "
          "after an upgrade" },
    { WF_NAMED("options.pairInterval"), WF_F_MS(struct send_config, pair_interval_ms), .def = "6s",
      .min = 0, .max = 3600000,
      .help = "Between two messages to one recipient, after a burst of 45; 0: no limit" },
    { WF_NAMED("options.maxWait"), WF_F_MS(struct send_config, max_wait_ms), .def = "1m", .min = 0,
      .max = 3600000,
      .help =
          "How long an item may wait for its turn; one that would wait longer fails with `paced`, "
          "which is retried later" },
    WF_END,
};

const wf_pair send_codes[] = {
    { "credential", "the credential cannot be used" },
    { "transport", "no connection, nothing was sent" },
    { "transient", "a fault of the API that passes" },
    { "throttled", "a rate limit of the number, or of the number and this recipient" },
    { "paced", "its turn would come later than options.maxWait" },
    { "held", "the API has put the number on hold (131048, 368)" },
    { NULL, NULL },
};

const char send_docs[] =
    "All items of a frame are sent at once. Every item ends on one of three ports, with its JSON\n"
    "and an object `send`:\n"
    "\n"
    "| port | `send` |\n"
    "|---|---|\n"
    "| accepted | `outcome` accepted, `channel`, `account`, `to`, `msg_id`, `provider_id`, `wa_id` "
    "|\n"
    "| rejected | `outcome` rejected or deferred, `class`, `reason`, `code`, `text`, and the same "
    "|\n"
    "| unknown | `outcome` unknown, `text`: it was sent and no answer came |\n"
    "\n"
    "**Unknown is not tried again.** The API knows no idempotency keys, so a second try could\n"
    "deliver twice. `msg_id` went along as `biz_opaque_callback_data` and comes back in every\n"
    "status (catalyst.whatsappEvents): a status tells that the message was taken. An answer "
    "without\n"
    "an id, and a 504 without a code, end here as well. After a\n"
    "crash, what may have been sent before it ends here too: exactly that with durability "
    "each_step,\nand whatever waited at the trigger with the others.\n"
    "\n"
    "**Classes**, by the error's `code`:\n"
    "\n"
    "| codes | what becomes of the item |\n"
    "|---|---|\n"
    "| 1, 2, 131000, 131016, 131057, 133004, others with HTTP 5xx | tried again (transient) |\n"
    "| 4, 80007, 130429 | tried again; slows the account |\n"
    "| 131056 | tried again; slows this pair of number and recipient |\n"
    "| 131048, 368 | tried again after `options.holdTime`; slows the account |\n"
    "| 131049 | rejected: outcome deferred, class throttle, reason capped: not soon over this "
    "channel "
    "|\n"
    "| 131026, 131021, 130472 | rejected: permanent-recipient |\n"
    "| 131047 | rejected: window-closed, send a template instead |\n"
    "| 131051, 131009, 100, others | rejected: permanent-content |\n"
    "| 132000 to 132016 | rejected: permanent-content, reason template |\n"
    "| 131031, 131042, 190, 200 to 299, 3, 10, 131005, 131037, 131045, 133010 | rejected: "
    "permanent-account; stop this sender |\n"
    "\n"
    "Retry-After of an answer is kept to. Text above 4096 characters, captions above 1024 and\n"
    "recipients that are no number are rejected without a request, with reason `limit` or "
    "`input`.\n"
    "\n"
    "**Files**: a URL that the API fetches, the id of an uploaded file, or a binary part of the "
    "item, which is\nuploaded first. Nobody gets anything by an upload, so one whose answer was "
    "lost is made again.\n"
    "\n"
    "**Pace.** `options.rate` for the number and `options.pairInterval` for each recipient: what "
    "is "
    "faster\nwaits here, in order for each recipient. What the API throttles all the same is shut "
    "for as long as\nit says and goes at half the rate then, which recovers.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.whatsapp\", \"parameters\": {\"phoneNumberId\": \"106540352242922\",\n"
    " \"to\": \"={{ $json.to }}\", \"messageType\": \"text\", \"text\": \"={{ $json.text }}\"},\n"
    " \"credentials\": {\"whatsAppApi\": {\"name\": \"my account\"}}}\n"
    "```\n";

/* --- checks ----------------------------------------------------------------------------------- */

int send_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct send_config *c = config;
    (void)h;
    if ((c->media_link.len > 0) + (c->media_id.len > 0) + (c->part.len > 0) > 1) {
        snprintf(why, why_size,
                 "mediaLink, mediaId, binaryPropertyName: more than one is given; one is sent");
        return -1;
    }
    return 0;
}

/* --- the request ------------------------------------------------------------------------------ */

static void refuse_credential(const wf_host *h, wf_item *it, const char *why)
{
    h->fail_with(it,
                 &(wf_error){ .size = sizeof(wf_error), .fault = WF_ACCOUNT, .code = "credential" },
                 "the credential's %s", why);
}

/* "" when the credential is none that can be used; the item is failed then. */
static const char *make_url(const wf_host *h, wf_item *it, const char *what)
{
    const struct send_config *c = h->config(it);
    wf_str base = h->secret(c->credential, "baseUrl"),
           version = h->secret(c->credential, "apiVersion");
    if (!base.len)
        base = (wf_str){ "https://graph.facebook.com", 26 };
    if (!version.len)
        version = (wf_str){ "v21.0", 5 };
    while (base.len && base.ptr[base.len - 1] == '/')
        base.len--;
    if ((strncmp(base.ptr, "https://", 8) != 0 && strncmp(base.ptr, "http://", 7) != 0) ||
        strpbrk(base.ptr, " \r\n\t?#@"))
        refuse_credential(h, it, "baseUrl is no address of a server");
    else if (strspn(version.ptr, "v0123456789.") != version.len)
        refuse_credential(h, it, "apiVersion is no version such as v21.0");
    else
        return h
            ->fmt(it, "%.*s/%s%s/%s/%s", (int)base.len, base.ptr, version.ptr[0] == 'v' ? "" : "v",
                  version.ptr, c->phone_number_id.ptr, what)
            .ptr;
    return "";
}

static const char *authorization(const wf_host *h, wf_item *it)
{
    const struct send_config *c = h->config(it);
    wf_str token = h->secret(c->credential, "accessToken");
    if (token.len && !strpbrk(token.ptr, " \r\n\t"))
        return h->fmt(it, "Bearer %s", token.ptr).ptr;
    refuse_credential(h, it,
                      token.len ? "accessToken holds what a token cannot" : "accessToken is empty");
    return "";
}

void wa_send_message(const wf_host *h, wf_item *it, wf_str media_id)
{
    const struct send_config *c = h->config(it);
    struct wa_refusal no = { 0 };
    const wf_value *message = wa_message(h, it, media_id, &no);
    if (!message) {
        wa_reject(h, it, &(struct wa_verdict){ .class = no.class, .reason = no.reason }, 0,
                  no.text);
        return;
    }
    int is_upload = wa_has_part(c) && !media_id.ptr;
    const char *url = make_url(h, it, is_upload ? "media" : "messages"),
               *auth = *url ? authorization(h, it) : "";
    if (!*auth)
        return;
    if (is_upload) { /* the message would be sound, but for its id */
        wa_upload(h, it, url, auth);
        return;
    }
    const wf_pair headers[] = { { "authorization", auth },
                                { "content-type", "application/json" },
                                { NULL, NULL } };
    h->request(it,
               &(wf_request){ .method = "POST",
                              .url = url,
                              .body = h->v->json(it, message),
                              .timeout_ms = c->timeout_ms,
                              .headers = headers,
                              .max_bytes = 1 << 20 },
               wa_on_reply);
}

void wa_send(const wf_host *h, wf_item *it)
{
    if (wf_maybe_sent(h, it))
        wa_end_begun(h, it);
    else
        wa_send_message(h, it, (wf_str){ NULL, 0 });
}
