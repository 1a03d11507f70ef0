/* SPDX-License-Identifier: Apache-2.0
 * pack_int: how payloads of a block are kept: compressed by lz4, under a CRC-32C.
 */
#ifndef CATALYST_STORE_PACK_INT_H
#define CATALYST_STORE_PACK_INT_H
#include "base/arena.h"
#include "base/err.h"
#include <stdint.h>

/* CRC-32C of the bytes, going on from `crc` (0 to begin). */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);
/* The table-driven form, which machines without the instruction use; for tests. */
uint32_t crc32c_plain(uint32_t crc, const void *bytes, size_t len);

/* Buffers that stay from block to block. All zero to begin. */
struct packer {
    void *lz4;   /* compressor's tables */
    char *woven; /* inputs and outputs, chunk by chunk */
    size_t woven_size;
    char *packed;
    size_t packed_size;
};
void packer_fini(struct packer *p);
/* One byte string of both; borrows the packer's memory until the next call. What does not get
 * smaller stays as it is, which its equal length tells. Both together at most 1 GB. */
wf_str pack(struct packer *p, wf_str inputs, wf_str outputs);
/* The bytes again, in the arena; -1 when `packed` does not give exactly that many. */
int unpack(struct arena *a, wf_str packed, size_t inputs_bytes, size_t outputs_bytes,
           wf_str *inputs, wf_str *outputs);
#endif
