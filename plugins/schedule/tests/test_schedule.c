/* SPDX-License-Identifier: Apache-2.0
 * catalyst.scheduleTrigger: n8n's forms, and what is refused.
 */
#include "../schedule.c"
#include "fake_cases.h"

#define RULE(r) "{\"rule\":{\"interval\":[" r "]}}"
#define PASSES                                                                                     \
    { "[{\"a\":1}]" }, { "[{\"a\":1}]" }

static const struct fake_case cases[] = {
    { "nothing said: every day", "{}", PASSES },
    { "an empty rule", RULE("{}"), PASSES },
    { "seconds", RULE("{\"field\":\"seconds\",\"secondsInterval\":10}"), PASSES },
    { "hours", RULE("{\"field\":\"hours\",\"hoursInterval\":2,\"triggerAtMinute\":15}"), PASSES },
    { "weeks",
      RULE(
          "{\"field\":\"weeks\",\"triggerAtDay\":[1,5],\"triggerAtHour\":8,\"triggerAtMinute\":0}"),
      PASSES },
    { "months", RULE("{\"field\":\"months\",\"triggerAtDayOfMonth\":31}"), PASSES },
    { "cron with seconds", RULE("{\"field\":\"cronExpression\",\"expression\":\"*/5 * * * * *\"}"),
      PASSES },
    { "misfire", "{\"misfire\":\"once\"}", PASSES },
    { "cron is checked", RULE("{\"field\":\"cronExpression\",\"expression\":\"61 * * * *\"}"),
      .refused = "cron: minute field '61'" },
    { "one wrong rule of several",
      RULE("{},{\"field\":\"cronExpression\",\"expression\":\"0 0 L * *\"}"),
      .refused = "L, W and # are not known" },
    { "cron without expression", RULE("{\"field\":\"cronExpression\"}"), .refused = "expression" },
    { "no rule", "{\"rule\":{\"interval\":[]}}", .refused = "no rule" },
    { "zero seconds", RULE("{\"field\":\"seconds\",\"secondsInterval\":0}"),
      .refused = "secondsInterval" },
    { "hour 24", RULE("{\"field\":\"days\",\"triggerAtHour\":24}"), .refused = "triggerAtHour" },
    { "another unit", RULE("{\"field\":\"years\"}"), .refused = "field" },
};

int main(void) { return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.scheduleTrigger", cases); }
