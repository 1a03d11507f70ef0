/* SPDX-License-Identifier: Apache-2.0
 * Alerts. Thread: one.
 */
#include "alert.h"
#include <catalyst/date.h>

/* Of s, ms or us: what lies between 1973 and 5138 can be told apart. */
static int alert_number(double n, int64_t *ms)
{
    if (!(n >= 0 && n < 9e15))
        return -1;
    *ms = (int64_t)(n > 1e14 ? n / 1000 : n > 1e11 ? n : n * 1000);
    return 0;
}

int alert_time(const json_t *value, int64_t *ms)
{
    const char *text = json_string_value(value);
    int result = 0;
    *ms = 0;
    if (!value || json_is_null(value) || (text && !*text))
        return 0;
    if (text)
        result = wf_date_parse(text, strlen(text), ms);
    else
        result = json_is_number(value) ? alert_number(json_number_value(value), ms) : -1;
    if (*ms < 0) /* Go's zero time is the year 1 */
        *ms = 0;
    return result;
}

static const json_t *alert_field(const json_t *json, const char *name, const char *other)
{
    const json_t *value = json_object_get(json, name);
    return value ? value : json_object_get(json, other);
}

static int alert_times(struct alert *a, const json_t *json, int64_t now_ms, int64_t timeout_ms,
                       struct why *why)
{
    const char *status = json_string_value(json_object_get(json, "status"));
    if (alert_time(alert_field(json, "startsAt", "starts_at"), &a->starts_ms) != 0 ||
        alert_time(alert_field(json, "endsAt", "ends_at"), &a->ends_ms) != 0)
        return why_set(why, "startsAt and endsAt are times such as \"2026-01-05T08:00:00Z\"");
    if (status && !strcmp(status, "resolved") && !a->ends_ms)
        a->ends_ms = now_ms;
    if (!a->starts_ms)
        a->starts_ms = a->ends_ms ? a->ends_ms : now_ms;
    if (!a->ends_ms) {
        a->is_timeout = 1;
        a->ends_ms = now_ms + timeout_ms;
    }
    if (a->starts_ms > a->ends_ms)
        return why_set(why, "startsAt lies behind endsAt");
    return 0;
}

static int alert_read(struct alert *a, const json_t *json, int64_t now_ms, int64_t timeout_ms,
                      struct why *why)
{
    const char *reason = NULL;
    const char *severity = json_string_value(json_object_get(json, "severity"));
    const char *url = json_string_value(json_object_get(json, "generatorURL"));
    json_t *annotations = json_object_get(json, "annotations");
    if (!json_is_object(json))
        return why_set(why, "an alert is an object");
    if (labels_of_json(&a->labels, json_object_get(json, "labels"), &reason) != 0)
        return why_set(why, "%s", reason);
    if (!a->labels.n)
        return why_set(why, "an alert needs at least one label");
    if (severity && *severity && strlen(severity) < 100 && !*labels_get(&a->labels, "severity"))
        labels_add(&a->labels, "severity", severity);
    if (annotations && !json_is_null(annotations) && !json_is_object(annotations))
        return why_set(why, "annotations are no object");
    if (json_object_size(annotations) > ALERT_ANNOTATIONS_MAX)
        return why_set(why, "there are more than %d annotations", ALERT_ANNOTATIONS_MAX);
    a->annotations = json_is_object(annotations) ? json_deep_copy(annotations) : json_object();
    a->generator_url = memory_text(url && strlen(url) < LABEL_BYTES_MAX ? url : "");
    snprintf(a->fp, sizeof a->fp, "%016llx", (unsigned long long)labels_hash(&a->labels));
    a->updated_ms = now_ms;
    return alert_times(a, json, now_ms, timeout_ms, why);
}

struct alert *alert_of_json(const json_t *json, int64_t now_ms, int64_t resolve_timeout_ms,
                            struct why *why)
{
    struct alert *a = memory_get(sizeof *a);
    a->refs = 1;
    if (alert_read(a, json, now_ms, resolve_timeout_ms, why) == 0)
        return a;
    alert_unref(a);
    return NULL;
}

struct alert *alert_ref(struct alert *a)
{
    a->refs++;
    return a;
}

void alert_unref(struct alert *a)
{
    if (!a || --a->refs)
        return;
    labels_fini(&a->labels);
    json_decref(a->annotations);
    free(a->generator_url);
    free(a);
}

/* The younger one decides, the earliest start is kept. Of ends: both over, the later; else one that
 * was said wins over one that was assumed. */
static void alert_join(struct alert *younger, const struct alert *older, int64_t now_ms)
{
    if (older->starts_ms < younger->starts_ms)
        younger->starts_ms = older->starts_ms;
    if (alert_is_resolved(younger, now_ms)) {
        if (alert_is_resolved(older, now_ms) && older->ends_ms > younger->ends_ms)
            younger->ends_ms = older->ends_ms;
    } else if (older->ends_ms > younger->ends_ms && !older->is_timeout) {
        younger->ends_ms = older->ends_ms;
    }
}

struct alert *alert_merge(struct alert *old, struct alert *fresh, int64_t now_ms)
{
    int overlap = (fresh->ends_ms > old->starts_ms && fresh->ends_ms < old->ends_ms) ||
                  (fresh->starts_ms > old->starts_ms && fresh->starts_ms < old->ends_ms);
    if (overlap)
        alert_join(fresh, old, now_ms);
    return fresh;
}

json_t *alert_save(const struct alert *a)
{
    return json_pack("{s:o,s:O,s:s,s:I,s:I,s:I,s:b,s:b}", "labels", labels_json(&a->labels),
                     "annotations", a->annotations, "generatorURL", a->generator_url, "starts_ms",
                     (json_int_t)a->starts_ms, "ends_ms", (json_int_t)a->ends_ms, "updated_ms",
                     (json_int_t)a->updated_ms, "timeout", a->is_timeout, "flapping",
                     a->is_flapping);
}

struct alert *alert_load(const json_t *json)
{
    struct why why;
    struct alert *a = alert_of_json(json, 1, 1, &why);
    if (!a)
        return NULL;
    a->starts_ms = json_integer_value(json_object_get(json, "starts_ms"));
    a->ends_ms = json_integer_value(json_object_get(json, "ends_ms"));
    a->updated_ms = json_integer_value(json_object_get(json, "updated_ms"));
    a->is_timeout = json_is_true(json_object_get(json, "timeout"));
    a->is_flapping = json_is_true(json_object_get(json, "flapping"));
    return a;
}
