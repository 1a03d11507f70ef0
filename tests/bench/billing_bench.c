/* SPDX-License-Identifier: Apache-2.0
 * Billing alone, on one core: how long a look-up of the longest prefix takes among 300,000, how
 * many messages a second are rated, and how many pass the reserving and the settling node in
 * frames, from a hot slice. Items are real JSON values in arenas and rows become JSON text, as in
 * the engine; there is no engine and no store around it.
 *
 *   bench_billing [rounds]
 *
 * Prints JSON lines, by the core's own time, with the median, the smallest and the largest of the
 * rounds.
 */
#include "../../plugins/billing/account.c"
#include "../../plugins/billing/billing.c"
#include "../../plugins/billing/cards.c"
#include "../../plugins/billing/grant.c"
#include "../../plugins/billing/holds.c"
#include "../../plugins/billing/invoice.c"
#include "../../plugins/billing/ledger.c"
#include "../../plugins/billing/load.c"
#include "../../plugins/billing/lookback.c"
#include "../../plugins/billing/low.c"
#include "../../plugins/billing/money.c"
#include "../../plugins/billing/rates.c"
#include "../../plugins/billing/reconcile.c"
#include "../../plugins/billing/reserve.c"
#include "../../plugins/billing/schema_pg.c"
#include "../../plugins/billing/schema_sqlite.c"
#include "../../plugins/billing/settle.c"
#include "../../plugins/billing/text.c"
#include "../../plugins/billing/trie.c"
#include "../../plugins/billing/upkeep.c"
#include "../../plugins/billing/worker.c"
#include "../../plugins/billing/zone.c"
#include "base/arena.h"
#include "plugin/plugin.h"

enum {
    FRAME = 1024,
    FRAMES = 48,
    MESSAGES = FRAME * FRAMES,
    TENANTS = 64,
    PREFIXES = 300000,
    ROUNDS = 9
};

struct wf_item {
    struct json json;
    const void *config;
};

static struct {
    wf_host host;
    struct arena arena;
    void *state;
    uint64_t emitted[3], rows, bytes, waited, asked;
    const wf_value **kept; /* what the last emit gave, when it is wanted */
    size_t n_kept;
    struct bench_call {
        wf_rows_fn *fn;
        void *arg;
        const char *sql;
    } calls[64];
    size_t n_calls;
} bench;

static wf_item items[MESSAGES];

/* --- a host that costs what the engine's does, and no more ------------------------------------ */

static struct arena *bench_arena(wf_item *it)
{
    (void)it;
    return &bench.arena;
}
static const void *bench_config(wf_item *it) { return it->config; }
static void *bench_state(wf_item *it)
{
    (void)it;
    return bench.state;
}
static const wf_value *bench_value(wf_item *it) { return (const wf_value *)(void *)&it->json; }
static int64_t bench_now(wf_item *it)
{
    (void)it;
    return 1790000000000;
}
static void *bench_alloc(wf_item *it, size_t n)
{
    (void)it;
    return arena_zalloc(&bench.arena, n);
}
static void bench_emit(wf_item *it, unsigned port, const wf_value *v)
{
    (void)it;
    bench.emitted[port]++;
    if (bench.kept && bench.n_kept < MESSAGES)
        bench.kept[bench.n_kept++] = v;
}
static const char *bench_key(wf_item *it)
{
    return arena_printf(&bench.arena, "%u-%u-%td:%s:%u:%u", 1u, 0u, it - items, "reserve", 0u, 0u)
        .ptr;
}
static wf_ticket bench_park(wf_item *it, int64_t ms)
{
    (void)ms;
    bench.waited++;
    return (wf_ticket){ (uint64_t)(uintptr_t)it, 1 };
}
static wf_item *bench_resume(const wf_host *h, wf_ticket t)
{
    (void)h;
    return (wf_item *)(uintptr_t)t.id;
}
static void bench_count(wf_inst *inst, unsigned metric, int64_t by)
{
    static int64_t cells[1024]; /* of any node; the host checks, too */
    (void)inst;
    if (metric < COUNT_OF(cells))
        cells[metric] += by;
}
static void bench_log(wf_inst *inst, int level, const char *event, const char *f, ...)
{
    (void)inst;
    (void)level;
    (void)event;
    (void)f;
}
static void bench_retry(wf_item *it, int64_t in_ms, const char *why, ...)
{
    (void)it;
    (void)in_ms;
    (void)why;
    bench.asked++;
}
static int bench_output(wf_item *it, const wf_output *out)
{
    (void)it;
    char *copy = arena_alloc(&bench.arena, out->body.len + 1);
    memcpy(copy, out->body.ptr, out->body.len);
    bench.bytes += out->body.len;
    return 0;
}
static const wf_value *bench_build(wf_item *it, const char *shape, ...)
{
    va_list args;
    (void)it;
    va_start(args, shape);
    const struct json *v = values_build(&bench.arena, shape, args);
    va_end(args);
    return (const wf_value *)(const void *)v;
}
static int bench_row(wf_item *it, const char *table, const wf_value *row, const char *unique)
{
    (void)it;
    (void)table;
    (void)unique;
    bench.bytes += json_text(&bench.arena, (const struct json *)(const void *)row).len;
    bench.rows++;
    return 0;
}
static int bench_run(wf_inst *inst, const wf_statement *statements, size_t n, wf_rows_fn *fn,
                     void *arg)
{
    (void)inst;
    bench.calls[bench.n_calls++] = (struct bench_call){ fn, arg, statements[n - 1].pg };
    return 0;
}
static const void *bench_service(const char *name)
{
    static const wf_sql sql = { sizeof sql, bench_run };
    static const wf_ledger ledger = { sizeof ledger, bench_row };
    return !strcmp(name, "sql/1")      ? (const void *)&sql
           : !strcmp(name, "ledger/1") ? (const void *)&ledger
                                       : NULL;
}

/* --- what the store would say ----------------------------------------------------------------- */

static wf_str cell(const char *format, long long n)
{
    char *text = malloc(32);
    return (wf_str){ text, (size_t)snprintf(text, 32, format, n) };
}

static void answer_grant(wf_rows *rows)
{
    static wf_str cells[TENANTS * 12];
    for (long long i = 0; i < TENANTS; i++) {
        const wf_str row[] = { cell("tenant-%04lld", i),
                               STR_OF("EUR"),
                               STR_OF("UTC"),
                               STR_OF(""),
                               STR_OF("gold"),
                               STR_OF(""),
                               STR_OF("active"),
                               STR_OF("1"),
                               STR_OF("0"),
                               STR_OF("1000000000000000"),
                               STR_OF("1"),
                               { NULL, 0 } };
        memcpy(&cells[i * 12], row, sizeof row);
    }
    *rows = (wf_rows){
        .size = sizeof *rows, .missed = -1, .n_rows = TENANTS, .n_columns = 12, .cells = cells
    };
}

static void answer_calls(void)
{
    for (size_t i = 0; i < bench.n_calls; i++) {
        struct bench_call call = bench.calls[i];
        static const wf_str version[] = { { "1", 1 }, { "1", 1 } };
        wf_rows rows = { .size = sizeof rows, .missed = -1 };
        if (strstr(call.sql, "billing_usage u"))
            answer_grant(&rows);
        else if (strstr(call.sql, "billing_meta"))
            rows = (wf_rows){
                .size = sizeof rows, .missed = -1, .n_rows = 1, .n_columns = 2, .cells = version
            };
        else
            rows.error = "not here"; /* the rates are put there by hand */
        call.fn(&bench.host, call.arg, &rows);
    }
    bench.n_calls = 0;
}

/* --- rates and messages ----------------------------------------------------------------------- */

static uint64_t dice = 88172645463325252u;
static uint64_t throw_dice(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    return dice ^= dice << 17;
}

static void some_digits(char *to, size_t n)
{
    to[0] = (char)('1' + throw_dice() % 9);
    for (size_t i = 1; i < n; i++)
        to[i] = (char)('0' + throw_dice() % 10);
    to[n] = 0;
}

static struct rates *make_rates(void)
{
    struct rate_builder b = { 0 };
    for (int i = 0; i < PREFIXES; i++) {
        struct rate_row row = { .card = "default",
                                .channel = "sms",
                                .direction = "mt",
                                .currency = "EUR",
                                .version = 1,
                                .price_micro = i,
                                .mode = 1 };
        some_digits(row.prefix, i < 9 ? 1 : 3 + throw_dice() % 6);
        if (i < 9)
            row.prefix[0] = (char)('1' + i);
        rate_builder_add(&b, &row);
    }
    struct rates *r = rates_build(&b, 1);
    rate_builder_free(&b);
    return r;
}

static void make_messages(struct arena *keep)
{
    for (int i = 0; i < MESSAGES; i++) {
        char text[500], number[16];
        some_digits(number, 11);
        int n = snprintf(
            text, sizeof text,
            "{\"v\":1,\"id\":\"01HV5Z7Q3K8M2N4P6R8T%06d\",\"ts_us\":1790000000000000,"
            "\"tenant_id\":\"tenant-%04d\",\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
            "\"channel\":\"sms\",\"from\":\"Catalyst\",\"to\":\"+%s\",\"text\":\"Your code is "
            "482913. Do not share it with anybody.\",\"dlr\":true,\"class\":\"otp\"}",
            i, (int)(throw_dice() % TENANTS), number);
        char *copy = arena_alloc(keep, (size_t)n + 1);
        struct json_error why;
        memcpy(copy, text, (size_t)n + 1);
        if (json_parse(keep, copy, (size_t)n, 0, &items[i].json, &why) != 0)
            abort();
    }
}

/* The core's time, whoever else runs on the machine. */
static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- measuring -------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *name, double *per_s, int rounds)
{
    qsort(per_s, (size_t)rounds, sizeof *per_s, by_size);
    printf("{\"bench\":\"billing.%s\",\"per_s\":%.0f,\"min\":%.0f,\"max\":%.0f,\"ns\":%.1f,"
           "\"rounds\":%d}\n",
           name, per_s[rounds / 2], per_s[0], per_s[rounds - 1], 1e9 / per_s[rounds / 2], rounds);
}

static void bench_trie(const struct rates *r, int rounds)
{
    enum { NUMBERS = 1 << 16, AGAIN = 16 };
    static char numbers[NUMBERS][12];
    const struct trie *t = &r->cards[0].versions[0].groups[0].numbers;
    double per_s[64];
    int64_t sum = 0;
    for (size_t i = 0; i < NUMBERS; i++)
        some_digits(numbers[i], 11);
    for (int k = 0; k < rounds; k++) {
        int64_t start = cpu_us();
        for (size_t i = 0; i < (size_t)NUMBERS * AGAIN; i++)
            sum += trie_find(t, numbers[i % NUMBERS], 11);
        per_s[k] = (double)NUMBERS * AGAIN * 1e6 / (double)(cpu_us() - start);
    }
    report("look_up", per_s, rounds);
    printf("{\"bench\":\"billing.trie\",\"prefixes\":%u,\"bytes\":%zu,\"sum\":%lld}\n", r->n_rates,
           t->n * sizeof *t->nodes + sizeof t->jump, (long long)sum);
}

static void process_all(void (*process)(const wf_host *, wf_item *const *, size_t),
                        const void *config)
{
    wf_item *frame[FRAME];
    for (size_t f = 0; f < FRAMES; f++) {
        for (size_t i = 0; i < FRAME; i++) {
            frame[i] = &items[f * FRAME + i];
            frame[i]->config = config;
        }
        process(&bench.host, frame, FRAME);
        while (bench.n_calls)
            answer_calls();
        if (!bench.kept)
            arena_clear(&bench.arena);
    }
}

static void forget_holds(void)
{
    memset(this_worker->holds, 0, sizeof *this_worker->holds * HOLDS);
    memset(this_worker->hold_slots, 0, sizeof *this_worker->hold_slots * SLOTS);
    this_worker->n_holds = 0;
}

#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
static void bench_reserve(const char *name, const char *events, int rounds)
{
    struct reserve_config config = { .events = { events, strlen(events) },
                                     .id = NAME("id"),
                                     .tenant = NAME("tenant_id"),
                                     .to = NAME("to"),
                                     .channel = NAME("channel"),
                                     .text = NAME("text"),
                                     .segments = NAME("segments"),
                                     .class_name = NAME("class"),
                                     .ts = NAME("ts_us"),
                                     .network = NAME("network"),
                                     .timeout_ms = 1000 };
    double per_s[64];
    process_all(reserve_process, &config);
    for (int k = 0; k < rounds; k++) {
        forget_holds();
        int64_t start = cpu_us();
        process_all(reserve_process, &config);
        per_s[k] = (double)MESSAGES * 1e6 / (double)(cpu_us() - start);
    }
    report(name, per_s, rounds);
}

static const wf_value *no_value(wf_item *it, const wf_str *keys, const wf_value *const *values,
                                size_t n)
{
    (void)keys;
    (void)n;
    (void)values;
    return bench_value(it);
}
static const wf_value *no_str(wf_item *it, const char *ptr, size_t len)
{
    (void)ptr;
    (void)len;
    return bench_value(it);
}
static const wf_value *no_int(wf_item *it, int64_t n)
{
    (void)n;
    return bench_value(it);
}
static const wf_value *no_set(wf_item *it, const wf_value *base, wf_str key, const wf_value *value)
{
    (void)it;
    (void)base;
    (void)key;
    return value;
}
static int no_row(wf_item *it, const char *table, const wf_value *row, const char *unique)
{
    (void)it;
    (void)table;
    (void)unique;
    return row ? 0 : -1;
}

/* The node without making JSON: reading the message, the tenant, repetitions, the rate, the slice.
 */
static void bench_core(int rounds)
{
    static const wf_ledger ledger = { sizeof ledger, no_row };
    const wf_values *real = bench.host.v;
    const wf_ledger *rows = this_worker->ledger;
    wf_values v = *real;
    v.object = no_value;
    v.of_str = no_str;
    v.of_int = no_int;
    v.set_key = no_set;
    bench.host.v = &v;
    this_worker->ledger = &ledger;
    bench_reserve("rate_and_reserve", "", rounds);
    bench.host.v = real;
    this_worker->ledger = rows;
}

/* Reserve again and keep what came out: that is what settle gets. */
static void bench_settle(int rounds)
{
    struct reserve_config config = { .events = { "", 0 },
                                     .id = NAME("id"),
                                     .tenant = NAME("tenant_id"),
                                     .to = NAME("to"),
                                     .channel = NAME("channel"),
                                     .text = NAME("text"),
                                     .segments = NAME("segments"),
                                     .class_name = NAME("class"),
                                     .ts = NAME("ts_us"),
                                     .network = NAME("network"),
                                     .timeout_ms = 1000 };
    struct settle_config commit = { .events = { "", 0 },
                                    .operation = SETTLE_COMMIT,
                                    .amount_micro = -1 };
    double per_s[64];
    bench.kept = calloc(MESSAGES, sizeof *bench.kept);
    forget_holds();
    process_all(reserve_process, &config);
    const wf_value **kept = bench.kept;
    size_t n = bench.n_kept;
    bench.kept = NULL;
    struct arena reserved = bench.arena;
    arena_init(&bench.arena, NULL, 0);
    for (size_t i = 0; i < n; i++)
        items[i].json = *(const struct json *)(const void *)kept[i];
    for (int k = 0; k < rounds; k++) {
        for (size_t i = 0; i < HOLDS; i++)
            if (this_worker->holds[i].key)
                this_worker->holds[i].state = HOLD_RESERVED;
        int64_t start = cpu_us();
        process_all(settle_process, &commit);
        per_s[k] = (double)MESSAGES * 1e6 / (double)(cpu_us() - start);
    }
    report("settle", per_s, rounds);
    arena_fini(&reserved);
    free(kept);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
    struct arena keep;
    wf_error why = { .size = sizeof why };
    if (rounds < 1 || rounds > 64)
        return 2;
    arena_init(&keep, NULL, 0);
    arena_init(&bench.arena, NULL, 0);
    bench.host = (wf_host){ .size = sizeof bench.host,
                            .v = values_table(bench_arena),
                            .config = bench_config,
                            .state = bench_state,
                            .value = bench_value,
                            .now_ms = bench_now,
                            .alloc = bench_alloc,
                            .emit = bench_emit,
                            .park = bench_park,
                            .key = bench_key,
                            .resume = bench_resume,
                            .count = bench_count,
                            .log = bench_log,
                            .retry = bench_retry,
                            .output = bench_output,
                            .build = bench_build,
                            .service = bench_service };
    bench.state = node_open(&bench.host, NULL, &why);
    shared.current = make_rates();
    answer_calls();
    make_messages(&keep);
    bench_trie(shared.current, rounds);
    bench_core(rounds);
    bench_reserve("reserve", "", rounds);
    bench_reserve("reserve_events", "billing.events", rounds);
    bench_settle(rounds);
    printf("{\"bench\":\"billing.counts\",\"reserved\":%llu,\"denied\":%llu,\"rows\":%llu,"
           "\"waited\":%llu,\"asked\":%llu}\n",
           (unsigned long long)bench.emitted[0], (unsigned long long)bench.emitted[1],
           (unsigned long long)bench.rows, (unsigned long long)bench.waited,
           (unsigned long long)bench.asked);
    return 0;
}
