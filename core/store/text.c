/* SPDX-License-Identifier: Apache-2.0
 * Text that goes into a database: names that plugins give, and what executions say of themselves.
 * Thread: any.
 */
#include "store/store_int.h"
#include "json/json.h"
#include <strings.h>

/* Tables of the schema; a plugin's row never goes there. */
static const char *const our_tables[] = {
    "schema_version",   "engine_instance", "workflow",        "workflow_version",
    "revision",         "source",          "source_position", "block",
    "execution",        "credential",      "executions",      "webhook_key",
    "plugin_migration",
};

static bool is_name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

bool store_name_ok(wf_str name)
{
    if (!name.len || name.len > 63)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_char(name.ptr[i], i == 0))
            return false;
    return true;
}

bool store_table_ok(wf_str table)
{
    const char *dot = table.len ? memchr(table.ptr, '.', table.len) : NULL;
    wf_str name = table;
    if (dot) {
        if (!store_name_ok((wf_str){ table.ptr, (size_t)(dot - table.ptr) }))
            return false;
        name = (wf_str){ dot + 1, table.len - (size_t)(dot + 1 - table.ptr) };
    }
    if (!store_name_ok(name))
        return false;
    for (size_t i = 0; i < sizeof our_tables / sizeof *our_tables; i++)
        if (str_eq_nocase(name, str_of(our_tables[i])))
            return false;
    /* Partitions are named block_<day>. */
    return strncasecmp(name.ptr, "block_", name.len < 6 ? name.len + 1 : 6) != 0;
}

bool store_next_column(wf_str columns, size_t *at, wf_str *column)
{
    if (*at >= columns.len)
        return false;
    const char *from = columns.ptr + *at, *end = columns.ptr + columns.len;
    const char *comma = memchr(from, ',', (size_t)(end - from));
    if (comma)
        end = comma;
    *at = (size_t)(end - columns.ptr) + 1;
    while (from < end && *from == ' ')
        from++;
    while (end > from && end[-1] == ' ')
        end--;
    *column = (wf_str){ from, (size_t)(end - from) };
    return true;
}

void store_unique_split(wf_str unique, wf_str *keys, wf_str *same)
{
    const char *bar = unique.len ? memchr(unique.ptr, ';', unique.len) : NULL;
    size_t n = bar ? (size_t)(bar - unique.ptr) : unique.len;
    *keys = (wf_str){ unique.ptr, n };
    *same = bar ? (wf_str){ bar + 1, unique.len - n - 1 } : (wf_str){ "", 0 };
}

static bool is_plain(wf_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= 0) /* NUL or beyond ASCII */
            return false;
    return true;
}

wf_str store_clean_text(struct arena *a, wf_str s)
{
    if (!s.len || is_plain(s))
        return (wf_str){ s.len ? s.ptr : "", s.len };
    /* json_of_str makes UTF-8 of anything; what is left is the NUL. */
    struct json value = json_of_str(a, s.ptr, s.len);
    char *text = arena_alloc(a, value.len + 1);
    memcpy(text, value.s, value.len);
    for (uint32_t i = 0; i < value.len; i++)
        if (!text[i])
            text[i] = ' ';
    return (wf_str){ text, value.len };
}
