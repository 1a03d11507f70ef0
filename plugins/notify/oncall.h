/* SPDX-License-Identifier: Apache-2.0
 * On-call schedules: people who take turns of equal length, and overrides for single spans.
 * Turns that are whole days begin at the same local time all year round. Thread: any.
 */
#ifndef PLUGIN_NOTIFY_ONCALL_H
#define PLUGIN_NOTIFY_ONCALL_H
#include "tz.h"
#include "why.h"
#include <jansson.h>

struct oncall_override {
    int64_t start_ms, end_ms; /* the end is not in it */
    char *person;
};

struct oncall {
    char *name;
    struct tz *tz;
    int64_t start_ms, shift_ms;
    char **people;
    size_t n_people;
    struct oncall_override *overrides;
    size_t n_overrides;
};

/* {"name", "start", "shift", "people", "location", "overrides": [{"start", "end", "person"}]} */
int oncall_of_json(struct oncall *to, const json_t *object, struct why *why);
void oncall_fini(struct oncall *o);
/* Who is on duty; NULL before the first turn. Of several overrides the last one given wins. */
const char *oncall_person(const struct oncall *o, int64_t now_ms);

#endif
