/* SPDX-License-Identifier: Apache-2.0
 * Longest prefix of a number: a 10-way trie over digits with one small node per digit, children
 * side by side and found by a bit map, behind a table of the first three digits. Built once from
 * sorted prefixes, then read-only and shared by all workers.
 *
 * A node is 12 bytes, so 300,000 prefixes take a few megabytes and a look-up touches about as many
 * cache lines as the number has digits behind the third that still branch.
 */
#ifndef PLUGIN_BILLING_TRIE_H
#define PLUGIN_BILLING_TRIE_H
#include <stddef.h>
#include <stdint.h>

struct trie_node {
    uint32_t kids;  /* index of the first child; the others follow it */
    int32_t value;  /* of the prefix that ends here; -1: none does */
    uint16_t has;   /* bit d: there is a child for digit d */
    uint16_t depth; /* digits up to here */
};
struct trie {
    struct trie_node *nodes;
    uint32_t n;
    struct trie_jump {
        uint32_t node; /* of these three digits; 0: none */
        int32_t value; /* the best of shorter prefixes and of these digits */
    } jump[1000];
};
struct trie_key {
    const char *digits; /* 0 to 15 of them, without NUL */
    uint32_t len;
    int32_t value; /* 0 or more */
};

/* Keys in order of memcmp, shorter first, each once. The trie is freed with trie_free. */
void trie_build(struct trie *t, const struct trie_key *keys, uint32_t n);
void trie_free(struct trie *t);
/* The value of the longest key that `digits` begins with; -1: there is none. */
int32_t trie_find(const struct trie *t, const char *digits, size_t len);
#endif
