/* SPDX-License-Identifier: Apache-2.0
 * json: the item format. Immutable, arena-backed JSON values: parse, read, edit by copy, write.
 *
 * A value is 16 bytes. Containers are arrays of values; a member is a key and a value. Nothing is
 * changed in place once it is built: an edit copies the containers along the path and shares the
 * rest, so items can share parts across nodes and executions of one arena. RFC 8259, strict: UTF-8
 * checked, no lone surrogates, depth limit, no trailing bytes, no comments. The last of equal keys
 * wins.
 *
 * Numbers: integers in int64 range are JSON_INT. Every other number of a text (fractions,
 * exponents, larger integers) keeps its text (JSON_NUMBER) and is written as it came; a computed
 * one is JSON_DOUBLE and is written in its shortest form that reads back the same.
 *
 * Strings of a parsed value point into the source text where they hold no escapes: the source must
 * live as long as the arena (link it with arena_link). They are NOT NUL-ended.
 *
 * A container whose text is, byte by byte, what writing it would give (no white space inside, no
 * equal keys, no escapes but the writer's own) remembers that text, and is written by copying it;
 * so is what it was, when an edit only adds members or elements behind it. This never shows in what
 * is written, only in how fast. The flag JSON_TEXT says so and belongs to this room: whoever fills
 * slots by hand takes them, and the value, from json_array or json_object.
 *
 * Thread: the arena's. Errors: NULL/-1 with an offset and a reason. Nothing here does I/O.
 */
#ifndef CATALYST_JSON_H
#define CATALYST_JSON_H
#include "base/arena.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_type {
    JSON_MISSING, /* undefined: no such member. Never inside a container. */
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_INT,    /* .i */
    JSON_DOUBLE, /* .d, finite */
    JSON_NUMBER, /* .s, .len: a number's text */
    JSON_STRING, /* .s, .len: UTF-8 */
    JSON_ARRAY,  /* .elements, .len */
    JSON_OBJECT, /* .members, .len */
};

enum {
    JSON_PLAIN = 1, /* a string that needs no escape when written */
    JSON_TEXT = 2,  /* a container that knows its text: see above; set by this room alone */
};

struct json {
    uint8_t type;  /* enum json_type */
    uint8_t flags; /* JSON_PLAIN, JSON_TEXT */
    uint16_t unused;
    uint32_t len; /* bytes, elements or members */
    union {
        int64_t i;
        double d;
        const char *s;
        const struct json *elements;
        const struct json_member *members;
    };
};

struct json_member {
    struct json key; /* JSON_STRING */
    struct json value;
};

enum { JSON_DEPTH_MAX = 128 };

struct json_error {
    size_t offset;      /* byte in the text where it went wrong */
    const char *reason; /* static text: "lone surrogate" */
};

/* Parses a whole text of at most UINT32_MAX bytes into *out. 0, or -1 with *error. `max_depth` 0:
 * JSON_DEPTH_MAX. Values and strings with escapes are allocated in `a`, the rest points into
 * `text`. */
int json_parse(struct arena *a, const char *text, size_t len, unsigned max_depth, struct json *out,
               struct json_error *error);
/* As json_parse for text that goes away: string bytes are copied into the arena. */
int json_parse_copy(struct arena *a, const char *text, size_t len, unsigned max_depth,
                    struct json *out, struct json_error *error);

/* --- reading: everything takes NULL and JSON_MISSING for "not there" -------------------------- */

/* A member's value, or NULL. */
const struct json *json_get(const struct json *object, const char *key, size_t len);
#define JSON_GET(object, literal) json_get((object), "" literal, sizeof(literal) - 1)
/* An array's element or an object's member value by place, or NULL. */
const struct json *json_at(const struct json *container, size_t i);

/* A path compiled once: keys and indices. */
struct json_step {
    const char *key; /* NULL: an index */
    uint32_t len;    /* of key */
    int32_t index;   /* negative counts from the end */
};
struct json_path {
    const struct json_step *steps;
    uint32_t n;
};
/* Parses "a.b[0]['x.y'].c"; an empty text is the value itself; in quotes a backslash takes the next
 * byte as it is. At most JSON_DEPTH_MAX steps, copied into `a`. 0, or -1 with *error. */
int json_path_parse(struct arena *a, const char *text, size_t len, struct json_path *out,
                    struct json_error *error);
/* Walks the path. NULL when a step has nothing. A name of digits is a place in an array: "list.0".
 */
const struct json *json_path_get(const struct json *from, const struct json_path *path);

bool json_truth(const struct json *v); /* JavaScript's truth */
/* The value as an integer: JSON_INT, or a number without fraction in range. */
bool json_int(const struct json *v, int64_t *out);
bool json_double(const struct json *v, double *out); /* any number */
bool json_equal(const struct json *a, const struct json *b);
static inline bool json_is_number(const struct json *v)
{
    return v && v->type >= JSON_INT && v->type <= JSON_NUMBER;
}
static inline wf_str json_str(const struct json *v) /* bytes of a string, else empty */
{
    return v && v->type == JSON_STRING ? (wf_str){ v->s, v->len } : (wf_str){ "", 0 };
}
const char *json_type_name(const struct json *v); /* "missing", "null", "boolean", "number" ... */

/* --- making -------------------------------------------------------------------------------------
 */

struct json json_of_int(int64_t i);
struct json
json_of_double(double d); /* NaN and infinities become null; integral values below 2^53 JSON_INT */
struct json json_of_bool(bool b);
/* Borrows the bytes, which must be UTF-8. */
struct json json_of_str_borrow(wf_str s);
/* Copies the bytes; what is not UTF-8 becomes U+FFFD. */
struct json json_of_str(struct arena *a, const char *ptr, size_t len);
/* Arrays and objects over memory of the arena: the caller fills the n slots before it shares them.
 * Slots start as null / "" : null. Keys must differ. */
struct json json_array(struct arena *a, size_t n, struct json **elements);
struct json json_object(struct arena *a, size_t n, struct json_member **members);
/* An object of the n members that lie from slots + 1 on, in the arena, and have differing keys;
 * slots[0] is left to this room. Where the first of them are those of `base` byte by byte, it knows
 * base's text. */
struct json json_object_like(const struct json *base, struct json *slots, size_t n);

/* --- editing by copy -------------------------------------------------------------------------- */

/* A copy of `base` (may be NULL: an empty object) with `path` set to `value`; missing objects and
 * arrays on the way are made, an array is filled up with nulls (at most 100,000). 0, or -1 with
 * *error when a step meets a value of another kind. */
int json_set(struct arena *a, const struct json *base, const struct json_path *path,
             const struct json *value, struct json *out, struct json_error *error);
/* A copy without what is at `path`; a missing path is no error. */
int json_unset(struct arena *a, const struct json *base, const struct json_path *path,
               struct json *out, struct json_error *error);
/* One member of an object (of an empty one, if `base` is none) by its literal name, which is
 * borrowed and must be UTF-8. */
struct json json_set_key(struct arena *a, const struct json *base, wf_str key,
                         const struct json *value);
/* The same by a name that is a JSON_STRING already. */
struct json json_set_member(struct arena *a, const struct json *base, const struct json *key,
                            const struct json *value);
/* A deep copy into another arena, strings included. */
struct json json_copy(struct arena *a, const struct json *v);

/* --- writing ---------------------------------------------------------------------------------- */

/* Upper bound of the bytes json_write needs, without the NUL. */
size_t json_write_bound(const struct json *v);
/* Writes compact JSON to `to`, which has json_write_bound bytes; returns the bytes written. */
size_t json_write(const struct json *v, char *to);
/* The same into an arena (NUL-ended) and into a buffer. */
wf_str json_text(struct arena *a, const struct json *v);
void json_add(struct strbuf *b, const struct json *v);
/* Indented by two spaces, for people. */
void json_add_pretty(struct strbuf *b, const struct json *v);
/* As a string: a string's bytes as they are (borrowed), anything else as JSON; MISSING and null:
 * "". */
wf_str json_to_str(struct arena *a, const struct json *v);

#endif
