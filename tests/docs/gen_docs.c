/* SPDX-License-Identifier: Apache-2.0
 * plugins/<name>/README.md from the plugins' own tables, without the binary.
 *
 *     gen_docs SOURCE/plugins BUILD/plugins            writes them
 *     gen_docs --check SOURCE/plugins BUILD/plugins    exit code 1 and file:1: for each stale one
 *
 * Every <name>.so of the build folder is loaded by today's loader; a plugin that does not load is a
 * failure too.
 */
#include "plugin/plugin.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void report(void *ctx, const char *file, const char *reason)
{
    (void)ctx;
    (void)file;
    fprintf(stderr, "%s\n", reason);
    failures++;
}

/* The whole file, NULL when it cannot be read. */
static char *read_file(const char *path)
{
    struct strbuf b;
    char part[4096];
    size_t n;
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    strbuf_init(&b, 16 << 20);
    while ((n = fread(part, 1, sizeof part, file)) > 0)
        strbuf_add(&b, part, n);
    fclose(file);
    return strbuf_take(&b);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(path);
        failures++;
        return;
    }
    printf("wrote %s\n", path);
}

/* The folder is the library's name: that is how the build names libraries. */
static void one_plugin(const struct plugin *p, const char *source, bool check)
{
    struct arena a;
    struct strbuf b;
    arena_init(&a, NULL, 0);
    strbuf_init(&b, 16 << 20);
    const char *name = strrchr(p->path, '/') + 1;
    const char *path =
        arena_printf(&a, "%s/%.*s/README.md", source, (int)(strlen(name) - strlen(".so")), name)
            .ptr;
    docs_plugin(&b, p);
    char *there = read_file(path);
    if (there && !strcmp(there, strbuf_str(&b).ptr)) {
        ; /* as it should be */
    } else if (!check) {
        write_file(path, strbuf_str(&b).ptr);
    } else {
        fprintf(stderr, "%s:1: is %s; build the target docs\n", path, there ? "stale" : "missing");
        failures++;
    }
    free(there);
    strbuf_fini(&b);
    arena_fini(&a);
}

int main(int argc, char **argv)
{
    bool check = argc > 1 && !strcmp(argv[1], "--check");
    struct err err;
    if (argc - check != 3) {
        fprintf(stderr, "usage: gen_docs [--check] SOURCE/plugins BUILD/plugins\n");
        return 2;
    }
    struct plugin_set *set = plugin_set_create();
    if (plugin_set_load_dir(set, argv[check + 2], report, NULL, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (size_t i = 0; plugin_at(set, i); i++)
        one_plugin(plugin_at(set, i), argv[check + 1], check);
    plugin_set_destroy(set);
    return failures != 0;
}
