/* SPDX-License-Identifier: Apache-2.0
 * A plan's life: counted by its users, dropped with its arena. And the identity of a definition,
 * which lists and deploys need before they compile it.
 *
 * Thread: any; the count is atomic, the rest never changes.
 */
#include "workflow/workflow_int.h"
#include <stdlib.h>

struct plan *plan_ref(struct plan *p)
{
    __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
    return p;
}

void plan_unref(struct plan *p)
{
    if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    arena_fini(&p->arena);
    free(p);
}

int plan_find_node(const struct plan *p, wf_str name)
{
    uint32_t from = 0, to = p->n_nodes;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        const char *other = p->nodes[p->by_name[middle]].name;
        size_t len = strlen(other);
        int order = memcmp(name.ptr, other, name.len < len ? name.len : len);
        if (!order && name.len == len)
            return (int)p->by_name[middle];
        if (order < 0 || (!order && name.len < len))
            to = middle;
        else
            from = middle + 1;
    }
    return -1;
}

bool plan_has_error_trigger(const struct plan *p)
{
    for (uint32_t i = 0; i < p->n_triggers; i++)
        if (!strcmp(p->nodes[p->triggers[i]].type->type, ERROR_TRIGGER_TYPE))
            return true;
    return false;
}

int workflow_identity(struct arena *a, wf_str text, wf_str *id, wf_str *name, bool *active,
                      struct err *err)
{
    struct json root;
    struct json_error error = { 0 };
    if (text.len > TEXT_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "the definition has %zu bytes; %d are the most", text.len,
                       TEXT_BYTES_MAX);
    if (json_parse_copy(a, text.ptr, text.len, 0, &root, &error) != 0) {
        struct locate l = { .text = text, .line = 1 };
        return err_set(err, ERR_INVALID, "line %u: not JSON: %s",
                       locate_line(&l, (uint32_t)error.offset), error.reason);
    }
    if (root.type != JSON_OBJECT)
        return err_set(err, ERR_INVALID, "a workflow must be an object, got %s",
                       json_type_name(&root));
    wf_str given_id = json_str(JSON_GET(&root, "id")),
           given_name = json_str(JSON_GET(&root, "name"));
    const struct json *is_active = JSON_GET(&root, "active");
    if (!given_id.len && !given_name.len)
        return err_set(err, ERR_INVALID, "the workflow has neither id nor name");
    wf_str of_id = given_id.len ? given_id : given_name,
           of_name = given_name.len ? given_name : given_id;
    *id = arena_str(a, of_id.ptr, of_id.len);
    *name = arena_str(a, of_name.ptr, of_name.len);
    *active = is_active && is_active->type == JSON_TRUE;
    return 0;
}
