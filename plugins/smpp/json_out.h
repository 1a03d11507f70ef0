/* SPDX-License-Identifier: Apache-2.0
 * JSON of events, written into one buffer that is used again and again.
 *
 * Thread: the owner's. Memory: the buffer grows as far as the largest batch and is kept.
 */
#ifndef PLUGIN_SMPP_JSON_OUT_H
#define PLUGIN_SMPP_JSON_OUT_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "pdu.h"

struct json_out {
    char *to;
    size_t len, size;
    int has_members;
};

void json_out_fini(struct json_out *j);
/* An object from here on; returns where it begins. */
size_t json_out_begin(struct json_out *j);
void json_out_end(struct json_out *j);
/* Members. Keys are ours and need no escapes. `text` is UTF-8. */
void json_out_text(struct json_out *j, const char *key, const char *text, size_t len);
void json_out_word(struct json_out *j, const char *key, const char *text);
/* Octets that may be anything: those beyond ASCII are taken as Latin-1. */
void json_out_octets(struct json_out *j, const char *key, struct smpp_str s);
void json_out_hex(struct json_out *j, const char *key, const uint8_t *octets, size_t len);
/* Hexadecimal to octets, half as many; -1: it is none. */
ssize_t json_hex_read(const char *text, size_t len, uint8_t *to);
void json_out_int(struct json_out *j, const char *key, int64_t n);
void json_out_bool(struct json_out *j, const char *key, int is_true);
/* What a message may carry beside its text: service_type, ussd_service_op, its_session_info and
 * user_message_reference (as `reference`), under these names. */
void json_out_extras(struct json_out *j, const struct smpp_pdu *pdu, uint16_t op_tag,
                     uint16_t session_tag);
/* Room for `len` bytes at the end; to be added to j->len by the caller. */
char *json_out_room(struct json_out *j, size_t len);

#endif
