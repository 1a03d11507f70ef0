/* SPDX-License-Identifier: Apache-2.0
 * Signatures of webhooks: HMAC-SHA256 with a timestamp, and JSON Web Tokens, by OpenSSL. A token's
 * own header may not choose the algorithm: it must say the one that is configured.
 */
#include "http/sign.h"
#include "base/base64.h"
#include "base/hex.h"
#include "base/str.h"
#include "json/json.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <string.h>

enum { DIGEST = 32, HEX = 2 * DIGEST, GRACE_S = 60, TOKEN_MAX = 16384 };

static wf_str skip_prefix(wf_str text)
{
    static const char *const prefixes[] = { "sha256=", "v1=", "v1," };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t len = strlen(prefixes[i]);
        if (text.len > len && !memcmp(text.ptr, prefixes[i], len))
            return (wf_str){ text.ptr + len, text.len - len };
    }
    return text;
}

static bool parse_digest(wf_str given, unsigned char out[DIGEST])
{
    given = skip_prefix(given);
    if (hex_decode(given, out, DIGEST))
        return true;
    char room[128];
    struct arena a;
    wf_str bytes;
    arena_init(&a, room, sizeof room);
    bool ok =
        given.len < 64 && base64_decode(&a, given.ptr, given.len, &bytes) && bytes.len == DIGEST;
    if (ok)
        memcpy(out, bytes.ptr, DIGEST);
    arena_fini(&a);
    return ok;
}

/* HMAC-SHA256 over the pieces, one behind the other. */
static bool pieces_match(wf_str secret, const wf_str *pieces, size_t n,
                         const unsigned char want[DIGEST])
{
    unsigned char have[EVP_MAX_MD_SIZE];
    size_t len = sizeof have;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL,
                                                 (const unsigned char *)secret.ptr, secret.len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = key && ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1;
    for (size_t i = 0; i < n && ok; i++)
        ok = EVP_DigestSignUpdate(ctx, pieces[i].ptr, pieces[i].len) == 1;
    ok = ok && EVP_DigestSignFinal(ctx, have, &len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return ok && len == DIGEST && CRYPTO_memcmp(want, have, DIGEST) == 0;
}

bool sign_check_hmac(wf_str secret, wf_str timestamp, wf_str body, wf_str given)
{
    unsigned char want[DIGEST];
    wf_str pieces[] = { timestamp, { ".", 1 }, body };
    return parse_digest(given, want) && (timestamp.len ? pieces_match(secret, pieces, 3, want)
                                                       : pieces_match(secret, &body, 1, want));
}

bool sign_check_slack(wf_str secret, wf_str timestamp, wf_str body, wf_str given)
{
    unsigned char want[DIGEST];
    wf_str pieces[] = { { "v0:", 3 }, timestamp, { ":", 1 }, body };
    return given.len == 3 + HEX && !memcmp(given.ptr, "v0=", 3) &&
           hex_decode((wf_str){ given.ptr + 3, HEX }, want, DIGEST) &&
           pieces_match(secret, pieces, 4, want);
}

/* The next word of *rest, which goes on behind it. */
static wf_str next_word(wf_str *rest, const char *between)
{
    while (rest->len && strchr(between, *rest->ptr)) {
        rest->ptr++;
        rest->len--;
    }
    wf_str word = { rest->ptr, 0 };
    while (rest->len && !strchr(between, *rest->ptr)) {
        rest->ptr++;
        rest->len--;
        word.len++;
    }
    return word;
}

bool sign_check_standard(wf_str secrets, wf_str id, wf_str timestamp, wf_str body, wf_str given)
{
    enum { SIGNATURES_MAX = 16 };
    char room[512];
    struct arena a;
    wf_str pieces[] = { id, { ".", 1 }, timestamp, { ".", 1 }, body }, key, word;
    bool ok = false;
    arena_init(&a, room, sizeof room);
    for (int n = 0; n < SIGNATURES_MAX && (word = next_word(&given, " ")).len; n++) {
        unsigned char want[DIGEST];
        wf_str rest = secrets, secret;
        if (word.len < 3 || memcmp(word.ptr, "v1,", 3) != 0 || !parse_digest(word, want))
            continue;
        while ((secret = next_word(&rest, " ,\n")).len) {
            size_t mark = secret.len > 6 && !memcmp(secret.ptr, "whsec_", 6) ? 6 : 0;
            if (base64_decode(&a, secret.ptr + mark, secret.len - mark, &key) && key.len)
                ok |= pieces_match(key, pieces, 5, want);
        }
    }
    arena_fini(&a);
    return ok;
}

bool sign_parse_time(wf_str text, int64_t *ms)
{
    int64_t v = 0;
    if (!text.len || text.len > 14)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        v = v * 10 + (text.ptr[i] - '0');
    }
    *ms = v < 100000000000 ? v * 1000 : v;
    return true;
}

/* --- JSON Web Tokens -------------------------------------------------------------------------- */

static const EVP_MD *digest_of(const char *algorithm)
{
    if (strlen(algorithm) != 5)
        return NULL;
    return !strcmp(algorithm + 2, "256")   ? EVP_sha256()
           : !strcmp(algorithm + 2, "384") ? EVP_sha384()
           : !strcmp(algorithm + 2, "512") ? EVP_sha512()
                                           : NULL;
}

static bool check_secret(wf_str key, const EVP_MD *md, wf_str text, wf_str signature)
{
    unsigned char have[EVP_MAX_MD_SIZE];
    unsigned len = sizeof have;
    return HMAC(md, key.ptr, (int)key.len, (const unsigned char *)text.ptr, text.len, have, &len) &&
           len == signature.len && CRYPTO_memcmp(have, signature.ptr, len) == 0;
}

/* JWT has the two numbers of an ECDSA signature side by side, OpenSSL wants them in DER. */
static int ecdsa_der(wf_str raw, unsigned char *der, size_t size)
{
    size_t half = raw.len / 2;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const unsigned char *)raw.ptr, (int)half, NULL);
    BIGNUM *s = BN_bin2bn((const unsigned char *)raw.ptr + half, (int)half, NULL);
    ECDSA_SIG_set0(sig, r, s);
    int len = i2d_ECDSA_SIG(sig, NULL);
    if (len > 0 && (size_t)len <= size)
        len = i2d_ECDSA_SIG(sig, &der);
    else
        len = -1;
    ECDSA_SIG_free(sig);
    return len;
}

static bool check_public(wf_str pem, const EVP_MD *md, wf_str text, wf_str signature, bool is_ec)
{
    unsigned char der[160];
    if (is_ec) {
        int len = signature.len <= 132 ? ecdsa_der(signature, der, sizeof der) : -1;
        if (len < 0)
            return false;
        signature = (wf_str){ (const char *)der, (size_t)len };
    }
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = key && ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
              EVP_DigestVerify(ctx, (const unsigned char *)signature.ptr, signature.len,
                               (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return ok;
}

static bool check_signature(wf_str key, const char *algorithm, wf_str text, wf_str signature)
{
    const EVP_MD *md = digest_of(algorithm);
    if (!md || !key.len)
        return false;
    if (!strncmp(algorithm, "HS", 2))
        return check_secret(key, md, text, signature);
    return (!strncmp(algorithm, "RS", 2) || !strncmp(algorithm, "ES", 2)) &&
           check_public(key, md, text, signature, algorithm[0] == 'E');
}

static bool parse_object(struct arena *a, wf_str text, struct json *out)
{
    struct json_error why;
    return json_parse(a, text.ptr, text.len, 16, out, &why) == 0 && out->type == JSON_OBJECT;
}

static bool header_says(struct arena *a, wf_str header, const char *algorithm)
{
    struct json doc;
    return parse_object(a, header, &doc) &&
           str_eq(json_str(JSON_GET(&doc, "alg")), str_of(algorithm));
}

static int check_times(struct arena *a, wf_str payload, int64_t now_s, struct err *err)
{
    struct json doc;
    double exp, nbf;
    if (!parse_object(a, payload, &doc))
        return err_set(err, ERR_DENIED, "token: its payload is no JSON object");
    if (json_double(JSON_GET(&doc, "exp"), &exp) && (double)now_s > exp + GRACE_S)
        return err_set(err, ERR_DENIED, "token: expired");
    if (json_double(JSON_GET(&doc, "nbf"), &nbf) && (double)now_s < nbf - GRACE_S)
        return err_set(err, ERR_DENIED, "token: not valid yet");
    return 0;
}

int sign_check_jwt(struct arena *a, wf_str token, wf_str key, const char *algorithm, int64_t now_s,
                   wf_str *payload, struct err *err)
{
    const char *end = token.ptr + token.len;
    const char *dot = token.len <= TOKEN_MAX ? memchr(token.ptr, '.', token.len) : NULL;
    const char *second = dot ? memchr(dot + 1, '.', (size_t)(end - dot - 1)) : NULL;
    wf_str header, signature;
    if (!second || !base64_decode(a, token.ptr, (size_t)(dot - token.ptr), &header) ||
        !base64_decode(a, dot + 1, (size_t)(second - dot - 1), payload) ||
        !base64_decode(a, second + 1, (size_t)(end - second - 1), &signature))
        return err_set(err, ERR_DENIED, "token: not a JSON Web Token");
    if (!header_says(a, header, algorithm))
        return err_set(err, ERR_DENIED, "token: its algorithm is not %s", algorithm);
    if (!check_signature(key, algorithm, (wf_str){ token.ptr, (size_t)(second - token.ptr) },
                         signature))
        return err_set(err, ERR_DENIED, "token: wrong signature");
    return check_times(a, *payload, now_s, err);
}

void sign_hash(const wf_str *texts, size_t n, char hex[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
        bug_out_of_memory(0);
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes = texts[i].len;
        EVP_DigestUpdate(md, &bytes, sizeof bytes);
        EVP_DigestUpdate(md, texts[i].ptr, texts[i].len);
    }
    EVP_DigestFinal_ex(md, digest, &len);
    EVP_MD_CTX_free(md);
    hex_encode(hex, digest, DIGEST);
    hex[HEX] = 0;
}
