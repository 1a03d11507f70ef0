/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes parameters against a table with every type. Of any JSON: binding takes it, or refuses it
 * with at least one report; what it took is a config whose every field is sound, before and after
 * its expressions are solved with values picked from the same JSON; a config solved twice is alike;
 * the plan's own copy never changes.
 */
#include "base/err.h"
#include "plugin/plugin.h"
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct inner {
    wf_str text;
    int on;
};

struct row {
    wf_str name;
    int64_t size;
    const wf_value *extra;
    wf_list inner;
};

struct config {
    wf_str text, needed, script, secret;
    int64_t count, wait, limit;
    int on, color, mode;
    double ratio;
    wf_list rows, tags;
    const wf_value *body, *fixed;
    const wf_cred *cred;
};

static const wf_pair colors[] = { { "red", "" }, { "green", "" }, { "blue", "" }, { NULL, NULL } };
static const wf_param inner_rows[] = {
    { WF_P_STR(struct inner, text), .flags = WF_EXPR | WF_REQUIRED },
    { WF_P_BOOL(struct inner, on), .flags = WF_EXPR, .def = "true", .show_if = "text=on|1|true" },
    WF_END,
};
static const wf_param tag_rows[] = { { WF_P_STR(struct inner, text), .flags = WF_EXPR }, WF_END };
static const wf_param list_rows[] = {
    { WF_P_STR(struct row, name), .flags = WF_EXPR | WF_REQUIRED },
    { WF_P_INT(struct row, size), .flags = WF_EXPR, .def = "7", .min = 1, .max = 100 },
    { WF_P_VALUE(struct row, extra), .flags = WF_EXPR, .def = "{\"a\":\"=x\"}" },
    { WF_P_LIST(struct row, inner, inner_rows, struct inner) },
    WF_END,
};
static const wf_param table[] = {
    { WF_P_STR(struct config, text), .flags = WF_EXPR, .def = "=default" },
    { WF_P_STR(struct config, needed), .flags = WF_EXPR | WF_REQUIRED, .show_if = "mode=red" },
    { WF_P_STR(struct config, script), .flags = WF_RAW | WF_MULTILINE },
    { WF_NAMED("options.secret"), WF_F_STR(struct config, secret), .flags = WF_EXPR | WF_SECRET },
    { WF_P_INT(struct config, count), .flags = WF_EXPR, .def = "3", .min = -5, .max = 1000 },
    { WF_P_MS(struct config, wait), .flags = WF_EXPR, .def = "2s" },
    { WF_NAMED("options.deep.limit"), WF_F_BYTES(struct config, limit), .flags = WF_EXPR,
      .def = "64k" },
    { WF_P_BOOL(struct config, on), .flags = WF_EXPR },
    { WF_P_CHOICE(struct config, color, colors), .flags = WF_EXPR, .def = "green" },
    { WF_P_CHOICE(struct config, mode, colors), .flags = WF_EXPR },
    { WF_P_DOUBLE(struct config, ratio), .flags = WF_EXPR, .min = 0, .max = 10 },
    { WF_NAMED("rows.values"), WF_F_LIST(struct config, rows, list_rows, struct row) },
    { WF_P_LIST(struct config, tags, tag_rows, struct inner), .def = "[\"a\",\"=b\"]" },
    { WF_P_VALUE(struct config, body), .flags = WF_EXPR, .show_if = "mode=green|blue,color=green" },
    { WF_P_VALUE(struct config, fixed) },
    { WF_P_CRED(struct config, cred, "redis, httpBasicAuth") },
    WF_END,
};

struct fuzz {
    struct arena *arena;
    const struct json *data;
    unsigned n_reports;
};

static void on_report(void *ctx, const char *path, bool key, const char *message)
{
    struct fuzz *f = ctx;
    (void)key;
    BUG_IF(!path || !message || !*message);
    f->n_reports++;
}

/* "=?" does not compile; anything else is kept as the text. */
static const void *on_compile(void *ctx, const char *path, wf_str text)
{
    struct fuzz *f = ctx;
    BUG_IF(!text.len || text.ptr[0] != '=' || text.ptr[text.len]);
    if (text.len > 1 && text.ptr[1] == '?') {
        on_report(ctx, path, false, "wrong");
        return NULL;
    }
    return arena_str(f->arena, text.ptr, text.len).ptr;
}

static bool on_constant(void *ctx, const void *expr, struct json *out)
{
    const char *text = expr;
    (void)ctx;
    if (text[1] != '#')
        return false;
    *out = json_of_str_borrow(str_of(text + 2));
    return true;
}

static const wf_cred *on_credential(void *ctx, const char *path, const char *types,
                                    const struct json *reference)
{
    (void)path;
    BUG_IF(!*types || !reference);
    return (const wf_cred *)ctx;
}

/* "=!..." fails, "=name" is that member, anything else is the whole document. */
static int on_eval(void *ctx, const void *expr, struct json *out, struct err *err)
{
    struct fuzz *f = ctx;
    const char *text = expr;
    const struct json *found;
    if (text[1] == '!')
        return err_set(err, ERR_INVALID, "failed");
    found = json_get(f->data, text + 1, strlen(text + 1));
    *out = found ? *found : text[1] == '*' ? *f->data : (struct json){ .type = JSON_MISSING };
    return 0;
}

/* "=name" is a path of that name. */
static const struct json_path *on_path(void *ctx, const void *expr)
{
    struct fuzz *f = ctx;
    const char *name = (const char *)expr + 1;
    struct json_step *step = ARENA_NEW(f->arena, struct json_step);
    struct json_path *path = ARENA_NEW(f->arena, struct json_path);
    *step = (struct json_step){ .key = name, .len = (uint32_t)strlen(name) };
    *path = (struct json_path){ .steps = step, .n = 1 };
    return *name == '!' || *name == '*' ? NULL : path;
}

/* --- what a sound config is --------------------------------------------------------------------
 */

static void check_value(const struct json *v)
{
    BUG_IF(v->type == JSON_MISSING || v->type > JSON_OBJECT);
    for (size_t i = 0; v->type >= JSON_ARRAY && i < v->len; i++)
        check_value(json_at(v, i));
}

static void check_rows(const wf_param *rows, const char *base);

static void check_field(const wf_param *row, const char *field)
{
    int64_t i = 0;
    int n = 0;
    double d = 0;
    wf_str s;
    wf_list list;
    const struct json *value;
    switch (row->type) {
    case WF_STRING:
        memcpy(&s, field, sizeof s);
        BUG_IF(!s.ptr || s.ptr[s.len]);
        return;
    case WF_BOOL:
    case WF_CHOICE:
        memcpy(&n, field, sizeof n);
        BUG_IF(n < 0 || n > (row->type == WF_BOOL ? 1 : 2));
        return;
    case WF_DOUBLE:
        memcpy(&d, field, sizeof d);
        BUG_IF(!isfinite(d) || d < 0 || d > 10);
        return;
    case WF_INT:
    case WF_MS:
    case WF_BYTES:
        memcpy(&i, field, sizeof i);
        BUG_IF(row->min != row->max ? i < row->min || i > row->max : i < 0);
        return;
    case WF_LIST:
        memcpy(&list, field, sizeof list);
        for (size_t k = 0; k < list.n; k++)
            check_rows(row->rows, (const char *)list.rows + k * row->row_size);
        return;
    case WF_VALUE:
        memcpy(&value, field, sizeof value);
        if (value)
            check_value(value);
        return;
    case WF_CREDENTIAL:
        return;
    }
}

static void check_rows(const wf_param *rows, const char *base)
{
    for (; rows->name; rows++)
        check_field(rows, base + rows->offset);
}

/* Two configs of one table hold the same. */
static void check_alike(const struct config *a, const struct config *b)
{
    BUG_IF(!str_eq(a->text, b->text) || !str_eq(a->needed, b->needed) || a->count != b->count);
    BUG_IF(a->rows.n != b->rows.n || a->tags.n != b->tags.n || a->color != b->color);
    BUG_IF(!a->body != !b->body);
    BUG_IF(a->body && !json_equal((const struct json *)a->body, (const struct json *)b->body));
}

static void solve(struct fuzz *f, const struct params *p)
{
    struct arena item;
    struct err err;
    arena_init(&item, NULL, 0);
    struct config before = *(const struct config *)p->base;
    const struct config *c = params_solve(&item, p, on_eval, f, &err);
    BUG_IF(memcmp(&before, p->base, sizeof before) != 0);
    if (c) {
        const struct config *again = params_solve_item(&item, p, f->data, on_eval, f, &err);
        BUG_IF(!again || (!p->n_slots && c != p->base));
        check_rows(table, (const char *)c);
        check_alike(c, again);
    } else {
        BUG_IF(strncmp(err.text, "parameter '", 11) != 0);
        BUG_IF(params_solve_item(&item, p, f->data, on_eval, f, &err) != NULL);
    }
    check_rows(table, p->base);
    arena_fini(&item);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct arena plan, copy;
    struct json given;
    struct params p;
    arena_init(&plan, NULL, 0);
    arena_init(&copy, NULL, 0);
    if (len < 1 << 16 && json_parse_copy(&copy, (const char *)bytes, len, 0, &given, NULL) == 0) {
        struct json data = json_copy(&plan, &given);
        struct fuzz f = { .arena = &plan, .data = &data };
        const struct params_hooks hooks = { .ctx = &f,
                                            .compile = on_compile,
                                            .report = on_report,
                                            .credential = on_credential,
                                            .constant = on_constant,
                                            .path = on_path };
        int result = params_bind(&plan, table, sizeof(struct config), &given, &given, &hooks, &p);
        BUG_IF((result != 0) != (f.n_reports > 0));
        arena_clear(&copy); /* binding keeps nothing of what it was given */
        if (result == 0)
            solve(&f, &p);
    }
    arena_fini(&copy);
    arena_fini(&plan);
    return 0;
}
