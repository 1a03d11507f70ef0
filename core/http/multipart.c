/* SPDX-License-Identifier: Apache-2.0
 * multipart/form-data (RFC 7578): the parts of a whole body, as slices of it.
 *
 *   preamble --B CRLF headers CRLF CRLF bytes CRLF --B CRLF headers ... CRLF --B-- epilogue
 *
 * Strict where leniency would change meaning (line ends, a missing last boundary), lenient where
 * clients differ (spaces, unknown headers and parameters). Any thread.
 */
#include "http/http.h"
#include <string.h>

enum { BOUNDARY_MAX = 70, PART_HEADERS_MAX = 8192 };

/* --- "value; name=text; name="text"" ---------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || c == '\t'; }

static const char *skip_spaces(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* A quoted text from behind its first quote; \" and \\ lose their backslash. NULL: no end. */
static const char *read_quoted(struct arena *a, const char *at, const char *end, wf_str *value)
{
    char *to = arena_alloc(a, (size_t)(end - at) + 1);
    size_t len = 0;
    for (; at < end && *at != '"'; at++) {
        if (*at == '\\' && end - at > 1 && (at[1] == '"' || at[1] == '\\'))
            at++;
        to[len++] = *at;
    }
    if (at == end)
        return NULL;
    to[len] = 0;
    *value = (wf_str){ to, len };
    return at + 1;
}

static const char *read_token(struct arena *a, const char *at, const char *end, wf_str *value)
{
    const char *from = at;
    while (at < end && *at != ';' && !is_space(*at))
        at++;
    *value = arena_str(a, from, (size_t)(at - from));
    return at;
}

/* One parameter; `at` stands behind the value or the parameter before. NULL at the end. */
static const char *next_param(struct arena *a, const char *at, const char *end, wf_str *name,
                              wf_str *value)
{
    at = skip_spaces(at, end);
    if (at == end || *at != ';')
        return NULL;
    at = skip_spaces(at + 1, end);
    const char *from = at;
    while (at < end && *at != '=' && *at != ';' && !is_space(*at))
        at++;
    *name = (wf_str){ from, (size_t)(at - from) };
    *value = (wf_str){ NULL, 0 };
    at = skip_spaces(at, end);
    if (at == end || *at != '=')
        return at;
    at = skip_spaces(at + 1, end);
    return at < end && *at == '"' ? read_quoted(a, at + 1, end, value)
                                  : read_token(a, at, end, value);
}

/* A parameter of a header's value; {NULL, 0} when it is not there. */
static wf_str param_get(struct arena *a, wf_str header, const char *wanted)
{
    if (!header.len)
        return (wf_str){ NULL, 0 };
    const char *end = header.ptr + header.len, *at = memchr(header.ptr, ';', header.len);
    wf_str name, value, wanted_name = str_of(wanted);
    while (at && (at = next_param(a, at, end, &name, &value)))
        if (str_eq_nocase(name, wanted_name))
            return value;
    return (wf_str){ NULL, 0 };
}

/* filename*=UTF-8''caf%C3%A9.txt (RFC 5987), which some clients send beside the plain one. */
static wf_str extended_value(struct arena *a, wf_str raw)
{
    if (!raw.len)
        return (wf_str){ NULL, 0 };
    const char *end = raw.ptr + raw.len, *first = memchr(raw.ptr, '\'', raw.len);
    const char *second = first ? memchr(first + 1, '\'', (size_t)(end - first - 1)) : NULL;
    if (!second || !str_eq_nocase((wf_str){ raw.ptr, (size_t)(first - raw.ptr) }, STR("utf-8")))
        return (wf_str){ NULL, 0 };
    size_t len = (size_t)(end - second - 1);
    char *to = arena_alloc(a, len + 1);
    len = http_decode(to, (wf_str){ second + 1, len }, false);
    to[len] = 0;
    return (wf_str){ to, len };
}

/* --- parts ------------------------------------------------------------------------------------ */

struct cutter {
    struct arena *a;
    const char *at, *end;
    char mark[BOUNDARY_MAX + 8]; /* "\r\n--boundary" */
    size_t mark_len;
    struct http_part *parts;
    size_t n, size, max;
    struct err *err;
};

static int bad_part(struct cutter *c, const char *why)
{
    return err_set(c->err, ERR_INVALID, "http: multipart: part %zu: %s", c->n + 1, why);
}

static void read_header(struct cutter *c, struct http_part *part, wf_str line)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    if (!colon)
        return;
    wf_str name = { line.ptr, (size_t)(colon - line.ptr) };
    const char *from = skip_spaces(colon + 1, line.ptr + line.len);
    wf_str value = { from, (size_t)(line.ptr + line.len - from) };
    if (str_eq_nocase(name, STR("content-type"))) {
        part->content_type = arena_str(c->a, value.ptr, value.len);
    } else if (str_eq_nocase(name, STR("content-disposition"))) {
        part->name = param_get(c->a, value, "name");
        wf_str extended = param_get(c->a, value, "filename*");
        part->file_name = extended_value(c->a, extended);
        if (!part->file_name.ptr)
            part->file_name = param_get(c->a, value, "filename");
    }
}

/* c->at stands behind a boundary's line. */
static int read_headers(struct cutter *c, struct http_part *part)
{
    const char *from = c->at;
    for (;;) {
        const char *eol = memmem(c->at, (size_t)(c->end - c->at), "\r\n", 2);
        if ((size_t)((eol ? eol : c->end) - from) > PART_HEADERS_MAX)
            return err_set(c->err, ERR_LIMIT, "http: multipart: part %zu: headers over %d bytes",
                           c->n + 1, PART_HEADERS_MAX);
        if (!eol)
            return bad_part(c, "its headers have no end");
        wf_str line = { c->at, (size_t)(eol - c->at) };
        c->at = eol + 2;
        if (!line.len)
            break;
        read_header(c, part, line);
    }
    return part->name.ptr ? 0 : bad_part(c, "no Content-Disposition with a name");
}

static void keep_part(struct cutter *c, const struct http_part *part)
{
    if (c->n == c->size) {
        size_t size = c->size ? c->size * 2 : 8;
        struct http_part *more = ARENA_ARRAY(c->a, struct http_part, size);
        if (c->n)
            memcpy(more, c->parts, c->n * sizeof *more);
        c->parts = more;
        c->size = size;
    }
    c->parts[c->n++] = *part;
}

/* Behind a boundary: 1 when it was the last ("--"), 0 when a part follows, -1 when it is neither.
 */
static int boundary_kind(struct cutter *c)
{
    if (c->end - c->at >= 2 && !memcmp(c->at, "--", 2))
        return 1;
    c->at = skip_spaces(c->at, c->end);
    if (c->end - c->at < 2 || memcmp(c->at, "\r\n", 2) != 0)
        return bad_part(c, "its boundary has no line end");
    c->at += 2;
    return 0;
}

static int read_parts(struct cutter *c)
{
    int kind;
    while ((kind = boundary_kind(c)) == 0) {
        struct http_part part = { 0 };
        if (c->n == c->max)
            return err_set(c->err, ERR_LIMIT, "http: multipart: more than %zu parts", c->max);
        if (read_headers(c, &part) != 0)
            return -1;
        /* The mark's line end may be the one that ended the headers: an empty part. */
        const char *from = c->at, *search = from - 2;
        const char *mark = memmem(search, (size_t)(c->end - search), c->mark, c->mark_len);
        if (!mark)
            return bad_part(c, "no boundary behind it; was the body cut?");
        part.body = mark < from ? (wf_str){ from, 0 } : (wf_str){ from, (size_t)(mark - from) };
        c->at = mark + c->mark_len;
        keep_part(c, &part);
    }
    return kind < 0 ? -1 : 0;
}

static int read_boundary(struct cutter *c, wf_str content_type)
{
    if (!str_eq(http_media_type(c->a, content_type), STR("multipart/form-data")))
        return err_set(c->err, ERR_INVALID, "http: multipart: the content type is '%.*s'",
                       content_type.len < 100 ? (int)content_type.len : 100,
                       content_type.ptr ? content_type.ptr : "");
    wf_str boundary = param_get(c->a, content_type, "boundary");
    if (!boundary.len || boundary.len > BOUNDARY_MAX)
        return err_set(c->err, ERR_INVALID,
                       "http: multipart: the content type has no boundary of 1 to %d bytes",
                       BOUNDARY_MAX);
    memcpy(c->mark, "\r\n--", 4);
    memcpy(c->mark + 4, boundary.ptr, boundary.len);
    c->mark_len = boundary.len + 4;
    return 0;
}

int http_multipart_parse(struct arena *a, wf_str content_type, wf_str body, size_t max_parts,
                         struct http_part **parts, size_t *n_parts, struct err *err)
{
    struct cutter c = { .a = a, .max = max_parts, .err = err };
    if (read_boundary(&c, content_type) != 0)
        return -1;
    if (!body.len)
        return err_set(err, ERR_INVALID, "http: multipart: the body is empty");
    c.end = body.ptr + body.len;
    /* The first boundary may stand at the very start, without a line end before it. */
    if (body.len >= c.mark_len - 2 && !memcmp(body.ptr, c.mark + 2, c.mark_len - 2)) {
        c.at = body.ptr + c.mark_len - 2;
    } else {
        const char *mark = memmem(body.ptr, body.len, c.mark, c.mark_len);
        if (!mark)
            return err_set(err, ERR_INVALID, "http: multipart: the boundary is not in the body");
        c.at = mark + c.mark_len;
    }
    if (read_parts(&c) != 0)
        return -1;
    *parts = c.parts;
    *n_parts = c.n;
    return 0;
}
