/* SPDX-License-Identifier: Apache-2.0
 * service "memory/1": what a segment node keeps from one run to the next in one execution: a value
 * and lists of items, in the engine's hands, so that they are saved and come back with it.
 *
 * A run changes `now`; `before` is what the latest complete run left. A try that fails, and a run
 * that is saved half way and begins again, find `before`. Lists only grow in place, so a list of
 * `before` needs no copy: it is the same array with the length it had.
 */
#include "engine/engine_int.h"
#include <string.h>

static struct kept *find(struct exec *e, uint32_t node)
{
    struct kept *k = e->kept;
    while (k && k->node != node)
        k = k->next;
    return k;
}

struct kept *memory_of(struct exec *e, uint32_t node)
{
    struct kept *k = find(e, node);
    if (k)
        return k;
    k = ARENA_NEW(&e->arena, struct kept);
    k->node = node;
    k->next = e->kept;
    e->kept = k;
    return k;
}

void memory_add(struct exec *e, struct kept_list *l, struct wf_item *const *items, uint32_t n)
{
    if (l->vec.n + n > l->size) {
        l->size = l->size * 2 > l->vec.n + n ? l->size * 2 : l->vec.n + n;
        struct wf_item **larger = arena_alloc(&e->arena, l->size * sizeof *larger);
        if (l->vec.n)
            memcpy(larger, l->vec.items, l->vec.n * sizeof *larger);
        l->vec.items = larger;
    }
    if (n)
        memcpy(l->vec.items + l->vec.n, items, n * sizeof *items);
    l->vec.n += n;
}

void memory_run_ended(struct exec *e, uint32_t node)
{
    struct kept *k = find(e, node);
    if (k)
        k->before = k->now;
}

void memory_take_back(struct exec *e, uint32_t node)
{
    struct kept *k = find(e, node);
    if (k)
        k->now = k->before;
}

const struct kept_state *memory_to_save(const struct exec *e, const struct kept *k)
{
    bool under_way = e->seg.inst && e->seg.inst->node->index == k->node;
    return under_way ? &k->before : &k->now;
}

/* --- the service ------------------------------------------------------------------------------ */

static struct kept *of(const wf_segment *seg)
{
    return memory_of(seg->first->e, seg->inst->node->index);
}

static struct kept_list *list_of(const wf_segment *seg, unsigned list)
{
    return list < WF_MEMORY_LISTS ? &of(seg)->now.lists[list] : NULL;
}

static const wf_value *service_get(wf_segment *seg) { return value_of_json(of(seg)->now.value); }

static void service_set(wf_segment *seg, const wf_value *v)
{
    of(seg)->now.value = json_of_value(v);
}

static wf_item *const *service_items(wf_segment *seg, unsigned list, size_t *n)
{
    const struct kept_list *l = list_of(seg, list);
    *n = l ? l->vec.n : 0;
    return l ? l->vec.items : NULL;
}

static void service_add(wf_segment *seg, unsigned list, wf_item *const *items, size_t n)
{
    struct kept_list *l = list_of(seg, list);
    if (l)
        memory_add(seg->first->e, l, items, (uint32_t)n);
}

static void service_clear(wf_segment *seg, unsigned list)
{
    struct kept_list *l = list_of(seg, list);
    if (l)
        *l = (struct kept_list){ 0 };
}

const wf_memory memory_service = { sizeof memory_service, service_get, service_set,
                                   service_items,         service_add, service_clear };
