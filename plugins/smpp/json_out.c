/* SPDX-License-Identifier: Apache-2.0
 * JSON of events. Thread: the owner's; nothing blocks.
 */
#include "json_out.h"
#include <stdlib.h>
#include <string.h>

static const char hex[] = "0123456789abcdef";

void json_out_fini(struct json_out *j)
{
    free(j->to);
    *j = (struct json_out){ 0 };
}

char *json_out_room(struct json_out *j, size_t len)
{
    if (j->len + len > j->size) {
        j->size = (j->len + len) * 2;
        j->to = realloc(j->to, j->size);
        if (!j->to)
            abort();
    }
    return j->to + j->len;
}

static void put(struct json_out *j, const char *bytes, size_t len)
{
    memcpy(json_out_room(j, len), bytes, len);
    j->len += len;
}

size_t json_out_begin(struct json_out *j)
{
    size_t at = j->len;
    put(j, "{", 1);
    j->has_members = 0;
    return at;
}

void json_out_end(struct json_out *j) { put(j, "}", 1); }

static void put_key(struct json_out *j, const char *key)
{
    size_t len = strlen(key);
    char *to = json_out_room(j, len + 4);
    *to = ',';
    char *at = to + j->has_members;
    *at++ = '"';
    while (*key)
        *at++ = *key++;
    *at++ = '"';
    *at++ = ':';
    j->len += (size_t)(at - to);
    j->has_members = 1;
}

/* At most 6 bytes for each. */
static void put_string(struct json_out *j, const char *text, size_t len, int is_latin1)
{
    char *begin = json_out_room(j, len * 6 + 2), *to = begin;
    *to++ = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c < 0x20 || c == 0x7f || (is_latin1 && c >= 0x80)) {
            for (const char *p = "\\u00"; *p;)
                *to++ = *p++;
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        } else {
            *to++ = (char)c;
        }
    }
    *to++ = '"';
    j->len += (size_t)(to - begin);
}

void json_out_text(struct json_out *j, const char *key, const char *text, size_t len)
{
    put_key(j, key);
    put_string(j, text, len, 0);
}

void json_out_word(struct json_out *j, const char *key, const char *text)
{
    json_out_text(j, key, text, strlen(text));
}

void json_out_octets(struct json_out *j, const char *key, struct smpp_str s)
{
    put_key(j, key);
    put_string(j, s.len ? s.ptr : "", s.len, 1);
}

void json_out_hex(struct json_out *j, const char *key, const uint8_t *octets, size_t len)
{
    put_key(j, key);
    char *to = json_out_room(j, len * 2 + 2);
    *to++ = '"';
    for (size_t i = 0; i < len; i++) {
        *to++ = hex[octets[i] >> 4];
        *to++ = hex[octets[i] & 15];
    }
    *to = '"';
    j->len += len * 2 + 2;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ssize_t json_hex_read(const char *text, size_t len, uint8_t *to)
{
    for (size_t i = 0; i + 1 < len; i += 2) {
        int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0)
            return -1;
        to[i / 2] = (uint8_t)(high << 4 | low);
    }
    return len % 2 ? -1 : (ssize_t)(len / 2);
}

void json_out_int(struct json_out *j, const char *key, int64_t n)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (n < 0)
        *--at = '-';
    put_key(j, key);
    put(j, at, (size_t)(digits + sizeof digits - at));
}

void json_out_bool(struct json_out *j, const char *key, int is_true)
{
    put_key(j, key);
    put(j, is_true ? "true" : "false", is_true ? 4 : 5);
}

void json_out_extras(struct json_out *j, const struct smpp_pdu *pdu, uint16_t op_tag,
                     uint16_t session_tag)
{
    uint32_t n;
    if (pdu->sm.service_type.len)
        json_out_octets(j, "service_type", pdu->sm.service_type);
    if (!pdu->tlvs.bytes)
        return;
    if (smpp_tlv_number(&pdu->tlvs, op_tag, &n))
        json_out_int(j, "ussd_service_op", n);
    if (smpp_tlv_number(&pdu->tlvs, session_tag, &n))
        json_out_int(j, "its_session_info", n);
    if (smpp_tlv_number(&pdu->tlvs, SMPP_TAG_USER_MESSAGE_REFERENCE, &n))
        json_out_int(j, "reference", n);
}
