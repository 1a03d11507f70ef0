/* SPDX-License-Identifier: Apache-2.0
 * The standard message: a template whose varying parts stand at fixed places, so that making one
 * costs about a tenth of a microsecond and the generator leaves the cores to what is measured.
 */
#include "message.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ID "00000000-0000-7000-8000-000000000000"
#define TEXT                                                                                       \
    "Your code is 000000. Do not share it with anybody, not even our own staff. Ends 12:40."
static const char template[] =
    "{\"v\":1,\"id\":\"" ID "\",\"ts_us\":0000000000000000,\"tenant_id\":\"t-0000\","
    "\"trace_id\":\"0000000000000000\",\"channel\":\"sms\",\"from\":\"CATALYST\","
    "\"to\":\"+00000000000\",\"text\":\"" TEXT "\","
    "\"meta\":{\"price\":0.0075,\"retry\":false},\"tags\":[\"otp\",\"ke\",\"gold\"]}";
_Static_assert(sizeof template - 1 == MESSAGE_BYTES, "the standard message has 342 bytes");

enum {
    AT_ID = 13,
    AT_TIME = AT_ID + 36 + 10,
    AT_TENANT = AT_TIME + 16 + 16,
    AT_TRACE = AT_TENANT + 4 + 14,
    AT_TO = AT_TRACE + 16 + 42,
    AT_CODE = AT_TO + MESSAGE_KEY_BYTES + 23,
};

static void put_hex(char *to, unsigned digits, uint64_t value)
{
    while (digits-- > 0) {
        to[digits] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

static void put_decimal(char *to, unsigned digits, uint64_t value)
{
    while (digits-- > 0) {
        to[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

static uint64_t next_random(struct message_source *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return s->random;
}

/* Tenant k gets a share of 1/k^1.1 of the table. */
static void zipf_fill(uint16_t *table, unsigned size)
{
    double total = 0, sum = 0;
    for (unsigned k = 1; k <= MESSAGE_TENANTS; k++)
        total += pow(k, -1.1);
    unsigned at = 0;
    for (unsigned k = 1; k <= MESSAGE_TENANTS; k++) {
        sum += pow(k, -1.1);
        for (; at < size && at < sum / total * size; at++)
            table[at] = (uint16_t)(k - 1);
    }
    for (; at < size; at++)
        table[at] = MESSAGE_TENANTS - 1;
}

void message_source_init(struct message_source *s, const struct message_mix *mix)
{
    memset(s, 0, sizeof *s);
    s->mix = *mix;
    s->random = (mix->seed + 1) * 0x9e3779b97f4a7c15u;
    zipf_fill(s->zipf, sizeof s->zipf / sizeof *s->zipf);
}

/* Version 7: milliseconds, then what makes it unique: the seed's random part and a running number.
 */
static void put_id(struct message_source *s, char *id, uint64_t now_us)
{
    uint64_t ms = now_us / 1000;
    put_hex(id, 8, ms >> 16);
    put_hex(id + 9, 4, ms);
    put_hex(id + 15, 3, s->mix.seed);
    put_hex(id + 20, 3, s->mix.seed >> 12);
    put_hex(id + 24, 12, s->made);
}

static void make(struct message_source *s, uint64_t now_us, struct message *m)
{
    uint64_t r = next_random(s);
    memcpy(m->body, template, MESSAGE_BYTES);
    m->len = MESSAGE_BYTES;
    put_id(s, m->body + AT_ID, now_us);
    put_decimal(m->body + AT_TIME, 16, now_us);
    put_decimal(m->body + AT_TENANT, 4, s->zipf[r & 0xffff]);
    put_hex(m->body + AT_TRACE, 16, r * 0x9e3779b97f4a7c15u);
    put_decimal(m->body + AT_TO + 1, MESSAGE_KEY_BYTES - 1, 25470000000 + (r >> 16) % 1000000);
    put_decimal(m->body + AT_CODE, 6, r >> 40);
    memcpy(m->key, m->body + AT_TO, MESSAGE_KEY_BYTES);
}

void message_next(struct message_source *s, uint64_t now_us, struct message *m)
{
    unsigned dice = (unsigned)(next_random(s) >> 20) % 1000;
    s->made++;
    if (s->n_recent == 1024 && dice < s->mix.duplicates) {
        *m = s->recent[next_random(s) >> 54];
        s->n_duplicates++;
        return;
    }
    unsigned late_below = s->mix.duplicates + s->mix.disorder;
    if (dice >= s->mix.duplicates && dice < late_below) {
        now_us -= next_random(s) % 10000000;
        s->n_disorder++;
    }
    make(s, now_us, m);
    if (dice >= late_below && dice < late_below + s->mix.malformed) {
        m->len = MESSAGE_BYTES / 2;
        s->n_malformed++;
        return;
    }
    if (s->mix.duplicates)
        s->recent[s->made & 1023] = *m;
    if (s->n_recent < 1024)
        s->n_recent++;
}

uint64_t message_time_us(const char *body, unsigned len, const char *field)
{
    char name[64];
    int n = snprintf(name, sizeof name, "\"%s\":", field ? field : "ts_us");
    const char *at = memmem(body, len, name, (size_t)n);
    uint64_t value = 0;
    if (!at)
        return 0;
    for (at += n; at < body + len && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    return value;
}
