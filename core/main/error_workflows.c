/* SPDX-License-Identifier: Apache-2.0
 * `settings.errorWorkflow` names another workflow, so only where several are at hand can it be told
 * whether there is one: among the files that are checked or deployed, and in the store. It is a
 * warning, as the other may come later.
 */
#include "main/main.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct known {
    struct known *next;
    const char *id, *name, *file; /* file NULL: of the store */
    const char *error_workflow;   /* or NULL */
};

struct known_set {
    struct arena arena;
    struct known *all;
};

static const char *text_of(struct arena *a, const struct json *v)
{
    return v && v->type == JSON_STRING && v->len ? arena_str(a, v->s, v->len).ptr : NULL;
}

/* An id or a name, or n8n's locator around one. */
static const char *named_by(struct arena *a, wf_str text)
{
    struct json root;
    struct json_error unused;
    if (json_parse(a, text.ptr, text.len, 0, &root, &unused) != 0)
        return NULL;
    const struct json *v = JSON_GET(JSON_GET(&root, "settings"), "errorWorkflow");
    if (v && v->type == JSON_OBJECT)
        v = JSON_GET(v, "value");
    const char *name = text_of(a, v);
    return name && strcmp(name, "DEFAULT") != 0 ? name : NULL;
}

static struct known *add(struct known_set *set, wf_str id, wf_str name)
{
    struct known *k = ARENA_NEW(&set->arena, struct known);
    *k = (struct known){ .next = set->all,
                         .id = arena_str(&set->arena, id.ptr, id.len).ptr,
                         .name = arena_str(&set->arena, name.ptr, name.len).ptr };
    set->all = k;
    return k;
}

/* What is wrong with a file was told already. */
static void add_file(struct known_set *set, const char *path)
{
    struct err unused;
    wf_str text, id, name;
    bool active;
    if (!strcmp(path, "-") || /* it was read to its end */
        file_read(&set->arena, path, DEFINITION_CAP, &text, &unused) != 0 ||
        workflow_identity(&set->arena, text, &id, &name, &active, &unused) != 0)
        return;
    struct known *k = add(set, id, name);
    k->file = path;
    k->error_workflow = named_by(&set->arena, text);
}

static void on_stored(void *ctx, const struct store_workflow *w) { add(ctx, w->id, w->name); }

/* False: it is there. Else *nearest is the one that is meant, or NULL. */
static bool is_missing(const struct known_set *set, const char *wanted, const char **nearest)
{
    unsigned best = (unsigned)strlen(wanted) / 3 + 2;
    *nearest = NULL;
    for (const struct known *k = set->all; k; k = k->next) {
        const char *const names[] = { k->id, k->name };
        for (size_t i = 0; i < 2; i++) {
            unsigned distance = str_distance(wanted, names[i], best);
            if (!distance)
                return false;
            if (distance < best) {
                best = distance;
                *nearest = names[i];
            }
        }
    }
    return true;
}

static void warn(const struct known *k, const char *nearest, bool with_store)
{
    const char *where = with_store ? "in the store" : "among the files checked";
    fprintf(stderr, "%s: warning: errorWorkflow: there is no workflow '%s' %s", k->file,
            k->error_workflow, where);
    if (nearest)
        fprintf(stderr, "; did you mean '%s'?\n", nearest);
    else
        fprintf(stderr, "; it must be active there when '%s' fails\n", k->name);
}

void error_workflows_check(const char *const *files, struct store *s)
{
    struct known_set set = { 0 };
    struct err unused;
    const char *nearest;
    arena_init(&set.arena, NULL, 0);
    for (; *files; files++)
        add_file(&set, *files);
    if (!s || store_workflows(s, on_stored, &set, &unused) == 0)
        for (const struct known *k = set.all; k; k = k->next)
            if (k->error_workflow && is_missing(&set, k->error_workflow, &nearest))
                warn(k, nearest, s);
    arena_fini(&set.arena);
}
