/* SPDX-License-Identifier: Apache-2.0
 * Durations as Prometheus writes them: "30s", "1h30m", "250ms", "1d", "2w", "1y"; units once each,
 * the larger first. Thread: any.
 */
#ifndef PLUGIN_NOTIFY_DURATION_H
#define PLUGIN_NOTIFY_DURATION_H
#include <stdint.h>
#include <string.h>

/* 0, or -1 when it is none. */
static inline int duration_parse(const char *text, int64_t *ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = { { "y", 31536000000 }, { "w", 604800000 }, { "d", 86400000 }, { "h", 3600000 },
                  { "m", 60000 },       { "s", 1000 },      { "ms", 1 } };
    size_t unit = 0;
    *ms = 0;
    if (!strcmp(text, "0"))
        return 0;
    if (!*text)
        return -1;
    while (*text) {
        int64_t n = 0;
        size_t digits = strspn(text, "0123456789"), letters;
        if (!digits || digits > 12)
            return -1;
        for (; digits; digits--)
            n = n * 10 + (*text++ - '0');
        letters = strspn(text, "ywdhms");
        while (unit < 7 && (strlen(units[unit].name) != letters ||
                            strncmp(units[unit].name, text, letters) != 0))
            unit++;
        if (unit == 7 || n > INT64_MAX / 4 / units[unit].ms)
            return -1;
        *ms += n * units[unit++].ms;
        text += letters;
        if (*ms > INT64_MAX / 4)
            return -1;
    }
    return 0;
}

#endif
