/* SPDX-License-Identifier: Apache-2.0
 * Digests and HMAC of bytes: MD5, SHA-1, SHA-2 and SHA-3.
 *
 * MD5 and SHA-1 are here for partners who sign with them; for anything new take SHA-256 and up.
 * Thread: any. Nothing allocates.
 */
#ifndef PLUGIN_CRYPTO_DIGEST_H
#define PLUGIN_CRYPTO_DIGEST_H
#include <stddef.h>
#include <stdint.h>

/* As in the table of crypto.c. */
enum digest_type { MD5, SHA1, SHA256, SHA384, SHA512, SHA3_256, SHA3_384, SHA3_512 };
enum { DIGEST_MAX = 64, DIGEST_BLOCK_MAX = 144 };

struct digest {
    enum digest_type type;
    uint64_t bytes;     /* taken in so far */
    size_t fill;        /* bytes waiting in `block` */
    uint64_t state[25]; /* the 32-bit ones use the lower half of each word */
    uint8_t block[DIGEST_BLOCK_MAX];
};

size_t digest_size(enum digest_type type);
void digest_start(struct digest *d, enum digest_type type);
void digest_add(struct digest *d, const void *bytes, size_t len);
/* Writes digest_size() bytes. */
void digest_end(struct digest *d, uint8_t *out);
void digest_hmac(enum digest_type type, const void *key, size_t key_len, const void *bytes,
                 size_t len, uint8_t *out);

/* One block of each family: words of 32 bits, of 64 bits, and Keccak's permutation. */
void digest_md5_block(uint64_t *state, const uint8_t *block);
void digest_sha1_block(uint64_t *state, const uint8_t *block);
void digest_sha256_block(uint64_t *state, const uint8_t *block);
void digest_sha512_block(uint64_t *state, const uint8_t *block);
void digest_keccak(uint64_t *state);

#endif
