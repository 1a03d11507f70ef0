/* SPDX-License-Identifier: Apache-2.0
 * pdu_print.c - a PDU as one line for people: "submit_sm seq=7 source_addr=ACME ... text=12
 * octets".
 *
 * Fields that are empty or zero are left out. Passwords are never shown; what people write to each
 * other only when the caller asks. Octets that are no printable ASCII are shown as \xNN, so that a
 * peer cannot write lines of its own into a log.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "pdu_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct line {
    char *to;
    size_t used, room; /* room counts the NUL */
};

__attribute__((format(printf, 2, 3))) static void say(struct line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    /* clang-tidy 14 does not see that va_start() was called */
    int n = vsnprintf(l->to + l->used, l->room - l->used, format, /* NOLINT */
                      args);
    va_end(args);
    size_t left = l->room - l->used - 1;
    l->used += n < 0 ? 0 : (size_t)n < left ? (size_t)n : left;
}

static void say_text(struct line *l, const char *text, size_t len)
{
    for (size_t i = 0; i < len && l->used + 1 < l->room; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c > ' ' && c < 0x7f && c != '\\' && c != '"')
            say(l, "%c", c);
        else
            say(l, "\\x%02x", c);
    }
}

static void say_octets(struct line *l, const uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len && l->used + 1 < l->room; i++)
        say(l, "%02x", octets[i]);
}

static void say_message(struct line *l, const char *name, const char *octets, size_t len,
                        int with_text)
{
    say(l, " %s=", name);
    if (with_text)
        say_text(l, octets, len);
    else
        say(l, "(%zu octets)", len);
}

static void say_dests(struct line *l, const struct smpp_str *list)
{
    struct smpp_dest dest;
    for (uint32_t at = 0; smpp_dest_next(list, &at, &dest);) {
        const struct smpp_str *text = dest.list.ptr ? &dest.list : &dest.address.addr;
        say(l, dest.list.ptr ? " list=" : " dest=");
        say_text(l, text->ptr, text->len);
    }
}

static void say_unsuccess(struct line *l, const struct smpp_str *list)
{
    struct smpp_unsuccess failed;
    for (uint32_t at = 0; smpp_unsuccess_next(list, &at, &failed);) {
        say(l, " failed=");
        say_text(l, failed.address.addr.ptr, failed.address.addr.len);
        say(l, ":0x%x", failed.status);
    }
}

static void say_field(struct line *l, const struct smpp_pdu *pdu, const struct field *field,
                      int with_text)
{
    const char *from = (const char *)pdu + field->at;
    const struct smpp_str *text = (const struct smpp_str *)(const void *)from;
    if (field->kind == FIELD_OCTET) {
        if (*(const uint8_t *)from)
            say(l, " %s=%u", field->name, *(const uint8_t *)from);
        return;
    }
    if (text->len == 0)
        return;
    switch (field->kind) {
    case FIELD_SECRET:
        say(l, " %s=***", field->name);
        break;
    case FIELD_MESSAGE:
        say_message(l, field->name, text->ptr, text->len, with_text);
        break;
    case FIELD_DESTS:
        say_dests(l, text);
        break;
    case FIELD_UNSUCCESS:
        say_unsuccess(l, text);
        break;
    default:
        say(l, " %s=", field->name);
        say_text(l, text->ptr, text->len);
    }
}

static void say_tlv(struct line *l, const struct smpp_tlv *tlv, int with_text)
{
    const struct tlv_row *row = pdu_tlv_row(tlv->tag);
    const char *value = (const char *)tlv->value;
    if (tlv->tag == SMPP_TAG_MESSAGE_PAYLOAD) {
        say_message(l, row->name, value, tlv->len, with_text);
        return;
    }
    if (row)
        say(l, " %s=", row->name);
    else
        say(l, " tlv_0x%04x=", tlv->tag);
    if (row && row->kind == TLV_NUMBER && tlv->len <= 4) {
        uint32_t number = 0;
        for (unsigned i = 0; i < tlv->len; i++)
            number = number << 8 | tlv->value[i];
        say(l, "%u", number);
    } else if (row && row->kind == TLV_TEXT) {
        say_text(l, value, strnlen(value, tlv->len));
    } else {
        say_octets(l, tlv->value, tlv->len);
    }
}

size_t smpp_pdu_print(const struct smpp_pdu *pdu, int with_text, char *to, size_t room)
{
    struct line l = { .to = to, .room = room };
    const struct command *command = pdu_command(pdu->command);
    if (room == 0)
        return 0;
    to[0] = 0;
    if (command)
        say(&l, "%s seq=%u", command->name, pdu->sequence);
    else
        say(&l, "command_0x%08x seq=%u", pdu->command, pdu->sequence);
    if (pdu->status) {
        const char *name = smpp_status_of(pdu->status)->name;
        say(&l, " status=0x%x%s%s", pdu->status, *name ? " " : "", name);
    }
    if (!command || !command->fields)
        return l.used;
    for (const struct field *f = command->fields; f->kind; f++)
        say_field(&l, pdu, f, with_text);
    struct smpp_tlv tlv;
    for (uint32_t at = 0; smpp_tlv_next(&pdu->tlvs, &at, &tlv);)
        say_tlv(&l, &tlv, with_text);
    return l.used;
}
