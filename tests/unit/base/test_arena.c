/* SPDX-License-Identifier: Apache-2.0
 * The arena: alignment, the first buffer, chunks, what is linked to it.
 */
#include "base/arena.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

static bool aligned(const void *p) { return ((uintptr_t)p & 15) == 0; }

static void test_alignment(void **state)
{
    (void)state;
    char first[100];
    struct arena a;
    for (size_t skew = 0; skew < 16; skew++) {
        arena_init(&a, first + skew, sizeof first - skew);
        for (size_t bytes = 0; bytes < 40; bytes++) {
            char *p = arena_alloc(&a, bytes);
            assert_non_null(p);
            assert_true(aligned(p));
            memset(p, 0xff, bytes);
        }
        arena_fini(&a);
    }
}

/* No memory is asked for before it is needed, and the first buffer is used again. */
static void test_first_buffer(void **state)
{
    (void)state;
    _Alignas(16) char first[256];
    struct arena a;
    arena_init(&a, first, sizeof first);
    assert_ptr_equal(arena_alloc(&a, 200), first);
    assert_int_equal(a.total_bytes, 0);
    char *outside = arena_alloc(&a, 200);
    assert_true(outside < first || outside >= first + sizeof first);
    assert_true(a.total_bytes >= 200);
    arena_clear(&a);
    assert_int_equal(a.total_bytes, 0);
    assert_ptr_equal(arena_alloc(&a, 16), first);
    arena_fini(&a);
    arena_init(&a, first, 7); /* too small to be of use */
    assert_non_null(arena_alloc(&a, 16));
    arena_fini(&a);
}

/* Blocks do not overlap, whatever their sizes, and hold what was written. */
static void test_growth(void **state)
{
    (void)state;
    enum { N = 2000 };
    unsigned char *blocks[N];
    size_t sizes[N];
    struct arena a;
    arena_init(&a, NULL, 0);
    for (int i = 0; i < N; i++) {
        sizes[i] = (size_t)(i * 7919 % 3000) + (i % 500 == 0 ? 600000 : 0);
        blocks[i] = arena_alloc(&a, sizes[i]);
        memset(blocks[i], i & 0xff, sizes[i]);
    }
    for (int i = 0; i < N; i++)
        for (size_t at = 0; at < sizes[i]; at += 97)
            assert_int_equal(blocks[i][at], i & 0xff);
    arena_fini(&a);
}

/* A large block gets a chunk of its own; the room in the current one stays in use. */
static void test_large_block(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, NULL, 0);
    char *small = arena_alloc(&a, 16);
    memset(arena_alloc(&a, 4 << 20), 1, 4 << 20);
    assert_ptr_equal(arena_alloc(&a, 16), small + 16);
    assert_true(a.total_bytes >= 4 << 20);
    arena_fini(&a);
}

static void test_nothing_is_something(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, NULL, 0);
    assert_non_null(arena_alloc(&a, 0));
    assert_non_null(arena_zalloc(&a, 0));
    size_t total = a.total_bytes;
    for (int i = 0; i < 100000; i++)
        assert_non_null(arena_alloc(&a, 0));
    assert_int_equal(a.total_bytes, total);
    arena_fini(&a);
}

static void test_strings(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, NULL, 0);
    memset(arena_alloc(&a, 4000), 0xff, 4000);
    wf_str s = arena_str(&a, "abc\0def", 7);
    assert_int_equal(s.len, 7);
    assert_memory_equal(s.ptr, "abc\0def", 8);
    s = arena_str(&a, NULL, 0);
    assert_string_equal(s.ptr, "");
    assert_string_equal(arena_strdup(&a, "text"), "text");
    s = arena_printf(&a, "%s-%d%%", "n", 5);
    assert_string_equal(s.ptr, "n-5%");
    assert_int_equal(s.len, 4);
    s = arena_printf(&a, "%5000d", 1);
    assert_int_equal(s.len, 5000);
    assert_int_equal(s.ptr[5000], 0);
    arena_clear(&a);
    memset(arena_alloc(&a, 1000), 0xff, 1000);
    arena_clear(&a);
    unsigned char *zeros = arena_zalloc(&a, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(zeros[i], 0);
    int *ints = ARENA_ARRAY(&a, int, 5);
    assert_int_equal(ints[4], 0);
    arena_fini(&a);
}

static char released[16];

static void release(void *object) { strncat(released, object, 1); }

static void test_links(void **state)
{
    (void)state;
    char first[256];
    struct arena a;
    released[0] = 0;
    arena_init(&a, first, sizeof first);
    arena_link(&a, release, "1");
    arena_link(&a, release, "2");
    arena_clear(&a);
    assert_string_equal(released, "21"); /* newest first */
    arena_link(&a, release, "3");
    arena_fini(&a);
    assert_string_equal(released, "213"); /* each once */
    arena_fini(&a);
    assert_string_equal(released, "213");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_first_buffer),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_large_block),
        cmocka_unit_test(test_nothing_is_something),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
