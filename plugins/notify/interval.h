/* SPDX-License-Identifier: Apache-2.0
 * Time intervals: when a route is muted or active. As Alertmanager's time_intervals: each field is
 * a list of ranges, all given fields must hold, and one interval of a name is enough.
 * Thread: any; reading a configuration opens zone files.
 */
#ifndef PLUGIN_NOTIFY_INTERVAL_H
#define PLUGIN_NOTIFY_INTERVAL_H
#include "tz.h"
#include "why.h"
#include <jansson.h>

struct interval_range {
    int begin, end; /* minutes: end is not in it; else both are */
};

struct interval_field {
    struct interval_range *at;
    size_t n;
};

struct interval {
    struct interval_field times, weekdays, days_of_month, months, years;
    struct tz *tz; /* NULL: UTC */
};

/* A named list of them. */
struct intervals {
    char *name;
    struct interval *at;
    size_t n;
};

/* {"name": .., "time_intervals": [..]} */
int intervals_of_json(struct intervals *to, const json_t *object, struct why *why);
void intervals_fini(struct intervals *i);
int intervals_contain(const struct intervals *i, int64_t now_ms);

#endif
