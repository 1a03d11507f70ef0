/* SPDX-License-Identifier: Apache-2.0
 * tree.h - JSON of a rules file as a tree that knows its lines, and the pool it lives in.
 *
 * Items of the engine are read with the engine's values; a rules file is read on a thread of its
 * own, where there is no item, and whoever wrote it wants to know the line. Thread: any.
 */
#ifndef FIREWALL_TREE_H
#define FIREWALL_TREE_H
#include <stddef.h>
#include <stdint.h>

/* Memory that goes all at once. */
struct pool;
struct pool *pool_create(void);
void pool_free(struct pool *p);                 /* NULL is fine */
void *pool_alloc(struct pool *p, size_t bytes); /* cleared */
char *pool_copy(struct pool *p, const char *text, size_t len);
size_t pool_bytes(const struct pool *p);

enum tree_type { TREE_NULL = 1, TREE_BOOL, TREE_NUMBER, TREE_STRING, TREE_ARRAY, TREE_OBJECT };

struct tree {
    enum tree_type type;
    unsigned line;
    const char *key;  /* in an object, NUL-ended; else NULL */
    const char *text; /* a string's bytes, NUL-ended */
    size_t len;       /* of text; elements of an array, members of an object */
    double number;
    int truth;
    struct tree *first, *next; /* elements or members, in order */
};

/* NULL with why, "line 12: ..". Depth and size are limited. */
struct tree *tree_parse(struct pool *p, const char *text, size_t len, char *why, size_t why_size);
const struct tree *tree_get(const struct tree *object, const char *key); /* or NULL */

#endif
