/* SPDX-License-Identifier: Apache-2.0
 * A rules file: read, checked as a whole, compiled. Every mistake is told with its line, up to
 * twenty at once, and nothing is taken from a file that has one.
 *
 * Thread: a keeper's, or the one that checks a workflow; compiling patterns takes seconds.
 */
#include "rules_int.h"
#include <time.h>

enum { RULES_MAX = 200000, NAMES_MAX = 65000 };

/* --- reading scopes --------------------------------------------------------------------------- */

struct bits {
    struct names *names;
    uint64_t *set;
    uint32_t words;
};

/* Names come before bits: sets have the size of all names of the file. */
static int collect_name(struct reading *r, const struct tree *t, void *arg)
{
    struct names *names = arg;
    if (names->n >= NAMES_MAX)
        return mistake(r, t->line, "more than %d different names in scopes", NAMES_MAX);
    names_add(names, name_hash(t->text, t->len));
    return 0;
}

static int set_bit(struct reading *r, const struct tree *t, void *arg)
{
    struct bits *b = arg;
    uint32_t place = names_find(b->names, name_hash(t->text, t->len));
    (void)r;
    b->set[place / 64] |= UINT64_C(1) << place % 64;
    return 0;
}

static const uint64_t *read_bits(struct reading *r, const struct tree *t, const char *what,
                                 struct names *names)
{
    struct bits b = { .names = names, .words = names->n / 64 + 1 };
    if (!t)
        return NULL;
    b.set = pool_alloc(r->pool, b.words * sizeof *b.set);
    return read_texts(r, t, what, set_bit, &b) == 0 ? b.set : NULL;
}

static int add_country(struct reading *r, const struct tree *t, void *arg)
{
    struct scope *scope = arg;
    struct rules *rules = r->rules;
    struct prefix p = { 0, 0 };
    uint32_t i = 0;
    if (read_prefix(r, t, &p) != 0)
        return -1;
    while (i < rules->n_countries &&
           (rules->countries[i].value != p.value || rules->countries[i].digits != p.digits))
        i++;
    if (i == 64)
        return mistake(r, t->line, "more than 64 different countries in scopes");
    rules->countries[i] = p;
    rules->n_countries += i == rules->n_countries;
    scope->countries |= UINT64_C(1) << i;
    return 0;
}

static int add_direction(struct reading *r, const struct tree *t, void *arg)
{
    static const char *const words[] = { "mt", "mo", NULL };
    int place = read_choice(r, t, "direction", words);
    if (place < 0)
        return -1;
    ((struct scope *)arg)->directions |= 1u << place;
    return 0;
}

static const char *const scope_members[] = { "tenant", "route", "country", "direction", NULL };

static void read_scope(struct reading *r, const struct tree *t, struct rule *rule)
{
    struct scope *s = &rule->scope;
    if (!t)
        return;
    if (t->type != TREE_OBJECT) {
        mistake(r, t->line, "'scope' is an object");
        return;
    }
    check_members(r, t, "scope", scope_members);
    rule->has_scope = t->len > 0;
    s->tenants = read_bits(r, tree_get(t, "tenant"), "tenant", &r->rules->tenants);
    s->routes = read_bits(r, tree_get(t, "route"), "route", &r->rules->routes);
    if (tree_get(t, "country"))
        read_texts(r, tree_get(t, "country"), "country", add_country, s);
    if (tree_get(t, "direction"))
        read_texts(r, tree_get(t, "direction"), "direction", add_direction, s);
}

/* --- a rule ----------------------------------------------------------------------------------- */

static const char *const rule_members[] = { "id",     "action", "mode",    "when", "scope",
                                            "reason", "weight", "expires", "code", "route",
                                            "hold",   "note",   NULL };
static const char *const actions[] = { "pass", "tag",    "throttle", "quarantine",
                                       "drop", "reject", "reroute",  NULL };
static const char *const modes[] = { "enforce", "monitor", NULL };

static void read_expiry(struct reading *r, const struct tree *t, struct rule *rule)
{
    struct tm tm = { 0 };
    if (!t)
        return;
    const char *rest = t->type == TREE_STRING ? strptime(t->text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;
    if (!rest && t->type == TREE_STRING)
        rest = strptime(t->text, "%Y-%m-%d", &tm);
    if (!rest || *rest)
        mistake(r, t->line, "'expires' is a time of UTC such as 2027-01-31T12:00:00Z");
    else
        rule->expires_ms = (int64_t)timegm(&tm) * 1000;
}

static void read_action(struct reading *r, const struct tree *t, struct rule *rule)
{
    const struct tree *action = tree_get(t, "action"), *mode = tree_get(t, "mode");
    int place = action ? read_choice(r, action, "action", actions) : -1;
    if (!action)
        mistake(r, t->line,
                "a rule needs 'action': pass, tag, throttle, quarantine, drop, reject, "
                "reroute");
    rule->verdict = place < 0 ? VERDICT_NONE : (enum verdict)(place + 1);
    rule->is_monitor = mode && read_choice(r, mode, "mode", modes) == 1;
    rule->code = read_string(r, t, "code");
    rule->route = read_string(r, t, "route");
    if (rule->verdict == VERDICT_REROUTE && !rule->route)
        mistake(r, t->line, "reroute needs 'route'");
    rule->hold_ms = INT64_C(30) * 60000;
    read_duration(r, t, "hold", &rule->hold_ms);
}

static void read_reason(struct reading *r, const struct tree *t, struct rule *rule)
{
    const char *reason = read_string(r, t, "reason"), *names[REASON_END];
    for (unsigned i = 1; i < REASON_END; i++)
        names[i - 1] = reason_name((enum reason)i);
    names[REASON_END - 1] = NULL;
    if (rule->stage == STAGE_ALLOW && rule->verdict == VERDICT_PASS)
        rule->reason = REASON_ALLOWED;
    if (reason && read_choice(r, tree_get(t, "reason"), "reason", names) >= 0)
        rule->reason = reason_of(reason);
}

static void read_rule(struct reading *r, const struct tree *t, struct rule *rule)
{
    int64_t weight = 0;
    rule->line = t->line;
    if (t->type != TREE_OBJECT) {
        mistake(r, t->line, "a rule is an object");
        return;
    }
    rule->id = read_string(r, t, "id");
    r->rule_id = rule->id;
    if (!rule->id || !*rule->id || strlen(rule->id) > 80)
        mistake(r, t->line, "a rule needs 'id', 1 to 80 bytes");
    rule->id_hash = name_hash(rule->id ? rule->id : "", rule->id ? strlen(rule->id) : 0);
    check_members(r, t, "a rule", rule_members);
    read_action(r, t, rule);
    read_int(r, t, "weight", -1000, 1000, &weight);
    rule->weight = (int)weight;
    read_expiry(r, tree_get(t, "expires"), rule);
    read_scope(r, tree_get(t, "scope"), rule);
    read_when(r, tree_get(t, "when"), rule);
    if (rule->stage == STAGE_ALLOW && rule->verdict != VERDICT_PASS)
        rule->stage = STAGE_DENY;
    read_reason(r, t, rule);
    r->rule_id = NULL;
}

/* --- the rest of the file --------------------------------------------------------------------- */

static void collect_names(struct reading *r, const struct tree *rules)
{
    for (const struct tree *t = rules->first; t; t = t->next) {
        const struct tree *scope = tree_get(t, "scope");
        const struct tree *tenant = tree_get(scope, "tenant"), *route = tree_get(scope, "route");
        if (tenant)
            read_texts(r, tenant, "tenant", collect_name, &r->rules->tenants);
        if (route)
            read_texts(r, route, "route", collect_name, &r->rules->routes);
    }
}

static void check_ids(struct reading *r)
{
    struct names seen = { 0 };
    for (uint32_t i = 0; i < r->rules->n; i++) {
        const struct rule *rule = &r->rules->rules[i];
        uint32_t before = seen.n;
        if (rule->id && names_add(&seen, rule->id_hash) && seen.n == before)
            mistake(r, rule->line, "the id '%s' stands twice", rule->id);
    }
    names_fini(&seen);
}

static void read_rules(struct reading *r, const struct tree *list)
{
    struct rules *rules = r->rules;
    if (!list || list->type != TREE_ARRAY || list->len > RULES_MAX) {
        mistake(r, list ? list->line : 1, "'rules' is a list of at most %d rules", RULES_MAX);
        return;
    }
    collect_names(r, list);
    rules->rules = pool_alloc(r->pool, (list->len + 1) * sizeof *rules->rules);
    for (const struct tree *t = list->first; t; t = t->next, rules->n++) {
        rules->rules[rules->n].index = rules->n;
        read_rule(r, t, &rules->rules[rules->n]);
    }
    check_ids(r);
}

static void read_windows(struct reading *r, const struct tree *t)
{
    static const char *const members[] = { "near", "range", "conversion", NULL };
    struct rules *rules = r->rules;
    rules->near_window_ms = rules->ait_window_ms = 600000;
    rules->conversion_window_ms = 3600000;
    if (!t)
        return;
    check_members(r, t, "windows", members);
    read_duration(r, t, "near", &rules->near_window_ms);
    read_duration(r, t, "range", &rules->ait_window_ms);
    read_duration(r, t, "conversion", &rules->conversion_window_ms);
    if (rules->ait_window_ms < 1000 || rules->conversion_window_ms < 1000 ||
        rules->near_window_ms < 1000)
        mistake(r, t->line, "windows are 1s or longer");
}

static void read_outage(struct reading *r, const struct tree *t)
{
    static const char *const members[] = { "closedRoutes", "maxAge", "action", NULL };
    struct rules *rules = r->rules;
    const struct tree *closed = tree_get(t, "closedRoutes"), *action = tree_get(t, "action");
    rules->stale_ms = 600000;
    rules->stale_verdict = VERDICT_REJECT;
    if (!t)
        return;
    check_members(r, t, "outage", members);
    read_duration(r, t, "maxAge", &rules->stale_ms);
    rules->closed_routes = read_bits(r, closed, "closedRoutes", &rules->routes);
    int place = action ? read_choice(r, action, "action", actions) : 5;
    if (place >= 2 && place <= 5)
        rules->stale_verdict = (enum verdict)(place + 1);
    else if (place >= 0)
        mistake(r, action->line, "the action of an outage is throttle, quarantine, drop or reject");
}

static void read_prices(struct reading *r, const struct tree *t)
{
    static const char *const members[] = { "prefix", "micro", NULL };
    struct rules *rules = r->rules;
    if (!t)
        return;
    struct prefix *prefixes = pool_alloc(r->pool, (t->len + 1) * sizeof *prefixes);
    int64_t *micro = pool_alloc(r->pool, (t->len + 1) * sizeof *micro);
    for (const struct tree *p = t->first; p; p = p->next) {
        struct prefix prefix = { 0, 0 };
        int64_t price = -1;
        const struct tree *text = tree_get(p, "prefix");
        check_members(r, p, "a price", members);
        if (!text || read_prefix(r, text, &prefix) != 0 ||
            read_int(r, p, "micro", 0, INT64_C(1) << 40, &price) != 0 || price < 0) {
            mistake(r, p->line, "a price is {\"prefix\": \"49\", \"micro\": 75000}");
            continue;
        }
        uint32_t at = rules->n_prices++;
        for (; at > 0 && prefixes[at - 1].digits < prefix.digits; at--) {
            prefixes[at] = prefixes[at - 1];
            micro[at] = micro[at - 1];
        }
        prefixes[at] = prefix;
        micro[at] = price;
    }
    rules->price_prefixes = prefixes;
    rules->prices_micro = micro;
}

/* --- compiling -------------------------------------------------------------------------------- */

static void sort_stages(struct rules *rules, struct pool *pool)
{
    for (uint32_t i = 0; i < rules->n; i++)
        rules->n_stage[rules->rules[i].stage]++;
    for (int s = 0; s < STAGES; s++) {
        rules->stage[s] = pool_alloc(pool, (rules->n_stage[s] + 1) * sizeof(void *));
        rules->n_stage[s] = 0;
    }
    for (uint32_t i = 0; i < rules->n; i++) {
        enum stage s = rules->rules[i].stage;
        rules->stage[s][rules->n_stage[s]++] = &rules->rules[i];
    }
}

/* Hits by id; ids are few enough for a table of names. */
static void take_hits(struct rules *rules, const struct rules *old)
{
    struct names ids = { 0 };
    rules->hits = must(calloc(rules->n + 1, sizeof *rules->hits));
    for (uint32_t i = 0; old && i < old->n; i++)
        names_add(&ids, old->rules[i].id_hash); /* ids are unique: place is index + 1 */
    for (uint32_t i = 0; old && i < rules->n; i++) {
        uint32_t place = names_find(&ids, rules->rules[i].id_hash);
        if (place)
            atomic_store(&rules->hits[i], atomic_load(&old->hits[place - 1]));
    }
    names_fini(&ids);
}

static void compile_content(struct reading *r, const char *model_file, const char *cache_folder)
{
    struct rules *rules = r->rules;
    struct content_problem why = { .pattern = SIZE_MAX };
    const struct content_options options = { .model_file = !rules->needs_score ? NULL
                                                           : model_file        ? model_file
                                                                               : "",
                                             .cache_folder = cache_folder };
    rules->n_content = (uint32_t)r->n_patterns;
    if (r->n_mistakes || !rules->needs_text)
        return;
    rules->content = content_compile(r->patterns, r->n_patterns, &options, &why);
    if (rules->content)
        return;
    int known = why.pattern < r->n_patterns;
    r->rule_id = known ? rules->rules[r->patterns[why.pattern].number].id : NULL;
    mistake(r, known ? r->pattern_of[why.pattern]->line : 1, "%s", why.text);
}

static void read_file(struct reading *r, const char *text, size_t len, const char *model_file,
                      const char *cache_folder)
{
    static const char *const members[] = { "format", "name",     "note",   "windows", "outage",
                                           "prices", "registry", "brands", "rules",   NULL };
    char why[200];
    struct tree *root = tree_parse(r->pool, text, len, why, sizeof why);
    if (!root || root->type != TREE_OBJECT) {
        unsigned line = 1;
        const char *said = root ? "a rules file is a JSON object" : why;
        if (!root && sscanf(why, "line %u:", &line) == 1)
            said = strchr(why, ':') + 2;
        mistake(r, line, "%s", said);
        return;
    }
    check_members(r, root, "a rules file", members);
    int64_t format = 1;
    read_int(r, root, "format", 1, 1, &format);
    const struct tree *closed = tree_get(tree_get(root, "outage"), "closedRoutes");
    if (closed)
        read_texts(r, closed, "closedRoutes", collect_name, &r->rules->routes);
    read_windows(r, tree_get(root, "windows"));
    read_rules(r, tree_get(root, "rules"));
    read_outage(r, tree_get(root, "outage"));
    read_prices(r, tree_get(root, "prices"));
    r->rules->registry = read_registry(r, root);
    compile_content(r, model_file, cache_folder);
}

struct rules *rules_load(const char *text, size_t len, const char *model_file,
                         const char *cache_folder, const struct rules *old, char **why)
{
    struct rules *rules = must(calloc(1, sizeof *rules));
    struct reading r = { .pool = pool_create(), .rules = rules, .old = old };
    static const uint8_t key[16] = "catalyst.rules1";
    atomic_init(&rules->refs, 1);
    rules->pool = r.pool;
    snprintf(rules->hash, sizeof rules->hash, "%016llx",
             (unsigned long long)hash_keyed(key, text, len));
    read_file(&r, text, len, model_file, cache_folder);
    sort_stages(rules, r.pool);
    take_hits(rules, r.n_mistakes ? NULL : old);
    rules->text = pool_copy(r.pool, text, len);
    rules->text_len = len;
    free(r.patterns);
    free((void *)r.pattern_of);
    if (!r.n_mistakes)
        return rules;
    *why = r.mistakes;
    rules_unref(rules);
    return NULL;
}

struct rules *rules_ref(struct rules *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void rules_unref(struct rules *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < r->n; i++)
        for (uint32_t k = 0; k < r->rules[i].n_conds; k++)
            sketch_unref(r->rules[i].conds[k].sketch);
    content_free(r->content);
    registry_fini(r->registry);
    names_fini(&r->tenants);
    names_fini(&r->routes);
    free(r->hits);
    pool_free(r->pool);
    free(r);
}
