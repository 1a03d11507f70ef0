/* SPDX-License-Identifier: Apache-2.0
 * Words of the command line, files, and messages to the person who typed them.
 */
#include "main/main.h"
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void take(const char **args, int *n_args, int at, int count)
{
    *n_args -= count;
    memmove(args + at, args + at + count, (size_t)(*n_args - at) * sizeof *args);
    args[*n_args] = NULL;
}

const char *arg_value(const char **args, int *n_args, const char *name)
{
    size_t len = strlen(name);
    for (int i = 0; i < *n_args; i++) {
        const char *word = args[i];
        if (!strncmp(word, name, len) && word[len] == '=') {
            take(args, n_args, i, 1);
            return word + len + 1;
        }
        if (!strcmp(word, name) && i + 1 < *n_args) {
            const char *value = args[i + 1];
            take(args, n_args, i, 2);
            return value;
        }
    }
    return NULL;
}

bool arg_flag(const char **args, int *n_args, const char *name)
{
    for (int i = 0; i < *n_args; i++)
        if (!strcmp(args[i], name)) {
            take(args, n_args, i, 1);
            return true;
        }
    return false;
}

/* In one piece: workers log to the same place. */
int say_error(int code, const char *format, ...)
{
    va_list args;
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    strbuf_adds(&b, "catalyst: ");
    va_start(args, format);
    strbuf_vaddf(&b, format, args);
    va_end(args);
    strbuf_addc(&b, '\n');
    fwrite(b.ptr, 1, b.len, stderr);
    strbuf_fini(&b);
    return code;
}

enum { OWN_FLAGS_MAX = 8 };

/* The nearest of the command's own flags, else of the settings. */
static const char *nearest_flag(const char *name, char *flags)
{
    const char *names[OWN_FLAGS_MAX];
    size_t n = 0;
    char *rest = flags;
    for (char *one; n < OWN_FLAGS_MAX && (one = strtok_r(rest, " ", &rest));)
        names[n++] = one;
    const char *near = str_nearest(name, names, n);
    return near ? near : config_nearest(name);
}

static int unknown_flag(const char *word, const char *flags)
{
    char name[64], own[128];
    const char *start = word + strspn(word, "-");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(start, "="), start);
    snprintf(own, sizeof own, "%s", flags ? flags : "");
    const char *near = nearest_flag(name, own);
    if (near && !strcmp(near, name)) /* it was not taken */
        return say_error(EXIT_USAGE, "--%s is given twice, or its value is missing", name);
    if (near)
        return say_error(EXIT_USAGE, "unknown flag '%s'; did you mean '--%s'?", word, near);
    return say_error(EXIT_USAGE, "unknown flag '%s'; 'catalyst help settings' lists the settings",
                     word);
}

int args_done(const char **args, int n_args, const char *flags)
{
    if (!n_args)
        return EXIT_OK;
    if (args[0][0] == '-')
        return unknown_flag(args[0], flags);
    return say_error(EXIT_USAGE, "unexpected word '%s'", args[0]);
}

int exit_of(const struct err *err)
{
    return err->code == ERR_INVALID ? EXIT_USAGE : EXIT_UNREACHABLE;
}

int setting_err(const char *name, struct err *err)
{
    err->code = ERR_INVALID;
    err->retryable = false;
    return err_context(err, "%s", name);
}

static FILE *open_input(const char *path, struct err *err)
{
    struct stat st;
    if (!strcmp(path, "-"))
        return stdin;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        err_set(err, ERR_INVALID, "%s: is a folder", path);
        return NULL;
    }
    FILE *f = fopen(path, "rb");
    if (!f)
        err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path, strerror(errno));
    return f;
}

int file_read(struct arena *a, const char *path, size_t cap, wf_str *out, struct err *err)
{
    FILE *f = open_input(path, err);
    if (!f)
        return -1;
    struct strbuf b;
    char piece[65536];
    size_t n;
    strbuf_init(&b, cap);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        strbuf_add(&b, piece, n);
    bool broken = ferror(f);
    if (f != stdin)
        fclose(f);
    if (!broken && !b.failed)
        *out = arena_str(a, b.ptr ? b.ptr : "", b.len);
    bool too_large = b.failed;
    strbuf_fini(&b);
    if (broken)
        return err_set(err, ERR_IO, "%s: cannot be read", path);
    return too_large ? err_set(err, ERR_LIMIT, "%s: is larger than %zu bytes", path, cap) : 0;
}

struct names {
    const char **at;
    size_t n, size;
};

static void names_add(struct arena *a, struct names *names, const char *name)
{
    if (names->n + 1 >= names->size) {
        const char **old = names->at;
        names->size = names->size ? names->size * 2 : 16;
        names->at = ARENA_ARRAY(a, const char *, names->size);
        if (names->n)
            memcpy(names->at, old, names->n * sizeof *old);
    }
    names->at[names->n++] = name;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add_folder(struct arena *a, struct names *names, const char *path, struct err *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    size_t first = names->n;
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);
        if (len > 5 && !strcmp(entry->d_name + len - 5, ".json"))
            names_add(a, names, arena_printf(a, "%s/%s", path, entry->d_name).ptr);
    }
    closedir(dir);
    if (names->n > first)
        qsort(names->at + first, names->n - first, sizeof *names->at, by_name);
    return 0;
}

const char **workflow_files(struct arena *a, const char *const *paths, struct err *err)
{
    struct names names = { 0 };
    names_add(a, &names, NULL);
    names.n = 0;
    for (; paths && *paths; paths++) {
        struct stat st;
        if (!strcmp(*paths, "-")) {
            names_add(a, &names, *paths);
            continue;
        }
        if (stat(*paths, &st) != 0) {
            err_set(err, ERR_NOT_FOUND, "%s: %s", *paths, strerror(errno));
            return NULL;
        }
        if (!S_ISDIR(st.st_mode))
            names_add(a, &names, *paths);
        else if (add_folder(a, &names, *paths, err) != 0)
            return NULL;
    }
    names_add(a, &names, NULL);
    return names.at;
}
