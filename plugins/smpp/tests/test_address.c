/* SPDX-License-Identifier: Apache-2.0
 * Addresses: which type of number each text gets, what is refused, and the way back.
 */
#include "address.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const struct address_rules plain = { 0 };

static void is(const struct address_rules *rules, const char *text, unsigned ton, unsigned npi,
               const char *wanted)
{
    char room[ADDRESS_MAX];
    const char *why = "";
    struct smpp_address to;
    if (smpp_address_of(text, strlen(text), rules, room, &to, &why) != 0)
        fail_msg("%s: %s", text, why);
    assert_int_equal(to.ton, ton);
    assert_int_equal(to.npi, npi);
    assert_int_equal(to.addr.len, strlen(wanted));
    assert_memory_equal(to.addr.ptr, wanted, to.addr.len);
}

static void is_not(const char *text, size_t len)
{
    char room[ADDRESS_MAX];
    const char *why = NULL;
    struct smpp_address to;
    assert_int_equal(smpp_address_of(text, len, &plain, room, &to, &why), -1);
    assert_non_null(why);
}

static void types_of_numbers(void **state)
{
    (void)state;
    is(&plain, "+4915112345678", 1, 1, "4915112345678");
    is(&plain, "004915112345678", 1, 1, "4915112345678");
    is(&plain, "+49 (151) 123-456.78", 1, 1, "4915112345678");
    is(&plain, "4915112345678", 1, 1, "4915112345678");
    is(&plain, "+2901234", 1, 1, "2901234"); /* seven digits and a plus */
    is(&(struct address_rules){ .country = "49" }, "0151 12345678", 1, 1, "4915112345678");
    is(&(struct address_rules){ .country = "39" }, "02 3661 8300", 1, 1, "390236618300");
    is(&plain, "015112345678", 2, 1, "015112345678"); /* nobody says where */
    is(&plain, "12345", 3, 0, "12345");
    is(&plain, "12345678", 3, 0, "12345678");
    is(&plain, "ACME", 5, 0, "ACME");
    is(&plain, "ACME-Tel 24", 5, 0, "ACME-Tel 24");
    is(&plain, "3com", 5, 0, "3com");
    is(&(struct address_rules){ .short_ton = 6, .short_npi = 9 }, "12345", 6, 9, "12345");
    is(&(struct address_rules){ .keep_plus = 1 }, "+49 15112345678", 1, 1, "+4915112345678");
}

static void what_is_none(void **state)
{
    (void)state;
    is_not("", 0);
    is_not("12", 2);
    is_not("+12345", 6);
    is_not("+1234567890123456", 17);
    is_not("123456789012345678901", 21);
    is_not("ACMETELECOM1", 12);
    is_not("+49x", 4);
    is_not("caf\xc3\xa9", 5);
    is_not("AC\0ME", 5);
    is_not("AC\nME", 5);
    is_not("A`B", 3);
}

static void back(const struct address_rules *rules, unsigned ton, const char *addr,
                 const char *wanted)
{
    char to[ADDRESS_TEXT_MAX];
    struct smpp_address address = { .ton = (uint8_t)ton,
                                    .addr = { .ptr = addr, .len = (uint32_t)strlen(addr) } };
    assert_int_equal(smpp_address_text(&address, rules, to), strlen(wanted));
    assert_string_equal(to, wanted);
}

static void and_back(void **state)
{
    (void)state;
    struct address_rules germany = { .country = "49" };
    back(&plain, 1, "4915112345678", "+4915112345678");
    back(&plain, 1, "004915112345678", "+4915112345678");
    back(&plain, 1, "+4915112345678", "+4915112345678");
    back(&plain, 2, "015112345678", "015112345678");
    back(&germany, 2, "015112345678", "+4915112345678");
    back(&germany, 2, "15112345678", "+4915112345678");
    static const struct {
        const char *country, *at_home, *wanted;
    } others[] = { { "39", "0236618300", "+390236618300" }, /* the 0 belongs to the number */
                   { "225", "0123456789", "+2250123456789" },
                   { "36", "06201234567", "+36201234567" },
                   { "7", "89123456789", "+79123456789" },
                   { "7", "8001234567", "+78001234567" }, /* this 8, too */
                   { "1", "12015550123", "+12015550123" },
                   { "375", "80291234567", "+375291234567" } };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct address_rules rules = { .country = "" };
        memcpy(rules.country, others[i].country, strlen(others[i].country) + 1);
        back(&rules, 2, others[i].at_home, others[i].wanted);
    }
    back(&plain, 0, "12345", "12345");
    back(&plain, 5, "ACME", "ACME");
    back(&plain, 5, "caf\xe9\n", "caf\xc3\xa9");
    back(&plain, 1, "", "");
    char longest[65];
    memset(longest, 0xe9, 64);
    longest[64] = 0;
    char to[ADDRESS_TEXT_MAX];
    struct smpp_address address = { .addr = { .ptr = longest, .len = 64 } };
    size_t n = smpp_address_text(&address, &plain, to);
    assert_true(n < sizeof to && n % 2 == 0); /* cut between characters */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(types_of_numbers),
                                        cmocka_unit_test(what_is_none),
                                        cmocka_unit_test(and_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
