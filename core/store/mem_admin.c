/* SPDX-License-Identifier: Apache-2.0
 * Workflows, sources, instances and credentials of the memory store. Lists are copied under the
 * lock and told after it, so that a callback may call the store. Thread: any; one lock.
 */
#include "store/mem_int.h"
#include "base/clock.h"
#include <stdlib.h>

static char *copy_text(wf_str s)
{
    char *to = xmalloc(s.len + 1);
    if (s.len)
        memcpy(to, s.ptr, s.len);
    to[s.len] = 0;
    return to;
}

/* Room for one more in an array that grows by doubling. */
static void *grow(void *array, uint32_t n, size_t bytes)
{
    if (n & (n - 1))
        return array;
    return xrealloc(array, (n ? 2 * (size_t)n : 1) * bytes);
}

void mem_free_admin(struct mem_store *m)
{
    for (uint32_t i = 0; i < m->n_workflows; i++) {
        free(m->workflows[i].id);
        free(m->workflows[i].name);
    }
    for (uint32_t i = 0; i < m->n_versions; i++)
        free((char *)m->versions[i].definition.ptr);
    for (uint32_t i = 0; i < m->n_sources; i++)
        free(m->sources[i].key);
    for (uint32_t i = 0; i < m->n_instances; i++)
        free(m->instances[i].name);
    for (uint32_t i = 0; i < m->n_credentials; i++) {
        free(m->credentials[i].id);
        free(m->credentials[i].name);
        free(m->credentials[i].type);
        free((char *)m->credentials[i].sealed.ptr);
    }
    free(m->workflows);
    free(m->versions);
    free(m->sources);
    free(m->instances);
    free(m->credentials);
}

/* --- workflows -------------------------------------------------------------------------------- */

static struct mem_workflow *find_workflow(struct mem_store *m, wf_str id)
{
    for (uint32_t i = 0; i < m->n_workflows; i++)
        if (str_eq(str_of(m->workflows[i].id), id))
            return &m->workflows[i];
    return NULL;
}

static wf_str copy_str(struct arena *a, wf_str s) { return arena_str(a, s.ptr, s.len); }

static struct store_workflow describe(struct arena *a, const struct mem_store *m, uint32_t version)
{
    const struct mem_version *v = &m->versions[version];
    const struct mem_workflow *w = &m->workflows[v->workflow];
    return (struct store_workflow){ .version = version + 1,
                                    .id = copy_str(a, str_of(w->id)),
                                    .name = copy_str(a, str_of(w->name)),
                                    .definition = copy_str(a, v->definition),
                                    .number = v->number,
                                    .active = w->active,
                                    .deployed_us = v->deployed_us };
}

/* The newest version of a workflow, or UINT32_MAX. */
static uint32_t newest_version(const struct mem_store *m, uint32_t workflow)
{
    for (uint32_t i = m->n_versions; i-- > 0;)
        if (m->versions[i].workflow == workflow)
            return i;
    return UINT32_MAX;
}

int mem_deploy(struct store *s, wf_str id, wf_str name, wf_str definition, bool active,
               struct store_workflow *out, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    pthread_mutex_lock(&m->lock);
    struct mem_workflow *w = find_workflow(m, id);
    if (!w) {
        m->workflows = grow(m->workflows, m->n_workflows, sizeof *m->workflows);
        w = &m->workflows[m->n_workflows++];
        *w = (struct mem_workflow){ .id = copy_text(id), .name = copy_text(name) };
    }
    free(w->name);
    w->name = copy_text(name);
    w->active = active;
    uint32_t index = (uint32_t)(w - m->workflows), version = newest_version(m, index);
    if (version == UINT32_MAX || !str_eq(m->versions[version].definition, definition)) {
        m->versions = grow(m->versions, m->n_versions, sizeof *m->versions);
        version = m->n_versions++;
        m->versions[version] =
            (struct mem_version){ .workflow = index,
                                  .number = ++w->n_versions,
                                  .definition = { copy_text(definition), definition.len },
                                  .deployed_us = clock_wall_us() };
    }
    m->revision++;
    *out = (struct store_workflow){ .version = version + 1,
                                    .number = m->versions[version].number,
                                    .active = active,
                                    .deployed_us = m->versions[version].deployed_us };
    out->id = id; /* what the caller gave outlives our copies */
    out->name = name;
    out->definition = definition;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

int mem_set_active(struct store *s, wf_str id, bool active, struct err *err)
{
    struct mem_store *m = mem_of(s);
    pthread_mutex_lock(&m->lock);
    struct mem_workflow *w = find_workflow(m, id);
    if (w) {
        w->active = active;
        m->revision++;
    }
    pthread_mutex_unlock(&m->lock);
    return w ? 0 : err_set(err, ERR_NOT_FOUND, "store: there is no workflow '%.*s'", STR_ARG(id));
}

int mem_workflows(struct store *s, store_on_workflow *each, void *ctx, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    struct arena arena;
    arena_init(&arena, NULL, 0);
    pthread_mutex_lock(&m->lock);
    uint32_t n = m->n_workflows;
    struct store_workflow *list = ARENA_ARRAY(&arena, struct store_workflow, n);
    for (uint32_t i = 0; i < n; i++)
        list[i] = describe(&arena, m, newest_version(m, i));
    pthread_mutex_unlock(&m->lock);
    for (uint32_t i = 0; i < n; i++)
        each(ctx, &list[i]);
    arena_fini(&arena);
    return 0;
}

int mem_workflow_version(struct store *s, uint64_t version, store_on_workflow *each, void *ctx,
                         struct err *err)
{
    struct mem_store *m = mem_of(s);
    struct arena arena;
    arena_init(&arena, NULL, 0);
    pthread_mutex_lock(&m->lock);
    bool found = version && version <= m->n_versions;
    struct store_workflow w = { 0 };
    if (found)
        w = describe(&arena, m, (uint32_t)version - 1);
    pthread_mutex_unlock(&m->lock);
    if (found)
        each(ctx, &w);
    arena_fini(&arena);
    return found ? 0
                 : err_set(err, ERR_NOT_FOUND, "store: there is no workflow version %llu",
                           (unsigned long long)version);
}

int mem_revision(struct store *s, uint64_t *revision, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    pthread_mutex_lock(&m->lock);
    *revision = m->revision;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

/* --- sources and instances -------------------------------------------------------------------- */

int mem_source(struct store *s, wf_str workflow, wf_str node, wf_str kind, wf_str name,
               uint32_t *id, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    struct strbuf key;
    strbuf_init(&key, SIZE_MAX / 2);
    const wf_str parts[] = { workflow, node, kind, name };
    for (size_t i = 0; i < 4; i++)
        strbuf_addf(&key, "%zu:%.*s,", parts[i].len, STR_ARG(parts[i]));
    pthread_mutex_lock(&m->lock);
    uint32_t at = 0;
    while (at < m->n_sources && strcmp(m->sources[at].key, key.ptr))
        at++;
    if (at == m->n_sources) {
        m->sources = grow(m->sources, m->n_sources, sizeof *m->sources);
        m->sources[m->n_sources++] =
            (struct mem_source){ strbuf_take(&key),
                                 str_eq(kind, STR("webhook")) || str_eq(kind, STR("error")) };
    }
    *id = at + 1;
    pthread_mutex_unlock(&m->lock);
    strbuf_fini(&key);
    return 0;
}

int mem_instance(struct store *s, wf_str name, uint32_t *instance, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    pthread_mutex_lock(&m->lock);
    m->instances = grow(m->instances, m->n_instances, sizeof *m->instances);
    m->instances[m->n_instances++] =
        (struct mem_instance){ .name = copy_text(name), .heard_us = clock_mono_us() };
    *instance = m->n_instances;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

int mem_heartbeat(struct store *s, uint32_t instance, struct err *err)
{
    struct mem_store *m = mem_of(s);
    pthread_mutex_lock(&m->lock);
    struct mem_instance *i =
        instance && instance <= m->n_instances ? &m->instances[instance - 1] : NULL;
    bool is_ours = i && !i->left && !i->taken_by;
    if (is_ours)
        i->heard_us = clock_mono_us();
    pthread_mutex_unlock(&m->lock);
    return is_ours ? 0 : err_set(err, ERR_FENCED, "store: engine %u was declared dead", instance);
}

static bool is_dead(const struct mem_instance *i, int64_t before_us)
{
    return i->left || i->heard_us < before_us;
}

int mem_dead_instances(struct store *s, uint32_t me, int64_t silent_ms, store_on_instance *each,
                       void *ctx, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    pthread_mutex_lock(&m->lock);
    int64_t before_us = clock_mono_us() - silent_ms * 1000;
    uint32_t *taken = xcalloc(m->n_instances, sizeof *taken), n = 0;
    for (uint32_t i = 0; i < m->n_instances; i++) {
        struct mem_instance *it = &m->instances[i];
        if (i + 1 == me || it->left || it->heard_us >= before_us)
            continue;
        if (it->taken_by &&
            (it->taken_by == me || !is_dead(&m->instances[it->taken_by - 1], before_us)))
            continue;
        it->taken_by = me;
        taken[n++] = i + 1;
    }
    pthread_mutex_unlock(&m->lock);
    for (uint32_t i = 0; i < n; i++)
        each(ctx, taken[i]);
    free(taken);
    return 0;
}

static bool leaves_work(struct mem_store *m, uint32_t instance)
{
    struct map_slot *slot;
    for (size_t at = 0; map_each(&m->lanes, &at, &slot);) {
        const struct mem_lane *l = slot->value;
        struct mem_exec *x;
        if (l->owner != instance)
            continue;
        if (l->lane.released < l->lane.block_seq)
            return true;
        LIST_EACH(x, &l->execs, struct mem_exec, link)
        {
            if (x->exec.status == STORE_WAITING)
                return true;
        }
    }
    return false;
}

int mem_instance_leave(struct store *s, uint32_t instance, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    pthread_mutex_lock(&m->lock);
    if (instance && instance <= m->n_instances && !leaves_work(m, instance))
        m->instances[instance - 1].left = true;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

/* --- credentials ------------------------------------------------------------------------------ */

static struct mem_credential *find_credential(struct mem_store *m, wf_str id)
{
    for (uint32_t i = 0; i < m->n_credentials; i++)
        if (str_eq(str_of(m->credentials[i].id), id))
            return &m->credentials[i];
    return NULL;
}

static void clear_credential(struct mem_credential *c)
{
    free(c->id);
    free(c->name);
    free(c->type);
    free((char *)c->sealed.ptr);
    *c = (struct mem_credential){ 0 };
}

int mem_credential_put(struct store *s, const struct store_credential *c, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    pthread_mutex_lock(&m->lock);
    struct mem_credential *it = find_credential(m, c->id);
    if (it) {
        clear_credential(it);
    } else {
        m->credentials = grow(m->credentials, m->n_credentials, sizeof *m->credentials);
        it = &m->credentials[m->n_credentials++];
    }
    *it = (struct mem_credential){ .id = copy_text(c->id),
                                   .name = copy_text(c->name),
                                   .type = copy_text(c->type),
                                   .sealed = { copy_text(c->sealed), c->sealed.len } };
    pthread_mutex_unlock(&m->lock);
    return 0;
}

int mem_credential_delete(struct store *s, wf_str id, struct err *err)
{
    struct mem_store *m = mem_of(s);
    pthread_mutex_lock(&m->lock);
    struct mem_credential *it = find_credential(m, id);
    if (it) {
        clear_credential(it);
        *it = m->credentials[--m->n_credentials];
    }
    pthread_mutex_unlock(&m->lock);
    return it ? 0
              : err_set(err, ERR_NOT_FOUND, "store: there is no credential '%.*s'", STR_ARG(id));
}

int mem_credentials(struct store *s, store_on_credential *each, void *ctx, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    struct arena arena;
    arena_init(&arena, NULL, 0);
    pthread_mutex_lock(&m->lock);
    uint32_t n = m->n_credentials;
    struct store_credential *list = ARENA_ARRAY(&arena, struct store_credential, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct mem_credential *it = &m->credentials[i];
        list[i] = (struct store_credential){ copy_str(&arena, str_of(it->id)),
                                             copy_str(&arena, str_of(it->name)),
                                             copy_str(&arena, str_of(it->type)),
                                             copy_str(&arena, it->sealed) };
    }
    pthread_mutex_unlock(&m->lock);
    for (uint32_t i = 0; i < n; i++)
        each(ctx, &list[i]);
    arena_fini(&arena);
    return 0;
}
