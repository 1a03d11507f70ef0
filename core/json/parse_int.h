/* SPDX-License-Identifier: Apache-2.0
 * The parser's state, between its common path (parse.c) and what is met rarely (parse_rare.c).
 *
 * All values that wait for the end of their container lie on one stack. A container's own slot is
 * the frame of its contents, which follow it behind a slot for its text; when it closes they are
 * copied to the arena, once, and the slot becomes the finished value. So depth costs no recursion
 * and a level costs 32 bytes.
 *
 *     | { | text | key | value | key | [ | text | element | element |        <- top
 *      ^ its frame                      ^ parser.frame
 */
#ifndef CATALYST_JSON_PARSE_INT_H
#define CATALYST_JSON_PARSE_INT_H
#include "json/json_int.h"

enum {
    STACK_LOCAL = 512, /* values that wait before memory is allocated for them */
    SLOTS_WATCHED =
        64, /* an object with more keys and values is checked for equal keys in the end */
};

/* flags of an open object's slot */
enum { FRAME_EQUAL_KEYS = 4 };

/* The slots of an open container: they begin behind its frame and its text. */
enum { FRAME_SLOTS = 2 };

struct parser {
    const char *text, *end;     /* end: where parsing must end */
    size_t len;                 /* of the whole text, with the white space behind `end` */
    struct json *stack, *limit; /* limit: one past the last slot */
    struct json *top;           /* the next free slot */
    struct json *frame;         /* the innermost open container, if depth > 0 */
    uint32_t unlike;            /* places met so far that would be written in another way */
    unsigned depth, max_depth;
    struct arena *arena;
    struct json_error *error;
    struct json local[STACK_LOCAL];
};

/* Sets the error and returns NULL, for the readers below: each takes where to read and returns the
 * byte behind what it read, or NULL. At the text's end the reason is always that. */
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
/* p: where a value must be that is no container, string or number. */
const char *parse_word(struct parser *ps, const char *p, struct json *slot);
/* Marks the object `frame` if one of its keys before `key` equals it. */
void parse_look_for_key(struct json *frame, const struct json *key);
/* Of members with equal keys in the innermost object, which fill `slots`, keeps the first place and
 * the last value. Returns the slots left. */
size_t parse_drop_equal_keys(struct parser *ps, size_t slots);
#endif
