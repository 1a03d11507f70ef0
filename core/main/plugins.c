/* SPDX-License-Identifier: Apache-2.0
 * Finding and loading plugins: the folder of the install, found from the binary's own place, then
 * those of the settings. A broken plugin is told and left out.
 */
#include "main/main.h"
#include "base/log.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_broken(void *ctx, const char *file, const char *reason)
{
    (void)ctx;
    bool named = !strncmp(reason, file, strlen(file));
    log_error("plugin", "load_failed", "%s%s%s", named ? "" : file, named ? "" : ": ", reason);
}

/* <bin>/../lib/catalyst/plugins of an install, <bin>/../plugins of a build. */
static bool install_folder(char *out, size_t size)
{
    static const char *const places[] = { "../lib/catalyst/plugins", "../plugins" };
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0)
        return false;
    self[len] = 0;
    *strrchr(self, '/') = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if ((size_t)snprintf(out, size, "%s/%s", self, places[i]) < size &&
            access(out, R_OK | X_OK) == 0)
            return true;
    }
    return false;
}

struct plugin_set *plugins_load(const struct config *c, struct err *err)
{
    char folder[PATH_MAX + 32];
    struct plugin_set *set = plugin_set_create();
    if (install_folder(folder, sizeof folder) &&
        plugin_set_load_dir(set, folder, on_broken, NULL, err) < 0)
        goto fail;
    for (const char **dir = c->plugins; dir && *dir; dir++)
        if (plugin_set_load_dir(set, *dir, on_broken, NULL, err) < 0)
            goto fail;
    return set;
fail:
    err->code = ERR_INVALID;
    plugin_set_destroy(set);
    return NULL;
}

struct store_tables *plugins_tables(const struct plugin_set *set, size_t *n)
{
    size_t size = 0;
    *n = 0;
    while (plugin_at(set, size))
        size++;
    struct store_tables *tables = xcalloc(size + 1, sizeof *tables);
    for (size_t i = 0; i < size; i++) {
        const struct plugin *p = plugin_at(set, i);
        if (p->n_migrations)
            tables[(*n)++] = (struct store_tables){ p->name, p->migrations, p->n_migrations };
    }
    return tables;
}
