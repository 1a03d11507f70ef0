/* SPDX-License-Identifier: Apache-2.0
 * list: the one intrusive doubly linked list. A link is embedded in the object; a list head is a
 * link too. Removing a link that is on no list does nothing, so removal is idempotent.
 */
#ifndef CATALYST_LIST_H
#define CATALYST_LIST_H
#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *prev, *next;
};

static inline void list_init(struct link *head) { head->prev = head->next = head; }

static inline bool list_empty(const struct link *head) { return head->next == head; }

static inline void list_remove(struct link *link)
{
    if (!link->next)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

/* Adds `link`, which must be on no list, at the end. */
static inline void list_append(struct link *head, struct link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Adds `link`, which must be on no list, at the front. */
static inline void list_prepend(struct link *head, struct link *link)
{
    list_append(head->next, link);
}

#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
/* The first object of a list, or NULL. */
#define LIST_FIRST(head, type, member)                                                             \
    (list_empty(head) ? NULL : CONTAINER_OF((head)->next, type, member))
/* Walks a list; the current object may be removed in the body. */
#define LIST_EACH(it, head, type, member)                                                          \
    for (struct link *it##_at = (head)->next, *it##_next = it##_at->next;                          \
         it##_at != (head) && ((it) = CONTAINER_OF(it##_at, type, member), 1);                     \
         it##_at = it##_next, it##_next = it##_at->next)
#endif
