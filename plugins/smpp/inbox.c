/* SPDX-License-Identifier: Apache-2.0
 * Events on their way into the engine. Thread: the worker's; nothing blocks.
 */
#include "inbox.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

void inbox_fini(struct inbox *b)
{
    json_out_fini(&b->json);
    free(b->events);
    free(b->inbound);
    free(b->slots);
    *b = (struct inbox){ 0 };
}

struct json_out *inbox_begin(struct inbox *b)
{
    b->json_begin = json_out_begin(&b->json);
    return &b->json;
}

static void *larger(void *old, size_t n, size_t size)
{
    void *p = realloc(old, n * size);
    if (!p)
        abort();
    return p;
}

static uint64_t keep(struct inbox *b, const struct inbox_answer *answer)
{
    uint32_t index = b->free_slot;
    if (index) {
        b->free_slot = b->slots[index - 1].next_free;
    } else {
        if (b->n_slots == b->size_slots) {
            b->size_slots = b->size_slots ? b->size_slots * 2 : 64;
            b->slots = larger(b->slots, b->size_slots, sizeof *b->slots);
        }
        index = ++b->n_slots;
        b->slots[index - 1].generation = 0;
    }
    struct inbox_slot *slot = &b->slots[index - 1];
    slot->answer = *answer;
    slot->generation++;
    slot->is_used = 1;
    b->n_owed++;
    return (uint64_t)slot->generation << 32 | index;
}

int inbox_take(struct inbox *b, uint64_t tag, struct inbox_answer *answer)
{
    uint32_t index = (uint32_t)tag;
    if (!index || index > b->n_slots)
        return -1;
    struct inbox_slot *slot = &b->slots[index - 1];
    if (!slot->is_used || slot->generation != tag >> 32)
        return -1;
    *answer = slot->answer;
    slot->is_used = 0;
    slot->next_free = b->free_slot;
    b->free_slot = index;
    b->n_owed--;
    return 0;
}

void inbox_add(struct inbox *b, const struct inbox_answer *answer)
{
    json_out_end(&b->json);
    if (b->n == b->size) {
        b->size = b->size ? b->size * 2 : 64;
        b->events = larger(b->events, b->size, sizeof *b->events);
        b->inbound = larger(b->inbound, b->size, sizeof *b->inbound);
    }
    b->events[b->n++] = (struct inbox_event){ .begin = b->json_begin,
                                              .len = b->json.len - b->json_begin,
                                              .tag = answer ? keep(b, answer) : 0 };
}

/* The first k are gone: the others move down. */
static void forget(struct inbox *b, size_t k)
{
    size_t from = k < b->n ? b->events[k].begin : b->json.len;
    b->n -= k;
    memmove(b->events, b->events + k, b->n * sizeof *b->events);
    b->json.len -= from;
    memmove(b->json.to, b->json.to + from, b->json.len);
    for (size_t i = 0; i < b->n; i++)
        b->events[i].begin -= from;
}

void inbox_flush(struct inbox *b)
{
    if (!b->n || !b->source || b->is_full)
        return;
    for (size_t i = 0; i < b->n; i++)
        b->inbound[i] = (wf_inbound){ .json = { b->json.to + b->events[i].begin, b->events[i].len },
                                      .tag = b->events[i].tag };
    size_t taken = b->triggers->accept(b->source, b->inbound, b->n);
    b->is_full = taken < b->n;
    forget(b, taken);
}

int inbox_drop(struct inbox *b, struct inbox_answer *answer)
{
    while (b->n) {
        uint64_t tag = b->events[--b->n].tag;
        if (tag && inbox_take(b, tag, answer) == 0)
            return 1;
    }
    b->json.len = 0;
    return 0;
}

/* --- ids -------------------------------------------------------------------------------------- */

int64_t inbox_wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Random octets in stock: a system call for every 64 ids. */
static void draw(uint8_t to[10])
{
    static _Thread_local uint8_t stock[640];
    static _Thread_local size_t left;
    if (left < 10) {
        if (getrandom(stock, sizeof stock, 0) != (ssize_t)sizeof stock)
            abort();
        left = sizeof stock;
    }
    left -= 10;
    memcpy(to, stock + left, 10);
}

void inbox_uuid(char to[37], int64_t now_ms)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t id[16];
    draw(id + 6);
    for (int i = 0; i < 6; i++)
        id[i] = (uint8_t)(now_ms >> (40 - i * 8));
    id[6] = (uint8_t)(0x70 | (id[6] & 0x0f));
    id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
    char *at = to;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = hex[id[i] >> 4];
        *at++ = hex[id[i] & 15];
    }
    *at = 0;
}
