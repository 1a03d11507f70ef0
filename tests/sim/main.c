/* SPDX-License-Identifier: Apache-2.0
 * sim: runs worlds by their seeds. One that breaks a promise prints itself and how to see it again.
 *
 *   sim --seed N [--verbose]
 *   sim --from N --runs N
 */
#include "sim.h"
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

static const char *program;

/* Async-signal-safe enough for a process that ends: stdio is not in use by another thread. */
static void print_replay(void)
{
    fprintf(stderr,
            "sim: seed %llu fails at step %llu (t=%lld us); again: %s --seed %llu --verbose\n",
            (unsigned long long)world.seed, (unsigned long long)world.steps,
            (long long)world.now_us, program, (unsigned long long)world.seed);
}

void sim_fail(const char *format, ...)
{
    va_list args;
    fflush(stdout); /* what --verbose told comes first */
    va_start(args, format);
    fputs("sim: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    print_replay();
    _Exit(1);
}

void sim_say(const char *format, ...)
{
    if (!world.verbose)
        return;
    va_list args;
    va_start(args, format);
    printf("%6llu %10lld ", (unsigned long long)world.steps, (long long)world.now_us);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

static void on_abort(int number)
{
    (void)number;
    print_replay();
    _exit(1);
}

#define NODE_WITH(name, type, more, parameters)                                                    \
    "{\"name\":\"" name "\",\"type\":\"" type                                                      \
    "\",\"typeVersion\":1,\"position\":[0,0],\"timeout_ms\":30000," more                           \
    "\"parameters\":" parameters "}"
#define NODE(name, type, parameters) NODE_WITH(name, type, "", parameters)
#define TO(to)                       "[{\"node\":\"" to "\",\"type\":\"main\",\"index\":0}]"
#define EDGE(from, to)               "\"" from "\":{\"main\":[" TO(to) "]}"

/* clang-format off */
static const char definition[] =
    "{\"id\":\"sim\",\"name\":\"sim\",\"active\":true,\"nodes\":["
    NODE("In", "sim.trigger", "{}") "," NODE("Early", "sim.wait", "{\"field\":\"wait\"}") ","
    NODE("Book", "sim.book", "{}") "," NODE("Send", "sim.send", "{}") ","
    NODE_WITH("Act", "sim.act", "%s", "{\"field\":\"mid\"}") ","
    NODE("Late", "%s", "{\"field\":\"late\"}") "," NODE("Again", "sim.send", "{}")
    "],\"connections\":{"
    EDGE("In", "Early") "," EDGE("Early", "Book") "," EDGE("Book", "Send") ","
    EDGE("Send", "Act") ",\"Act\":{\"main\":[" TO("Late") "%s]}," EDGE("Late", "Again")
    "},\"settings\":{\"executionOrder\":\"v1\",\"durability\":\"%s\",\"errorWorkflow\":\"alarm\"}}";
/* clang-format on */

static struct plan *compile(const struct plugin_set *plugins, const char *durability, bool lenient)
{
    char text[2048];
    snprintf(text, sizeof text, definition, lenient ? "\"onError\":\"continueErrorOutput\"," : "",
             lenient ? "sim.begins" : "sim.once", lenient ? "," TO("Late") : "", durability);
    struct workflow_options options = { .plugins = plugins };
    struct workflow_report report;
    struct plan *plan = workflow_compile(str_of(text), &options, &report);
    if (!plan) {
        struct strbuf b;
        strbuf_init(&b, 1u << 20);
        workflow_report_print(&b, &report, "sim", str_of(text), true);
        fputs(b.ptr, stderr);
        exit(2);
    }
    workflow_report_fini(&report);
    plan->version = 1;
    return plan;
}

static int usage(void)
{
    fputs("usage: sim --seed N [--verbose] | --from N --runs N\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t from = 1, runs = 100;
    program = argv[0];
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--verbose")) {
            world.verbose = true;
            continue;
        }
        if (i + 1 == argc)
            return usage();
        uint64_t n = strtoull(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--seed"))
            from = n, runs = 1;
        else if (!strcmp(argv[i], "--from"))
            from = n;
        else if (!strcmp(argv[i], "--runs"))
            runs = n;
        else
            return usage();
        i++;
    }
    signal(SIGABRT, on_abort);
#ifndef __SANITIZE_ADDRESS__ /* which tells more about it */
    signal(SIGSEGV, on_abort);
#endif
    struct plugin_set *plugins = plugin_set_create();
    struct err err;
    if (plugin_set_add(plugins, &sim_plugin, "sim", &err) != 0) {
        fprintf(stderr, "sim: %s\n", err.text);
        return 2;
    }
    struct plan *plans[DURABILITY_EACH_STEP + 1][2] = { 0 };
    for (int lenient = 0; lenient < 2; lenient++) {
        plans[DURABILITY_EXACTLY_ONCE][lenient] = compile(plugins, "exactly_once", lenient);
        plans[DURABILITY_EACH_STEP][lenient] = compile(plugins, "each_step", lenient);
    }
    struct world sum = { 0 };
    for (uint64_t seed = from; seed < from + runs; seed++) {
        sim_world(seed, plans);
        sum.crashes += world.crashes;
        sum.steals += world.steals;
        sum.fenced += world.fenced;
        sum.bad_rows += world.bad_rows;
        sum.resent += world.resent;
        sum.restored += world.restored;
        sum.applied += world.applied;
        sum.steps += world.steps;
    }
    printf(
        "%llu seeds well: %llu steps, %u turns, %u crashes, %u lanes stolen, %u fenced, %u refused "
        "rows, %u blocks sent again, %u executions restored\n",
        (unsigned long long)runs, (unsigned long long)sum.steps, sum.applied, sum.crashes,
        sum.steals, sum.fenced, sum.bad_rows, sum.resent, sum.restored);
    for (int lenient = 0; lenient < 2; lenient++) {
        plan_unref(plans[DURABILITY_EXACTLY_ONCE][lenient]);
        plan_unref(plans[DURABILITY_EACH_STEP][lenient]);
    }
    plugin_set_destroy(plugins);
    return 0;
}
