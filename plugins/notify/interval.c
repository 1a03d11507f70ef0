/* SPDX-License-Identifier: Apache-2.0
 * Time intervals: reading them, and whether a time lies in one. Thread: any.
 */
#include "interval.h"
#include "memory.h"
#include <catalyst/date.h>
#include <strings.h>

static const char *const interval_days[] = { "sunday",   "monday", "tuesday", "wednesday",
                                             "thursday", "friday", "saturday" };
static const char *const interval_months[] = { "january",   "february", "march",    "april",
                                               "may",       "june",     "july",     "august",
                                               "september", "october",  "november", "december" };

/* --- reading ---------------------------------------------------------------------------------- */

struct interval_kind {
    const char *field;
    const char *const *names;
    int n_names, first, low, high; /* numbers from low to high; names count from first */
};

static const struct interval_kind interval_kinds[] = {
    { "weekdays", interval_days, 7, 0, 0, 6 },
    { "days_of_month", NULL, 0, 0, -31, 31 },
    { "months", interval_months, 12, 1, 1, 12 },
    { "years", NULL, 0, 0, 1, 9999 },
};

static void interval_add(struct interval_field *f, int begin, int end)
{
    f->at = memory_grow(f->at, f->n, sizeof *f->at);
    f->at[f->n++] = (struct interval_range){ begin, end };
}

static int interval_word(const struct interval_kind *kind, const char *text, size_t len, int *out)
{
    char word[20], *end;
    if (!len || len >= sizeof word)
        return -1;
    memcpy(word, text, len);
    word[len] = 0;
    for (int i = 0; i < kind->n_names; i++)
        if (!strcasecmp(word, kind->names[i])) {
            *out = kind->first + i;
            return 0;
        }
    long n = strtol(word, &end, 10);
    *out = (int)n;
    return *end || n < kind->low || n > kind->high || (kind->low < 0 && n == 0) ? -1 : 0;
}

/* "monday:friday", "-3:-1", "may" */
static int interval_range_parse(const struct interval_kind *kind, const char *text,
                                struct interval_field *to, struct why *why)
{
    const char *colon = strchr(text, ':');
    int begin, end;
    if (interval_word(kind, text, colon ? (size_t)(colon - text) : strlen(text), &begin) != 0 ||
        (end = begin, colon && interval_word(kind, colon + 1, strlen(colon + 1), &end) != 0))
        return why_set(why, "'%.60s' is no range of %s", text, kind->field);
    /* of days of a month one may be counted from its end: then nobody can say */
    if (begin > end && (begin > 0) == (end > 0 || kind->low >= 0))
        return why_set(why, "'%.60s' ends before it begins", text);
    if (begin < 0 && end > 0)
        return why_set(why, "'%.60s' begins from the month's end and must end so", text);
    interval_add(to, begin, end);
    return 0;
}

static int interval_minutes(const char *text, int *out)
{
    if (!text || strlen(text) != 5 || text[2] != ':' || strspn(text, "0123456789") != 2 ||
        strspn(text + 3, "0123456789") != 2)
        return -1;
    int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
    *out = hour * 60 + minute;
    return minute > 59 || *out > 1440 ? -1 : 0;
}

static int interval_times(const json_t *list, struct interval_field *to, struct why *why)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *from = json_string_value(json_object_get(one, "start_time"));
        const char *until = json_string_value(json_object_get(one, "end_time"));
        int begin, end;
        if (interval_minutes(from, &begin) != 0 || interval_minutes(until, &end) != 0)
            return why_set(why, "times[%zu]: start_time and end_time are written \"HH:MM\"", i);
        if (begin >= end)
            return why_set(why,
                           "times[%zu]: start_time must lie before end_time; over midnight it "
                           "takes two intervals",
                           i);
        interval_add(to, begin, end);
    }
    return 0;
}

static int interval_field_of_json(const struct interval_kind *kind, const json_t *list,
                                  struct interval_field *to, struct why *why)
{
    if (!json_is_array(list))
        return why_set(why, "%s: a list is expected", kind->field);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        char number[24] = "";
        if (json_is_integer(one))
            snprintf(number, sizeof number, "%lld", (long long)json_integer_value(one));
        else if (!json_is_string(one))
            return why_set(why, "%s[%zu]: a text is expected", kind->field, i);
        if (interval_range_parse(kind, *number ? number : json_string_value(one), to, why) != 0)
            return why_at(why, "%s[%zu]", kind->field, i);
    }
    return 0;
}

static int interval_location(struct interval *to, const json_t *value, struct why *why)
{
    const char *name = json_string_value(value);
    to->tz = name ? tz_open(name) : NULL;
    return to->tz ? 0 : why_set(why, "location: there is no time zone '%.60s'", name ? name : "");
}

static int interval_member(struct interval *to, const char *key, const json_t *value,
                           struct why *why)
{
    struct interval_field *fields[] = { &to->weekdays, &to->days_of_month, &to->months,
                                        &to->years };
    if (!strcmp(key, "times"))
        return interval_times(value, &to->times, why);
    if (!strcmp(key, "location"))
        return interval_location(to, value, why);
    for (size_t i = 0; i < 4; i++)
        if (!strcmp(key, interval_kinds[i].field))
            return interval_field_of_json(&interval_kinds[i], value, fields[i], why);
    return why_set(why, "unknown field '%.60s'", key);
}

static int interval_of_json(struct interval *to, const json_t *object, struct why *why)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return why_set(why, "an object is expected");
    json_object_foreach((json_t *)object, key, value)
    {
        if (interval_member(to, key, value, why) != 0)
            return -1;
    }
    return 0;
}

int intervals_of_json(struct intervals *to, const json_t *object, struct why *why)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    const json_t *list = json_object_get(object, "time_intervals");
    *to = (struct intervals){ 0 };
    if (!name || !*name)
        return why_set(why, "name is missing");
    if (!json_is_array(list))
        return why_set(why, "time_intervals: a list is expected");
    to->name = memory_text(name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        to->at = memory_grow(to->at, to->n, sizeof *to->at);
        if (interval_of_json(&to->at[to->n++], json_array_get(list, i), why) != 0)
            return why_at(why, "time_intervals[%zu]", i);
    }
    return 0;
}

void intervals_fini(struct intervals *i)
{
    for (size_t k = 0; k < i->n; k++) {
        struct interval *one = &i->at[k];
        free(one->times.at);
        free(one->weekdays.at);
        free(one->days_of_month.at);
        free(one->months.at);
        free(one->years.at);
        tz_free(one->tz);
    }
    free(i->at);
    free(i->name);
    *i = (struct intervals){ 0 };
}

/* --- asking ----------------------------------------------------------------------------------- */

static int interval_has(const struct interval_field *f, int value)
{
    for (size_t i = 0; i < f->n; i++)
        if (value >= f->at[i].begin && value <= f->at[i].end)
            return 1;
    return f->n == 0;
}

static int interval_has_day(const struct interval_field *f, int day, int days)
{
    for (size_t i = 0; i < f->n; i++) {
        int begin = f->at[i].begin, end = f->at[i].end;
        begin = begin < 0 ? days + begin + 1 : begin;
        end = end < 0 ? days + end + 1 : end;
        if (begin <= days && day >= begin && day <= end)
            return 1;
    }
    return f->n == 0;
}

static int interval_contains(const struct interval *i, int64_t now_ms)
{
    int64_t local = now_ms + tz_offset(i->tz, wf_date_floor(now_ms, 1000)) * 1000;
    wf_date d = wf_date_of_ms(local);
    int minute = d.hour * 60 + d.minute, in_time = i->times.n == 0;
    int weekday = (int)(((wf_date_floor(local, 86400000) + 4) % 7 + 7) % 7);
    for (size_t k = 0; k < i->times.n; k++)
        in_time |= minute >= i->times.at[k].begin && minute < i->times.at[k].end;
    return in_time &&
           interval_has_day(&i->days_of_month, d.day, wf_date_month_days(d.year, d.month)) &&
           interval_has(&i->months, d.month) && interval_has(&i->weekdays, weekday) &&
           interval_has(&i->years, (int)d.year);
}

int intervals_contain(const struct intervals *i, int64_t now_ms)
{
    for (size_t k = 0; k < i->n; k++)
        if (interval_contains(&i->at[k], now_ms))
            return 1;
    return 0;
}
