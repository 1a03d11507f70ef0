/* SPDX-License-Identifier: Apache-2.0
 * catalyst.postgres without a server: the statements items become, and what happens when nobody
 * listens. All operations run against a real server in tests/integration.
 */
#include "../postgres.c"
#include "../conn.c"
#include "../batch.c"
#include "../rows.c"
#include "../sql.c"
#include "../text.c"
#include "../../redis/tests/fake_loop.h"
#include "fake_cases.h"

/* Nobody listens at port 1 of this host; items wait for a while before they are told. */
static struct fake *begin(const char *json)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    fake_cred(f, "postgres",
              "{\"host\":\"127.0.0.1\",\"port\":\"1\",\"user\":\"u\",\"password\":\"s3cret\"}");
    fake_service(f, "loop/1", &loop_table);
    if (fake_start(f, json) != 0)
        fail_msg("%s: %s", json, fake_error(f));
    return f;
}

static void until_ended(wf_item *it)
{
    int64_t end = loop_now() + 5000;
    while (fake_ended(it) == FAKE_NOT_ENDED && loop_now() < end)
        loop_once();
}

#define P(op, rest) "{\"operation\":\"" op "\"," rest "}"
#define MATCH       "\"columns\":{\"matchingColumns\":[\"id\"]}"

static const struct {
    const char *params, *item, *sql, *values, *error;
} statements[] = {
    { P("insert", "\"table\":\"t\""), "{\"a\":1,\"b\":null,\"c\":{\"x\":[1]}}",
      "INSERT INTO \"public\".\"t\" (\"a\", \"b\", \"c\")| RETURNING *", "1|(null)|{\"x\":[1]}|",
      NULL },
    { P("insert", "\"schema\":\"\",\"table\":\"t\",\"options\":{\"skipOnConflict\":true,"
                  "\"outputColumns\":[\"a\"]}"),
      "{\"a\":true}", "INSERT INTO \"t\" (\"a\")| ON CONFLICT DO NOTHING RETURNING \"a\"", "true|",
      NULL },
    { P("insert",
        "\"table\":\"={{ $json.t }}\",\"columns\":{\"mappingMode\":\"defineBelow\",\"value\":"
        "{\"a\\\"b\":\"={{ $json.v }}\"}}"),
      "{\"t\":\"x\\\"; DROP TABLE y; --\",\"v\":\"'\"}",
      "INSERT INTO \"public\".\"x\"\"; DROP TABLE y; --\" (\"a\"\"b\")| RETURNING *", "'|", NULL },
    { P("upsert", "\"table\":\"t\"," MATCH), "{\"id\":1,\"n\":2}",
      "INSERT INTO \"public\".\"t\" (\"id\", \"n\")| ON CONFLICT (\"id\") DO UPDATE SET \"n\" = "
      "excluded.\"n\" RETURNING *",
      "1|2|", NULL },
    { P("upsert", "\"table\":\"t\"," MATCH), "{\"id\":1}",
      "INSERT INTO \"public\".\"t\" (\"id\")| ON CONFLICT (\"id\") DO UPDATE SET \"id\" = "
      "excluded.\"id\" RETURNING *",
      "1|", NULL },
    { P("update", "\"table\":\"t\"," MATCH), "{\"id\":1,\"n\":\"x\"}",
      "UPDATE \"public\".\"t\" SET \"n\" = $1 WHERE \"id\" = $2 RETURNING *|", "x|1|", NULL },
    { P("update", "\"table\":\"t\"," MATCH), "{\"n\":\"x\"}", NULL, NULL, "'id' has no value" },
    { P("update", "\"table\":\"t\"," MATCH), "{\"id\":1}", NULL, NULL, "no columns to write" },
    { P("insert", "\"table\":\"t\""), "{}", NULL, NULL, "no columns to write" },
    { P("insert", "\"table\":\"t\""), "{\"\":1}", NULL, NULL, "no name of a column" },
    { P("insert", "\"table\":\"t\""), "{\"a\":\"x\\u0000y\"}", NULL, NULL, "NUL byte" },
    { P("select", "\"table\":\"t\",\"where\":{\"values\":[{\"column\":\"a\",\"condition\":\">=\","
                  "\"value\":\"={{ $json.v }}\"},{\"column\":\"b\",\"condition\":\"IS NULL\"}]},"
                  "\"sort\":{\"values\":[{\"column\":\"a\",\"direction\":\"DESC\"}]},\"limit\":5"),
      "{\"v\":3}",
      "SELECT * FROM \"public\".\"t\" WHERE \"a\" >= $1 AND \"b\" IS NULL  ORDER BY \"a\" DESC "
      "LIMIT 5|",
      "3|", NULL },
    { P("select", "\"table\":\"t\",\"returnAll\":true"), "{}", "SELECT * FROM \"public\".\"t\"|",
      "", NULL },
    { P("deleteTable", "\"table\":\"t\""), "{}", "TRUNCATE TABLE \"public\".\"t\"|", "", NULL },
    { P("executeQuery",
        "\"query\":\"SELECT $1, $2\",\"options\":{\"queryReplacement\":[\"={{ $json.v "
        "}}\",true]}"),
      "{\"v\":null}", "SELECT $1, $2|", "(null)|true|", NULL },
    { P("executeQuery",
        "\"query\":\"SELECT $1, $2\",\"options\":{\"queryReplacement\":\"a, b c\"}"),
      "{}", "SELECT $1, $2|", "a|b c|", NULL },
};

static void test_statements(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        struct fake *f = begin(statements[i].params);
        wf_item *it = fake_item(f, statements[i].item);
        fake_run(f);
        struct statement s;
        sql_build(&f->host, it, &s);
        if (statements[i].error) {
            if (!s.error || !strstr(s.error, statements[i].error))
                fail_msg("%zu: %s", i, s.error ? s.error : "(no error)");
        } else {
            char sql[500], values[200] = "";
            if (s.error)
                fail_msg("%zu: %s", i, s.error);
            snprintf(sql, sizeof sql, "%s|%s", s.head.ptr, s.tail.ptr);
            for (size_t k = 0; k < s.n; k++) {
                strcat(values, s.values[k] ? s.values[k] : "(null)");
                strcat(values, "|");
            }
            assert_string_equal(sql, statements[i].sql);
            assert_string_equal(values, statements[i].values);
        }
        until_ended(it);
        fake_destroy(f);
    }
}

static void test_join(void **state)
{
    (void)state;
    struct fake *f = begin(P("insert", "\"table\":\"t\""));
    wf_item *items[] = { fake_item(f, "{\"a\":1,\"b\":2}"), fake_item(f, "{\"a\":3,\"b\":4}"),
                         fake_item(f, "{\"b\":5}") };
    struct statement s[3];
    fake_run(f);
    for (int i = 0; i < 3; i++)
        sql_build(&f->host, items[i], &s[i]);
    assert_int_equal(group(&f->host, items, s, 3), 2);
    assert_string_equal(
        join(&f->host, items[0], s, 2),
        "INSERT INTO \"public\".\"t\" (\"a\", \"b\") VALUES ($1,$2),($3,$4) RETURNING *");
    until_ended(items[2]);
    fake_destroy(f);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct fake *f = begin(P("executeQuery", "\"query\":\"SELECT 1\""));
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    until_ended(it);
    assert_int_equal(fake_fault(it)->fault, WF_TRANSIENT);
    assert_string_equal(fake_fault(it)->code, "connection");
    assert_null(strstr(fake_why(it), "s3cret"));
    fake_destroy(f);
}

static const struct {
    unsigned type;
    const char *text, *json;
} values[] = {
    { T_TIMESTAMPTZ, "2024-02-29 12:30:00.5+00", "\"2024-02-29T12:30:00.5Z\"" },
    { T_TIMESTAMPTZ, "2024-02-29 12:30:00+02", "\"2024-02-29T12:30:00+02:00\"" },
    { T_TIMESTAMPTZ, "2024-02-29 12:30:00-03:30", "\"2024-02-29T12:30:00-03:30\"" },
    { T_TIMESTAMP, "2024-02-29 12:30:00", "\"2024-02-29T12:30:00\"" },
    { T_TIMESTAMP, "infinity", "\"infinity\"" },
    { T_TIMESTAMP, "0044-03-15 12:00:00 BC", "\"0044-03-15 12:00:00 BC\"" },
    { T_TIMESTAMP, "12024-02-29 12:30:00", "\"12024-02-29 12:30:00\"" },
    { 1007, "{1,NULL,-3}", "[1,null,-3]" },
    { 1007, "{}", "[]" },
    { 1007, "{{1,2},{3,4}}", "[[1,2],[3,4]]" },
    { 1007, "[0:1]={1,2}", "\"[0:1]={1,2}\"" },
    { 1009, "{a,\"b c\",\"x\\\"y\\\\z\",\"NULL\",\"\",\"{\"}",
      "[\"a\",\"b c\",\"x\\\"y\\\\z\",\"NULL\",\"\",\"{\"]" },
    { 1000, "{t,f,NULL}", "[true,false,null]" },
    { 3807, "{\"{\\\"a\\\": [1]}\"}", "[{\"a\":[1]}]" },
    { 1185, "{\"2024-02-29 12:30:00+00\"}", "[\"2024-02-29T12:30:00Z\"]" },
    { 1007, "{1,2", "\"{1,2\"" },
    { 1007, "{1}2", "\"{1}2\"" },
    { 1009, "{\"a", "\"{\\\"a\"" },
    { 1009, "{{{{{{{1}}}}}}}", "\"{{{{{{{1}}}}}}}\"" },
    { 17, "\\x00ff", "\"\\\\x00ff\"" },
};

static void test_values(void **state)
{
    (void)state;
    struct fake *f = begin(P("executeQuery", "\"query\":\"SELECT 1\""));
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const wf_value *v =
            rows_value(&f->host, it, values[i].type, values[i].text, strlen(values[i].text));
        assert_string_equal(f->host.v->json(it, v).ptr, values[i].json);
    }
    until_ended(it);
    fake_destroy(f);
}

static void refuse(const char *json, const char *why)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    fake_cred(f, "postgres", "{}");
    fake_service(f, "loop/1", &loop_table);
    assert_int_equal(fake_start(f, json), -1);
    if (!strstr(fake_error(f), why))
        fail_msg("%s, wanted %s", fake_error(f), why);
    fake_destroy(f);
}

static void test_refused(void **state)
{
    (void)state;
    refuse("{\"operation\":\"insert\"}", "table");
    refuse("{\"operation\":\"executeQuery\"}", "query");
    refuse(P("upsert", "\"table\":\"t\""), "matchingColumns must name");
    refuse(P("update", "\"table\":\"t\",\"columns\":{\"matchingColumns\":[]}"),
           "matchingColumns must name");
    refuse(P("select",
             "\"table\":\"t\",\"where\":{\"values\":[{\"column\":\"a\",\"condition\":\"~\"}]}"),
           "condition");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements), cmocka_unit_test(test_join),
        cmocka_unit_test(test_values),     cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
