/* SPDX-License-Identifier: Apache-2.0
 * Where every field of the ABI stands, once by the frozen header and once by today's.
 */
#ifndef CATALYST_TEST_ABI_LAYOUT_H
#define CATALYST_TEST_ABI_LAYOUT_H
#include <stddef.h>

struct layout {
    const char *name; /* "wf_node.type"; NULL ends the list */
    size_t offset, size;
};

extern const struct layout layout_frozen[], layout_today[];
/* Sizes of structs and values of enums; offset is the value, size 0 for enums. */
extern const struct layout totals_frozen[], totals_today[];

#endif
