/* SPDX-License-Identifier: Apache-2.0
 * From text to plan: the steps in their order, and the top-level fields.
 *
 * Everything a plan needs lives in its arena, the text included, because parsed strings point into
 * it. What only the compilation needs lives in an arena of its own. A step never stops the next
 * one, except that a text which is no JSON object has nothing to check.
 *
 * Thread: anywhere; one compilation is one thread's. It may look into /usr/share/zoneinfo, and
 * blocks on nothing else.
 */
#include "workflow/workflow_int.h"
#include <stdlib.h>

static const char *const top_fields[] = { "id",
                                          "name",
                                          "description",
                                          "active",
                                          "isArchived",
                                          "nodes",
                                          "connections",
                                          "settings",
                                          "staticData",
                                          "pinData",
                                          "versionId",
                                          "activeVersionId",
                                          "activeVersion",
                                          "versionCounter",
                                          "meta",
                                          "tags",
                                          "createdAt",
                                          "updatedAt",
                                          "triggerCount",
                                          "shared",
                                          "parentFolder",
                                          NULL };

/* Parses the plan's copy of the text. */
static bool parse(struct compile *c, wf_str text)
{
    struct plan *p = c->plan;
    struct json_error error = { 0 };
    if (text.len > TEXT_BYTES_MAX) {
        issue_at(c, 0, false, "the definition has %zu bytes; %d are the most", text.len,
                 TEXT_BYTES_MAX);
        return false;
    }
    p->definition = arena_str(&p->arena, text.ptr, text.len);
    struct json *root = ARENA_NEW(&p->arena, struct json);
    if (json_parse(&p->arena, p->definition.ptr, text.len, 0, root, &error) != 0) {
        issue_at(c, (uint32_t)error.offset, false, "not JSON: %s", error.reason);
        return false;
    }
    locate_init(&c->locate, &c->scratch, p->definition);
    c->root = (struct at){ root, &c->locate.root };
    if (root->type != JSON_OBJECT)
        mistake(c, c->root, "a workflow must be an object, got %s", json_type_name(root));
    return root->type == JSON_OBJECT;
}

static void read_identity(struct compile *c)
{
    struct plan *p = c->plan;
    const char *id = at_text(c, c->root, "id"), *name = at_text(c, c->root, "name");
    if (id && !*id)
        mistake(c, at_field(c, c->root, "id"), "the id must not be empty");
    if (name && (!*name || strlen(name) > NAME_BYTES_MAX))
        mistake(c, at_field(c, c->root, "name"), "the name of the workflow must have 1 to %d bytes",
                NAME_BYTES_MAX);
    p->name = name ? name : id ? id : "";
    p->id = id ? id : p->name;
    p->active = at_bool(c, c->root, "active", false);
    at_bool(c, c->root, "isArchived", false);
}

static int by_name(const void *a, const void *b, void *nodes)
{
    const struct plan_node *n = nodes;
    return strcmp(n[*(const uint32_t *)a].name, n[*(const uint32_t *)b].name);
}

/* What expressions may see of the surroundings, copied: a plan outlives its options. */
static void copy_surroundings(struct compile *c)
{
    const struct workflow_options *o = c->options;
    struct arena *a = &c->plan->arena;
    struct json *vars = ARENA_NEW(a, struct json), *env = ARENA_NEW(a, struct json);
    if (o->vars)
        *vars = json_copy(a, o->vars);
    env->type = JSON_OBJECT;
    for (size_t i = 0; o->env_allow && o->env_allow[i]; i++) {
        const char *text = getenv(o->env_allow[i]);
        if (!text)
            continue;
        struct json value = json_of_str(a, text, strlen(text));
        wf_str name = arena_str(a, o->env_allow[i], strlen(o->env_allow[i]));
        *env = json_set_key(a, env, name, &value);
    }
    c->plan->vars = o->vars ? vars : NULL;
    c->plan->env = o->env_allow ? env : NULL;
}

static void finish_plan(struct compile *c)
{
    struct plan *p = c->plan;
    uint32_t *names = ARENA_ARRAY(&p->arena, uint32_t, c->n_nodes);
    for (uint32_t i = 0; i < c->n_nodes; i++) {
        names[i] = i;
        c->nodes[i].keep_outputs |= p->unit.reads_any_node || c->options->keep_all;
    }
    if (c->n_nodes)
        qsort_r(names, c->n_nodes, sizeof *names, by_name, c->nodes);
    p->by_name = names;
    p->nodes = c->nodes;
    p->n_nodes = c->n_nodes;
    p->keep_all = c->options->keep_all;
    copy_surroundings(c);
}

static void compile_all(struct compile *c)
{
    at_check_names(c, c->root, "field", top_fields, false);
    read_identity(c);
    compile_nodes(c);
    compile_settings(c);
    compile_parameters(c);
    /* The settings' expressions may name nodes, and the parameters decide the ports. */
    compile_connections(c);
    compile_pins(c);
    compile_graph(c);
    finish_plan(c);
}

struct plan *workflow_compile(wf_str text, const struct workflow_options *options,
                              struct workflow_report *report)
{
    struct plan *p = xcalloc(1, sizeof *p);
    struct compile c = { .options = options, .report = report, .plan = p };
    p->refs = 1;
    arena_init(&p->arena, NULL, 0);
    arena_init(&c.scratch, NULL, 0);
    map_init(&c.by_name);
    issues_init(report);
    p->unit.arena = &p->arena;
    if (parse(&c, text))
        compile_all(&c);
    issues_finish(report, text);
    map_fini(&c.by_name);
    arena_fini(&c.scratch);
    if (report->n_errors) {
        plan_unref(p);
        return NULL;
    }
    return p;
}
