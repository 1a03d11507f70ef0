/* SPDX-License-Identifier: Apache-2.0
 * err: the three kinds of trouble, never mixed.
 *
 * A bug aborts (BUG_IF, in release too). A user's mistake is text for that user. Weather (network,
 * database, broker) carries `retryable`. Functions return 0 or -1 and fill `struct err` on -1 only.
 * Texts say where, what, why: "kafka: subscribe 'orders': broker down".
 */
#ifndef CATALYST_ERR_H
#define CATALYST_ERR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <catalyst/plugin.h>

/* code, text, retryable */
#define ERR_MAP(X)                                                                                 \
    X(INVALID, "invalid input", false)                                                             \
    X(NOT_FOUND, "not found", false)                                                               \
    X(CONFLICT, "conflict", false)                                                                 \
    X(LIMIT, "limit reached", false)                                                               \
    X(DENIED, "not allowed", false)                                                                \
    X(IO, "input or output failed", true)                                                          \
    X(TIMEOUT, "timed out", true)                                                                  \
    X(UNAVAILABLE, "unavailable", true)                                                            \
    X(FENCED, "taken over by another engine", false)                                               \
    X(INTERNAL, "internal error", false)

enum err_code {
    ERR_NONE,
#define X(code, text, retryable) ERR_##code,
    ERR_MAP(X)
#undef X
};

struct err {
    enum err_code code;
    bool retryable;
    char text[496];
};

/* Fills *err (which may be NULL) and returns -1, so that callers can `return err_set(...)`. */
int err_set(struct err *err, enum err_code code, const char *format, ...) WF_PRINTF(3, 4);
/* Puts "context: " before the text that is there; returns -1. */
int err_context(struct err *err, const char *format, ...) WF_PRINTF(2, 3);
/* "INVALID", "IO" ... for logs and metrics; never NULL. */
const char *err_name(enum err_code code);

_Noreturn void bug_report(const char *file, int line, const char *what);
_Noreturn void bug_out_of_memory(size_t bytes);
/* A broken invariant, never input: prints and aborts, in release builds too. */
#define BUG_IF(cond)                                                                               \
    do {                                                                                           \
        if (__builtin_expect(!!(cond), 0))                                                         \
            bug_report(__FILE__, __LINE__, #cond);                                                 \
    } while (0)

/* A magic word on objects that travel as void *; OBJ() dies at once on a wrong cast. The struct has
 * a member `uint32_t magic` and its header says  #define foo_MAGIC 0x...  */
#define OBJ(type, ptr)                                                                             \
    ((struct type *)obj_check((ptr), type##_MAGIC, offsetof(struct type, magic), #type))
void *obj_check(void *ptr, uint32_t magic, size_t offset, const char *type);

/* malloc family that aborts when memory is out. */
void *xmalloc(size_t bytes);
void *xcalloc(size_t n, size_t bytes);
void *xrealloc(void *old, size_t bytes);
char *xstrdup(const char *text);
#endif
