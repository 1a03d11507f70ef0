/* SPDX-License-Identifier: Apache-2.0
 * Records as bytes: ids, outputs, headers, inputs; and what torn bytes get.
 */
#include "store/store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void ids_have_one_text(void **state)
{
    (void)state;
    const struct {
        struct exec_id id;
        const char *text;
    } cases[] = {
        { { 1, 0, 0 }, "1-0-0" },
        { { 7, 12, 123456789 }, "7-12-123456789" },
        { { UINT32_MAX, UINT32_MAX, UINT64_MAX }, "4294967295-4294967295-18446744073709551615" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[EXEC_ID_TEXT];
        struct exec_id back;
        exec_id_text(cases[i].id, text);
        assert_string_equal(text, cases[i].text);
        assert_true(exec_id_parse(text, &back));
        assert_memory_equal(&back, &cases[i].id, sizeof back);
    }
}

static void bad_ids_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "1",
        "1-2",
        "1-2-",
        "1-2-3-",
        "1-2-3 ",
        " 1-2-3",
        "01-2-3",
        "1-00-3",
        "1--3",
        "-1-2-3",
        "4294967296-0-0",
        "0-4294967296-0",
        "0-0-18446744073709551616",
        "0-0-99999999999999999999",
        "a-b-c",
        "1-2-0x3",
    };
    struct exec_id id;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(exec_id_parse(bad[i], &id));
    assert_false(exec_id_parse(NULL, &id));
}

static void add_sample(struct strbuf *b)
{
    struct strbuf headers;
    strbuf_init(&headers, 1000);
    store_headers_add(&headers, STR("tenant"), STR("acme"));
    store_headers_add(&headers, STR("empty"), STR(""));
    struct store_output full = { .exec = 3,
                                 .index = 1,
                                 .partition = -1,
                                 .channel = STR("kafka"),
                                 .connection = STR("main"),
                                 .topic = STR("out"),
                                 .key = STR("k"),
                                 .body = STR("{\"a\":1}"),
                                 .headers = strbuf_str(&headers) };
    struct store_output tombstone = {
        .exec = 4, .partition = 7, .channel = STR("kafka"), .topic = STR("out"), .key = STR("")
    };
    store_output_add(b, &full);
    store_output_add(b, &tombstone);
    strbuf_fini(&headers);
}

static void outputs_come_back(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 10000);
    add_sample(&b);
    struct store_output out;
    size_t at = 0;
    assert_int_equal(store_output_next(strbuf_str(&b), &at, &out), 1);
    assert_int_equal(out.exec, 3);
    assert_int_equal(out.index, 1);
    assert_int_equal(out.partition, -1);
    assert_true(str_eq(out.channel, STR("kafka")) && str_eq(out.connection, STR("main")));
    assert_true(str_eq(out.topic, STR("out")) && str_eq(out.key, STR("k")));
    assert_true(str_eq(out.body, STR("{\"a\":1}")));
    wf_str name, value;
    size_t header = 0;
    assert_int_equal(store_headers_next(out.headers, &header, &name, &value), 1);
    assert_true(str_eq(name, STR("tenant")) && str_eq(value, STR("acme")));
    assert_int_equal(store_headers_next(out.headers, &header, &name, &value), 1);
    assert_true(str_eq(name, STR("empty")) && value.len == 0);
    assert_int_equal(store_headers_next(out.headers, &header, &name, &value), 0);
    assert_int_equal(store_output_next(strbuf_str(&b), &at, &out), 1);
    assert_int_equal(out.partition, 7);
    assert_true(out.key.ptr && !out.key.len); /* an empty key is a key */
    assert_null(out.body.ptr);                /* no body is a tombstone */
    assert_null(out.connection.ptr);
    assert_int_equal(store_output_next(strbuf_str(&b), &at, &out), 0);
    strbuf_fini(&b);
}

/* Every cut and every changed length byte ends in -1 or a clean end, never outside the bytes. */
static void torn_outputs_are_noticed(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 10000);
    add_sample(&b);
    struct store_output out;
    size_t at = 0;
    store_output_next(strbuf_str(&b), &at, &out);
    const size_t first = at;
    for (size_t len = 1; len < b.len; len++) {
        char *cut = malloc(len);
        memcpy(cut, b.ptr, len);
        at = 0;
        int rc;
        do
            rc = store_output_next((wf_str){ cut, len }, &at, &out);
        while (rc == 1);
        assert_int_equal(rc, len == first ? 0 : -1);
        free(cut);
    }
    for (size_t i = 0; i < 40; i++) {
        char *copy = malloc(b.len);
        memcpy(copy, b.ptr, b.len);
        copy[i] = (char)(copy[i] ^ 0x41);
        at = 0;
        while (store_output_next((wf_str){ copy, b.len }, &at, &out) == 1)
            ;
        free(copy);
    }
    strbuf_fini(&b);
}

static void torn_headers_are_noticed(void **state)
{
    (void)state;
    wf_str name, value;
    static const char torn[] = "\x01\x00\x00\x00n\x05\x00\x00\x00val";
    size_t at = 0;
    assert_int_equal(store_headers_next((wf_str){ torn, sizeof torn - 1 }, &at, &name, &value), -1);
    assert_int_equal(at, 0);
    assert_int_equal(store_headers_next((wf_str){ torn, 3 }, &at, &name, &value), -1);
}

static void inputs_may_be_missing_one_by_one(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 1000);
    store_input_add(&b, STR("{}"));
    store_input_add(&b, (wf_str){ 0 });
    store_input_add(&b, STR(""));
    wf_str input;
    size_t at = 0;
    assert_int_equal(store_input_next(strbuf_str(&b), &at, &input), 1);
    assert_true(str_eq(input, STR("{}")));
    assert_int_equal(store_input_next(strbuf_str(&b), &at, &input), 1);
    assert_null(input.ptr);
    assert_int_equal(store_input_next(strbuf_str(&b), &at, &input), 1);
    assert_true(input.ptr && !input.len);
    assert_int_equal(store_input_next(strbuf_str(&b), &at, &input), 0);
    at = 0;
    assert_int_equal(store_input_next((wf_str){ b.ptr, 5 }, &at, &input), -1);
    strbuf_fini(&b);
}

static void a_full_buffer_keeps_no_torn_record(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 80);
    add_sample(&b);
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
    strbuf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_one_text),
        cmocka_unit_test(bad_ids_are_refused),
        cmocka_unit_test(outputs_come_back),
        cmocka_unit_test(torn_outputs_are_noticed),
        cmocka_unit_test(torn_headers_are_noticed),
        cmocka_unit_test(inputs_may_be_missing_one_by_one),
        cmocka_unit_test(a_full_buffer_keeps_no_torn_record),
    };
    return cmocka_run_group_tests_name("store.record", tests, NULL, NULL);
}
