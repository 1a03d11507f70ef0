/* SPDX-License-Identifier: Apache-2.0
 * A call with a file: multipart/form-data, written to a blob in pieces, so that neither the file
 * nor the body is in memory as a whole. Thread: the worker's. Nothing blocks.
 */
#include "telegram_int.h"

static int write_text(struct call *call, const wf_blobs *blobs, wf_str text)
{
    if (blobs->write(call->request.upload, text.ptr, text.len) == 0)
        return 0;
    return call_refuse(call, "request", "there is no room for the body of this call");
}

/* From the item's key, which nobody outside knows before. */
static const char *boundary_of(struct call *call)
{
    unsigned long long hash = 0xcbf29ce484222325u;
    for (const char *p = call->h->key(call->it); *p; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    return call->h->fmt(call->it, "catalyst-%016llx%016llx", hash, hash * 0x9e3779b97f4a7c15u).ptr;
}

/* What would end a quoted name or a line of a header becomes "_". */
static wf_str header_text(struct call *call, wf_str s, const char *otherwise)
{
    char *copy = call->h->alloc(call->it, s.len + 1);
    if (!s.len)
        return (wf_str){ otherwise, strlen(otherwise) };
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        copy[i] = c;
        if ((unsigned char)c < ' ' || c == '"' || c == '\\' || c == 0x7f)
            copy[i] = '_';
    }
    return (wf_str){ copy, s.len };
}

static int write_fields(struct call *call, const wf_blobs *blobs, const char *boundary)
{
    const wf_values *v = call->h->v;
    for (size_t i = 0; i < v->count(call->body); i++) {
        wf_str key = v->key(call->body, i);
        wf_str head =
            call->h->fmt(call->it, "--%s\r\ncontent-disposition: form-data; name=\"%.*s\"\r\n\r\n",
                         boundary, (int)key.len, key.ptr);
        if (write_text(call, blobs, head) != 0 ||
            write_text(call, blobs, v->text(call->it, v->at(call->body, i))) != 0 ||
            write_text(call, blobs, (wf_str){ "\r\n", 2 }) != 0)
            return -1;
    }
    return 0;
}

static int write_file(struct call *call, const wf_blobs *blobs, const wf_blob *file)
{
    char piece[16384];
    int64_t n;
    for (uint64_t at = 0; (n = blobs->read(file, at, piece, sizeof piece)) > 0; at += (uint64_t)n)
        if (write_text(call, blobs, (wf_str){ piece, (size_t)n }) != 0)
            return -1;
    return n < 0 ? call_refuse(call, "request", "the binary part cannot be read") : 0;
}

int form_build(struct call *call)
{
    const wf_host *h = call->h;
    const wf_blobs *blobs = h->service("blob/1");
    const char *boundary = boundary_of(call);
    wf_str type = { "", 0 }, name = { "", 0 };
    if (!blobs || blobs->size < offsetof(wf_blobs, read) + sizeof blobs->read)
        return call_refuse(call, "request", "this engine cannot upload binary parts");
    wf_blob *file = blobs->part(call->it, call->c->part.ptr, &type, &name);
    if (!file)
        return call_refuse(
            call, "request",
            h->fmt(call->it, "the item has no binary part '%.100s'", call->c->part.ptr).ptr);
    name = header_text(call, name, "file");
    type = header_text(call, type, "application/octet-stream");
    call->request.upload = blobs->create(call->it);
    wf_str head =
        h->fmt(call->it,
               "--%s\r\ncontent-disposition: form-data; name=\"%s\"; filename=\"%.*s\"\r\n"
               "content-type: %.*s\r\n\r\n",
               boundary, call->c->operation == OP_PHOTO ? "photo" : "document", (int)name.len,
               name.ptr, (int)type.len, type.ptr);
    if (write_fields(call, blobs, boundary) != 0 || write_text(call, blobs, head) != 0 ||
        write_file(call, blobs, file) != 0 ||
        write_text(call, blobs, h->fmt(call->it, "\r\n--%s--\r\n", boundary)) != 0)
        return -1;
    call->headers[0].text = h->fmt(call->it, "multipart/form-data; boundary=%s", boundary).ptr;
    return 0;
}
