/* SPDX-License-Identifier: Apache-2.0
 * date_int: calendar, and the zones of a worker's dates by name. What a zone is, base/zone.h knows.
 */
#ifndef CATALYST_EXPR_DATE_INT_H
#define CATALYST_EXPR_DATE_INT_H
#include "expr/expr_int.h"

/* A moment taken apart in a zone. */
struct date_fields {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second, ms;
    int weekday;        /* 1 Monday ... 7 Sunday */
    int offset_seconds; /* of the zone, east positive */
};

/* --- date_zone.c ------------------------------------------------------------------------------ */

/* The zone by IANA name, "UTC", "local", or an offset like "UTC+2", "+02:00". NULL: unknown. Zones
 * live as long as the expr_lua. */
struct date_zone *date_zone_find(struct expr_lua *lua, const char *name, size_t len);
struct date_zone *date_zone_utc(struct expr_lua *lua);
/* The zone of the scope; UTC when it is unknown. */
struct date_zone *date_zone_local(struct expr_lua *lua);
const char *date_zone_name(const struct date_zone *z);
/* A fixed offset, named "UTC+2". */
struct date_zone *date_zone_fixed(struct expr_lua *lua, int offset_seconds);
int date_zone_offset(const struct date_zone *z, int64_t unix_seconds); /* seconds, east positive */
bool date_zone_is_dst(const struct date_zone *z, int64_t unix_seconds);
void date_zone_free_all(struct date_zone *zones);

/* --- calendar.c ------------------------------------------------------------------------------- */

int64_t date_days(int64_t year, int month, int day); /* since 1970-01-01 */
void date_of_days(int64_t days, int64_t *year, int *month, int *day);
int date_days_in_month(int64_t year, int month);
bool date_is_leap(int64_t year);
int date_day_of_year(const struct date_fields *f);
/* ISO week and the year it belongs to. */
int date_week(const struct date_fields *f, int64_t *year);
void date_split(double ms, const struct date_zone *z, struct date_fields *f);
/* The moment of the fields in a zone (offset, weekday ignored). Out of range fields carry over. */
double date_join(const struct date_fields *f, const struct date_zone *z);

/* Units of time: name to DATE_UNIT_*; 0: unknown. Singular, plural and n8n's short forms. */
enum date_unit {
    DATE_YEAR = 1,
    DATE_QUARTER,
    DATE_MONTH,
    DATE_WEEK,
    DATE_DAY,
    DATE_HOUR,
    DATE_MINUTE,
    DATE_SECOND,
    DATE_MS
};
enum date_unit date_unit_of(const char *name, size_t len);
double date_unit_ms(enum date_unit unit); /* days count 24 hours; a month 30 days, a year 365 */
double date_add(double ms, const struct date_zone *z, enum date_unit unit, double amount);
double date_floor(double ms, const struct date_zone *z, enum date_unit unit);

/* --- date.c ----------------------------------------------------------------------------------- */

/* A part of a date by Luxon's name for it. */
bool date_number_of(const struct js_date *d, const char *name, double *out);

/* --- duration.c, datetime.c, datetime_make.c -------------------------------------------------- */

extern const char *const date_unit_names[]; /* by unit, plural */
/* Makes a Duration of that length; the object of its amounts is on top and replaced. */
void duration_push(lua_State *L, double ms);
/* Amounts by unit of an object or Duration; their sum in milliseconds. */
double duration_amounts(lua_State *L, int at, double amounts[DATE_MS + 1]);
enum date_unit date_unit_arg(lua_State *L, int at, enum date_unit missing);
struct date_zone *date_zone_arg(lua_State *L, int at);
/* A date, a text or milliseconds as a moment and its zone. NaN when it is none. */
double date_moment_of(lua_State *L, int at, struct date_zone **zone);
void date_set_field(struct date_fields *f, const char *name, int v);
void date_set_fields(lua_State *L, int at, struct date_fields *f);

/* --- date_format.c ---------------------------------------------------------------------------- */

/* Adds the moment in Luxon's tokens. */
void date_format(luaL_Buffer *b, const struct js_date *d, const char *format, size_t len);
/* Reads a text by Luxon's tokens; NaN when it does not fit. */
double date_parse_format(const char *s, size_t len, const char *format, size_t format_len,
                         struct date_zone *zone);
extern const char *const date_month_names[12], *const date_day_names[7];

#endif
