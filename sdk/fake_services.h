/* SPDX-License-Identifier: Apache-2.0
 * fake_services.h - services and the values table of the fake host; authors include fake_host.h.
 *
 * ledger/1, blob/1 and webhook/1 record what a plugin gives them, memory/1 keeps it for the
 * execution; every other service is absent unless the test brings it with fake_service().
 */
#ifndef WF_FAKE_SERVICES_H
#define WF_FAKE_SERVICES_H
#include "fake_calls.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"

/* --- services --------------------------------------------------------------------------------- */

static inline int fake_h_commit_row(wf_item *it, const char *table, const wf_value *row,
                                    const char *unique)
{
    struct fake *f = it->fake;
    if (!fake_may_act(it, "commit_row"))
        return -1;
    if (fake_type(row) != WF_JSON_OBJECT)
        fake_wrong_use(f, "commit_row(): the row is no object");
    *(struct fake_row *)fake_add(f, &f->rows, sizeof(struct fake_row)) =
        (struct fake_row){ it, fake_strdup(&f->heap, table), fake_json(&f->heap, row).ptr,
                           fake_strdup(&f->heap, unique) };
    return 0;
}

static inline wf_blob *fake_new_blob(struct fake *f)
{
    wf_blob *blob = fake_alloc(&f->heap, sizeof *blob);
    *blob = (wf_blob){ .heap = &f->heap };
    return blob;
}

static inline int fake_h_blob_write(wf_blob *blob, const void *ptr, size_t len)
{
    if (blob->len + len > blob->size) {
        blob->size = (blob->len + len) * 2;
        char *larger = fake_alloc(blob->heap, blob->size);
        if (blob->len)
            memcpy(larger, blob->ptr, blob->len);
        blob->ptr = larger;
    }
    if (len)
        memcpy(blob->ptr + blob->len, ptr, len);
    blob->len += len;
    return 0;
}

static inline wf_blob *fake_h_of_bytes(wf_item *it, const void *ptr, size_t len)
{
    wf_blob *blob = fake_new_blob(it->fake);
    fake_h_blob_write(blob, ptr, len);
    return blob;
}

static inline wf_blob *fake_h_blob_create(wf_item *it) { return fake_new_blob(it->fake); }

static inline uint64_t fake_h_blob_length(const wf_blob *blob) { return blob ? blob->len : 0; }

static inline int64_t fake_h_blob_read(const wf_blob *blob, uint64_t at, void *to, size_t n)
{
    if (!blob)
        return -1;
    if (at >= blob->len)
        return 0;
    if (n > blob->len - at)
        n = (size_t)(blob->len - at);
    memcpy(to, blob->ptr + at, n);
    return (int64_t)n;
}

static inline int fake_h_blob_bytes(const wf_blob *blob, const void **ptr, size_t *len)
{
    if (!blob)
        return -1;
    *ptr = blob->ptr ? blob->ptr : "";
    *len = blob->len;
    return 0;
}

static inline wf_blob *fake_h_part(wf_item *it, const char *name, wf_str *mime_type,
                                   wf_str *file_name)
{
    for (struct fake_part *part = it->parts; part; part = part->next)
        if (!strcmp(part->name, name)) {
            if (mime_type)
                *mime_type = part->mime_type;
            if (file_name)
                *file_name = part->file_name;
            return part->blob;
        }
    return NULL;
}

static inline struct fake_part *fake_new_part(struct fake *f, const char *name, wf_blob *blob,
                                              wf_str mime_type, wf_str file_name)
{
    struct fake_part *part = fake_alloc(&f->heap, sizeof *part);
    *part = (struct fake_part){ fake_strdup(&f->heap, name), fake_copy(f, mime_type),
                                fake_copy(f, file_name), blob, NULL };
    return part;
}

/* As the engine: the parts of the next output are the item's own, with one set or removed. */
static inline void fake_h_attach(wf_item *it, const char *name, wf_blob *blob, wf_str mime_type,
                                 wf_str file_name)
{
    struct fake_part *old = it->is_attached ? it->attached : it->parts, *parts = NULL,
                     **end = &parts;
    for (; old; old = old->next) {
        if (!strcmp(old->name, name))
            continue;
        *end = fake_alloc(&it->fake->heap, sizeof **end);
        **end = *old;
        (*end)->next = NULL;
        end = &(*end)->next;
    }
    if (blob)
        *end = fake_new_part(it->fake, name, blob, mime_type, file_name);
    it->attached = parts;
    it->is_attached = 1;
}

static inline int fake_h_respond(wf_item *it, int status, const wf_pair *headers, wf_str body)
{
    struct fake *f = it->fake;
    for (size_t i = 0; i < f->answers.n; i++)
        if (((struct fake_answer *)f->answers.at[i])->item->exec == it->exec)
            return -1; /* answered already */
    *(struct fake_answer *)fake_add(f, &f->answers, sizeof(struct fake_answer)) =
        (struct fake_answer){ it, status, fake_pairs(f, headers), fake_copy(f, body) };
    return 0;
}

/* memory/1: for each execution of the test. */
static inline struct fake_list *fake_kept(wf_segment *s, unsigned list)
{
    if (list >= WF_MEMORY_LISTS) {
        fake_wrong_use(s->fake, "memory/1: list %u of %d", list, WF_MEMORY_LISTS);
        list = 0;
    }
    return &s->exec->kept[list];
}

static inline const wf_value *fake_h_memory_get(wf_segment *s) { return s->exec->kept_value; }

static inline void fake_h_memory_set(wf_segment *s, const wf_value *v) { s->exec->kept_value = v; }

static inline wf_item *const *fake_h_memory_items(wf_segment *s, unsigned list, size_t *n)
{
    *n = fake_kept(s, list)->n;
    return fake_kept(s, list)->items;
}

static inline void fake_h_memory_add(wf_segment *s, unsigned list, wf_item *const *items, size_t n)
{
    struct fake_list *l = fake_kept(s, list);
    wf_item **all = fake_alloc(&s->fake->heap, (l->n + n + 1) * sizeof *all);
    if (l->n)
        memcpy(all, l->items, l->n * sizeof *all);
    if (n)
        memcpy(all + l->n, items, n * sizeof *all);
    *l = (struct fake_list){ all, l->n + n };
}

static inline void fake_h_memory_clear(wf_segment *s, unsigned list)
{
    *fake_kept(s, list) = (struct fake_list){ NULL, 0 };
}

struct fake_named {
    const char *name;
    const void *table;
};

static inline const void *fake_h_service(const char *name)
{
    static const wf_ledger ledger = { sizeof ledger, fake_h_commit_row };
    static const wf_blobs blobs = { sizeof blobs,      fake_h_of_bytes,    fake_h_blob_bytes,
                                    fake_h_part,       fake_h_attach,      fake_h_blob_create,
                                    fake_h_blob_write, fake_h_blob_length, fake_h_blob_read };
    static const wf_webhook webhook = { sizeof webhook, fake_h_respond };
    static const wf_memory memory = { sizeof memory,       fake_h_memory_get, fake_h_memory_set,
                                      fake_h_memory_items, fake_h_memory_add, fake_h_memory_clear };
    struct fake *f = fake_hosts; /* the newest: a test that has several asks while it makes them */
    for (size_t i = f ? f->services.n : 0; i > 0; i--) {
        const struct fake_named *named = f->services.at[i - 1];
        if (!strcmp(named->name, name))
            return named->table;
    }
    if (!strcmp(name, "ledger/1"))
        return &ledger;
    if (!strcmp(name, "blob/1"))
        return &blobs;
    if (!strcmp(name, "webhook/1"))
        return &webhook;
    if (!strcmp(name, "memory/1"))
        return &memory;
    return NULL;
}

/* --- values: the item knows the heap ---------------------------------------------------------- */

static inline wf_str fake_v_text(wf_item *it, const wf_value *v)
{
    if (fake_type(v) <= WF_JSON_NULL)
        return (wf_str){ "", 0 };
    return v->type == WF_JSON_STRING ? v->text : fake_json(&it->fake->heap, v);
}

static inline wf_str fake_v_json(wf_item *it, const wf_value *v)
{
    return fake_json(&it->fake->heap, v);
}

static inline const wf_value *fake_v_parse(wf_item *it, wf_str json, const char **why)
{
    return fake_parse(&it->fake->heap, json.ptr, json.len, why);
}

static inline const wf_value *fake_v_of_bool(wf_item *it, int truth)
{
    wf_value *v = fake_value(&it->fake->heap, WF_JSON_BOOL);
    v->truth = truth != 0;
    return v;
}

static inline const wf_value *fake_v_of_int(wf_item *it, int64_t i)
{
    return fake_int(&it->fake->heap, i);
}

static inline const wf_value *fake_v_of_number(wf_item *it, double d)
{
    return fake_number(&it->fake->heap, d);
}

static inline const wf_value *fake_v_of_str(wf_item *it, const char *ptr, size_t len)
{
    return fake_string(&it->fake->heap, ptr, len);
}

static inline const wf_value *fake_v_array(wf_item *it, const wf_value *const *parts, size_t n)
{
    wf_value *v = fake_container(&it->fake->heap, WF_JSON_ARRAY, n);
    for (size_t i = 0; i < n; i++)
        v->parts[i] = parts[i] ? parts[i] : fake_value(&it->fake->heap, WF_JSON_NULL);
    return v;
}

static inline const wf_value *fake_v_object(wf_item *it, const wf_str *keys,
                                            const wf_value *const *parts, size_t n)
{
    const wf_value *v = fake_container(&it->fake->heap, WF_JSON_OBJECT, 0);
    for (size_t i = 0; i < n; i++)
        if (parts[i])
            v = fake_with(&it->fake->heap, v, keys[i], parts[i]);
    return v;
}

static inline const wf_value *fake_v_set(wf_item *it, const wf_value *base, const char *path,
                                         const wf_value *v)
{
    return fake_set(&it->fake->heap, base, path, v ? v : fake_value(&it->fake->heap, WF_JSON_NULL));
}

static inline const wf_value *fake_v_unset(wf_item *it, const wf_value *base, const char *path)
{
    return fake_set(&it->fake->heap, base, path, NULL);
}

static inline const wf_value *fake_v_set_key(wf_item *it, const wf_value *base, wf_str key,
                                             const wf_value *v)
{
    return fake_with(&it->fake->heap, base, key, v ? v : fake_value(&it->fake->heap, WF_JSON_NULL));
}

#pragma GCC diagnostic pop
#endif
