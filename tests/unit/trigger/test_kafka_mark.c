/* SPDX-License-Identifier: Apache-2.0
 * Marks with committed offsets: read back as written, refused when they are not ours, believed only
 * of the lane they speak of. And which producers are dead.
 */
#include "trigger/kafka_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void test_read_back(void **state)
{
    (void)state;
    struct kafka_mark mark = { .source = 4000000000u, .epoch = 7, .seq = UINT64_MAX }, back;
    char text[KAFKA_MARK_TEXT];
    memset(mark.owner, 'x', KAFKA_OWNER - 1);
    kafka_mark_text(&mark, text);
    assert_true(kafka_mark_parse(text, strlen(text), &back));
    assert_int_equal(back.source, mark.source);
    assert_int_equal(back.epoch, 7);
    assert_true(back.seq == UINT64_MAX);
    assert_string_equal(back.owner, mark.owner);
}

static void test_not_ours(void **state)
{
    (void)state;
    static const char *const others[] = { "",
                                          "catalyst1",
                                          "catalyst1 1 2",
                                          "catalyst1 a 2 3 x",
                                          "catalyst2 1 2 3 x",
                                          "some other tool's text" };
    struct kafka_mark mark;
    char large[KAFKA_MARK_TEXT * 2];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(kafka_mark_parse(others[i], strlen(others[i]), &mark));
        assert_int_equal(mark.epoch, 0);
        assert_int_equal(mark.owner[0], 0);
    }
    assert_false(kafka_mark_parse(NULL, 0, &mark));
    snprintf(large, sizeof large, "catalyst1 1 2 3 %0*d", KAFKA_OWNER, 1);
    assert_false(kafka_mark_parse(large, strlen(large), &mark));
    memset(large, 'x', sizeof large);
    assert_false(kafka_mark_parse(large, sizeof large, &mark));
}

static void test_released(void **state)
{
    (void)state;
    struct store_lane at = { .source = 3, .epoch = 9, .block_seq = 50, .released = 10 };
    struct kafka_mark mark = { .source = 3, .epoch = 8, .seq = 20 };
    assert_int_equal(kafka_mark_released(&mark, &at), 20);
    mark.seq = 5; /* the store knows more */
    assert_int_equal(kafka_mark_released(&mark, &at), 10);
    mark = (struct kafka_mark){ .source = 4, .epoch = 8, .seq = 20 };
    assert_int_equal(kafka_mark_released(&mark, &at), 10);
    mark = (struct kafka_mark){ .source = 3, .epoch = 9, .seq = 20 }; /* of another store */
    assert_int_equal(kafka_mark_released(&mark, &at), 10);
    mark = (struct kafka_mark){ .source = 3, .epoch = 8, .seq = 51 };
    assert_int_equal(kafka_mark_released(&mark, &at), 10);
    mark = (struct kafka_mark){ 0 };
    assert_int_equal(kafka_mark_released(&mark, &at), 10);
}

static void test_owners(void **state)
{
    (void)state;
    char me[KAFKA_OWNER], again[KAFKA_OWNER], other[KAFKA_OWNER], host[65] = "";
    kafka_owner_make(7, 0, me);
    kafka_owner_make(8, 0, again);
    assert_string_not_equal(me, again);
    gethostname(host, sizeof host - 1);
    snprintf(other, sizeof other, "catalyst-%s-%d-00000000deadbeef-1", host, (int)getpid());
    assert_true(kafka_owner_is_dead(other, me)); /* our number, in another run */
    assert_false(kafka_owner_is_dead(me, me));
    snprintf(other, sizeof other, "catalyst-%s-%d-00000000deadbeef-1", host, (int)getppid());
    assert_false(kafka_owner_is_dead(other, me));
    snprintf(other, sizeof other, "catalyst-not-%s-1-00000000deadbeef-1", host);
    assert_false(kafka_owner_is_dead(other, me));
    assert_false(kafka_owner_is_dead("", me));
    assert_false(kafka_owner_is_dead("nonsense", me));
    pid_t child = fork();
    if (!child)
        _exit(0);
    waitpid(child, NULL, 0);
    snprintf(other, sizeof other, "catalyst-%s-%d-00000000deadbeef-1", host, (int)child);
    assert_true(kafka_owner_is_dead(other, me));
}

/* The other worker of this very process lives. */
static void test_worker_beside(void **state)
{
    (void)state;
    char me[KAFKA_OWNER], beside[KAFKA_OWNER];
    kafka_owner_make(7, 0, me);
    kafka_owner_make(7, 1, beside);
    assert_false(kafka_owner_is_dead(beside, me));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_back),     cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_released),      cmocka_unit_test(test_owners),
        cmocka_unit_test(test_worker_beside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
