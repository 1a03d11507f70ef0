#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes word_kinds.h: words the content stages know, in a table without collisions, because each word
of each message is looked up.

    word_kinds.py > ../word_kinds.h

A word's key is its last eight bytes as a number, so words of more than eight need their length too.
"""
import random
import sys

GREETING = """hi hey hello dear mr mrs ms hallo hola liebe lieber congrats sir congratulations bonjour
    attention""".split()
CURRENCY = "usd eur gbp inr ngn rs euro pounds dollars".split()
URGENT = """urgent urgently immediately now today expires expire expired suspended locked blocked limited
    verify confirm claim winner won prize selected awarded final last warning alert update
    unauthorised unauthorized fee""".split()
SLOTS_BITS = 8


def key(word):
    return int.from_bytes(word.encode()[-8:], "big")


def slot(word, factor):
    return (((key(word) + len(word)) * factor) & (2**64 - 1)) >> (64 - SLOTS_BITS)


def main():
    if len(sys.argv) > 1:
        print(__doc__)
        return
    kinds = {}
    for bit, words in ((1, GREETING), (2, CURRENCY), (4, URGENT)):
        for word in words:
            kinds[word] = kinds.get(word, 0) | bit
    random.seed(1)
    while True:
        factor = random.getrandbits(64) | 1
        if len({slot(word, factor) for word in kinds}) == len(kinds):
            break
    print(f"""/* SPDX-License-Identifier: Apache-2.0
 * word_kinds.h - words the content stages know. Made by train/word_kinds.py; change that, not this.
 * A word's key is its last eight bytes as a number.
 */
#ifndef FIREWALL_WORD_KINDS_H
#define FIREWALL_WORD_KINDS_H
#include <stdint.h>

enum {{
    WORD_GREETS = 1, /* before a name */
    WORD_MONEY = 2,  /* a currency */
    WORD_URGES = 4   /* presses to act */
}};

struct word_kind {{
    uint64_t key;
    uint8_t len, kind;
}};

static const struct word_kind word_kinds[{1 << SLOTS_BITS}] = {{""")
    for word in sorted(kinds, key=lambda w: slot(w, factor)):
        print(f"    [{slot(word, factor)}] = {{ 0x{key(word):x}, {len(word)}, {kinds[word]} }},"
              f" /* {word} */")
    print(f"""}};

static inline unsigned word_kind(uint64_t key, uint64_t len)
{{
    const struct word_kind *w = &word_kinds[((key + len) * 0x{factor:x}u) >> {64 - SLOTS_BITS}];
    return w->key == key && w->len == len ? w->kind : 0;
}}

#endif""")


if __name__ == "__main__":
    main()
