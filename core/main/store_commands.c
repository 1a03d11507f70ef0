/* SPDX-License-Identifier: Apache-2.0
 * Commands about what the store keeps: executions, migrate, credentials; and version.
 */
#include "main/credentials.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- executions ------------------------------------------------------------------------------- */

static void print_line(void *ctx, const struct store_execution *e)
{
    char id[EXEC_ID_TEXT], when[CLOCK_TEXT];
    exec_id_text(e->id, id);
    clock_text(e->started_us, when);
    printf("%-24s %-9s %s %10.3f ms  %.*s", id, store_status_name(e->status), when,
           (double)e->duration_us / 1000, STR_ARG(e->workflow));
    if (e->node.len)
        printf("  at '%.*s'", STR_ARG(e->node));
    if (e->error.len)
        printf("  %.*s", e->error.len > 160 ? 160 : (int)e->error.len, e->error.ptr);
    putchar('\n');
    (*(unsigned *)ctx)++;
}

static enum store_status status_of(const char *name)
{
    for (int s = STORE_SUCCESS; s <= STORE_RETRIED; s++)
        if (!strcmp(store_status_name((enum store_status)s), name))
            return (enum store_status)s;
    return STORE_STATUS_NONE;
}

enum { LIMIT_MAX = 1000000 };

static bool parse_limit(const char *text, uint32_t *limit)
{
    char *end;
    long n = strtol(text, &end, 10);
    *limit = (uint32_t)n;
    return *text && !*end && n >= 1 && n <= LIMIT_MAX;
}

static int executions_list(struct store *s, const char **args, int n_args)
{
    struct err err;
    unsigned n = 0;
    const char *status = arg_value(args, &n_args, "--status"),
               *limit = arg_value(args, &n_args, "--limit");
    struct store_filter filter = { .workflow = arg_value(args, &n_args, "--workflow") };
    if (args_done(args, n_args, "status limit workflow") != EXIT_OK)
        return EXIT_USAGE;
    if (status && !(filter.status = status_of(status)))
        return say_error(
            EXIT_USAGE, "--status must be success, error, canceled, waiting or retried, got \"%s\"",
            status);
    if (limit && !parse_limit(limit, &filter.limit))
        return say_error(EXIT_USAGE, "--limit must be a number from 1 to %d, got \"%s\"", LIMIT_MAX,
                         limit);
    if (isatty(STDOUT_FILENO)) /* scripts get lines of executions and no more */
        printf("%-24s %-9s %-24s %13s  %s\n", "ID", "STATUS", "STARTED (UTC)", "DURATION",
               "WORKFLOW");
    if (store_executions(s, &filter, print_line, &n, &err) != 0)
        return say_error(EXIT_UNREACHABLE, "%s", err.text);
    int code = !n && filter.workflow ? workflow_known(s, filter.workflow, true) : EXIT_OK;
    if (!n && code == EXIT_OK)
        printf("(none)\n");
    return code;
}

static void print_output(struct strbuf *b, const struct store_output *out)
{
    strbuf_adds(b, "{\"channel\":");
    strbuf_add_json(b, out->channel.ptr, out->channel.len);
    strbuf_adds(b, ",\"topic\":");
    strbuf_add_json(b, out->topic.ptr, out->topic.len);
    if (out->key.ptr) {
        strbuf_adds(b, ",\"key\":");
        strbuf_add_json(b, out->key.ptr, out->key.len);
    }
    strbuf_adds(b, ",\"body\":");
    if (out->body.ptr)
        strbuf_add_json(b, out->body.ptr, out->body.len);
    else
        strbuf_adds(b, "null");
    strbuf_addc(b, '}');
}

static void add_field(struct strbuf *b, const char *name, wf_str json)
{
    if (json.len)
        strbuf_addf(b, ",\n \"%s\": %.*s", name, STR_ARG(json));
}

static void add_outputs(struct strbuf *b, wf_str outputs)
{
    struct store_output out;
    size_t at = 0;
    bool first = true;
    strbuf_adds(b, ",\n \"outputs\": [");
    while (outputs.len && store_output_next(outputs, &at, &out) == 1) {
        strbuf_adds(b, first ? "\n  " : ",\n  ");
        print_output(b, &out);
        first = false;
    }
    strbuf_addc(b, ']');
}

static void print_execution(void *ctx, const struct store_execution *e)
{
    struct strbuf b;
    char id[EXEC_ID_TEXT], when[CLOCK_TEXT];
    (void)ctx;
    exec_id_text(e->id, id);
    clock_text(e->started_us, when);
    strbuf_init(&b, 256u << 20);
    strbuf_addf(&b, "{\"id\": \"%s\",\n \"workflow\": ", id);
    strbuf_add_json(&b, e->workflow.ptr, e->workflow.len);
    strbuf_addf(&b,
                ",\n \"version\": %u,\n \"status\": \"%s\",\n \"started\": \"%s\",\n "
                "\"duration_us\": %lld",
                e->number, store_status_name(e->status), when, (long long)e->duration_us);
    if (e->node.len) {
        strbuf_adds(&b, ",\n \"node\": ");
        strbuf_add_json(&b, e->node.ptr, e->node.len);
    }
    add_field(&b, "error", e->error);
    if (e->input.len) {
        strbuf_adds(&b, ",\n \"input\": ");
        strbuf_add_json(&b, e->input.ptr, e->input.len);
    }
    add_outputs(&b, e->outputs);
    add_field(&b, "state", e->state);
    strbuf_adds(&b, "}\n");
    fputs(b.ptr, stdout);
    strbuf_fini(&b);
}

static int with_id(struct store *s, const char **args, int n_args, bool retry)
{
    struct exec_id id;
    struct err err;
    if (n_args != 1)
        return say_error(EXIT_USAGE,
                         "executions %s: name one execution, as 'executions list' shows it",
                         retry ? "retry" : "show");
    if (!exec_id_parse(args[0], &id))
        return say_error(EXIT_USAGE, "'%s' is no execution id; they look like 1-0-4711", args[0]);
    if ((retry ? store_execution_retry(s, id, &err)
               : store_execution(s, id, print_execution, NULL, &err)) != 0)
        return say_error(err.code == ERR_UNAVAILABLE ? EXIT_UNREACHABLE : EXIT_FAILED, "%s",
                         err.text);
    if (retry)
        printf("%s will run again from the node that failed\n", args[0]);
    return EXIT_OK;
}

int cmd_executions(struct config *c, const char **args, int n_args)
{
    int code;
    const char *verb = n_args ? args[0] : "list";
    bool list = !strcmp(verb, "list"), show = !strcmp(verb, "show"), retry = !strcmp(verb, "retry");
    if (!list && !show && !retry)
        return say_error(EXIT_USAGE, "executions: '%s' is none of list, show, retry", verb);
    struct store *s = store_for(c, &code);
    if (!s)
        return code;
    if (n_args) {
        args++;
        n_args--;
    }
    code = list ? executions_list(s, args, n_args) : with_id(s, args, n_args, retry);
    store_close(s);
    return code;
}

/* --- migrate, version ------------------------------------------------------------------------- */

static void print_step(void *ctx, const char *plugin, int number, const char *name)
{
    (void)ctx;
    if (plugin)
        printf("plugin %s, step %d: %s\n", plugin, number, name);
    else
        printf("schema %d: %s\n", number, name);
}

static void print_state(struct store *s, const struct store_config *config, int *code)
{
    struct err err;
    int applied, newest;
    if (store_migrate(s, false, NULL, NULL, &applied, &newest, &err) != 0) {
        *code = say_error(EXIT_UNREACHABLE, "%s", err.text);
        return;
    }
    printf("schema is at %d of %d\n", applied, newest);
    for (size_t i = 0; i < config->n_tables; i++)
        printf("plugin %s is at %zu of %zu\n", config->tables[i].plugin, config->tables[i].n,
               config->tables[i].n);
}

bool store_is_behind(const struct err *err)
{
    return (err->code == ERR_CONFLICT || err->code == ERR_NOT_FOUND) &&
           strstr(err->text, "catalyst migrate");
}

int cmd_migrate(struct config *c, const char **args, int n_args)
{
    struct err err;
    bool check = arg_flag(args, &n_args, "--check");
    if (args_done(args, n_args, "check") != EXIT_OK)
        return EXIT_USAGE;
    struct plugin_set *plugins = plugins_load(c, &err);
    if (!plugins)
        return say_error(EXIT_USAGE, "%s", err.text);
    struct store_config config = { .url = c->store, .on_step = print_step };
    struct store_tables *tables = plugins_tables(plugins, &config.n_tables);
    config.tables = tables;
    int code = EXIT_OK;
    struct store *s = store_open(&config, !check, &err);
    if (s)
        print_state(s, &config, &code);
    else
        code =
            say_error(check && store_is_behind(&err) ? EXIT_FAILED : exit_of(&err), "%s", err.text);
    store_close(s);
    free(tables);
    plugin_set_destroy(plugins);
    return code;
}

int cmd_version(struct config *c, const char **args, int n_args)
{
    (void)c;
    if (args_done(args, n_args, NULL) != EXIT_OK)
        return EXIT_USAGE;
    printf("catalyst %s (plugin SDK %d.%d, ABI %u)\n", CATALYST_VERSION, WF_SDK_VERSION >> 16,
           WF_SDK_VERSION >> 8 & 255, WF_ABI);
    return EXIT_OK;
}

/* --- credentials ------------------------------------------------------------------------------ */

static void print_credential(void *ctx, const struct store_credential *sc)
{
    printf("%-24.*s %.*s\n", STR_ARG(sc->name), STR_ARG(sc->type));
    (*(unsigned *)ctx)++;
}

static int credentials_list(struct store *s)
{
    struct err err;
    unsigned n = 0;
    if (store_credentials(s, print_credential, &n, &err) != 0)
        return say_error(EXIT_UNREACHABLE, "%s", err.text);
    if (!n)
        printf("(none yet: catalyst credentials set NAME TYPE FIELD=VALUE ..)\n");
    return EXIT_OK;
}

/* FIELD=VALUE words, or one word "-" or "@FILE": a JSON object. */
static int read_data(struct arena *a, const char **args, int n_args, wf_str *json, struct err *err)
{
    if (n_args == 1 && (!strcmp(args[0], "-") || args[0][0] == '@'))
        return file_read(a, args[0][0] == '@' ? args[0] + 1 : "-", 1 << 20, json, err);
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    strbuf_addc(&b, '{');
    for (int i = 0; i < n_args; i++) {
        const char *equals = strchr(args[i], '=');
        if (!equals) {
            strbuf_fini(&b);
            return err_set(err, ERR_INVALID, "credentials set: '%s' is not FIELD=VALUE", args[i]);
        }
        if (i)
            strbuf_addc(&b, ',');
        strbuf_add_json(&b, args[i], (size_t)(equals - args[i]));
        strbuf_addc(&b, ':');
        strbuf_add_json(&b, equals + 1, strlen(equals + 1));
    }
    strbuf_addc(&b, '}');
    *json = arena_str(a, b.ptr, b.len);
    strbuf_fini(&b);
    return 0;
}

static int put(struct config *c, struct store *s, wf_str name, wf_str type, wf_str text,
               struct err *err)
{
    unsigned char key[SEAL_KEY_BYTES];
    struct strbuf sealed;
    if (seal_key(c->credentials_key, key, err) != 0)
        return -1;
    strbuf_init(&sealed, 4u << 20);
    int result = seal_close(&sealed, key, name, type, text, err);
    struct store_credential sc = { name, name, type, strbuf_str(&sealed) };
    if (result == 0)
        result = store_credential_put(s, &sc, err);
    explicit_bzero(key, sizeof key);
    strbuf_fini(&sealed);
    return result;
}

static int credentials_set(struct config *c, struct store *s, const char **args, int n_args)
{
    struct definitions d = { 0 };
    struct err err = { 0 };
    struct arena a;
    wf_str text;
    struct json data;
    struct json_error why = { 0 };
    if (n_args < 3)
        return say_error(
            EXIT_USAGE,
            "credentials set NAME TYPE FIELD=VALUE ..   (or @FILE, or - for a JSON object)");
    if (!c->credentials_key)
        return say_error(
            EXIT_USAGE,
            "credentials-key is not set; make one: openssl rand -hex 32 > catalyst.key, then "
            "--credentials-key catalyst.key");
    arena_init(&a, NULL, 0);
    int code = EXIT_OK;
    if (definitions_init(&d, c, NULL, &err) != 0 ||
        read_data(&a, args + 2, n_args - 2, &text, &err) != 0)
        code = say_error(EXIT_USAGE, "%s", err.text);
    else if (json_parse(&a, text.ptr, text.len, 0, &data, &why) != 0)
        code = say_error(EXIT_USAGE, "credentials set: byte %zu: %s", why.offset, why.reason);
    else if (credentials_add(d.credentials, str_of(args[0]), str_of(args[0]), str_of(args[1]),
                             &data, &err) != 0 ||
             put(c, s, str_of(args[0]), str_of(args[1]), text, &err) != 0)
        code = say_error(EXIT_FAILED, "%s", err.text);
    else
        printf("credential '%s' is set\n", args[0]);
    definitions_fini(&d);
    arena_fini(&a);
    return code;
}

int cmd_credentials(struct config *c, const char **args, int n_args)
{
    int code;
    struct err err;
    const char *verb = n_args ? args[0] : "list";
    bool set = !strcmp(verb, "set"), list = !strcmp(verb, "list"), delete = !strcmp(verb, "delete");
    if (!set && !list && !delete)
        return say_error(EXIT_USAGE, "credentials: '%s' is none of set, list, delete", verb);
    if (delete &&n_args != 2)
        return say_error(EXIT_USAGE, "credentials delete: name one credential");
    if (list && n_args > 1)
        return args_done(args + 1, n_args - 1, NULL);
    struct store *s = store_for(c, &code);
    if (!s)
        return code;
    if (list)
        code = credentials_list(s);
    else if (set)
        code = credentials_set(c, s, args + 1, n_args - 1);
    else if (store_credential_delete(s, str_of(args[1]), &err) != 0)
        code = say_error(EXIT_FAILED, "%s", err.text);
    else
        printf("credential '%s' is deleted\n", args[1]);
    store_close(s);
    return code;
}
