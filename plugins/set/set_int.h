/* SPDX-License-Identifier: Apache-2.0
 * What the files of the set plugin share: the config and the steps of one item.
 */
#ifndef PLUGIN_SET_INT_H
#define PLUGIN_SET_INT_H
#include <catalyst/collect.h>

enum { MODE_MANUAL, MODE_RAW };
enum {
    TYPE_STRING,
    TYPE_NUMBER,
    TYPE_BOOLEAN,
    TYPE_ARRAY,
    TYPE_OBJECT,
    TYPE_COUNT,
    TYPE_ANY = TYPE_COUNT
};
enum { INCLUDE_AUTO, INCLUDE_ALL, INCLUDE_NONE, INCLUDE_SELECTED, INCLUDE_EXCEPT };

struct assignment {
    wf_str name;
    int type;
    const wf_value *value;
};

/* The form of set 3.0 to 3.2: one value for each type, and the type says which. */
struct old_field {
    wf_str name;
    int type;
    const wf_value *values[TYPE_COUNT];
};

struct config {
    int mode, include, include_other, dots, ignore_errors, strip_binary, include_binary;
    wf_list assignments; /* of struct assignment */
    wf_list old_fields;  /* of struct old_field */
    const wf_value *json_output;
    wf_str include_fields, exclude_fields;
};

/* One item being worked on. */
struct edit {
    const wf_host *h;
    wf_item *it;
    const struct config *c;
    const wf_value *out; /* the object so far; NULL: an empty one */
};

/* The value as `type` wants it, or NULL when it cannot be converted. Missing and null become null.
 */
const wf_value *set_convert(struct edit *e, const wf_value *value, int type);
/* Starts e->out with the fields of the item that are kept. `include` is one of INCLUDE_* but AUTO.
 */
void set_keep(struct edit *e, int include);
/* Sets one field. 0, or -1 when the name leads through something that is no object. */
int set_field(struct edit *e, wf_str name, const wf_value *value);

#endif
