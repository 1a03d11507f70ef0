/* SPDX-License-Identifier: Apache-2.0
 * The SMPP codec as a filter of lines, so that peer_smpp_codec.py can put it beside codecs that are
 * not ours. Each line is a command, each answer one line of JSON:
 *
 *   make SEED               a PDU made by chance: {"hex":..., fields}
 *   read HEX                {fields}, or {"error": field}
 *   choose S L FLAGS HEX    the alphabet of a text: {"alphabet","parts","units","single","locking"}
 *   cut 0 0 WAY HEX         a text's parts: {"parts":[{"esm_class","data_coding","hex"}, ...]}
 *   septets S L 0 HEX       text to septets in hex, or null
 *   text S L 0 HEX          septets to text in hex
 *   number CC TON DIGITS    an address as the envelope has it, at home in the country: {"text"}
 *   address CC TEXT         how SMPP writes it: {"ton","digits"}, or null
 */
#include "address.h"
#include "gsm.h"
#include "pdu.h"
#include "pdu_int.h"
#include "segment.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 18 };
#define RESP(command) (SMPP_RESP | (command))

static uint64_t seed;

static uint32_t chance(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 33) % below);
}

static size_t from_hex(const char *hex, uint8_t *to)
{
    size_t n = 0;
    for (unsigned value; n < ROOM && sscanf(hex + n * 2, "%2x", &value) == 1; n++)
        to[n] = (uint8_t)value;
    return n;
}

static void say_hex(const char *name, const void *bytes, size_t len)
{
    printf("\"%s\":\"", name);
    for (size_t i = 0; i < len; i++)
        printf("%02x", ((const uint8_t *)bytes)[i]);
    putchar('"');
}

static void say_pdu(const struct smpp_pdu *pdu)
{
    const struct command *command = pdu_command(pdu->command);
    struct smpp_tlv tlv;
    const char *comma = "";
    printf("\"command\":\"%s\",\"command_id\":%u,\"command_status\":%u,\"sequence_number\":%u",
           command->name, pdu->command, pdu->status, pdu->sequence);
    for (const struct field *f = command->fields; f && f->kind; f++) {
        const char *at = (const char *)pdu + f->at;
        const struct smpp_str *text = (const void *)at;
        putchar(',');
        if (f->kind == FIELD_OCTET)
            printf("\"%s\":%u", f->name, *(const uint8_t *)at);
        else if (f->kind == FIELD_TEXT || f->kind == FIELD_SECRET)
            printf("\"%s\":\"%.*s\"", f->name, (int)text->len, text->len ? text->ptr : "");
        else
            say_hex(f->name, text->ptr, text->len);
        if (f->count_at)
            printf(",\"%s_count\":%u", f->name, *((const uint8_t *)pdu + f->count_at));
    }
    printf(",\"tlvs\":[");
    for (uint32_t at = 0; smpp_tlv_next(&pdu->tlvs, &at, &tlv); comma = ",") {
        printf("%s{\"tag\":%u,\"len\":%u,", comma, tlv.tag, tlv.len);
        say_hex("value", tlv.value, tlv.len);
        printf(",\"name\":\"%s\"}", smpp_tlv_name(tlv.tag) ? smpp_tlv_name(tlv.tag) : "");
    }
    putchar(']');
}

/* --- PDUs by chance --------------------------------------------------------------------------- */

static char pool[ROOM];
static uint32_t pool_used;

static struct smpp_str some_text(uint32_t most, const char *letters)
{
    struct smpp_str text = { .ptr = pool + pool_used, .len = chance(most + 1) };
    for (uint32_t i = 0; i < text.len; i++)
        pool[pool_used++] = letters[chance((uint32_t)strlen(letters))];
    return text;
}

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static void some_dests(struct smpp_pdu *pdu, int is_unsuccess)
{
    struct smpp_out out = smpp_out_of(pool + pool_used, 8192);
    uint8_t count = (uint8_t)(1 + chance(20));
    for (unsigned i = 0; i < count; i++) {
        char number[12];
        snprintf(number, sizeof number, "49151%06u", chance(1000000));
        struct smpp_address address = { .ton = 1, .npi = 1, .addr = { number, 11 } };
        struct smpp_str list = { "friends", 7 };
        if (is_unsuccess)
            smpp_unsuccess_put(&out, &(struct smpp_unsuccess){ address, SMPP_RINVDSTADR });
        else if (chance(5) == 0)
            smpp_dest_put(&out, &(struct smpp_dest){ .list = list });
        else
            smpp_dest_put(&out, &(struct smpp_dest){ .address = address });
    }
    *(is_unsuccess ? &pdu->reply.unsuccess : &pdu->sm.dests) = smpp_str_of_out(&out);
    *(is_unsuccess ? &pdu->reply.unsuccess_count : &pdu->sm.dest_count) = count;
    pool_used += out.used;
}

static uint8_t some_octet(const char *name)
{
    if (strstr(name, "_ton") || strstr(name, "_npi"))
        return 1;
    if (!strcmp(name, "interface_version"))
        return SMPP_VERSION_34;
    if (!strcmp(name, "esm_class"))
        return 0;
    if (!strcmp(name, "data_coding"))
        return 4;
    return (uint8_t)chance(!strncmp(name, "replace", 7) ? 2 : 3);
}

static struct smpp_str some_value(const struct field *f)
{
    if (strstr(f->name, "time") || strstr(f->name, "period") || strstr(f->name, "date"))
        return chance(2) ? (struct smpp_str){ 0 } : (struct smpp_str){ "261122203000000+", 16 };
    if (f->kind == FIELD_MESSAGE)
        return some_text(254, LETTERS " .,!?\r\n\t\x80\xff");
    /* names and passwords as long as 3.4 allows, for others are strict */
    uint32_t most = f->kind == FIELD_SECRET ? 8 : !strcmp(f->name, "system_id") ? 15 : f->max - 1u;
    return some_text(most, LETTERS);
}

static void some_field(struct smpp_pdu *pdu, const struct field *f)
{
    char *at = (char *)pdu + f->at;
    if (f->kind == FIELD_OCTET)
        *(uint8_t *)at = some_octet(f->name);
    else if (f->kind == FIELD_DESTS || f->kind == FIELD_UNSUCCESS)
        some_dests(pdu, f->kind == FIELD_UNSUCCESS);
    else
        *(struct smpp_str *)(void *)at = some_value(f);
}

static void some_tlvs(struct smpp_pdu *pdu)
{
    static const uint16_t numbers[][2] = {
        { SMPP_TAG_USER_MESSAGE_REFERENCE, 2 }, { SMPP_TAG_SOURCE_PORT, 2 },
        { SMPP_TAG_SAR_MSG_REF_NUM, 2 },        { SMPP_TAG_SAR_TOTAL_SEGMENTS, 1 },
        { SMPP_TAG_SAR_SEGMENT_SEQNUM, 1 },     { SMPP_TAG_LANGUAGE_INDICATOR, 1 }
    };
    struct smpp_out out = smpp_out_of(pool + pool_used, 4096);
    for (unsigned i = 0; i < 6; i++)
        if (chance(3) == 0)
            smpp_tlv_put_number(&out, numbers[i][0], 1 + chance(200), numbers[i][1]);
    if (chance(4) == 0) {
        char payload[600];
        size_t len = 1 + chance(599);
        memset(payload, 'p', sizeof payload);
        smpp_tlv_put(&out, SMPP_TAG_MESSAGE_PAYLOAD, payload, len);
    }
    pdu->tlvs = smpp_tlvs_of(&out);
    pool_used += out.used;
}

static void make(const char *arguments)
{
    static const uint32_t commands[] = {
        1,       2,       9,       3,       4,       5,          6,          7,           8,
        0xb,     0x15,    0x21,    0x102,   0x103,   RESP(1),    RESP(2),    RESP(9),     RESP(3),
        RESP(4), RESP(5), RESP(6), RESP(7), RESP(8), RESP(0x15), RESP(0x21), RESP(0x103), RESP(0),
    };
    static uint8_t bytes[ROOM];
    struct smpp_pdu pdu = { 0 };
    struct smpp_error err = { 0 };
    seed = (strtoull(arguments, NULL, 10) + 1) * UINT64_C(0x9e3779b97f4a7c15);
    pool_used = 0;
    for (int i = 0; i < 8; i++)
        chance(2);
    pdu.command = commands[chance(sizeof commands / sizeof *commands)];
    pdu.sequence = 1 + chance(INT32_MAX - 1);
    if (pdu.command == RESP(0))
        pdu.status = SMPP_RINVCMDID;
    for (const struct field *f = pdu_command(pdu.command)->fields; f && f->kind; f++)
        some_field(&pdu, f);
    if (pdu.command == SMPP_SUBMIT_SM || pdu.command == SMPP_DELIVER_SM ||
        pdu.command == SMPP_DATA_SM || pdu.command == SMPP_SUBMIT_MULTI)
        some_tlvs(&pdu);
    int n = smpp_pdu_write(&pdu, bytes, sizeof bytes, &err);
    if (n < 0) {
        printf("{\"error\":\"%s %s\"}\n", err.field, err.why);
        return;
    }
    printf("{");
    say_hex("hex", bytes, (size_t)n);
    putchar(',');
    say_pdu(&pdu);
    printf("}\n");
}

static void read_one(const char *hex)
{
    static uint8_t bytes[ROOM];
    struct smpp_pdu pdu;
    struct smpp_error err = { 0 };
    size_t len = from_hex(hex, bytes);
    if (smpp_pdu_read(&pdu, bytes, len, &err) != 0) {
        printf("{\"error\":\"%s\",\"status\":%u}\n", err.field, err.status);
        return;
    }
    printf("{");
    say_pdu(&pdu);
    printf("}\n");
}

/* --- texts ------------------------------------------------------------------------------------ */

struct given {
    unsigned single, locking, flags;
    char text[ROOM];
    size_t len;
};

static void parse_given(const char *arguments, struct given *g)
{
    int at = 0;
    if (sscanf(arguments, "%u %u %u %n", &g->single, &g->locking, &g->flags, &at) < 3)
        exit(2);
    g->len = from_hex(arguments + at, (uint8_t *)g->text);
}

static void choose(const struct given *g)
{
    struct gsm_choice c;
    struct gsm_rules rules = { .single = g->single,
                               .locking = g->locking,
                               .transliterate = g->flags & 1,
                               .reference16 = g->flags >> 1 & 1 };
    if (gsm_choose(g->text, g->len, &rules, &c) != 0)
        printf("{\"parts\":0}\n");
    else
        printf("{\"alphabet\":\"%s\",\"parts\":%u,\"units\":%u,\"single\":%u,\"locking\":%u}\n",
               gsm_alphabet_name((enum gsm_alphabet)c.coding.alphabet), c.parts, c.units,
               c.coding.single, c.coding.locking);
}

static void septets(const struct given *g, int is_text)
{
    static uint8_t to[ROOM];
    struct gsm_coding coding = { GSM_SEPTETS, (uint8_t)g->single, (uint8_t)g->locking };
    ssize_t n = is_text ? (ssize_t)gsm_decode((const uint8_t *)g->text, g->len, &coding, (char *)to,
                                              sizeof to)
                        : gsm_encode(g->text, g->len, &coding, to, sizeof to, NULL);
    printf("{");
    if (n < 0)
        printf("\"hex\":null");
    else
        say_hex("hex", to, (size_t)n);
    printf("}\n");
}

static void cut(const struct given *g)
{
    static uint8_t coded[ROOM], scratch[SEGMENT_SCRATCH];
    struct gsm_rules rules = { 0 };
    struct gsm_choice c;
    struct segment_plan plan;
    if (gsm_choose(g->text, g->len, &rules, &c) != 0)
        exit(2);
    ssize_t n = gsm_encode(g->text, g->len, &c.coding, coded, sizeof coded, NULL);
    if (n < 0 ||
        segment_plan_make(coded, (size_t)n, &c.coding, (enum segment_way)g->flags, 0, &plan) != 0)
        exit(2);
    printf("{\"parts\":[");
    for (unsigned i = 0; i < plan.parts; i++) {
        struct smpp_out none = { 0 };
        struct smpp_pdu pdu = { .command = SMPP_SUBMIT_SM };
        segment_fill(&plan, coded, i, 7, scratch, &none, &pdu);
        printf("%s{\"esm_class\":%u,\"data_coding\":%u,", i ? "," : "", pdu.sm.esm_class,
               pdu.sm.data_coding);
        say_hex("hex", pdu.sm.text.ptr, pdu.sm.text.len);
        putchar('}');
    }
    printf("]}\n");
}

static void number(const char *arguments)
{
    struct address_rules rules = { 0 };
    char digits[64] = "", text[ADDRESS_TEXT_MAX];
    unsigned ton = 0;
    if (sscanf(arguments, "%3s %u %63s", rules.country, &ton, digits) != 3)
        return;
    struct smpp_address address = { .ton = (uint8_t)ton,
                                    .addr = { digits, (uint32_t)strlen(digits) } };
    smpp_address_text(&address, &rules, text);
    printf("{\"text\":\"%s\"}\n", text);
}

static void address(const char *arguments)
{
    struct address_rules rules = { 0 };
    char text[64] = "", room[ADDRESS_MAX];
    const char *why;
    struct smpp_address to;
    if (sscanf(arguments, "%3s %63[^\n]", rules.country, text) != 2)
        return;
    if (smpp_address_of(text, strlen(text), &rules, room, &to, &why) != 0)
        puts("null");
    else
        printf("{\"ton\":%u,\"digits\":\"%.*s\"}\n", to.ton, (int)to.addr.len, to.addr.ptr);
}

static void answer(const char *line)
{
    static struct given g;
    if (!strncmp(line, "make ", 5)) {
        make(line + 5);
    } else if (!strncmp(line, "read ", 5)) {
        read_one(line + 5);
    } else if (!strncmp(line, "choose ", 7)) {
        parse_given(line + 7, &g);
        choose(&g);
    } else if (!strncmp(line, "cut ", 4)) {
        parse_given(line + 4, &g);
        cut(&g);
    } else if (!strncmp(line, "septets ", 8) || !strncmp(line, "text ", 5)) {
        parse_given(strchr(line, ' ') + 1, &g);
        septets(&g, line[0] == 't');
    } else if (!strncmp(line, "number ", 7)) {
        number(line + 7);
    } else if (!strncmp(line, "address ", 8)) {
        address(line + 8);
    } else {
        exit(2);
    }
}

int main(void)
{
    static char line[2 * ROOM];
    while (fgets(line, sizeof line, stdin)) {
        answer(line);
        fflush(stdout);
    }
    return 0;
}
