/* SPDX-License-Identifier: Apache-2.0
 * Routes: a tree with a level per path segment. A node knows its children by text (a hash map, so
 * ten thousand webhooks under one prefix cost one look-up), at most one child for a parameter and
 * one for the rest, and what each method leads to here.
 *
 * Looking up goes down text first, then parameter, then rest, and comes back up when a branch ends
 * without the method. A node is visited at most once, for its depth is the segment's number;
 * nothing is allocated. Thread: building one, looking up any.
 */
#include "http/http.h"
#include "base/map.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_SEGMENT_MAX = 255 };

struct route {
    void *target;
    char *pattern;
    wf_str names[ROUTE_PARAMS_MAX]; /* slices of pattern */
    unsigned n_names;
};

struct node {
    struct map texts; /* segment -> struct node */
    struct node *param, *rest;
    struct route *routes[HTTP_METHOD_COUNT];
};

struct route_table {
    struct node root;
};

static struct node *node_create(void)
{
    struct node *n = xcalloc(1, sizeof *n);
    map_init(&n->texts);
    return n;
}

static void node_fini(struct node *n)
{
    size_t at = 0;
    struct map_slot *slot;
    while (map_each(&n->texts, &at, &slot)) {
        node_fini(slot->value);
        free(slot->value);
    }
    map_fini(&n->texts);
    struct node *children[] = { n->param, n->rest };
    for (size_t i = 0; i < 2; i++)
        if (children[i]) {
            node_fini(children[i]);
            free(children[i]);
        }
    for (size_t m = 0; m < HTTP_METHOD_COUNT; m++)
        if (n->routes[m]) {
            free(n->routes[m]->pattern);
            free(n->routes[m]);
        }
}

struct route_table *route_table_create(void)
{
    struct route_table *t = xcalloc(1, sizeof *t);
    map_init(&t->root.texts);
    return t;
}

void route_table_destroy(struct route_table *t)
{
    if (!t)
        return;
    node_fini(&t->root);
    free(t);
}

/* --- building --------------------------------------------------------------------------------- */

/* The next segment of "/a/b": false at the end, and at a lone slash there. *at stands on a slash or
 * the end. */
static bool next_segment(const char **at, const char *end, wf_str *segment)
{
    if (end - *at <= 1)
        return false;
    const char *from = *at + 1;
    const char *slash = memchr(from, '/', (size_t)(end - from));
    *segment = (wf_str){ from, (size_t)((slash ? slash : end) - from) };
    *at = slash ? slash : end;
    return true;
}

static struct node *child(struct node **place)
{
    if (!*place)
        *place = node_create();
    return *place;
}

static struct node *text_child(struct node *n, wf_str segment)
{
    struct node *found = map_get(&n->texts, segment.ptr, segment.len);
    if (!found) {
        found = node_create();
        map_put_copy(&n->texts, segment.ptr, segment.len, found);
    }
    return found;
}

static int bad_pattern(struct err *err, const char *pattern, const char *why)
{
    return err_set(err, ERR_INVALID, "http: route '%s': %s", pattern, why);
}

/* What is wrong with a segment, or NULL. */
static const char *segment_error(wf_str segment, bool is_last, const struct route *r)
{
    bool is_named = segment.len && (segment.ptr[0] == ':' || segment.ptr[0] == '*');
    if (!segment.len)
        return "an empty segment";
    if (segment.len > TEXT_SEGMENT_MAX)
        return "a segment over 255 bytes";
    if (!is_named)
        return NULL;
    if (segment.len == 1)
        return "a parameter without a name";
    if (segment.ptr[0] == '*' && !is_last)
        return "'*' is for the last segment";
    if (r->n_names == ROUTE_PARAMS_MAX)
        return "more than 16 parameters";
    for (unsigned i = 0; i < r->n_names; i++)
        if (str_eq(r->names[i], (wf_str){ segment.ptr + 1, segment.len - 1 }))
            return "a parameter's name twice";
    return NULL;
}

static const char *pattern_walk(struct route_table *t, struct route *r, struct node **last)
{
    const char *at = r->pattern, *end = at + strlen(at);
    struct node *n = &t->root;
    wf_str segment;
    if (at == end || *at != '/')
        return "it must start with '/'";
    for (unsigned depth = 0; next_segment(&at, end, &segment); depth++) {
        const char *why = depth == ROUTE_SEGMENTS_MAX ? "more than 32 segments"
                                                      : segment_error(segment, end - at <= 1, r);
        if (why)
            return why;
        if (segment.ptr[0] == ':' || segment.ptr[0] == '*') {
            r->names[r->n_names++] = (wf_str){ segment.ptr + 1, segment.len - 1 };
            n = child(segment.ptr[0] == ':' ? &n->param : &n->rest);
        } else {
            n = text_child(n, segment);
        }
    }
    *last = n;
    return NULL;
}

int route_add(struct route_table *t, enum http_method method, const char *pattern, void *target,
              struct err *err)
{
    BUG_IF(method <= HTTP_NONE || method >= HTTP_METHOD_COUNT);
    struct route *r = xcalloc(1, sizeof *r);
    struct node *n = NULL;
    r->pattern = xstrdup(pattern);
    r->target = target;
    const char *why = pattern_walk(t, r, &n);
    int rc = 0;
    if (why)
        rc = bad_pattern(err, pattern, why);
    else if (n->routes[method])
        rc = err_set(err, ERR_CONFLICT, "http: route '%s %s': '%s' is there already",
                     http_method_name(method), pattern, n->routes[method]->pattern);
    if (rc == 0) {
        n->routes[method] = r;
        return 0;
    }
    free(r->pattern);
    free(r);
    return rc;
}

void *route_same(const struct route_table *t, enum http_method method, const char *pattern)
{
    const char *at = pattern, *end = at + strlen(at);
    const struct node *n = &t->root;
    wf_str segment;
    if (*at != '/')
        return NULL;
    while (n && next_segment(&at, end, &segment)) {
        bool is_param = segment.len && segment.ptr[0] == ':';
        bool is_rest = segment.len && segment.ptr[0] == '*';
        n = is_param ? n->param : is_rest ? n->rest : map_get(&n->texts, segment.ptr, segment.len);
    }
    return n && n->routes[method] ? n->routes[method]->target : NULL;
}

/* --- looking up ------------------------------------------------------------------------------- */

struct search {
    enum http_method method;
    struct route_match *match;
    wf_str values[ROUTE_SEGMENTS_MAX];
};

static const struct route *route_here(const struct node *n, struct search *s)
{
    for (unsigned m = HTTP_NONE + 1; m < HTTP_METHOD_COUNT; m++)
        if (n->routes[m])
            s->match->allowed |= 1u << m;
    const struct route *found = n->routes[s->method];
    if (n->routes[HTTP_GET]) {
        s->match->allowed |= 1u << HTTP_HEAD;
        if (!found && s->method == HTTP_HEAD)
            found = n->routes[HTTP_GET];
    }
    return found;
}

static struct node *text_match(const struct node *n, wf_str segment)
{
    char decoded[3 * TEXT_SEGMENT_MAX];
    if (!n->texts.used || segment.len > sizeof decoded)
        return NULL;
    if (!memchr(segment.ptr, '%', segment.len))
        return map_get(&n->texts, segment.ptr, segment.len);
    size_t len = http_decode(decoded, segment, false);
    return map_get(&n->texts, decoded, len);
}

static const struct route *find(const struct node *n, const char *at, const char *end,
                                struct search *s, unsigned n_values)
{
    const struct route *found = NULL;
    const char *rest = at < end ? at + 1 : end;
    wf_str segment;
    if (!next_segment(&at, end, &segment)) {
        found = route_here(n, s);
    } else {
        const struct node *text = text_match(n, segment);
        if (text)
            found = find(text, at, end, s, n_values);
        if (!found && n->param && segment.len && n_values < ROUTE_PARAMS_MAX) {
            s->values[n_values] = segment;
            found = find(n->param, at, end, s, n_values + 1);
        }
    }
    if (!found && n->rest) {
        found = route_here(n->rest, s);
        if (found)
            s->values[n_values] = (wf_str){ rest, (size_t)(end - rest) };
    }
    return found;
}

enum route_result route_find(const struct route_table *t, enum http_method method, wf_str path,
                             struct route_match *match)
{
    struct search s = { .method = method, .match = match };
    match->target = NULL;
    match->pattern = NULL;
    match->n_params = 0;
    match->allowed = 0;
    if (!path.len || path.ptr[0] != '/')
        return ROUTE_NOT_FOUND;
    const struct route *r = find(&t->root, path.ptr, path.ptr + path.len, &s, 0);
    if (!r)
        return match->allowed ? ROUTE_BAD_METHOD : ROUTE_NOT_FOUND;
    match->target = r->target;
    match->pattern = r->pattern;
    match->n_params = r->n_names;
    for (unsigned i = 0; i < r->n_names; i++) {
        match->params[i].name = r->names[i];
        match->params[i].value = s.values[i];
    }
    return ROUTE_FOUND;
}

wf_str route_allow(unsigned allowed, char *buffer, size_t size)
{
    size_t len = 0;
    buffer[0] = 0;
    for (enum http_method m = HTTP_NONE + 1; m < HTTP_METHOD_COUNT; m++) {
        if (!(allowed & 1u << m))
            continue;
        int n = snprintf(buffer + len, size - len, "%s%s", len ? ", " : "", http_method_name(m));
        if (n < 0 || (size_t)n >= size - len) {
            buffer[len] = 0;
            break;
        }
        len += (size_t)n;
    }
    return (wf_str){ buffer, len };
}
