/* SPDX-License-Identifier: Apache-2.0
 * Binary data of items: counted bytes beside the JSON, and the service "blob/1".
 *
 * A blob grows by appending. Up to limits.blob_memory its bytes lie in memory; past that they go to
 * a file that io.blob_file opened and that nobody else can see, so a worker holds many large files
 * without holding their bytes. Who wants the whole of such a blob gets it mapped: the kernel may
 * drop its pages again. Pieces are read without mapping.
 *
 * Thread: the engine's. A write or read of the file goes through the page cache.
 */
#include "engine/engine_int.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOB_FIRST_BYTES = 4096 };

/* --- bytes ------------------------------------------------------------------------------------ */

wf_blob *engine_blob_create(struct engine *en)
{
    struct wf_blob *b = xcalloc(1, sizeof *b);
    b->en = en;
    b->refs = 1;
    b->fd = -1;
    return b;
}

wf_blob *engine_blob_ref(wf_blob *b)
{
    b->refs++;
    return b;
}

static void drop_bytes(struct wf_blob *b)
{
    if (b->fd >= 0 && b->bytes)
        munmap(b->bytes, b->size);
    else
        free(b->bytes);
    b->bytes = NULL;
    b->size = 0;
}

void engine_blob_unref(wf_blob *b)
{
    if (!b || --b->refs)
        return;
    drop_bytes(b);
    if (b->fd >= 0)
        close(b->fd);
    free(b);
}

uint64_t engine_blob_size(const wf_blob *b) { return b->len; }

static int write_file(int fd, uint64_t at, const char *ptr, size_t len, struct err *err)
{
    while (len) {
        ssize_t n = pwrite(fd, ptr, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ERR_LIMIT, "binary data: %s", strerror(n < 0 ? errno : ENOSPC));
        ptr += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return 0;
}

/* Moves what is in memory to a file. */
static int spill(struct wf_blob *b, struct err *err)
{
    const struct engine_io *io = &b->en->io;
    int fd = io->blob_file(io->ctx, err);
    if (fd < 0)
        return -1;
    if (write_file(fd, 0, (const char *)b->bytes, (size_t)b->len, err) != 0) {
        close(fd);
        return -1;
    }
    drop_bytes(b);
    b->fd = fd;
    return 0;
}

static void append_memory(struct wf_blob *b, const void *ptr, size_t len)
{
    size_t need = (size_t)b->len + len;
    if (need > b->size) {
        size_t size = b->len ? b->size * 2 : len;
        b->size = size > need ? size : need;
        if (b->len && b->size < BLOB_FIRST_BYTES)
            b->size = BLOB_FIRST_BYTES;
        b->bytes = xrealloc(b->bytes, b->size);
    }
    if (len)
        memcpy(b->bytes + b->len, ptr, len);
    b->len = need;
}

int engine_blob_write(wf_blob *b, const void *ptr, size_t len, struct err *err)
{
    bool is_large = b->len + len > b->en->limits.blob_memory;
    if (b->fd < 0 && is_large && b->en->io.blob_file && spill(b, err) != 0)
        return -1;
    if (b->fd < 0) {
        append_memory(b, ptr, len);
        return 0;
    }
    drop_bytes(b); /* what was mapped is too short now */
    if (write_file(b->fd, b->len, ptr, len, err) != 0)
        return -1;
    b->len += len;
    return 0;
}

int64_t engine_blob_read(const wf_blob *b, uint64_t at, void *to, size_t n)
{
    if (b->is_lost)
        return -1;
    if (at >= b->len)
        return 0;
    size_t len = b->len - at < n ? (size_t)(b->len - at) : n;
    if (b->fd < 0) {
        memcpy(to, b->bytes + at, len);
        return (int64_t)len;
    }
    ssize_t got;
    do
        got = pread(b->fd, to, len, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got > 0 ? got : -1; /* it never ends before its length */
}

bool blob_whole(const wf_blob *blob, wf_str *bytes)
{
    struct wf_blob *b = (struct wf_blob *)blob; /* mapping it changes nothing of what it is */
    if (b->is_lost)
        return false;
    if (b->fd >= 0 && !b->bytes && b->len) {
        void *at = mmap(NULL, (size_t)b->len, PROT_READ, MAP_SHARED, b->fd, 0);
        if (at == MAP_FAILED)
            return false;
        b->bytes = at;
        b->size = (size_t)b->len;
    }
    *bytes = (wf_str){ b->bytes ? (const char *)b->bytes : "", (size_t)b->len };
    return true;
}

/* --- an execution's --------------------------------------------------------------------------- */

static void release(void *blob) { engine_blob_unref(blob); }

wf_blob *blob_keep(struct exec *e, wf_blob *blob)
{
    arena_link(&e->arena, release, engine_blob_ref(blob));
    return blob;
}

wf_blob *blob_lost(struct exec *e, uint64_t len)
{
    struct wf_blob *b = engine_blob_create(e->en);
    b->len = len;
    b->is_lost = true;
    arena_link(&e->arena, release, b);
    return b;
}

static wf_blob *blob_create(wf_item *it)
{
    struct wf_blob *b = engine_blob_create(it->e->en);
    arena_link(&it->e->arena, release, b);
    return b;
}

static wf_blob *blob_of_bytes(wf_item *it, const void *ptr, size_t len)
{
    struct wf_blob *b = blob_create(it);
    struct err err;
    if (engine_blob_write(b, ptr, len, &err) == 0)
        return b;
    /* No file: it stays in memory, where its bytes are anyway. */
    engine_log(it->e->en, WF_WARN, "blob.memory", "%s", err.text);
    append_memory(b, ptr, len);
    return b;
}

static int blob_bytes(const wf_blob *blob, const void **ptr, size_t *len)
{
    wf_str bytes;
    if (!blob || !blob_whole(blob, &bytes))
        return -1;
    *ptr = bytes.ptr;
    *len = bytes.len;
    return 0;
}

static int blob_write(wf_blob *blob, const void *ptr, size_t len)
{
    struct err err;
    if (!blob->is_lost && engine_blob_write(blob, ptr, len, &err) == 0)
        return 0;
    if (!blob->is_lost)
        engine_log(blob->en, WF_WARN, "blob.write", "%s", err.text);
    return -1;
}

static uint64_t blob_length(const wf_blob *blob) { return blob ? blob->len : 0; }

static int64_t blob_read(const wf_blob *blob, uint64_t at, void *to, size_t n)
{
    return blob ? engine_blob_read(blob, at, to, n) : -1;
}

/* --- parts of items --------------------------------------------------------------------------- */

static wf_str meta_text(const struct json *meta, const char *key)
{
    return json_str(json_get(meta, key, strlen(key)));
}

static wf_blob *blob_part(wf_item *it, const char *name, wf_str *mime_type, wf_str *file_name)
{
    const struct parts *parts = it->parts;
    size_t len = strlen(name);
    for (uint32_t i = 0; parts && i < parts->meta.len; i++) {
        const struct json_member *m = &parts->meta.members[i];
        if (m->key.len != len || memcmp(m->key.s, name, len) != 0)
            continue;
        if (mime_type)
            *mime_type = meta_text(&m->value, "mimeType");
        if (file_name)
            *file_name = meta_text(&m->value, "fileName");
        return parts->blobs[i];
    }
    return NULL;
}

static struct json part_meta(struct arena *a, const wf_blob *blob, wf_str mime_type,
                             wf_str file_name)
{
    const char *dot = file_name.len ? memrchr(file_name.ptr, '.', file_name.len) : NULL;
    wf_str extension = dot ? (wf_str){ dot + 1, (size_t)(file_name.ptr + file_name.len - dot - 1) }
                           : (wf_str){ "", 0 };
    struct json_member *m;
    struct json meta = json_object(a, 4, &m);
    m[0].key = json_of_str_borrow(STR("mimeType"));
    m[0].value = json_of_str(a, mime_type.ptr ? mime_type.ptr : "application/octet-stream",
                             mime_type.ptr ? mime_type.len : 24);
    m[1].key = json_of_str_borrow(STR("fileName"));
    m[1].value =
        json_of_str(a, file_name.ptr ? file_name.ptr : "", file_name.ptr ? file_name.len : 0);
    m[2].key = json_of_str_borrow(STR("fileExtension"));
    m[2].value = json_of_str(a, extension.ptr, extension.len);
    m[3].key = json_of_str_borrow(STR("fileSize"));
    m[3].value = json_of_int((int64_t)blob->len);
    return meta;
}

/* The parts of the next output: the item's own, with one set or removed. */
static void blob_attach(wf_item *it, const char *name, wf_blob *blob, wf_str mime_type,
                        wf_str file_name)
{
    struct arena *a = &it->e->arena;
    const struct parts *old = it->attached ? it->attached : it->parts;
    if (!old && !blob)
        return; /* nothing to keep, nothing to add: the hot path of nodes that keep binaries */
    uint32_t n_old = old ? old->meta.len : 0, n = 0;
    struct json_member *m;
    struct parts *parts = ARENA_NEW(a, struct parts);
    parts->meta = json_object(a, n_old + 1, &m);
    parts->blobs = ARENA_ARRAY(a, struct wf_blob *, n_old + 1);
    size_t len = strlen(name);
    for (uint32_t i = 0; i < n_old; i++) {
        const struct json_member *from = &old->meta.members[i];
        if (from->key.len == len && !memcmp(from->key.s, name, len))
            continue;
        m[n] = *from;
        parts->blobs[n++] = old->blobs[i];
    }
    if (blob) {
        m[n].key = json_of_str(a, name, len);
        m[n].value = part_meta(a, blob, mime_type, file_name);
        parts->blobs[n++] = blob;
    }
    parts->meta.len = n;
    it->attached = parts;
}

const wf_blobs blob_service = { sizeof blob_service, blob_of_bytes, blob_bytes,
                                blob_part,           blob_attach,   blob_create,
                                blob_write,          blob_length,   blob_read };
