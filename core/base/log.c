/* SPDX-License-Identifier: Apache-2.0
 * The logger: the only file-scope state outside program start, since a line may come from any
 * thread. A mutex orders lines; nothing on the message path logs per item.
 */
#include "base/log.h"
#include "base/err.h"
#include "base/str.h"
#include "base/clock.h"
#include "base/map.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RATE_SLOTS = 64, LINES_PER_SECOND = 20, LINE_CAP = 64 * 1024 };

struct rate {
    char event[48];
    int64_t second;
    unsigned lines, dropped;
};

static struct {
    pthread_mutex_t lock;
    enum log_level level;
    bool json;
    wf_str *secrets; /* longest first: one may be a part of another */
    size_t n_secrets;
    struct rate rates[RATE_SLOTS];
} logger = { .lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO };

static const char *const level_names[] = { "", "debug", "info", "warn", "error" };

void log_setup(enum log_level level, enum log_format format)
{
    pthread_mutex_lock(&logger.lock);
    __atomic_store_n(&logger.level, level, __ATOMIC_RELAXED);
    logger.json = format == LOG_JSON || (format == LOG_AUTO && !isatty(STDERR_FILENO));
    pthread_mutex_unlock(&logger.lock);
}

enum log_level log_level_parse(const char *name)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++)
        if (!strcmp(name, level_names[i]))
            return (enum log_level)i;
    return 0;
}

bool log_wants(enum log_level level)
{
    return level >= __atomic_load_n(&logger.level, __ATOMIC_RELAXED);
}

static bool secret_known(wf_str secret)
{
    for (size_t i = 0; i < logger.n_secrets; i++)
        if (str_eq(logger.secrets[i], secret))
            return true;
    return false;
}

/* Takes over `copy`. */
static void secret_add(wf_str copy)
{
    size_t n = logger.n_secrets++;
    logger.secrets = xrealloc(logger.secrets, (n + 1) * sizeof *logger.secrets);
    for (; n && logger.secrets[n - 1].len < copy.len; n--)
        logger.secrets[n] = logger.secrets[n - 1];
    logger.secrets[n] = copy;
}

void log_hide(wf_str secret)
{
    /* A line ends at a NUL, so only what stands before one can appear. */
    secret.len = secret.len ? strnlen(secret.ptr, secret.len) : 0;
    if (secret.len < 4)
        return;
    pthread_mutex_lock(&logger.lock);
    if (!secret_known(secret)) {
        char *copy = xmalloc(secret.len + 1);
        memcpy(copy, secret.ptr, secret.len);
        copy[secret.len] = 0;
        secret_add((wf_str){ copy, secret.len });
    }
    pthread_mutex_unlock(&logger.lock);
}

static void hide_secrets(char *text)
{
    for (size_t i = 0; i < logger.n_secrets; i++) {
        wf_str s = logger.secrets[i];
        for (char *at = text; (at = strstr(at, s.ptr));) {
            memcpy(at, "***", 3);
            memmove(at + 3, at + s.len, strlen(at + s.len) + 1);
            at += 3;
        }
    }
}

/* Counts the line against its event; true when it may be written. *dropped gets the lines that were
 * held back in the second before. */
static bool rate_allows(const char *event, unsigned *dropped)
{
    struct rate *r = &logger.rates[map_hash(event, strlen(event)) % RATE_SLOTS];
    int64_t second = clock_mono_us() / 1000000;
    *dropped = 0;
    if (strncmp(r->event, event, sizeof r->event - 1) != 0 || r->second != second) {
        if (!strncmp(r->event, event, sizeof r->event - 1))
            *dropped = r->dropped;
        *r = (struct rate){ .second = second };
        snprintf(r->event, sizeof r->event, "%s", event);
    }
    if (r->lines >= LINES_PER_SECOND) {
        r->dropped++;
        return false;
    }
    r->lines++;
    return true;
}

static void add_time(struct strbuf *b)
{
    char text[CLOCK_TEXT];
    clock_text(clock_wall_us(), text);
    strbuf_adds(b, text);
}

static void format_line(struct strbuf *b, enum log_level level, const char *component,
                        const char *event, const char *text, unsigned dropped)
{
    if (logger.json) {
        strbuf_adds(b, "{\"time\":\"");
        add_time(b);
        strbuf_addf(b, "\",\"level\":\"%s\",\"component\":\"%s\",\"event\":\"%s\",\"text\":",
                    level_names[level], component, event);
        strbuf_add_json(b, text, strlen(text));
        if (dropped)
            strbuf_addf(b, ",\"dropped\":%u", dropped);
        strbuf_adds(b, "}\n");
        return;
    }
    add_time(b);
    strbuf_addf(b, " %-5s %s %s: %s", level_names[level], component, event, text);
    if (dropped)
        strbuf_addf(b, " (%u like it not shown)", dropped);
    strbuf_addc(b, '\n');
}

void log_line(enum log_level level, const char *component, const char *event, const char *format,
              ...)
{
    if (!log_wants(level))
        return;
    struct strbuf text, line;
    strbuf_init(&text, LINE_CAP);
    strbuf_init(&line, LINE_CAP * 7);
    va_list args;
    va_start(args, format);
    strbuf_vaddf(&text, format, args);
    va_end(args);
    if (text.failed) {
        strbuf_clear(&text);
        strbuf_adds(&text, "(text too long)");
    }
    pthread_mutex_lock(&logger.lock);
    unsigned dropped;
    if (rate_allows(event, &dropped)) {
        char *shown = strbuf_take(&text);
        hide_secrets(shown);
        format_line(&line, level, component, event, shown, dropped);
        free(shown);
        ssize_t written = write(STDERR_FILENO, line.ptr, line.len);
        (void)written; /* a log that cannot be written has nobody to tell */
    }
    pthread_mutex_unlock(&logger.lock);
    strbuf_fini(&text);
    strbuf_fini(&line);
}
