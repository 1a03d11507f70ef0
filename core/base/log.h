/* SPDX-License-Identifier: Apache-2.0
 * log: one line per event: text on a terminal, a JSON object otherwise, on stderr.
 *
 * An event is a short fixed key ("kafka.subscribe_failed") and a text. A logger carries a component
 * name. Lines over a rate per event (20 a second) are counted and summed up instead of written.
 * Secrets registered with log_hide never appear: their bytes become "***". Thread: any.
 */
#ifndef CATALYST_LOG_H
#define CATALYST_LOG_H
#include <stdbool.h>
#include <catalyst/plugin.h>

enum log_level { LOG_DEBUG = 1, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO = 1, LOG_TEXT, LOG_JSON };

/* Program start. The default is LOG_INFO, LOG_AUTO. */
void log_setup(enum log_level level, enum log_format format);
/* "debug", "info", "warn", "error" -> level, or 0. */
enum log_level log_level_parse(const char *name);
/* Hides this value in every later line; values under 4 bytes are not hidden. Never forgotten. */
void log_hide(wf_str secret);
void log_line(enum log_level level, const char *component, const char *event, const char *format,
              ...) WF_PRINTF(4, 5);
bool log_wants(enum log_level level);

#define log_debug(component, event, ...)                                                           \
    do {                                                                                           \
        if (log_wants(LOG_DEBUG))                                                                  \
            log_line(LOG_DEBUG, component, event, __VA_ARGS__);                                    \
    } while (0)
#define log_info(component, event, ...)  log_line(LOG_INFO, component, event, __VA_ARGS__)
#define log_warn(component, event, ...)  log_line(LOG_WARN, component, event, __VA_ARGS__)
#define log_error(component, event, ...) log_line(LOG_ERROR, component, event, __VA_ARGS__)
#endif
