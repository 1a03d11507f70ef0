/* SPDX-License-Identifier: Apache-2.0
 * fake_cases.h - tests of a node as a table: parameters, items in, items out. Over fake_host.h and
 * cmocka.
 *
 *     static const struct fake_case cases[] = {
 *         { "adds a greeting", "{\"name\":\"Ann\"}", { "[{\"a\":1}]" }, {
 * "[{\"a\":1,\"hello\":\"Ann\"}]" } }, { "needs a name", "{}", .refused = "parameter 'name'" }, {
 * "no number", "{\"name\":1}", { "[{}]" }, .fails = "must be" },
 *     };
 *     int main(void) { return FAKE_CASES_RUN(&wf_plugin_entry, "example.greet", cases); }
 *
 * All items of a case belong to one execution. Outputs are compared as JSON text, members in order.
 * A case without `fails` wants no item to fail; one with it wants at least one to fail for that
 * reason, and the outputs of the others as they stand.
 */
#ifndef WF_FAKE_CASES_H
#define WF_FAKE_CASES_H
#include "fake_host.h"
#include <setjmp.h>
#include <cmocka.h>

/* A case names what it needs; the rest is not there. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { FAKE_CASE_PLACES = 10, FAKE_CASES_MAX = 400 };

struct fake_case {
    const char *name, *params;
    const char *in[FAKE_CASE_PLACES];  /* a JSON array of items for each input */
    const char *out[FAKE_CASE_PLACES]; /* the same for each output; NULL: none */
    const char *refused;               /* part of what fake_start() says */
    const char *fails;                 /* part of the reason why an item failed */
    const char *code;                  /* and its code */
};

static const wf_plugin *fake_case_plugin;
static const char *fake_case_type;

static inline void fake_case_feed(struct fake *f, const struct fake_case *c)
{
    for (unsigned input = 0; input < FAKE_CASE_PLACES && c->in[input]; input++) {
        const wf_value *items = fake_parse_or_die(f, c->in[input]);
        for (size_t i = 0; i < fake_count(items); i++)
            fake_item_at(f, input, fake_json(&f->heap, fake_at(items, i)).ptr);
    }
}

static inline void fake_case_outputs(struct fake *f, const struct fake_case *c)
{
    for (unsigned port = 0; port < FAKE_CASE_PLACES; port++) {
        const char *wanted =
            fake_json(&f->heap, fake_parse_or_die(f, c->out[port] ? c->out[port] : "[]")).ptr;
        const char *got = "[";
        for (size_t i = 0; i < fake_outputs(f, port); i++)
            got = fake_fmt(&f->heap, "%s%s%s", got, i ? "," : "", fake_output_json(f, port, i));
        got = fake_fmt(&f->heap, "%s]", got);
        if (strcmp(wanted, got) != 0)
            fail_msg("port %u\n  wanted %s\n  got    %s", port, wanted, got);
    }
}

static inline void fake_case_failures(struct fake *f, const struct fake_case *c)
{
    size_t failed = 0;
    for (wf_item *it = f->items; it; it = it->next) {
        if (fake_ended(it) != FAKE_FAILED)
            continue;
        failed++;
        if (!c->fails)
            fail_msg("item %zu failed: %s", it->number, fake_why(it));
        if (!strstr(fake_why(it), c->fails))
            fail_msg("item %zu failed with '%s', wanted '%s'", it->number, fake_why(it), c->fails);
        if (c->code && (!it->fault.code || strcmp(it->fault.code, c->code) != 0))
            fail_msg("item %zu failed with code '%s', wanted '%s'", it->number,
                     it->fault.code ? it->fault.code : "(none)", c->code);
    }
    if (c->fails && !failed)
        fail_msg("no item failed; wanted '%s'", c->fails);
}

static inline void fake_case_run(void **state)
{
    const struct fake_case *c = *state;
    struct fake *f = fake_create(fake_case_plugin, fake_case_type);
    int refused = fake_start(f, c->params) != 0;
    if (refused && !c->refused)
        fail_msg("refused: %s", fake_error(f));
    if (!refused && c->refused)
        fail_msg("not refused; wanted '%s'", c->refused);
    if (refused) {
        if (!strstr(fake_error(f), c->refused))
            fail_msg("refused with '%s', wanted '%s'", fake_error(f), c->refused);
    } else {
        fake_case_feed(f, c);
        fake_run(f);
        const char *problem = fake_problem(f);
        if (problem)
            fail_msg("%s", problem);
        fake_case_failures(f, c);
        fake_case_outputs(f, c);
    }
    fake_destroy(f);
}

/* Runs all cases; returns how many failed. */
static inline int fake_cases_run(const wf_plugin *plugin, const char *type,
                                 const struct fake_case *cases, size_t n)
{
    struct CMUnitTest tests[FAKE_CASES_MAX] = { { NULL, NULL, NULL, NULL, NULL } };
    fake_case_plugin = plugin;
    fake_case_type = type;
    assert_true(n <= FAKE_CASES_MAX);
    for (size_t i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){ cases[i].name, fake_case_run, NULL, NULL,
                                        (void *)(uintptr_t)&cases[i] };
    return _cmocka_run_group_tests(type, tests, n, NULL, NULL);
}
#define FAKE_CASES_RUN(plugin, type, cases)                                                        \
    fake_cases_run(plugin, type, cases, sizeof(cases) / sizeof *(cases))

#endif
