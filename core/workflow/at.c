/* SPDX-License-Identifier: Apache-2.0
 * Reading the fields of a definition: a value travels with its place, and a value of a wrong kind
 * is reported where it stands. What is not there, or null, is left to the caller's default.
 *
 * Thread: the compilation's.
 */
#include "workflow/workflow_int.h"
#include <math.h>

struct at at_field(struct compile *c, struct at of, const char *name)
{
    wf_str key = str_of(name);
    const struct json *v = is_object(of) ? json_get(of.json, key.ptr, key.len) : NULL;
    struct spot *spot = v && v->type != JSON_NULL ? locate_member(&c->locate, of.spot, key) : NULL;
    return spot ? (struct at){ v, spot } : (struct at){ NULL, of.spot };
}

struct at at_element(struct compile *c, struct at of, uint32_t i)
{
    struct spot *spot = locate_element(&c->locate, of.spot, i);
    return (struct at){ &of.json->elements[i], spot ? spot : of.spot };
}

struct at at_member(struct compile *c, struct at of, uint32_t i, const char **name)
{
    wf_str key = json_str(&of.json->members[i].key);
    locate_list(&c->locate, of.spot);
    /* Without doubled names both are in the same order. */
    struct spot *spot = of.spot->n == of.json->len ? &of.spot->children[i]
                                                   : locate_member(&c->locate, of.spot, key);
    *name = arena_str(&c->scratch, key.ptr, key.len).ptr;
    return (struct at){ &of.json->members[i].value, spot ? spot : of.spot };
}

bool at_bool(struct compile *c, struct at of, const char *name, bool otherwise)
{
    struct at v = at_field(c, of, name);
    if (!v.json)
        return otherwise;
    if (v.json->type != JSON_TRUE && v.json->type != JSON_FALSE) {
        mistake(c, v, "%s must be true or false, got %s", name, json_type_name(v.json));
        return otherwise;
    }
    return v.json->type == JSON_TRUE;
}

const char *at_text(struct compile *c, struct at of, const char *name)
{
    struct at v = at_field(c, of, name);
    if (!v.json)
        return NULL;
    if (v.json->type != JSON_STRING) {
        mistake(c, v, "%s must be a text, got %s", name, json_type_name(v.json));
        return NULL;
    }
    wf_str s = json_str(v.json);
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20) {
            issue_at(c, locate_in_string(&c->locate, v.spot, i), false,
                     "%s must not hold control characters", name);
            return NULL;
        }
    return arena_str(&c->plan->arena, s.ptr, s.len).ptr;
}

bool at_number(struct compile *c, struct at of, const char *name, double min, double max,
               double *out)
{
    struct at v = at_field(c, of, name);
    double d;
    if (!v.json)
        return false;
    if (!json_double(v.json, &d)) {
        mistake(c, v, "%s must be a number, got %s", name, json_type_name(v.json));
        return false;
    }
    if (!(d >= min && d <= max)) {
        if (isinf(max))
            mistake(c, v, "%s must be at least %g", name, min);
        else
            mistake(c, v, "%s must be from %g to %g", name, min, max);
        return false;
    }
    *out = d;
    return true;
}

bool at_int(struct compile *c, struct at of, const char *name, int64_t min, int64_t max,
            int64_t *out)
{
    struct at v = at_field(c, of, name);
    int64_t i;
    if (!v.json)
        return false;
    if (!json_is_number(v.json)) {
        mistake(c, v, "%s must be a whole number, got %s", name, json_type_name(v.json));
        return false;
    }
    if (!json_int(v.json, &i) || i < min || i > max) {
        mistake(c, v, "%s must be a whole number from %lld to %lld", name, (long long)min,
                (long long)max);
        return false;
    }
    *out = i;
    return true;
}

bool at_ms(struct compile *c, struct at of, const char *name, int64_t *out)
{
    struct at v = at_field(c, of, name);
    int64_t ms = -1;
    if (!v.json)
        return false;
    if (v.json->type == JSON_STRING)
        ms = params_ms(json_str(v.json));
    else if (!json_int(v.json, &ms))
        ms = -1;
    if (ms < 0) {
        mistake(c, v, "%s must be milliseconds or a duration such as \"500ms\", \"5s\", \"2h\"",
                name);
        return false;
    }
    *out = ms;
    return true;
}

const struct expr *at_expr(struct compile *c, struct at of, const char *name, const char *where)
{
    struct at v = at_field(c, of, name);
    if (!v.json)
        return NULL;
    wf_str s = json_str(v.json);
    if (!s.len || s.ptr[0] != '=') {
        mistake(c, v, "%s must be an expression such as \"={{ $json.id }}\"", where);
        return NULL;
    }
    struct expr_error error;
    const struct expr *x = compile_expr(c, s, where, &error);
    if (!x)
        issue_at(c, locate_in_string(&c->locate, v.spot, error.offset), false, "%s: %s", where,
                 error.text);
    if (x && x->kind == EXPR_CONST) {
        mistake(
            c, v,
            "%s is the same for every item: it must be an expression such as \"={{ $json.id }}\"",
            where);
        return NULL;
    }
    return x;
}

static size_t count_names(const char *const *names)
{
    size_t n = 0;
    while (names[n])
        n++;
    return n;
}

int at_choice(struct compile *c, struct at of, const char *name, const char *const *choices)
{
    struct at v = at_field(c, of, name);
    size_t n = count_names(choices);
    if (!v.json)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (v.json->type == JSON_STRING && str_eq(json_str(v.json), str_of(choices[i])))
            return (int)i;
    struct strbuf list;
    strbuf_init(&list, 1000);
    for (size_t i = 0; i < n; i++)
        strbuf_addf(&list, "%s%s", !i ? "" : i + 1 < n ? ", " : " or ", choices[i]);
    wf_str s = json_str(v.json);
    const char *given = arena_str(&c->scratch, s.ptr, s.len).ptr;
    if (v.json->type == JSON_STRING)
        mistake(c, v, "%s must be %s, got '%s'%s", name, strbuf_str(&list).ptr, given,
                issue_hint(c, given, choices, n));
    else
        mistake(c, v, "%s must be %s, got %s", name, strbuf_str(&list).ptr, json_type_name(v.json));
    strbuf_fini(&list);
    return -1;
}

/* --- names ------------------------------------------------------------------------------------ */

void at_check_doubles(struct compile *c, struct at of)
{
    struct map seen;
    locate_list(&c->locate, of.spot);
    if (!is_object(of) || of.spot->n == of.json->len)
        return;
    map_init(&seen);
    for (uint32_t i = 0; i < of.spot->n; i++) {
        struct spot *s = &of.spot->children[i];
        const char *name = c->locate.text.ptr + s->key + 1;
        size_t len = s->key_end - s->key - 2;
        struct spot *before = map_put(&seen, name, len, s);
        if (before)
            issue_at(c, before->key, true, "'%.*s' is given again in line %u, and that one counts",
                     (int)(len < 100 ? len : 100), name, locate_line(&c->locate, s->key));
    }
    map_fini(&seen);
}

void at_check_names(struct compile *c, struct at of, const char *what, const char *const *known,
                    bool all)
{
    size_t n = count_names(known);
    at_check_doubles(c, of);
    for (uint32_t i = 0; is_object(of) && i < of.json->len; i++) {
        wf_str key = json_str(&of.json->members[i].key);
        bool found = false;
        for (size_t k = 0; k < n && !found; k++)
            found = str_eq(key, str_of(known[k]));
        if (found)
            continue;
        const char *name;
        struct at v = at_member(c, of, i, &name);
        const char *suggestion = issue_hint(c, name, known, n);
        if (all || *suggestion)
            warn_key(c, v, "unknown %s '%s'%s", what, name,
                     *suggestion ? suggestion : ": it does nothing");
    }
}
