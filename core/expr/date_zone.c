/* SPDX-License-Identifier: Apache-2.0
 * date_zone: the zones of a worker's dates: those of the tz database (base/zone.h) and fixed
 * offsets, kept by name as long as the state. The worker's thread; the first use of a zone reads
 * one small file.
 */
#include "base/zone.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "expr/date_int.h"

enum { ZONES_MAX = 1000 };

struct date_zone {
    struct date_zone *next;
    struct zone *zone;
};

void date_zone_free_all(struct date_zone *zones)
{
    while (zones) {
        struct date_zone *z = zones;
        zones = z->next;
        zone_close(z->zone);
        free(z);
    }
}

static struct date_zone *known(struct expr_lua *lua, const char *name)
{
    for (struct date_zone *z = lua->zones; z; z = z->next)
        if (!strcmp(zone_name(z->zone), name))
            return z;
    return NULL;
}

static struct date_zone *keep(struct expr_lua *lua, struct zone *zone)
{
    struct date_zone *z = xcalloc(1, sizeof *z);
    *z = (struct date_zone){ .next = lua->zones, .zone = zone };
    return lua->zones = z;
}

struct date_zone *date_zone_fixed(struct expr_lua *lua, int offset)
{
    char name[24];
    int minutes = abs(offset) / 60;
    int len = snprintf(name, sizeof name, "UTC");
    if (offset)
        len += snprintf(name + len, sizeof name - (size_t)len, "%c%d", offset < 0 ? '-' : '+',
                        minutes / 60);
    if (minutes % 60)
        snprintf(name + len, sizeof name - (size_t)len, ":%02d", minutes % 60);
    struct date_zone *z = known(lua, name);
    return z ? z : keep(lua, zone_fixed(name, offset));
}

struct date_zone *date_zone_utc(struct expr_lua *lua) { return date_zone_fixed(lua, 0); }

struct date_zone *date_zone_local(struct expr_lua *lua)
{
    const char *name = lua->scope && lua->scope->timezone ? lua->scope->timezone : "UTC";
    struct date_zone *z = date_zone_find(lua, name, strlen(name));
    return z ? z : date_zone_utc(lua);
}

/* "UTC+2", "+02:00", "-0530" */
static bool read_offset(const char *s, int *seconds)
{
    if (!strncasecmp(s, "UTC", 3) || !strncasecmp(s, "GMT", 3))
        s += 3;
    if (*s != '+' && *s != '-')
        return false;
    int sign = *s++ == '-' ? -1 : 1;
    size_t digits = strspn(s, "0123456789");
    int hours = atoi(s), minutes = 0;
    if (digits == 4) {
        minutes = hours % 100;
        hours /= 100;
    } else if (digits < 1 || digits > 2) {
        return false;
    } else if (s[digits] == ':') {
        minutes = atoi(s + digits + 1);
    } else if (s[digits]) {
        return false;
    }
    *seconds = sign * (hours * 3600 + minutes * 60);
    return hours <= 14 && minutes < 60;
}

struct date_zone *date_zone_find(struct expr_lua *lua, const char *name, size_t len)
{
    char text[100];
    int offset;
    size_t count = 0;
    struct err err;
    if (!len || len >= sizeof text)
        return NULL;
    memcpy(text, name, len);
    text[len] = '\0';
    if (!strcmp(text, "local") || !strcmp(text, "system") || !strcmp(text, "default"))
        return date_zone_local(lua);
    if (!strcasecmp(text, "UTC") || !strcasecmp(text, "GMT") || !strcmp(text, "Z"))
        return date_zone_utc(lua);
    struct date_zone *z = known(lua, text);
    if (z)
        return z;
    if (read_offset(text, &offset))
        return date_zone_fixed(lua, offset);
    for (z = lua->zones; z; z = z->next)
        count++;
    struct zone *zone = count < ZONES_MAX ? zone_open(text, &err) : NULL;
    return zone ? keep(lua, zone) : NULL;
}

const char *date_zone_name(const struct date_zone *z) { return zone_name(z->zone); }

int date_zone_offset(const struct date_zone *z, int64_t seconds)
{
    return (int)zone_offset(z->zone, seconds);
}

/* Summer time is what Luxon takes for it: more than the offset of January or of May of the year. */
bool date_zone_is_dst(const struct date_zone *z, int64_t seconds)
{
    int64_t year, local = seconds + date_zone_offset(z, seconds);
    int month, day, offset = date_zone_offset(z, seconds);
    date_of_days((local >= 0 ? local : local - 86399) / 86400, &year, &month, &day);
    return offset > date_zone_offset(z, date_days(year, 1, 1) * 86400) ||
           offset > date_zone_offset(z, date_days(year, 5, 1) * 86400);
}
