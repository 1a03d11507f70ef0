/* SPDX-License-Identifier: Apache-2.0
 * Commands about definitions: check, deploy, activate, deactivate, list, and nodes.
 */
#include "main/main.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The files that the words name; NULL: *code, and it was told why. A folder without any is most
 * likely the wrong one. */
static const char **files_of(struct arena *a, const char **args, int *code)
{
    struct err err;
    const char **all = NULL;
    for (const char **one = args; *one; one++) {
        const char *alone[] = { *one, NULL };
        const char **files = workflow_files(a, alone, &err);
        if (!files)
            *code = say_error(EXIT_FAILED, "%s", err.text);
        else if (!*files)
            *code = say_error(EXIT_FAILED, "%s: this folder holds no *.json files", *one);
        if (!files || !*files)
            return NULL;
    }
    all = workflow_files(a, args, &err);
    if (!all)
        *code = say_error(EXIT_FAILED, "%s", err.text);
    return all;
}

/* --- check ------------------------------------------------------------------------------------ */

static int check_file(struct definitions *d, struct route_owners *owners, const char *path,
                      bool show_plan)
{
    struct arena a;
    struct err err;
    wf_str text;
    arena_init(&a, NULL, 0);
    int code = EXIT_OK;
    if (file_read(&a, path, DEFINITION_CAP, &text, &err) != 0) {
        code = say_error(EXIT_FAILED, "%s", err.text);
        goto done;
    }
    struct plan *plan = definitions_compile(d, text, path);
    if (!plan) {
        code = EXIT_FAILED;
        goto done;
    }
    if (route_owners_check(owners, plan, &err) != 0) {
        code = say_error(EXIT_FAILED, "%s: %s", path, err.text);
    } else if (show_plan) {
        struct strbuf b;
        strbuf_init(&b, 16u << 20);
        plan_dump(&b, plan);
        fputs(b.ptr, stdout);
        strbuf_fini(&b);
    } else {
        printf("%s: ok, %u nodes\n", path, plan->n_nodes);
    }
    if (code == EXIT_OK)
        route_owners_take(owners, plan);
    plan_unref(plan);
done:
    arena_fini(&a);
    return code;
}

int cmd_check(struct config *c, const char **args, int n_args)
{
    struct definitions d = { 0 };
    struct err err;
    bool show_plan = arg_flag(args, &n_args, "--plan");
    if (!n_args)
        return say_error(EXIT_USAGE, "check: name a workflow file or folder");
    for (int i = 0; i < n_args; i++)
        if (args[i][0] == '-' && args[i][1])
            return args_done(args + i, 1, "plan");
    int code = EXIT_OK;
    struct arena a;
    struct route_owners *owners = route_owners_create();
    arena_init(&a, NULL, 0);
    if (definitions_init(&d, c, NULL, &err) != 0) {
        code = say_error(EXIT_USAGE, "%s", err.text);
        goto done;
    }
    const char **files = files_of(&a, args, &code);
    const char **checked = files;
    for (; files && *files; files++)
        if (check_file(&d, owners, *files, show_plan) != EXIT_OK)
            code = EXIT_FAILED;
    if (checked)
        error_workflows_check((const char *const *)checked, NULL);
done:
    route_owners_destroy(owners);
    definitions_fini(&d);
    arena_fini(&a);
    return code;
}

/* --- store ------------------------------------------------------------------------------------ */

struct store *store_for(const struct config *c, int *code)
{
    struct err err;
    struct store_config config = { .url = c->store,
                                   .retention_days = (uint32_t)c->retention_days,
                                   .save_inputs = c->save_inputs };
    struct store *s = store_open(&config, c->migrate, &err);
    *code = s ? EXIT_OK : say_error(exit_of(&err), "%s", err.text);
    return s;
}

static int deploy_file(struct store *s, struct definitions *d, struct route_owners *owners,
                       const char *path)
{
    struct arena a;
    struct err err;
    struct deployed deployed;
    arena_init(&a, NULL, 0);
    int code = EXIT_OK;
    if (definitions_deploy(d, s, owners, &a, path, &deployed, &err) != 0)
        code = say_error(EXIT_FAILED, "%s", err.text);
    else
        printf("%s: '%.*s' (%.*s) version %u is active\n", path, STR_ARG(deployed.name),
               STR_ARG(deployed.id), deployed.number);
    arena_fini(&a);
    return code;
}

int cmd_deploy(struct config *c, const char **args, int n_args)
{
    struct definitions d = { 0 };
    struct route_owners *owners = NULL;
    struct arena a;
    struct err err;
    int code;
    if (!n_args)
        return say_error(EXIT_USAGE, "deploy: name a workflow file or folder");
    for (int i = 0; i < n_args; i++)
        if (args[i][0] == '-' && args[i][1])
            return args_done(args + i, 1, NULL);
    struct store *s = store_for(c, &code);
    if (!s)
        return code;
    arena_init(&a, NULL, 0);
    if (definitions_init(&d, c, s, &err) != 0) {
        code = say_error(EXIT_USAGE, "%s", err.text);
        goto done;
    }
    const char **files = files_of(&a, args, &code);
    if (files && !(owners = route_owners_of_store(&d, s, &err)))
        code = say_error(EXIT_UNREACHABLE, "%s", err.text);
    const char **deployed = owners ? files : NULL;
    for (; owners && *files; files++)
        if (deploy_file(s, &d, owners, *files) != EXIT_OK)
            code = EXIT_FAILED;
    if (deployed)
        error_workflows_check((const char *const *)deployed, s);
done:
    route_owners_destroy(owners);
    definitions_fini(&d);
    arena_fini(&a);
    store_close(s);
    return code;
}

struct search {
    const char *wanted;
    char nearest[300]; /* its id */
    unsigned distance;
    bool by_name, found;
};

static void on_near(void *ctx, const struct store_workflow *w)
{
    struct search *search = ctx;
    char id[300], name[300];
    snprintf(id, sizeof id, "%.*s", STR_ARG(w->id));
    snprintf(name, sizeof name, "%.*s", STR_ARG(w->name));
    unsigned of_id = str_distance(search->wanted, id, search->distance),
             of_name = str_distance(search->wanted, name, search->distance),
             distance = of_id < of_name ? of_id : of_name;
    search->found |= of_id == 0 || (search->by_name && of_name == 0);
    if (distance >= search->distance)
        return;
    search->distance = distance;
    snprintf(search->nearest, sizeof search->nearest, "%s", id);
}

int workflow_known(struct store *s, const char *wanted, bool by_name)
{
    struct err err;
    struct search search = { .wanted = wanted,
                             .distance = (unsigned)strlen(wanted) / 3 + 2,
                             .by_name = by_name };
    if (store_workflows(s, on_near, &search, &err) != 0)
        return say_error(EXIT_UNREACHABLE, "%s", err.text);
    if (search.found)
        return EXIT_OK;
    return search.nearest[0]
               ? say_error(EXIT_FAILED, "there is no workflow '%s'; did you mean '%s'?", wanted,
                           search.nearest)
               : say_error(EXIT_FAILED,
                           "there is no workflow '%s'; 'catalyst list' shows all by "
                           "id",
                           wanted);
}

/* Whether its webhooks are free; else it was told whose they are. */
static int may_activate(struct config *c, struct store *s, const char *id)
{
    struct definitions d = { 0 };
    struct err err;
    struct route_owners *owners = NULL;
    int code = EXIT_OK;
    if (definitions_init(&d, c, s, &err) != 0)
        code = say_error(EXIT_USAGE, "%s", err.text);
    else if (!(owners = route_owners_of_store(&d, s, &err)))
        code = say_error(EXIT_UNREACHABLE, "%s", err.text);
    else if (route_owners_check_stored(owners, &d, s, str_of(id), &err) != 0)
        code = say_error(EXIT_FAILED, "%s", err.text);
    route_owners_destroy(owners);
    definitions_fini(&d);
    return code;
}

static int set_active(struct config *c, const char **args, int n_args, bool active)
{
    int code;
    struct err err;
    if (n_args != 1 || args[0][0] == '-')
        return n_args && args[0][0] == '-'
                   ? args_done(args, n_args, NULL)
                   : say_error(EXIT_USAGE,
                               "%s: name one workflow by its id; 'catalyst list' shows them",
                               active ? "activate" : "deactivate");
    struct store *s = store_for(c, &code);
    if (!s)
        return code;
    if (active)
        code = may_activate(c, s, args[0]);
    if (code == EXIT_OK && store_set_active(s, str_of(args[0]), active, &err) != 0)
        code = err.code == ERR_NOT_FOUND ? workflow_known(s, args[0], false)
                                         : say_error(EXIT_UNREACHABLE, "%s", err.text);
    else if (code == EXIT_OK)
        printf("%s is %s\n", args[0], active ? "active" : "not active");
    store_close(s);
    return code;
}

int cmd_activate(struct config *c, const char **args, int n_args)
{
    return set_active(c, args, n_args, true);
}

int cmd_deactivate(struct config *c, const char **args, int n_args)
{
    return set_active(c, args, n_args, false);
}

static void print_workflow(void *ctx, const struct store_workflow *w)
{
    time_t at = (time_t)(w->deployed_us / 1000000);
    struct tm tm;
    char when[32];
    gmtime_r(&at, &tm);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    printf("%-24.*s %-8s %7u  %s  %.*s\n", STR_ARG(w->id), w->active ? "active" : "-", w->number,
           when, STR_ARG(w->name));
    (*(unsigned *)ctx)++;
}

int cmd_list(struct config *c, const char **args, int n_args)
{
    int code;
    struct err err;
    unsigned n = 0;
    if (args_done(args, n_args, NULL) != EXIT_OK)
        return EXIT_USAGE;
    struct store *s = store_for(c, &code);
    if (!s)
        return code;
    printf("%-24s %-8s %7s  %-19s  %s\n", "ID", "STATE", "VERSION", "DEPLOYED (UTC)", "NAME");
    if (store_workflows(s, print_workflow, &n, &err) != 0)
        code = say_error(EXIT_UNREACHABLE, "%s", err.text);
    else if (!n)
        printf("(none yet: catalyst deploy FILE)\n");
    store_close(s);
    return code;
}

/* --- nodes ------------------------------------------------------------------------------------ */

static void print_nodes(const struct plugin_set *set)
{
    const struct node_type *type;
    for (size_t i = 0; (type = plugin_node_at(set, i)); i++)
        printf("%-28s %-8s %s\n", type->type, type->node.group ? type->node.group : "",
               type->node.help);
}

static int print_node(const struct plugin_set *set, const char *name, bool schema, bool docs)
{
    struct strbuf b;
    char full[128];
    const struct node_type *type = plugin_find(set, name);
    snprintf(full, sizeof full, "catalyst.%s", name);
    if (!type)
        type = plugin_find(set, full);
    if (!type) {
        const char *near = plugin_nearest(set, name);
        return near ? say_error(EXIT_FAILED, "there is no node type '%s'; did you mean '%s'?", name,
                                near)
                    : say_error(EXIT_FAILED,
                                "there is no node type '%s'; 'catalyst nodes' lists them", name);
    }
    strbuf_init(&b, 16u << 20);
    if (schema)
        schema_node(&b, type);
    else if (docs)
        docs_plugin(&b, type->plugin);
    else
        docs_node(&b, type);
    printf("%s\n", b.ptr);
    strbuf_fini(&b);
    return EXIT_OK;
}

int cmd_nodes(struct config *c, const char **args, int n_args)
{
    struct err err;
    bool schema = arg_flag(args, &n_args, "--schema"), docs = arg_flag(args, &n_args, "--docs");
    bool named = n_args && args[0][0] != '-';
    if (args_done(args + named, n_args - named, "schema docs") != EXIT_OK)
        return EXIT_USAGE;
    if (schema && docs)
        return say_error(EXIT_USAGE, "nodes: choose one of --schema and --docs");
    struct plugin_set *set = plugins_load(c, &err);
    if (!set)
        return say_error(EXIT_USAGE, "%s", err.text);
    int code = EXIT_OK;
    if (n_args) {
        code = print_node(set, args[0], schema, docs);
    } else if (schema) {
        struct strbuf b;
        strbuf_init(&b, 64u << 20);
        schema_workflow(&b, set);
        printf("%s\n", b.ptr);
        strbuf_fini(&b);
    } else if (docs) {
        const struct plugin *plugin;
        for (size_t i = 0; (plugin = plugin_at(set, i)); i++) {
            struct strbuf b;
            strbuf_init(&b, 16u << 20);
            docs_plugin(&b, plugin);
            printf("%s\n", b.ptr);
            strbuf_fini(&b);
        }
    } else {
        print_nodes(set);
    }
    plugin_set_destroy(set);
    return code;
}
