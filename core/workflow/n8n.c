/* SPDX-License-Identifier: Apache-2.0
 * n8n: the older forms of n8n's nodes. A node of type n8n-nodes-base.<name> brings the parameters
 * of the version it was made with; ours are those of the newest. Here older ones are rewritten
 * before they are bound, by what they look like rather than by typeVersion alone, because exports
 * are edited by hand. Places of mistakes are then those of the parameters as a whole.
 *
 * Types that n8n gave up (itemLists, function) become those that took their place, and outputs that
 * changed places (splitInBatches) are counted as ours.
 *
 * Thread: the compilation's.
 */
#include "workflow/workflow_int.h"

#define FAMILY "n8n-nodes-base."

/* Parameters while they are rewritten: read from `from`, written to `to`. */
struct rewrite {
    struct arena *a;
    const struct json *from;
    struct json to;
};

static struct json text(const char *s) { return json_of_str_borrow(str_of(s)); }

static void put(struct arena *a, struct json *object, const char *key, struct json value)
{
    *object = json_set_key(a, object, str_of(key), &value);
}

static void put_text(struct arena *a, struct json *object, const char *key, const char *value)
{
    put(a, object, key, text(value));
}

/* Takes names out that today's parameters do not have. */
static void drop(struct rewrite *r, const char *const *names)
{
    for (; *names; names++) {
        struct json_step step = { .key = *names, .len = (uint32_t)strlen(*names) };
        struct json_path path = { &step, 1 };
        json_unset(r->a, &r->to, &path, &r->to, NULL);
    }
}
#define DROP(r, ...) drop((r), (const char *const[]){ __VA_ARGS__, NULL })

static const struct json *get(const struct json *object, const char *key)
{
    return json_get(object, key, strlen(key));
}

static bool is_text(const struct json *v, const char *s) { return str_eq(json_str(v), str_of(s)); }

static struct json or_else(const struct json *v, struct json otherwise)
{
    return v ? *v : otherwise;
}

static struct json list_of(struct arena *a, const struct json *elements, size_t n)
{
    struct json *copy, list = json_array(a, n, &copy);
    if (n)
        memcpy(copy, elements, n * sizeof *copy);
    return list;
}

/* --- conditions of if 1, filter 1 and switch 1, 2 --------------------------------------------- */

static const char *const operations[][2] = {
    { "equal", "equals" },    { "notEqual", "notEquals" },  { "larger", "gt" },
    { "largerEqual", "gte" }, { "smaller", "lt" },          { "smallerEqual", "lte" },
    { "isEmpty", "empty" },   { "isNotEmpty", "notEmpty" },
};

/* The names of today; one that did not change, or an expression, is itself. */
static struct json operation_of(const struct json *old, const char *otherwise)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (old ? is_text(old, operations[i][0]) : !strcmp(otherwise, operations[i][0]))
            return text(operations[i][1]);
    return old ? *old : text(otherwise);
}

/* The value that was meant when none is written. */
static struct json blank_of(const char *type)
{
    if (!strcmp(type, "number"))
        return json_of_int(0);
    return !strcmp(type, "boolean") ? json_of_bool(false) : text("");
}

static struct json condition_of(struct arena *a, const char *type, const struct json *value1,
                                const struct json *rule)
{
    struct json operator= { .type = JSON_OBJECT }, condition = { .type = JSON_OBJECT };
    const char *otherwise = !strcmp(type, "number")     ? "smaller"
                            : !strcmp(type, "dateTime") ? "after"
                                                        : "equal";
    put_text(a, &operator, "type", type);
    put(a, &operator, "operation", operation_of(get(rule, "operation"), otherwise));
    put(a, &condition, "leftValue", or_else(value1, blank_of(type)));
    put(a, &condition, "rightValue", or_else(get(rule, "value2"), blank_of(type)));
    put(a, &condition, "operator", operator);
    return condition;
}

/* The whole of a filter. It compared without asking for types. */
static struct json filter_of(struct arena *a, const struct json *conditions, size_t n, bool any)
{
    struct json filter = { .type = JSON_OBJECT }, options = { .type = JSON_OBJECT };
    put(a, &options, "caseSensitive", json_of_bool(true));
    put_text(a, &options, "typeValidation", "loose");
    put(a, &filter, "options", options);
    put_text(a, &filter, "combinator", any ? "or" : "and");
    put(a, &filter, "conditions", list_of(a, conditions, n));
    return filter;
}

enum { CONDITIONS_MAX = 1000 };
static const char *const condition_types[] = { "boolean", "dateTime", "number", "string" };

static void old_conditions(struct rewrite *r)
{
    const struct json *groups = get(r->from, "conditions");
    if (!groups || groups->type != JSON_OBJECT || get(groups, "conditions") ||
        get(groups, "combinator"))
        return;
    struct json *list = ARENA_ARRAY(r->a, struct json, CONDITIONS_MAX);
    size_t n = 0;
    for (size_t t = 0; t < sizeof condition_types / sizeof *condition_types; t++) {
        const struct json *group = get(groups, condition_types[t]);
        for (size_t i = 0; group && group->type == JSON_ARRAY && i < group->len; i++)
            if (n < CONDITIONS_MAX)
                list[n++] = condition_of(r->a, condition_types[t],
                                         get(&group->elements[i], "value1"), &group->elements[i]);
    }
    bool any = is_text(get(r->from, "combineOperation"), "any") ||
               is_text(get(r->from, "combineConditions"), "OR");
    DROP(r, "combineOperation", "combineConditions");
    if (n)
        put(r->a, &r->to, "conditions", filter_of(r->a, list, n, any));
}

/* --- switch ----------------------------------------------------------------------------------- */

static struct json rule_of(struct arena *a, const struct json *conditions, size_t n,
                           const struct json *key)
{
    struct json rule = { .type = JSON_OBJECT };
    put(a, &rule, "conditions", filter_of(a, conditions, n, true));
    if (key && key->type == JSON_STRING) {
        put(a, &rule, "outputKey", *key);
        put(a, &rule, "renameOutput", json_of_bool(true));
    }
    return rule;
}

/* Rules that name their output: for each output those that lead to it, which may be none. */
static size_t rules_by_output(struct rewrite *r, const struct json *old, const char *type,
                              struct json *rules)
{
    enum { OUTPUTS = 4 };
    struct json *list = ARENA_ARRAY(r->a, struct json, old->len + 1);
    for (int64_t output = 0; output < OUTPUTS; output++) {
        size_t n = 0;
        for (size_t i = 0; i < old->len; i++) {
            int64_t at = 0;
            json_int(get(&old->elements[i], "output"), &at);
            if (at == output)
                list[n++] = condition_of(r->a, type, get(r->from, "value1"), &old->elements[i]);
        }
        if (!n) { /* never */
            struct json no = json_of_bool(false), always = { .type = JSON_OBJECT };
            put_text(r->a, &always, "operation", "equal");
            put(r->a, &always, "value2", json_of_bool(true));
            list[n++] = condition_of(r->a, "boolean", &no, &always);
        }
        rules[output] = rule_of(r->a, list, n, NULL);
    }
    return OUTPUTS;
}

/* Version 1 has four outputs and rules that name one; version 2 has one output for each rule. */
static void old_switch(struct rewrite *r)
{
    const struct json *old = get(get(r->from, "rules"), "rules");
    const struct json *amount = get(r->from, "outputsAmount");
    int64_t fallback = -1;
    if (amount)
        put(r->a, &r->to, "numberOutputs", *amount);
    DROP(r, "outputsAmount", "dataType", "value1", "fallbackOutput");
    if (!old || old->type != JSON_ARRAY)
        return;
    wf_str given = json_str(get(r->from, "dataType"));
    const char *type = given.len ? arena_str(r->a, given.ptr, given.len).ptr : "number";
    struct json *rules = ARENA_ARRAY(r->a, struct json, old->len + 4),
                group = { .type = JSON_OBJECT };
    size_t n = 0;
    bool keys = old->len && get(&old->elements[0], "outputKey");
    for (; keys && n < old->len; n++) {
        struct json one = condition_of(r->a, type, get(r->from, "value1"), &old->elements[n]);
        rules[n] = rule_of(r->a, &one, 1, get(&old->elements[n], "outputKey"));
    }
    if (!keys)
        n = rules_by_output(r, old, type, rules);
    put(r->a, &group, "values", list_of(r->a, rules, n));
    put(r->a, &r->to, "rules", group);
    if (json_int(get(r->from, "fallbackOutput"), &fallback) && fallback >= 0) {
        struct json options =
            or_else(get(r->from, "options"), (struct json){ .type = JSON_OBJECT });
        put_text(r->a, &options, "fallbackOutput",
                 arena_printf(r->a, "%lld", (long long)fallback).ptr);
        put(r->a, &r->to, "options", options);
    }
}

/* --- set -------------------------------------------------------------------------------------- */

static void old_set(struct rewrite *r, double version)
{
    static const char *const types[] = { "boolean", "number", "string" };
    const struct json *values = get(r->from, "values"), *keep = get(r->from, "keepOnlySet");
    struct json *list = ARENA_ARRAY(r->a, struct json, CONDITIONS_MAX),
                group = { .type = JSON_OBJECT };
    size_t n = 0;
    if (!json_truth(get(r->from, "duplicateItem"))) /* a help of n8n's editor */
        DROP(r, "duplicateItem", "duplicateCount");
    if (!values && !keep) {
        /* from 3.0 to 3.2 all other fields were kept if nothing else was said */
        if (version >= 3 && version < 3.3 && !get(r->from, "include") &&
            !get(r->from, "includeOtherFields"))
            put_text(r->a, &r->to, "include", "all");
        return;
    }
    DROP(r, "values", "keepOnlySet");
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        const struct json *of = get(values, types[t]);
        for (size_t i = 0; of && of->type == JSON_ARRAY && i < of->len && n < CONDITIONS_MAX; i++) {
            struct json one = { .type = JSON_OBJECT };
            put(r->a, &one, "name", or_else(get(&of->elements[i], "name"), text("propertyName")));
            /* version 1 takes what an expression gives as it is */
            put_text(r->a, &one, "type", version < 2 ? "any" : types[t]);
            put(r->a, &one, "value", or_else(get(&of->elements[i], "value"), blank_of(types[t])));
            list[n++] = one;
        }
    }
    put(r->a, &group, "assignments", list_of(r->a, list, n));
    put_text(r->a, &r->to, "mode", "manual");
    put(r->a, &r->to, "assignments", group);
    put(r->a, &r->to, "includeOtherFields", json_of_bool(!keep || !json_truth(keep)));
}

/* --- merge ------------------------------------------------------------------------------------ */

static void match_fields(struct rewrite *r, const char *join, const char *from)
{
    struct json pair = { .type = JSON_OBJECT }, group = { .type = JSON_OBJECT };
    put(r->a, &pair, "field1", or_else(get(r->from, "propertyName1"), text("")));
    put(r->a, &pair, "field2", or_else(get(r->from, "propertyName2"), text("")));
    put(r->a, &group, "values", list_of(r->a, &pair, 1));
    put_text(r->a, &r->to, "mode", "combine");
    put_text(r->a, &r->to, "combineBy", "combineByFields");
    put(r->a, &r->to, "advanced", json_of_bool(true));
    put(r->a, &r->to, "mergeByFields", group);
    put_text(r->a, &r->to, "joinMode", join);
    if (from)
        put_text(r->a, &r->to, "outputDataFrom", from);
}

static void combine(struct rewrite *r, const char *by, bool unpaired)
{
    struct json options = { .type = JSON_OBJECT };
    put_text(r->a, &r->to, "mode", "combine");
    put_text(r->a, &r->to, "combineBy", by);
    put(r->a, &options, "includeUnpaired", json_of_bool(unpaired));
    put(r->a, &r->to, "options", options);
}

/* The modes of version 1. */
static void old_merge(struct rewrite *r)
{
    const struct json *mode = get(r->from, "mode");
    DROP(r, "propertyName1", "propertyName2", "join", "overwrite");
    if (is_text(mode, "keepKeyMatches")) {
        match_fields(r, "keepMatches", "input1");
    } else if (is_text(mode, "removeKeyMatches")) {
        match_fields(r, "keepNonMatches", "input1");
    } else if (is_text(mode, "mergeByKey")) {
        match_fields(r, "enrichInput1", NULL);
    } else if (is_text(mode, "mergeByIndex")) {
        combine(r, "combineByPosition", !is_text(get(r->from, "join"), "inner"));
    } else if (is_text(mode, "multiplex")) {
        combine(r, "combineAll", false);
    } else if (is_text(mode, "wait") || is_text(mode, "passThrough")) {
        put_text(r->a, &r->to, "mode", "chooseBranch");
        put(r->a, &r->to, "output",
            is_text(mode, "wait") ? text("empty")
                                  : or_else(get(r->from, "output"), text("input1")));
    }
}

/* --- lists ------------------------------------------------------------------------------------ */

/* {fields: [{fieldName: a}, ..]} became "a, b". */
static void join_names(struct rewrite *r, const char *key)
{
    const struct json *fields = get(get(r->from, key), "fields");
    struct strbuf names;
    if (!fields || fields->type != JSON_ARRAY)
        return;
    strbuf_init(&names, 100000);
    for (size_t i = 0; i < fields->len; i++)
        strbuf_addf(&names, "%s%.*s", i ? "," : "",
                    STR_ARG(json_str(get(&fields->elements[i], "fieldName"))));
    put_text(r->a, &r->to, key, arena_strdup(r->a, strbuf_str(&names).ptr));
    strbuf_fini(&names);
}

static void old_lists(struct rewrite *r, const char *name)
{
    DROP(r, "resource", "dedupeValue");
    if (!strcmp(name, "itemLists") && !is_text(get(r->from, "operation"), "removeDuplicates"))
        DROP(r, "operation");
    else if (!strcmp(name, "itemLists"))
        put_text(r->a, &r->to, "operation", "removeDuplicateInputItems");
    join_names(r, "fieldsToExclude");
    join_names(r, "fieldsToCompare");
    join_names(r, "fieldsToInclude");
}

/* --- dateTime --------------------------------------------------------------------------------- */

static void rename_to(struct rewrite *r, const char *old, const char *now)
{
    const struct json *v = get(r->from, old);
    if (v)
        put(r->a, &r->to, now, *v);
}

/* Version 1: `action` format or calculate, and the item's fields are kept. */
static void old_date_time(struct rewrite *r)
{
    const struct json *action = get(r->from, "action");
    if (!action && (!get(r->from, "value") || get(r->from, "operation")))
        return;
    struct json options = or_else(get(r->from, "options"), (struct json){ .type = JSON_OBJECT });
    DROP(r, "action", "value", "dataPropertyName", "custom", "toFormat");
    const struct json *zone = get(&options, "toTimezone");
    if (zone)
        put(r->a, &options, "timezone", *zone);
    struct json_step moved[] = { { .key = "toTimezone", .len = 10 },
                                 { .key = "fromTimezone", .len = 12 } };
    for (int i = 0; i < 2; i++)
        json_unset(r->a, &options, &(struct json_path){ &moved[i], 1 }, &options, NULL);
    put(r->a, &options, "includeInputFields", json_of_bool(true));
    put(r->a, &r->to, "options", options);
    put(r->a, &r->to, "outputFieldName", or_else(get(r->from, "dataPropertyName"), text("data")));
    if (is_text(action, "calculate")) {
        bool subtract = is_text(get(r->from, "operation"), "subtract");
        put_text(r->a, &r->to, "operation", subtract ? "subtractFromDate" : "addToDate");
        rename_to(r, "value", "magnitude");
        return;
    }
    put_text(r->a, &r->to, "operation", "formatDate");
    put_text(r->a, &r->to, "format", "custom");
    rename_to(r, "value", "date");
    put(r->a, &r->to, "customFormat", or_else(get(r->from, "toFormat"), text("MM/dd/yyyy")));
}

/* --- code ------------------------------------------------------------------------------------- */

static void old_code(struct compile *c, struct rewrite *r, struct at parameters, const char *name)
{
    static const char *const others[] = { "jsCode", "pythonCode", "functionCode" };
    rename_to(r, "luaCode", "code");
    DROP(r, "luaCode", "jsCode", "pythonCode", "functionCode", "notice");
    if (!strcmp(name, "functionItem"))
        put_text(r->a, &r->to, "mode", "runOnceForEachItem");
    for (size_t i = 0; i < sizeof others / sizeof *others && !get(&r->to, "code"); i++)
        if (get(r->from, others[i])) {
            mistake(c, at_field(c, parameters, others[i]),
                    "parameters.%s holds %s, which does not run here: write the step in Lua, in "
                    "parameters.code with language lua",
                    others[i], i == 1 ? "Python" : "JavaScript");
            put_text(r->a, &r->to, "code", " "); /* said once is enough */
            put_text(r->a, &r->to, "language", "lua");
        }
}

/* --- what the rest of this folder asks -------------------------------------------------------- */

static const char *family_name(const char *type)
{
    size_t len = sizeof FAMILY - 1;
    return type && !strncmp(type, FAMILY, len) ? type + len : NULL;
}

const char *n8n_type(const char *type, const struct json *parameters)
{
    static const char *const lists[][2] = {
        { "splitOutItems", "catalyst.splitOut" },
        { "aggregateItems", "catalyst.aggregate" },
        { "concatenateItems", "catalyst.aggregate" },
        { "removeDuplicates", "catalyst.removeDuplicates" },
        { "sort", "catalyst.sort" },
        { "limit", "catalyst.limit" },
        { "summarize", "catalyst.summarize" },
    };
    const char *name = family_name(type);
    if (!name)
        return type;
    if (!strcmp(name, "code") || !strcmp(name, "function") || !strcmp(name, "functionItem"))
        return "catalyst.code";
    if (strcmp(name, "itemLists") != 0)
        return type;
    const struct json *operation = get(parameters, "operation");
    for (size_t i = 0; operation && i < sizeof lists / sizeof *lists; i++)
        if (is_text(operation, lists[i][0]))
            return lists[i][1];
    return operation ? type : lists[0][1];
}

/* The name of a node of n8n's that is one of ours; a plugin's own one is left alone. */
static const char *old_name(const struct plan_node *n)
{
    bool ours = n->type && !strncmp(n->type->type, "catalyst.", 9);
    return ours ? family_name(n->type_name) : NULL;
}

uint32_t n8n_output(const struct plan_node *n, uint32_t port)
{
    const char *name = old_name(n);
    if (!name || strcmp(name, "splitInBatches") != 0 || n->type_version >= 3 || port > 1)
        return port;
    return 1 - port; /* version 1 has the loop alone, version 2 the loop first */
}

void n8n_parameters(struct compile *c, struct plan_node *n, struct at *parameters)
{
    const char *name = old_name(n);
    if (!name || !parameters->json)
        return;
    struct rewrite r = { &c->plan->arena, parameters->json, *parameters->json };
    if (!strcmp(name, "set"))
        old_set(&r, n->type_version);
    else if (!strcmp(name, "if") || !strcmp(name, "filter"))
        old_conditions(&r);
    else if (!strcmp(name, "switch"))
        old_switch(&r);
    else if (!strcmp(name, "merge"))
        old_merge(&r);
    else if (!strcmp(name, "itemLists") || !strcmp(name, "removeDuplicates"))
        old_lists(&r, name);
    else if (!strcmp(name, "dateTime"))
        old_date_time(&r);
    else if (!strcmp(name, "code") || !strncmp(name, "function", 8))
        old_code(c, &r, *parameters, name);
    struct json *to = ARENA_NEW(r.a, struct json);
    *to = r.to;
    parameters->json = to;
}
