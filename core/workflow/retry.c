/* SPDX-License-Identifier: Apache-2.0
 * What a node does when it fails: retries, in our shape and in n8n's, and onError with its older
 * form.
 *
 * n8n's retryOnFail waits the same time before each try and clamps tries to 5 and the wait to 5 s;
 * both numbers are taken here as they are written.
 *
 * Thread: the compilation's.
 */
#include "workflow/workflow_int.h"

enum { TRIES_MAX = 1000000 };

#define DAY_MS 86400000

static const struct plan_retry no_retry = { .tries = 1, .factor = 1 };

/* n8n: retryOnFail, maxTries, waitBetweenTries. The numbers are checked even while they are off. */
static struct plan_retry read_n8n(struct compile *c, struct at at)
{
    int64_t tries = 3, wait_ms = 1000;
    bool on = at_bool(c, at, "retryOnFail", false);
    at_int(c, at, "maxTries", 1, TRIES_MAX, &tries);
    at_ms(c, at, "waitBetweenTries", &wait_ms);
    if (!on)
        return no_retry;
    return (struct plan_retry){
        .tries = (uint32_t)tries, .first_ms = wait_ms, .max_ms = wait_ms, .factor = 1
    };
}

static struct plan_retry read_ours(struct compile *c, struct at retry)
{
    static const char *const known[] = { "tries", "first_ms", "factor", "max_ms", "jitter", NULL };
    struct plan_retry r = { .first_ms = 1000, .max_ms = DAY_MS, .factor = 2, .jitter = 0.1 };
    int64_t tries = 3;
    at_check_names(c, retry, "field of retry", known, true);
    at_int(c, retry, "tries", 1, TRIES_MAX, &tries);
    bool first = at_ms(c, retry, "first_ms", &r.first_ms);
    at_number(c, retry, "factor", 1, 1000, &r.factor);
    bool max = at_ms(c, retry, "max_ms", &r.max_ms);
    at_number(c, retry, "jitter", 0, 1, &r.jitter);
    r.tries = (uint32_t)tries;
    if (max && first && r.max_ms < r.first_ms)
        mistake(c, at_field(c, retry, "max_ms"), "max_ms must be at least first_ms (%lld)",
                (long long)r.first_ms);
    if (r.max_ms < r.first_ms)
        r.max_ms = r.first_ms;
    return r;
}

void compile_retry(struct compile *c, struct plan_node *n, struct at at)
{
    struct at retry = at_field(c, at, "retry");
    n->retry = read_n8n(c, at);
    if (!retry.json)
        return;
    if (n->retry.tries > 1)
        warn(c, at_field(c, at, "retryOnFail"),
             "retryOnFail has no effect: the node has retry, too");
    if (is_object(retry))
        n->retry = read_ours(c, retry);
    else
        mistake(c, retry,
                "retry must be an object {tries, first_ms, factor, max_ms, jitter}, got %s",
                json_type_name(retry.json));
}

enum on_error compile_on_error(struct compile *c, struct at at)
{
    static const char *const names[] = { "stopWorkflow", "continueRegularOutput",
                                         "continueErrorOutput", NULL };
    static const enum on_error values[] = { ON_ERROR_STOP, ON_ERROR_REGULAR, ON_ERROR_OUTPUT };
    bool older = at_bool(c, at, "continueOnFail", false);
    int i = at_choice(c, at, "onError", names);
    if (i >= 0)
        return values[i];
    return older ? ON_ERROR_REGULAR : ON_ERROR_STOP;
}
