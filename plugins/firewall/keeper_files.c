/* SPDX-License-Identifier: Apache-2.0
 * The keeper's thread for files: looks whether the rules file or a list has changed, reads what
 * has, and publishes what is right. A file is replaced by renaming another over it, or written in
 * place: a half written one is wrong JSON and is read again when it changes again.
 *
 * Thread: the keeper's own; blocks on disks and compiles.
 */
#include "keeper_int.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RULES_BYTES_MAX = 256 << 20 };

struct watched {
    struct stat was;
    int has_failed;
};

/* 1 when it is another file, or another content, than last time; -1 when it cannot be seen. */
static int has_changed(struct watched *w, const char *file)
{
    struct stat now;
    if (stat(file, &now) != 0)
        return -1;
    int same = now.st_ino == w->was.st_ino && now.st_dev == w->was.st_dev &&
               now.st_size == w->was.st_size && now.st_mtim.tv_sec == w->was.st_mtim.tv_sec &&
               now.st_mtim.tv_nsec == w->was.st_mtim.tv_nsec;
    w->was = now;
    return !same;
}

static char *read_whole(const char *file, size_t *len, char *why, size_t why_size)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size > RULES_BYTES_MAX) {
        snprintf(why, why_size, "%s", fd < 0 ? strerror(errno) : "is larger than 256 MiB");
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    char *text = must(malloc((size_t)st.st_size + 1));
    *len = 0;
    ssize_t n = 1;
    while (n > 0 && *len < (size_t)st.st_size) {
        n = read(fd, text + *len, (size_t)st.st_size - *len);
        *len += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    text[*len] = 0;
    return text;
}

/* --- rules ------------------------------------------------------------------------------------ */

static struct rules *rules_now(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    struct rules *r = k->snapshot && k->snapshot->rules ? rules_ref(k->snapshot->rules) : NULL;
    pthread_mutex_unlock(&k->lock);
    return r;
}

static void load_rules(struct keeper *k)
{
    const char *file = k->config.rules_file;
    const char *model = *k->config.model_file ? k->config.model_file : NULL;
    const char *cache = *k->config.cache_folder ? k->config.cache_folder : NULL;
    char why[200], *mistakes = NULL;
    size_t len;
    char *text = read_whole(file, &len, why, sizeof why);
    if (!text) {
        keeper_say(k, 1, 1, file, 0, why);
        return;
    }
    struct rules *old = rules_now(k), *rules = rules_load(text, len, model, cache, old, &mistakes);
    free(text);
    rules_unref(old);
    if (rules) {
        uint64_t n = rules->n;
        keeper_publish_rules(k, rules);
        keeper_say(k, 1, 0, file, n, "");
    } else {
        keeper_say(k, 1, 1, file, 0, mistakes);
    }
    free(mistakes);
}

static void look_at_rules(struct keeper *k, struct watched *w)
{
    int changed = has_changed(w, k->config.rules_file);
    if (changed < 0 && !w->has_failed)
        keeper_say(k, 1, 1, k->config.rules_file, 0, strerror(errno));
    w->has_failed = changed < 0;
    if (changed < 0)
        memset(&w->was, 0, sizeof w->was);
    if (changed > 0)
        load_rules(k);
}

/* --- lists ------------------------------------------------------------------------------------ */

static void look_at_list(struct keeper *k, struct watched *w, enum list_name list)
{
    const char *file = k->config.list_file[list];
    char why[300];
    int changed = *file ? has_changed(w, file) : 0;
    if (*file && changed == 0 && !w->has_failed)
        atomic_store(&k->fresh_ms[list], wall_ms());
    if (changed == 0)
        return;
    struct numbers *numbers = numbers_load(file, &k->stop, why, sizeof why);
    int said = w->has_failed && changed < 0;
    w->has_failed = !numbers;
    if (changed < 0)
        memset(&w->was, 0, sizeof w->was);
    if (!numbers && !said)
        keeper_say(k, 0, 1, file, 0, why);
    if (!numbers)
        return;
    uint64_t n = numbers_count(numbers);
    keeper_publish_list(k, list, numbers, NULL);
    atomic_store(&k->fresh_ms[list], wall_ms());
    keeper_say(k, 0, 0, file, n, "");
}

void *keeper_files_main(void *keeper)
{
    struct keeper *k = keeper;
    struct watched rules = { .has_failed = 0 }, lists[LIST_NAMES] = { { .has_failed = 0 } };
    do {
        for (int i = 0; i < LIST_NAMES; i++)
            look_at_list(k, &lists[i], (enum list_name)i);
        look_at_rules(k, &rules);
    } while (!keeper_sleep(k, k->config.poll_ms));
    return NULL;
}
