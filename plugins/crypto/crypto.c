/* SPDX-License-Identifier: Apache-2.0
 * catalyst.crypto: hashes and HMACs of text or binary parts, and random values.
 *
 * Small inputs are hashed at once; large ones are copied and go to the offload pool, because a
 * worker that hashes for milliseconds keeps a thousand others waiting. The digests themselves are
 * in digest.h.
 *
 * Thread: the worker's; hash_job() on a pool thread. Nothing blocks but that.
 */
#include "digest.h"
#include <catalyst/collect.h>
#include <stdio.h>
#include <sys/random.h>

enum { ACTION_HASH, ACTION_HMAC, ACTION_GENERATE, ACTION_SIGN };
enum { AS_HEX, AS_BASE64 };
enum { KIND_UUID, KIND_HEX, KIND_BASE64, KIND_ASCII };
enum { OFFLOAD_BYTES = 64 * 1024, RANDOM_MAX = 4096 };

struct config {
    int action, type, encoding, kind, binary;
    int64_t length;
    wf_str value, part, secret, destination;
};

/* A hash on its way through the pool. Owns its bytes, which lie behind it: the key, then the value.
 */
struct job {
    enum digest_type type;
    int is_hmac;
    size_t key_len, len;
    uint8_t out[DIGEST_MAX];
    uint8_t bytes[];
};

static const wf_pair actions[] = { { "hash", "a digest of the value" },
                                   { "hmac", "a digest of the value with a secret" },
                                   { "generate", "a random value" },
                                   { "sign", "not supported" },
                                   { NULL, NULL } };
static const wf_pair types[] = { { "MD5", "128 bits; broken, for old partners only" },
                                 { "SHA1", "160 bits; broken, for old partners only" },
                                 { "SHA256", "256 bits" },
                                 { "SHA384", "384 bits" },
                                 { "SHA512", "512 bits" },
                                 { "SHA3-256", "256 bits, Keccak" },
                                 { "SHA3-384", "384 bits, Keccak" },
                                 { "SHA3-512", "512 bits, Keccak" },
                                 { NULL, NULL } };
static const wf_pair encodings[] = { { "hex", "hexadecimal, small letters" },
                                     { "base64", "base64" },
                                     { NULL, NULL } };
static const wf_pair kinds[] = { { "uuid", "a UUID of version 4" },
                                 { "hex", "hexadecimal digits" },
                                 { "base64", "letters, digits, + and /" },
                                 { "ascii", "letters and digits" },
                                 { NULL, NULL } };

static const wf_param params[] = {
    { WF_NAMED("action"), WF_F_CHOICE(struct config, action, actions), .def = "hash",
      .help = "What is made" },
    { WF_NAMED("type"), WF_F_CHOICE(struct config, type, types), .def = "MD5",
      .show_if = "action=hash|hmac", .help = "Which digest" },
    { WF_NAMED("binaryData"), WF_F_BOOL(struct config, binary), .show_if = "action=hash|hmac",
      .help = "Take a binary part instead of the value" },
    { WF_NAMED("binaryPropertyName"), WF_F_STR(struct config, part), .def = "data",
      .flags = WF_EXPR, .show_if = "action=hash|hmac,binaryData=true",
      .help = "Name of the binary part" },
    { WF_NAMED("value"), WF_F_STR(struct config, value), .flags = WF_EXPR,
      .show_if = "action=hash|hmac,binaryData=false", .help = "The text to take" },
    { WF_NAMED("secret"), WF_F_STR(struct config, secret),
      .flags = WF_EXPR | WF_REQUIRED | WF_SECRET, .show_if = "action=hmac", .help = "The secret" },
    { WF_NAMED("encoding"), WF_F_CHOICE(struct config, encoding, encodings), .def = "hex",
      .show_if = "action=hash|hmac", .help = "How the digest is written" },
    { WF_NAMED("encodingType"), WF_F_CHOICE(struct config, kind, kinds), .def = "uuid",
      .show_if = "action=generate", .help = "What is generated" },
    { WF_NAMED("stringLength"), WF_F_INT(struct config, length), .def = "32", .min = 1,
      .max = RANDOM_MAX, .flags = WF_EXPR,
      .show_if = "action=generate,encodingType=hex|base64|ascii", .help = "How many characters" },
    { WF_NAMED("dataPropertyName"), WF_F_STR(struct config, destination), .def = "data",
      .flags = WF_EXPR, .help = "The field that takes the result" },
    WF_END,
};

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Writes bytes as text; `to` has 2 * n + 4 bytes. Returns the length. */
static size_t encode(const uint8_t *bytes, size_t n, int encoding, char *to)
{
    static const char hex_digits[] = "0123456789abcdef";
    char *p = to;
    if (encoding == AS_HEX) {
        for (size_t i = 0; i < n; i++) {
            *p++ = hex_digits[bytes[i] >> 4];
            *p++ = hex_digits[bytes[i] & 15];
        }
        return 2 * n;
    }
    for (size_t i = 0; i < n; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16;
        three |= i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0;
        three |= i + 2 < n ? bytes[i + 2] : 0u;
        *p++ = base64_digits[three >> 18];
        *p++ = base64_digits[three >> 12 & 63];
        *p++ = (char)(i + 1 < n ? base64_digits[three >> 6 & 63] : '=');
        *p++ = (char)(i + 2 < n ? base64_digits[three & 63] : '=');
    }
    return (size_t)(p - to);
}

static void fail(const wf_host *h, wf_item *it, wf_fault fault, const char *code, const char *why,
                 wf_str what)
{
    wf_error e = { .size = sizeof e, .fault = fault, .code = code };
    h->fail_with(it, &e, why, (int)(what.len > 200 ? 200 : what.len), what.ptr);
}

/* Puts the result into its field and the item out. */
static void finish(const wf_host *h, wf_item *it, const char *text, size_t len)
{
    const struct config *c = h->config(it);
    const wf_blobs *blobs = h->service("blob/1");
    const wf_value *out =
        wf_field_set(h, it, h->value(it), c->destination, 1, h->v->of_str(it, text, len));
    if (!out) {
        fail(h, it, WF_REJECTED, "bad_name", "field '%.*s' leads through a value that is no object",
             c->destination);
        return;
    }
    if (blobs) /* removing a part that is not there asks for all the others */
        blobs->attach(it, "", NULL, (wf_str){ NULL, 0 }, (wf_str){ NULL, 0 });
    h->emit(it, 0, out);
}

static void finish_digest(const wf_host *h, wf_item *it, const uint8_t *digest)
{
    const struct config *c = h->config(it);
    char text[2 * DIGEST_MAX + 4];
    finish(h, it, text, encode(digest, digest_size((enum digest_type)c->type), c->encoding, text));
}

static void hash(const struct config *c, const void *bytes, size_t len, uint8_t *out)
{
    struct digest d;
    if (c->action == ACTION_HMAC) {
        digest_hmac((enum digest_type)c->type, c->secret.ptr, c->secret.len, bytes, len, out);
        return;
    }
    digest_start(&d, (enum digest_type)c->type);
    digest_add(&d, bytes, len);
    digest_end(&d, out);
}

/* On a pool thread. */
static void hash_job(void *arg)
{
    struct job *job = arg;
    struct config c = { .action = job->is_hmac ? ACTION_HMAC : ACTION_HASH,
                        .type = (int)job->type };
    c.secret = (wf_str){ (const char *)job->bytes, job->key_len };
    hash(&c, job->bytes + job->key_len, job->len, job->out);
}

static void on_hashed(const wf_host *h, wf_item *it, void *arg)
{
    struct job *job = arg;
    if (it)
        finish_digest(h, it, job->out);
    memset(job->bytes, 0, job->key_len); /* the secret does not outlive its use */
    free(job);
}

static void hash_elsewhere(const wf_host *h, wf_item *it, const struct config *c, const void *bytes,
                           size_t len)
{
    size_t key_len = c->action == ACTION_HMAC ? c->secret.len : 0;
    struct job *job = calloc(1, sizeof *job + key_len + len);
    if (!job)
        abort();
    job->type = (enum digest_type)c->type;
    job->is_hmac = c->action == ACTION_HMAC;
    job->key_len = key_len;
    job->len = len;
    if (key_len)
        memcpy(job->bytes, c->secret.ptr, key_len);
    memcpy(job->bytes + key_len, bytes, len);
    h->offload(it, hash_job, on_hashed, job);
}

static void hash_item(const wf_host *h, wf_item *it, const struct config *c)
{
    const void *bytes = c->value.ptr;
    size_t len = c->value.len;
    uint8_t out[DIGEST_MAX];
    if (c->binary) {
        const wf_blobs *blobs = h->service("blob/1");
        wf_blob *blob = blobs ? blobs->part(it, c->part.ptr, NULL, NULL) : NULL;
        if (!blob || blobs->bytes(blob, &bytes, &len) != 0) {
            fail(h, it, WF_REJECTED, "no_binary", "the item has no binary part '%.*s'", c->part);
            return;
        }
    }
    if (len > OFFLOAD_BYTES) {
        hash_elsewhere(h, it, c, bytes, len);
        return;
    }
    hash(c, bytes, len, out);
    finish_digest(h, it, out);
}

static size_t write_uuid(uint8_t *bytes, char *to)
{
    char hex[2 * 16 + 4], *p = to;
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    encode(bytes, 16, AS_HEX, hex);
    for (size_t i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *p++ = '-';
        *p++ = hex[i];
    }
    return (size_t)(p - to);
}

static void generate_item(const wf_host *h, wf_item *it, const struct config *c)
{
    static const char hex_digits[] = "0123456789abcdef";
    const char *digits = c->kind == KIND_HEX ? hex_digits : base64_digits;
    unsigned base = c->kind == KIND_HEX ? 16 : c->kind == KIND_BASE64 ? 64 : 62;
    size_t length = c->kind == KIND_UUID ? 16 : (size_t)c->length, n = 0;
    uint8_t bytes[256];
    char text[RANDOM_MAX];
    do {
        if (getrandom(bytes, sizeof bytes, GRND_NONBLOCK) != (ssize_t)sizeof bytes) {
            fail(h, it, WF_TRANSIENT, "no_randomness", "the system has no random bytes%.*s yet",
                 (wf_str){ "", 0 });
            return;
        }
        if (c->kind == KIND_UUID) {
            n = write_uuid(bytes, text);
            break;
        }
        for (size_t i = 0; i < sizeof bytes && n < length; i++)
            if (bytes[i] < 256 / base * base) /* the rest would make the first digits more likely */
                text[n++] = digits[bytes[i] % base];
    } while (n < length);
    finish(h, it, text, n);
}

static void crypto_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct config *c = h->config(items[i]);
        if (c->action == ACTION_GENERATE)
            generate_item(h, items[i], c);
        else
            hash_item(h, items[i], c);
    }
}

static int crypto_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    (void)h;
    if (c->action != ACTION_SIGN)
        return 0;
    snprintf(why, why_size, "action 'sign' is not supported; use 'hmac', or a service that signs");
    return -1;
}

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.crypto", NULL };
static const wf_pair codes[] = {
    { "no_binary", "The item has no such binary part" },
    { "bad_name", "dataPropertyName leads through a value that is no object" },
    { "no_randomness", "The system has no random bytes yet; tried again" },
    { NULL, NULL },
};

static const char docs[] =
    "```json\n"
    "{\n"
    "  \"name\": \"Sign the call\",\n"
    "  \"type\": \"catalyst.crypto\",\n"
    "  \"parameters\": {\n"
    "    \"action\": \"hmac\",\n"
    "    \"type\": \"SHA256\",\n"
    "    \"value\": \"={{ $json.body }}\",\n"
    "    \"secret\": \"={{ $vars.partnerSecret }}\",\n"
    "    \"dataPropertyName\": \"signature\"\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n"
    "- The digest is that of the text's UTF-8 bytes, or of the bytes of a binary part.\n"
    "- `generate` takes random bytes of the system. An execution that is run again after a crash "
    "gets another\n"
    "  value, unless its results were stored (`each_step`).\n"
    "- Values above 64 KiB are hashed on the offload pool.\n";

static const wf_node nodes[] = { {
    .type = "catalyst.crypto",
    .help = "Hashes, HMACs and random values",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process = crypto_process,
    .codes = codes,
    .check = crypto_check,
    .group = "data",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("crypto", "1.0.0", nodes);
