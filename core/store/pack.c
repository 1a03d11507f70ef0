/* SPDX-License-Identifier: Apache-2.0
 * Compression of payloads: inputs and outputs of a block become one lz4 block.
 *
 * An output mostly says again what its input said. So the two are woven, a chunk of one and then
 * the same share of the other, near enough for lz4's window of 64 KB to see both: on the standard
 * message that halves the bytes and takes a third less time than two blocks. The weave needs no
 * knowledge of records; both are cut in the same number of chunks.
 *
 *   inputs   |--0--|--1--|--2--|          woven  |--0--|---0---|--1--|---1---|--2--|---2---|
 *   outputs  |---0---|---1---|---2---|
 *
 * lz4 because it costs the least time per byte. Thread: the packer's owner; nothing blocks.
 */
#include "store/pack_int.h"
#include <lz4.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_BYTES = 16384,
    /* lz4's search skips faster: 2% larger and 20% less time than 1 on the standard message. */
    ACCELERATION = 4,
};

/* Copies between the woven form and the two parts. */
static void weave(char *woven, char *inputs, size_t n_inputs, char *outputs, size_t n_outputs,
                  bool forth)
{
    size_t longer = n_inputs > n_outputs ? n_inputs : n_outputs;
    size_t chunks = (longer + CHUNK_BYTES - 1) / CHUNK_BYTES;
    for (size_t k = 0; k < chunks; k++) {
        struct {
            char *bytes;
            size_t total;
        } parts[] = { { inputs, n_inputs }, { outputs, n_outputs } };
        for (int i = 0; i < 2; i++) {
            size_t from = parts[i].total * k / chunks, to = parts[i].total * (k + 1) / chunks;
            if (to == from)
                continue;
            memcpy(forth ? woven : parts[i].bytes + from, forth ? parts[i].bytes + from : woven,
                   to - from);
            woven += to - from;
        }
    }
}

static void make_room(char **buffer, size_t *size, size_t bytes)
{
    if (bytes <= *size)
        return;
    free(*buffer);
    *size = bytes + bytes / 2;
    *buffer = xmalloc(*size);
}

void packer_fini(struct packer *p)
{
    free(p->lz4);
    free(p->woven);
    free(p->packed);
    *p = (struct packer){ 0 };
}

wf_str pack(struct packer *p, wf_str inputs, wf_str outputs)
{
    size_t bytes = inputs.len + outputs.len;
    BUG_IF(bytes > LZ4_MAX_INPUT_SIZE);
    if (!bytes)
        return (wf_str){ "", 0 };
    const char *from = inputs.len ? inputs.ptr : outputs.ptr;
    if (inputs.len && outputs.len) {
        make_room(&p->woven, &p->woven_size, bytes);
        weave(p->woven, (char *)inputs.ptr, inputs.len, (char *)outputs.ptr, outputs.len, true);
        from = p->woven;
    }
    if (!p->lz4)
        p->lz4 = xmalloc((size_t)LZ4_sizeofState());
    make_room(&p->packed, &p->packed_size, (size_t)LZ4_compressBound((int)bytes));
    int packed = LZ4_compress_fast_extState(p->lz4, from, p->packed, (int)bytes,
                                            (int)p->packed_size, ACCELERATION);
    if (packed <= 0 || (size_t)packed >= bytes)
        return (wf_str){ from, bytes };
    return (wf_str){ p->packed, (size_t)packed };
}

int unpack(struct arena *a, wf_str packed, size_t inputs_bytes, size_t outputs_bytes,
           wf_str *inputs, wf_str *outputs)
{
    size_t bytes = inputs_bytes + outputs_bytes;
    if (packed.len > bytes || bytes > LZ4_MAX_INPUT_SIZE)
        return -1;
    const char *woven = packed.ptr;
    if (packed.len < bytes) {
        char *to = arena_alloc(a, bytes);
        if (LZ4_decompress_safe(packed.ptr, to, (int)packed.len, (int)bytes) != (int)bytes)
            return -1;
        woven = to;
    }
    char *in = arena_alloc(a, inputs_bytes + 1), *out = arena_alloc(a, outputs_bytes + 1);
    weave((char *)woven, in, inputs_bytes, out, outputs_bytes, false);
    in[inputs_bytes] = out[outputs_bytes] = 0;
    *inputs = (wf_str){ in, inputs_bytes };
    *outputs = (wf_str){ out, outputs_bytes };
    return 0;
}
