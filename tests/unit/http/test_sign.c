/* SPDX-License-Identifier: Apache-2.0
 * Signatures of webhooks: the examples that Slack and Standard Webhooks publish, and everything
 * that is nearly one of them.
 */
#include "http/sign.h"
#include "base/str.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char slack_secret[] = "8f742231b10e8888abcd99yyyzzz85a5";
static const char slack_time[] = "1531420618";
static const char slack_body[] =
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&"
    "channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&"
    "command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2F"
    "T1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
    "803a0bc887a14d10d2c447fce8b6703c";
static const char slack_signature[] =
    "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

static bool slack(const char *secret, const char *time, const char *body, const char *given)
{
    return sign_check_slack(str_of(secret), str_of(time), str_of(body), str_of(given));
}

static void test_slack(void **state)
{
    char text[sizeof slack_signature];
    (void)state;
    assert_true(slack(slack_secret, slack_time, slack_body, slack_signature));
    assert_false(slack("other", slack_time, slack_body, slack_signature));
    assert_false(slack(slack_secret, "1531420619", slack_body, slack_signature));
    assert_false(slack(slack_secret, slack_time, slack_body + 1, slack_signature));
    assert_false(slack(slack_secret, slack_time, slack_body, slack_signature + 3));
    assert_false(slack(slack_secret, slack_time, slack_body, ""));
    assert_false(slack(slack_secret, slack_time, slack_body, "v0="));
    for (size_t i = 0; i < sizeof text - 1; i++) {
        memcpy(text, slack_signature, sizeof text);
        text[i] = text[i] == '1' ? '2' : '1';
        assert_false(slack(slack_secret, slack_time, slack_body, text));
        text[i] = 0; /* shorter */
        assert_false(slack(slack_secret, slack_time, slack_body, text));
    }
}

static const char id[] = "msg_p5jXN8AQM9LWM0D4loKWxJek", when[] = "1614265330";
static const char payload[] = "{\"test\": 2432232314}";
static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
static const char other[] = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
static const char signature[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

static bool standard(const char *secrets, const char *name, const char *given)
{
    return sign_check_standard(str_of(secrets), str_of(name), str_of(when), str_of(payload),
                               str_of(given));
}

static void test_standard_webhooks(void **state)
{
    char text[1024];
    (void)state;
    assert_true(standard(secret, id, signature));
    assert_true(standard(secret + 6, id, signature));
    assert_false(standard(other, id, signature));
    assert_false(standard(secret, "msg_other", signature));
    for (size_t i = 0; i < 3; i++) { /* the secret is rotated: either, in any place */
        static const char *const forms[] = { "%s %s", "%s,%s", "  %s\n%s " };
        snprintf(text, sizeof text, forms[i], other, secret);
        assert_true(standard(text, id, signature));
        snprintf(text, sizeof text, forms[i], secret, other);
        assert_true(standard(text, id, signature));
    }
    snprintf(text, sizeof text, "v1a,abc  v1,AAAA v2,x %s", signature);
    assert_true(standard(secret, id, text));
    snprintf(text, sizeof text, "v1a,%s", signature + 3);
    assert_false(standard(secret, id, text));
    assert_false(standard(secret, id, signature + 3));
    assert_false(standard(secret, id, ""));
    assert_false(standard("", id, signature));
    assert_false(standard("whsec_ whsec_? ,", id, signature));
    for (size_t i = 0; i < sizeof signature - 2; i++) { /* padding may be left out */
        snprintf(text, sizeof text, "%.*s", (int)i, signature);
        assert_false(standard(secret, id, text));
    }
}

/* Nobody is made to compute without end by a header full of signatures. */
static void test_many_signatures(void **state)
{
    size_t each = sizeof signature;
    char *text = malloc(1000 * each + each);
    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        memcpy(text + i * each, signature, each - 1);
        text[i * each + 10] ^= 1;
        text[(i + 1) * each - 1] = ' ';
    }
    memcpy(text + 1000 * each, signature, each);
    assert_false(standard(secret, id, text));
    assert_true(standard(secret, id, text + 995 * each));
    free(text);
}

static void test_bodies(void **state)
{
    static const char hex[] = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
    wf_str none = { "", 0 }, key = str_of("key");
    wf_str body = str_of("The quick brown fox jumps over the lazy dog");
    char text[96];
    (void)state;
    assert_true(sign_check_hmac(key, none, body, str_of(hex)));
    snprintf(text, sizeof text, "sha256=%s", hex);
    assert_true(sign_check_hmac(key, none, body, str_of(text)));
    assert_true(
        sign_check_hmac(key, none, body, str_of("97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg=")));
    assert_false(sign_check_hmac(key, str_of("1"), body, str_of(hex)));
    assert_false(sign_check_hmac(str_of("other"), none, body, str_of(hex)));
    assert_false(sign_check_hmac(key, none, none, str_of(hex)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slack),
        cmocka_unit_test(test_standard_webhooks),
        cmocka_unit_test(test_many_signatures),
        cmocka_unit_test(test_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
