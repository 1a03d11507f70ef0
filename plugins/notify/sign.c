/* SPDX-License-Identifier: Apache-2.0
 * Signatures of Standard Webhooks. Thread: any.
 */
#include "sign.h"
#include "memory.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { SIGN_KEY_MIN = 24, SIGN_KEY_MAX = 64 };

/* The bytes of a secret; -1: it is none. */
static int sign_key(const char *text, size_t len, unsigned char key[100])
{
    char copy[128] = "";
    if (len > 6 && !memcmp(text, "whsec_", 6)) {
        text += 6;
        len -= 6;
    }
    if (len % 4 || len > 96 || !len)
        return -1;
    snprintf(copy, sizeof copy, "%.*s", (int)len, text);
    int n = EVP_DecodeBlock(key, (const unsigned char *)copy, (int)len);
    for (size_t i = len; n > 0 && i > 0 && copy[i - 1] == '='; i--)
        n--;
    return n >= SIGN_KEY_MIN && n <= SIGN_KEY_MAX ? n : -1;
}

int sign_all(const char *secrets, size_t secrets_len, const char *id, int64_t timestamp_s,
             const char *body, size_t body_len, char to[SIGN_SIZE])
{
    char *head = memory_print("%s.%lld.", id, (long long)timestamp_s);
    size_t head_len = strlen(head);
    unsigned char *whole = memory_get(head_len + body_len + 1);
    int n = 0;
    memcpy(stpcpy((char *)whole, head), body, body_len);
    *to = 0;
    for (size_t at = 0; at < secrets_len && n >= 0 && n < SIGN_SECRETS_MAX;) {
        unsigned char key[100], sum[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
        unsigned sum_len = 0;
        size_t len = 0;
        while (at + len < secrets_len && !strchr(" ,\n", secrets[at + len]))
            len++;
        int key_len = len ? sign_key(secrets + at, len, key) : 0;
        at += len + 1;
        if (!len)
            continue;
        if (key_len < 0) {
            n = -1;
            break;
        }
        HMAC(EVP_sha256(), key, key_len, whole, head_len + body_len, sum, &sum_len);
        EVP_EncodeBlock(text, sum, (int)sum_len);
        to += sprintf(to, "%sv1,%s", n++ ? " " : "", (const char *)text);
    }
    free(whole);
    free(head);
    return n ? n : -1;
}
