/* SPDX-License-Identifier: Apache-2.0
 * Runs the conformance tests (conformance/) for memory, SQLite and, where there is one, PostgreSQL.
 */
#include "conformance/conformance.h"

static int setup_memory(void **state) { return !(*state = fixture_open(MEMORY)); }
static int setup_sqlite(void **state) { return !(*state = fixture_open(SQLITE)); }
static int setup_postgres(void **state) { return !(*state = fixture_open(POSTGRES)); }

static int teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

static void urls_are_checked(void **state)
{
    (void)state;
    struct err err;
    static const char *const bad[] = { "", "mysql://x", "/tmp/x.db" };
    for (size_t i = 0; i < 3; i++) {
        struct store_config config = { .url = bad[i] };
        assert_null(store_open(&config, true, &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
    struct store_config config = { .url = "postgresql://127.0.0.1:1/none?password=geheim" };
    assert_null(store_open(&config, true, &err));
    assert_true(err.retryable);
    assert_null(strstr(err.text, "geheim"));
}

int main(void)
{
#define MEMORY_TEST(test)   { "memory: " #test, test, setup_memory, teardown, NULL },
#define SQLITE_TEST(test)   { "sqlite: " #test, test, setup_sqlite, teardown, NULL },
#define POSTGRES_TEST(test) { "postgresql: " #test, test, setup_postgres, teardown, NULL },
    const struct CMUnitTest common[] = { cmocka_unit_test(urls_are_checked) };
    const struct CMUnitTest memory[] = { ALL_CASES(MEMORY_TEST) };
    const struct CMUnitTest sqlite[] = { ALL_CASES(SQLITE_TEST) };
    const struct CMUnitTest postgres[] = { ALL_CASES(POSTGRES_TEST) };
    int failed = cmocka_run_group_tests_name("store.common", common, NULL, NULL);
    failed += cmocka_run_group_tests_name("store.memory", memory, NULL, NULL);
    failed += cmocka_run_group_tests_name("store.sqlite", sqlite, NULL, NULL);
    if (postgres_url())
        failed += cmocka_run_group_tests_name("store.postgresql", postgres, NULL, NULL);
    else
        printf("skipped: %zu tests of PostgreSQL: CATALYST_TEST_POSTGRES is not set\n",
               sizeof postgres / sizeof *postgres);
    return failed;
}
