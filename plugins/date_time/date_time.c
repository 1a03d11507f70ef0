/* SPDX-License-Identifier: Apache-2.0
 * catalyst.dateTime: dates that items carry, moved, rounded, taken apart, compared and written.
 *
 * Zones are offsets ("+02:00"), not names: the rules behind names change, and expressions know
 * them. The calendar is in calendar.c. Thread: the worker's. Nothing blocks.
 */
#include "calendar.h"
#include <catalyst/collect.h>
#include <stdio.h>

enum { OP_ADD, OP_SUBTRACT, OP_FORMAT, OP_EXTRACT, OP_NOW, OP_BETWEEN, OP_ROUND };
enum { ROUND_DOWN, ROUND_UP };
enum { FORMAT_MAX = 512 };

struct config {
    int operation, unit, part, mode, nearest, to, include_time, include_fields, iso, in_zone;
    int64_t duration;
    const wf_value *magnitude, *date, *start, *end;
    wf_list units; /* of struct unit_row */
    wf_str format, custom_format, output, zone, from_format;
};

struct unit_row {
    int unit;
};

/* One item. */
struct task {
    const wf_host *h;
    wf_item *it;
    const struct config *c;
    int zone; /* minutes east of Greenwich */
};

static const wf_pair operations[] = { { "addToDate", "the date and a duration" },
                                      { "subtractFromDate", "the date less a duration" },
                                      { "formatDate", "the date as text" },
                                      { "extractDate", "a part of the date, as a number" },
                                      { "getCurrentDate", "now" },
                                      { "getTimeBetweenDates",
                                        "how long from one date to another" },
                                      { "roundDate", "the first or last moment of a unit" },
                                      { NULL, NULL } };
static const wf_pair plural_units[] = { { "years", "years" },
                                        { "quarters", "quarters" },
                                        { "months", "months" },
                                        { "weeks", "weeks" },
                                        { "days", "days" },
                                        { "hours", "hours" },
                                        { "minutes", "minutes" },
                                        { "seconds", "seconds" },
                                        { "milliseconds", "milliseconds" },
                                        { NULL, NULL } };
static const wf_pair units[] = {
    { "year", "years" },     { "quarter", "quarters" }, { "month", "months" },
    { "week", "weeks" },     { "day", "days" },         { "hour", "hours" },
    { "minute", "minutes" }, { "second", "seconds" },   { "millisecond", "milliseconds" },
    { NULL, NULL }
};
static const wf_pair modes[] = { { "roundDown", "the first moment" },
                                 { "roundUp", "the last moment" },
                                 { NULL, NULL } };

static const wf_param unit_params[] = {
    { WF_NAMED("unit"), WF_F_CHOICE(struct unit_row, unit, units), .def = "day", .help = "A unit" },
    WF_END,
};

static const wf_param params[] = {
    { WF_NAMED("operation"), WF_F_CHOICE(struct config, operation, operations), .def = "addToDate",
      .help = "What is done" },
    { WF_NAMED("magnitude"), WF_F_VALUE(struct config, magnitude), .flags = WF_EXPR | WF_REQUIRED,
      .show_if = "operation=addToDate|subtractFromDate", .help = "The date" },
    { WF_NAMED("timeUnit"), WF_F_CHOICE(struct config, unit, plural_units), .def = "days",
      .flags = WF_EXPR, .show_if = "operation=addToDate|subtractFromDate",
      .help = "Unit of the duration" },
    { WF_NAMED("duration"), WF_F_INT(struct config, duration), .flags = WF_EXPR,
      .show_if = "operation=addToDate|subtractFromDate", .help = "How many of them" },
    { WF_NAMED("date"), WF_F_VALUE(struct config, date), .flags = WF_EXPR | WF_REQUIRED,
      .show_if = "operation=formatDate|extractDate|roundDate", .help = "The date" },
    { WF_NAMED("format"), WF_F_STR(struct config, format), .def = "MM/dd/yyyy",
      .show_if = "operation=formatDate", .help = "A format, or `custom`" },
    { WF_NAMED("customFormat"), WF_F_STR(struct config, custom_format), .flags = WF_EXPR,
      .show_if = "operation=formatDate,format=custom", .help = "A format" },
    { WF_NAMED("part"), WF_F_CHOICE(struct config, part, units), .def = "month", .flags = WF_EXPR,
      .show_if = "operation=extractDate", .help = "Which part" },
    { WF_NAMED("includeTime"), WF_F_BOOL(struct config, include_time), .def = "true",
      .show_if = "operation=getCurrentDate",
      .help = "With the time; otherwise the beginning of the day" },
    { WF_NAMED("startDate"), WF_F_VALUE(struct config, start), .flags = WF_EXPR | WF_REQUIRED,
      .show_if = "operation=getTimeBetweenDates", .help = "The first date" },
    { WF_NAMED("endDate"), WF_F_VALUE(struct config, end), .flags = WF_EXPR | WF_REQUIRED,
      .show_if = "operation=getTimeBetweenDates", .help = "The second date" },
    { WF_NAMED("units"), WF_F_LIST(struct config, units, unit_params, struct unit_row),
      .show_if = "operation=getTimeBetweenDates", .help = "The units of the answer; none: days" },
    { WF_NAMED("mode"), WF_F_CHOICE(struct config, mode, modes), .def = "roundDown",
      .show_if = "operation=roundDate", .help = "Which way" },
    { WF_NAMED("toNearest"), WF_F_CHOICE(struct config, nearest, units), .def = "month",
      .show_if = "operation=roundDate,mode=roundDown", .help = "The unit" },
    { WF_NAMED("to"), WF_F_CHOICE(struct config, to, units), .def = "month",
      .show_if = "operation=roundDate,mode=roundUp", .help = "The unit" },
    { WF_NAMED("outputFieldName"), WF_F_STR(struct config, output), .flags = WF_EXPR,
      .help = "The field that takes the result; otherwise newDate, formattedDate, datePart, "
              "currentDate, "
              "timeDifference or roundedDate" },
    { WF_NAMED("options.includeInputFields"), WF_F_BOOL(struct config, include_fields),
      .help = "Keep the item's other fields" },
    { WF_NAMED("options.timezone"), WF_F_STR(struct config, zone), .flags = WF_EXPR,
      .help = "UTC or an offset such as +02:00 in which the calendar is read; otherwise UTC" },
    { WF_NAMED("options.fromFormat"), WF_F_STR(struct config, from_format),
      .show_if = "operation=formatDate", .help = "Not supported: dates are recognised" },
    { WF_NAMED("options.isoString"), WF_F_BOOL(struct config, iso),
      .show_if = "operation=getTimeBetweenDates", .help = "The answer as an ISO 8601 duration" },
    WF_END,
};

static const char *const default_fields[] = { "newDate",    "newDate",     "formattedDate",
                                              "datePart",   "currentDate", "timeDifference",
                                              "roundedDate" };

static int fail(struct task *t, const char *code, const char *why, wf_str what)
{
    wf_error e = { .size = sizeof e, .fault = WF_REJECTED, .code = code };
    t->h->fail_with(t->it, &e, why, (int)(what.len > 100 ? 100 : what.len), what.ptr);
    return -1;
}

/* "UTC", "Z", "+02:00"; n8n also has true and false here, which mean the workflow's zone. 0 or -1.
 */
static int read_zone(wf_str name, int *minutes)
{
    const char *p = name.ptr, *end = name.ptr + name.len;
    static const char *const none[] = { "", "true", "false", "DEFAULT", "Etc/UTC", "GMT" };
    *minutes = 0;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (strcmp(name.ptr, none[i]) == 0)
            return 0;
    return wf_date_zone(&p, end, minutes) == 0 && p == end ? 0 : -1;
}

/* Reads a date of the item. 0, or -1 after the item was failed. */
static int read_date(struct task *t, const wf_value *value, int64_t *ms)
{
    const wf_values *v = t->h->v;
    const char *s;
    size_t len;
    double d;
    if (v->bytes(value, &s, &len) == 0 && wf_date_parse(s, len, ms) == 0)
        return 0;
    if (v->number(value, &d) == 0 && d >= -(double)CALENDAR_MAX_MS &&
        d <= (double)CALENDAR_MAX_MS) {
        *ms = (int64_t)floor(d);
        return 0;
    }
    return fail(t, "no_date", "%.*s is no date: give ISO 8601 text or milliseconds since 1970",
                v->json(t->it, value));
}

static const wf_value *date_value(struct task *t, int64_t ms)
{
    char text[WF_DATE_TEXT_SIZE];
    return t->h->v->of_str(t->it, text, wf_date_text(ms, t->zone, text));
}

static const wf_value *moved(struct task *t)
{
    int64_t ms, n = t->c->duration;
    if (read_date(t, t->c->magnitude, &ms) != 0)
        return NULL;
    if (n == INT64_MIN || calendar_add(&ms, t->zone, (enum unit)t->c->unit,
                                       t->c->operation == OP_ADD ? n : -n) != 0) {
        fail(t, "too_far", "the result is out of range%.*s", (wf_str){ "", 0 });
        return NULL;
    }
    return date_value(t, ms);
}

static const wf_value *formatted(struct task *t)
{
    int custom = strcmp(t->c->format.ptr, "custom") == 0;
    wf_str format = custom ? t->c->custom_format : t->c->format;
    char text[FORMAT_MAX];
    int64_t ms;
    if (read_date(t, t->c->date, &ms) != 0)
        return NULL;
    size_t n = calendar_format(ms, t->zone, format.ptr, format.len, text, sizeof text);
    if (n >= sizeof text) {
        fail(t, "too_long", "the format '%.*s' gives more than 511 bytes", format);
        return NULL;
    }
    return t->h->v->of_str(t->it, text, n);
}

static const wf_value *extracted(struct task *t)
{
    int64_t ms, year, part = 0;
    if (read_date(t, t->c->date, &ms) != 0)
        return NULL;
    wf_date d = wf_date_of_ms(ms + (int64_t)t->zone * 60000);
    const int64_t parts[UNITS] = { d.year,   (d.month - 1) / 3 + 1,
                                   d.month,  calendar_week(ms, t->zone, &year),
                                   d.day,    d.hour,
                                   d.minute, d.second,
                                   d.ms };
    part = parts[t->c->part];
    return t->h->v->of_int(t->it, part);
}

/* P1Y2M3DT4H5M6.789S */
static const wf_value *iso_duration(struct task *t, const double *amounts)
{
    static const struct {
        enum unit unit;
        char letter;
    } parts[] = { { YEAR, 'Y' }, { MONTH, 'M' }, { WEEK, 'W' },
                  { DAY, 'D' },  { HOUR, 'H' },  { MINUTE, 'M' } };
    char text[240];
    double months = amounts[MONTH] + 3 * amounts[QUARTER],
           seconds = amounts[SECOND] + amounts[MILLISECOND] / 1000;
    int n = snprintf(text, sizeof text, "P"), time = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        double amount = parts[i].unit == MONTH ? months : amounts[parts[i].unit];
        if (amount == 0)
            continue;
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%.9g%c",
                      parts[i].unit >= HOUR && !time ? "T" : "", amount, parts[i].letter);
        time |= parts[i].unit >= HOUR;
    }
    if (seconds != 0 || n == 1)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%.12gS", time ? "" : "T", seconds);
    return t->h->v->of_str(t->it, text, (size_t)n);
}

static const wf_value *between(struct task *t)
{
    const struct unit_row *rows = t->c->units.rows;
    uint8_t wanted[UNITS] = { 0 };
    double amounts[UNITS];
    int64_t from, to;
    if (read_date(t, t->c->start, &from) != 0 || read_date(t, t->c->end, &to) != 0)
        return NULL;
    for (size_t i = 0; i < t->c->units.n; i++)
        wanted[rows[i].unit] = 1;
    if (t->c->units.n == 0)
        wanted[DAY] = 1;
    calendar_between(from, to, t->zone, wanted, amounts);
    if (t->c->iso)
        return iso_duration(t, amounts);
    const wf_value *out = NULL;
    for (int unit = 0; unit < UNITS; unit++) {
        wf_str key = { plural_units[unit].name, strlen(plural_units[unit].name) };
        if (wanted[unit])
            out = t->h->v->set_key(t->it, out, key, t->h->v->of_number(t->it, amounts[unit]));
    }
    return out;
}

static const wf_value *rounded(struct task *t)
{
    int64_t ms;
    if (read_date(t, t->c->date, &ms) != 0)
        return NULL;
    ms = t->c->mode == ROUND_UP ? calendar_ceiling(ms, t->zone, (enum unit)t->c->to)
                                : calendar_floor(ms, t->zone, (enum unit)t->c->nearest);
    return date_value(t, ms);
}

static const wf_value *current(struct task *t)
{
    int64_t ms = t->h->now_ms(t->it);
    return date_value(t, t->c->include_time ? ms : calendar_floor(ms, t->zone, DAY));
}

static void date_item(const wf_host *h, wf_item *it)
{
    static const wf_value *(*const makers[])(
        struct task *) = { moved, moved, formatted, extracted, current, between, rounded };
    struct task t = { .h = h, .it = it, .c = h->config(it) };
    wf_str name = t.c->output;
    if (read_zone(t.c->zone, &t.zone) != 0) {
        fail(&t, "no_zone", "options.timezone '%.*s': give UTC or an offset such as +02:00",
             t.c->zone);
        return;
    }
    const wf_value *result = makers[t.c->operation](&t);
    if (!result)
        return;
    if (!name.len)
        name = (wf_str){ default_fields[t.c->operation], strlen(default_fields[t.c->operation]) };
    h->emit(it, 0, h->v->set_key(it, t.c->include_fields ? h->value(it) : NULL, name, result));
}

static void date_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        date_item(h, items[i]);
}

static int date_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    int minutes;
    (void)h;
    if (c->from_format.len) {
        snprintf(
            why, why_size,
            "options.fromFormat is not supported; ISO 8601, mail dates and numbers are recognised, "
            "others are read by an expression");
        return -1;
    }
    if (read_zone(c->zone, &minutes) != 0) {
        snprintf(
            why, why_size,
            "options.timezone '%.60s': give UTC or an offset such as +02:00; zones by name are "
            "known to expressions: $now.setZone('Europe/Berlin')",
            c->zone.ptr);
        return -1;
    }
    return 0;
}

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.dateTime", NULL };
static const wf_pair codes[] = {
    { "no_date", "A value is no date" },
    { "no_zone", "A zone is neither UTC nor an offset" },
    { "too_far", "The result is beyond what dates can be" },
    { "too_long", "A format gives too long a text" },
    { NULL, NULL },
};

static const char docs[] =
    "```json\n"
    "{\n"
    "  \"name\": \"Due\",\n"
    "  \"type\": \"catalyst.dateTime\",\n"
    "  \"parameters\": {\n"
    "    \"operation\": \"addToDate\",\n"
    "    \"magnitude\": \"={{ $json.invoiced }}\",\n"
    "    \"timeUnit\": \"days\",\n"
    "    \"duration\": 14,\n"
    "    \"outputFieldName\": \"due\",\n"
    "    \"options\": { \"includeInputFields\": true }\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n"
    "- Dates are read from ISO 8601 text, from mail and HTTP dates, and from milliseconds since "
    "1970. A text\n"
    "  without zone is UTC. They are written as ISO 8601 in UTC, or with the offset of "
    "`options.timezone`.\n"
    "- A day that a month has not becomes its last: a month after January 31 is the end of "
    "February.\n"
    "- Formats have Luxon's tokens: `yyyy yy MMMM MMM MM M dd d EEEE EEE E HH H hh h mm m ss s SSS "
    "a Z ZZ ZZZ o\n"
    "  q W kkkk X x`, names in English, other text in single quotes.\n"
    "- Weeks begin on Monday and are counted after ISO 8601.\n"
    "- Between two dates: whole numbers of the units, the smallest with a fraction; negative when "
    "the second\n"
    "  is earlier.\n"
    "- Zones are offsets. For zones by name use an expression, which knows their rules:\n"
    "  `={{ $now.setZone('Europe/Berlin').toFormat('HH:mm') }}`.\n";

static const wf_node nodes[] = { {
    .type = "catalyst.dateTime",
    .help = "Move, round, compare and write dates",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process = date_process,
    .codes = codes,
    .check = date_check,
    .group = "data",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("date_time", "1.0.0", nodes);
