/* SPDX-License-Identifier: Apache-2.0
 * catalyst/filter.h - the "conditions" parameter of if, switch and filter, for any plugin that
 * wants one. Header only, needs libc only.
 *
 * In a workflow:
 *
 *   "conditions": {
 *     "combinator": "and",
 *     "options": { "caseSensitive": true, "typeValidation": "strict" },
 *     "conditions": [
 *       { "leftValue": "={{ $json.amount }}", "rightValue": 100,
 *         "operator": { "type": "number", "operation": "gt" } }
 *     ]
 *   }
 *
 * In a plugin: embed `wf_filter` in the config, name its rows with WF_FILTER_PARAMS in the table,
 * make a `wf_filter_cache` in open(), and ask wf_filter_match() for each item:
 *
 *   struct config { wf_filter filter; };
 *   static const wf_param params[] = { WF_FILTER_PARAMS(struct config, filter), WF_END };
 *
 * Types are those of n8n and so are the rules: under "strict" a value of another type than the
 * operator's is an error of that item, under "loose" it is converted. null and missing pass as
 * "nothing there": an empty text, no date, and in comparisons of numbers null is 0 and missing is
 * greater and less than nothing. All text is UTF-8; without regard to case means Latin, Greek,
 * Cyrillic and Armenian (text.h). Regular expressions are those of regex.h: JavaScript's syntax
 * without look-around and back-references, either bare or as /pattern/flags.
 *
 * Thread: [w]. Nothing blocks. Conversions and messages are made in the item's arena; a comparison
 * of values that have the right type allocates nothing.
 */
#ifndef WF_FILTER_H
#define WF_FILTER_H
#include <catalyst/date.h>
#include <catalyst/filter_params.h>
#include <catalyst/plugin.h>
#include <catalyst/regex.h>
#include <catalyst/text.h>
#include <math.h>

typedef wf_regex_cache wf_filter_cache; /* cleared at first; wf_regex_cache_fini() in the end */

/* Why a filter gave no answer. */
typedef struct {
    const char *code; /* of WF_FILTER_CODES */
    const char *text; /* a sentence, in the item's arena */
} wf_filter_error;

/* One value as its operator wants it. */
typedef struct {
    const wf_value *v;
    int there;  /* neither missing nor null */
    int is_int; /* i is exact */
    int truth;
    const char *s; /* never NULL */
    size_t len;
    double n;  /* NaN when missing, 0 when null */
    int64_t i; /* integers and dates */
} wf_filter_operand;

typedef struct {
    const wf_host *h;
    wf_item *it;
    wf_filter_cache *cache;
    wf_filter_error *error;
    int fold, loose;
    size_t number; /* of the condition, from 1 */
} wf_filter_run;

static inline const char *wf_filter_type_words(wf_json_type t)
{
    static const char *const words[] = { "missing",  "null",     "a boolean", "a number",
                                         "a string", "an array", "an object" };
    return words[t];
}

static inline int wf_filter_fail(wf_filter_run *run, const char *side, const wf_value *v, int type)
{
    wf_str json = run->h->v->json(run->it, v);
    int shown = json.len > 60 ? 60 : (int)json.len;
    while (shown > 0 && shown < (int)json.len && ((unsigned char)json.ptr[shown] & 0xc0) == 0x80)
        shown--;
    run->error->code = "wrong_type";
    run->error->text =
        run->h
            ->fmt(run->it, "condition %zu: the %s value %.*s%s is %s, expected %s%s", run->number,
                  side, shown, json.ptr, shown < (int)json.len ? "..." : "",
                  wf_filter_type_words(run->h->v->type(v)), wf_filter_types[type].text,
                  run->loose ? "; it cannot be converted"
                             : "; convert it, or set typeValidation to \"loose\"")
            .ptr;
    return -1;
}

static inline int wf_filter_as_number(wf_filter_run *run, wf_filter_operand *o)
{
    const wf_values *v = run->h->v;
    wf_json_type t = v->type(o->v);
    const char *s;
    size_t len;
    if (t == WF_JSON_NUMBER) {
        o->is_int = v->int64(o->v, &o->i) == 0;
        if (o->is_int)
            o->n = (double)o->i;
        else
            v->number(o->v, &o->n);
        return 0;
    }
    if (!run->loose || t >= WF_JSON_ARRAY)
        return -1;
    if (t == WF_JSON_BOOL) {
        o->n = v->boolean(o->v);
        return 0;
    }
    return v->bytes(o->v, &s, &len) != 0 ? -1 : wf_text_number(s, len, &o->n);
}

static inline int wf_filter_as_string(wf_filter_run *run, wf_filter_operand *o)
{
    if (run->h->v->bytes(o->v, &o->s, &o->len) == 0) {
        if (!o->len)
            o->s = "";
        return 0;
    }
    if (!run->loose)
        return -1;
    wf_str text = run->h->v->text(run->it, o->v);
    o->s = text.ptr;
    o->len = text.len;
    return 0;
}

static inline int wf_filter_as_boolean(wf_filter_run *run, wf_filter_operand *o)
{
    const wf_values *v = run->h->v;
    wf_json_type t = v->type(o->v);
    const char *s;
    size_t len;
    o->truth = v->boolean(o->v);
    if (t == WF_JSON_BOOL)
        return 0;
    if (!run->loose)
        return -1;
    if (v->bytes(o->v, &s, &len) == 0 &&
        (wf_text_equal(s, len, "false", 5, 1) || wf_text_equal(s, len, "0", 1, 0)))
        o->truth = 0;
    return 0;
}

static inline int wf_filter_as_date(wf_filter_run *run, wf_filter_operand *o)
{
    const wf_values *v = run->h->v;
    const char *s;
    size_t len;
    o->is_int = 1;
    if (v->bytes(o->v, &s, &len) == 0)
        return wf_date_parse(s, len, &o->i);
    if (v->type(o->v) != WF_JSON_NUMBER || v->number(o->v, &o->n) != 0 || fabs(o->n) > 8.64e15)
        return -1;
    o->i = (int64_t)floor(o->n);
    return 0;
}

/* An array or an object, under "loose" also as JSON text. */
static inline int wf_filter_as_container(wf_filter_run *run, wf_filter_operand *o,
                                         wf_json_type want)
{
    const wf_values *v = run->h->v;
    const char *why, *s;
    size_t len;
    if (v->type(o->v) == want)
        return 0;
    if (!run->loose || v->bytes(o->v, &s, &len) != 0)
        return -1;
    const wf_value *parsed = v->parse(run->it, (wf_str){ s, len }, &why);
    if (!parsed || v->type(parsed) != want)
        return -1;
    o->v = parsed;
    return 0;
}

static inline int wf_filter_operand_of(wf_filter_run *run, const wf_value *v, int type,
                                       const char *side, wf_filter_operand *o)
{
    wf_json_type t = run->h->v->type(v);
    int rc = 0;
    *o = (wf_filter_operand){ .v = v, .s = "", .n = t == WF_JSON_MISSING ? (double)NAN : 0 };
    o->there = t > WF_JSON_NULL;
    if (!o->there)
        return 0;
    switch (type) {
    case WF_FILTER_STRING:
        rc = wf_filter_as_string(run, o);
        break;
    case WF_FILTER_NUMBER:
        rc = wf_filter_as_number(run, o);
        break;
    case WF_FILTER_DATE:
        rc = wf_filter_as_date(run, o);
        break;
    case WF_FILTER_BOOLEAN:
        rc = wf_filter_as_boolean(run, o);
        break;
    case WF_FILTER_ARRAY:
        rc = wf_filter_as_container(run, o, WF_JSON_ARRAY);
        break;
    case WF_FILTER_OBJECT:
        rc = wf_filter_as_container(run, o, WF_JSON_OBJECT);
        break;
    }
    return rc == 0 ? 0 : wf_filter_fail(run, side, v, type);
}

/* -1, 0, 1; 2 when one of them is no number. */
static inline int wf_filter_compare(const wf_filter_operand *a, const wf_filter_operand *b)
{
    if (a->is_int && b->is_int)
        return (a->i > b->i) - (a->i < b->i);
    if (isnan(a->n) || isnan(b->n))
        return 2;
    return (a->n > b->n) - (a->n < b->n);
}

/* The flags of /pattern/flags; the pattern is cut down to what is between the slashes. */
static inline unsigned wf_filter_flags(const char **pattern, size_t *len)
{
    unsigned flags = 0;
    size_t end = *len;
    if (end < 2 || (*pattern)[0] != '/')
        return 0;
    while (end > 1 && (*pattern)[end - 1] != '/') {
        char c = (*pattern)[--end];
        if (!c || !strchr("dgimsuy", c))
            return 0;
        flags |= c == 'i'   ? WF_REGEX_FOLD
                 : c == 'm' ? WF_REGEX_LINES
                 : c == 's' ? WF_REGEX_DOT_ALL
                            : 0u;
    }
    if (end < 2)
        return 0;
    ++*pattern;
    *len = end - 2;
    return flags;
}

static inline int wf_filter_regex(wf_filter_run *run, const wf_filter_operand *text,
                                  const wf_filter_operand *o)
{
    const char *pattern = o->s;
    size_t len = o->len;
    char why[160] = "the pattern takes too many steps on this text";
    unsigned flags = wf_filter_flags(&pattern, &len) | (run->fold ? WF_REGEX_FOLD : 0u);
    wf_regex *re = wf_regex_cached(run->cache, pattern, len, flags, why, sizeof why);
    int found = re ? wf_regex_find(re, text->s, text->len) : -1;
    if (found < 0) {
        run->error->code = "bad_pattern";
        run->error->text = run->h->fmt(run->it, "condition %zu: %s", run->number, why).ptr;
    }
    return found;
}

/* `op` is a positive operation. */
static inline int wf_filter_string(wf_filter_run *run, int op, const wf_filter_operand *l,
                                   const wf_filter_operand *r)
{
    switch (op) {
    case WF_FILTER_OP_EMPTY:
        return l->len == 0;
    case WF_FILTER_OP_EQUALS:
        return wf_text_equal(l->s, l->len, r->s, r->len, run->fold);
    case WF_FILTER_OP_CONTAINS:
        return wf_text_contains(l->s, l->len, r->s, r->len, run->fold);
    case WF_FILTER_OP_STARTS:
        return wf_text_begins(l->s, l->len, r->s, r->len, run->fold) >= 0;
    case WF_FILTER_OP_ENDS:
        return wf_text_ends(l->s, l->len, r->s, r->len, run->fold);
    case WF_FILTER_OP_REGEX:
        return wf_filter_regex(run, l, r);
    }
    return 0;
}

static inline int wf_filter_number(int op, const wf_filter_operand *l, const wf_filter_operand *r)
{
    int order = wf_filter_compare(l, r);
    switch (op) {
    case WF_FILTER_OP_EMPTY:
        return !l->there;
    case WF_FILTER_OP_EQUALS:
        return l->there == r->there && (!l->there || order == 0);
    case WF_FILTER_OP_GT:
        return order == 1;
    case WF_FILTER_OP_LT:
        return order == -1;
    case WF_FILTER_OP_GTE:
        return order == 0 || order == 1;
    case WF_FILTER_OP_LTE:
        return order == 0 || order == -1;
    }
    return 0;
}

static inline int wf_filter_date(int op, const wf_filter_operand *l, const wf_filter_operand *r)
{
    switch (op) {
    case WF_FILTER_OP_EMPTY:
        return !l->there;
    case WF_FILTER_OP_EQUALS:
        return l->there == r->there && l->i == r->i;
    case WF_FILTER_OP_AFTER:
        return l->there && r->there && l->i > r->i;
    case WF_FILTER_OP_BEFORE:
        return l->there && r->there && l->i < r->i;
    case WF_FILTER_OP_AFTER_OR:
        return l->there && r->there && l->i >= r->i;
    case WF_FILTER_OP_BEFORE_OR:
        return l->there && r->there && l->i <= r->i;
    }
    return 0;
}

static inline int wf_filter_boolean(int op, const wf_filter_operand *l, const wf_filter_operand *r)
{
    switch (op) {
    case WF_FILTER_OP_EMPTY:
        return !l->there;
    case WF_FILTER_OP_EQUALS:
        return l->there == r->there && l->truth == r->truth;
    case WF_FILTER_OP_TRUE:
        return l->truth;
    case WF_FILTER_OP_FALSE:
        return !l->truth;
    }
    return 0;
}

static inline int wf_filter_has(wf_filter_run *run, const wf_value *array, const wf_value *wanted)
{
    const wf_values *v = run->h->v;
    const char *s, *w;
    size_t s_len, w_len, n = v->count(array);
    int fold = run->fold && v->bytes(wanted, &w, &w_len) == 0;
    for (size_t i = 0; i < n; i++) {
        const wf_value *e = v->at(array, i);
        if (v->equal(e, wanted) ||
            (fold && v->bytes(e, &s, &s_len) == 0 && wf_text_equal(s, s_len, w, w_len, 1)))
            return 1;
    }
    return 0;
}

static inline int wf_filter_array(wf_filter_run *run, int op, const wf_filter_operand *l,
                                  const wf_filter_operand *r)
{
    wf_filter_operand length = { .is_int = 1, .there = 1, .i = (int64_t)run->h->v->count(l->v) };
    length.n = (double)length.i;
    switch (op) {
    case WF_FILTER_OP_EMPTY:
        return length.i == 0;
    case WF_FILTER_OP_EQUALS:
        return l->there == r->there && (!l->there || run->h->v->equal(l->v, r->v));
    case WF_FILTER_OP_CONTAINS:
        return wf_filter_has(run, l->v, r->v);
    case WF_FILTER_OP_LENGTH_EQ:
        return wf_filter_number(WF_FILTER_OP_EQUALS, &length, r);
    case WF_FILTER_OP_LENGTH_NE:
        return !wf_filter_number(WF_FILTER_OP_EQUALS, &length, r);
    }
    /* greater, less and so on are in the same order for lengths as for numbers */
    return wf_filter_number(op - WF_FILTER_OP_LENGTH_GT + WF_FILTER_OP_GT, &length, r);
}

static inline int wf_filter_other(wf_filter_run *run, int op, const wf_filter_operand *l,
                                  const wf_filter_operand *r)
{
    if (op == WF_FILTER_OP_EMPTY)
        return run->h->v->count(l->v) == 0;
    return l->there == r->there && (!l->there || run->h->v->equal(l->v, r->v));
}

/* The type that the right value is converted to. */
static inline int wf_filter_right_type(int type, int op)
{
    if (op >= WF_FILTER_OP_LENGTH_EQ)
        return WF_FILTER_NUMBER;
    return type == WF_FILTER_ARRAY && op == WF_FILTER_OP_CONTAINS ? WF_FILTER_ANY : type;
}

/* The positive operation of a negated one, or the same. */
static inline int wf_filter_positive(int op)
{
    static const uint32_t negated =
        1u << WF_FILTER_OP_NOT_EXISTS | 1u << WF_FILTER_OP_NOT_EMPTY |
        1u << WF_FILTER_OP_NOT_EQUALS | 1u << WF_FILTER_OP_NOT_CONTAINS |
        1u << WF_FILTER_OP_NOT_STARTS | 1u << WF_FILTER_OP_NOT_ENDS | 1u << WF_FILTER_OP_NOT_REGEX;
    return negated >> op & 1 ? op - 1 : op;
}

static inline int wf_filter_holds(wf_filter_run *run, const wf_filter_condition *c)
{
    wf_filter_operand l, r = { .s = "" };
    int op = wf_filter_positive(c->operation), holds = 0;
    if (op == WF_FILTER_OP_EXISTS)
        return (run->h->v->type(c->left) > WF_JSON_NULL) == (op == c->operation);
    if (wf_filter_operand_of(run, c->left, c->type, "left", &l) != 0)
        return -1;
    if (!wf_filter_traits[op].single &&
        wf_filter_operand_of(run, c->right, wf_filter_right_type(c->type, op), "right", &r) != 0)
        return -1;
    switch (c->type) {
    case WF_FILTER_STRING:
        holds = wf_filter_string(run, op, &l, &r);
        break;
    case WF_FILTER_NUMBER:
        holds = wf_filter_number(op, &l, &r);
        break;
    case WF_FILTER_DATE:
        holds = wf_filter_date(op, &l, &r);
        break;
    case WF_FILTER_BOOLEAN:
        holds = wf_filter_boolean(op, &l, &r);
        break;
    case WF_FILTER_ARRAY:
        holds = wf_filter_array(run, op, &l, &r);
        break;
    default:
        holds = wf_filter_other(run, op, &l, &r);
    }
    return holds < 0 ? -1 : holds == (op == c->operation);
}

/* Whether the filter holds for the item it was solved for: 1 or 0; -1 with *error. `switches` may
 * be NULL. */
static inline int wf_filter_match(const wf_host *h, wf_item *it, const wf_filter *f,
                                  const wf_filter_switches *switches, wf_filter_cache *cache,
                                  wf_filter_error *error)
{
    const wf_filter_condition *rows = f->conditions.rows;
    wf_filter_run run = { .h = h, .it = it, .cache = cache, .error = error };
    *error = (wf_filter_error){ NULL, "" };
    run.fold = !f->case_sensitive || (switches && switches->ignore_case);
    run.loose = f->validation == WF_FILTER_IS_LOOSE ||
                (switches && (switches->loose || switches->also_loose));
    for (size_t i = 0; i < f->conditions.n; i++) {
        run.number = i + 1;
        int holds = wf_filter_holds(&run, rows + i);
        if (holds < 0)
            return -1;
        if (holds == (f->combinator == WF_FILTER_OR))
            return holds;
    }
    return f->combinator == WF_FILTER_AND;
}

/* Fails an item for which wf_filter_match gave -1. */
static inline void wf_filter_fail_item(const wf_host *h, wf_item *it, const wf_filter_error *error)
{
    wf_error e = { .size = sizeof e, .fault = WF_REJECTED, .code = error->code };
    h->fail_with(it, &e, "%s", error->text);
}

/* A constant right value that strict validation will refuse for every item. */
static inline int wf_filter_constant_fits(const wf_host *h, const wf_filter_condition *c)
{
    static const uint8_t wanted[] = {
        [WF_FILTER_STRING] = WF_JSON_STRING, [WF_FILTER_NUMBER] = WF_JSON_NUMBER,
        [WF_FILTER_DATE] = WF_JSON_STRING,   [WF_FILTER_BOOLEAN] = WF_JSON_BOOL,
        [WF_FILTER_ARRAY] = WF_JSON_ARRAY,   [WF_FILTER_OBJECT] = WF_JSON_OBJECT,
        [WF_FILTER_ANY] = WF_JSON_MISSING
    };
    int op = wf_filter_positive(c->operation), type = wf_filter_right_type(c->type, op);
    wf_json_type got = h->v->type(c->right);
    const char *s;
    size_t len;
    int64_t ms;
    if (got <= WF_JSON_NULL || wf_filter_traits[op].single || type == WF_FILTER_ANY)
        return 1;
    if (type == WF_FILTER_DATE)
        return got == WF_JSON_NUMBER ||
               (h->v->bytes(c->right, &s, &len) == 0 && wf_date_parse(s, len, &ms) == 0);
    return got == wanted[type];
}

static inline int wf_filter_check_one(const wf_host *h, const wf_filter_condition *c, int loose,
                                      char *why, size_t why_size)
{
    const char *pattern;
    size_t len;
    if (!(wf_filter_traits[c->operation].types >> c->type & 1)) {
        snprintf(why, why_size, "type '%s' has no operation '%s'", wf_filter_types[c->type].name,
                 wf_filter_operations[c->operation].name);
        return -1;
    }
    if (!loose && !wf_filter_constant_fits(h, c)) {
        int type = wf_filter_right_type(c->type, wf_filter_positive(c->operation));
        snprintf(
            why, why_size,
            "the right value is %s, expected %s; correct it, or set typeValidation to \"loose\"",
            wf_filter_type_words(h->v->type(c->right)), wf_filter_types[type].text);
        return -1;
    }
    if (wf_filter_positive(c->operation) != WF_FILTER_OP_REGEX ||
        h->v->bytes(c->right, &pattern, &len) != 0)
        return 0;
    unsigned flags = wf_filter_flags(&pattern, &len);
    wf_regex *re = wf_regex_create(pattern, len, flags, why, why_size);
    wf_regex_free(re);
    return re ? 0 : -1;
}

/* For wf_node.check: whether each operation is one of its type, and constants fit and compile. 0,
 * or -1 with a sentence in why. `switches` may be NULL. */
static inline int wf_filter_check(const wf_host *h, const wf_filter *f,
                                  const wf_filter_switches *switches, char *why, size_t why_size)
{
    const wf_filter_condition *rows = f->conditions.rows;
    int loose = f->validation == WF_FILTER_IS_LOOSE ||
                (switches && (switches->loose || switches->also_loose));
    char reason[240];
    for (size_t i = 0; i < f->conditions.n; i++) {
        if (wf_filter_check_one(h, rows + i, loose, reason, sizeof reason) == 0)
            continue;
        snprintf(why, why_size, "condition %zu: %.190s", i + 1, reason);
        return -1;
    }
    return 0;
}

/* open() and close() of a node whose only state is the cache. */
static inline void *wf_filter_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    wf_filter_cache *cache = calloc(1, sizeof *cache);
    (void)h, (void)inst, (void)why;
    if (!cache)
        abort();
    return cache;
}

static inline void wf_filter_close(const wf_host *h, void *state)
{
    (void)h;
    wf_regex_cache_fini(state);
    free(state);
}

#endif
