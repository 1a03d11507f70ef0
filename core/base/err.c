/* SPDX-License-Identifier: Apache-2.0
 * Error records, bug reports and the allocators that abort. See err.h.
 */
#include "base/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool code_retryable(enum err_code code)
{
    switch (code) {
#define X(c, text, retryable)                                                                      \
    case ERR_##c:                                                                                  \
        return retryable;
        ERR_MAP(X)
#undef X
    case ERR_NONE:
        break;
    }
    return false;
}

const char *err_name(enum err_code code)
{
    switch (code) {
#define X(c, text, retryable)                                                                      \
    case ERR_##c:                                                                                  \
        return #c;
        ERR_MAP(X)
#undef X
    case ERR_NONE:
        break;
    }
    return "NONE";
}

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
    if (!err)
        return -1;
    err->code = code;
    err->retryable = code_retryable(code);
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return -1;
}

int err_context(struct err *err, const char *format, ...)
{
    if (!err)
        return -1;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (used < 0 || (size_t)used + 3 >= sizeof err->text)
        return -1;
    size_t room = sizeof err->text - (size_t)used - 3, len = strlen(old);
    memcpy(err->text + used, ": ", 2);
    memcpy(err->text + used + 2, old, len < room ? len : room);
    err->text[(size_t)used + 2 + (len < room ? len : room)] = 0;
    return -1;
}

void bug_report(const char *file, int line, const char *what)
{
    fprintf(stderr, "catalyst: bug at %s:%d: %s\n", file, line, what);
    abort();
}

void bug_out_of_memory(size_t bytes)
{
    fprintf(stderr, "catalyst: out of memory (%zu bytes asked for)\n", bytes);
    abort();
}

void *obj_check(void *ptr, uint32_t magic, size_t offset, const char *type)
{
    uint32_t found = 0;
    if (ptr)
        memcpy(&found, (char *)ptr + offset, sizeof found);
    if (found != magic) {
        fprintf(stderr, "catalyst: bug: %p is not a %s (magic %08x)\n", ptr, type, found);
        abort();
    }
    return ptr;
}

void *xmalloc(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    if (!p)
        bug_out_of_memory(bytes);
    return p;
}

void *xcalloc(size_t n, size_t bytes)
{
    void *p = calloc(n ? n : 1, bytes ? bytes : 1);
    if (!p)
        bug_out_of_memory(n * bytes);
    return p;
}

void *xrealloc(void *old, size_t bytes)
{
    void *p = realloc(old, bytes ? bytes : 1);
    if (!p)
        bug_out_of_memory(bytes);
    return p;
}

char *xstrdup(const char *text)
{
    size_t len = strlen(text);
    return memcpy(xmalloc(len + 1), text, len + 1);
}
