/* SPDX-License-Identifier: Apache-2.0
 * Silences: alerts that match are not notified between two times. Thread: one.
 */
#ifndef PLUGIN_NOTIFY_SILENCE_H
#define PLUGIN_NOTIFY_SILENCE_H
#include "matcher.h"

struct silence {
    char *id;
    struct matchers matchers;
    int64_t starts_ms, ends_ms, updated_ms;
    char *created_by, *comment;
};

/* {id, matchers, startsAt, endsAt, createdBy, comment}; without startsAt from now on. `duration`
 * ("2h") may stand for endsAt. NULL: why says what is wrong. */
struct silence *silence_of_json(const json_t *json, int64_t now_ms, struct why *why);
void silence_free(struct silence *s);
int silence_is_active(const struct silence *s, int64_t now_ms);
/* "pending", "active", "expired" */
const char *silence_state(const struct silence *s, int64_t now_ms);
json_t *silence_save(const struct silence *s);

#endif
