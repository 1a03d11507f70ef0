/* SPDX-License-Identifier: Apache-2.0
 * What all digests share: cutting bytes into blocks, padding, reading the state out; and HMAC over
 * them.
 */
#include "digest.h"
#include <string.h>

/* Everything that differs between them but the block function. */
static const struct family {
    uint8_t size, block, words; /* bytes of the result and of a block; words of the state */
    uint8_t word;               /* bytes of a word; 0: a sponge */
    uint8_t little;             /* the lowest byte comes first */
    void (*compress)(uint64_t *state, const uint8_t *block);
    uint64_t start[8];
} families[] = {
    [MD5] = { 16,
              64,
              4,
              4,
              1,
              digest_md5_block,
              { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 } },
    [SHA1] = { 20,
               64,
               5,
               4,
               0,
               digest_sha1_block,
               { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 } },
    [SHA256] = { 32,
                 64,
                 8,
                 4,
                 0,
                 digest_sha256_block,
                 { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                   0x1f83d9ab, 0x5be0cd19 } },
    [SHA384] = { 48,
                 128,
                 8,
                 8,
                 0,
                 digest_sha512_block,
                 { 0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
                   0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7,
                   0x47b5481dbefa4fa4 } },
    [SHA512] = { 64,
                 128,
                 8,
                 8,
                 0,
                 digest_sha512_block,
                 { 0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                   0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b,
                   0x5be0cd19137e2179 } },
    [SHA3_256] = { 32, 136, 25, 0, 1, NULL, { 0 } },
    [SHA3_384] = { 48, 104, 25, 0, 1, NULL, { 0 } },
    [SHA3_512] = { 64, 72, 25, 0, 1, NULL, { 0 } },
};

size_t digest_size(enum digest_type type) { return families[type].size; }

void digest_start(struct digest *d, enum digest_type type)
{
    memset(d, 0, sizeof *d);
    d->type = type;
    memcpy(d->state, families[type].start, sizeof families[type].start);
}

static void take_block(struct digest *d)
{
    const struct family *f = &families[d->type];
    if (f->word) {
        f->compress(d->state, d->block);
        return;
    }
    for (size_t i = 0; i < f->block; i++)
        d->state[i / 8] ^= (uint64_t)d->block[i] << i % 8 * 8;
    digest_keccak(d->state);
}

void digest_add(struct digest *d, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    size_t size = families[d->type].block;
    d->bytes += len;
    while (len) {
        size_t n = size - d->fill < len ? size - d->fill : len;
        memcpy(d->block + d->fill, p, n);
        d->fill += n;
        p += n;
        len -= n;
        if (d->fill == size) {
            take_block(d);
            d->fill = 0;
        }
    }
}

/* A one bit, zeros, and the length in bits at the end of a block. */
static void pad_length(struct digest *d, const struct family *f)
{
    uint64_t bits = d->bytes * 8;
    size_t room = f->word == 8 ? 16u : 8u;
    d->block[d->fill++] = 0x80;
    if (d->fill > f->block - room) {
        memset(d->block + d->fill, 0, f->block - d->fill);
        take_block(d);
        d->fill = 0;
    }
    memset(d->block + d->fill, 0, f->block - d->fill);
    for (size_t i = 0; i < 8; i++)
        d->block[f->little ? f->block - 8u + i : f->block - 1u - i] = (uint8_t)(bits >> 8 * i);
    take_block(d);
}

static void pad_sponge(struct digest *d, const struct family *f)
{
    memset(d->block + d->fill, 0, f->block - d->fill);
    d->block[d->fill] = 0x06;
    d->block[f->block - 1] |= 0x80;
    take_block(d);
}

void digest_end(struct digest *d, uint8_t *out)
{
    const struct family *f = &families[d->type];
    size_t word = f->word ? f->word : 8;
    if (f->word)
        pad_length(d, f);
    else
        pad_sponge(d, f);
    for (size_t i = 0; i < f->size; i++) {
        size_t shift = f->little ? i % word : word - 1 - i % word;
        out[i] = (uint8_t)(d->state[i / word] >> 8 * shift);
    }
}

void digest_hmac(enum digest_type type, const void *key, size_t key_len, const void *bytes,
                 size_t len, uint8_t *out)
{
    uint8_t block[DIGEST_BLOCK_MAX] = { 0 };
    size_t size = families[type].block;
    struct digest d;
    digest_start(&d, type);
    if (key_len > size) {
        digest_add(&d, key, key_len);
        digest_end(&d, block);
        digest_start(&d, type);
    } else if (key_len) {
        memcpy(block, key, key_len);
    }
    for (size_t i = 0; i < size; i++)
        block[i] ^= 0x36;
    digest_add(&d, block, size);
    digest_add(&d, bytes, len);
    digest_end(&d, out);
    for (size_t i = 0; i < size; i++)
        block[i] ^= 0x36 ^ 0x5c;
    digest_start(&d, type);
    digest_add(&d, block, size);
    digest_add(&d, out, families[type].size);
    digest_end(&d, out);
}
