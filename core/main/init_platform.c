/* SPDX-License-Identifier: Apache-2.0
 * `catalyst init-platform`: topics and tables of the messaging platform, made where they are
 * missing. What is there stays; so it may run again at any time, and beside running engines. Kafka
 * and the store are two halves: trouble with one does not keep the other from being made.
 */
#include "main/platform.h"
#include "main/serve.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct init {
    const struct config *config;
    struct arena arena;
    bool dry_run, all_channels, json;
    int partitions, replication;
    int code;
    unsigned n_topics, n_failed, n_steps;
    struct strbuf topics, steps, tables; /* with json: what goes into the object */
    char kafka_note[500], store_note[500];
};

static void failed(struct init *in, int code)
{
    if (code > in->code)
        in->code = code;
}

static void add_text(struct strbuf *b, const char *name, const char *text)
{
    strbuf_addf(b, "\"%s\":", name);
    strbuf_add_json(b, text, strlen(text));
}

/* --- topics ----------------------------------------------------------------------------------- */

static const char *state_words(enum kafka_topic_state state)
{
    switch (state) {
    case KAFKA_TOPIC_MISSING:
        return "missing";
    case KAFKA_TOPIC_CREATED:
        return "created";
    case KAFKA_TOPIC_THERE:
        return "there";
    case KAFKA_TOPIC_SMALLER:
        return "smaller";
    case KAFKA_TOPIC_FAILED:
        break;
    }
    return "failed";
}

static void topic_json(struct init *in, const struct kafka_topic_report *t)
{
    struct strbuf *b = &in->topics;
    strbuf_adds(b, b->len ? ",\n  {" : "{");
    add_text(b, "name", t->name);
    strbuf_addf(b, ",\"state\":\"%s\",\"partitions\":%d,\"planned\":%d,\"replication\":%d",
                state_words(t->state), t->partitions, t->wanted, t->replication);
    if (t->error) {
        strbuf_addc(b, ',');
        add_text(b, "error", t->error);
    }
    strbuf_addc(b, '}');
}

static void topic_line(const struct kafka_topic_report *t)
{
    printf("  %-32s ", t->name);
    switch (t->state) {
    case KAFKA_TOPIC_MISSING:
        printf("would be created: %d partitions, replication %d\n", t->partitions, t->replication);
        break;
    case KAFKA_TOPIC_CREATED:
        printf("created: %d partitions, replication %d\n", t->partitions, t->replication);
        break;
    case KAFKA_TOPIC_THERE:
        printf("is there: %d partitions\n", t->partitions);
        break;
    case KAFKA_TOPIC_SMALLER:
        printf("is there: %d partitions, %d are planned; left as it is, because more would send "
               "keys elsewhere\n",
               t->partitions, t->wanted);
        break;
    case KAFKA_TOPIC_FAILED:
        printf("FAILED: %s\n", t->error);
        break;
    }
}

static void on_topic(void *ctx, const struct kafka_topic_report *t)
{
    struct init *in = ctx;
    in->n_topics++;
    if (t->state == KAFKA_TOPIC_FAILED) {
        in->n_failed++;
        failed(in, EXIT_FAILED);
    }
    if (in->json)
        topic_json(in, t);
    else
        topic_line(t);
}

static void make_topics(struct init *in)
{
    const struct config *c = in->config;
    struct kafka_settings settings = { .brokers = c->kafka };
    struct kafka_topics_how how = { .replication = in->replication, .dry_run = in->dry_run };
    struct err err;
    size_t n;
    if (!c->kafka || !strcmp(c->kafka, "embedded")) {
        snprintf(in->kafka_note, sizeof in->kafka_note, "%s",
                 c->kafka ? "embedded Kafka begins empty with every start and makes topics by "
                            "itself: there is nothing to create"
                          : "no Kafka is configured (--kafka HOST:PORT): topics are left out");
        if (!in->json)
            printf("topics: %s\n", in->kafka_note);
        return;
    }
    struct kafka_topic *topics = platform_topics(&in->arena, in->all_channels, in->partitions, &n);
    if (!in->json)
        printf("topics of %s\n", c->kafka);
    if (kafka_read_properties(c, &settings, &err) != 0 ||
        kafka_topics_make(&settings, topics, n, &how, on_topic, in, &err) != 0) {
        snprintf(in->kafka_note, sizeof in->kafka_note, "%s", err.text);
        failed(in, say_error(exit_of(&err), "%s", err.text));
    }
    kafka_free_properties(&settings);
}

/* --- tables ----------------------------------------------------------------------------------- */

static void on_step(void *ctx, const char *plugin, int number, const char *name)
{
    struct init *in = ctx;
    in->n_steps++;
    if (!in->json) {
        printf("  %s%s %d: %s%s\n", plugin ? "tables of " : "schema", plugin ? plugin : "", number,
               name, in->dry_run ? " (would run)" : "");
        return;
    }
    struct strbuf *b = &in->steps;
    strbuf_adds(b, b->len ? ",\n  {" : "{");
    add_text(b, "of", plugin ? plugin : "catalyst");
    strbuf_addf(b, ",\"number\":%d,", number);
    add_text(b, "name", name);
    strbuf_addc(b, '}');
}

static void tell_table(struct init *in, const struct platform_table *t, const char *kind)
{
    const char *state = *kind ? kind : in->dry_run ? "missing, see above" : "missing";
    if (in->json) {
        struct strbuf *b = &in->tables;
        strbuf_adds(b, b->len ? ",\n  {" : "{");
        add_text(b, "name", t->name);
        strbuf_addc(b, ',');
        add_text(b, "kind", kind);
        if (t->plugin) {
            strbuf_addc(b, ',');
            add_text(b, "plugin", t->plugin);
        }
        strbuf_addc(b, '}');
        return;
    }
    if (*kind || !t->plugin)
        printf("  %-24s %s\n", t->name, state);
    else
        printf("  %-24s %s: it comes with the plugin '%s'\n", t->name, state, t->plugin);
}

static void tell_tables(struct init *in, struct store *s)
{
    struct err err;
    char kind[16] = "";
    for (const struct platform_table *t = platform_tables; t->name; t++) {
        if (s && store_table_kind(s, t->name, kind, &err) != 0) {
            failed(in, say_error(EXIT_UNREACHABLE, "%s", err.text));
            return;
        }
        tell_table(in, t, kind);
    }
}

/* The plugins' tables, and the platform's behind them. */
static struct store_tables *all_tables(const struct plugin_set *plugins, size_t *n)
{
    struct store_tables *tables = plugins_tables(plugins, n);
    tables = xrealloc(tables, (*n + 1) * sizeof *tables);
    tables[(*n)++] = *store_platform_tables();
    return tables;
}

static void note_store(struct init *in, const struct err *err)
{
    snprintf(in->store_note, sizeof in->store_note, "%s", err->text);
    failed(in, say_error(exit_of(err), "%s", err->text));
}

/* A store that is not there yet lacks everything. */
static void look_at_tables(struct init *in, const struct store_config *full)
{
    struct err err;
    struct store_config bare = { .url = full->url };
    struct store *s = store_open(&bare, false, &err);
    if (!s && !store_is_behind(&err)) {
        note_store(in, &err);
        return;
    }
    if (s && store_tables_missing(s, full->tables, full->n_tables, on_step, in, &err) != 0)
        note_store(in, &err);
    if (!s && !in->json)
        printf("  the engine's own schema (would run)\n");
    for (size_t i = 0; !s && i < full->n_tables; i++)
        for (size_t k = 0; k < full->tables[i].n; k++)
            on_step(in, full->tables[i].plugin, (int)full->tables[i].steps[k].number,
                    full->tables[i].steps[k].name);
    tell_tables(in, s);
    store_close(s);
}

static void make_tables(struct init *in, const struct store_config *config)
{
    struct err err;
    struct store *s = store_open(config, true, &err);
    if (!s || store_housekeep(s, 0, &err) != 0)
        note_store(in, &err);
    if (s)
        tell_tables(in, s);
    store_close(s);
}

static void do_tables(struct init *in)
{
    const struct config *c = in->config;
    struct err err;
    if (!strncmp(c->store, "memory:", 7)) {
        snprintf(in->store_note, sizeof in->store_note,
                 "the memory store begins empty with every start: there is nothing to create");
        if (!in->json)
            printf("tables: %s\n", in->store_note);
        return;
    }
    struct plugin_set *plugins = plugins_load(c, &err);
    if (!plugins) {
        failed(in, say_error(EXIT_USAGE, "%s", err.text));
        return;
    }
    struct store_config config = { .url = c->store, .on_step = on_step, .on_step_ctx = in };
    struct store_tables *tables = all_tables(plugins, &config.n_tables);
    config.tables = tables;
    if (!in->json)
        printf("tables%s\n", strncmp(c->store, "sqlite:", 7) ? ""
                                                             : " (SQLite: plain ones, without "
                                                               "partitions and retention)");
    if (in->dry_run)
        look_at_tables(in, &config);
    else
        make_tables(in, &config);
    free(tables);
    plugin_set_destroy(plugins);
}

/* --- the command ------------------------------------------------------------------------------ */

static void print_json(const struct init *in)
{
    struct strbuf b;
    strbuf_init(&b, 16u << 20);
    strbuf_addf(&b, "{\"dry_run\":%s,\n ", in->dry_run ? "true" : "false");
    strbuf_addf(&b, "\"topics\":[%s],\n \"steps\":[%s],\n \"tables\":[%s]",
                in->topics.len ? in->topics.ptr : "", in->steps.len ? in->steps.ptr : "",
                in->tables.len ? in->tables.ptr : "");
    if (in->kafka_note[0]) {
        strbuf_adds(&b, ",\n ");
        add_text(&b, "kafka_note", in->kafka_note);
    }
    if (in->store_note[0]) {
        strbuf_adds(&b, ",\n ");
        add_text(&b, "store_note", in->store_note);
    }
    strbuf_adds(&b, "}");
    puts(b.ptr);
    strbuf_fini(&b);
}

static int take_number(const char **args, int *n_args, const char *flag, int max, int *to)
{
    const char *text = arg_value(args, n_args, flag);
    char *end = NULL;
    long n = text ? strtol(text, &end, 10) : 0;
    *to = (int)n;
    if (!text || (*text && !*end && n >= 1 && n <= max))
        return EXIT_OK;
    return say_error(EXIT_USAGE, "%s must be a number from 1 to %d, got \"%s\"", flag, max, text);
}

int cmd_init_platform(struct config *c, const char **args, int n_args)
{
    enum { PARTITIONS_MAX = 10000, REPLICATION_MAX = 100 };
    struct init in = { .config = c };
    in.dry_run = arg_flag(args, &n_args, "--dry-run");
    in.all_channels = arg_flag(args, &n_args, "--all-channels");
    in.json = arg_flag(args, &n_args, "--json");
    if (take_number(args, &n_args, "--partitions", PARTITIONS_MAX, &in.partitions) != EXIT_OK ||
        take_number(args, &n_args, "--replication", REPLICATION_MAX, &in.replication) != EXIT_OK ||
        args_done(args, n_args, "dry-run all-channels json partitions replication") != EXIT_OK)
        return EXIT_USAGE;
    arena_init(&in.arena, NULL, 0);
    strbuf_init(&in.topics, 4u << 20);
    strbuf_init(&in.steps, 4u << 20);
    strbuf_init(&in.tables, 4u << 20);
    do_tables(&in);
    make_topics(&in);
    if (in.json)
        print_json(&in);
    else
        printf("%u steps and %u topics%s\n", in.n_steps, in.n_topics,
               in.dry_run ? "; nothing was done (--dry-run)" : "");
    strbuf_fini(&in.topics);
    strbuf_fini(&in.steps);
    strbuf_fini(&in.tables);
    arena_fini(&in.arena);
    return in.code;
}
