/* SPDX-License-Identifier: Apache-2.0
 * The intrusive list: order, removal that may be repeated, removal while walking.
 */
#include "base/list.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct object {
    char name;
    struct link link;
};

static void assert_names(struct link *head, const char *names)
{
    char found[16] = "";
    size_t n = 0;
    struct object *o;
    LIST_EACH(o, head, struct object, link)
    found[n++] = o->name;
    assert_string_equal(found, names);
    n = 0;
    for (struct link *at = head->prev; at != head; at = at->prev)
        n++;
    assert_int_equal(n, strlen(names)); /* backwards too */
}

static void test_order_and_removal(void **state)
{
    (void)state;
    struct link head;
    struct object a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(LIST_FIRST(&head, struct object, link));
    assert_names(&head, "");
    list_append(&head, &b.link);
    list_append(&head, &c.link);
    list_prepend(&head, &a.link);
    assert_names(&head, "abc");
    assert_ptr_equal(LIST_FIRST(&head, struct object, link), &a);
    list_remove(&b.link);
    list_remove(&b.link);
    assert_names(&head, "ac");
    list_append(&head, &b.link);
    assert_names(&head, "acb");
    list_remove(&a.link);
    list_remove(&b.link);
    list_remove(&c.link);
    assert_true(list_empty(&head));
    list_remove(&a.link);
    assert_true(list_empty(&head));
}

static void test_removal_while_walking(void **state)
{
    (void)state;
    struct link head;
    struct object objects[5] = {
        { .name = 'a' }, { .name = 'b' }, { .name = 'c' }, { .name = 'd' }, { .name = 'e' }
    };
    struct object *o;
    list_init(&head);
    for (int i = 0; i < 5; i++)
        list_append(&head, &objects[i].link);
    LIST_EACH(o, &head, struct object, link)
    if (o->name != 'c')
        list_remove(&o->link);
    assert_names(&head, "c");
    LIST_EACH(o, &head, struct object, link)
    list_remove(&o->link);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_removal),
        cmocka_unit_test(test_removal_while_walking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
