/* SPDX-License-Identifier: Apache-2.0
 * `catalyst run`: one execution in memory, with the engine the server has and an outside world of
 * its own: requests and blocking calls are real, timers really wait, nothing is stored, Kafka
 * messages are shown.
 */
#include "main/run_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_CAP = 256 << 20 };

/* --- the workflow ----------------------------------------------------------------------------- */

static struct plan *read_plan(struct run *r, const char *path)
{
    struct err err;
    wf_str text;
    if (file_read(&r->arena, path, DEFINITION_CAP, &text, &err) != 0) {
        say_error(EXIT_USAGE, "%s", err.text);
        return NULL;
    }
    r->definitions.keep_all = true;
    struct plan *plan = definitions_compile(&r->definitions, text, path);
    if (plan) {
        plan->settings.durability = DURABILITY_NONE; /* nothing is stored */
        plan->version = 0;
    }
    return plan;
}

/* The trigger to start from: a manual one, else the first. Without a trigger: the first node
 * nothing leads to. */
static int find_start(const struct plan *p)
{
    for (uint32_t i = 0; i < p->n_triggers; i++)
        if (!strcmp(p->nodes[p->triggers[i]].type->type, "catalyst.manualTrigger"))
            return (int)p->triggers[i];
    return p->n_triggers ? (int)p->triggers[0] : -1;
}

/* --- input ------------------------------------------------------------------------------------ */

static int input_text(struct run *r, const char *from, struct err *err)
{
    wf_str text;
    if (!from)
        return 0;
    return file_read(&r->arena, from, INPUT_CAP, &text, err) == 0 ? run_input(r, text, err) : -1;
}

/* Without --input: what is pinned to the start node, else one empty item. */
static int default_input(struct run *r, const struct plan *p, uint32_t start, struct err *err)
{
    const char *name = p->nodes[start].name;
    const struct json *pinned = p->pin_data ? json_get(p->pin_data, name, strlen(name)) : NULL;
    if (r->n_items)
        return 0;
    if (pinned && pinned->type == JSON_ARRAY && run_add_items(r, pinned, err) != 0)
        return err_context(err, "pinned to node '%s'", name);
    if (r->n_items)
        return 0;
    struct json empty = { .type = JSON_OBJECT };
    return run_add_item(r, &empty, err);
}

/* --- output ----------------------------------------------------------------------------------- */

static void print_all(struct strbuf *b, const struct exec *e, enum store_status status)
{
    exec_dump(b, e, status);
    strbuf_addc(b, '\n');
}

/* Said when the run is over: the database may still refuse a row, and then it is another outcome.
 */
void run_ended(struct run *r, struct exec *e, enum store_status status)
{
    r->code = status == STORE_SUCCESS ? EXIT_OK : EXIT_FAILED;
    strbuf_clear(&r->said);
    strbuf_clear(&r->complained);
    if (!strcmp(r->output, "json"))
        print_all(&r->said, e, status);
    else if (!strcmp(r->output, "items") && status == STORE_SUCCESS)
        exec_dump_last(&r->said, e);
    if (status != STORE_SUCCESS && strcmp(r->output, "json") != 0)
        strbuf_addf(&r->complained, "catalyst: node '%s': %s\n", exec_error_node(e), exec_error(e));
}

static void say(struct run *r)
{
    if (r->said.len)
        fwrite(r->said.ptr, 1, r->said.len, stdout);
    if (r->complained.len)
        fwrite(r->complained.ptr, 1, r->complained.len, stderr);
    strbuf_fini(&r->said);
    strbuf_fini(&r->complained);
}

/* --- the command ------------------------------------------------------------------------------ */

static int execute(struct run *r, struct plan *plan, uint32_t start)
{
    struct err err;
    if (run_open(r, &err) != 0)
        return say_error(EXIT_INTERNAL, "%s", err.text);
    struct engine_plan *ep = engine_plan_add(r->out.engine, plan, &err);
    if (!ep) {
        run_close(r);
        return say_error(EXIT_FAILED, "%s", err.text);
    }
    strbuf_init(&r->said, 1u << 30);
    strbuf_init(&r->complained, 1u << 20);
    run_execute(r, ep, start);
    say(r);
    run_close(r);
    return r->code;
}

int cmd_run(struct config *c, const char **args, int n_args)
{
    struct run r = { .config = c, .code = EXIT_INTERNAL, .out = { .blob_dir = -1 } };
    struct err err;
    const char *input = arg_value(args, &n_args, "--input");
    r.output = arg_value(args, &n_args, "--output");
    if (!r.output)
        r.output = "items";
    if (strcmp(r.output, "json") != 0 && strcmp(r.output, "items") != 0 &&
        strcmp(r.output, "none") != 0)
        return say_error(EXIT_USAGE, "--output must be items, json or none, got \"%s\"", r.output);
    if (n_args < 1)
        return say_error(EXIT_USAGE, "run: name a workflow file");
    if (args[0][0] == '-' && args[0][1])
        return args_done(args, n_args, "input output");
    if (args_done(args + 1, n_args - 1, "input output") != EXIT_OK)
        return EXIT_USAGE;
    arena_init(&r.arena, NULL, 0);
    struct plan *plan = NULL;
    int code = EXIT_FAILED;
    if (definitions_init(&r.definitions, c, NULL, &err) != 0 || input_text(&r, input, &err) != 0) {
        code = say_error(EXIT_USAGE, "%s", err.text);
        goto done;
    }
    plan = read_plan(&r, args[0]);
    if (!plan)
        goto done;
    int start = find_start(plan);
    if (start < 0) {
        code = say_error(EXIT_FAILED,
                         "%s: the workflow has no trigger to start from; add a node of type "
                         "catalyst.manualTrigger",
                         args[0]);
        goto done;
    }
    code = default_input(&r, plan, (uint32_t)start, &err) == 0
               ? execute(&r, plan, (uint32_t)start)
               : say_error(EXIT_FAILED, "%s: %s", args[0], err.text);
done:
    if (plan)
        plan_unref(plan);
    definitions_fini(&r.definitions);
    arena_fini(&r.arena);
    return code;
}
