/* SPDX-License-Identifier: Apache-2.0
 * PostgreSQL's text of times and arrays to what JSON and workflows know: ISO 8601 with a zone, and
 * lists. Text that is neither ("infinity", years before Christ, a lower bound) stays as it is.
 * Thread: the worker's.
 */
#include "postgres_int.h"

enum { DEPTH_MAX = 6 }; /* dimensions of an array, PostgreSQL's own limit */

/* --- times ------------------------------------------------------------------------------------ */

static int are_digits(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return 0;
    return 1;
}

/* "2024-02-29 12:30:00.5+02" -> "2024-02-29T12:30:00.5+02:00"; +00 is Z. */
const wf_value *text_time(const wf_host *h, wf_item *it, const char *s, size_t len)
{
    if (len < 19 || len > 40 || s[10] != ' ' || !are_digits(s, 4) || s[4] != '-' ||
        memchr(s + 11, ' ', len - 11))
        return NULL;
    size_t zone = 19;
    while (zone < len && s[zone] != '+' && s[zone] != '-')
        zone++;
    wf_str head = h->fmt(it, "%.10sT%.*s", s, (int)(zone - 11), s + 11);
    const char *offset = s + zone;
    if (zone == len)
        return h->v->of_str(it, head.ptr, head.len);
    wf_str all =
        h->fmt(it, "%s%.*s%s", head.ptr, (int)(len - zone), offset, len - zone == 3 ? ":00" : "");
    if (len - zone == 3 && !memcmp(offset + 1, "00", 2))
        all = h->fmt(it, "%sZ", head.ptr);
    return h->v->of_str(it, all.ptr, all.len);
}

/* --- arrays ----------------------------------------------------------------------------------- */

struct reader {
    const wf_host *h;
    wf_item *it;
    const char *at, *end;
    unsigned type; /* of its elements */
    char *room;    /* for their text, one after the other: as long as the array's */
};

struct list {
    const wf_value **values;
    size_t n, size;
};

static void list_add(struct reader *r, struct list *l, const wf_value *value)
{
    if (l->n == l->size) {
        size_t size = l->size ? l->size * 2 : 16;
        const wf_value **values = r->h->alloc(r->it, size * sizeof *values);
        if (l->n)
            memcpy(values, l->values, l->n * sizeof *values);
        l->values = values;
        l->size = size;
    }
    l->values[l->n++] = value;
}

/* "..." with \ before " and \ ; or bare text up to a comma or brace, where NULL is null. */
static const wf_value *read_element(struct reader *r)
{
    char *text = r->room;
    size_t n = 0;
    if (*r->at != '"') {
        const char *start = r->at;
        while (r->at < r->end && *r->at != ',' && *r->at != '}')
            r->at++;
        n = (size_t)(r->at - start);
        if (n == 4 && !memcmp(start, "NULL", 4))
            return rows_value(r->h, r->it, 0, NULL, 0);
        memcpy(text, start, n);
        r->room += n;
        return rows_value(r->h, r->it, r->type, text, n);
    }
    for (r->at++; r->at < r->end && *r->at != '"'; r->at++) {
        if (*r->at == '\\' && r->at + 1 < r->end)
            r->at++;
        text[n++] = *r->at;
    }
    if (r->at == r->end)
        return NULL;
    r->at++;
    r->room += n;
    return rows_value(r->h, r->it, r->type, text, n);
}

/* NULL: it is no array as it should be. */
static const wf_value *read_array(struct reader *r, unsigned depth)
{
    struct list l = { 0 };
    if (r->at == r->end || *r->at != '{' || depth == DEPTH_MAX)
        return NULL;
    r->at++;
    if (r->at < r->end && *r->at == '}') {
        r->at++;
        return r->h->v->array(r->it, NULL, 0);
    }
    while (r->at < r->end) {
        const wf_value *value = *r->at == '{' ? read_array(r, depth + 1) : read_element(r);
        if (!value || r->at == r->end || (*r->at != ',' && *r->at != '}'))
            return NULL;
        list_add(r, &l, value);
        if (*r->at++ == '}')
            return r->h->v->array(r->it, l.values, l.n);
    }
    return NULL;
}

const wf_value *text_array(const wf_host *h, wf_item *it, unsigned type, const char *s, size_t len)
{
    struct reader r = {
        .h = h, .it = it, .at = s, .end = s + len, .type = type, .room = h->alloc(it, len + 1)
    };
    const wf_value *array = read_array(&r, 0);
    return array && r.at == r.end ? array : NULL;
}
