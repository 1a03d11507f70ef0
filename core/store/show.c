/* SPDX-License-Identifier: Apache-2.0
 * Executions for people: the records of rows and blocks become one list, newest first.
 *
 * What a block says of an execution that has a row is told by the row, which knows more. One that
 * failed by its block and has no row any more was run again since. Thread: the caller's.
 */
#include "store/show_int.h"
#include <stdlib.h>

void show_init(struct show *show, const struct store_filter *filter)
{
    *show = (struct show){ .filter = { .until_us = INT64_MAX, .limit = UINT32_MAX } };
    if (filter)
        show->filter = *filter;
    arena_init(&show->arena, NULL, 0);
}

void show_fini(struct show *show)
{
    arena_fini(&show->arena);
    free(show->versions);
    free(show->list);
}

static wf_str copy_str(struct show *show, wf_str s)
{
    return arena_str(&show->arena, s.ptr ? s.ptr : "", s.len);
}

/* --- versions and the filter ------------------------------------------------------------------ */

void show_version(struct show *show, uint64_t version, uint32_t number, wf_str id, wf_str name)
{
    if (show->n_versions == show->versions_size) {
        show->versions_size = show->versions_size ? 2 * show->versions_size : 32;
        show->versions = xrealloc(show->versions, show->versions_size * sizeof *show->versions);
    }
    show->versions[show->n_versions++] =
        (struct show_version){ version, number, copy_str(show, id), copy_str(show, name) };
}

static const struct show_version *find_version(const struct show *show, uint64_t version)
{
    for (uint32_t i = show->n_versions; i-- > 0;)
        if (show->versions[i].version == version)
            return &show->versions[i];
    return NULL;
}

bool show_wants_version(const struct show *show, uint64_t version)
{
    if (!show->filter.workflow)
        return true;
    const struct show_version *v = find_version(show, version);
    wf_str wanted = str_of(show->filter.workflow);
    return v && (str_eq(v->id, wanted) || str_eq(v->name, wanted));
}

static bool wants(const struct show *show, enum store_status status, int64_t started_us)
{
    const struct store_filter *f = &show->filter;
    return (!f->status || f->status == status) && started_us >= f->since_us &&
           started_us < f->until_us;
}

/* --- adding ----------------------------------------------------------------------------------- */

static struct store_execution *add(struct show *show, uint64_t version)
{
    if (show->n == show->size) {
        show->size = show->size ? 2 * show->size : 64;
        show->list = xrealloc(show->list, show->size * sizeof *show->list);
    }
    const struct show_version *v = find_version(show, version);
    struct store_execution *x = &show->list[show->n++];
    *x = (struct store_execution){ .version = version,
                                   .number = v ? v->number : 0,
                                   .workflow = v ? v->id : STR(""),
                                   .workflow_name = v ? v->name : STR(""),
                                   .node = STR(""),
                                   .error = STR(""),
                                   .input = STR(""),
                                   .state = STR(""),
                                   .outputs = STR("") };
    return x;
}

static struct store_execution *add_exec(struct show *show, const struct store_exec *e)
{
    struct store_execution *x = add(show, e->version);
    x->id = e->id;
    x->status = e->status;
    x->started_us = e->started_us;
    x->duration_us = e->ended_us ? e->ended_us - e->started_us : 0;
    x->node = copy_str(show, e->node);
    x->error = copy_str(show, e->error);
    x->state = copy_str(show, e->state);
    return x;
}

void show_exec(struct show *show, const struct store_exec *e)
{
    if (wants(show, e->status, e->started_us) && show_wants_version(show, e->version))
        add_exec(show, e);
}

static struct store_execution *add_entry(struct show *show, const struct store_block *b, uint32_t i)
{
    struct store_execution *x = add(show, b->versions[i]);
    x->id = (struct exec_id){ b->source, b->partition, b->positions[i] };
    x->status = b->statuses[i] == STORE_ERROR ? STORE_RETRIED : (enum store_status)b->statuses[i];
    x->started_us = b->started_us[i];
    x->duration_us = b->durations_us[i];
    return x;
}

void show_block(struct show *show, const struct store_block *b,
                bool (*has_row)(void *ctx, uint64_t position), void *ctx)
{
    uint64_t version = 0;
    bool is_wanted = show_wants_version(show, version);
    for (uint32_t i = 0; i < b->n; i++) {
        enum store_status status =
            b->statuses[i] == STORE_ERROR ? STORE_RETRIED : (enum store_status)b->statuses[i];
        if (b->versions[i] != version) {
            version = b->versions[i];
            is_wanted = show_wants_version(show, version);
        }
        if (!is_wanted || !wants(show, status, b->started_us[i]))
            continue;
        if (status == STORE_SUCCESS || !has_row(ctx, b->positions[i]))
            add_entry(show, b, i);
    }
}

/* --- one -------------------------------------------------------------------------------------- */

bool show_find(const struct store_block *b, uint64_t position, uint32_t *i)
{
    for (uint32_t at = b->n; at-- > 0;) {
        if (b->positions[at] == position) {
            *i = at;
            return true;
        }
    }
    return false;
}

static wf_str nth_input(struct show *show, const struct store_block *b, uint32_t n)
{
    wf_str input = { "", 0 };
    size_t at = 0;
    for (uint32_t i = 0; i <= n; i++)
        if (store_input_next(b->inputs, &at, &input) != 1)
            return STR("");
    return copy_str(show, input);
}

static wf_str outputs_of(struct show *show, const struct store_block *b, uint32_t exec)
{
    struct strbuf text;
    strbuf_init(&text, STORE_PAYLOAD_MAX);
    struct store_output out;
    for (size_t at = 0; store_output_next(b->outputs, &at, &out) == 1;)
        if (out.exec == exec)
            store_output_add(&text, &out);
    wf_str copy = copy_str(show, strbuf_str(&text));
    strbuf_fini(&text);
    return copy;
}

void show_one(struct show *show, const struct store_exec *e, const struct store_block *b,
              uint32_t i)
{
    if (!e && !b)
        return;
    struct store_execution *x = e ? add_exec(show, e) : add_entry(show, b, i);
    if (b) {
        x->input = nth_input(show, b, i);
        x->outputs = outputs_of(show, b, i);
    }
}

int show_missing(struct exec_id id, struct err *err)
{
    char text[EXEC_ID_TEXT];
    exec_id_text(id, text);
    return err_set(err, ERR_NOT_FOUND, "store: there is no execution %s", text);
}

int show_may_retry(struct exec_id id, enum store_status status, struct err *err)
{
    if (status == STORE_ERROR || status == STORE_CANCELED)
        return 0;
    if (!status)
        return show_missing(id, err);
    char text[EXEC_ID_TEXT];
    exec_id_text(id, text);
    return err_set(err, ERR_CONFLICT, "store: execution %s did not fail, it is %s", text,
                   store_status_name(status));
}

/* --- telling ---------------------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b)
{
    const struct store_execution *x = a, *y = b;
    return x->started_us < y->started_us ? 1 : x->started_us > y->started_us ? -1 : 0;
}

int64_t show_trim(struct show *show)
{
    if (show->n)
        qsort(show->list, show->n, sizeof *show->list, newest_first);
    if (show->n < show->filter.limit)
        return INT64_MIN;
    show->n = show->filter.limit;
    return show->n ? show->list[show->n - 1].started_us : INT64_MAX;
}

void show_tell(struct show *show, store_on_execution *each, void *ctx)
{
    for (uint32_t i = 0; i < show->n; i++)
        each(ctx, &show->list[i]);
}
