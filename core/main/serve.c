/* SPDX-License-Identifier: Apache-2.0
 * `catalyst serve`: opens everything in order, runs, drains, closes in reverse.
 *
 * A store or broker that is down at start is waited for, with back-off and a line in the log, while
 * /readyz says why. The first SIGTERM or SIGINT drains, the second cuts: what is cut is in the
 * journal.
 */
#include "main/serve.h"
#include "admin/admin.h"
#include "base/clock.h"
#include "base/log.h"
#include <errno.h>
#include "worker/outside.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { BLOCKING_THREADS = 4 };

/* --- kafka ------------------------------------------------------------------------------------ */

int kafka_read_properties(const struct config *c, struct kafka_settings *to, struct err *err)
{
    size_t n = 0;
    const char **given = c->kafka_properties;
    while (given && given[n])
        n++;
    struct kafka_property *properties = xcalloc(n ? n : 1, sizeof *properties);
    to->properties = properties;
    for (size_t i = 0; i < n; i++) {
        char *copy = xstrdup(given[i]), *equals = strchr(copy, '=');
        if (!equals) {
            err_set(err, ERR_INVALID, "kafka-property: \"%s\" is not NAME=VALUE", given[i]);
            free(copy);
            return -1;
        }
        *equals = 0;
        properties[to->n_properties++] = (struct kafka_property){ copy, equals + 1 };
    }
    return 0;
}

void kafka_free_properties(struct kafka_settings *settings)
{
    struct kafka_property *properties = (struct kafka_property *)settings->properties;
    for (size_t i = 0; i < settings->n_properties; i++)
        free((char *)properties[i].name);
    free(properties);
}

static const wf_cred *kafka_credential(void *ctx, wf_str id)
{
    char why[240];
    return credentials_find(ctx, id, (wf_str){ "", 0 }, "kafka", why, sizeof why);
}

static int start_kafka(struct server *s, struct err *err)
{
    s->kafka.credential = kafka_credential;
    s->kafka.ctx = s->definitions.credentials;
    if (!s->config->kafka)
        return 0;
    s->kafka.brokers = s->config->kafka;
    s->kafka.transactions = s->config->kafka_transactions;
    if (getrandom(&s->kafka.run, sizeof s->kafka.run, 0) != (ssize_t)sizeof s->kafka.run)
        s->kafka.run = (uint64_t)clock_wall_us();
    if (strcmp(s->config->kafka, "embedded") != 0)
        return kafka_read_properties(s->config, &s->kafka, err);
    struct arena a;
    arena_init(&a, NULL, 0);
    const char **topics = deployments_topics(s, &a);
    size_t n = 0;
    while (topics[n])
        n++;
    s->embedded = kafka_embedded_start(topics, n, (int)s->config->kafka_partitions, err);
    arena_fini(&a);
    if (!s->embedded)
        return -1;
    s->kafka.brokers = kafka_embedded_brokers(s->embedded);
    return kafka_read_properties(s->config, &s->kafka, err);
}

static void stop_kafka(struct server *s)
{
    if (s->embedded)
        kafka_embedded_stop(s->embedded);
    kafka_free_properties(&s->kafka);
}

/* --- workers ---------------------------------------------------------------------------------- */

static int http_config(struct server *s, struct err *err)
{
    const struct config *c = s->config;
    s->http = (struct http_server_config){ .address = c->http_address,
                                           .port = (int)c->http_port,
                                           .tls_cert = c->tls_cert,
                                           .tls_key = c->tls_key,
                                           .limits = { .body_bytes = (size_t)c->http_body_bytes,
                                                       .header_bytes = (size_t)c->http_header_bytes,
                                                       .max_connections =
                                                           (unsigned)c->http_connections } };
    /* Workers share the port, which would hide that somebody else has it. */
    if (c->http_port > 0 && http_port_check(c->http_address, (int)c->http_port, err) != 0)
        return err_context(err, "http-port, http-address");
    return 0;
}

static int start_workers(struct server *s, struct err *err)
{
    const struct config *c = s->config;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t n = c->workers ? (uint32_t)c->workers : cores > 0 ? (uint32_t)cores : 1;
    if (n > WORKERS_MAX)
        n = WORKERS_MAX;
    s->workers = xcalloc(n, sizeof *s->workers);
    if (http_config(s, err) != 0 || blob_dir_open(c->blob_dir, &s->blob_dir, err) != 0)
        return -1;
    struct worker_config config = { .n_workers = n,
                                    .store = s->store,
                                    .instance = s->instance,
                                    .offload = s->offload,
                                    .kafka = &s->kafka,
                                    .http = c->http_port >= 0 ? &s->http : NULL,
                                    .limits = { .max_live = (uint32_t)c->max_live,
                                                .evict_after_ms = c->evict_after_ms,
                                                .blob_memory = (uint64_t)c->blob_memory_bytes },
                                    .blob_dir = s->blob_dir,
                                    .lua = { (uint64_t)c->lua_steps, (size_t)c->lua_memory_bytes },
                                    .lua_dir = c->lua_dir,
                                    .save_inputs = c->save_inputs,
                                    .accept_batch = (uint32_t)c->accept_batch,
                                    .webhook_accept_ms = c->webhook_accept_ms,
                                    .ctx = s,
                                    .need_version = deployments_need_version };
    for (uint32_t i = 0; i < n; i++) {
        config.number = i;
        s->workers[i] = worker_start(&config, err);
        if (!s->workers[i])
            return -1;
        s->n_workers++;
        if (config.http && !s->http.port) /* any port: the others share the first one's */
            s->http.port = worker_http_port(s->workers[i]);
    }
    return 0;
}

static void drain_workers(struct server *s, int64_t grace_ms)
{
    for (uint32_t i = 0; i < s->n_workers; i++)
        worker_drain(s->workers[i], grace_ms);
}

static void join_workers(struct server *s)
{
    for (uint32_t i = 0; i < s->n_workers; i++)
        worker_join(s->workers[i]);
    free(s->workers);
}

/* --- signals ---------------------------------------------------------------------------------- */

static void on_drained(struct mail *m)
{
    struct server *s = CONTAINER_OF(m, struct server, drained);
    loop_stop(s->loop);
}

/* [its own thread] */
static void wait_for_workers(void *arg)
{
    struct server *s = arg;
    for (uint32_t i = 0; i < s->n_workers; i++)
        worker_wait(s->workers[i]);
    loop_post(s->loop, &s->drained);
}

/* Health, metrics and a second signal are answered while the workers drain, and the store hears
 * that this engine lives, so that nobody takes its lanes away. */
void serve_drain(struct server *s)
{
    struct err err;
    __atomic_store_n(&s->draining, 1, __ATOMIC_RELEASE);
    if (s->admin)
        admin_draining(s->admin);
    drain_workers(s, s->config->drain_ms);
    s->drained = (struct mail){ .fn = on_drained };
    if (thread_start(&s->drainer, "drainer", wait_for_workers, s, &err) != 0)
        loop_stop(s->loop);
}

static void on_stop(void *arg, int signum)
{
    struct server *s = arg;
    if (s->stops++) {
        log_warn("serve", "cut", "%s again: cutting what runs", strsignal(signum));
        _exit(EXIT_OK);
    }
    log_info("serve", "drain", "%s: no new work; what runs has %lld s to end", strsignal(signum),
             (long long)s->config->drain_ms / 1000);
    if (!__atomic_load_n(&s->draining, __ATOMIC_ACQUIRE))
        serve_drain(s);
}

static void on_reload(void *arg, int signum)
{
    struct server *s = arg;
    (void)signum;
    log_info("serve", "reload", "reading workflow files again");
    deployments_from_files(s);
    deployments_refresh(s);
}

static void dump_worker(void *arg, struct worker *w)
{
    (void)arg;
    struct strbuf b;
    strbuf_init(&b, 32u << 20);
    engine_dump(&b, worker_engine(w));
    log_info("serve", "dump", "%s", b.ptr ? b.ptr : "");
    strbuf_fini(&b);
}

static void on_dump(void *arg, int signum)
{
    struct server *s = arg;
    (void)signum;
    for (uint32_t i = 0; i < s->n_workers; i++)
        worker_post(s->workers[i], dump_worker, NULL);
}

static int catch_signals(struct server *s, struct err *err)
{
    return loop_on_signal(s->loop, SIGTERM, on_stop, s, err) != 0 ||
                   loop_on_signal(s->loop, SIGINT, on_stop, s, err) != 0 ||
                   loop_on_signal(s->loop, SIGHUP, on_reload, s, err) != 0 ||
                   loop_on_signal(s->loop, SIGUSR1, on_dump, s, err) != 0
               ? -1
               : 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void print_banner(const struct server *s)
{
    const struct config *c = s->config;
    FILE *to = isatty(STDERR_FILENO) ? stderr : NULL;
    if (!to)
        return;
    fprintf(to, "\n  catalyst %s, %u workers, store %s\n", CATALYST_VERSION, s->n_workers,
            store_kind(s->store));
    if (c->http_port >= 0)
        fprintf(to, "  webhooks  http%s://%s:%d/webhook/...\n", c->tls_cert ? "s" : "",
                c->http_address, s->http.port);
    if (s->admin)
        fprintf(to, "  health    http://%s:%d/readyz   metrics /metrics\n", c->admin_address,
                admin_port(s->admin));
    if (s->kafka.brokers)
        fprintf(to, "  kafka     %s%s\n", s->kafka.brokers,
                s->embedded ? " (embedded; try: kcat -b BROKERS -P -t TOPIC)" : "");
    const struct running *r;
    for (const struct link *at = s->running.next; at != &s->running; at = at->next) {
        r = CONTAINER_OF(at, struct running, link);
        fprintf(to, "  workflow  %s (%s)\n", r->plan->name, r->plan->id);
    }
    fputc('\n', to);
}

/* The same for a log; scripts that let the system choose ports read them here. */
static void log_ready(const struct server *s)
{
    const struct config *c = s->config;
    struct strbuf b;
    strbuf_init(&b, 4096);
    if (c->http_port >= 0)
        strbuf_addf(&b, ", webhooks http%s://%s:%d", c->tls_cert ? "s" : "", c->http_address,
                    s->http.port);
    if (s->admin)
        strbuf_addf(&b, ", health http://%s:%d", c->admin_address, admin_port(s->admin));
    if (s->embedded)
        strbuf_addf(&b, ", embedded kafka %s", s->kafka.brokers);
    log_info("serve", "ready", "version %s, instance %u, %u workers, store %s%s", CATALYST_VERSION,
             s->instance, s->n_workers, store_kind(s->store), b.ptr ? b.ptr : "");
    strbuf_fini(&b);
}

static int check_file(const char *setting, const char *path, struct err *err)
{
    if (!path || access(path, R_OK) == 0)
        return 0;
    err_set(err, ERR_INVALID, "%s: %s", path, strerror(errno));
    return setting_err(setting, err);
}

/* A path that is not there is told at once: later it would only be a line in the log. */
static int check_paths(const struct config *c, struct err *err)
{
    struct arena a;
    arena_init(&a, NULL, 0);
    bool there = workflow_files(&a, (const char *const *)c->workflows, err) != NULL;
    arena_fini(&a);
    if (!there)
        return setting_err("workflows", err);
    if (c->tls_key && !c->tls_cert)
        return err_set(err, ERR_INVALID, "tls-key: is of no use without tls-cert");
    return check_file("tls-cert", c->tls_cert, err) == 0 ? check_file("tls-key", c->tls_key, err)
                                                         : -1;
}

static int start_admin(struct server *s, struct err *err)
{
    if (s->config->admin_port < 0)
        return 0;
    struct admin_config config = { .loop = s->loop,
                                   .address = s->config->admin_address,
                                   .port = (int)s->config->admin_port,
                                   .version = CATALYST_VERSION };
    s->admin = admin_start(&config, err);
    if (!s->admin)
        return err_context(err, "admin-port, admin-address");
    log_info("serve", "admin", "health http://%s:%d", s->config->admin_address,
             admin_port(s->admin));
    return 0;
}

/* Before the store is opened: their tables are part of it. */
static int load_plugins(struct server *s, struct err *err)
{
    s->definitions.plugins = plugins_load(s->config, err);
    if (!s->definitions.plugins)
        return -1;
    s->tables = plugins_tables(s->definitions.plugins, &s->n_tables);
    return 0;
}

static int start(struct server *s, struct err *err)
{
    char name[300] = "engine";
    gethostname(name, sizeof name - 16);
    snprintf(name + strlen(name), 16, ":%d", (int)getpid());
    if (definitions_init(&s->definitions, s->config, s->store, err) != 0 ||
        store_instance(s->store, str_of(name), &s->instance, err) != 0)
        return -1;
    s->offload = offload_create(BLOCKING_THREADS, err);
    if (!s->offload)
        return -1;
    deployments_from_files(s);
    if (start_kafka(s, err) != 0 || start_workers(s, err) != 0 || catch_signals(s, err) != 0)
        return -1;
    if (s->admin)
        admin_workers(s->admin, s->workers, s->n_workers);
    store_revision(s->store, &s->revision, err);
    deployments_refresh(s);
    return keeper_start(s, err);
}

static void stop(struct server *s)
{
    struct err err;
    if (s->drainer.is_started)
        thread_join(&s->drainer);
    else
        drain_workers(s, s->config->drain_ms);
    if (s->keeper.is_started)
        keeper_stop(s);
    join_workers(s);
    if (s->admin)
        admin_stop(s->admin);
    deployments_free(s);
    stop_kafka(s);
    if (s->offload)
        offload_destroy(s->offload);
    if (s->loop) {
        loop_shut(s->loop);
        loop_destroy(s->loop);
    }
    if (s->blob_dir >= 0)
        close(s->blob_dir);
    definitions_fini(&s->definitions);
    if (s->instance)
        store_instance_leave(s->store, s->instance, &err);
    if (s->store)
        store_close(s->store);
    free(s->tables);
    if (s->stops)
        log_info("serve", "stopped", "everything is closed");
}

int cmd_serve(struct config *c, const char **args, int n_args)
{
    struct server s = { .config = c, .blob_dir = -1 };
    struct err err = { 0 };
    if (args_done(args, n_args, NULL) != EXIT_OK)
        return EXIT_USAGE;
    list_init(&s.running);
    if (check_paths(c, &err) != 0)
        return say_error(EXIT_USAGE, "%s", err.text);
    int code = EXIT_OK;
    if (load_plugins(&s, &err) != 0)
        return say_error(EXIT_USAGE, "%s", err.text);
    s.loop = loop_create(&err);
    if (!s.loop || start_admin(&s, &err) != 0 || serve_open_store(&s, &err) != 0 ||
        start(&s, &err) != 0) {
        code = say_error(exit_of(&err), "%s", err.text);
    } else {
        print_banner(&s);
        log_ready(&s);
        if (serve_stopped_early())
            on_stop(&s, SIGTERM);
        loop_run(s.loop);
        if (__atomic_load_n(&s.fenced, __ATOMIC_ACQUIRE))
            code = say_error(EXIT_UNREACHABLE, "other engines took over this one's work");
    }
    stop(&s);
    return code;
}
