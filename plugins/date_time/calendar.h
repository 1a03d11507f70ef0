/* SPDX-License-Identifier: Apache-2.0
 * Moments in a zone of fixed offset: adding units, their borders, differences, and writing by a
 * format.
 *
 * A moment is milliseconds since 1970 UTC; `zone` is minutes east of Greenwich. Thread: any.
 */
#ifndef PLUGIN_DATE_TIME_CALENDAR_H
#define PLUGIN_DATE_TIME_CALENDAR_H
#include <catalyst/date.h>

/* From the largest to the smallest. */
enum unit { YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND, MILLISECOND, UNITS };

/* The furthest that JavaScript's dates go, either way. */
#define CALENDAR_MAX_MS INT64_C(8640000000000000)

/* The moment `n` units later. A day that the month has not becomes its last. 0, or -1 when that is
 * too far. */
int calendar_add(int64_t *ms, int zone, enum unit unit, int64_t n);
/* The first moment of the unit, and the last. Weeks begin on Monday. */
int64_t calendar_floor(int64_t ms, int zone, enum unit unit);
int64_t calendar_ceiling(int64_t ms, int zone, enum unit unit);
/* Day of the week, 1 for Monday, and the number of the ISO week with its year. */
int calendar_weekday(int64_t ms, int zone);
int calendar_week(int64_t ms, int zone, int64_t *year);
/* From `from` to `to` in the units that are set: whole numbers, a fraction in the smallest. */
void calendar_between(int64_t from, int64_t to, int zone, const uint8_t *wanted, double *out);
/* Writes the moment by a format of Luxon's tokens; returns the length it needs, of which at most
 * size - 1 bytes were written, with a NUL. */
size_t calendar_format(int64_t ms, int zone, const char *format, size_t len, char *to, size_t size);

#endif
