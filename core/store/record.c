/* SPDX-License-Identifier: Apache-2.0
 * Records: execution ids, status names, output messages and their headers as bytes.
 *
 * Outputs of a block are written once into its buffer when a turn ends, and read back by senders
 * after the commit, by recovery and by `show`. So the form is made for appending and for reading in
 * place:
 *
 *   u32 length of what follows
 *   u32 exec, u32 index, i32 partition
 *   u32 lengths of channel, connection, topic, key, body, headers   (UINT32_MAX: ptr is NULL)
 *   the bytes in that order
 *
 * Little-endian, so that a store written on one machine is read on any other. Thread: any.
 */
#include "store/store.h"
#include <endian.h>
#include <string.h>

enum { OUTPUT_SLICES = 6, OUTPUT_HEAD_BYTES = (4 + OUTPUT_SLICES) * 4 };

/* --- ids and names ---------------------------------------------------------------------------- */

static char *add_number(char *to, uint64_t n)
{
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    while (count)
        *to++ = digits[--count];
    return to;
}

void exec_id_text(struct exec_id id, char text[EXEC_ID_TEXT])
{
    char *to = add_number(text, id.source);
    *to++ = '-';
    to = add_number(to, id.partition);
    *to++ = '-';
    to = add_number(to, id.position);
    *to = 0;
}

/* Digits without a leading zero, so that each id has one text. NULL when there is none or it is too
 * big. */
static const char *parse_number(const char *text, uint64_t max, uint64_t *out)
{
    const char *at = text;
    uint64_t n = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (n > (max - digit) / 10)
            return NULL;
        n = n * 10 + digit;
    }
    if (at == text || (*text == '0' && at - text > 1))
        return NULL;
    *out = n;
    return at;
}

bool exec_id_parse(const char *text, struct exec_id *id)
{
    uint64_t source, partition, position;
    if (!text || !(text = parse_number(text, UINT32_MAX, &source)) || *text++ != '-')
        return false;
    if (!(text = parse_number(text, UINT32_MAX, &partition)) || *text++ != '-')
        return false;
    if (!(text = parse_number(text, UINT64_MAX, &position)) || *text)
        return false;
    *id = (struct exec_id){ (uint32_t)source, (uint32_t)partition, position };
    return true;
}

const char *store_status_name(enum store_status status)
{
    switch (status) {
#define X(name, text)                                                                              \
    case STORE_##name:                                                                             \
        return text;
        STORE_STATUS_MAP(X)
#undef X
    case STORE_STATUS_NONE:
        break;
    }
    return "none";
}

/* --- outputs ---------------------------------------------------------------------------------- */

static uint32_t slice_length(wf_str s) { return s.ptr ? (uint32_t)s.len : UINT32_MAX; }

static char *put_u32(char *to, uint32_t n)
{
    n = htole32(n);
    memcpy(to, &n, 4);
    return to + 4;
}

static uint32_t get_u32(const char *from)
{
    uint32_t n;
    memcpy(&n, from, 4);
    return le32toh(n);
}

void store_output_add(struct strbuf *b, const struct store_output *out)
{
    const wf_str slices[OUTPUT_SLICES] = { out->channel, out->connection, out->topic,
                                           out->key,     out->body,       out->headers };
    size_t bytes = OUTPUT_HEAD_BYTES;
    for (unsigned i = 0; i < OUTPUT_SLICES; i++)
        bytes += slices[i].ptr ? slices[i].len : 0;
    char *to = strbuf_reserve(b, bytes);
    if (!to)
        return;
    b->len += bytes;
    to = put_u32(to, (uint32_t)(bytes - 4));
    to = put_u32(to, out->exec);
    to = put_u32(to, out->index);
    to = put_u32(to, (uint32_t)out->partition);
    for (unsigned i = 0; i < OUTPUT_SLICES; i++)
        to = put_u32(to, slice_length(slices[i]));
    for (unsigned i = 0; i < OUTPUT_SLICES; i++) {
        if (slices[i].ptr && slices[i].len) {
            memcpy(to, slices[i].ptr, slices[i].len);
            to += slices[i].len;
        }
    }
    *to = 0;
}

int store_output_next(wf_str outputs, size_t *at, struct store_output *out)
{
    if (*at >= outputs.len)
        return 0;
    size_t left = outputs.len - *at;
    const char *head = outputs.ptr + *at;
    if (left < OUTPUT_HEAD_BYTES)
        return -1;
    size_t bytes = (size_t)get_u32(head) + 4;
    if (bytes > left || bytes < OUTPUT_HEAD_BYTES)
        return -1;
    *out = (struct store_output){ .exec = get_u32(head + 4),
                                  .index = get_u32(head + 8),
                                  .partition = (int32_t)get_u32(head + 12) };
    wf_str *slices[OUTPUT_SLICES] = { &out->channel, &out->connection, &out->topic,
                                      &out->key,     &out->body,       &out->headers };
    size_t used = OUTPUT_HEAD_BYTES;
    for (unsigned i = 0; i < OUTPUT_SLICES; i++) {
        uint32_t len = get_u32(head + 16 + 4 * i);
        if (len == UINT32_MAX)
            continue;
        if (len > bytes - used)
            return -1;
        *slices[i] = (wf_str){ head + used, len };
        used += len;
    }
    if (used != bytes)
        return -1;
    *at += bytes;
    return 1;
}

/* --- headers ---------------------------------------------------------------------------------- */

static void add_counted(struct strbuf *b, wf_str s)
{
    char *to = strbuf_reserve(b, 4 + s.len);
    if (!to)
        return;
    to = put_u32(to, (uint32_t)s.len);
    if (s.len)
        memcpy(to, s.ptr, s.len);
    to[s.len] = 0;
    b->len += 4 + s.len;
}

static bool next_counted(wf_str from, size_t *at, wf_str *out)
{
    if (from.len - *at < 4)
        return false;
    uint32_t len = get_u32(from.ptr + *at);
    if (len > from.len - *at - 4)
        return false;
    *out = (wf_str){ from.ptr + *at + 4, len };
    *at += 4 + (size_t)len;
    return true;
}

void store_headers_add(struct strbuf *b, wf_str name, wf_str value)
{
    add_counted(b, name);
    add_counted(b, value);
}

int store_headers_next(wf_str headers, size_t *at, wf_str *name, wf_str *value)
{
    if (*at >= headers.len)
        return 0;
    size_t next = *at;
    if (!next_counted(headers, &next, name) || !next_counted(headers, &next, value))
        return -1;
    *at = next;
    return 1;
}

/* --- inputs ----------------------------------------------------------------------------------- */

void store_input_add(struct strbuf *b, wf_str input)
{
    if (input.ptr) {
        add_counted(b, input);
        return;
    }
    char *to = strbuf_reserve(b, 4);
    if (!to)
        return;
    put_u32(to, UINT32_MAX)[0] = 0;
    b->len += 4;
}

int store_input_next(wf_str inputs, size_t *at, wf_str *input)
{
    if (*at >= inputs.len)
        return 0;
    if (inputs.len - *at >= 4 && get_u32(inputs.ptr + *at) == UINT32_MAX) {
        *input = (wf_str){ 0 };
        *at += 4;
        return 1;
    }
    return next_counted(inputs, at, input) ? 1 : -1;
}
