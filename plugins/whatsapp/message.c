/* SPDX-License-Identifier: Apache-2.0
 * From an item's config to the body of a send. What the API would refuse for its size is refused
 * here, before it costs a request and counts against the number's quality. Thread: the worker's.
 */
#include "whatsapp_int.h"

enum { TEXT_MAX = 4096, CAPTION_MAX = 1024, CALLBACK_MAX = 512, TO_MIN = 5, TO_MAX = 20 };

static const wf_value *refuse(struct wa_refusal *no, enum wf_class class, const char *reason,
                              const char *text)
{
    *no = (struct wa_refusal){ class, reason, text };
    return NULL;
}

static const wf_value *refuse_input(struct wa_refusal *no, const char *text)
{
    return refuse(no, WF_CLASS_PERMANENT_CONTENT, "input", text);
}

static int is_too_long(const wf_host *h, wf_item *it, const char *what, wf_str s, size_t most,
                       struct wa_refusal *no)
{
    size_t n = wf_text_count(s.ptr, s.len);
    if (n <= most)
        return 0;
    refuse(no, WF_CLASS_PERMANENT_CONTENT, "limit",
           h->fmt(it, "%s has %zu characters, WhatsApp takes %zu", what, n, most).ptr);
    return 1;
}

/* JSON text is taken as well as a value. */
static const wf_value *json_given(const wf_host *h, wf_item *it, const wf_value *value)
{
    const char *why = NULL;
    if (h->v->type(value) != WF_JSON_STRING)
        return value;
    return h->v->parse(it, h->v->text(it, value), &why);
}

/* --- kinds ------------------------------------------------------------------------------------ */

static const wf_value *text_part(const wf_host *h, wf_item *it, struct wa_refusal *no)
{
    const struct send_config *c = h->config(it);
    if (!c->text.len)
        return refuse_input(no, "text is empty");
    if (is_too_long(h, it, "text", c->text, TEXT_MAX, no))
        return NULL;
    return h->build(it, "{s:S,s:b}", "body", c->text, "preview_url", c->preview_url);
}

static const wf_value *template_part(const wf_host *h, wf_item *it, struct wa_refusal *no)
{
    const struct send_config *c = h->config(it);
    if (!c->template_name.len || !c->language.len)
        return refuse_input(no, "templateName and languageCode must be given");
    const wf_value *part =
        h->build(it, "{s:S,s:{s:S}}", "name", c->template_name, "language", "code", c->language);
    if (!c->components || h->v->type(c->components) == WF_JSON_NULL)
        return part;
    const wf_value *components = json_given(h, it, c->components);
    if (h->v->type(components) != WF_JSON_ARRAY)
        return refuse_input(no, "components is no array");
    return h->v->set(it, part, "components", components);
}

static const wf_value *media_part(const wf_host *h, wf_item *it, wf_str uploaded,
                                  struct wa_refusal *no)
{
    const struct send_config *c = h->config(it);
    wf_str id = uploaded.ptr ? uploaded : c->media_id;
    if ((c->media_link.len > 0) + (c->media_id.len > 0) + (c->part.len > 0) != 1)
        return refuse_input(no, "one of mediaLink, mediaId and binaryPropertyName must be given");
    if (c->media_link.len && strncmp(c->media_link.ptr, "https://", 8) != 0 &&
        strncmp(c->media_link.ptr, "http://", 7) != 0)
        return refuse_input(no, "mediaLink must begin with https:// or http://");
    if (is_too_long(h, it, "caption", c->caption, CAPTION_MAX, no))
        return NULL;
    const wf_value *part = c->media_link.len ? h->build(it, "{s:S}", "link", c->media_link)
                                             : h->build(it, "{s:S}", "id", id);
    if (c->caption.len)
        part = h->v->set(it, part, "caption", h->v->of_str(it, c->caption.ptr, c->caption.len));
    if (c->file_name.len)
        part =
            h->v->set(it, part, "filename", h->v->of_str(it, c->file_name.ptr, c->file_name.len));
    return part;
}

static const wf_value *interactive_part(const wf_host *h, wf_item *it, struct wa_refusal *no)
{
    const struct send_config *c = h->config(it);
    const wf_value *part = json_given(h, it, c->interactive);
    if (h->v->type(part) != WF_JSON_OBJECT ||
        h->v->type(h->v->get(part, "type", 4)) != WF_JSON_STRING)
        return refuse_input(no, "interactive is no object with a type");
    return part;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* As the API knows the recipient: digits alone. */
static int check_recipient(const struct send_config *c, struct wa_refusal *no)
{
    const char *digits = c->to.ptr + (c->to.len && c->to.ptr[0] == '+');
    size_t len = strlen(digits);
    if (len >= TO_MIN && len <= TO_MAX && strspn(digits, "0123456789") == len)
        return 0;
    refuse(no, WF_CLASS_PERMANENT_RECIPIENT, "input", "to is no number with country code");
    return -1;
}

static const wf_value *part_of(const wf_host *h, wf_item *it, wf_str media_id,
                               struct wa_refusal *no)
{
    const struct send_config *c = h->config(it);
    switch (c->kind) {
    case KIND_TEXT:
        return text_part(h, it, no);
    case KIND_TEMPLATE:
        return template_part(h, it, no);
    case KIND_INTERACTIVE:
        return interactive_part(h, it, no);
    default:
        return media_part(h, it, media_id, no);
    }
}

const wf_value *wa_message(const wf_host *h, wf_item *it, wf_str media_id, struct wa_refusal *no)
{
    const struct send_config *c = h->config(it);
    const char *key = c->message_id.len ? c->message_id.ptr : h->key(it);
    if (!c->phone_number_id.len ||
        strspn(c->phone_number_id.ptr, "0123456789") != c->phone_number_id.len)
        return refuse_input(no, "phoneNumberId is no number");
    if (check_recipient(c, no) != 0 ||
        is_too_long(h, it, "messageId", (wf_str){ key, strlen(key) }, CALLBACK_MAX, no))
        return NULL;
    const wf_value *part = part_of(h, it, media_id, no);
    if (!part)
        return NULL;
    const char *kind = wa_kind_names[c->kind];
    const wf_value *message =
        h->build(it, "{s:s,s:s,s:s,s:s,s:v,s:s}", "messaging_product", "whatsapp", "recipient_type",
                 "individual", "to", c->to.ptr + (c->to.ptr[0] == '+'), "type", kind, kind, part,
                 "biz_opaque_callback_data", key);
    if (c->reply_to.len)
        message =
            h->v->set(it, message, "context", h->build(it, "{s:S}", "message_id", c->reply_to));
    return message;
}
