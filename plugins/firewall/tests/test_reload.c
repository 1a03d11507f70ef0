/* SPDX-License-Identifier: Apache-2.0
 * Rules and lists change while two workers are at work: no message is lost, none fails, every frame
 * goes by one version, the newest is reached, and what was replaced is freed. Meant for the thread
 * sanitizer too.
 */
#include "fake_content.h"
#include "fake_host.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

enum { WORKERS = 2, FRAME_ITEMS = 40, RELOADS = 25 };

static char folder[] = "/tmp/firewall-reload-XXXXXX";
static _Atomic int stop;

struct worker {
    struct fake *f;
    pthread_t thread;
    size_t items, versions, mixed, wrong;
};

static void put_file(const char *name, const char *text)
{
    char path[200], beside[220];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(beside, sizeof beside, "%s.new", path);
    FILE *file = fopen(beside, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(beside, path), 0);
}

/* Rule and code of a version agree, so half of one would show. */
static void put_rules(int n)
{
    char text[2000];
    snprintf(
        text, sizeof text,
        "{\"rules\": [{\"id\": \"deny\", \"action\": \"drop\", \"when\": {\"list\": \"deny\"}},"
        "{\"id\": \"r%d\", \"action\": \"reject\", \"code\": \"c%d\", \"when\": {\"text\": "
        "\"bad\"}},"
        "{\"id\": \"count\", \"action\": \"drop\", \"when\": {\"count\": {\"per\": \"recipient\", "
        "\"above\": "
        "1000000, \"window\": \"1m\"}, \"distinct\": {\"above\": 1, \"window\": \"1m\"}}}]}",
        n, n);
    put_file("rules.json", text);
}

static wf_str text_of_member(wf_item *it, const wf_value *m, const char *key)
{
    return fake_v_text(it, fake_get(m, key, strlen(key)));
}

static void look_at(struct worker *w, size_t from)
{
    const char *version = NULL;
    for (size_t i = from; i < w->f->outputs.n; i++) {
        const struct fake_output *o = w->f->outputs.at[i];
        const wf_value *m = fake_get(o->value, "firewall", 8);
        wf_str rule = text_of_member(o->item, m, "rule"), code = text_of_member(o->item, m, "code");
        wf_str now = text_of_member(o->item, m, "version");
        w->mixed += version && strcmp(version, now.ptr) != 0;
        w->versions += !version;
        version = now.ptr;
        if (rule.len && rule.ptr[0] == 'r' && strcmp(rule.ptr + 1, code.ptr + 1) != 0)
            w->wrong++;
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (int round = 0; !atomic_load(&stop) && round < 2000; round++) {
        size_t from = w->f->outputs.n;
        for (int i = 0; i < FRAME_ITEMS; i++) {
            char json[300];
            snprintf(json, sizeof json,
                     "{\"tenant_id\":\"t%d\",\"to\":\"4915100000%02d\",\"text\":\"%s\"}", i % 3, i,
                     i % 2 ? "bad" : "fine");
            fake_item(w->f, json);
        }
        w->items += FRAME_ITEMS;
        fake_run(w->f);
        look_at(w, from);
        usleep(1000);
    }
    return NULL;
}

static void reloads_lose_nothing(void **state)
{
    struct worker workers[WORKERS] = { { NULL, 0, 0, 0, 0, 0 } };
    char given[600], last[40];
    (void)state;
    put_rules(0);
    put_file("deny.txt", "491510000001\n");
    snprintf(given, sizeof given,
             "{\"rules\": \"%s/rules.json\", \"deny\": {\"file\": \"%s/deny.txt\"}, \"options\": "
             "{\"poll\": 50, "
             "\"keys\": 65536}}",
             folder, folder);
    for (int i = 0; i < WORKERS; i++) {
        workers[i].f = fake_create(&wf_plugin_entry, "catalyst.firewall");
        assert_int_equal(fake_start(workers[i].f, given), 0);
    }
    struct keeper *k = ((struct node *)workers[0].f->state)->keeper;
    assert_ptr_equal(k, ((struct node *)workers[1].f->state)->keeper); /* one for all workers */
    assert_int_equal(keeper_wait(k, 0, 20000), 0);
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    for (int n = 1; n <= RELOADS; n++) {
        uint64_t seen = keeper_generation(k);
        char list[100];
        snprintf(list, sizeof list, "4915100000%02d\n4915100000%02d,99\n", n, n + 1);
        if (n % 5 == 0)
            put_file("rules.json", "{\"rules\": [}"); /* a wrong one in between */
        put_file("deny.txt", list);
        usleep(3000);
        put_rules(n);
        assert_int_equal(keeper_wait(k, seen, 20000), 0);
    }
    usleep(300000);
    atomic_store(&stop, 1);
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &workers[i];
        pthread_join(w->thread, NULL);
        assert_int_equal(w->f->outputs.n, w->items);
        assert_int_equal(w->mixed, 0);
        assert_int_equal(w->wrong, 0);
        assert_true(w->versions > 10);
    }
    snprintf(last, sizeof last, "\"rule\":\"r%d\"", RELOADS);
    fake_item(workers[0].f, "{\"tenant_id\":\"t\",\"to\":\"491519999999\",\"text\":\"bad\"}");
    fake_run(workers[0].f);
    const char *json =
        ((struct fake_output *)workers[0].f->outputs.at[workers[0].f->outputs.n - 1])->json;
    assert_non_null(strstr(json, last));
    for (int i = 0; i < WORKERS; i++)
        fake_destroy(workers[i].f);
    for (int i = 0; i < 1000 && keeper_threads(); i++)
        usleep(10000);
    assert_int_equal(keeper_threads(), 0);
}

/* A worker that has nothing to do does not hold on to what was replaced: its timer lets go. */
static void references_end(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.firewall");
    char given[300];
    (void)state;
    put_rules(0);
    snprintf(given, sizeof given, "{\"rules\": \"%s/rules.json\", \"options\": {\"poll\": 50}}",
             folder);
    assert_int_equal(fake_start(f, given), 0);
    struct node *d = f->state;
    assert_int_equal(keeper_wait(d->keeper, 0, 20000), 0);
    take_snapshot(d);
    struct snapshot *old = d->snapshot;
    atomic_fetch_add(&old->refs, 1);
    uint64_t seen = keeper_generation(d->keeper);
    put_rules(1);
    assert_int_equal(keeper_wait(d->keeper, seen, 20000), 0);
    for (int i = 0; i < 500 && atomic_load(&old->refs) > 2; i++)
        usleep(10000);                            /* the keeper lets go after it has told */
    assert_int_equal(atomic_load(&old->refs), 2); /* the node's and ours */
    take_snapshot(d);
    assert_int_equal(atomic_load(&old->refs), 1);
    snapshot_unref(old);
    fake_destroy(f);
    for (int i = 0; i < 1000 && keeper_threads(); i++)
        usleep(10000);
    assert_int_equal(keeper_threads(), 0);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char path[200];
    (void)state;
    snprintf(path, sizeof path, "%s/rules.json", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/deny.txt", folder);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reloads_lose_nothing),
        cmocka_unit_test(references_end),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
