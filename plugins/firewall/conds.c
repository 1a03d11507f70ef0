/* SPDX-License-Identifier: Apache-2.0
 * What each condition of a rule asks of a message. Conditions of rates count while they ask, so
 * they come last and only when the others hold.
 *
 * Thread: the worker's; counters are shared with the other workers. Nothing blocks.
 */
#include "firewall_int.h"
#include "hash.h"

/* --- keys ------------------------------------------------------------------------------------- */

static uint64_t rate_key(const struct rule *rule, const struct cond *c, const struct message *m)
{
    uint64_t key = hash_pair(rule->id_hash, (uint64_t)c->kind);
    if (c->mask & PER_TENANT)
        key = hash_pair(key, m->tenant_hash);
    if (c->mask & PER_SENDER)
        key = hash_pair(key, m->sender_hash);
    if (c->mask & PER_RECIPIENT)
        key = hash_pair(key, m->to);
    if (c->mask & PER_ROUTE)
        key = hash_pair(key, m->route_hash + 1);
    if (c->mask & PER_RANGE)
        key = hash_pair(key, m->to / 1000 + 7);
    return key;
}

static int64_t price_of(const struct rules *rules, const struct message *m)
{
    int is_plain = 1;
    if (m->price_micro >= 0)
        return m->price_micro;
    for (uint32_t i = 0; i < m->text_len; i++)
        is_plain &= (unsigned char)m->text[i] < 0x80;
    uint32_t one = is_plain ? 160 : 140, many = is_plain ? 153 : 134; /* bytes, as an estimate */
    int64_t segments = m->text_len <= one ? 1 : (m->text_len + many - 1) / many;
    for (uint32_t i = 0; i < rules->n_prices; i++)
        if (prefix_fits(&rules->price_prefixes[i], m->to, m->to_digits))
            return segments * rules->prices_micro[i];
    return 0;
}

/* --- rates ------------------------------------------------------------------------------------ */

/* Rates remember how long to wait. */
static int is_over(struct message *m, int64_t wait_ms)
{
    if (wait_ms > m->retry_ms)
        m->retry_ms = wait_ms;
    return wait_ms > 0;
}

static const struct range_view *range_of(struct node *d, struct message *m)
{
    const struct rules *rules = d->snapshot->rules;
    if (!m->has_range) {
        ranges_add(d->rates->ranges, m->tenant_hash, m->to, m->class_mask == CLASS_OTP, d->now_ms,
                   rules->ait_window_ms, rules->conversion_window_ms, &m->range);
        m->has_range = 1;
    }
    return &m->range;
}

static int has_learnt(struct node *d, const struct cond *c)
{
    return slots_age(d->rates->seen, d->now_ms) >= c->learn_ms;
}

static int is_above_usual(struct node *d, struct message *m, const struct cond *c)
{
    const struct range_view *r = range_of(d, m);
    double now = c->kind == COND_VOLUME ? r->volume : r->distinct;
    double usual = c->kind == COND_VOLUME ? r->usual_volume : r->usual_distinct;
    return now > (double)c->limit && now > c->ratio * usual && has_learnt(d, c);
}

static int is_sim_box(struct node *d, const struct message *m, const struct cond *c)
{
    uint64_t in_key = hash_mix(m->to ^ 0x1111), out_key = hash_mix(m->from_number ^ 0x2222);
    sketch_count(c->sketch, in_key, d->now_ms, 1);
    if (!m->from_number)
        return 0;
    uint64_t out = sketch_count(c->sketch, out_key, d->now_ms, 1);
    uint64_t in = sketch_count(c->sketch, hash_mix(m->from_number ^ 0x1111), d->now_ms, 0);
    return out > (uint64_t)c->limit && (double)in < c->ratio * (double)out;
}

static int is_heavy(struct node *d, const struct rule *rule, const struct message *m,
                    const struct cond *c)
{
    uint64_t total, count = sketch_heavy(c->sketch, rate_key(rule, c, m), d->now_ms, &total);
    return total > (uint64_t)c->limit && (double)count > c->ratio * (double)total;
}

static int rate_holds(struct node *d, const struct rule *rule, const struct cond *c,
                      struct message *m)
{
    struct rates *r = d->rates;
    uint64_t key = rate_key(rule, c, m), tenant = m->tenant_hash;
    const struct range_view *range;
    switch (c->kind) {
    case COND_RATE:
        return is_over(
            m, slots_gcra(r->buckets, tenant, key, d->now_ms, c->limit, c->window_ms, c->burst, 1));
    case COND_COST:
        return is_over(m, slots_gcra(r->buckets, tenant, key, d->now_ms, c->limit, c->window_ms,
                                     c->limit, price_of(d->snapshot->rules, m)));
    case COND_LIMIT:
        return is_over(m, slots_window(r->windows, tenant, key, d->now_ms, c->limit, c->window_ms));
    case COND_COUNT:
        return sketch_count(c->sketch, key, d->now_ms, 1) > (uint64_t)c->limit;
    case COND_DISTINCT:
        return sketch_distinct(c->sketch, key, m->to, d->now_ms) > (uint64_t)c->limit;
    case COND_NEW_SENDER:
        key = hash_pair(tenant, m->sender_hash);
        return d->now_ms - slots_since(r->seen, tenant, key, d->now_ms) < c->window_ms &&
               has_learnt(d, c);
    case COND_RATIO:
        return is_sim_box(d, m, c);
    case COND_SHARE:
        return is_heavy(d, rule, m, c);
    case COND_VOLUME:
    case COND_GROWTH:
        return is_above_usual(d, m, c);
    case COND_RUN:
        return range_of(d, m)->run >= (uint32_t)c->limit;
    default:
        range = range_of(d, m);
        return c->kind == COND_CONVERSION && range->codes > (uint64_t)c->limit &&
               (double)range->conversions < c->ratio * (double)range->codes;
    }
}

/* --- the rest --------------------------------------------------------------------------------- */

static int is_prefixed(const struct cond *c, uint64_t number, unsigned digits)
{
    for (uint32_t i = 0; number && i < c->n; i++)
        if (prefix_fits(&c->prefixes[i], number, digits))
            return 1;
    return 0;
}

static int is_sender(const struct cond *c, const struct message *m)
{
    char lower[SENDER_BYTES];
    size_t n = words_lower(m->from, m->from_len, lower);
    for (uint32_t i = 0; i < c->n; i++) {
        const struct word *w = &c->words[i];
        if ((w->is_open ? n >= w->len : n == w->len) && !memcmp(lower, w->text, w->len))
            return 1;
    }
    return 0;
}

/* The host itself or one below it. */
static int is_host(const struct cond *c, const struct content_result *r)
{
    for (uint32_t k = 0; k < r->n_hosts; k++)
        for (uint32_t i = 0; i < c->n; i++) {
            const struct word *w = &c->words[i];
            const struct content_host *host = &r->hosts[k];
            if (host->len >= w->len && !memcmp(host->ptr + host->len - w->len, w->text, w->len) &&
                (host->len == w->len || host->ptr[host->len - w->len - 1] == '.'))
                return 1;
        }
    return 0;
}

static int has_shortener(const struct content_result *r)
{
    int found = 0;
    for (uint32_t i = 0; i < r->n_hosts; i++)
        found |= r->hosts[i].is_shortener != 0;
    return found;
}

static int is_disguised(const struct content_result *r)
{
    int found = (r->flags & (CONTENT_WAS_MIXED | CONTENT_WAS_HIDDEN)) != 0;
    for (uint32_t i = 0; i < r->n_hosts; i++)
        found |= r->hosts[i].is_obfuscated != 0;
    return found;
}

static uint64_t signal_number(const struct node *d, const struct message *m, const char *name,
                              size_t len)
{
    const char *ptr;
    size_t n;
    const wf_value *v = m->signal ? d->h->v->get(m->signal, name, len) : NULL;
    return v && d->h->v->bytes(v, &ptr, &n) == 0 ? number_parse(ptr, n) : 0;
}

static uint64_t first_digits(uint64_t number, unsigned digits)
{
    for (unsigned n = digits_of(number); n > digits; n--)
        number /= 10;
    return number;
}

/* An attribute that is not there contradicts nothing. */
static int signal_holds(const struct node *d, const struct cond *c, const struct message *m)
{
    const struct signal_test *s = &c->signal;
    uint64_t of = signal_number(d, m, s->of, s->of_len);
    if (!of)
        return 0;
    if (!s->other)
        return is_prefixed(c, of, digits_of(of)) != s->is_not;
    uint64_t other = signal_number(d, m, s->other, s->other_len);
    return other && first_digits(of, s->digits) != first_digits(other, s->digits);
}

static int registry_holds(const struct node *d, const struct cond *c, const struct message *m)
{
    const struct registry *g = d->snapshot->rules->registry;
    if (m->sender_kind != SENDER_ALPHANUMERIC)
        return 0;
    int has = registry_has(g, m->to, m->to_digits, m->tenant_hash, m->sender_hash);
    if (!c->truth)
        return has == 0;
    return has != 1 && registry_looks_alike(g, m->from, m->from_len, m->tenant_hash);
}

static int is_hit(const struct content_result *r, uint32_t number)
{
    for (uint32_t i = 0; i < r->n_hits; i++)
        if (r->hits[i] == number)
            return 1;
    return 0;
}

static int text_holds(const struct rule *rule, const struct cond *c, const struct message *m,
                      const struct content_result *r)
{
    switch (c->kind) {
    case COND_URL:
        return ((r->flags & CONTENT_HAS_URL) != 0) == c->truth;
    case COND_SHORTENER:
        return has_shortener(r) == c->truth;
    case COND_DISGUISED:
        return is_disguised(r) == c->truth;
    case COND_HOST:
        return is_host(c, r);
    case COND_CONTENT:
        return is_hit(r, rule->index);
    case COND_NEAR:
        return r->near_count > (uint64_t)c->limit;
    case COND_SCORE:
        return r->score_pm > c->limit;
    default:
        return c->kind == COND_WEIGHT && m->weight > c->limit;
    }
}

static int is_counting(enum cond_kind kind) { return kind >= COND_RATE && kind <= COND_SHARE; }

static int cond_holds(struct node *d, const struct rule *rule, const struct cond *c, size_t i)
{
    struct message *m = &d->messages[i];
    switch (c->kind) {
    case COND_CLASS:
        return (c->mask & m->class_mask) != 0;
    case COND_SENDER_KIND:
        return (c->mask & m->sender_kind) != 0;
    case COND_MIN_LENGTH:
        return m->text_len >= (uint64_t)c->limit;
    case COND_TO:
        return is_prefixed(c, m->to, m->to_digits);
    case COND_FROM:
        return is_prefixed(c, m->from_number, m->from_digits);
    case COND_SENDER:
        return is_sender(c, m);
    case COND_LIST:
        return c->truth ? m->allowed : m->denied;
    case COND_LIST_FROM:
        return c->truth ? m->allowed_from : m->denied_from;
    case COND_SIGNAL:
        return signal_holds(d, c, m);
    case COND_REGISTRY:
        return registry_holds(d, c, m);
    default:
        return is_counting(c->kind) ? rate_holds(d, rule, c, m)
                                    : text_holds(rule, c, m, &d->results[i]);
    }
}

void conds_fetch(struct node *d, const struct rule *rule, size_t i)
{
    const struct message *m = &d->messages[i];
    for (uint32_t k = 0; k < rule->n_conds; k++) {
        const struct cond *c = &rule->conds[k];
        if (c->kind == COND_CLASS && !(c->mask & m->class_mask))
            return;
        if (c->kind == COND_LIMIT)
            slots_fetch(d->rates->windows, m->tenant_hash, rate_key(rule, c, m));
    }
}

int conds_may_hold(struct node *d, const struct rule *rule, enum cond_kind kind, size_t i)
{
    int asks = 0;
    for (uint32_t k = 0; k < rule->n_conds; k++) {
        const struct cond *c = &rule->conds[k];
        asks |= c->kind == kind;
        if (!is_counting(c->kind) && c->kind < COND_NEAR && !cond_holds(d, rule, c, i))
            return 0;
    }
    return asks;
}

int conds_hold(struct node *d, const struct rule *rule, size_t i)
{
    for (uint32_t k = 0; k < rule->n_conds; k++)
        if (!cond_holds(d, rule, &rule->conds[k], i))
            return 0;
    return 1;
}
