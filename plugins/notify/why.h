/* SPDX-License-Identifier: Apache-2.0
 * Why a configuration is refused: the place in it and a sentence. The innermost writes the
 * sentence, and those around it put the place in front. Thread: any.
 */
#ifndef PLUGIN_NOTIFY_WHY_H
#define PLUGIN_NOTIFY_WHY_H
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct why {
    char text[400];
};

/* Returns -1. */
__attribute__((format(printf, 2, 3))) static inline int why_set(struct why *why, const char *format,
                                                                ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return -1;
}

/* Puts a place before the sentence: "route", then ".routes[1]: ...". Returns -1. */
__attribute__((format(printf, 2, 3))) static inline int why_at(struct why *why, const char *format,
                                                               ...)
{
    char place[120], rest[270];
    va_list args;
    va_start(args, format);
    vsnprintf(place, sizeof place, format, args);
    va_end(args);
    memcpy(rest, why->text, sizeof rest - 1);
    rest[sizeof rest - 1] = 0;
    snprintf(why->text, sizeof why->text, "%s%s%s", place, *rest == '.' || *rest == '[' ? "" : ": ",
             rest);
    return -1;
}

#endif
