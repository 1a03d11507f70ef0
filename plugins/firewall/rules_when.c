/* SPDX-License-Identifier: Apache-2.0
 * Conditions of rules. All members of `when` must hold; the stage of a rule is the latest of its
 * conditions', and they are tried in the order of the table, cheap first.
 *
 * Thread: any; nothing blocks.
 */
#include "rules_int.h"

enum form {
    FORM_YES = 1,
    FORM_CHOICES,
    FORM_NUMBER,
    FORM_PREFIXES,
    FORM_WORDS,
    FORM_CHOICE,
    FORM_OBJECT,
    FORM_PATTERNS,
    FORM_SIGNAL
};

static const char *const classes[] = { "otp", "transactional", "marketing", "none", NULL };
static const char *const sender_kinds[] = { "alphanumeric", "numeric", "short", "none", NULL };
static const char *const list_words[] = { "deny", "allow", NULL };
static const char *const registry_words[] = { "unregistered", "lookalike", NULL };
static const char *const pers[] = { "tenant", "sender", "recipient", "route", "range", NULL };
static const char *const m_rate[] = { "per", "limit", "window", "burst", NULL };
static const char *const m_limit[] = { "per", "limit", "window", NULL };
static const char *const m_above[] = { "per", "above", "window", NULL };
static const char *const m_new[] = { "within", "learn", NULL };
static const char *const m_ratio[] = { "below", "above", "window", NULL };
static const char *const m_volume[] = { "factor", "above", "learn", NULL };
static const char *const m_run[] = { "length", NULL };
static const char *const m_conversion[] = { "below", "above", NULL };
static const char *const m_share[] = { "per", "above", "share", "window", NULL };
static const char *const m_only_above[] = { "above", NULL };

static const struct shape {
    const char *name;
    enum cond_kind kind;
    enum stage stage;
    enum reason reason;
    enum form form;
    const char *const *words; /* choices, or members of an object */
} shapes[] = {
    { "class", COND_CLASS, STAGE_ALLOW, REASON_POLICY, FORM_CHOICES, classes },
    { "senderKind", COND_SENDER_KIND, STAGE_ALLOW, REASON_POLICY, FORM_CHOICES, sender_kinds },
    { "minLength", COND_MIN_LENGTH, STAGE_ALLOW, REASON_POLICY, FORM_NUMBER, NULL },
    { "to", COND_TO, STAGE_ALLOW, REASON_NUMBER, FORM_PREFIXES, NULL },
    { "from", COND_FROM, STAGE_ALLOW, REASON_NUMBER, FORM_PREFIXES, NULL },
    { "sender", COND_SENDER, STAGE_ALLOW, REASON_SENDER, FORM_WORDS, NULL },
    { "list", COND_LIST, STAGE_ALLOW, REASON_NUMBER, FORM_CHOICE, list_words },
    { "listFrom", COND_LIST_FROM, STAGE_ALLOW, REASON_NUMBER, FORM_CHOICE, list_words },
    { "url", COND_URL, STAGE_DENY, REASON_CONTENT, FORM_YES, NULL },
    { "shortener", COND_SHORTENER, STAGE_DENY, REASON_HOST, FORM_YES, NULL },
    { "disguised", COND_DISGUISED, STAGE_DENY, REASON_CONTENT, FORM_YES, NULL },
    { "host", COND_HOST, STAGE_DENY, REASON_HOST, FORM_WORDS, NULL },
    { "signal", COND_SIGNAL, STAGE_DENY, REASON_SIGNAL, FORM_SIGNAL, NULL },
    { "registry", COND_REGISTRY, STAGE_SENDER, REASON_UNREGISTERED, FORM_CHOICE, registry_words },
    { "newSender", COND_NEW_SENDER, STAGE_RATE, REASON_NEW_SENDER, FORM_OBJECT, m_new },
    { "volume", COND_VOLUME, STAGE_RATE, REASON_VOLUME, FORM_OBJECT, m_volume },
    { "growth", COND_GROWTH, STAGE_RATE, REASON_VOLUME, FORM_OBJECT, m_volume },
    { "run", COND_RUN, STAGE_RATE, REASON_RANGE, FORM_OBJECT, m_run },
    { "conversion", COND_CONVERSION, STAGE_RATE, REASON_CONVERSION, FORM_OBJECT, m_conversion },
    { "ratio", COND_RATIO, STAGE_RATE, REASON_RATIO, FORM_OBJECT, m_ratio },
    { "count", COND_COUNT, STAGE_RATE, REASON_VELOCITY, FORM_OBJECT, m_above },
    { "distinct", COND_DISTINCT, STAGE_RATE, REASON_DISTINCT, FORM_OBJECT, m_above },
    { "share", COND_SHARE, STAGE_RATE, REASON_SHARE, FORM_OBJECT, m_share },
    { "rate", COND_RATE, STAGE_RATE, REASON_RATE, FORM_OBJECT, m_rate },
    { "limit", COND_LIMIT, STAGE_RATE, REASON_LIMIT, FORM_OBJECT, m_limit },
    { "cost", COND_COST, STAGE_RATE, REASON_COST, FORM_OBJECT, m_limit },
    { "text", COND_CONTENT, STAGE_CONTENT, REASON_CONTENT, FORM_PATTERNS, NULL },
    { "words", COND_CONTENT, STAGE_CONTENT, REASON_CONTENT, FORM_PATTERNS, NULL },
    { "regex", COND_CONTENT, STAGE_CONTENT, REASON_CONTENT, FORM_PATTERNS, NULL },
    { "regexRaw", COND_CONTENT, STAGE_CONTENT, REASON_CONTENT, FORM_PATTERNS, NULL },
    { "near", COND_NEAR, STAGE_NEAR, REASON_NEAR, FORM_OBJECT, m_only_above },
    { "score", COND_SCORE, STAGE_SCORE, REASON_SCORE, FORM_OBJECT, m_only_above },
    { "weight", COND_WEIGHT, STAGE_VERDICT, REASON_WEIGHT, FORM_OBJECT, m_only_above },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* --- forms ------------------------------------------------------------------------------------ */

struct filling {
    struct cond *c;
    const struct shape *shape;
    struct prefix *prefixes;
    struct word *words;
    uint32_t number; /* of the rule, for its patterns */
};

static int fill_choice_bit(struct reading *r, const struct tree *t, void *arg)
{
    struct filling *f = arg;
    int place = read_choice(r, t, f->shape->name, f->shape->words);
    if (place < 0)
        return -1;
    f->c->mask |= 1u << place;
    return 0;
}

static int fill_prefix(struct reading *r, const struct tree *t, void *arg)
{
    struct filling *f = arg;
    return read_prefix(r, t, &f->prefixes[f->c->n++]);
}

static int fill_word(struct reading *r, const struct tree *t, void *arg)
{
    struct filling *f = arg;
    char *lower = pool_copy(r->pool, t->text, t->len);
    size_t len = t->len;
    for (char *p = lower; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p | 0x20);
    int is_open = f->shape->kind == COND_SENDER && len && lower[len - 1] == '*';
    len -= (size_t)is_open;
    if (f->shape->kind == COND_HOST && len > 2 && lower[0] == '*' && lower[1] == '.') {
        lower += 2;
        len -= 2;
    }
    if (!len)
        return mistake(r, t->line, "'%s' holds an empty text", f->shape->name);
    f->words[f->c->n++] = (struct word){ lower, (uint32_t)len, (uint32_t)is_open };
    return 0;
}

static int fill_pattern(struct reading *r, const struct tree *t, void *arg)
{
    static const struct {
        const char *name;
        enum content_kind kind;
    } kinds[] = { { "text", CONTENT_LITERAL },
                  { "words", CONTENT_WORDS },
                  { "regex", CONTENT_REGEX },
                  { "regexRaw", CONTENT_REGEX_RAW } };
    struct filling *f = arg;
    size_t i = 0;
    while (strcmp(kinds[i].name, f->shape->name) != 0)
        i++;
    if (!t->len || t->len > CONTENT_PATTERN_MAX)
        return mistake(r, t->line, "'%s' has %zu bytes; a pattern has 1 to %d", f->shape->name,
                       t->len, CONTENT_PATTERN_MAX);
    if (r->n_patterns == r->size_patterns) {
        r->size_patterns = r->size_patterns ? r->size_patterns * 2 : 256;
        r->patterns = must(realloc(r->patterns, r->size_patterns * sizeof *r->patterns));
        r->pattern_of = must(realloc(r->pattern_of, r->size_patterns * sizeof(void *)));
    }
    r->pattern_of[r->n_patterns] = t;
    r->patterns[r->n_patterns++] =
        (struct content_pattern){ t->text, t->len, kinds[i].kind, f->number };
    return 0;
}

static int fill_signal(struct reading *r, const struct tree *t, struct filling *f)
{
    static const char *const members[] = { "of", "differs", "digits", "prefix", "not", NULL };
    struct signal_test *s = &f->c->signal;
    int64_t digits = 5;
    const struct tree *prefixes = tree_get(t, "prefix"), *is_not = tree_get(t, "not");
    check_members(r, t, "signal", members);
    s->of = read_string(r, t, "of");
    s->other = read_string(r, t, "differs");
    if (!s->of || !s->other == !prefixes)
        return mistake(r, t->line, "'signal' has 'of', and either 'differs' or 'prefix'");
    s->of_len = strlen(s->of);
    s->other_len = s->other ? strlen(s->other) : 0;
    s->is_not = is_not && is_not->truth;
    if (read_int(r, t, "digits", 1, 15, &digits) != 0)
        return -1;
    s->digits = (unsigned)digits;
    r->rules->needs_signal = 1;
    if (!prefixes)
        return 0;
    f->prefixes = pool_alloc(r->pool, text_count(prefixes) * sizeof *f->prefixes);
    f->c->prefixes = f->prefixes;
    return read_texts(r, prefixes, "prefix", fill_prefix, f);
}

/* --- objects ---------------------------------------------------------------------------------- */

static int read_per(struct reading *r, const struct tree *t, struct filling *f)
{
    struct filling per = { .c = f->c, .shape = &(struct shape){ .name = "per", .words = pers } };
    const struct tree *given = tree_get(t, "per");
    if (given)
        return read_texts(r, given, "per", fill_choice_bit, &per);
    f->c->mask = PER_TENANT;
    return 0;
}

static int has_member(const struct shape *shape, const char *name)
{
    for (const char *const *m = shape->words; *m; m++)
        if (!strcmp(*m, name))
            return 1;
    return 0;
}

static int needs(struct reading *r, const struct tree *t, const struct shape *shape,
                 const char *key)
{
    if (!has_member(shape, key) || tree_get(t, key))
        return 0;
    return mistake(r, t->line, "'%s' needs '%s'", shape->name, key);
}

static int fill_object(struct reading *r, const struct tree *t, struct filling *f)
{
    struct cond *c = f->c;
    const struct shape *s = f->shape;
    double share = 0;
    if (t->type != TREE_OBJECT)
        return mistake(r, t->line, "'%s' is an object: {\"%s\": ..}", s->name, s->words[0]);
    check_members(r, t, s->name, s->words);
    if (has_member(s, "per") && read_per(r, t, f) != 0)
        return -1;
    if (needs(r, t, s, "limit") || needs(r, t, s, "above") || needs(r, t, s, "window") ||
        needs(r, t, s, "below") || needs(r, t, s, "factor") || needs(r, t, s, "length") ||
        needs(r, t, s, "share") || needs(r, t, s, "within"))
        return -1;
    int64_t most = c->kind == COND_LIMIT ? 16000 : c->kind == COND_SCORE ? 1000 : INT64_C(1) << 50;
    if (read_int(r, t, "limit", 1, most, &c->limit) ||
        read_int(r, t, "above", 0, most, &c->limit) ||
        read_int(r, t, "length", 2, 1000, &c->limit) ||
        read_duration(r, t, "window", &c->window_ms) ||
        read_duration(r, t, "within", &c->window_ms) ||
        read_duration(r, t, "learn", &c->learn_ms) || read_ratio(r, t, "below", &c->ratio) ||
        read_ratio(r, t, "factor", &c->ratio) || read_ratio(r, t, "share", &share))
        return -1;
    if ((tree_get(t, "window") && c->window_ms < 1000) || c->window_ms > INT64_C(86400000) * 31)
        return mistake(r, t->line, "the window of '%s' is 1s to 31d", s->name);
    c->ratio = has_member(s, "share") ? share : c->ratio;
    c->burst = c->limit;
    return read_int(r, t, "burst", 1, most, &c->burst);
}

static void note_needs(struct rules *rules, const struct cond *c)
{
    rules->needs_near |= c->kind == COND_NEAR;
    rules->needs_score |= c->kind == COND_SCORE;
    rules->needs_ait |= c->kind == COND_VOLUME || c->kind == COND_GROWTH || c->kind == COND_RUN ||
                        c->kind == COND_CONVERSION;
    rules->needs_cost |= c->kind == COND_COST;
    rules->needs_text |= c->kind == COND_URL || c->kind == COND_SHORTENER ||
                         c->kind == COND_DISGUISED || c->kind == COND_HOST ||
                         c->kind == COND_CONTENT || c->kind == COND_NEAR || c->kind == COND_SCORE;
}

static int fill(struct reading *r, const struct tree *t, struct filling *f)
{
    int64_t n = 0;
    switch (f->shape->form) {
    case FORM_YES:
        if (t->type != TREE_BOOL)
            return mistake(r, t->line, "'%s' is true or false", f->shape->name);
        f->c->truth = t->truth;
        return 0;
    case FORM_CHOICES:
        return read_texts(r, t, f->shape->name, fill_choice_bit, f);
    case FORM_CHOICE:
        f->c->truth = read_choice(r, t, f->shape->name, f->shape->words);
        return f->c->truth < 0 ? -1 : 0;
    case FORM_NUMBER:
        n = t->type == TREE_NUMBER ? (int64_t)t->number : -1;
        f->c->limit = n;
        return n < 0 ? mistake(r, t->line, "'%s' is a number", f->shape->name) : 0;
    case FORM_PREFIXES:
        f->prefixes = pool_alloc(r->pool, text_count(t) * sizeof *f->prefixes);
        f->c->prefixes = f->prefixes;
        return read_texts(r, t, f->shape->name, fill_prefix, f);
    case FORM_WORDS:
        f->words = pool_alloc(r->pool, text_count(t) * sizeof *f->words);
        f->c->words = f->words;
        return read_texts(r, t, f->shape->name, fill_word, f);
    case FORM_PATTERNS:
        return read_texts(r, t, f->shape->name, fill_pattern, f);
    case FORM_SIGNAL:
        return fill_signal(r, t, f);
    case FORM_OBJECT:
        return fill_object(r, t, f);
    }
    return -1;
}

/* --- when ------------------------------------------------------------------------------------- */

static const char *const *shape_names(struct reading *r)
{
    if (r->when_names)
        return r->when_names;
    r->when_names = pool_alloc(r->pool, (SHAPES + 1) * sizeof *r->when_names);
    for (size_t i = 0; i < SHAPES; i++)
        r->when_names[i] = shapes[i].name;
    return r->when_names;
}

/* The reason is that of the condition that decides: the last one that says more than whose it is.
 */
static void set_stage(struct rule *rule, const struct shape *s, const struct cond *c)
{
    enum reason reason = s->reason;
    if (s->kind == COND_REGISTRY && c->truth)
        reason = REASON_LOOKALIKE;
    if (s->stage > rule->stage || rule->reason == REASON_NONE ||
        (s->stage == rule->stage && rule->reason == REASON_POLICY)) {
        rule->reason = reason;
    }
    rule->stage = s->stage > rule->stage ? s->stage : rule->stage;
}

static int sketch_of(const struct cond *c)
{
    return c->kind == COND_COUNT || c->kind == COND_RATIO ? SKETCH_COUNT
           : c->kind == COND_DISTINCT                     ? SKETCH_DISTINCT
           : c->kind == COND_SHARE                        ? SKETCH_HEAVY
                                                          : 0;
}

static const struct rule *old_rule(const struct rules *old, uint64_t id_hash)
{
    for (uint32_t i = 0; old && i < old->n; i++)
        if (old->rules[i].id_hash == id_hash)
            return &old->rules[i];
    return NULL;
}

/* A rule that stays keeps its sketch, so a reload forgets nothing. */
static void add_sketch(struct reading *r, const struct rule *rule, struct cond *c)
{
    int kind = sketch_of(c);
    const struct rule *old = kind ? old_rule(r->old, rule->id_hash) : NULL;
    if (!kind)
        return;
    for (uint32_t i = 0; old && i < old->n_conds; i++)
        if (old->conds[i].kind == c->kind &&
            sketch_is(old->conds[i].sketch, (enum sketch_kind)kind, c->window_ms)) {
            c->sketch = sketch_ref(old->conds[i].sketch);
            return;
        }
    c->sketch = sketch_create((enum sketch_kind)kind, c->window_ms);
}

int read_when(struct reading *r, const struct tree *when, struct rule *rule)
{
    unsigned before = r->n_mistakes;
    int has_patterns = 0;
    if (!when || when->type != TREE_OBJECT || !when->len)
        return mistake(r, when ? when->line : rule->line, "'when' is an object of conditions");
    check_members(r, when, "when", shape_names(r));
    rule->conds = pool_alloc(r->pool, when->len * sizeof *rule->conds);
    for (size_t i = 0; i < SHAPES; i++) {
        const struct tree *t = tree_get(when, shapes[i].name);
        if (!t)
            continue;
        struct cond c = { .kind = shapes[i].kind };
        struct filling f = { .c = &c, .shape = &shapes[i], .number = rule->index };
        if (fill(r, t, &f) != 0)
            continue;
        note_needs(r->rules, &c);
        set_stage(rule, &shapes[i], &c);
        if (c.kind == COND_CONTENT && has_patterns++)
            continue; /* any of a rule's patterns is enough */
        add_sketch(r, rule, &c);
        rule->conds[rule->n_conds++] = c;
    }
    return r->n_mistakes == before ? 0 : -1;
}
