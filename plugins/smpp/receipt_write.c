/* SPDX-License-Identifier: Apache-2.0
 * receipt_write.c - receipts for those who connect to us, and the key under which an id is kept.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "receipt.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Ten digits, YYMMDDhhmm. */
static void put_time(int64_t us, int utc_minutes, char to[24])
{
    time_t seconds = (time_t)(us / 1000000 + utc_minutes * INT64_C(60));
    struct tm tm = { 0 };
    gmtime_r(&seconds, &tm);
    snprintf(to, 24, "%02u%02u%02u%02u%02u", (unsigned)tm.tm_year % 100,
             (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100,
             (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100);
}

size_t receipt_text_write(const struct receipt *receipt, int utc_minutes,
                          char to[RECEIPT_TEXT_BYTES])
{
    char submitted[24], done[24];
    int is_delivered = receipt->state == SMPP_STATE_DELIVERED;
    const char *error = receipt->error.len ? receipt->error.ptr : is_delivered ? "000" : "001";
    int error_len = receipt->error.len == 0   ? 3
                    : receipt->error.len < 16 ? (int)receipt->error.len
                                              : 16;
    put_time(receipt->submit_us, utc_minutes, submitted);
    put_time(receipt->done_us, utc_minutes, done);
    int n = snprintf(to, RECEIPT_TEXT_BYTES,
                     "id:%.*s sub:%03d dlvrd:%03d submit date:%s done date:%s stat:%s err:%.*s "
                     "text:%.*s",
                     (int)(receipt->id.len < RECEIPT_ID_MAX ? receipt->id.len : RECEIPT_ID_MAX),
                     receipt->id.len ? receipt->id.ptr : "",
                     receipt->sub < 0 || receipt->sub > 999 ? 1 : receipt->sub,
                     receipt->dlvrd < 0 || receipt->dlvrd > 999 ? is_delivered : receipt->dlvrd,
                     submitted, done, receipt_state_word(receipt->state), error_len, error,
                     (int)(receipt->text.len < 20 ? receipt->text.len : 20),
                     receipt->text.len ? receipt->text.ptr : "");
    return n < 0 ? 0 : n < RECEIPT_TEXT_BYTES ? (size_t)n : RECEIPT_TEXT_BYTES - 1;
}

void receipt_tlvs_write(const struct receipt *receipt, struct smpp_out *out)
{
    smpp_tlv_put_text(out, SMPP_TAG_RECEIPTED_MESSAGE_ID, receipt->id.ptr, receipt->id.len);
    smpp_tlv_put_number(out, SMPP_TAG_MESSAGE_STATE, receipt->state, 1);
    if (receipt->network_type)
        smpp_tlv_put_number(out, SMPP_TAG_NETWORK_ERROR_CODE,
                            (uint32_t)receipt->network_type << 16 | receipt->network_code, 3);
}

/* --- keys ------------------------------------------------------------------------------------- */

static int digit_of(char c, unsigned base)
{
    int value = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : 99;
    return value < (int)base ? value : -1;
}

/* 64 hexadecimal digits are 256 bits, which are 78 decimal ones: nine limbs of 1e9. */
static size_t number_write(const char *digits, size_t len, unsigned base,
                           char key[RECEIPT_KEY_BYTES])
{
    uint32_t limbs[9] = { 0 };
    for (size_t i = 0; i < len; i++) {
        uint64_t carry = (uint64_t)digit_of(digits[i], base);
        for (size_t l = 0; l < 9; l++) {
            carry += (uint64_t)limbs[l] * base;
            limbs[l] = (uint32_t)(carry % 1000000000);
            carry /= 1000000000;
        }
    }
    size_t top = 8, n;
    while (top && !limbs[top])
        top--;
    n = (size_t)snprintf(key, RECEIPT_KEY_BYTES, "%u", limbs[top]);
    while (top-- > 0)
        n += (size_t)snprintf(key + n, RECEIPT_KEY_BYTES - n, "%09u", limbs[top]);
    return n;
}

size_t receipt_key(const char *id, size_t len, enum receipt_id_form form,
                   char key[RECEIPT_KEY_BYTES])
{
    unsigned base = form == RECEIPT_ID_HEX ? 16 : 10;
    const char *digits = id;
    size_t n = len;
    if (base == 16 && n > 2 && id[0] == '0' && (id[1] | 32) == 'x')
        digits += 2, n -= 2;
    int is_number = form != RECEIPT_ID_TEXT && n > 0 && n <= RECEIPT_ID_MAX;
    for (size_t i = 0; is_number && i < n; i++)
        is_number = digit_of(digits[i], base) >= 0;
    if (is_number)
        return number_write(digits, n, base, key);
    n = len < RECEIPT_KEY_BYTES - 1 ? len : RECEIPT_KEY_BYTES - 1;
    if (n)
        memcpy(key, id, n);
    key[n] = 0;
    return n;
}
