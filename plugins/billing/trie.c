/* SPDX-License-Identifier: Apache-2.0
 * The prefix trie of trie.h. Building visits the sorted keys breadth first, so that siblings stand
 * side by side. Thread: any; a built trie never changes.
 */
#include "trie.h"
#include <stdlib.h>
#include <string.h>

/* Nodes still to be filled: the keys [from, to) share the first `depth` digits. */
struct trie_range {
    uint32_t from, to;
};

static void *trie_memory(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes ? bytes : 1);
    if (!memory)
        abort();
    return memory;
}

static uint32_t trie_room(struct trie *t, struct trie_range **ranges, uint32_t *size)
{
    if (t->n == *size) {
        *size *= 2;
        t->nodes = trie_memory(t->nodes, *size * sizeof *t->nodes);
        *ranges = trie_memory(*ranges, *size * sizeof **ranges);
    }
    (*ranges)[t->n] = (struct trie_range){ 0, 0 };
    return t->n++;
}

/* Node i gets its value and its children. */
static void trie_fill(struct trie *t, const struct trie_key *keys, uint32_t i,
                      struct trie_range **ranges, uint32_t *size)
{
    struct trie_range r = (*ranges)[i];
    uint16_t depth = t->nodes[i].depth;
    /* every node gets its range where it is made, which the analyser does not see
     * NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    while (r.from < r.to && keys[r.from].len == depth)
        t->nodes[i].value = keys[r.from++].value;
    t->nodes[i].kids = t->n;
    while (r.from < r.to) {
        char digit = keys[r.from].digits[depth];
        uint32_t end = r.from;
        while (end < r.to && keys[end].digits[depth] == digit)
            end++;
        uint32_t kid = trie_room(t, ranges, size);
        t->nodes[kid] = (struct trie_node){ .value = -1, .depth = (uint16_t)(depth + 1) };
        (*ranges)[kid] = (struct trie_range){ r.from, end };
        t->nodes[i].has |= (uint16_t)(1u << (digit - '0'));
        r.from = end;
    }
}

/* The child of a node for a digit; 0: none. The root is nobody's child. */
static uint32_t trie_kid(const struct trie_node *node, unsigned digit)
{
    if (!(node->has >> digit & 1u))
        return 0;
    return node->kids + (uint32_t)__builtin_popcount(node->has & ((1u << digit) - 1u));
}

static void trie_fill_jump(struct trie *t)
{
    for (unsigned i = 0; i < 1000; i++) {
        const unsigned digits[] = { i / 100, i / 10 % 10, i % 10 };
        uint32_t at = 0;
        int32_t best = t->nodes[0].value;
        for (unsigned k = 0; k < 3; k++) {
            at = trie_kid(&t->nodes[at], digits[k]);
            if (!at)
                break;
            if (t->nodes[at].value >= 0)
                best = t->nodes[at].value;
        }
        t->jump[i] = (struct trie_jump){ at, best };
    }
}

void trie_build(struct trie *t, const struct trie_key *keys, uint32_t n)
{
    uint32_t size = 1024;
    struct trie_range *ranges = trie_memory(NULL, size * sizeof *ranges);
    *t = (struct trie){ .nodes = trie_memory(NULL, size * sizeof *t->nodes), .n = 1 };
    t->nodes[0] = (struct trie_node){ .value = -1 };
    ranges[0] = (struct trie_range){ 0, n };
    for (uint32_t i = 0; i < t->n; i++)
        trie_fill(t, keys, i, &ranges, &size);
    free(ranges);
    t->nodes = trie_memory(t->nodes, t->n * sizeof *t->nodes);
    trie_fill_jump(t);
}

void trie_free(struct trie *t)
{
    free(t->nodes);
    *t = (struct trie){ 0 };
}

int32_t trie_find(const struct trie *t, const char *digits, size_t len)
{
    uint32_t at = 0;
    size_t i = 0;
    int32_t best = t->nodes[0].value;
    if (len >= 3) {
        const struct trie_jump *j =
            &t->jump[(digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0')];
        if (!j->node)
            return j->value;
        at = j->node;
        best = j->value;
        i = 3;
    }
    for (; i < len; i++) {
        at = trie_kid(&t->nodes[at], (unsigned)(digits[i] - '0'));
        if (!at)
            return best;
        if (t->nodes[at].value >= 0)
            best = t->nodes[at].value;
    }
    return best;
}
