/* SPDX-License-Identifier: Apache-2.0
 * The registry: plugins, node types and credential types by name.
 *
 * It grows while the process starts and is read-only afterwards, so all threads share it without a
 * lock. A plugin comes in whole or not at all: names are compared with what is there before any is
 * entered. Thread: one while it grows, then any; nothing blocks.
 */
#include "plugin/plugin_int.h"
#include <stdlib.h>
#include <strings.h>

struct plugin_set *plugin_set_create(void)
{
    struct plugin_set *set = xcalloc(1, sizeof *set);
    arena_init(&set->arena, NULL, 0);
    map_init(&set->by_type);
    map_init(&set->by_name);
    map_init(&set->creds);
    map_init(&set->functions);
    return set;
}

void plugin_set_destroy(struct plugin_set *set)
{
    if (!set)
        return;
    map_fini(&set->by_type);
    map_fini(&set->by_name);
    map_fini(&set->creds);
    map_fini(&set->functions);
    free(set->plugins);
    free(set->nodes);
    arena_fini(&set->arena);
    free(set);
}

static const char *origin(const struct plugin *p) { return p->path[0] ? p->path : "linked in"; }

static int check_type_name(const struct plugin_set *set, const struct plugin *p, size_t node,
                           const char *name, struct err *err)
{
    const struct node_type *there = map_get(&set->by_type, name, strlen(name));
    if (there)
        return err_set(err, ERR_CONFLICT,
                       "plugin '%s': node type '%s' is there already, from plugin '%s' (%s)",
                       p->name, name, there->plugin->name, origin(there->plugin));
    for (size_t i = 0; i <= node; i++) {
        const wf_node *other = &p->nodes[i].node;
        if (i < node && !strcmp(other->type, name))
            return err_set(err, ERR_CONFLICT, "plugin '%s': node type '%s' is declared twice",
                           p->name, name);
        for (size_t j = 0; other->aliases && other->aliases[j]; j++)
            if (other->aliases[j] != name && !strcmp(other->aliases[j], name))
                return err_set(err, ERR_CONFLICT,
                               "plugin '%s': node type '%s' is an alias of '%s' too", p->name, name,
                               other->type);
    }
    return 0;
}

static int check_names(const struct plugin_set *set, const struct plugin *p, struct err *err)
{
    const struct plugin *there = map_get(&set->by_name, p->name, strlen(p->name));
    if (there)
        return err_set(err, ERR_CONFLICT, "plugin '%s' is there already, version %s from %s",
                       p->name, there->version, origin(there));
    for (size_t i = 0; i < p->n_nodes; i++) {
        const wf_node *node = &p->nodes[i].node;
        if (check_type_name(set, p, i, node->type, err) != 0)
            return -1;
        for (size_t j = 0; node->aliases && node->aliases[j]; j++)
            if (!strcmp(node->aliases[j], node->type) ||
                check_type_name(set, p, i, node->aliases[j], err) != 0)
                return err_context(err, "alias '%s' of '%s'", node->aliases[j], node->type);
    }
    for (size_t i = 0; i < p->n_creds; i++)
        if (map_get(&set->creds, p->creds[i].type, strlen(p->creds[i].type)))
            return err_set(err, ERR_CONFLICT, "plugin '%s': credential type '%s' is there already",
                           p->name, p->creds[i].type);
    return 0;
}

static void *grow(void *array, size_t n, size_t *size, size_t element)
{
    if (n < *size)
        return array;
    *size = *size ? *size * 2 : 16;
    return xrealloc(array, *size * element);
}

static void enter(struct plugin_set *set, struct plugin *p)
{
    set->plugins = grow(set->plugins, set->n_plugins, &set->plugins_size, sizeof(struct plugin *));
    set->plugins[set->n_plugins++] = p;
    map_put(&set->by_name, p->name, strlen(p->name), p);
    for (size_t i = 0; i < p->n_nodes; i++) {
        struct node_type *type =
            (struct node_type *)(uintptr_t)&p->nodes[i]; /* ours, const to others */
        const char *const *alias = type->node.aliases;
        type->index = (uint32_t)set->n_nodes;
        set->nodes = grow(set->nodes, set->n_nodes, &set->nodes_size, sizeof(struct node_type *));
        set->nodes[set->n_nodes++] = type;
        map_put(&set->by_type, type->type, strlen(type->type), type);
        for (; alias && *alias; alias++)
            map_put(&set->by_type, *alias, strlen(*alias), type);
    }
    for (size_t i = 0; i < p->n_creds; i++)
        map_put(&set->creds, p->creds[i].type, strlen(p->creds[i].type),
                (void *)(uintptr_t)&p->creds[i]);
}

int plugin_set_add(struct plugin_set *set, const wf_plugin *entry, const char *path,
                   struct err *err)
{
    struct plugin *p = plugin_copy(&set->arena, entry, path, err);
    if (!p || check_names(set, p, err) != 0)
        return -1;
    p->set = set;
    enter(set, p);
    return 0;
}

const struct node_type *plugin_find(const struct plugin_set *set, const char *type)
{
    return map_get(&set->by_type, type, strlen(type));
}

/* --- the nearest name ------------------------------------------------------------------------- */

/* The part behind the vendor. */
static const char *short_name(const char *type)
{
    const char *dot = strchr(type, '.');
    return dot && dot[1] ? dot + 1 : type;
}

struct names {
    const char **whole, **shorts; /* shorts point into whole */
    size_t n;
};

/* All names of the types, aliases included. `vendor`: of those only what begins with so many bytes
 * of `type`. */
static struct names names_of(const struct plugin_set *set, const char *type, size_t vendor,
                             bool aliases)
{
    struct names names = { .n = 0 };
    size_t size = 0;
    for (size_t i = 0; i < set->n_nodes; i++) {
        const char *const *alias = set->nodes[i]->node.aliases;
        for (size++; alias && *alias; alias++)
            size++;
    }
    names.whole = xcalloc(size + 1, 2 * sizeof *names.whole);
    names.shorts = names.whole + size + 1;
    for (size_t i = 0; i < set->n_nodes; i++) {
        const char *const *alias = set->nodes[i]->node.aliases;
        const char *name = set->nodes[i]->type;
        for (; name; name = aliases && alias ? *alias++ : NULL) {
            if (vendor && strncmp(name, type, vendor) != 0)
                continue;
            names.whole[names.n] = name;
            names.shorts[names.n++] = short_name(name);
        }
    }
    return names;
}

/* The whole name whose short one is `wanted`, but for the letters' case. */
static const char *same_short(const struct names *names, const char *wanted)
{
    for (size_t i = 0; i < names->n; i++)
        if (!strcasecmp(names->shorts[i], wanted))
            return names->whole[i];
    return NULL;
}

/* The whole name whose short one is nearest. */
static const char *near_short(const struct names *names, const char *wanted)
{
    const char *near = str_nearest(wanted, names->shorts, names->n);
    return near ? same_short(names, near) : NULL;
}

/* The whole name whose short one goes on where `wanted` ends: "http". */
static const char *longer(const struct names *names, const char *wanted)
{
    size_t len = strlen(wanted);
    for (size_t i = 0; i < names->n && len > 2; i++)
        if (!strncasecmp(names->shorts[i], wanted, len))
            return names->whole[i];
    return NULL;
}

/* People mistake the vendor of a name ("n8n-nodes-base.kafkaPipe"), or the name within a vendor
 * ("n8n-nodes-base.manualTriger"), or give no vendor ("httpRequst"),
 * or the beginning ("http"). */
const char *plugin_nearest(const struct plugin_set *set, const char *type)
{
    const char *dot = strchr(type, '.'), *wanted = short_name(type), *near = NULL;
    struct names all = names_of(set, "", 0, true), ours = names_of(set, "", 0, false);
    struct names same = names_of(set, type, dot ? (size_t)(dot - type) + 1 : SIZE_MAX, true);
    near = same_short(&same, wanted);
    near = near ? near : same_short(&ours, wanted);
    near = near ? near : near_short(&same, wanted);
    near = near ? near : near_short(&ours, wanted);
    near = near ? near : near_short(&all, wanted);
    near = near ? near : longer(&ours, wanted);
    free(all.whole);
    free(ours.whole);
    free(same.whole);
    return near;
}

const struct node_type *plugin_node_at(const struct plugin_set *set, size_t i)
{
    return i < set->n_nodes ? set->nodes[i] : NULL;
}

const struct plugin *plugin_at(const struct plugin_set *set, size_t i)
{
    return i < set->n_plugins ? set->plugins[i] : NULL;
}

const wf_cred_type *plugin_find_cred(const struct plugin_set *set, const char *type)
{
    return map_get(&set->creds, type, strlen(type));
}
