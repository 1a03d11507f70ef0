/* SPDX-License-Identifier: Apache-2.0
 * catalyst.crypto: known digests, HMACs, binary parts, the pool, random values.
 */
#include "../crypto.c"
#include "../digest.c"
#include "../blocks.c"
#include "fake_cases.h"

#define HASH(type, rest) "{\"type\":\"" type "\",\"value\":\"={{ $json.v }}\"" rest "}"
#define ABC(type, hex)                                                                             \
    {                                                                                              \
        type, HASH(type, ""), { "[{\"v\":\"abc\"}]" },                                             \
        {                                                                                          \
            "[{\"v\":\"abc\",\"data\":\"" hex "\"}]"                                               \
        }                                                                                          \
    }
#define HMAC(type, rest)                                                                           \
    "{\"action\":\"hmac\",\"type\":\"" type                                                        \
    "\",\"value\":\"={{ $json.v }}\",\"secret\":\"Jefe\"" rest "}"
/* RFC 2202 and RFC 4231, test case 2 */
#define WHAT "{\"v\":\"what do ya want for nothing?\""

static const struct fake_case cases[] = {
    /* FIPS 180-4, FIPS 202 and RFC 1321 examples */
    ABC("MD5", "900150983cd24fb0d6963f7d28e17f72"),
    ABC("SHA1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ABC("SHA256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ABC("SHA384", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc23"
                  "58baeca134c825a7"),
    ABC("SHA512", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a8"
                  "36ba3c23a3feebbd"
                  "454d4423643ce80e2a9ac94fa54ca49f"),
    ABC("SHA3-256", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
    ABC("SHA3-384", "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7"
                    "f539f1edf228376d25"),
    ABC("SHA3-512", "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3"
                    "c91a7ec57647e3934057"
                    "340b4cf408d5a56592f8274eec53f0"),
    { "nothing",
      HASH("SHA256", ""),
      { "[{}]" },
      { "[{\"data\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}]" } },
    { "UTF-8",
      HASH("MD5", ""),
      { "[{\"v\":\"\\u00e4\"}]" },
      { "[{\"v\":\"\\u00e4\",\"data\":\"8419b71c87a225a2c70b50486fbee545\"}]" } },
    { "base64",
      HASH("MD5", ",\"encoding\":\"base64\""),
      { "[{\"v\":\"abc\"}]" },
      { "[{\"v\":\"abc\",\"data\":\"kAFQmDzST7DWlj99KOF/cg==\"}]" } },
    { "into an object",
      HASH("MD5", ",\"dataPropertyName\":\"o.h\""),
      { "[{\"v\":\"abc\",\"o\":{\"k\":1}}]" },
      { "[{\"v\":\"abc\",\"o\":{\"k\":1,\"h\":\"900150983cd24fb0d6963f7d28e17f72\"}}]" } },
    { "into something else",
      HASH("MD5", ",\"dataPropertyName\":\"v.h\""),
      { "[{\"v\":\"abc\"}]" },
      .fails = "field 'v.h' leads through a value that is no object",
      .code = "bad_name" },
    { "MD5 is the default",
      "{\"value\":\"abc\"}",
      { "[{}]" },
      { "[{\"data\":\"900150983cd24fb0d6963f7d28e17f72\"}]" } },
    { "HMAC MD5",
      HMAC("MD5", ""),
      { "[" WHAT "}]" },
      { "[" WHAT ",\"data\":\"750c783e6ab0b503eaa86e310a5db738\"}]" } },
    { "HMAC SHA1",
      HMAC("SHA1", ""),
      { "[" WHAT "}]" },
      { "[" WHAT ",\"data\":\"effcdf6ae5eb2fa2d27416d5f184df9c259a7c79\"}]" } },
    { "HMAC SHA256",
      HMAC("SHA256", ""),
      { "[" WHAT "}]" },
      { "[" WHAT
        ",\"data\":\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\"}]" } },
    { "HMAC SHA512 as base64",
      HMAC("SHA512", ",\"encoding\":\"base64\""),
      { "[" WHAT "}]" },
      { "[" WHAT ",\"data\":\"Fkt6e/z4GeLjlfvnO1bgo4e9ZCIugx/"
        "WECcM1+olBVSXWL91wFqZSm0DT2X48Ob9yuqxo01Ka0tjbgcKOLznNw==\"}]" } },
    { "no binary part",
      "{\"binaryData\":true,\"binaryPropertyName\":\"file\"}",
      { "[{}]" },
      .fails = "the item has no binary part 'file'",
      .code = "no_binary" },
    { "sign", "{\"action\":\"sign\"}", .refused = "'sign' is not supported" },
    { "no secret", "{\"action\":\"hmac\",\"value\":\"x\"}", .refused = "secret" },
};

static uint8_t bytes_of(size_t i) { return (uint8_t)(i * 7 + 3); }

/* Every length around the edges of blocks, in pieces, is the same as at once. */
static void takes_pieces(void **state)
{
    uint8_t bytes[300], whole[DIGEST_MAX], pieces[DIGEST_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = bytes_of(i);
    for (int type = MD5; type <= SHA3_512; type++)
        for (size_t len = 0; len < sizeof bytes; len++) {
            struct digest d;
            digest_start(&d, (enum digest_type)type);
            digest_add(&d, bytes, len);
            digest_end(&d, whole);
            digest_start(&d, (enum digest_type)type);
            for (size_t at = 0; at < len; at += 37)
                digest_add(&d, bytes + at, len - at < 37 ? len - at : 37);
            digest_end(&d, pieces);
            assert_memory_equal(whole, pieces, digest_size((enum digest_type)type));
        }
}

/* A key longer than a block is hashed first: RFC 2202 test case 6. */
static void takes_long_keys(void **state)
{
    uint8_t key[80], out[DIGEST_MAX];
    char text[2 * DIGEST_MAX + 4];
    static const char data[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    (void)state;
    memset(key, 0xaa, sizeof key);
    digest_hmac(SHA1, key, sizeof key, data, sizeof data - 1, out);
    text[encode(out, 20, AS_HEX, text)] = 0;
    assert_string_equal(text, "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

/* A million times "a", from RFC and FIPS examples, as text of an item: through the pool. */
static void hashes_large_values(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    size_t n = 1000000;
    char *json = malloc(n + 20);
    (void)state;
    memcpy(json, "{\"v\":\"", 6);
    memset(json + 6, 'a', n);
    memcpy(json + 6 + n, "\"}", 3);
    assert_int_equal(fake_start(f, HASH("SHA256", ",\"dataPropertyName\":\"v\"")), 0);
    wf_item *it = fake_item(f, json);
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_EMITTED);
    assert_int_equal(f->jobs.n, 1);
    assert_string_equal(
        fake_output_json(f, 0, 0),
        "{\"v\":\"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0\"}");
    fake_destroy(f);
    free(json);
}

static void hashes_binary_parts(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    (void)state;
    assert_int_equal(fake_start(f, "{\"type\":\"SHA1\",\"binaryData\":true}"), 0);
    wf_item *it = fake_item(f, "{}");
    fake_part(it, "data", "abc", 3, "text/plain", "a.txt");
    fake_run(f);
    assert_string_equal(fake_output_json(f, 0, 0),
                        "{\"data\":\"a9993e364706816aba3e25717850c26c9cd0d89d\"}");
    fake_destroy(f);
}

static void generate(const char *given, char *to, size_t size)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    assert_int_equal(fake_start(f, given), 0);
    fake_item(f, "{}");
    fake_run(f);
    const char *json = fake_output_json(f, 0, 0);
    assert_int_equal(strncmp(json, "{\"data\":\"", 9), 0);
    snprintf(to, size, "%.*s", (int)(strlen(json) - 11), json + 9);
    fake_destroy(f);
}

static void generates(void **state)
{
    char one[5000], two[5000];
    (void)state;
    generate("{\"action\":\"generate\"}", one, sizeof one);
    generate("{\"action\":\"generate\"}", two, sizeof two);
    assert_string_not_equal(one, two);
    assert_int_equal(strlen(one), 36);
    assert_true(one[8] == '-' && one[13] == '-' && one[14] == '4' && one[18] == '-' &&
                one[23] == '-');
    assert_non_null(strchr("89ab", one[19]));
    generate("{\"action\":\"generate\",\"encodingType\":\"hex\",\"stringLength\":7}", one,
             sizeof one);
    assert_int_equal(strlen(one), 7);
    assert_int_equal(strspn(one, "0123456789abcdef"), 7);
    generate("{\"action\":\"generate\",\"encodingType\":\"ascii\",\"stringLength\":4096}", one,
             sizeof one);
    assert_int_equal(strlen(one), 4096);
    for (const char *c = one; *c; c++)
        assert_true((*c >= '0' && *c <= '9') || ((*c | 32) >= 'a' && (*c | 32) <= 'z'));
    assert_non_null(strchr(one, 'A')); /* each of 62 is missing in 4,096 once in 10^28 */
    assert_non_null(strchr(one, '9'));
    generate("{\"action\":\"generate\",\"encodingType\":\"base64\",\"stringLength\":600}", one,
             sizeof one);
    assert_int_equal(strlen(one), 600);
    assert_int_equal(strspn(one, base64_digits), 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(takes_pieces),
                                        cmocka_unit_test(takes_long_keys),
                                        cmocka_unit_test(hashes_large_values),
                                        cmocka_unit_test(hashes_binary_parts),
                                        cmocka_unit_test(generates) };
    return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.crypto", cases) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
