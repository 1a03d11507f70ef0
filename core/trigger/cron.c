/* SPDX-License-Identifier: Apache-2.0
 * Rules of schedules: from n8n's forms to bits, and from bits to the next instant of a zone.
 * Thread: any.
 */
#include "trigger/cron_int.h"

enum { CHANGES_AHEAD = 64 };

/* --- rules ------------------------------------------------------------------------------------ */

static uint64_t weekday_bits(const wf_list *days)
{
    const struct wf_schedule_weekday *rows = days->rows;
    uint64_t bits = 0;
    for (size_t i = 0; i < days->n; i++)
        bits |= (uint64_t)1 << rows[i].day % 7;
    return bits ? bits : 1; /* Sunday, as n8n has it */
}

static const uint64_t all_minutes = ((uint64_t)1 << 60) - 1, all_hours = (1u << 24) - 1;

int cron_of_rule(const struct wf_schedule_rule *r, wf_cron_bits *out, struct err *err)
{
    uint64_t minute = (uint64_t)1 << r->at_minute, hour = (uint64_t)1 << r->at_hour;
    char why[256];
    wf_cron_bits c = { .seconds = 1,
                       .minutes = minute,
                       .hours = hour,
                       .days = 0xfffffffe,
                       .months = 0x1ffe,
                       .weekdays = 127,
                       .any_day = 1,
                       .any_weekday = 1,
                       .every = 1 };
    switch (r->field) {
    case WF_EVERY_SECONDS:
        c.seconds = c.minutes = all_minutes;
        c.hours = all_hours;
        c.unit = WF_CRON_SECONDS;
        c.every = r->seconds;
        break;
    case WF_EVERY_MINUTES:
        c.minutes = all_minutes;
        c.hours = all_hours;
        c.unit = WF_CRON_MINUTES;
        c.every = r->minutes;
        break;
    case WF_EVERY_HOURS:
        c.hours = all_hours;
        c.unit = WF_CRON_HOURS;
        c.every = r->hours;
        break;
    case WF_EVERY_DAYS:
        c.unit = WF_CRON_DAYS;
        c.every = r->days;
        break;
    case WF_EVERY_WEEKS:
        c.weekdays = weekday_bits(&r->weekdays);
        c.any_weekday = 0;
        c.unit = WF_CRON_WEEKS;
        c.every = r->weeks;
        break;
    case WF_EVERY_MONTHS:
        c.days = (uint64_t)1 << r->at_day_of_month;
        c.any_day = 0;
        c.unit = WF_CRON_MONTHS;
        c.every = r->months;
        break;
    default:
        if (wf_cron_parse(r->cron.ptr, &c, why, sizeof why) != 0)
            return err_set(err, ERR_INVALID, "%s", why);
    }
    *out = c;
    return 0;
}

/* --- the next time ---------------------------------------------------------------------------- */

static bool is_every_hour(const wf_cron_bits *c)
{
    return c->hours == all_hours &&
           (c->unit <= WF_CRON_MINUTES || c->unit > WF_CRON_HOURS || c->every <= 1);
}

/* By real time: what the civil clock shows from `at` on, one stretch between its changes after the
 * other. */
static int64_t next_real(const wf_cron_bits *c, const struct zone *z, int64_t at)
{
    for (int i = 0; i < CHANGES_AHEAD; i++) {
        int64_t offset = zone_offset(z, at), change = zone_next_change(z, at);
        int64_t civil = wf_cron_next(c, at + offset);
        if (civil == INT64_MIN)
            return -1;
        if (civil - offset < change)
            return civil - offset;
        at = change;
    }
    return -1;
}

/* By civil time. It starts a second early, so that an instant the clock jumped to is not missed. */
static int64_t next_named(const wf_cron_bits *c, const struct zone *z, int64_t at)
{
    int64_t civil = at - 1 + zone_offset(z, at - 1);
    while ((civil = wf_cron_next(c, civil + 1)) != INT64_MIN) {
        int64_t utc = zone_to_utc(z, civil);
        if (utc >= at)
            return utc;
    }
    return -1;
}

int64_t cron_next(const wf_cron_bits *c, const struct zone *z, int64_t after_ms)
{
    int64_t at = wf_date_floor(after_ms, 1000) + 1;
    int64_t found = is_every_hour(c) ? next_real(c, z, at) : next_named(c, z, at);
    return found < 0 ? -1 : found * 1000;
}
