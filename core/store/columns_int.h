/* SPDX-License-Identifier: Apache-2.0
 * columns_int: the columns of a block as they are kept, one form for all databases.
 */
#ifndef CATALYST_STORE_COLUMNS_INT_H
#define CATALYST_STORE_COLUMNS_INT_H
#include "store/pack_int.h"
#include "store/store.h"

/* A kept block. Byte strings with ptr NULL are not there: they say nothing that the numbers do not.
 */
struct kept_block {
    uint32_t source, partition;
    uint64_t seq;
    uint32_t n, n_outputs;
    uint64_t position_min, position_max;
    uint64_t version;   /* of all, unless `versions` is there */
    int64_t started_us; /* the earliest */
    wf_str positions;   /* 8 bytes each; none: position_min, position_min + 1 ... */
    wf_str versions;    /* 8 bytes each */
    wf_str statuses;    /* 1 byte each; none: all STORE_SUCCESS */
    wf_str durations;   /* 4 bytes each, microseconds */
    wf_str started;     /* 4 or 8 bytes each, microseconds after started_us */
    uint32_t inputs_bytes, outputs_bytes;
    wf_str payload; /* pack() of inputs and outputs */
    uint32_t checksum;
};

/* The kept form. Columns live in the arena or are the block's own arrays, the payload in the
 * packer. */
void keep_block(struct arena *a, struct packer *p, const struct store_block *b, bool save_inputs,
                struct kept_block *out);
/* The block again, in the arena. -1: the content does not fit its checksum. */
int load_block(struct arena *a, const struct kept_block *kept, struct store_block *out,
               struct err *err);
/* As load_block without the payload, which may be missing: nothing is checked but the columns'
 * lengths. */
int load_block_columns(struct arena *a, const struct kept_block *kept, struct store_block *out,
                       struct err *err);
#endif
