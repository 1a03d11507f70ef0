/* SPDX-License-Identifier: Apache-2.0
 * On-call schedules. Thread: any.
 */
#include "oncall.h"
#include "duration.h"
#include "memory.h"
#include <catalyst/date.h>

enum { ONCALL_PEOPLE_MAX = 200, ONCALL_OVERRIDES_MAX = 1000, DAY_MS = 86400000 };

static int oncall_time(const json_t *object, const char *name, int64_t *ms, struct why *why)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!text || wf_date_parse(text, strlen(text), ms) != 0)
        return why_set(why, "%s: a time such as \"2026-01-05T08:00:00Z\" is expected", name);
    return 0;
}

static int oncall_people(struct oncall *to, const json_t *list, struct why *why)
{
    if (!json_array_size(list) || json_array_size(list) > ONCALL_PEOPLE_MAX)
        return why_set(why, "people: a list of 1 to %d names is expected", ONCALL_PEOPLE_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name)
            return why_set(why, "people[%zu]: a name is expected", i);
        to->people = memory_grow(to->people, to->n_people, sizeof *to->people);
        to->people[to->n_people++] = memory_text(name);
    }
    return 0;
}

static int oncall_overrides(struct oncall *to, const json_t *list, struct why *why)
{
    if (json_array_size(list) > ONCALL_OVERRIDES_MAX)
        return why_set(why, "overrides: there are more than %d", ONCALL_OVERRIDES_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *person = json_string_value(json_object_get(one, "person"));
        struct oncall_override o = { 0 };
        if (oncall_time(one, "start", &o.start_ms, why) != 0 ||
            oncall_time(one, "end", &o.end_ms, why) != 0)
            return why_at(why, "overrides[%zu]", i);
        if (!person || o.end_ms <= o.start_ms)
            return why_set(why, "overrides[%zu]: a person, and an end behind the start", i);
        o.person = memory_text(person);
        to->overrides = memory_grow(to->overrides, to->n_overrides, sizeof *to->overrides);
        to->overrides[to->n_overrides++] = o;
    }
    return 0;
}

int oncall_of_json(struct oncall *to, const json_t *object, struct why *why)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    const char *location = json_string_value(json_object_get(object, "location"));
    const char *shift = json_string_value(json_object_get(object, "shift"));
    *to = (struct oncall){ 0 };
    if (!name || !*name)
        return why_set(why, "name is missing");
    to->name = memory_text(name);
    if (location && !(to->tz = tz_open(location)))
        return why_set(why, "location: there is no time zone '%.60s'", location);
    if (duration_parse(shift ? shift : "7d", &to->shift_ms) != 0 || to->shift_ms < 60000)
        return why_set(why, "shift: a duration of a minute or more is expected, such as \"7d\"");
    if (oncall_time(object, "start", &to->start_ms, why) != 0 ||
        oncall_people(to, json_object_get(object, "people"), why) != 0)
        return -1;
    return oncall_overrides(to, json_object_get(object, "overrides"), why);
}

void oncall_fini(struct oncall *o)
{
    for (size_t i = 0; i < o->n_people; i++)
        free(o->people[i]);
    for (size_t i = 0; i < o->n_overrides; i++)
        free(o->overrides[i].person);
    free(o->people);
    free(o->overrides);
    free(o->name);
    tz_free(o->tz);
    *o = (struct oncall){ 0 };
}

static int64_t oncall_local(const struct oncall *o, int64_t ms)
{
    return ms + tz_offset(o->tz, wf_date_floor(ms, 1000)) * 1000;
}

const char *oncall_person(const struct oncall *o, int64_t now_ms)
{
    for (size_t i = o->n_overrides; i > 0; i--)
        if (now_ms >= o->overrides[i - 1].start_ms && now_ms < o->overrides[i - 1].end_ms)
            return o->overrides[i - 1].person;
    int64_t since = now_ms - o->start_ms;
    if (o->shift_ms % DAY_MS == 0)
        since = oncall_local(o, now_ms) - oncall_local(o, o->start_ms);
    if (since < 0)
        return NULL;
    return o->people[(uint64_t)(since / o->shift_ms) % o->n_people];
}
