/* SPDX-License-Identifier: Apache-2.0
 * A request as the item of its execution. A body that is not what its content type says is found
 * before anything is started: the client is told, and nothing fails later that nobody waits for.
 * Thread: the worker's.
 */
#include "trigger/webhook_int.h"
#include <string.h>

enum { MAX_PARTS = 64, MAX_FIELDS = 1024 };

static struct json text_value(struct arena *a, wf_str s) { return json_of_str(a, s.ptr, s.len); }

/* Adds a member, or replaces the one of that name: the last wins. */
static void member_put(struct json *object, struct json_member *members, struct json key,
                       struct json value)
{
    uint32_t at = 0;
    while (at < object->len && !json_equal(&members[at].key, &key))
        at++;
    members[at].key = key;
    members[at].value = value;
    object->len += at == object->len;
}

static struct json headers_object(struct arena *a, const struct http_request *req)
{
    struct json_member *members;
    struct json object = json_object(a, req->n_headers, &members);
    object.len = 0;
    for (unsigned i = 0; i < req->n_headers; i++)
        member_put(&object, members, text_value(a, req->headers[i].name),
                   text_value(a, req->headers[i].value));
    return object;
}

static struct json fields_object(struct arena *a, wf_str text)
{
    struct http_fields fields = { 0 };
    struct err err;
    struct json_member *members;
    if (http_form_parse(a, text, MAX_FIELDS, &fields, &err) != 0)
        fields.n = 0;
    struct json object = json_object(a, fields.n, &members);
    object.len = 0;
    for (size_t i = 0; i < fields.n; i++)
        member_put(&object, members, text_value(a, fields.at[i].name),
                   text_value(a, fields.at[i].value));
    return object;
}

static struct json params_object(struct arena *a, const struct route_match *match)
{
    struct json_member *members;
    struct json object = json_object(a, match->n_params, &members);
    for (unsigned i = 0; i < match->n_params; i++) {
        char *decoded = arena_alloc(a, match->params[i].value.len + 1);
        size_t len = http_decode(decoded, match->params[i].value, false);
        members[i].key = text_value(a, match->params[i].name);
        members[i].value = json_of_str(a, decoded, len);
    }
    return object;
}

static int body_multipart(struct arena *a, const struct webhook_call *call, wf_str type,
                          struct json *body, struct inbound_item *item, struct err *err)
{
    struct http_part *parts;
    size_t n;
    if (http_multipart_parse(a, type, call->body, MAX_PARTS, &parts, &n, err) != 0)
        return -1;
    struct json_member *members;
    struct inbound_file *files = ARENA_ARRAY(a, struct inbound_file, n + 2);
    *body = json_object(a, n, &members);
    body->len = 0;
    if (item->n_files) /* the raw body */
        files[0] = item->files[0];
    for (size_t i = 0; i < n; i++) {
        if (parts[i].file_name.ptr)
            files[item->n_files++] =
                (struct inbound_file){ parts[i].name.ptr, parts[i].content_type, parts[i].file_name,
                                       parts[i].body };
        else
            member_put(body, members, text_value(a, parts[i].name), text_value(a, parts[i].body));
    }
    item->files = files;
    return 0;
}

static void add_whole_body(struct arena *a, const struct webhook_call *call, wf_str media,
                           struct inbound_item *item)
{
    wf_str name = call->hook->config->binary_name;
    struct inbound_file *file = ARENA_NEW(a, struct inbound_file);
    *file = (struct inbound_file){ name.len ? arena_str(a, name.ptr, name.len).ptr : "data",
                                   media.len ? media : STR("application/octet-stream"), STR("body"),
                                   call->body };
    item->files = file;
    item->n_files = 1;
}

static bool is_json(wf_str media)
{
    return str_eq(media, STR("application/json")) ||
           (media.len > 5 && !memcmp(media.ptr + media.len - 5, "+json", 5));
}

static int body_value(struct arena *a, const struct webhook_call *call, struct json *body,
                      struct inbound_item *item, struct err *err)
{
    wf_str type = http_request_header(call->req, "content-type");
    wf_str media = type.ptr ? http_media_type(a, type) : (wf_str){ "", 0 };
    struct json_error why;
    struct json_member *none;
    *body = json_object(a, 0, &none);
    if (!call->body.len)
        return 0;
    bool is_binary = webhook_is_binary(media);
    if (call->hook->config->raw_body || is_binary)
        add_whole_body(a, call, media, item);
    if (is_binary)
        return 0;
    if (str_eq(media, STR("application/x-www-form-urlencoded"))) {
        *body = fields_object(a, call->body);
        return 0;
    }
    if (str_eq(media, STR("multipart/form-data")))
        return body_multipart(a, call, type, body, item, err);
    bool must_parse = is_json(media);
    if (!must_parse && media.len) {
        *body = text_value(a, call->body);
        return 0;
    }
    if (json_parse(a, call->body.ptr, call->body.len, 0, body, &why) == 0)
        return 0;
    if (!must_parse || call->hook->config->raw_body) { /* it is kept as it came besides */
        *body = text_value(a, call->body);
        return 0;
    }
    return err_set(err, ERR_INVALID, "the body is not JSON: byte %zu: %s", why.offset, why.reason);
}

/* The webhook's own address, as the client named its server: behind a proxy that is what the proxy
 * sends as Host. */
static struct json address(struct arena *a, const struct webhook_call *call)
{
    wf_str host = http_request_header(call->req, "host");
    const char *scheme = call->req->is_tls ? "https://" : "http://";
    size_t n_scheme = host.len ? strlen(scheme) : 0, n_path = strlen(call->match->pattern);
    char *text = arena_alloc(a, n_scheme + host.len + n_path + 1);
    memcpy(text, scheme, n_scheme);
    if (host.len)
        memcpy(text + n_scheme, host.ptr, host.len);
    memcpy(text + n_scheme + host.len, call->match->pattern, n_path);
    return json_of_str_borrow((wf_str){ text, n_scheme + host.len + n_path });
}

/* Whether a body of that media type can be wrong: everything is text, only these have a form. */
static bool has_form(wf_str media)
{
    return str_eq(media, STR("multipart/form-data")) || is_json(media);
}

int webhook_body_check(struct arena *a, const struct webhook_call *call, struct err *err)
{
    wf_str type = http_request_header(call->req, "content-type");
    if (!call->body.len || !type.ptr || !has_form(http_media_type(a, type)))
        return 0;
    struct inbound_item item = { 0 };
    struct json body;
    return body_value(a, call, &body, &item, err);
}

int webhook_item_build(const struct lane *lane, void *event, struct arena *a,
                       struct inbound_item **items, size_t *n, struct err *err)
{
    const struct webhook_call *call = event;
    struct json_member *m;
    (void)lane;
    struct inbound_item *item = ARENA_NEW(a, struct inbound_item);
    item->json = json_object(a, call->token ? 9 : 8, &m);
    m[0].key = json_of_str_borrow(STR("headers"));
    m[0].value = headers_object(a, call->req);
    m[1].key = json_of_str_borrow(STR("params"));
    m[1].value = params_object(a, call->match);
    m[2].key = json_of_str_borrow(STR("query"));
    m[2].value = fields_object(a, call->req->query);
    m[3].key = json_of_str_borrow(STR("body"));
    if (body_value(a, call, &m[3].value, item, err) != 0)
        return -1;
    m[4].key = json_of_str_borrow(STR("method"));
    m[4].value = text_value(a, str_of(http_method_name(call->req->method)));
    m[5].key = json_of_str_borrow(STR("path"));
    m[5].value = text_value(a, call->req->path);
    m[6].key = json_of_str_borrow(STR("webhookUrl"));
    m[6].value = address(a, call);
    m[7].key = json_of_str_borrow(STR("executionMode"));
    m[7].value = json_of_str_borrow(STR("production"));
    if (call->token) {
        struct json_error why;
        m[8].key = json_of_str_borrow(STR("jwtPayload"));
        if (json_parse_copy(a, call->token, strlen(call->token), 0, &m[8].value, &why) != 0)
            m[8].value = (struct json){ .type = JSON_NULL };
    }
    *items = item;
    *n = 1;
    return 0;
}
