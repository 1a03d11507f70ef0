/* SPDX-License-Identifier: Apache-2.0
 * Bump allocation in chunks that double up to a limit. See arena.h for the lifetimes.
 */
#include "base/arena.h"
#include "base/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_MIN = 4096, CHUNK_MAX = 1 << 20 };

void arena_init(struct arena *a, void *first, size_t first_bytes)
{
    size_t skew = first ? (size_t)(-(uintptr_t)first & 15) : 0;
    a->first = first ? (char *)first + skew : NULL;
    a->first_bytes = first && first_bytes > skew ? first_bytes - skew : 0;
    a->at = a->first;
    a->end = a->first ? a->first + a->first_bytes : NULL;
    a->chunks = NULL;
    a->links = NULL;
    a->total_bytes = 0;
}

void arena_clear(struct arena *a)
{
    while (a->links) {
        struct arena_link *link = a->links;
        a->links = link->next;
        link->release(link->object);
    }
    while (a->chunks) {
        struct arena_chunk *chunk = a->chunks;
        a->chunks = chunk->next;
        free(chunk);
    }
    a->total_bytes = 0;
    a->at = a->first;
    a->end = a->first ? a->first + a->first_bytes : NULL;
}

void arena_fini(struct arena *a)
{
    arena_clear(a);
    arena_init(a, NULL, 0);
}

void *arena_grow(struct arena *a, size_t bytes)
{
    if (!bytes && a->at)
        return a->at;
    size_t size = a->total_bytes < CHUNK_MIN ? CHUNK_MIN : a->total_bytes;
    if (size > CHUNK_MAX)
        size = CHUNK_MAX;
    if (size < bytes + sizeof(struct arena_chunk) + 16)
        size = bytes + sizeof(struct arena_chunk) + 16;
    struct arena_chunk *chunk = malloc(size);
    if (!chunk)
        bug_out_of_memory(size);
    chunk->next = a->chunks;
    chunk->bytes = size - sizeof *chunk;
    a->chunks = chunk;
    a->total_bytes += size;
    char *start = (char *)(chunk + 1);
    /* A large block of its own must not throw away the room left in the current chunk. */
    if (bytes > CHUNK_MAX / 4 && a->at)
        return start;
    a->at = start + bytes;
    a->end = (char *)chunk + size;
    return start;
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
    return memset(arena_alloc(a, bytes), 0, bytes);
}

wf_str arena_str(struct arena *a, const char *ptr, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    if (len)
        memcpy(copy, ptr, len);
    copy[len] = 0;
    return (wf_str){ copy, len };
}

char *arena_strdup(struct arena *a, const char *text)
{
    return (char *)arena_str(a, text, strlen(text)).ptr;
}

wf_str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = arena_alloc(a, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (wf_str){ text, (size_t)len };
}

void arena_link(struct arena *a, void (*release)(void *object), void *object)
{
    struct arena_link *link = arena_alloc(a, sizeof *link);
    *link = (struct arena_link){ a->links, release, object };
    a->links = link;
}
