/* SPDX-License-Identifier: Apache-2.0
 * Stages 1 to 8 over a frame: each stage asks its rules about the messages that none before
 * decided, in the order of the file, and the first rule that holds and decides ends it.
 *
 * A rule in monitor mode, and `tag`, decide nothing: they are noted and counted. Weights of all
 * that matched add up for stage 8. Thread: the worker's. Nothing blocks.
 */
#include "firewall_int.h"

static int in_scope(const struct scope *s, const struct message *m)
{
    return (!s->tenants ||
            (m->tenant_place && s->tenants[m->tenant_place / 64] >> m->tenant_place % 64 & 1)) &&
           (!s->routes ||
            (m->route_place && s->routes[m->route_place / 64] >> m->route_place % 64 & 1)) &&
           (!s->countries || s->countries & m->countries) &&
           (!s->directions || s->directions & m->direction);
}

static void matched(struct node *d, const struct rule *rule, size_t i)
{
    struct message *m = &d->messages[i];
    int64_t value = d->results[i].score_pm;
    atomic_fetch_add_explicit(&d->snapshot->rules->hits[rule->index], 1, memory_order_relaxed);
    if (rule->is_monitor || rule->verdict == VERDICT_TAG) {
        node_count(d, METRIC_MONITORED);
        m->weight += rule->is_monitor ? 0 : rule->weight;
        if (m->n_notes < NOTES_MAX)
            m->notes[m->n_notes++] = (struct note){ rule, value };
        return;
    }
    m->weight += rule->weight;
    m->verdict = rule->verdict;
    m->reason = rule->reason;
    m->stage = rule->stage;
    m->rule = rule;
}

static int is_for(const struct node *d, const struct rule *rule, size_t i)
{
    return (!rule->expires_ms || rule->expires_ms > d->now_ms) &&
           (!rule->has_scope || in_scope(&rule->scope, &d->messages[i]));
}

static void ask(struct node *d, const struct rule *rule, size_t i)
{
    if (is_for(d, rule, i) && conds_hold(d, rule, i))
        matched(d, rule, i);
}

static void run_stage(struct node *d, enum stage stage)
{
    const struct rules *rules = d->snapshot->rules;
    uint32_t n = rules->n_stage[stage];
    size_t left = 0;
    if (!n)
        return;
    for (size_t k = 0; k < d->n_live; k++) {
        uint16_t i = d->live[k];
        struct message *m = &d->messages[i];
        for (uint32_t r = 0; r < n && !m->verdict; r++)
            ask(d, rules->stage[stage][r], i);
        if (!m->verdict)
            d->live[left++] = i;
    }
    d->n_live = left;
}

/* Counters of rates lie far apart, so memory is asked for all of them before the first is needed.
 */
static void fetch_rates(struct node *d)
{
    const struct rules *rules = d->snapshot->rules;
    for (size_t k = 0; k < d->n_live; k++) {
        const struct message *m = &d->messages[d->live[k]];
        for (uint32_t r = 0; r < rules->n_stage[STAGE_RATE]; r++)
            conds_fetch(d, rules->stage[STAGE_RATE][r], d->live[k]);
        if (rules->needs_ait)
            ranges_fetch(d->rates->ranges, m->tenant_hash, m->to);
    }
}

/* Only rules whose patterns were found are asked; numbers come in the order of the file. */
static void run_content(struct node *d)
{
    const struct rules *rules = d->snapshot->rules;
    size_t left = 0;
    if (!rules->n_content || !rules->content)
        return;
    content_match(rules->content, d->scratch, d->live, d->n_live);
    for (size_t k = 0; k < d->n_live; k++) {
        uint16_t i = d->live[k];
        const struct content_result *r = &d->results[i];
        for (uint32_t hit = 0; hit < r->n_hits && !d->messages[i].verdict; hit++)
            if (rules->rules[r->hits[hit]].stage == STAGE_CONTENT)
                ask(d, &rules->rules[r->hits[hit]], i);
        if (!d->messages[i].verdict)
            d->live[left++] = i;
    }
    d->n_live = left;
}

/* Near duplicates and scores cost the most: only messages for which a rule wants them get them. */
static size_t choose(struct node *d, enum cond_kind kind)
{
    const struct rules *rules = d->snapshot->rules;
    size_t n = 0;
    for (size_t k = 0; k < d->n_live; k++) {
        uint16_t i = d->live[k];
        int wanted = 0;
        for (enum stage s = STAGE_NEAR; s <= STAGE_VERDICT && !wanted; s++)
            for (uint32_t r = 0; r < rules->n_stage[s] && !wanted; r++)
                wanted = is_for(d, rules->stage[s][r], i) &&
                         conds_may_hold(d, rules->stage[s][r], kind, i);
        if (wanted)
            d->some[n++] = i;
    }
    return n;
}

/* --- before the rules ------------------------------------------------------------------------- */

static void look(struct node *d, enum list_name list, int of_sender)
{
    const struct snapshot *s = d->snapshot;
    if (!s->lists[list] && !s->deltas[list])
        return;
    for (size_t i = 0; i < d->n; i++)
        d->numbers[i] = of_sender ? d->messages[i].from_number : d->messages[i].to;
    numbers_look(s->lists[list], s->deltas[list], (uint32_t)(d->now_ms / 1000), d->numbers, d->n,
                 d->hits);
    for (size_t i = 0; i < d->n; i++) {
        struct message *m = &d->messages[i];
        uint8_t *to = list == LIST_ALLOW ? of_sender ? &m->allowed_from : &m->allowed
                      : of_sender        ? &m->denied_from
                                         : &m->denied;
        *to = d->hits[i];
    }
}

static void read_texts_of(struct node *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct message *m = &d->messages[i];
        d->texts[i] = (struct content_message){ m->text, m->text_len, m->tenant_hash, d->now_ms };
    }
    content_begin(d->scratch, d->texts, d->n, d->results);
}

/* Routes that must not go by old lists. */
static void close_routes(struct node *d)
{
    const struct rules *rules = d->snapshot->rules;
    if (!rules->closed_routes || d->age_ms <= rules->stale_ms)
        return;
    for (size_t i = 0; i < d->n; i++) {
        struct message *m = &d->messages[i];
        if (m->verdict || !m->route_place ||
            !(rules->closed_routes[m->route_place / 64] >> m->route_place % 64 & 1))
            continue;
        m->verdict = rules->stale_verdict;
        m->reason = REASON_STALE;
        m->stage = STAGE_DENY;
        m->retry_ms = 5000;
    }
}

static int is_tagged(const struct message *m)
{
    for (unsigned i = 0; i < m->n_notes; i++)
        if (m->notes[i].rule->verdict == VERDICT_TAG && !m->notes[i].rule->is_monitor)
            return 1;
    return 0;
}

void stages_run(struct node *d)
{
    const struct rules *rules = d->snapshot->rules;
    look(d, LIST_DENY, 0);
    look(d, LIST_DENY, 1);
    look(d, LIST_ALLOW, 0);
    look(d, LIST_ALLOW, 1);
    if (rules->content)
        read_texts_of(d);
    else
        for (size_t i = 0; i < d->n; i++)
            d->results[i] = (struct content_result){ .score_pm = -1 };
    close_routes(d);
    d->n_live = 0;
    for (size_t i = 0; i < d->n; i++)
        if (!d->messages[i].verdict)
            d->live[d->n_live++] = (uint16_t)i;
    for (enum stage s = STAGE_ALLOW; s < STAGE_RATE; s++)
        run_stage(d, s);
    fetch_rates(d);
    run_stage(d, STAGE_RATE);
    run_content(d);
    if (rules->needs_near && rules->content)
        content_near(rules->content, d->scratch, rules->near_window_ms, d->some,
                     choose(d, COND_NEAR));
    run_stage(d, STAGE_NEAR);
    if (rules->needs_score && rules->content)
        content_score(rules->content, d->scratch, d->some, choose(d, COND_SCORE));
    run_stage(d, STAGE_SCORE);
    run_stage(d, STAGE_VERDICT);
    for (size_t k = 0; k < d->n_live; k++) {
        struct message *m = &d->messages[d->live[k]];
        m->verdict = is_tagged(m) ? VERDICT_TAG : VERDICT_PASS;
        m->stage = STAGE_VERDICT;
    }
}
