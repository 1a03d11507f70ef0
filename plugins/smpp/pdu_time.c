/* SPDX-License-Identifier: Apache-2.0
 * pdu_time.c - the sixteen characters in which SMPP writes a time.
 *
 *     YY MM DD hh mm ss t nn p      p is "+" or "-": local time, nn quarters of an hour off UTC
 *                                   p is "R": so long from now; t and nn are 0
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "pdu_int.h"
#include <stdio.h>
#include <string.h>

enum { DAY = 86400, DAYS_OF_YEAR = 365, DAYS_OF_MONTH = 30 };

/* Counted from March, so that a leap day is the last of its year. */
int64_t pdu_days(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = (month + 9) % 12;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

static int64_t relative_s(const int part[6])
{
    int64_t days = part[0] * (int64_t)DAYS_OF_YEAR + part[1] * (int64_t)DAYS_OF_MONTH + part[2];
    return days * DAY + part[3] * INT64_C(3600) + part[4] * INT64_C(60) + part[5];
}

static int is_date(const int part[6])
{
    return part[1] >= 1 && part[1] <= 12 && part[2] >= 1 && part[2] <= 31 && part[3] <= 23 &&
           part[4] <= 59 && part[5] <= 59;
}

int smpp_time_read(const struct smpp_str *text, int64_t now_us, int64_t *at_us)
{
    int part[6], quarters;
    const char *p = text->ptr;
    if (text->len == 0)
        return 0;
    if (text->len != SMPP_TIME_BYTES - 1)
        return -1;
    for (size_t i = 0; i < 15; i++)
        if (p[i] < '0' || p[i] > '9')
            return -1;
    for (size_t i = 0; i < 6; i++)
        part[i] = (p[i * 2] - '0') * 10 + p[i * 2 + 1] - '0';
    quarters = (p[13] - '0') * 10 + p[14] - '0';
    if (p[15] == 'R') {
        *at_us = now_us + relative_s(part) * 1000000;
        return 1;
    }
    if ((p[15] != '+' && p[15] != '-') || quarters > 48 || !is_date(part))
        return -1;
    int64_t seconds = pdu_days(2000 + part[0], part[1], part[2]) * DAY + part[3] * INT64_C(3600) +
                      part[4] * INT64_C(60) + part[5];
    seconds += (p[15] == '+' ? INT64_C(-900) : INT64_C(900)) * quarters;
    *at_us = seconds * 1000000 + (p[12] - '0') * INT64_C(100000);
    return 1;
}

size_t smpp_time_write(int64_t seconds, char to[SMPP_TIME_BYTES])
{
    const int64_t most = INT64_C(99) * DAYS_OF_YEAR * DAY;
    if (seconds < 0)
        seconds = 0;
    if (seconds > most)
        seconds = most;
    unsigned days = (unsigned)(seconds / DAY), rest = (unsigned)(seconds % DAY);
    unsigned of_year = days % DAYS_OF_YEAR;
    /* a year has twelve months of thirty days and five days more, which are days of the last one */
    unsigned months = of_year / DAYS_OF_MONTH < 12 ? of_year / DAYS_OF_MONTH : 11;
    snprintf(to, SMPP_TIME_BYTES, "%02u%02u%02u%02u%02u%02u000R", days / DAYS_OF_YEAR % 100, months,
             (of_year - months * DAYS_OF_MONTH) % 100, rest / 3600, rest / 60 % 60, rest % 60);
    return SMPP_TIME_BYTES - 1;
}
