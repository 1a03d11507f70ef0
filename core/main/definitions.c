/* SPDX-License-Identifier: Apache-2.0
 * What compiling a definition needs: plugins, credentials, $vars, the allowed part of $env.
 */
#include "main/main.h"
#include "engine/engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VARS_MAX = 1 << 20 };

static int read_vars(struct definitions *d, const char *path, struct err *err)
{
    wf_str text;
    struct json_error why;
    if (file_read(&d->arena, path, VARS_MAX, &text, err) != 0)
        return setting_err("vars", err);
    if (json_parse(&d->arena, text.ptr, text.len, 0, &d->vars, &why) != 0)
        return err_set(err, ERR_INVALID, "vars: %s: byte %zu: %s", path, why.offset, why.reason);
    if (d->vars.type != JSON_OBJECT)
        return err_set(err, ERR_INVALID, "vars: %s: must be a JSON object", path);
    d->has_vars = true;
    return 0;
}

int definitions_init(struct definitions *d, const struct config *c, struct store *store,
                     struct err *err)
{
    *d = (struct definitions){ .plugins = d->plugins,
                               .env_allow = (const char *const *)c->env_allow };
    arena_init(&d->arena, NULL, 0);
    struct stat st;
    if (c->lua_dir && (stat(c->lua_dir, &st) != 0 || !S_ISDIR(st.st_mode)))
        return err_set(err, ERR_INVALID, "lua-dir: %s: there is no such folder", c->lua_dir);
    if (!d->plugins)
        d->plugins = plugins_load(c, err);
    if (!d->plugins || (c->vars_file && read_vars(d, c->vars_file, err) != 0))
        return -1;
    d->credentials = credentials_load(c, d->plugins, store, err);
    return d->credentials ? 0 : -1;
}

void definitions_fini(struct definitions *d)
{
    if (d->credentials)
        credentials_free(d->credentials);
    if (d->plugins)
        plugin_set_destroy(d->plugins);
    arena_fini(&d->arena);
}

static struct plan *compile(struct definitions *d, wf_str text, struct workflow_report *report)
{
    struct workflow_options options = { .plugins = d->plugins,
                                        .host = engine_check_host(),
                                        .credential = credentials_find,
                                        .vars = d->has_vars ? &d->vars : NULL,
                                        .env_allow = d->env_allow,
                                        .ctx = d->credentials,
                                        .keep_all = d->keep_all };
    return workflow_compile(text, &options, report);
}

struct plan *definitions_compile_quietly(struct definitions *d, wf_str text)
{
    struct workflow_report report;
    struct plan *plan = compile(d, text, &report);
    workflow_report_fini(&report);
    return plan;
}

struct plan *definitions_compile(struct definitions *d, wf_str text, const char *file)
{
    struct workflow_report report;
    struct plan *plan = compile(d, text, &report);
    if (report.n) {
        struct strbuf b;
        strbuf_init(&b, 16u << 20);
        workflow_report_print(&b, &report, file, text, isatty(STDERR_FILENO));
        fputs(b.ptr, stderr);
        strbuf_fini(&b);
    }
    workflow_report_fini(&report);
    return plan;
}

int definitions_deploy(struct definitions *d, struct store *s, struct route_owners *owners,
                       struct arena *a, const char *path, struct deployed *out, struct err *err)
{
    wf_str text;
    bool active;
    struct store_workflow version;
    if (file_read(a, path, DEFINITION_CAP, &text, err) != 0)
        return -1;
    struct plan *plan = definitions_compile(d, text, path);
    if (!plan)
        return err_set(err, ERR_INVALID, "%s has mistakes and is left out", path);
    int result = 0;
    if (route_owners_check(owners, plan, err) != 0 ||
        workflow_identity(a, text, &out->id, &out->name, &active, err) != 0 ||
        store_deploy(s, out->id, out->name, text, true, &version, err) != 0)
        result = err_context(err, "%s", path);
    if (result == 0) {
        route_owners_take(owners, plan);
        out->number = version.number;
    }
    plan_unref(plan);
    return result;
}
