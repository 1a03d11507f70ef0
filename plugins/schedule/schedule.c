/* SPDX-License-Identifier: Apache-2.0
 * catalyst.scheduleTrigger: parameters of schedules. The engine does the work, because a fire time
 * is a position of the commit protocol: N engines fire once. Thread: the worker's. Nothing blocks.
 */
#include <catalyst/cron.h>
#include <catalyst/triggers.h>

static const wf_pair fields[] = {
    { "seconds", "Every few seconds" },
    { "minutes", "Every few minutes" },
    { "hours", "Every few hours, at a minute" },
    { "days", "Every few days, at a time" },
    { "weeks", "Every few weeks, on weekdays, at a time" },
    { "months", "Every few months, on a day, at a time" },
    { "cronExpression", "As cron writes it" },
    { NULL, NULL },
};

static const wf_pair misfires[] = {
    { "skip", "What was missed by more than 5 seconds is left out" },
    { "once", "The latest that was missed runs once, as soon as an engine is there" },
    { NULL, NULL },
};

static const wf_param weekday_rows[] = {
    { WF_P_INT(struct wf_schedule_weekday, day), .flags = WF_REQUIRED, .min = 0, .max = 7,
      .help = "0 is Sunday, 1 Monday, 6 Saturday" },
    WF_END,
};

#define EVERY(name, field, shown, most, unit)                                                      \
    {                                                                                              \
        WF_NAMED(name), WF_F_INT(struct wf_schedule_rule, field),                                  \
            .def = "1", .min = 1, .max = (most), .show_if = "field=" shown,                        \
            .help = "How many " unit                                                               \
    }

static const wf_param rule_rows[] = {
    { WF_P_CHOICE(struct wf_schedule_rule, field, fields), .def = "days",
      .help = "What the rule counts" },
    { WF_NAMED("secondsInterval"), WF_F_INT(struct wf_schedule_rule, seconds), .def = "30",
      .min = 1, .max = 86400, .show_if = "field=seconds", .help = "How many seconds" },
    { WF_NAMED("minutesInterval"), WF_F_INT(struct wf_schedule_rule, minutes), .def = "5", .min = 1,
      .max = 44640, .show_if = "field=minutes", .help = "How many minutes" },
    EVERY("hoursInterval", hours, "hours", 8784, "hours"),
    EVERY("daysInterval", days, "days", 366, "days"),
    EVERY("weeksInterval", weeks, "weeks", 53, "weeks"),
    EVERY("monthsInterval", months, "months", 60, "months"),
    { WF_NAMED("triggerAtHour"), WF_F_INT(struct wf_schedule_rule, at_hour), .min = 0, .max = 23,
      .show_if = "field=days|weeks|months", .help = "At this hour" },
    { WF_NAMED("triggerAtMinute"), WF_F_INT(struct wf_schedule_rule, at_minute), .min = 0,
      .max = 59, .show_if = "field=hours|days|weeks|months", .help = "At this minute" },
    { WF_NAMED("triggerAtDay"),
      WF_F_LIST(struct wf_schedule_rule, weekdays, weekday_rows, struct wf_schedule_weekday),
      .show_if = "field=weeks", .help = "On these weekdays; none: Sunday" },
    { WF_NAMED("triggerAtDayOfMonth"), WF_F_INT(struct wf_schedule_rule, at_day_of_month),
      .def = "1", .min = 1, .max = 31, .show_if = "field=months",
      .help = "On this day; months without it are left out" },
    { WF_NAMED("expression"), WF_F_STR(struct wf_schedule_rule, cron), .flags = WF_REQUIRED,
      .show_if = "field=cronExpression",
      .help = "Five fields (minute hour day month weekday), or six with seconds in front" },
    WF_END,
};

static const wf_param params[] = {
    { WF_NAMED("rule.interval"),
      WF_F_LIST(struct wf_schedule_trigger, rules, rule_rows, struct wf_schedule_rule),
      .def = "[{}]", .help = "Rules; the trigger fires for each of them" },
    { WF_P_CHOICE(struct wf_schedule_trigger, misfire, misfires), .def = "skip",
      .help = "What becomes of times at which no engine ran" },
    WF_END,
};

static int check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct wf_schedule_trigger *c = config;
    const struct wf_schedule_rule *rows = c->rules.rows;
    wf_cron_bits bits;
    (void)h;
    if (!c->rules.n) {
        snprintf(why, why_size, "rule.interval has no rule, so it would never fire");
        return -1;
    }
    for (size_t i = 0; i < c->rules.n; i++)
        if (rows[i].field == WF_CRON && wf_cron_parse(rows[i].cron.ptr, &bits, why, why_size) != 0)
            return -1;
    return 0;
}

static void hand_on(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

static const char docs[] =
    "Times are those of the workflow's zone, `settings.timezone`. Counted units are counted in "
    "civil\n"
    "time from 1970 on (weeks from Monday), so `every 2 hours` means the even hours on every\n"
    "engine and after every restart.\n"
    "\n"
    "When clocks change: a rule that names hours fires at the instant of the jump when its time "
    "does\n"
    "not exist, and at the first of two when its time comes twice. Rules for every hour, minute "
    "or\n"
    "second follow real time.\n"
    "\n"
    "Cron fields take `*`, numbers, lists, ranges, steps and names (`mon`, `jan`); 0 and 7 are\n"
    "Sunday; `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly` are known, `L`, `W` and `#` "
    "are\n"
    "not. When both day fields are restricted, either of them is enough.\n"
    "\n"
    "However many engines run, each time fires once. Under the durability classes `none` and\n"
    "`at_least_once` one engine fires and another takes over when it dies; misfires are not known\n"
    "there.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.scheduleTrigger\", \"parameters\": {\"rule\": {\"interval\": [\n"
    "  {\"field\": \"weeks\", \"triggerAtDay\": [1, 4], \"triggerAtHour\": 6},\n"
    "  {\"field\": \"cronExpression\", \"expression\": \"0 30 17 * * fri\"}]}}}\n"
    "```\n"
    "\n"
    "The item has `timestamp` (ISO 8601 with offset), `Readable date`, `Readable time`, `Day of "
    "week`,\n"
    "`Year`, `Month`, `Day of month`, `Hour`, `Minute`, `Second` and `Timezone`, all text.\n";

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.scheduleTrigger", NULL };
static const wf_node nodes[] = {
    { .type = "catalyst.scheduleTrigger",
      .help = "Start an execution at set times",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct wf_schedule_trigger),
      .process = hand_on,
      .check = check,
      .flags = WF_NODE_TRIGGER,
      .group = "trigger",
      .docs = docs,
      .aliases = aliases },
};

WF_PLUGIN("schedule", "1.0.0", nodes);
