/* SPDX-License-Identifier: Apache-2.0
 * Silences. Thread: one.
 */
#include "silence.h"
#include "alert.h"
#include "duration.h"

static int silence_times(struct silence *s, const json_t *json, int64_t now_ms, struct why *why)
{
    const char *duration = json_string_value(json_object_get(json, "duration"));
    int64_t ms = 0;
    if (alert_time(json_object_get(json, "startsAt"), &s->starts_ms) != 0 ||
        alert_time(json_object_get(json, "endsAt"), &s->ends_ms) != 0)
        return why_set(why, "startsAt and endsAt are times such as \"2026-01-05T08:00:00Z\"");
    if (!s->starts_ms)
        s->starts_ms = now_ms;
    if (duration && *duration && !s->ends_ms) {
        if (duration_parse(duration, &ms) != 0 || ms <= 0)
            return why_set(why, "duration: such as \"2h\"");
        s->ends_ms = s->starts_ms + ms;
    }
    if (!s->ends_ms)
        return why_set(why, "endsAt or duration is missing");
    return s->ends_ms < s->starts_ms ? why_set(why, "endsAt lies before startsAt") : 0;
}

static int silence_read(struct silence *s, const json_t *json, int64_t now_ms, struct why *why)
{
    int selects = 0;
    s->id = memory_text(json_string_value(json_object_get(json, "id")));
    s->created_by = memory_text(json_string_value(json_object_get(json, "createdBy")));
    s->comment = memory_text(json_string_value(json_object_get(json, "comment")));
    s->updated_ms = now_ms;
    if (matchers_of_json(&s->matchers, json_object_get(json, "matchers"), why) != 0)
        return why_at(why, "matchers");
    for (size_t i = 0; i < s->matchers.n; i++)
        selects |= !matcher_matches(&s->matchers.at[i], "");
    if (!selects)
        return why_set(why, "matchers: at least one must not match an empty value, or everything "
                            "would be silent");
    return silence_times(s, json, now_ms, why);
}

struct silence *silence_of_json(const json_t *json, int64_t now_ms, struct why *why)
{
    struct silence *s = memory_get(sizeof *s);
    if (silence_read(s, json, now_ms, why) == 0)
        return s;
    silence_free(s);
    return NULL;
}

void silence_free(struct silence *s)
{
    if (!s)
        return;
    matchers_fini(&s->matchers);
    free(s->id);
    free(s->created_by);
    free(s->comment);
    free(s);
}

int silence_is_active(const struct silence *s, int64_t now_ms)
{
    return s->starts_ms <= now_ms && now_ms < s->ends_ms;
}

const char *silence_state(const struct silence *s, int64_t now_ms)
{
    if (now_ms >= s->ends_ms)
        return "expired";
    return now_ms < s->starts_ms ? "pending" : "active";
}

json_t *silence_save(const struct silence *s)
{
    return json_pack("{s:s,s:o,s:I,s:I,s:I,s:s,s:s}", "id", s->id, "matchers",
                     matchers_json(&s->matchers), "startsAt", (json_int_t)s->starts_ms, "endsAt",
                     (json_int_t)s->ends_ms, "updatedAt", (json_int_t)s->updated_ms, "createdBy",
                     s->created_by, "comment", s->comment);
}
