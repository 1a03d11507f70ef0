/* SPDX-License-Identifier: Apache-2.0
 * Variables of the environment that expressions read by name: $env.NAME, $env["NAME"]. One that the
 * setting env-allow does not name is null when the workflow runs, which looks like an empty
 * variable, so it is told while the workflow is compiled. A name that is computed is left alone.
 *
 * Thread: the compilation's.
 */
#include "workflow/workflow_int.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}

static wf_str read_word(const char *at, const char *end)
{
    const char *from = at;
    while (at < end && is_word(*at))
        at++;
    return (wf_str){ from, (size_t)(at - from) };
}

/* Behind "$env": the name that is read, empty when it is none or computed. */
static wf_str read_name(const char *at, const char *end)
{
    if (end - at > 1 && *at == '?' && at[1] == '.')
        at += at + 2 < end && at[2] == '[' ? 2 : 1;
    if (at < end && *at == '.')
        return read_word(at + 1, end);
    if (end - at < 3 || *at != '[' || (at[1] != '"' && at[1] != '\''))
        return (wf_str){ at, 0 };
    wf_str name = read_word(at + 2, end);
    const char *stop = name.ptr + name.len;
    return end - stop > 1 && *stop == at[1] && stop[1] == ']' ? name : (wf_str){ at, 0 };
}

static bool is_allowed(const struct compile *c, wf_str name)
{
    const char *const *allowed = c->options->env_allow;
    for (size_t i = 0; allowed && allowed[i]; i++)
        if (str_eq(str_of(allowed[i]), name))
            return true;
    return false;
}

/* Behind a string that begins at `at`; one in back quotes has code of its own. */
static const char *skip_string(const char *at, const char *end)
{
    const char *p = at + 1;
    while (p < end && *p != *at)
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    return p < end ? p + 1 : end;
}

void compile_env_reads(struct compile *c, wf_str expression, const struct spot *string,
                       const char *before)
{
    const char *end = expression.ptr + expression.len;
    unsigned depth = 0; /* text stands outside of {{ }} */
    for (const char *at = expression.ptr; at < end;) {
        bool pair = end - at > 1 && at[0] == at[1];
        if (pair && *at == '{' && !depth) {
            depth = 1;
            at += 2;
        } else if (pair && *at == '}' && depth) {
            depth = 0;
            at += 2;
        } else if (depth && (*at == '"' || *at == '\'')) {
            at = skip_string(at, end);
        } else if (depth && is_word(*at)) {
            wf_str word = read_word(at, end), name = { at, 0 };
            bool is_field = at > expression.ptr && at[-1] == '.' && at[-2] != '.';
            if (!is_field && str_eq(word, STR("$env")))
                name = read_name(at + word.len, end);
            if (name.len && !is_allowed(c, name))
                issue_at(c, locate_in_string(&c->locate, string, (size_t)(at - expression.ptr)),
                         true,
                         "%s$env.%.*s is null: the setting env-allow does not name it "
                         "(--env-allow %.*s)",
                         before, STR_ARG(name), STR_ARG(name));
            at += word.len;
        } else {
            at++;
        }
    }
}
