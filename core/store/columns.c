/* SPDX-License-Identifier: Apache-2.0
 * Blocks to their kept form and back. Columns are fixed-width little-endian integers, and those
 * that say nothing are left out: most turns take neighbouring positions, one version, and end well.
 * Thread: any; nothing blocks.
 */
#include "store/columns_int.h"
#include <endian.h>
#include <string.h>

/* --- keeping ---------------------------------------------------------------------------------- */

#if __BYTE_ORDER == __LITTLE_ENDIAN
static wf_str column_u64(struct arena *a, const uint64_t *from, uint32_t n)
{
    (void)a;
    return (wf_str){ (const char *)from, (size_t)n * 8 };
}

static wf_str column_u32(struct arena *a, const uint32_t *from, uint32_t n)
{
    (void)a;
    return (wf_str){ (const char *)from, (size_t)n * 4 };
}
#else
static wf_str column_u64(struct arena *a, const uint64_t *from, uint32_t n)
{
    uint64_t *to = arena_alloc(a, (size_t)n * 8);
    for (uint32_t i = 0; i < n; i++)
        to[i] = htole64(from[i]);
    return (wf_str){ (const char *)to, (size_t)n * 8 };
}

static wf_str column_u32(struct arena *a, const uint32_t *from, uint32_t n)
{
    uint32_t *to = arena_alloc(a, (size_t)n * 4);
    for (uint32_t i = 0; i < n; i++)
        to[i] = htole32(from[i]);
    return (wf_str){ (const char *)to, (size_t)n * 4 };
}
#endif

static void keep_positions(struct arena *a, const struct store_block *b, struct kept_block *out)
{
    uint64_t min = b->n ? b->positions[0] : 0, max = min;
    bool in_a_row = true;
    for (uint32_t i = 1; i < b->n; i++) {
        uint64_t position = b->positions[i];
        in_a_row &= position == b->positions[0] + i;
        min = position < min ? position : min;
        max = position > max ? position : max;
    }
    out->position_min = min;
    out->position_max = max;
    if (!in_a_row)
        out->positions = column_u64(a, b->positions, b->n);
}

static void keep_versions(struct arena *a, const struct store_block *b, struct kept_block *out)
{
    uint64_t differs = 0;
    out->version = b->n ? b->versions[0] : 0;
    for (uint32_t i = 1; i < b->n; i++)
        differs |= b->versions[i] ^ out->version;
    if (differs)
        out->versions = column_u64(a, b->versions, b->n);
}

static void keep_statuses(const struct store_block *b, struct kept_block *out)
{
    unsigned differs = 0;
    for (uint32_t i = 0; i < b->n; i++)
        differs |= b->statuses[i] ^ (unsigned)STORE_SUCCESS;
    if (differs)
        out->statuses = (wf_str){ (const char *)b->statuses, b->n };
}

static void keep_started(struct arena *a, const struct store_block *b, struct kept_block *out)
{
    int64_t min = b->n ? b->started_us[0] : 0, max = min;
    for (uint32_t i = 1; i < b->n; i++) {
        min = b->started_us[i] < min ? b->started_us[i] : min;
        max = b->started_us[i] > max ? b->started_us[i] : max;
    }
    out->started_us = min;
    bool wide = max - min > UINT32_MAX;
    uint32_t *narrow_to = arena_alloc(a, (size_t)b->n * 8 + 1);
    uint64_t *wide_to = (uint64_t *)narrow_to;
    for (uint32_t i = 0; wide && i < b->n; i++)
        wide_to[i] = htole64((uint64_t)(b->started_us[i] - min));
    for (uint32_t i = 0; !wide && i < b->n; i++)
        narrow_to[i] = htole32((uint32_t)(b->started_us[i] - min));
    out->started = (wf_str){ (const char *)narrow_to, (size_t)b->n * (wide ? 8 : 4) };
}

static uint32_t checksum_str(uint32_t crc, wf_str s)
{
    uint64_t len = s.ptr ? htole64(s.len) : UINT64_MAX;
    crc = crc32c(crc, &len, sizeof len);
    return s.ptr ? crc32c(crc, s.ptr, s.len) : crc;
}

/* Over everything that is kept, lane and number included: a row in the wrong place is noticed too.
 */
static uint32_t checksum(const struct kept_block *k)
{
    const uint64_t numbers[] = { k->source,
                                 k->partition,
                                 k->seq,
                                 k->n,
                                 k->n_outputs,
                                 k->position_min,
                                 k->position_max,
                                 k->version,
                                 (uint64_t)k->started_us,
                                 k->inputs_bytes,
                                 k->outputs_bytes };
    uint32_t crc = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint64_t number = htole64(numbers[i]);
        crc = crc32c(crc, &number, sizeof number);
    }
    crc = checksum_str(crc, k->positions);
    crc = checksum_str(crc, k->versions);
    crc = checksum_str(crc, k->statuses);
    crc = checksum_str(crc, k->durations);
    crc = checksum_str(crc, k->started);
    return checksum_str(crc, k->payload);
}

void keep_block(struct arena *a, struct packer *p, const struct store_block *b, bool save_inputs,
                struct kept_block *out)
{
    wf_str inputs = save_inputs ? b->inputs : (wf_str){ "", 0 };
    BUG_IF(inputs.len > STORE_PAYLOAD_MAX || b->outputs.len > STORE_PAYLOAD_MAX);
    *out = (struct kept_block){ .source = b->source,
                                .partition = b->partition,
                                .seq = b->seq,
                                .n = b->n,
                                .n_outputs = b->n_outputs,
                                .inputs_bytes = (uint32_t)inputs.len,
                                .outputs_bytes = (uint32_t)b->outputs.len };
    keep_positions(a, b, out);
    keep_versions(a, b, out);
    keep_statuses(b, out);
    keep_started(a, b, out);
    out->durations = b->n ? column_u32(a, b->durations_us, b->n) : (wf_str){ "", 0 };
    out->payload = pack(p, inputs, b->outputs);
    out->checksum = checksum(out);
}

/* --- loading ---------------------------------------------------------------------------------- */

static uint64_t read_u64(const char *from)
{
    uint64_t n;
    memcpy(&n, from, 8);
    return le64toh(n);
}

static uint32_t read_u32(const char *from)
{
    uint32_t n;
    memcpy(&n, from, 4);
    return le32toh(n);
}

static bool has_width(wf_str column, uint32_t n, size_t width)
{
    return column.len == (size_t)n * width;
}

static bool columns_fit(const struct kept_block *k)
{
    return (!k->positions.ptr || has_width(k->positions, k->n, 8)) &&
           (!k->versions.ptr || has_width(k->versions, k->n, 8)) &&
           (!k->statuses.ptr || has_width(k->statuses, k->n, 1)) &&
           has_width(k->durations, k->n, 4) &&
           (has_width(k->started, k->n, 4) || has_width(k->started, k->n, 8));
}

static void load_columns(struct arena *a, const struct kept_block *k, struct store_block *out)
{
    uint32_t n = k->n;
    uint64_t *positions = arena_alloc(a, (size_t)n * 8), *versions = arena_alloc(a, (size_t)n * 8);
    uint8_t *statuses = arena_alloc(a, n);
    uint32_t *durations = arena_alloc(a, (size_t)n * 4);
    int64_t *started = arena_alloc(a, (size_t)n * 8);
    bool wide = n && k->started.len == (size_t)n * 8;
    for (uint32_t i = 0; i < n; i++) {
        positions[i] =
            k->positions.ptr ? read_u64(k->positions.ptr + 8 * (size_t)i) : k->position_min + i;
        versions[i] = k->versions.ptr ? read_u64(k->versions.ptr + 8 * (size_t)i) : k->version;
        statuses[i] = k->statuses.ptr ? (uint8_t)k->statuses.ptr[i] : (uint8_t)STORE_SUCCESS;
        durations[i] = read_u32(k->durations.ptr + 4 * (size_t)i);
        uint64_t after = wide ? read_u64(k->started.ptr + 8 * (size_t)i)
                              : read_u32(k->started.ptr + 4 * (size_t)i);
        started[i] = (int64_t)((uint64_t)k->started_us + after);
    }
    out->positions = positions;
    out->versions = versions;
    out->statuses = statuses;
    out->durations_us = durations;
    out->started_us = started;
}

static int broken(const struct kept_block *k, struct err *err)
{
    return err_set(err, ERR_INTERNAL,
                   "store: block %llu of source %u, partition %u does not fit its checksum",
                   (unsigned long long)k->seq, k->source, k->partition);
}

int load_block_columns(struct arena *a, const struct kept_block *k, struct store_block *out,
                       struct err *err)
{
    *out = (struct store_block){ .source = k->source,
                                 .partition = k->partition,
                                 .seq = k->seq,
                                 .n = k->n,
                                 .n_outputs = k->n_outputs };
    if (!columns_fit(k))
        return broken(k, err);
    load_columns(a, k, out);
    return 0;
}

int load_block(struct arena *a, const struct kept_block *k, struct store_block *out,
               struct err *err)
{
    if (k->checksum != checksum(k))
        return broken(k, err);
    if (load_block_columns(a, k, out, err) != 0)
        return -1;
    if (unpack(a, k->payload, k->inputs_bytes, k->outputs_bytes, &out->inputs, &out->outputs) != 0)
        return broken(k, err);
    return 0;
}
