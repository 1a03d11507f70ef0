/* SPDX-License-Identifier: Apache-2.0
 * Events on their way into the engine, and the answers that are owed for them: what came in one
 * read of a socket is accepted in one call, and is answered outside when it is stored.
 *
 *   inbox_begin() .. json_out_..() .. inbox_add(answer) --> inbox_flush() --> accept()
 *   stored(tags) --> inbox_take(tag) gives the answer back, to be sent
 *
 * What the engine does not take stays here until room(). How much that can be is bounded by what
 * sessions let be owed.
 *
 * Thread: the worker's. Memory: grows to the largest batch and is kept.
 */
#ifndef PLUGIN_SMPP_INBOX_H
#define PLUGIN_SMPP_INBOX_H
#include <catalyst/plugin.h>
#include "json_out.h"

/* Who is owed an answer. `at` is a link or a bind, whose life must still be this one. */
struct inbox_answer {
    void *at;
    uint64_t life;
    uint32_t command, sequence;
    char id[40];               /* message id of the answer; "" for none */
    struct inbox_group *group; /* several events, one answer; or NULL */
};

struct inbox_slot {
    struct inbox_answer answer;
    uint32_t generation, next_free; /* index + 1 */
    int is_used;
};

struct inbox_event {
    size_t begin, len; /* in json.to */
    uint64_t tag;
};

struct inbox {
    const wf_triggers *triggers;
    wf_source *source; /* NULL: stopped */
    struct json_out json;
    struct inbox_event *events;
    wf_inbound *inbound;
    size_t n, size, json_begin;
    struct inbox_slot *slots;
    uint32_t n_slots, size_slots, free_slot;
    uint32_t n_owed;
    int is_full; /* the engine said so: room() comes */
};

void inbox_fini(struct inbox *b);
/* An event begins: its members go to the json_out. */
struct json_out *inbox_begin(struct inbox *b);
/* ... and ends. `answer` NULL: nobody waits for it. */
void inbox_add(struct inbox *b, const struct inbox_answer *answer);
/* Gives all that is here to the engine. */
void inbox_flush(struct inbox *b);
/* The answer of a tag, which is gone then. 0, or -1: it is none of ours. */
int inbox_take(struct inbox *b, uint64_t tag, struct inbox_answer *answer);
/* Events that were not accepted are dropped, one by one: 1 and the answer of the last. */
int inbox_drop(struct inbox *b, struct inbox_answer *answer);

/* A UUID of version 7, 36 characters and NUL. */
void inbox_uuid(char to[37], int64_t now_ms);
int64_t inbox_wall_us(void);

#endif
