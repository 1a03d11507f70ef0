/* SPDX-License-Identifier: Apache-2.0
 * Keepers of the process: found by what they watch, shared, ended with their last node. And the
 * snapshot they publish.
 *
 * Plugins are never unloaded, so threads may outlive the last node by the file they are reading.
 * Thread: any. Locks are held for pointers and copies only.
 */
#include "keeper_int.h"
#include "hash.h"
#include <time.h>

static pthread_mutex_t keepers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct keeper *keepers;
static struct rates *all_rates;
static unsigned keepers_alive;

int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- rates ------------------------------------------------------------------------------------ */

struct rates *rates_get(const char *name, size_t keys)
{
    pthread_mutex_lock(&keepers_lock);
    struct rates *r = all_rates;
    while (r && strcmp(r->name, name) != 0)
        r = r->next;
    if (!r) {
        r = must(calloc(1, sizeof *r));
        r->name = must(strdup(name));
        r->buckets = slots_create(keys / 4, 0);
        r->windows = slots_create(keys, 0);
        r->seen = slots_create(keys / 4, 1);
        r->ranges = ranges_create(keys / 64);
        atomic_init(&r->window_ms, 600000);
        atomic_init(&r->conversion_window_ms, 3600000);
        r->next = all_rates;
        all_rates = r;
    }
    r->refs++;
    pthread_mutex_unlock(&keepers_lock);
    return r;
}

void rates_put(struct rates *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&keepers_lock);
    struct rates **at = &all_rates;
    unsigned left = --r->refs;
    while (*at != r)
        at = &(*at)->next;
    if (!left)
        *at = r->next;
    pthread_mutex_unlock(&keepers_lock);
    if (left)
        return;
    slots_free(r->buckets);
    slots_free(r->windows);
    slots_free(r->seen);
    ranges_free(r->ranges);
    free(r->name);
    free(r);
}

/* --- snapshots -------------------------------------------------------------------------------- */

void snapshot_unref(struct snapshot *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    rules_unref(s->rules);
    for (int i = 0; i < LIST_NAMES; i++) {
        numbers_unref(s->lists[i]);
        numbers_delta_unref(s->deltas[i]);
    }
    free(s);
}

/* A copy of the newest to be changed; under the keeper's lock. */
static struct snapshot *snapshot_next(struct keeper *k)
{
    struct snapshot *s = must(calloc(1, sizeof *s)), *old = k->snapshot;
    atomic_init(&s->refs, 1);
    if (!old)
        return s;
    s->rules = old->rules ? rules_ref(old->rules) : NULL;
    memcpy(s->version, old->version, sizeof s->version);
    for (int i = 0; i < LIST_NAMES; i++) {
        s->lists[i] = numbers_ref(old->lists[i]);
        s->deltas[i] = numbers_delta_ref(old->deltas[i]);
    }
    return s;
}

static void snapshot_publish(struct keeper *k, struct snapshot *s)
{
    struct snapshot *old = k->snapshot;
    k->snapshot = s;
    atomic_fetch_add_explicit(&k->generation, 1, memory_order_release);
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
    snapshot_unref(old);
}

void keeper_publish_rules(struct keeper *k, struct rules *rules)
{
    pthread_mutex_lock(&k->lock);
    struct snapshot *s = snapshot_next(k);
    rules_unref(s->rules);
    s->rules = rules;
    snprintf(s->version, sizeof s->version, "%s-%u", rules->hash, ++k->loads);
    snapshot_publish(k, s);
}

void keeper_publish_list(struct keeper *k, enum list_name list, struct numbers *numbers,
                         struct numbers_delta *delta)
{
    pthread_mutex_lock(&k->lock);
    struct snapshot *s = snapshot_next(k);
    numbers_unref(s->lists[list]);
    numbers_delta_unref(s->deltas[list]);
    s->lists[list] = numbers;
    s->deltas[list] = delta;
    atomic_store(&k->is_loaded[list], 1);
    snapshot_publish(k, s);
}

uint64_t keeper_generation(const struct keeper *k)
{
    return atomic_load_explicit(&k->generation, memory_order_acquire);
}

static int lists_are_there(const struct keeper *k)
{
    if (wall_ms() - k->began_ms > k->config.lists_wait_ms)
        return 1;
    for (int i = 0; i < LIST_NAMES; i++)
        if (k->has_source[i] && !atomic_load(&k->is_loaded[i]))
            return 0;
    return 1;
}

struct snapshot *keeper_snapshot(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    struct snapshot *s = k->snapshot;
    s = s && s->rules && lists_are_there(k) ? s : NULL;
    if (s)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&k->lock);
    return s;
}

int64_t keeper_age_ms(const struct keeper *k, int64_t now_ms)
{
    int64_t age = 0;
    for (int i = 0; i < LIST_NAMES; i++) {
        int64_t fresh = atomic_load_explicit(&k->fresh_ms[i], memory_order_relaxed);
        if (k->has_source[i] && now_ms - fresh > age)
            age = now_ms - fresh;
    }
    return age;
}

/* --- events ----------------------------------------------------------------------------------- */

void keeper_say(struct keeper *k, int is_rules, int failed, const char *source, uint64_t count,
                const char *text)
{
    pthread_mutex_lock(&k->lock);
    if (k->events_n == EVENTS) { /* nobody listens: the oldest goes */
        rules_unref(k->events[k->events_first].rules);
        k->events_first = (k->events_first + 1) % EVENTS;
        k->events_n--;
    }
    struct keeper_event *e = &k->events[(k->events_first + k->events_n++) % EVENTS];
    *e = (struct keeper_event){
        .at_ms = wall_ms(), .is_rules = is_rules, .failed = failed, .count = count
    };
    snprintf(e->source, sizeof e->source, "%s", source);
    snprintf(e->text, sizeof e->text, "%s", text);
    if (k->snapshot)
        memcpy(e->version, k->snapshot->version, sizeof e->version);
    if (is_rules && !failed && k->snapshot)
        e->rules = rules_ref(k->snapshot->rules);
    if (failed || is_rules)
        snprintf(k->trouble, sizeof k->trouble, "%s%s%s", failed ? source : "", failed ? ": " : "",
                 failed ? text : "");
    pthread_mutex_unlock(&k->lock);
}

int keeper_event(struct keeper *k, struct keeper_event *out)
{
    pthread_mutex_lock(&k->lock);
    int has = k->events_n > 0;
    if (has) {
        *out = k->events[k->events_first];
        k->events[k->events_first].rules = NULL;
        k->events_first = (k->events_first + 1) % EVENTS;
        k->events_n--;
    }
    pthread_mutex_unlock(&k->lock);
    return has;
}

void keeper_trouble(struct keeper *k, char *text, size_t size)
{
    pthread_mutex_lock(&k->lock);
    snprintf(text, size, "%s", k->trouble);
    pthread_mutex_unlock(&k->lock);
}

int keeper_speaks(struct keeper *k, const void *node)
{
    const void *none = NULL;
    return atomic_load(&k->speaker) == node ||
           atomic_compare_exchange_strong(&k->speaker, &none, node);
}

void keeper_silence(struct keeper *k, const void *node)
{
    const void *self = node;
    atomic_compare_exchange_strong(&k->speaker, &self, NULL);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static struct timespec later(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

int keeper_sleep(struct keeper *k, int64_t ms)
{
    struct timespec until = later(ms);
    pthread_mutex_lock(&k->lock);
    while (!atomic_load(&k->stop) && pthread_cond_timedwait(&k->changed, &k->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&k->lock);
    return atomic_load(&k->stop);
}

int keeper_wait(struct keeper *k, uint64_t generation, int64_t ms)
{
    struct timespec until = later(ms);
    int in_time = 1;
    pthread_mutex_lock(&k->lock);
    while (in_time && (keeper_generation(k) <= generation || !k->snapshot || !k->snapshot->rules ||
                       !lists_are_there(k)))
        in_time = pthread_cond_timedwait(&k->changed, &k->lock, &until) == 0;
    pthread_mutex_unlock(&k->lock);
    return in_time ? 0 : -1;
}

unsigned keeper_threads(void)
{
    pthread_mutex_lock(&keepers_lock);
    unsigned n = keepers_alive;
    pthread_mutex_unlock(&keepers_lock);
    return n;
}

/* --- keepers ---------------------------------------------------------------------------------- */

static const char *own(struct keeper *k, const char *text)
{
    return pool_copy(k->pool, text ? text : "", text ? strlen(text) : 0);
}

static void own_config(struct keeper *k, const struct keeper_config *c)
{
    struct keeper_config *to = &k->config;
    struct redis_source *r = &to->redis;
    *to = *c;
    to->rules_file = own(k, c->rules_file);
    to->model_file = own(k, c->model_file);
    to->cache_folder = own(k, c->cache_folder);
    for (int i = 0; i < LIST_NAMES; i++) {
        to->list_file[i] = own(k, c->list_file[i]);
        to->saved_file[i] = own(k, c->saved_file[i]);
        r->key[i] = own(k, c->redis.key[i]);
    }
    r->host = own(k, c->redis.host);
    r->path = own(k, c->redis.path);
    r->user = own(k, c->redis.user);
    r->password = own(k, c->redis.password);
    r->ca_file = own(k, c->redis.ca_file);
    r->cert_file = own(k, c->redis.cert_file);
    r->key_file = own(k, c->redis.key_file);
    r->server_name = own(k, c->redis.server_name);
}

static char *identify(const struct keeper_config *c)
{
    const struct redis_source *r = &c->redis;
    char *text = NULL;
#define SAFE(s) ((s) ? (s) : "")
    if (asprintf(&text, "%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%d|%d|%s|%s|%d", SAFE(c->rules_file),
                 SAFE(c->model_file), SAFE(c->list_file[0]), SAFE(c->list_file[1]),
                 SAFE(c->saved_file[0]), SAFE(c->saved_file[1]), SAFE(r->host), SAFE(r->path),
                 SAFE(r->user), SAFE(r->password), r->port, r->database, SAFE(r->key[0]),
                 SAFE(r->key[1]), r->is_risk) < 0)
        abort();
#undef SAFE
    return text;
}

static void keeper_free(struct keeper *k)
{
    struct keeper_event e;
    while (keeper_event(k, &e))
        rules_unref(e.rules);
    snapshot_unref(k->snapshot);
    pthread_mutex_destroy(&k->lock);
    pthread_cond_destroy(&k->changed);
    free(k->identity);
    pool_free(k->pool);
    free(k);
}

/* Of a node or a thread; the last one frees. */
static void let_go(struct keeper *k)
{
    pthread_mutex_lock(&keepers_lock);
    unsigned left = --k->refs;
    pthread_mutex_unlock(&keepers_lock);
    if (left)
        return;
    keeper_free(k);
    pthread_mutex_lock(&keepers_lock);
    keepers_alive--;
    pthread_mutex_unlock(&keepers_lock);
}

static void *files_thread(void *arg)
{
    keeper_files_main(arg);
    let_go(arg);
    return NULL;
}

static void *redis_thread(void *arg)
{
    keeper_redis_main(arg);
    let_go(arg);
    return NULL;
}

static void begin_thread(struct keeper *k, void *(*run)(void *))
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    k->refs++;
    if (pthread_create(&thread, &attr, run, k) != 0)
        abort();
    pthread_attr_destroy(&attr);
}

static struct keeper *keeper_create(const struct keeper_config *c, char *identity)
{
    struct keeper *k = must(calloc(1, sizeof *k));
    k->identity = identity;
    k->pool = pool_create();
    own_config(k, c);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    k->began_ms = wall_ms();
    snprintf(k->trouble, sizeof k->trouble, "%s is being read", k->config.rules_file);
    int has_redis = 0;
    for (int i = 0; i < LIST_NAMES; i++) {
        int is_redis = (*k->config.redis.host || *k->config.redis.path) && *k->config.redis.key[i];
        has_redis |= is_redis;
        k->has_source[i] = is_redis || *k->config.list_file[i];
        atomic_init(&k->fresh_ms[i], k->began_ms);
    }
    keepers_alive++;
    begin_thread(k, files_thread);
    if (has_redis)
        begin_thread(k, redis_thread);
    k->next = keepers;
    return keepers = k;
}

struct keeper *keeper_get(const struct keeper_config *c)
{
    char *identity = identify(c);
    pthread_mutex_lock(&keepers_lock);
    struct keeper *k = keepers;
    while (k && strcmp(k->identity, identity) != 0)
        k = k->next;
    if (k)
        free(identity);
    else
        k = keeper_create(c, identity);
    k->refs++;
    k->users++;
    pthread_mutex_unlock(&keepers_lock);
    return k;
}

struct rules *keeper_rules_of(const char *rules_file)
{
    struct rules *rules = NULL;
    pthread_mutex_lock(&keepers_lock);
    for (struct keeper *k = keepers; k && !rules; k = k->next) {
        if (strcmp(k->config.rules_file, rules_file) != 0)
            continue;
        pthread_mutex_lock(&k->lock);
        rules = k->snapshot && k->snapshot->rules ? rules_ref(k->snapshot->rules) : NULL;
        pthread_mutex_unlock(&k->lock);
    }
    pthread_mutex_unlock(&keepers_lock);
    return rules;
}

void keeper_put(struct keeper *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&keepers_lock);
    int is_last = --k->users == 0;
    struct keeper **at = &keepers;
    while (is_last && *at != k)
        at = &(*at)->next;
    if (is_last)
        *at = k->next;
    pthread_mutex_unlock(&keepers_lock);
    if (is_last) {
        pthread_mutex_lock(&k->lock);
        atomic_store(&k->stop, 1);
        pthread_cond_broadcast(&k->changed);
        pthread_mutex_unlock(&k->lock);
    }
    let_go(k);
}
