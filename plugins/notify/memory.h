/* SPDX-License-Identifier: Apache-2.0
 * Memory of the routing core: what it knows lives as long as an alert or a group does, not as an
 * item, so it is the heap's. Out of memory ends the process, as everywhere.
 * Thread: any.
 */
#ifndef PLUGIN_NOTIFY_MEMORY_H
#define PLUGIN_NOTIFY_MEMORY_H
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *memory_get(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p)
        abort();
    return p;
}

/* An array of `n` elements that is about to get one more. Its sizes are powers of two. */
static inline void *memory_grow(void *array, size_t n, size_t each)
{
    if (n && (n & (n - 1)))
        return array;
    array = realloc(array, (n ? n * 2 : 1) * each);
    if (!array)
        abort();
    memset((char *)array + n * each, 0, (n ? n : 1) * each);
    return array;
}

static inline char *memory_text(const char *text)
{
    char *copy = strdup(text ? text : "");
    if (!copy)
        abort();
    return copy;
}

__attribute__((format(printf, 1, 2))) static inline char *memory_print(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        abort();
    return text;
}

/* FNV-1a, as Prometheus makes fingerprints. */
static const uint64_t memory_hash_begin = 0xcbf29ce484222325u;
static inline uint64_t memory_hash(uint64_t hash, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    return hash;
}

#endif
