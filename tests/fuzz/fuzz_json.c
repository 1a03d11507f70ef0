/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the item format. Of any bytes: they are taken or refused with an offset inside them; what
 * is taken is written, taken again, equal and written alike; copies are equal; an edit is found
 * again.
 */
#include "base/err.h"
#include "json/json.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* What is written must be taken again and be the same. */
static void check_round_trip(struct arena *a, const struct json *v)
{
    struct json back;
    size_t bound = json_write_bound(v);
    char *text = malloc(bound);
    BUG_IF(!text);
    size_t len = json_write(v, text);
    BUG_IF(len > bound);
    BUG_IF(json_parse(a, text, len, 0, &back, NULL) != 0);
    BUG_IF(!json_equal(v, &back) || !json_equal(&back, v));
    wf_str again = json_text(a, &back);
    BUG_IF(again.len != len || memcmp(again.ptr, text, len) != 0);
    free(text);
}

/* A copy knows nothing of its text and is written value by value: no byte may differ. */
static void check_written_alike(struct arena *a, const struct json *v)
{
    struct json copy = json_copy(a, v);
    wf_str text = json_text(a, v), plain = json_text(a, &copy);
    BUG_IF(!str_eq(text, plain));
}

static void check_pretty(struct arena *a, const struct json *v)
{
    struct strbuf b;
    struct json back;
    strbuf_init(&b, 16 << 20);
    json_add_pretty(&b, v);
    if (!b.failed) {
        BUG_IF(json_parse(a, b.ptr, b.len, 0, &back, NULL) != 0);
        BUG_IF(!json_equal(v, &back));
    }
    strbuf_fini(&b);
}

/* Members are found by their keys, numbers are worth the same by every way. */
static void check_reads(const struct json *v)
{
    int64_t i;
    double d;
    json_truth(v);
    json_type_name(v);
    for (size_t n = 0; v->type == JSON_OBJECT && n < v->len && n < 100; n++) {
        const struct json_member *m = &v->members[n];
        BUG_IF(json_get(v, m->key.s, m->key.len) != &m->value);
        check_reads(&m->value);
    }
    for (size_t n = 0; v->type == JSON_ARRAY && n < v->len && n < 100; n++)
        check_reads(json_at(v, n));
    BUG_IF(json_double(v, &d) != json_is_number(v));
    if (json_int(v, &i)) {
        struct json as_int = json_of_int(i);
        BUG_IF(!json_equal(&as_int, v) || d != (double)i);
    }
    if (json_is_number(v)) {
        struct json as_double = json_of_double(d);
        char text[64];
        double same;
        struct arena none;
        arena_init(&none, NULL, 0);
        struct json back;
        BUG_IF(json_parse(&none, text, json_write(&as_double, text), 0, &back, NULL) != 0);
        BUG_IF(json_double(&back, &same) && same != d);
        arena_fini(&none);
    }
}

/* The bytes up to the first NUL as a path. */
static void check_edit(struct arena *a, const struct json *base, const char *text, size_t len)
{
    struct json_path path;
    struct json_error e;
    struct json set, unset, mark = json_of_int(4711);
    if (json_path_parse(a, text, len, &path, &e) != 0) {
        BUG_IF(e.offset > len);
        return;
    }
    wf_str before = json_text(a, base);
    if (json_set(a, base, &path, &mark, &set, &e) == 0) {
        const struct json *found = json_path_get(&set, &path);
        BUG_IF(!found || found->type != JSON_INT || found->i != 4711);
        check_round_trip(a, &set);
        check_written_alike(a, &set);
        if (path.n) {
            BUG_IF(json_unset(a, &set, &path, &unset, &e) != 0);
            check_round_trip(a, &unset);
            check_written_alike(a, &unset);
        }
    } else {
        BUG_IF(e.offset >= path.n);
    }
    wf_str after = json_text(a, base);
    BUG_IF(!str_eq(before, after));
}

static void check_taken(struct arena *a, const struct json *v)
{
    struct json copy = json_copy(a, v);
    BUG_IF(!json_equal(v, &copy) || !json_equal(v, v));
    check_round_trip(a, v);
    check_round_trip(a, &copy);
    check_written_alike(a, v);
    check_pretty(a, v);
    check_reads(v);
}

static void check_bytes(struct arena *a, const char *bytes, size_t len)
{
    struct json s = json_of_str(a, bytes, len);
    check_round_trip(a, &s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const struct json empty = { .type = JSON_OBJECT };
    const char *text = (const char *)bytes;
    const char *nul = len ? memchr(text, 0, len) : NULL;
    struct arena a;
    struct json v;
    struct json_error e;
    arena_init(&a, NULL, 0);
    if (json_parse(&a, text, len, 0, &v, &e) == 0)
        check_taken(&a, &v);
    else
        BUG_IF(e.offset > len || !e.reason);
    check_bytes(&a, text, len);
    /* "path NUL text" edits the text; anything else is a path into an empty object. */
    if (nul) {
        size_t path = (size_t)(nul - text);
        if (json_parse_copy(&a, nul + 1, len - path - 1, 0, &v, NULL) == 0)
            check_edit(&a, &v, text, path);
    } else {
        check_edit(&a, &empty, text, len);
    }
    arena_fini(&a);
    return 0;
}
