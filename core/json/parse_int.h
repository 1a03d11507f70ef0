/* SPDX-License-Identifier: Apache-2.0
 * The parser's state, between its common path (parse.c) and what is met rarely (parse_rare.c).
 *
 * All values that wait for the end of their container lie on one stack. A container's own slot is
 * the frame of its contents, which follow it; when it closes they are copied to the arena, once,
 * and the slot becomes the finished value. So depth costs no recursion and a level costs 16 bytes.
 *
 *     | { | key | value | key | [ | element | element |        <- top
 *      ^ its frame               ^ parser.frame
 */
#ifndef CATALYST_JSON_PARSE_INT_H
#define CATALYST_JSON_PARSE_INT_H
#include "json/json_int.h"

enum {
    STACK_LOCAL = 512, /* values that wait before memory is allocated for them */
    KEYS_WATCHED = 32, /* an object with more members is checked for equal keys when it ends */
};

/* flags of an open object's slot */
enum { FRAME_EQUAL_KEYS = 2 };

struct parser {
    const char *text, *end;
    struct json *stack, *limit; /* limit: one past the last slot */
    struct json *top;           /* the next free slot */
    struct json *frame;         /* the innermost open container, if depth > 0 */
    unsigned depth, max_depth;
    struct arena *arena;
    struct json_error *error;
    struct json local[STACK_LOCAL];
};

/* Sets the error and returns NULL, for the readers below: each takes where to read and returns the
 * byte behind what it read, or NULL. */
const char *parse_fail(struct parser *ps, const char *at, const char *reason);
/* Makes room for `slots` more on the stack. */
void parse_grow(struct parser *ps, size_t slots);
/* Frees a stack that has grown. */
void parse_free(struct parser *ps);

/* Goes on with a string that starts at `start` and whose bytes are plain up to `p`. */
const char *parse_string_rest(struct parser *ps, const char *start, const char *p,
                              struct json *slot);
/* Goes on with a number whose integer part ends at `p`; it keeps its text. */
const char *parse_number_rest(struct parser *ps, const char *start, const char *p,
                              struct json *slot);
/* Of members with equal keys, `slots` on the stack from `first`, keeps the first place and the last
 * value. Returns the slots left. */
size_t parse_drop_equal_keys(struct parser *ps, struct json *first, size_t slots);
#endif
