/* SPDX-License-Identifier: Apache-2.0
 * CRC-32C (Castagnoli), which tells a torn block or a flipped byte. Processors of the last fifteen
 * years have an instruction for it, 8 bytes a step; the rest go by tables, 8 bytes a round. Thread:
 * any.
 */
#include "store/pack_int.h"
#include <endian.h>
#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */
enum { SLICES = 8 };

static uint32_t tables[SLICES][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
        tables[0][i] = crc;
    }
    for (int slice = 1; slice < SLICES; slice++)
        for (uint32_t i = 0; i < 256; i++)
            tables[slice][i] = (tables[slice - 1][i] >> 8) ^ tables[0][tables[slice - 1][i] & 0xff];
}

uint32_t crc32c_plain(uint32_t crc, const void *bytes, size_t len)
{
    pthread_once(&tables_once, make_tables);
    const unsigned char *p = bytes;
    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        word = le64toh(word) ^ crc;
        crc = 0;
        for (int i = 0; i < SLICES; i++)
            crc ^= tables[SLICES - 1 - i][(word >> (8 * i)) & 0xff];
    }
    for (; len; len--, p++)
        crc = (crc >> 8) ^ tables[0][(crc ^ *p) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *bytes,
                                                               size_t len)
{
    const unsigned char *p = bytes;
    uint64_t wide = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    uint32_t narrow = (uint32_t)wide;
    for (; len; len--, p++)
        narrow = _mm_crc32_u8(narrow, *p);
    return ~narrow;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t len)
{
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(crc, bytes, len);
    return crc32c_plain(crc, bytes, len);
}
#else
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return crc32c_plain(crc, bytes, len);
}
#endif
