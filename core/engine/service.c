/* SPDX-License-Identifier: Apache-2.0
 * The services a plugin asks for by name: rows in the turn's transaction, binary data, webhook
 * answers, and the worker's loop. Scripts stand in script.c.
 */
#include "engine/engine_int.h"
#include <stdlib.h>
#include <string.h>

/* --- ledger/1 --------------------------------------------------------------------------------- */

static bool is_identifier(const char *text)
{
    size_t n = 0;
    for (; *text; text++, n++)
        if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || *text == '_' ||
              *text == '.' || *text == ',' || *text == ' ' || (n && *text >= '0' && *text <= '9')))
            return false;
    return n > 0 && n < 256;
}

static int commit_row(wf_item *it, const char *table, const wf_value *row, const char *unique)
{
    struct exec *e = it->e;
    const struct json *json = json_of_value(row);
    if (!json || json->type != JSON_OBJECT || !is_identifier(table) ||
        (unique && *unique && !is_identifier(unique)))
        return -1;
    struct pending_row *r = ARENA_NEW(&e->arena, struct pending_row);
    r->by = outcome_asked_by(it);
    r->table = arena_str(&e->arena, table, strlen(table));
    r->row = json_text(&e->arena, json);
    r->unique = unique ? arena_str(&e->arena, unique, strlen(unique)) : (wf_str){ "", 0 };
    struct pending_row **last = &e->rows;
    while (*last)
        last = &(*last)->next;
    *last = r;
    return 0;
}

static const wf_ledger ledger = { sizeof ledger, commit_row };

/* --- blob/1 ----------------------------------------------------------------------------------- */

static void blob_release(void *object)
{
    struct wf_blob *blob = object;
    if (--blob->refs == 0)
        free(blob);
}

static wf_blob *blob_of_bytes(wf_item *it, const void *ptr, size_t len)
{
    struct wf_blob *blob = xmalloc(sizeof *blob + len);
    *blob = (struct wf_blob){ .refs = 1, .len = len };
    if (len)
        memcpy(blob->bytes, ptr, len);
    arena_link(&it->e->arena, blob_release, blob);
    return blob;
}

static int blob_bytes(const wf_blob *blob, const void **ptr, size_t *len)
{
    if (!blob)
        return -1;
    *ptr = blob->bytes;
    *len = blob->len;
    return 0;
}

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

static const wf_blobs blobs = { sizeof blobs, blob_of_bytes, blob_bytes, blob_part, blob_attach };

/* --- webhook/1 -------------------------------------------------------------------------------- */

static int webhook_respond(wf_item *it, int status, const wf_pair *headers, wf_str body)
{
    struct exec *e = it->e;
    if (!e->reply || e->answered)
        return -1;
    struct strbuf b;
    strbuf_init(&b, 1u << 20);
    for (; headers && headers->name; headers++)
        store_headers_add(&b, str_of(headers->name), str_of(headers->text));
    turn_answer(e, status, strbuf_str(&b), body.ptr ? body : (wf_str){ "", 0 });
    strbuf_fini(&b);
    return 0;
}

static const wf_webhook webhook = { sizeof webhook, webhook_respond };

/* --- loop/1: handed on to the worker ---------------------------------------------------------- */

static const wf_loop *loop_of(wf_inst *inst) { return inst->ep->en->io.loop; }

static wf_watch *loop_watch(wf_inst *inst, int fd, void (*fn)(void *, int), void *arg)
{
    const wf_loop *loop = loop_of(inst);
    return loop ? loop->watch(inst, fd, fn, arg) : NULL;
}

/* wf_watch and wf_timer begin with a pointer to the table that made them, so that these find their
 * way. */
struct loop_handle {
    const wf_loop *table;
};

static void loop_watch_set(wf_watch *w, int events)
{
    ((struct loop_handle *)(void *)w)->table->watch_set(w, events);
}

static void loop_watch_stop(wf_watch *w)
{
    ((struct loop_handle *)(void *)w)->table->watch_stop(w);
}

static wf_timer *loop_timer(wf_inst *inst, int64_t in_ms, void (*fn)(void *), void *arg)
{
    const wf_loop *loop = loop_of(inst);
    return loop ? loop->timer(inst, in_ms, fn, arg) : NULL;
}

static void loop_timer_stop(wf_timer *t)
{
    ((struct loop_handle *)(void *)t)->table->timer_stop(t);
}

static const wf_loop loop_service = { sizeof loop_service, loop_watch, loop_watch_set,
                                      loop_watch_stop,     loop_timer, loop_timer_stop };

void *engine_inst_ctx(wf_inst *inst) { return inst->ep->en->io.ctx; }

const void *service_find(const char *name)
{
    static const struct {
        const char *name;
        const void *table;
    } services[] = {
        { "memory/1", &memory_service }, { "ledger/1", &ledger },   { "blob/1", &blobs },
        { "script/1", &script_service }, { "webhook/1", &webhook }, { "loop/1", &loop_service }
    };
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (!strcmp(services[i].name, name))
            return services[i].table;
    return NULL;
}
