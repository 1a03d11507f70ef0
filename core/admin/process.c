/* SPDX-License-Identifier: Apache-2.0
 * Metrics of the process as a whole: what the system knows of it, under the names that all
 * exporters use for it, and the store's housekeeping, which a thread of its own does once an hour.
 *
 * Thread: main; admin_housekept() is called by the housekeeper.
 */
#include "admin/admin_int.h"
#include "base/clock.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NAMES(X)                                                                                   \
    X(INFO, "catalyst_info", "gauge", "Version")                                                   \
    X(HOUSE, "catalyst_housekeeping_total", "counter",                                             \
      "Housekeeping of the store: partitions ahead, what is past its time")                        \
    X(HOUSE_TIME, "catalyst_housekeeping_time_seconds", "gauge",                                   \
      "When housekeeping was last done, seconds since 1970")                                       \
    X(MISSING, "catalyst_partitions_missing", "gauge",                                             \
      "Tables in time whose partition of tomorrow is not there")                                   \
    X(RETENTION, "catalyst_retention_failures_total", "counter",                                   \
      "Failures of TimescaleDB's jobs, as it tells them")

enum {
#define X(id, name, type, help) P_##id,
    NAMES(X)
#undef X
        N_NAMES
};
static const char *const names[] = {
#define X(id, name, type, help) name,
    NAMES(X)
#undef X
};
static const char *const heads[] = {
#define X(id, name, type, help) "# HELP " name " " help "\n# TYPE " name " " type "\n",
    NAMES(X)
#undef X
};

bool process_metric_is_ours(const char *name)
{
    for (unsigned i = 0; i < N_NAMES; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

/* --- of the system ---------------------------------------------------------------------------- */

static void add(struct strbuf *b, const char *name, const char *type, const char *help,
                double value)
{
    strbuf_addf(b, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name, value);
}

static double resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%*s %ld", &pages) != 1)
            pages = 0;
        fclose(f);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) != 0)
        return 0;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double open_files(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n > 3 ? n - 3 : 0; /* without ".", ".." and the folder's own */
}

static void add_system(struct strbuf *b, const struct admin *a)
{
    struct rlimit files;
    add(b, "process_resident_memory_bytes", "gauge", "Resident memory", resident_bytes());
    add(b, "process_cpu_seconds_total", "counter", "Time on processors", cpu_seconds());
    add(b, "process_open_fds", "gauge", "Open files and sockets", open_files());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        add(b, "process_max_fds", "gauge", "How many may be open", (double)files.rlim_cur);
    add(b, "process_start_time_seconds", "gauge", "When it started, seconds since 1970",
        (double)a->started_us / 1e6);
}

/* --- housekeeping ----------------------------------------------------------------------------- */

void admin_housekept(struct admin *a, bool is_done, const struct store_house *house)
{
    __atomic_add_fetch(is_done ? &a->house.done : &a->house.failed, 1, __ATOMIC_RELAXED);
    if (!is_done)
        return;
    __atomic_store_n(&a->house.missing, house->partitions_missing, __ATOMIC_RELAXED);
    __atomic_store_n(&a->house.failures, house->retention_failures, __ATOMIC_RELAXED);
    __atomic_store_n(&a->house.at_us, clock_wall_us(), __ATOMIC_RELAXED);
}

static int64_t get(const int64_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }

static void add_house(struct strbuf *b, const struct admin *a)
{
    strbuf_addf(b, "%s%s{outcome=\"done\"} %" PRId64 "\n%s{outcome=\"failed\"} %" PRId64 "\n",
                heads[P_HOUSE], names[P_HOUSE], get(&a->house.done), names[P_HOUSE],
                get(&a->house.failed));
    if (!get(&a->house.at_us))
        return;
    strbuf_addf(b, "%s%s %.15g\n", heads[P_HOUSE_TIME], names[P_HOUSE_TIME],
                (double)get(&a->house.at_us) / 1e6);
    if (get(&a->house.missing) >= 0)
        strbuf_addf(b, "%s%s %" PRId64 "\n", heads[P_MISSING], names[P_MISSING],
                    get(&a->house.missing));
    if (get(&a->house.failures) >= 0)
        strbuf_addf(b, "%s%s %" PRId64 "\n", heads[P_RETENTION], names[P_RETENTION],
                    get(&a->house.failures));
}

void process_metrics(struct strbuf *b, const struct admin *a)
{
    strbuf_addf(b, "%s%s{version=\"%s\"} 1\n", heads[P_INFO], names[P_INFO], a->config.version);
    add_house(b, a);
    add_system(b, a);
}
