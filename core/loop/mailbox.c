/* SPDX-License-Identifier: Apache-2.0
 * A loop's mailbox: many threads post, the loop's thread takes.
 *
 * Posting pushes onto a stack by compare-and-swap; taking swaps the whole stack out and turns it
 * around, so both sides are lock-free, a batch costs one atomic operation and the order of each
 * poster is kept.
 *
 * Waking: uv_async_send is a system call, so it is made only when the loop waits. The loop sets
 * `sleeps` and then looks at its mail once more; a poster pushes and then looks at `sleeps`. Both
 * are sequentially consistent, so at least one of them sees the other. The poster that clears
 * `sleeps` wakes; the rest of a burst finds it cleared.
 */
#include "loop/loop_int.h"

/* In place of the newest mail: the mailbox takes no more. Never dereferenced. */
static struct mail shut_mark;

int loop_post(struct loop *l, struct mail *m)
{
    struct mail *newest = atomic_load_explicit(&l->mail, memory_order_relaxed);
    do {
        if (newest == &shut_mark)
            return -1;
        m->next = newest;
    } while (!atomic_compare_exchange_weak(&l->mail, &newest, m));
    if (atomic_load(&l->sleeps) && atomic_exchange(&l->sleeps, false))
        uv_async_send(&l->async);
    return 0;
}

static void deliver(struct mail *newest)
{
    struct mail *oldest = NULL;
    while (newest) {
        struct mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct mail *m = oldest;
        oldest = m->next;
        m->next = NULL;
        m->fn(m);
    }
}

void mailbox_deliver(struct loop *l)
{
    struct mail *newest = atomic_load_explicit(&l->mail, memory_order_relaxed);
    if (newest && newest != &shut_mark)
        deliver(atomic_exchange(&l->mail, NULL));
}

bool mailbox_before_wait(struct loop *l)
{
    atomic_store(&l->sleeps, true);
    struct mail *newest = atomic_load(&l->mail);
    if (!newest || newest == &shut_mark)
        return false;
    atomic_store(&l->sleeps, false);
    return true;
}

void mailbox_after_wait(struct loop *l)
{
    atomic_store_explicit(&l->sleeps, false, memory_order_relaxed);
}

void loop_shut(struct loop *l)
{
    struct mail *newest = atomic_exchange(&l->mail, &shut_mark);
    if (newest != &shut_mark)
        deliver(newest);
}
