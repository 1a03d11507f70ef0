/* SPDX-License-Identifier: Apache-2.0
 * Paths: "a.b[0]['x.y'].c" compiled to steps. Done once per workflow, so it may take its time.
 */
#include "json/json_int.h"

struct path_reader {
    const char *text, *p, *end;
    struct arena *arena;
    struct json_step *steps;
    uint32_t n;
    struct json_error *error;
};

static int path_fail(struct path_reader *r, const char *at, const char *reason)
{
    if (r->error)
        *r->error = (struct json_error){ (size_t)(at - r->text), reason };
    return -1;
}

static int add_step(struct path_reader *r, const char *key, size_t len, int32_t index)
{
    if (r->n == JSON_DEPTH_MAX)
        return path_fail(r, r->p, "path too long");
    r->steps[r->n++] = (struct json_step){ key, (uint32_t)len, index };
    return 0;
}

/* A name up to the next '.' or '['. */
static int read_name(struct path_reader *r)
{
    const char *start = r->p;
    while (r->p < r->end && *r->p != '.' && *r->p != '[' && *r->p != ']')
        r->p++;
    if (r->p == start)
        return path_fail(r, start, "expected a name");
    if (r->p < r->end && *r->p == ']')
        return path_fail(r, r->p, "']' without '['");
    wf_str name = arena_str(r->arena, start, (size_t)(r->p - start));
    return add_step(r, name.ptr, name.len, 0);
}

/* A name in quotes; a backslash takes the next byte as it is. */
static int read_quoted(struct path_reader *r)
{
    char quote = *r->p++;
    char *name = arena_alloc(r->arena, (size_t)(r->end - r->p) + 1), *to = name;
    for (;; r->p++) {
        if (r->p < r->end && *r->p == '\\')
            r->p++;
        else if (r->p < r->end && *r->p == quote)
            break;
        if (r->p >= r->end)
            return path_fail(r, r->end, "quote not closed");
        *to++ = *r->p;
    }
    r->p++;
    *to = 0;
    return add_step(r, name, (size_t)(to - name), 0);
}

static int read_index(struct path_reader *r)
{
    const char *start = r->p;
    bool negative = r->p < r->end && *r->p == '-';
    r->p += negative;
    const char *digits = r->p;
    int64_t index = 0;
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
        index = index * 10 + (*r->p - '0');
        if (index > INT32_MAX)
            return path_fail(r, start, "index too large");
    }
    if (r->p == digits)
        return path_fail(r, r->p, "expected an index or a name in quotes");
    return add_step(r, NULL, 0, (int32_t)(negative ? -index : index));
}

/* p: behind '['. */
static int read_bracket(struct path_reader *r)
{
    bool quoted = r->p < r->end && (*r->p == '\'' || *r->p == '"');
    if ((quoted ? read_quoted(r) : read_index(r)) != 0)
        return -1;
    if (r->p == r->end || *r->p != ']')
        return path_fail(r, r->p, "expected ']'");
    r->p++;
    return 0;
}

int json_path_parse(struct arena *a, const char *text, size_t len, struct json_path *out,
                    struct json_error *error)
{
    struct json_step steps[JSON_DEPTH_MAX];
    text = len ? text : "";
    struct path_reader r = { text, text, text + len, a, steps, 0, error };
    if (len > UINT32_MAX)
        return path_fail(&r, text, "path too long");
    const char *valid = scan_utf8(text, r.end);
    if (valid < r.end)
        return path_fail(&r, valid, "not UTF-8");
    while (r.p < r.end) {
        int done;
        if (*r.p == '[') {
            r.p++;
            done = read_bracket(&r);
        } else {
            if (r.n && *r.p == '.')
                r.p++;
            else if (r.n)
                return path_fail(&r, r.p, "expected '.' or '['");
            done = read_name(&r);
        }
        if (done != 0)
            return -1;
    }
    struct json_step *kept = r.n ? arena_alloc(a, r.n * sizeof *kept) : NULL;
    if (r.n)
        memcpy(kept, steps, r.n * sizeof *kept);
    *out = (struct json_path){ kept, r.n };
    return 0;
}
