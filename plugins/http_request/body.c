/* SPDX-License-Identifier: Apache-2.0
 * The body of a request: JSON, forms, multipart with files, text, or a binary part. Thread: the
 * worker's. Nothing blocks.
 */
#include "http_request_int.h"

static void content_type(struct call *call, wf_str type)
{
    static const wf_str name = { "content-type", 12 };
    if (!header_is_there(call, name.ptr))
        header_add(call, name, type);
}

static void take_text(struct call *call)
{
    text_add(call, "", 0);
    call->request.body = (wf_str){ call->text, call->len };
}

static int build_json(struct call *call)
{
    const struct config *c = call->c;
    const wf_host *h = call->h;
    const struct body_part *rows = c->fields.rows;
    const wf_value *value = NULL;
    if (c->specify_body == SPECIFY_PAIRS) {
        value = h->build(call->it, "{}");
        for (size_t i = 0; i < c->fields.n; i++)
            value = h->v->set_key(call->it, value, rows[i].name, rows[i].value);
    } else {
        value = json_given(call, c->json_body, "jsonBody");
    }
    if (!value)
        return -1;
    call->request.body = h->v->json(call->it, value);
    content_type(call, (wf_str){ "application/json", 16 });
    return 0;
}

static void form_field(struct call *call, wf_str name, wf_str value)
{
    if (call->len)
        text_add(call, "&", 1);
    text_encode(call, name);
    text_add(call, "=", 1);
    text_encode(call, value);
}

static int build_form(struct call *call)
{
    const struct config *c = call->c;
    const wf_values *v = call->h->v;
    const struct body_part *rows = c->fields.rows;
    if (c->specify_body == SPECIFY_TEXT) {
        text_add(call, c->raw_body.ptr, c->raw_body.len);
    } else if (c->specify_body == SPECIFY_JSON) {
        const wf_value *object = json_given(call, c->json_body, "jsonBody");
        if (!object)
            return -1;
        for (size_t i = 0; i < v->count(object); i++)
            form_field(call, v->key(object, i), v->text(call->it, v->at(object, i)));
    } else {
        for (size_t i = 0; i < c->fields.n; i++)
            form_field(call, rows[i].name, v->text(call->it, rows[i].value));
    }
    take_text(call);
    content_type(call, (wf_str){ "application/x-www-form-urlencoded", 33 });
    return 0;
}

/* A binary part of the item. NULL: call->error. */
static wf_blob *part_blob(struct call *call, const char *name, wf_str *type, wf_str *file)
{
    const wf_blobs *blobs = call->h->service("blob/1");
    wf_blob *blob = blobs ? blobs->part(call->it, name, type, file) : NULL;
    if (!blob)
        call->error = call->h->fmt(call->it, "the item has no binary part '%.100s'", name).ptr;
    return blob;
}

static void add_text(struct call *call, const char *text) { text_add(call, text, strlen(text)); }

/* A name within quotes of a header: quotes, backslashes and line ends as browsers write them. */
static void add_quoted(struct call *call, wf_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        add_text(call, c == '"' ? "%22" : c == '\r' ? "%0D" : c == '\n' ? "%0A" : "");
        if (c != '"' && c != '\r' && c != '\n')
            text_add(call, &c, 1);
    }
}

static int cannot_keep(struct call *call)
{
    call->error = "there is no room for the body of this request";
    return -1;
}

/* What was written so far goes to the body's blob: it will hold a file, which may be large. */
static int move_text(struct call *call, const wf_blobs *blobs)
{
    if (!call->request.upload)
        call->request.upload = blobs->create(call->it);
    if (blobs->write(call->request.upload, call->text, call->len) != 0)
        return cannot_keep(call);
    call->len = 0;
    return 0;
}

/* Copied in pieces: neither the file nor the body is in memory as a whole. */
static int add_file(struct call *call, const char *name, wf_blob *file)
{
    const wf_blobs *blobs = call->h->service("blob/1");
    char piece[16384];
    int64_t n;
    if (move_text(call, blobs) != 0)
        return -1;
    for (uint64_t at = 0; (n = blobs->read(file, at, piece, sizeof piece)) > 0; at += (uint64_t)n)
        if (blobs->write(call->request.upload, piece, (size_t)n) != 0)
            return cannot_keep(call);
    if (n < 0)
        call->error = call->h->fmt(call->it, "the binary part '%.100s' cannot be read", name).ptr;
    return n < 0 ? -1 : 0;
}

static int multipart_file(struct call *call, const struct body_part *row)
{
    wf_str type = { "", 0 }, file = { "", 0 };
    wf_blob *blob = part_blob(call, row->part.ptr, &type, &file);
    if (!blob)
        return -1;
    add_text(call, "; filename=\"");
    add_quoted(call, file.len ? file : row->part);
    add_text(call, "\"\r\ncontent-type: ");
    if (type.len && !memchr(type.ptr, '\n', type.len) && !memchr(type.ptr, '\r', type.len))
        text_add(call, type.ptr, type.len);
    else
        add_text(call, "application/octet-stream");
    add_text(call, "\r\n\r\n");
    return add_file(call, row->part.ptr, blob);
}

static int multipart_field(struct call *call, const struct body_part *row, const char *boundary)
{
    add_text(call, "--");
    add_text(call, boundary);
    add_text(call, "\r\ncontent-disposition: form-data; name=\"");
    add_quoted(call, row->name);
    add_text(call, "\"");
    if (row->is_file) {
        if (multipart_file(call, row) != 0)
            return -1;
    } else {
        wf_str text = call->h->v->text(call->it, row->value);
        add_text(call, "\r\n\r\n");
        text_add(call, text.ptr, text.len);
    }
    add_text(call, "\r\n");
    return 0;
}

/* From the item's key, which nobody outside knows before; the same on every try. */
static const char *boundary_of(struct call *call)
{
    uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)(uintptr_t)call->it;
    for (const char *p = call->h->key(call->it); *p; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    return call->h
        ->fmt(call->it, "catalyst-%016llx%08x", (unsigned long long)hash,
              (unsigned)(hash >> 7) * 2654435761u)
        .ptr;
}

static int build_multipart(struct call *call)
{
    const struct body_part *rows = call->c->fields.rows;
    const char *boundary = boundary_of(call);
    for (size_t i = 0; i < call->c->fields.n; i++)
        if (multipart_field(call, &rows[i], boundary) != 0)
            return -1;
    add_text(call, "--");
    add_text(call, boundary);
    add_text(call, "--\r\n");
    if (!call->request.upload)
        take_text(call);
    else if (move_text(call, call->h->service("blob/1")) != 0)
        return -1;
    content_type(call, call->h->fmt(call->it, "multipart/form-data; boundary=%s", boundary));
    return 0;
}

static int build_binary(struct call *call)
{
    wf_str type = { "", 0 };
    call->request.upload = part_blob(call, call->c->input_part.ptr, &type, NULL);
    if (!call->request.upload)
        return -1;
    content_type(call, type.len ? call->h->fmt(call->it, "%.*s", (int)type.len, type.ptr)
                                : (wf_str){ "application/octet-stream", 24 });
    return 0;
}

int body_build(struct call *call)
{
    switch (call->c->content) {
    case BODY_JSON:
        return build_json(call);
    case BODY_FORM:
        return build_form(call);
    case BODY_MULTIPART:
        return build_multipart(call);
    case BODY_BINARY:
        return build_binary(call);
    default:
        call->request.body = call->c->raw_body;
        content_type(call, call->c->raw_type.len ? call->c->raw_type
                                                 : (wf_str){ "text/plain; charset=utf-8", 25 });
        return 0;
    }
}
