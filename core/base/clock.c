/* SPDX-License-Identifier: Apache-2.0
 * Times as text. See clock.h.
 */
#include "base/clock.h"
#include <stdio.h>

void clock_text(int64_t wall_us, char to[CLOCK_TEXT])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(to, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(to + n, CLOCK_TEXT - n, ".%03dZ", (int)(wall_us / 1000 % 1000));
}
