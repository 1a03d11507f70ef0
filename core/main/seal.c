/* SPDX-License-Identifier: Apache-2.0
 * Sealing of credentials by OpenSSL: AES-256-GCM with a random nonce of 12 bytes and a tag of 16
 * (NIST SP 800-38D).
 */
#include "main/credentials.h"
#include "base/base64.h"
#include "base/hex.h"
#include "base/log.h"
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NONCE = 12, TAG = 16, KEY_FILE_MAX = 4096 };

static bool hex_key(wf_str text, unsigned char key[SEAL_KEY_BYTES])
{
    while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == ' '))
        text.len--;
    return hex_decode(text, key, SEAL_KEY_BYTES);
}

/* Rather a file's name than digits. */
static bool is_path(const char *text)
{
    return strlen(text) < 2 * SEAL_KEY_BYTES - 8 || strchr(text, '/') || strchr(text, '.');
}

int seal_key(const char *text, unsigned char key[SEAL_KEY_BYTES], struct err *err)
{
    if (hex_key(str_of(text), key))
        return 0;
    struct arena a;
    wf_str content;
    arena_init(&a, NULL, 0);
    int result = -1;
    if (file_read(&a, text, KEY_FILE_MAX, &content, err) == 0) {
        result = hex_key(content, key)
                     ? 0
                     : err_set(err, ERR_INVALID,
                               "credentials-key: %s holds no key: 64 hex digits, as 'openssl rand "
                               "-hex 32' makes them",
                               text);
        explicit_bzero((char *)content.ptr, content.len);
    } else { /* what is no path is perhaps most of a key, and not to be shown */
        char why[400];
        snprintf(why, sizeof why, "%.300s; it ", is_path(text) ? err->text : "");
        err_set(err, ERR_INVALID,
                "credentials-key: %smust be 64 hex digits or a file that holds them",
                is_path(text) ? why : "");
    }
    arena_fini(&a);
    return result;
}

static bool associate(EVP_CIPHER_CTX *ctx, wf_str id, wf_str type, bool seal)
{
    int len;
    int (*update)(EVP_CIPHER_CTX *, unsigned char *, int *, const unsigned char *, int) =
        seal ? EVP_EncryptUpdate : EVP_DecryptUpdate;
    static const unsigned char zero[1] = { 0 };
    return update(ctx, NULL, &len, (const unsigned char *)id.ptr, (int)id.len) == 1 &&
           update(ctx, NULL, &len, zero, 1) == 1 &&
           update(ctx, NULL, &len, (const unsigned char *)type.ptr, (int)type.len) == 1;
}

int seal_close(struct strbuf *sealed, const unsigned char key[SEAL_KEY_BYTES], wf_str id,
               wf_str type, wf_str text, struct err *err)
{
    unsigned char *bytes = xmalloc(NONCE + text.len + TAG);
    int len = 0, end = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx && RAND_bytes(bytes, NONCE) == 1 &&
              EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, bytes) == 1 &&
              associate(ctx, id, type, true) &&
              EVP_EncryptUpdate(ctx, bytes + NONCE, &len, (const unsigned char *)text.ptr,
                                (int)text.len) == 1 &&
              EVP_EncryptFinal_ex(ctx, bytes + NONCE + len, &end) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, bytes + NONCE + len + end) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (ok) {
        strbuf_adds(sealed, "v1:");
        base64_add(sealed, bytes, NONCE + (size_t)(len + end) + TAG);
    }
    free(bytes);
    return ok ? 0 : err_set(err, ERR_INTERNAL, "credentials: sealing failed");
}

int seal_open(struct arena *a, const unsigned char key[SEAL_KEY_BYTES], wf_str id, wf_str type,
              wf_str sealed, wf_str *text)
{
    wf_str bytes;
    if (sealed.len < 3 || memcmp(sealed.ptr, "v1:", 3) != 0 ||
        !base64_decode(a, sealed.ptr + 3, sealed.len - 3, &bytes) || bytes.len < NONCE + TAG)
        return -1;
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    size_t n = bytes.len - NONCE - TAG;
    unsigned char *out = arena_alloc(a, n + 1);
    int len = 0, end = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, p) == 1 &&
              associate(ctx, id, type, false) &&
              EVP_DecryptUpdate(ctx, out, &len, p + NONCE, (int)n) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG,
                                  (void *)(uintptr_t)(p + NONCE + n)) == 1 &&
              EVP_DecryptFinal_ex(ctx, out + len, &end) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!ok)
        return -1;
    out[n] = 0;
    *text = (wf_str){ (char *)out, n };
    return 0;
}
