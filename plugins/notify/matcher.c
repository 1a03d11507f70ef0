/* SPDX-License-Identifier: Apache-2.0
 * Matchers: reading them, and trying them. Thread: one.
 */
#include "matcher.h"
#include <catalyst/regex.h>

/* --- reading ---------------------------------------------------------------------------------- */

static int matcher_order(const struct matcher *a, const struct matcher *b)
{
    int order = strcmp(a->name, b->name);
    if (!order)
        order = strcmp(a->value, b->value);
    return order ? order : (int)a->kind - (int)b->kind;
}

/* "(?i)" and "(?s)" may stand at the beginning. */
static int matcher_compile(struct matcher *m, struct why *why)
{
    char reason[200] = "";
    unsigned flags = 0;
    const char *p = m->value;
    if (!strncmp(p, "(?", 2) && strcspn(p + 2, ")") == strspn(p + 2, "is") && p[2] != ')') {
        for (p += 2; *p != ')'; p++)
            flags |= *p == 'i' ? WF_REGEX_FOLD : WF_REGEX_DOT_ALL;
        p++;
    }
    char *pattern = memory_print("^(?:%s)$", p);
    m->regex = wf_regex_create(pattern, strlen(pattern), flags, reason, sizeof reason);
    free(pattern);
    if (!m->regex)
        return why_set(why, "the regex '%.100s' of '%.60s' is refused: %s", m->value, m->name,
                       reason);
    return 0;
}

int matchers_add(struct matchers *m, enum matcher_kind kind, const char *name, const char *value,
                 struct why *why)
{
    struct matcher one = { .kind = kind };
    if (!label_name_is_valid(name))
        return why_set(why, "'%.60s' is no name of a label", name);
    if (m->n >= MATCHERS_MAX)
        return why_set(why, "there are more than %d matchers", MATCHERS_MAX);
    one.name = memory_text(name);
    one.value = memory_text(value);
    if (kind >= MATCHER_REGEX && matcher_compile(&one, why) != 0) {
        free(one.name);
        free(one.value);
        return -1;
    }
    size_t i = m->n;
    m->at = memory_grow(m->at, m->n++, sizeof *m->at);
    for (; i > 0 && matcher_order(&m->at[i - 1], &one) > 0; i--)
        m->at[i] = m->at[i - 1];
    m->at[i] = one;
    return 0;
}

/* A quoted value, or one without quotes up to a comma or the end. NULL: why is set. */
static char *matcher_value(const char **p, struct why *why)
{
    const char *s = *p;
    char *value = memory_get(strlen(s) + 1), *to = value;
    int is_quoted = *s == '"';
    for (s += is_quoted; *s && (is_quoted ? *s != '"' : *s != ','); s++) {
        if (*s == '\\' && s[1] && strchr("\\\"n", s[1]))
            *to++ = (char)(*++s == 'n' ? '\n' : *s);
        else if (*s == '"' && !is_quoted)
            break;
        else
            *to++ = *s;
    }
    if (is_quoted ? *s != '"' : *s == '"') {
        why_set(why, "a quote is missing in '%.100s'", *p);
        free(value);
        return NULL;
    }
    while (!is_quoted && to > value && to[-1] == ' ')
        to--;
    *to = 0;
    *p = s + is_quoted;
    return value;
}

static void matcher_skip(const char **p)
{
    while (**p == ' ' || **p == '\t' || **p == '\n')
        ++*p;
}

static int matchers_parse_one(struct matchers *m, const char **p, struct why *why)
{
    static const struct {
        const char *op;
        enum matcher_kind kind;
    } ops[] = { { "=~", MATCHER_REGEX },
                { "!~", MATCHER_NOT_REGEX },
                { "!=", MATCHER_NOT_EQUAL },
                { "=", MATCHER_EQUAL } };
    const char *start = *p;
    char name[LABEL_BYTES_MAX + 1];
    size_t len = strcspn(*p, "=!~ ,"), i;
    if (len >= sizeof name)
        return why_set(why, "a name of a label is too long");
    memcpy(name, *p, len);
    name[len] = 0;
    *p += len;
    matcher_skip(p);
    for (i = 0; i < 4 && strncmp(*p, ops[i].op, strlen(ops[i].op)) != 0; i++)
        ;
    if (i == 4)
        return why_set(why, "'%.100s' is no matcher; write name=\"value\" with =, !=, =~ or !~",
                       start);
    *p += strlen(ops[i].op);
    matcher_skip(p);
    char *value = matcher_value(p, why);
    int result = value ? matchers_add(m, ops[i].kind, name, value, why) : -1;
    free(value);
    return result;
}

int matchers_parse(struct matchers *m, const char *text, struct why *why)
{
    size_t len = strlen(text);
    if (len > (size_t)16 * LABEL_BYTES_MAX)
        return why_set(why, "the matchers are too long");
    char *copy = memory_text(text);
    const char *p = copy;
    int result = 0;
    while (len && strchr(" \t\n", copy[len - 1]))
        copy[--len] = 0;
    matcher_skip(&p);
    if (*p == '{') {
        p++;
        if (copy[len - 1] == '}')
            copy[--len] = 0;
        else
            result = why_set(why, "a brace is missing in '%.100s'", text);
    }
    for (matcher_skip(&p); result == 0 && *p; matcher_skip(&p)) {
        result = matchers_parse_one(m, &p, why);
        matcher_skip(&p);
        if (result == 0 && *p && *p++ != ',')
            result = why_set(why, "a comma is missing in '%.100s'", text);
    }
    free(copy);
    return result;
}

static int matchers_add_object(struct matchers *m, const json_t *o, struct why *why)
{
    const char *name = json_string_value(json_object_get(o, "name"));
    const char *value = json_string_value(json_object_get(o, "value"));
    const json_t *equal = json_object_get(o, "isEqual");
    int is_regex = json_is_true(json_object_get(o, "isRegex"));
    if (!name || !value)
        return why_set(why, "a matcher is a text, or an object with name and value");
    if (json_is_false(equal))
        return matchers_add(m, is_regex ? MATCHER_NOT_REGEX : MATCHER_NOT_EQUAL, name, value, why);
    return matchers_add(m, is_regex ? MATCHER_REGEX : MATCHER_EQUAL, name, value, why);
}

int matchers_of_json(struct matchers *m, const json_t *value, struct why *why)
{
    if (json_is_string(value))
        return matchers_parse(m, json_string_value(value), why);
    if (value && !json_is_array(value))
        return why_set(why, "matchers are a text or a list of texts");
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);
        int result = json_is_string(one) ? matchers_parse(m, json_string_value(one), why)
                                         : matchers_add_object(m, one, why);
        if (result != 0)
            return why_at(why, "[%zu]", i);
    }
    return 0;
}

void matchers_fini(struct matchers *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->at[i].name);
        free(m->at[i].value);
        wf_regex_free(m->at[i].regex);
    }
    free(m->at);
    *m = (struct matchers){ 0 };
}

/* --- trying ----------------------------------------------------------------------------------- */

int matcher_matches(const struct matcher *m, const char *value)
{
    int is_it = m->kind >= MATCHER_REGEX ? wf_regex_find(m->regex, value, strlen(value)) == 1
                                         : strcmp(m->value, value) == 0;
    return m->kind == MATCHER_NOT_EQUAL || m->kind == MATCHER_NOT_REGEX ? !is_it : is_it;
}

int matchers_match(const struct matchers *m, const struct labels *l)
{
    for (size_t i = 0; i < m->n; i++)
        if (!matcher_matches(&m->at[i], labels_get(l, m->at[i].name)))
            return 0;
    return 1;
}

/* --- writing ---------------------------------------------------------------------------------- */

static const char *const matcher_ops[] = { "", "=", "!=", "=~", "!~" };

char *matchers_text(const struct matchers *m)
{
    size_t size = 3;
    for (size_t i = 0; i < m->n; i++)
        size += strlen(m->at[i].name) + 2 * strlen(m->at[i].value) + 6;
    char *text = memory_get(size), *to = text;
    *to++ = '{';
    for (size_t i = 0; i < m->n; i++) {
        to = stpcpy(stpcpy(stpcpy(to, i ? "," : ""), m->at[i].name), matcher_ops[m->at[i].kind]);
        *to++ = '"';
        for (const char *p = m->at[i].value; *p; p++) {
            if (*p == '"' || *p == '\\' || *p == '\n')
                *to++ = '\\';
            *to++ = (char)(*p == '\n' ? 'n' : *p);
        }
        *to++ = '"';
    }
    *to++ = '}';
    *to = 0;
    return text;
}

json_t *matchers_json(const struct matchers *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->n; i++)
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:b,s:b}", "name", m->at[i].name, "value", m->at[i].value,
                            "isRegex", m->at[i].kind >= MATCHER_REGEX, "isEqual",
                            m->at[i].kind == MATCHER_EQUAL || m->at[i].kind == MATCHER_REGEX));
    return list;
}
