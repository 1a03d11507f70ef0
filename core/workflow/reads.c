/* SPDX-License-Identifier: Apache-2.0
 * Which nodes a script reads. Expressions tell it while they are compiled; a script is text to us
 * until its node opens, so its words are looked through for node("name").
 *
 * The rule errs on the side of keeping outputs. In the text of every WF_RAW parameter, outside of
 * strings and comments: node("name"), node 'name', node [[name]]   that node's outputs are kept
 *   node(anything else), node as a value,
 *   _G, _ENV                                   all nodes' outputs are kept
 *   x.node, x:node without a call, node = ..   nothing: that is a field
 *
 * Thread: the compilation's.
 */
#include "workflow/workflow_int.h"

/* A place in the script. */
struct scan {
    const char *at, *end;
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* s->at is at "[": reads [[..]] or [=[..]=] into *out. False when it is no long bracket. */
static bool scan_long(struct scan *s, wf_str *out)
{
    const char *p = s->at + 1;
    size_t level = 0;
    while (p < s->end && *p == '=')
        p++, level++;
    if (p >= s->end || *p != '[')
        return false;
    const char *from = ++p;
    for (; p < s->end; p++) {
        size_t n = 0;
        if (*p != ']')
            continue;
        while (p + 1 + n < s->end && p[1 + n] == '=')
            n++;
        if (n == level && p + 1 + n < s->end && p[1 + n] == ']') {
            *out = (wf_str){ from, (size_t)(p - from) };
            s->at = p + n + 2;
            return true;
        }
    }
    *out = (wf_str){ from, (size_t)(s->end - from) };
    s->at = s->end;
    return true;
}

/* Reads a string of any form. Escapes stay as they are: a name with one is not found. */
static bool scan_string(struct scan *s, wf_str *out)
{
    if (s->at >= s->end)
        return false;
    char quote = *s->at;
    if (quote == '[')
        return scan_long(s, out);
    if (quote != '"' && quote != '\'')
        return false;
    const char *p = s->at + 1;
    while (p < s->end && *p != quote && *p != '\n')
        p += *p == '\\' && p + 1 < s->end ? 2 : 1;
    *out = (wf_str){ s->at + 1, (size_t)(p - s->at - 1) };
    s->at = p < s->end ? p + 1 : s->end;
    return true;
}

static void scan_space(struct scan *s)
{
    while (s->at < s->end && strchr(" \t\r\n", *s->at) && *s->at)
        s->at++;
}

static void scan_comment(struct scan *s)
{
    wf_str skipped;
    s->at += 2;
    if (s->at < s->end && *s->at == '[' && scan_long(s, &skipped))
        return;
    while (s->at < s->end && *s->at != '\n')
        s->at++;
}

enum use { USE_NONE = 1, USE_NAME, USE_ANY };

/* What follows the word "node". */
static enum use scan_use(struct scan s, bool is_field, wf_str *name)
{
    scan_space(&s);
    if (scan_string(&s, name))
        return memchr(name->ptr, '\\', name->len) ? USE_ANY : USE_NAME;
    if (s.at < s.end && *s.at == '(') {
        s.at++;
        scan_space(&s);
        if (!scan_string(&s, name) || memchr(name->ptr, '\\', name->len))
            return USE_ANY;
        scan_space(&s);
        return s.at < s.end && (*s.at == ')' || *s.at == ',') ? USE_NAME : USE_ANY;
    }
    bool assigned = s.at + 1 < s.end && *s.at == '=' && s.at[1] != '=';
    return is_field || assigned ? USE_NONE : USE_ANY;
}

static void keep_all(struct compile *c) { c->plan->unit.reads_any_node = true; }

static void keep_name(struct compile *c, wf_str name, const struct spot *string, wf_str script)
{
    int i = compile_find(c, name);
    if (i >= 0 && !c->places[i].note) {
        c->nodes[i].keep_outputs = true;
        return;
    }
    const char *text = arena_str(&c->scratch, name.ptr, name.len).ptr;
    issue_at(c, locate_in_string(&c->locate, string, (size_t)(name.ptr - script.ptr)), true,
             "the script reads node '%s', which is not there%s", text,
             issue_hint(c, text, c->names, c->n_names));
}

static void scan_word(struct compile *c, struct scan *s, wf_str script, const struct spot *string)
{
    const char *from = s->at;
    bool is_field = from > script.ptr && (from[-1] == '.' || from[-1] == ':');
    if (is_field && from[-1] == '.' && from - 1 > script.ptr && from[-2] == '.')
        is_field = false; /* "..": joins texts */
    while (s->at < s->end && is_word(*s->at))
        s->at++;
    wf_str word = { from, (size_t)(s->at - from) }, name = { 0 };
    if (!is_field && (str_eq(word, STR("_G")) || str_eq(word, STR("_ENV"))))
        keep_all(c);
    if (!str_eq(word, STR("node")))
        return;
    enum use use = scan_use(*s, is_field, &name);
    if (use == USE_ANY)
        keep_all(c);
    else if (use == USE_NAME)
        keep_name(c, name, string, script);
}

static void scan_script(struct compile *c, wf_str script, const struct spot *string)
{
    struct scan s = { script.ptr, script.ptr + script.len };
    wf_str skipped;
    while (s.at < s.end) {
        if (s.end - s.at > 1 && s.at[0] == '-' && s.at[1] == '-')
            scan_comment(&s);
        else if (is_word(*s.at))
            scan_word(c, &s, script, string);
        else if (!scan_string(&s, &skipped))
            s.at++;
    }
}

static void scan_table(struct compile *c, const wf_param *table, const char *config,
                       struct at parameters)
{
    for (const wf_param *row = table; row && row->name; row++) {
        const void *bytes = config + row->offset;
        bool whole = false;
        if (row->type == WF_LIST) {
            const wf_list *list = bytes;
            for (size_t i = 0; i < list->n; i++)
                scan_table(c, row->rows, (const char *)list->rows + i * row->row_size, parameters);
        } else if (row->type == WF_STRING && row->flags & WF_RAW) {
            const struct spot *string =
                parameters.json ? locate_path(&c->locate, parameters.spot, row->name, &whole)
                                : parameters.spot;
            const wf_str *script = bytes;
            if (script->len)
                scan_script(c, *script, string);
        }
    }
}

void compile_script_reads(struct compile *c, struct plan_node *n)
{
    scan_table(c, n->type->node.params, n->params.base, c->places[n->index].parameters);
}
