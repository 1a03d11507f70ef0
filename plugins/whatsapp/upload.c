/* SPDX-License-Identifier: Apache-2.0
 * A binary part of the item as the file of a message: it is uploaded first (POST .../media, a form
 * that is written to a blob in pieces, so that neither file nor body is in memory as a whole), and
 * the message then names the id that the API gave. An upload sends nothing to anybody, so one whose
 * answer was lost is made again. Thread: the worker's. Nothing blocks.
 */
#include "whatsapp_int.h"

/* From the item's key, which nobody outside knows before. */
static const char *boundary_of(const wf_host *h, wf_item *it)
{
    unsigned long long hash = 0xcbf29ce484222325u;
    for (const char *p = h->key(it); *p; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    return h->fmt(it, "catalyst-%016llx%016llx", hash, hash * 0x9e3779b97f4a7c15u).ptr;
}

/* What would end a quoted name or a line of a header becomes "_". */
static const char *header_text(const wf_host *h, wf_item *it, wf_str s, const char *otherwise)
{
    if (!s.len)
        return otherwise;
    char *copy = h->alloc(it, s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        copy[i] = c;
        if ((unsigned char)c < ' ' || c == '"' || c == '\\' || c == 0x7f)
            copy[i] = '_';
    }
    return copy;
}

static int write_file(const wf_blobs *blobs, wf_blob *to, const wf_blob *file)
{
    char piece[16384];
    int64_t n;
    for (uint64_t at = 0; (n = blobs->read(file, at, piece, sizeof piece)) > 0; at += (uint64_t)n)
        if (blobs->write(to, piece, (size_t)n) != 0)
            return -1;
    return (int)n;
}

/* The form; NULL: `why` says what is missing. */
static wf_blob *form(const wf_host *h, wf_item *it, const char *boundary, const char **why)
{
    const struct send_config *c = h->config(it);
    const wf_blobs *blobs = h->service("blob/1");
    wf_str type = { "", 0 }, name = { "", 0 };
    *why = "this engine cannot upload binary parts";
    if (!blobs || blobs->size < offsetof(wf_blobs, read) + sizeof blobs->read)
        return NULL;
    const wf_blob *file = blobs->part(it, c->part.ptr, &type, &name);
    *why = h->fmt(it, "the item has no binary part '%.100s'", c->part.ptr).ptr;
    if (!file)
        return NULL;
    const char *mime = header_text(h, it, type, "application/octet-stream");
    wf_blob *to = blobs->create(it);
    wf_str head = h->fmt(
        it,
        "--%s\r\ncontent-disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n"
        "--%s\r\ncontent-disposition: form-data; name=\"type\"\r\n\r\n%s\r\n"
        "--%s\r\ncontent-disposition: form-data; name=\"file\"; filename=\"%s\"\r\n"
        "content-type: %s\r\n\r\n",
        boundary, boundary, mime, boundary, header_text(h, it, name, "file"), mime);
    wf_str end = h->fmt(it, "\r\n--%s--\r\n", boundary);
    *why = "there is no room for the body of this call, or the binary part cannot be read";
    if (blobs->write(to, head.ptr, head.len) != 0 || write_file(blobs, to, file) != 0 ||
        blobs->write(to, end.ptr, end.len) != 0)
        return NULL;
    return to;
}

static void on_uploaded(const wf_host *h, wf_item *it, const wf_reply *r)
{
    const char *why = NULL;
    const wf_value *body =
        r->status >= 200 && r->status < 300 ? h->v->parse(it, r->body, &why) : NULL;
    const wf_value *id = h->v->get(body, "id", 2);
    if (h->v->type(id) == WF_JSON_STRING)
        wa_send_message(h, it, h->v->text(it, id));
    else
        wa_upload_failed(h, it, r);
}

void wa_upload(const wf_host *h, wf_item *it, const char *url, const char *auth)
{
    const struct send_config *c = h->config(it);
    const char *why, *boundary = boundary_of(h, it);
    wf_blob *upload = form(h, it, boundary, &why);
    if (!upload) {
        wa_reject(h, it,
                  &(struct wa_verdict){ .class = WF_CLASS_PERMANENT_CONTENT, .reason = "input" }, 0,
                  why);
        return;
    }
    const wf_pair headers[] = { { "authorization", auth },
                                { "content-type",
                                  h->fmt(it, "multipart/form-data; boundary=%s", boundary).ptr },
                                { NULL, NULL } };
    h->request(it,
               &(wf_request){ .method = "POST",
                              .url = url,
                              .upload = upload,
                              .timeout_ms = c->timeout_ms,
                              .headers = headers,
                              .max_bytes = 1 << 20 },
               on_uploaded);
}
