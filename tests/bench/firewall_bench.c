/* SPDX-License-Identifier: Apache-2.0
 * The firewall as a node of the engine: envelopes through a workflow of trigger and firewall,
 * beside the same with a node that does nothing. The difference is what a verdict costs. Broker and
 * database are not there; commits succeed at once. One core.
 *
 *   bench_firewall [numbers] [patterns] [rounds]      100,000,000 10,000 7
 *
 * The deny list holds `numbers` random numbers (a file beside, mapped), the rules `patterns`
 * contents and one of each other stage: allow, deny, hosts, registry, brands, limits, counts,
 * distinct, cost, runs, conversions, near duplicates, score, weight. Texts are those of companies,
 * every hundredth is spam. JSON lines with the median, the least and the most of the rounds, in
 * messages a second of processor time.
 */
#include "engine/engine.h"
#include "base/clock.h"
/* The list is made as the plugin makes it. NOLINTBEGIN(bugprone-suspicious-include) */
#include "../../plugins/firewall/hash.c"
#include "../../plugins/firewall/numbers.c"
#include "../../plugins/firewall/numbers_file.c"
#include "../../plugins/firewall/numbers_delta.c"
/* NOLINTEND(bugprone-suspicious-include) */
#include "../../plugins/firewall/train/mutate.h"
#include "../../plugins/firewall/train/templates.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 256, TURN = 4096, MESSAGES = 65536, MESSAGE_BYTES = 700, EXECUTIONS = 300000 };

static struct {
    struct engine *engine;
    char folder[64], rules[128], list[128];
    char (*messages)[MESSAGE_BYTES];
    uint16_t *lens;
    size_t numbers, patterns;
    uint64_t outputs;
} bench;

/* --- what goes in ----------------------------------------------------------------------------- */

static uint64_t number_at(uint64_t i)
{
    return UINT64_C(491500000000) + hash_mix(i * 2654435761u + 1) % UINT64_C(10000000000);
}

static void make_list(void)
{
    char why[300];
    struct numbers_builder *b = numbers_builder_create();
    int64_t start = clock_mono_us();
    for (uint64_t i = 0; i < bench.numbers; i++)
        numbers_builder_add(b, number_at(i), NUMBERS_NEVER);
    int64_t made = clock_mono_us();
    struct numbers *s = numbers_builder_finish(b);
    int64_t built = clock_mono_us();
    if (numbers_save(s, bench.list, why, sizeof why) != 0) {
        fprintf(stderr, "bench_firewall: %s\n", why);
        exit(1);
    }
    printf("{\"bench\":\"firewall.list\",\"numbers\":%zu,\"bytes\":%zu,\"build_s\":%.1f,\"save_s\":"
           "%.1f,"
           "\"draw_s\":%.1f}\n",
           numbers_count(s), numbers_bytes(s), (double)(built - made) / 1e6,
           (double)(clock_mono_us() - built) / 1e6, (double)(made - start) / 1e6);
    numbers_unref(s);
}

static void word(struct mutate *m, char *out)
{
    static const char consonants[] = "bcdfghjklmnprstvwz", vowels[] = "aeiou";
    for (uint32_t n = 2 + mutate_next(m, 3); n; n--) {
        *out++ = consonants[mutate_next(m, sizeof consonants - 1)];
        *out++ = vowels[mutate_next(m, sizeof vowels - 1)];
    }
    *out = 0;
}

static const char fixed_rules[] =
    "{\"id\":\"allow\",\"action\":\"pass\",\"when\":{\"list\":\"allow\"}},\n"
    "{\"id\":\"deny\",\"action\":\"reject\",\"when\":{\"list\":\"deny\"}},\n"
    "{\"id\":\"hosts\",\"action\":\"drop\",\"when\":{\"host\":[\"evil.example\",\"bad.example\"]}},"
    "\n"
    "{\"id\":\"reg\",\"action\":\"reject\",\"when\":{\"registry\":\"unregistered\"}},\n"
    "{\"id\":\"brand\",\"action\":\"quarantine\",\"when\":{\"registry\":\"lookalike\"}},\n"
    "{\"id\":\"otp\",\"action\":\"reject\",\"when\":{\"class\":\"otp\",\"limit\":{\"per\":"
    "\"recipient\","
    "\"limit\":3,\"window\":\"10m\"}}},\n"
    "{\"id\":\"rate\",\"action\":\"reject\",\"when\":{\"rate\":{\"per\":\"tenant\",\"limit\":"
    "100000000,"
    "\"window\":\"1s\"}}},\n"
    "{\"id\":\"count\",\"action\":\"quarantine\",\"mode\":\"monitor\",\"when\":{\"url\":true,"
    "\"count\":"
    "{\"per\":[\"tenant\",\"sender\"],\"above\":100000000,\"window\":\"1m\"}}},\n"
    "{\"id\":\"distinct\",\"action\":\"quarantine\",\"mode\":\"monitor\",\"when\":{\"distinct\":{"
    "\"per\":"
    "\"sender\",\"above\":100000000,\"window\":\"1h\"}}},\n"
    "{\"id\":\"cost\",\"action\":\"reject\",\"when\":{\"cost\":{\"per\":\"tenant\",\"limit\":"
    "900000000000000,\"window\":\"1h\"}}},\n"
    "{\"id\":\"run\",\"action\":\"quarantine\",\"when\":{\"class\":\"otp\",\"run\":{\"length\":30}}"
    "},\n"
    "{\"id\":\"conv\",\"action\":\"quarantine\",\"when\":{\"class\":\"otp\",\"conversion\":{"
    "\"below\":0.1,"
    "\"above\":100000}}},\n"
    "{\"id\":\"near\",\"action\":\"quarantine\",\"mode\":\"monitor\",\"when\":{\"near\":{\"above\":"
    "100000},"
    "\"url\":true}},\n"
    "{\"id\":\"score\",\"action\":\"quarantine\",\"when\":{\"score\":{\"above\":950}}},\n"
    "{\"id\":\"sum\",\"action\":\"quarantine\",\"when\":{\"weight\":{\"above\":500}}}";

static void make_rules(void)
{
    static const char *const forms[] = { "https?://[a-z0-9.-]*%s[a-z0-9-]*\\\\.(com|net|ru)/",
                                         "%s\\\\s+(your|the)\\\\s+%s",
                                         "\\\\b%s\\\\.(xyz|top|info)/[a-z0-9]{4,8}",
                                         "%s.{0,20}%s" };
    struct mutate m = { .seed = 5 };
    FILE *f = fopen(bench.rules, "w");
    if (!f)
        exit(1);
    fputs("{\"prices\":[{\"prefix\":\"49\",\"micro\":75000}],\"registry\":[{\"country\":\"49\","
          "\"senders\":"
          "[\"ACME\",\"SHOP\",\"BANK\"]}],\"brands\":[{\"name\":\"PayPal\"}],\n\"rules\":[",
          f);
    fputs(fixed_rules, f);
    for (size_t i = 0; i < bench.patterns; i++) {
        char a[10], b[10];
        word(&m, a);
        word(&m, b);
        fprintf(f, ",\n{\"id\":\"c%zu\",\"action\":\"tag\",\"weight\":10,\"when\":{\"%s\":\"", i,
                i % 5 ? "text" : "regex");
        fprintf(f, i % 5 == 0 ? forms[i / 5 % 4] : i % 3 ? "%s %s" : "%s", a, b);
        fputs("\"}}", f);
    }
    fputs("]}\n", f);
    fclose(f);
}

static void escape(const char *text, char *out)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            *out++ = '\\';
        *out++ = *text;
    }
    *out = 0;
}

static void make_messages(void)
{
    static const char *const senders[] = { "ACME", "SHOP", "BANK", "491701234567" };
    static const char *const classes[] = { "otp", "transactional", "marketing" };
    struct mutate m = { .seed = 3 };
    bench.messages = calloc(MESSAGES, sizeof *bench.messages);
    bench.lens = calloc(MESSAGES, sizeof *bench.lens);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        char text[300], safe[600];
        int is_spam = i % 100 == 0;
        m.out = text;
        m.size = 250;
        const char *shape =
            is_spam
                ? spam_templates[mutate_next(&m, sizeof spam_templates / sizeof *spam_templates)]
                : ham_templates[mutate_next(&m, sizeof ham_templates / sizeof *ham_templates)];
        mutate(&m, shape, is_spam ? MUTATE_FILL | MUTATE_LOOKS : MUTATE_FILL);
        escape(text, safe);
        uint64_t to =
            i % 200 == 7 ? number_at(i) : 491500000000 + hash_mix(i + 99991) % 10000000000;
        bench.lens[i] = (uint16_t)snprintf(
            bench.messages[i], MESSAGE_BYTES,
            "{\"v\":1,\"id\":\"01HV5Z7Q3K8M2N4P6R8T%06u\",\"ts_us\":1732281600123000,\"tenant_id\":"
            "\"tenant-%u\",\"trace_id\":\"a1b2c3d4e5f60718\",\"channel\":\"sms\",\"from\":\"%s\","
            "\"to\":"
            "\"%llu\",\"class\":\"%s\",\"text\":\"%s\"}",
            i, i % 50, senders[i % 4], (unsigned long long)to, classes[i % 3], safe);
    }
}

/* --- an engine with nothing around it --------------------------------------------------------- */

static int64_t mono(void *ctx)
{
    (void)ctx;
    return clock_mono_us();
}

static int64_t wall(void *ctx)
{
    (void)ctx;
    return clock_wall_us();
}

static uint64_t no_random(void *ctx)
{
    (void)ctx;
    return 0;
}

static void commit(void *ctx, const struct store_turn *turn)
{
    (void)ctx;
    (void)turn;
}

static void release(void *ctx, struct lane *lane, uint64_t seq, const struct store_block *block)
{
    (void)ctx;
    (void)lane;
    (void)seq;
    bench.outputs += block->n_outputs;
}

static void acknowledge(void *ctx, struct lane *lane, uint64_t position)
{
    (void)ctx;
    (void)lane;
    (void)position;
}

static void answer(void *ctx, const struct engine_reply_out *reply)
{
    (void)ctx;
    (void)reply;
}

static void lane_lost(void *ctx, struct lane *lane)
{
    (void)ctx;
    (void)lane;
}

static void print_log(void *ctx, int level, const char *event, const char *text)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "%s: %s\n", event, text);
}

static int build(const struct lane *lane, void *event, struct arena *a, struct inbound_item **items,
                 size_t *n, struct err *err)
{
    size_t i = (size_t)(uintptr_t)event;
    struct json_error why;
    (void)lane;
    *items = ARENA_NEW(a, struct inbound_item);
    *n = 1;
    if (json_parse(a, bench.messages[i], bench.lens[i], 0, &(*items)->json, &why) == 0)
        return 0;
    return err_set(err, ERR_INVALID, "%s", why.reason);
}

static void commit_all(void)
{
    static const struct store_commit_result ok = { .result = STORE_OK };
    if (engine_commit(bench.engine))
        engine_committed(bench.engine, &ok);
}

static void send(struct lane *lane, uint64_t *position, size_t n)
{
    struct inbound in[CHUNK];
    for (size_t i = 0; i < n; i++) {
        size_t k = *position % MESSAGES;
        in[i] = (struct inbound){ .lane = lane,
                                  .position = (*position)++,
                                  .raw = { bench.messages[k], bench.lens[k] },
                                  .event = (void *)(uintptr_t)k,
                                  .build = build };
    }
    engine_accept(bench.engine, in, n);
    engine_run(bench.engine, 0);
}

/* Of this thread: the machine may have other work. */
static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double run_once(struct lane *lane, uint64_t *position)
{
    double start = cpu_us();
    for (size_t done = 0; done < EXECUTIONS; done += CHUNK) {
        send(lane, position, CHUNK);
        if (done % TURN == 0)
            commit_all();
    }
    commit_all();
    return (double)EXECUTIONS * 1e6 / (cpu_us() - start);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Messages fail until the rules are compiled. */
static void warm_up(struct lane *lane, const struct engine_plan *ep, uint64_t *position)
{
    int64_t start = clock_mono_us();
    while (!engine_plan_counters(ep)->succeeded && clock_mono_us() - start < 90000000) {
        send(lane, position, 1);
        commit_all();
        usleep(20000);
    }
    fprintf(stderr, "ready after %.1f s\n", (double)(clock_mono_us() - start) / 1e6);
    run_once(lane, position);
}

static double run(const struct plugin_set *plugins, const char *name, const char *node, int rounds)
{
    struct err err;
    struct expr_lua *lua = expr_lua_create(&(struct expr_limits){ 0 }, NULL, &err);
    struct engine_config config = { .io = { .mono_us = mono,
                                            .wall_us = wall,
                                            .random = no_random,
                                            .commit = commit,
                                            .release = release,
                                            .acknowledge = acknowledge,
                                            .answer = answer,
                                            .lane_lost = lane_lost },
                                    .lua = lua,
                                    .save_inputs = true,
                                    .log = print_log };
    struct workflow_options options = { .plugins = plugins };
    struct workflow_report report;
    char definition[2000];
    snprintf(
        definition, sizeof definition,
        "{\"id\":\"bench\",\"name\":\"bench\",\"active\":true,\"nodes\":[{\"name\":\"In\",\"type\":"
        "\"catalyst.kafkaTrigger\",\"typeVersion\":1,\"position\":[0,0],\"parameters\":{\"topic\":"
        "\"in\",\"options\":{\"onlyMessage\":true}}},%s],\"connections\":{\"In\":{\"main\":[[{"
        "\"node\":"
        "\"Node\",\"type\":\"main\",\"index\":0}]]}},\"settings\":{\"executionOrder\":\"v1\"}}",
        node);
    bench.engine = engine_create(&config);
    struct plan *plan = workflow_compile(str_of(definition), &options, &report);
    struct engine_plan *ep = plan ? engine_plan_add(bench.engine, plan, &err) : NULL;
    if (!ep) {
        fprintf(stderr, "bench_firewall: %s\n", plan ? err.text : definition);
        exit(1);
    }
    workflow_report_fini(&report);
    struct lane *lane =
        engine_lane_add(bench.engine, &(struct lane_config){ .at = { .source = 1, .epoch = 1 },
                                                             .plan = ep,
                                                             .trigger = plan->triggers[0] });
    double rates[64];
    uint64_t position = 0;
    warm_up(lane, ep, &position);
    uint64_t failed = engine_plan_counters(ep)->failed;
    for (int i = 0; i < rounds; i++)
        rates[i] = run_once(lane, &position);
    qsort(rates, (size_t)rounds, sizeof *rates, by_value);
    printf("{\"bench\":\"firewall.%s\",\"per_s\":%.0f,\"min\":%.0f,\"max\":%.0f,\"us\":%.3f,"
           "\"rounds\":%d,"
           "\"failed\":%llu,\"outputs\":%llu}\n",
           name, rates[rounds / 2], rates[0], rates[rounds - 1], 1e6 / rates[rounds / 2], rounds,
           (unsigned long long)(engine_plan_counters(ep)->failed - failed),
           (unsigned long long)bench.outputs);
    engine_destroy(bench.engine);
    plan_unref(plan);
    expr_lua_destroy(lua);
    return 1e6 / rates[rounds / 2];
}

static void firewall_node(char *out, size_t size, int has_list)
{
    snprintf(
        out, size,
        "{\"name\":\"Node\",\"type\":\"catalyst.firewall\",\"typeVersion\":1,\"position\":[0,0],"
        "\"parameters\":{\"rules\":\"%s\",\"deny\":{\"file\":\"%s\"}}}",
        bench.rules, has_list ? bench.list : "");
}

int main(int argc, char **argv)
{
    static const char idle[] = "{\"name\":\"Node\",\"type\":\"catalyst.noOp\",\"typeVersion\":1,"
                               "\"position\":[0,0],\"parameters\":{}}";
    int rounds = argc > 3 ? atoi(argv[3]) : 7;
    const char *dir = getenv("CATALYST_PLUGINS");
    struct plugin_set *plugins = plugin_set_create();
    struct err err;
    char node[600];
    bench.numbers = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000000;
    bench.patterns = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000;
    strcpy(bench.folder, "/tmp/bench-firewall-XXXXXX");
    if (rounds < 1 || rounds > 64 || !mkdtemp(bench.folder) ||
        plugin_set_load_dir(plugins, dir ? dir : CATALYST_PLUGINS, NULL, NULL, &err) < 0) {
        fprintf(stderr, "bench_firewall: plugins or rounds are wrong\n");
        return 2;
    }
    snprintf(bench.rules, sizeof bench.rules, "%s/rules.json", bench.folder);
    snprintf(bench.list, sizeof bench.list, "%s/deny.list", bench.folder);
    make_list();
    make_rules();
    make_messages();
    double nothing = run(plugins, "nothing", idle, rounds);
    firewall_node(node, sizeof node, 1);
    double all = run(plugins, "all", node, rounds);
    printf("{\"bench\":\"firewall.node\",\"us\":%.3f,\"per_s\":%.0f,\"patterns\":%zu,\"numbers\":%"
           "zu}\n",
           all - nothing, 1e6 / (all - nothing), bench.patterns, bench.numbers);
    unlink(bench.rules);
    unlink(bench.list);
    rmdir(bench.folder);
    plugin_set_destroy(plugins);
    return 0;
}
