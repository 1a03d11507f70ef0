/* SPDX-License-Identifier: Apache-2.0
 * Settings: one table for ours and n8n's. A row says how a value is read and whether it has an
 * effect, so that nobody relies on a setting that does nothing.
 *
 * To make a setting act: give plan_settings a field, fill it in the row's function, and set ACTS.
 *
 * Thread: the compilation's. timezone_check looks into the file system.
 */
#include "workflow/workflow_int.h"
#include <math.h>

enum acts {
    ACTS = 1,
    NOT_YET,     /* checked, and a warning says that it has no effect */
    MEANINGLESS, /* n8n's own affair (its editor, its sharing, its database): checked and passed
                    over */
};

struct setting {
    const char *name;
    enum acts acts;
    /* Checks, and fills the plan's settings. `of` is the settings object. */
    void (*read)(struct compile *c, struct at of, const char *name);
};

static struct plan_settings *settings(struct compile *c) { return &c->plan->settings; }

/* --- when and where --------------------------------------------------------------------------- */

static void read_order(struct compile *c, struct at of, const char *name)
{
    static const char *const orders[] = { "v0", "v1", NULL };
    settings(c)->order_v1 = at_choice(c, of, name, orders) == 1;
}

static void read_timezone(struct compile *c, struct at of, const char *name)
{
    const char *zone = at_text(c, of, name);
    if (!zone || !strcmp(zone, "DEFAULT"))
        return;
    const char *why = timezone_check(&c->scratch, zone);
    if (why)
        mistake(c, at_field(c, of, name), "timezone %s", why);
    else
        settings(c)->timezone = zone;
}

/* n8n: seconds, -1 for none. A duration such as "90s" is taken, too. */
static void read_timeout(struct compile *c, struct at of, const char *name)
{
    double seconds = -1;
    if (at_field(c, of, name).json->type == JSON_STRING)
        at_ms(c, of, name, &settings(c)->timeout_ms);
    else if (at_number(c, of, name, -1, 1e9, &seconds) && seconds > 0)
        settings(c)->timeout_ms = (int64_t)llround(seconds * 1000);
}

static void read_node_runs(struct compile *c, struct at of, const char *name)
{
    int64_t runs;
    if (at_int(c, of, name, 1, INT64_MAX, &runs))
        settings(c)->max_node_runs = (uint64_t)runs;
}

static void read_duration(struct compile *c, struct at of, const char *name)
{
    int64_t ms;
    at_ms(c, of, name, &ms);
}

/* --- what is promised and what is kept -------------------------------------------------------- */

static void read_durability(struct compile *c, struct at of, const char *name)
{
    static const char *const names[] = { "none", "at_least_once", "exactly_once", "each_step",
                                         NULL };
    static const enum durability values[] = { DURABILITY_NONE, DURABILITY_AT_LEAST_ONCE,
                                              DURABILITY_EXACTLY_ONCE, DURABILITY_EACH_STEP };
    int i = at_choice(c, of, name, names);
    if (i >= 0)
        settings(c)->durability = values[i];
}

/* "sample 1 in 100" -> 100; 0: something else. */
static uint32_t read_sample(wf_str s)
{
    static const char before[] = "sample 1 in ";
    size_t at = sizeof before - 1;
    uint64_t n = 0;
    if (s.len <= at || s.len > at + 9 || memcmp(s.ptr, before, at) != 0)
        return 0;
    for (; at < s.len; at++) {
        if (s.ptr[at] < '0' || s.ptr[at] > '9')
            return 0;
        n = n * 10 + (uint64_t)(s.ptr[at] - '0');
    }
    return (uint32_t)n;
}

static void read_save(struct compile *c, struct at of, const char *name)
{
    static const char *const names[] = { "all", "errors", "none", "sample 1 in N", NULL };
    static const enum save_mode values[] = { SAVE_ALL, SAVE_ERRORS, SAVE_NONE };
    uint32_t sample = read_sample(json_str(at_field(c, of, name).json));
    if (sample) {
        settings(c)->save = SAVE_SAMPLE;
        settings(c)->save_sample = sample;
        return;
    }
    int i = at_choice(c, of, name, names);
    if (i == 3)
        mistake(c, at_field(c, of, name), "save needs a number for N: \"sample 1 in 100\"");
    else if (i >= 0)
        settings(c)->save = values[i];
}

/* n8n has one setting for good and one for failed executions; `save` says both and wins. */
static void read_save_n8n(struct compile *c, struct at of, const char *name)
{
    static const char *const names[] = { "DEFAULT", "all", "none", NULL };
    bool of_errors = strstr(name, "Error") != NULL;
    int i = at_choice(c, of, name, names);
    bool drop_success =
        json_str(JSON_GET(of.json, "saveDataSuccessExecution")).len == 4; /* "none" */
    if (at_field(c, of, "save").json || i != 2)
        return;
    if (!of_errors)
        settings(c)->save = SAVE_ERRORS;
    else if (drop_success)
        settings(c)->save = SAVE_NONE;
    else
        warn(c, at_field(c, of, name),
             "saveDataErrorExecution 'none' acts only together with"
             " saveDataSuccessExecution 'none'");
}

static void read_dead_letter(struct compile *c, struct at of, const char *name)
{
    const char *topic = at_text(c, of, name);
    if (topic &&
        (!*topic || strlen(topic) > 249 ||
         strspn(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
             strlen(topic)))
        mistake(c, at_field(c, of, name),
                "deadLetter must be a topic name: up to 249 letters, digits, '.', '_', '-'");
    else
        settings(c)->dead_letter = topic;
}

/* An id, or n8n's resource locator around one. */
static void read_error_workflow(struct compile *c, struct at of, const char *name)
{
    struct at v = at_field(c, of, name);
    const char *id = is_object(v) ? at_text(c, v, "value") : at_text(c, of, name);
    settings(c)->error_workflow = id && *id && strcmp(id, "DEFAULT") != 0 ? id : NULL;
}

/* --- how much at once ------------------------------------------------------------------------- */

/* A setting that is an object of its own. */
static bool read_object(struct compile *c, struct at of, const char *name, const char *shape,
                        struct at *out)
{
    *out = at_field(c, of, name);
    if (is_object(*out))
        return true;
    mistake(c, *out, "%s must be an object %s, got %s", name, shape, json_type_name(out->json));
    return false;
}

static void need(struct compile *c, struct at of, const char *what, const char *name)
{
    if (!at_field(c, of, name).json)
        mistake(c, of, "%s needs %s", what, name);
}

static void read_concurrency(struct compile *c, struct at of, const char *name)
{
    static const char *const known[] = { "limit", "key", NULL };
    struct at v = at_field(c, of, name);
    int64_t limit = 0;
    if (json_is_number(v.json)) {
        at_int(c, of, name, 1, UINT32_MAX, &limit);
    } else if (read_object(c, of, name, "{limit, key}", &v)) {
        at_check_names(c, v, "field of concurrency", known, true);
        need(c, v, name, "limit");
        at_int(c, v, "limit", 1, UINT32_MAX, &limit);
        settings(c)->concurrency_key = at_expr(c, v, "key", "concurrency.key");
    }
    settings(c)->concurrency = (uint32_t)limit;
}

static void read_rate_limit(struct compile *c, struct at of, const char *name)
{
    static const char *const known[] = { "count", "per", "key", NULL };
    struct at v;
    int64_t count, per_ms = 1;
    if (!read_object(c, of, name, "{count, per, key}", &v))
        return;
    at_check_names(c, v, "field of rateLimit", known, true);
    need(c, v, name, "count");
    need(c, v, name, "per");
    at_int(c, v, "count", 1, UINT32_MAX, &count);
    if (at_ms(c, v, "per", &per_ms) && per_ms == 0)
        mistake(c, at_field(c, v, "per"), "per must be longer than 0");
    at_expr(c, v, "key", "rateLimit.key");
}

static void read_priority(struct compile *c, struct at of, const char *name)
{
    int64_t priority;
    at_int(c, of, name, 0, 100, &priority);
}

/* --- n8n's, which only need to be right ------------------------------------------------------- */

static void read_bool(struct compile *c, struct at of, const char *name)
{
    at_bool(c, of, name, false);
}

/* DEFAULT, true or false; n8n's older form writes the bool as text. */
static void read_tristate(struct compile *c, struct at of, const char *name)
{
    static const char *const names[] = { "DEFAULT", "true", "false", NULL };
    struct at v = at_field(c, of, name);
    if (v.json->type != JSON_TRUE && v.json->type != JSON_FALSE)
        at_choice(c, of, name, names);
}

static void read_text(struct compile *c, struct at of, const char *name) { at_text(c, of, name); }

static void read_number(struct compile *c, struct at of, const char *name)
{
    double number;
    at_number(c, of, name, 0, INFINITY, &number);
}

static void read_binary_mode(struct compile *c, struct at of, const char *name)
{
    static const char *const names[] = { "separate", "combined", NULL };
    at_choice(c, of, name, names);
}

static void read_caller_policy(struct compile *c, struct at of, const char *name)
{
    static const char *const names[] = { "any", "none", "workflowsFromAList",
                                         "workflowsFromSameOwner", NULL };
    at_choice(c, of, name, names);
}

static void read_redaction(struct compile *c, struct at of, const char *name)
{
    static const char *const names[] = { "none", "all", "non-manual", "manual-only", NULL };
    at_choice(c, of, name, names);
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct setting table[] = {
    { "durability", ACTS, read_durability },
    { "executionOrder", ACTS, read_order },
    { "timezone", ACTS, read_timezone },
    { "executionTimeout", ACTS, read_timeout },
    { "maxNodeRuns", ACTS, read_node_runs },
    { "save", ACTS, read_save },
    { "saveDataSuccessExecution", ACTS, read_save_n8n },
    { "saveDataErrorExecution", ACTS, read_save_n8n },
    { "errorWorkflow", ACTS, read_error_workflow },
    { "deadLetter", ACTS, read_dead_letter },
    { "concurrency", NOT_YET, read_concurrency },
    { "rateLimit", NOT_YET, read_rate_limit },
    { "priority", NOT_YET, read_priority },
    { "parallel", NOT_YET, read_bool },
    { "deadline", NOT_YET, read_duration },
    { "retention", NOT_YET, read_duration },
    { "redactionPolicy", NOT_YET, read_redaction },
    { "saveManualExecutions", MEANINGLESS, read_tristate },
    { "saveExecutionProgress", MEANINGLESS, read_tristate }, /* each_step does it */
    { "binaryMode", MEANINGLESS, read_binary_mode },
    { "callerPolicy", MEANINGLESS, read_caller_policy },
    { "callerIds", MEANINGLESS, read_text },
    { "timeSavedPerExecution", MEANINGLESS, read_number },
    { "timeSavedMode", MEANINGLESS, read_text },
    { "availableInMCP", MEANINGLESS, read_bool },
    { "credentialResolverId", MEANINGLESS, read_text },
};
enum { TABLE_ROWS = sizeof table / sizeof *table };

static void read_setting(struct compile *c, struct at of, const struct setting *row)
{
    struct at v = at_field(c, of, row->name);
    uint32_t errors = c->report->n_errors;
    if (!v.json)
        return;
    row->read(c, of, row->name);
    if (row->acts == NOT_YET && c->report->n_errors == errors)
        warn_key(c, v, "setting %s is not acted on yet", row->name);
}

void compile_settings(struct compile *c)
{
    const char *names[TABLE_ROWS + 1];
    struct at of = at_field(c, c->root, "settings");
    *settings(c) = (struct plan_settings){ .durability = DURABILITY_EXACTLY_ONCE,
                                           .timezone = "UTC",
                                           .max_node_runs = 10000,
                                           .save = SAVE_ALL };
    if (!of.json)
        return;
    if (!is_object(of)) {
        mistake(c, of, "settings must be an object, got %s", json_type_name(of.json));
        return;
    }
    for (size_t i = 0; i < TABLE_ROWS; i++)
        names[i] = table[i].name;
    names[TABLE_ROWS] = NULL;
    at_check_names(c, of, "setting", names, true);
    for (size_t i = 0; i < TABLE_ROWS; i++)
        read_setting(c, of, &table[i]);
}
