/* SPDX-License-Identifier: Apache-2.0
 * Who may call a webhook: addresses and networks, origins, user-agents.
 */
#include "trigger/trigger_int.h"
#include "base/str.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void addresses_and_networks(void **state)
{
    (void)state;
    static const struct {
        const char *allow, *peer;
        bool may;
    } cases[] = {
        { "", "9.9.9.9:1", true },
        { "127.0.0.1", "127.0.0.1:4711", true },
        { "127.0.0.1", "127.0.0.11:4711", false },
        { "10.0.0.0/8, 192.168.1.0/24", "192.168.1.77:1", true },
        { "10.0.0.0/8, 192.168.1.0/24", "192.168.2.77:1", false },
        { "10.0.0.0/8", "10.255.0.1:1", true },
        { "10.128.0.0/9", "10.127.0.1:1", false },
        { "0.0.0.0/0", "1.2.3.4:1", true },
        { "0.0.0.0/0", "[2001:db8::1]:1", false },
        { "::1", "[::1]:4711", true },
        { "0:0:0:0:0:0:0:1", "[::1]:4711", true },
        { "2001:db8::/32", "[2001:db8:1::5]:1", true },
        { "2001:db8::/32", "[2001:db9::5]:1", false },
        { "10.0.0.1", "[::ffff:10.0.0.1]:1", true },
        { "10.0.0.0/x", "10.0.0.0:1", false },
        { "10.0.0.0/33", "10.0.0.0:1", false },
        { "10.0.0.0/", "10.0.0.0:1", false },
        { "nonsense", "10.0.0.0:1", false },
        { "10.0.0.1", "unix", false },
        { " , ,", "10.0.0.1:1", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (webhook_ip_allowed(cases[i].allow, str_of(cases[i].peer)) != cases[i].may)
            fail_msg("'%s' %s", cases[i].allow, cases[i].peer);
}

static void origins(void **state)
{
    (void)state;
    const char *two = "https://a.example, https://B.example:8443";
    assert_true(webhook_origin_allowed("", STR("https://x.example")));
    assert_true(webhook_origin_allowed(two, STR("")));
    assert_true(webhook_origin_allowed(two, STR("https://a.example")));
    assert_true(webhook_origin_allowed(two, STR("https://b.example:8443")));
    assert_false(webhook_origin_allowed(two, STR("https://b.example")));
    assert_false(webhook_origin_allowed(two, STR("https://a.example.evil")));
    assert_false(webhook_origin_allowed(two, STR("null")));
    assert_true(webhook_origin_allowed("*", STR("null")));
}

static void bots_and_bodies(void **state)
{
    (void)state;
    assert_true(webhook_is_bot(STR("Mozilla/5.0 (compatible; Googlebot/2.1)")));
    assert_true(webhook_is_bot(STR("facebookexternalhit/1.1")));
    assert_false(webhook_is_bot(STR("curl/8.0")));
    assert_false(webhook_is_bot(STR("")));
    assert_true(webhook_is_binary(STR("image/png")));
    assert_true(webhook_is_binary(STR("application/pdf")));
    assert_false(webhook_is_binary(STR("image/svg+xml")));
    assert_false(webhook_is_binary(STR("text/plain")));
    assert_false(webhook_is_binary(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_networks),
        cmocka_unit_test(origins),
        cmocka_unit_test(bots_and_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
