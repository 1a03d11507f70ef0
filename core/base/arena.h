/* SPDX-License-Identifier: Apache-2.0
 * arena: memory that lives and dies together.
 *
 * Four lifetimes use it: process, plan, execution and turn. A function that allocates takes the
 * arena as its first parameter; nothing is freed one by one. Running out of memory aborts: state is
 * in the journal, a restart is an everyday event, and everything outsiders send is capped where it
 * enters.
 *
 * Thread: an arena belongs to one thread at a time. Alignment: 16 bytes.
 */
#ifndef CATALYST_ARENA_H
#define CATALYST_ARENA_H
#include <stddef.h>
#include <stdint.h>
#include <catalyst/plugin.h>

/* A chunk is malloc'ed memory with this header; the first may lie inside another object. */
struct arena_chunk {
    struct arena_chunk *next; /* older chunk */
    size_t bytes;             /* usable bytes behind the header */
};

/* Something that must be released with the arena: a refcounted payload, a blob. */
struct arena_link {
    struct arena_link *next;
    void (*release)(void *object);
    void *object;
};

struct arena {
    char *at, *end;             /* the free part of the newest chunk */
    struct arena_chunk *chunks; /* malloc'ed chunks, newest first */
    struct arena_link *links;   /* released on clear */
    size_t total_bytes;         /* malloc'ed so far; for limits and metrics */
    char *first;                /* caller's first buffer, NULL if none */
    size_t first_bytes;
};

/* Starts an arena in `first` (may be NULL); no memory is allocated before it is needed. */
void arena_init(struct arena *a, void *first, size_t first_bytes);
/* Releases all links and chunks and starts again in the first buffer. */
void arena_clear(struct arena *a);
/* As arena_clear; the arena may not be used again. */
void arena_fini(struct arena *a);
/* The slow path of arena_alloc: opens a new chunk. */
void *arena_grow(struct arena *a, size_t bytes);

/* Returns `bytes` of memory that is not cleared, aligned to 16; never NULL. */
static inline void *arena_alloc(struct arena *a, size_t bytes)
{
    size_t need = (bytes + 15) & ~(size_t)15;
    /* Nothing wraps round to the most and takes the slow path, which has an answer to it. */
    if (__builtin_expect(need - 1 < (size_t)(a->end - a->at), 1)) {
        void *p = a->at;
        a->at += need;
        return p;
    }
    return arena_grow(a, need);
}

/* As arena_alloc, cleared. */
void *arena_zalloc(struct arena *a, size_t bytes);
/* Copies `len` bytes and ends them with a NUL that `len` does not count. */
wf_str arena_str(struct arena *a, const char *ptr, size_t len);
/* Copies a NUL-ended string. */
char *arena_strdup(struct arena *a, const char *text);
/* printf into the arena. */
wf_str arena_printf(struct arena *a, const char *format, ...) WF_PRINTF(2, 3);
/* Calls release(object) when the arena clears, newest first. */
void arena_link(struct arena *a, void (*release)(void *object), void *object);

#define ARENA_NEW(a, type)      ((type *)arena_zalloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (size_t)(n)))
#endif
