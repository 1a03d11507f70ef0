/* SPDX-License-Identifier: Apache-2.0
 * Flattening: what params_bind found becomes what params_solve copies and patches.
 *
 * A config with expressions in the rows of its lists would be copied list by list. Their number is
 * known when they are bound, so config and rows are laid out behind one another once: an item's
 * config is one copy of that image, whose lists are told where it lies, and one run over the slots.
 *
 *     | config | rows of list 1 | rows of a list in row 0 of list 1 | rows of list 2 |
 *
 * Thread: that of the binding; nothing blocks.
 */
#include "plugin/plugin_int.h"

struct flatten {
    char *image;
    struct params_move *lists;
    struct params_slot *slots;
    size_t bytes;
    uint32_t n_lists, n_slots;
};

static size_t rounded(size_t bytes) { return (bytes + 15) & ~(size_t)15; }

/* Lays out the slots of a config or of rows, `bytes` of them at `from`, that are in the image from
 * `base` on. Without an image it only counts. Two lists that may hide one another can share a
 * field: then the last counts, and slots of the other may be behind its end. */
static void flatten(struct flatten *f, const struct params_slot *slots, uint32_t n,
                    const char *from, size_t from_bytes, size_t base)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct params_slot *slot = &slots[i];
        size_t at = base + slot->at;
        if (slot->at >= from_bytes)
            continue;
        if (slot->row->type != WF_LIST) {
            if (f->image) {
                f->slots[f->n_slots] = *slot;
                f->slots[f->n_slots].at = at;
            }
            f->n_slots++;
            continue;
        }
        const wf_list *list = (const wf_list *)(const void *)(from + slot->at);
        size_t rows = f->bytes, bytes = list->n * slot->row->row_size;
        f->bytes += rounded(bytes);
        if (f->image) {
            f->lists[f->n_lists] = (struct params_move){ at, rows };
            memcpy(f->image + rows, list->rows, bytes);
        }
        f->n_lists++;
        flatten(f, slot->slots, slot->n_slots, list->rows, bytes, rows);
    }
}

const struct params_flat *params_flatten(struct arena *a, const struct params *p)
{
    struct flatten count = { .bytes = rounded(p->config_size) }, f = count;
    flatten(&count, p->slots, p->n_slots, p->base, p->config_size, 0);
    f.image = arena_zalloc(a, count.bytes);
    f.lists = ARENA_ARRAY(a, struct params_move, count.n_lists);
    f.slots = ARENA_ARRAY(a, struct params_slot, count.n_slots);
    memcpy(f.image, p->base, p->config_size);
    flatten(&f, p->slots, p->n_slots, p->base, p->config_size, 0);
    struct params_flat *flat = ARENA_NEW(a, struct params_flat);
    *flat = (struct params_flat){ .image = f.image,
                                  .bytes = f.bytes,
                                  .lists = f.lists,
                                  .n_lists = f.n_lists,
                                  .slots = f.slots,
                                  .n_slots = f.n_slots };
    return flat;
}
