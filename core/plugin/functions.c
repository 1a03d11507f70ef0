/* SPDX-License-Identifier: Apache-2.0
 * Functions that plugins offer to Lua steps: checked and copied into today's layout, by name.
 * Thread: the one that loads, then any; nothing blocks.
 */
#include "plugin/plugin_int.h"

enum { FUNCTIONS_MAX = 1000, FUNCTION_BYTES_MAX = 4096 };

static int check(const struct plugin_set *set, const wf_function *f, struct err *err)
{
    const char *dot = f->name ? strchr(f->name, '.') : NULL;
    if (!dot || dot == f->name || !dot[1])
        return err_set(err, ERR_INVALID, "function '%s' is no \"vendor.name\"",
                       f->name ? f->name : "");
    if (!f->help || !f->help[0] || !f->call)
        return err_set(err, ERR_INVALID, "function '%s' has no help or no call()", f->name);
    if (f->close && !f->open)
        return err_set(err, ERR_INVALID, "function '%s' has close() without open()", f->name);
    if (plugin_find_function(set, f->name))
        return err_set(err, ERR_CONFLICT, "function '%s' is there already", f->name);
    return 0;
}

int plugin_set_add_functions(struct plugin_set *set, const wf_functions *entry, struct err *err)
{
    size_t stride = entry->function_size;
    if (entry->size < sizeof *entry || stride < offsetof(wf_function, call) + sizeof(void *) ||
        stride > FUNCTION_BYTES_MAX || entry->n > FUNCTIONS_MAX || (entry->n && !entry->list))
        return err_set(err, ERR_INVALID, "wf_functions_entry has sizes that cannot be");
    for (size_t i = 0; i < entry->n; i++) {
        wf_function *f = ARENA_NEW(&set->arena, wf_function);
        if (plugin_struct_copy(f, sizeof *f, (const char *)entry->list + i * stride, stride) != 0)
            return err_set(err, ERR_INVALID, "function %zu needs a newer engine", i);
        if (check(set, f, err) != 0)
            return -1;
        map_put(&set->functions, f->name, strlen(f->name), f);
    }
    return 0;
}

const wf_function *plugin_find_function(const struct plugin_set *set, const char *name)
{
    return map_get(&set->functions, name, strlen(name));
}
