/* SPDX-License-Identifier: Apache-2.0
 * Names in a plugin's table of metrics: what the loader takes, and the parts it is made of. They go
 * to /metrics as they stand here, so nothing may pass that a scraper cannot read.
 */
#include "plugin/plugin_int.h"
#include <string.h>

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

struct metric_name metric_name_split(const char *name)
{
    size_t base = strcspn(name, "{"), len = strlen(name);
    struct metric_name parts = { .base = { name, base } };
    if (len > base + 2)
        parts.labels = (wf_str){ name + base + 1, len - base - 2 };
    return parts;
}

/* Labels that samples have from the engine, and those that start with __ are Prometheus' own. */
static bool is_taken(const char *key, size_t len)
{
    static const char *const taken[] = { "worker", "workflow", "node", "le" };
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strlen(taken[i]) == len && !memcmp(taken[i], key, len))
            return true;
    return len > 1 && !memcmp(key, "__", 2);
}

/* key="value" at `at`; what stands behind it, or NULL. */
static const char *skip_label(const char *at)
{
    const char *key = at;
    while (is_word(*at))
        at++;
    size_t len = (size_t)(at - key);
    if (!len || (*key >= '0' && *key <= '9') || is_taken(key, len) || *at != '=' || at[1] != '"')
        return NULL;
    for (at += 2; *at != '"'; at++)
        if ((unsigned char)*at < ' ' || *at == '\\')
            return NULL;
    return at + 1;
}

/* {key="value",..}, each key once. */
static bool are_labels(const char *at)
{
    const char *keys[8];
    for (size_t n = 0; n < sizeof keys / sizeof *keys; n++) {
        keys[n] = ++at;
        at = skip_label(at);
        if (!at || (*at != ',' && strcmp(at, "}") != 0))
            return false;
        for (size_t i = 0; i < n; i++)
            if (strcspn(keys[i], "=") == strcspn(keys[n], "=") &&
                !memcmp(keys[i], keys[n], strcspn(keys[n], "=")))
                return false;
        if (*at == '}')
            return true;
    }
    return false;
}

static int check_name(const wf_metric *row, struct err *err)
{
    size_t base = 0, len = strlen(row->name);
    while (is_word(row->name[base]))
        base++;
    if (row->kind < WF_COUNTER || row->kind > WF_HISTOGRAM || !base || len >= PARAM_NAME_MAX ||
        (row->name[base] && row->name[base] != '{'))
        return err_set(err, ERR_INVALID,
                       "metric '%s': kind or name is wrong (letters, digits and _)", row->name);
    if (row->name[base] && !are_labels(row->name + base))
        return err_set(err, ERR_INVALID,
                       "metric '%s': labels are {key=\"value\",..} with each key once, values "
                       "without \\ and none of worker, workflow, node, le, __*",
                       row->name);
    return 0;
}

int metrics_check(const wf_metric *rows, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (check_name(&rows[i], err) != 0)
            return -1;
        struct metric_name name = metric_name_split(rows[i].name);
        for (size_t j = 0; j < i; j++) {
            struct metric_name other = metric_name_split(rows[j].name);
            if (!strcmp(rows[i].name, rows[j].name))
                return err_set(err, ERR_INVALID, "metric '%s' is there twice", rows[i].name);
            if (rows[i].kind != rows[j].kind && name.base.len == other.base.len &&
                !memcmp(name.base.ptr, other.base.ptr, name.base.len))
                return err_set(err, ERR_INVALID, "metric '%s' is of two kinds", rows[i].name);
        }
    }
    return 0;
}
