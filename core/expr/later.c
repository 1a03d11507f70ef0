/* SPDX-License-Identifier: Apache-2.0
 * later: functions of n8n that are not there yet; shrinks to nothing. */
#include "expr/expr_int.h"
#define T(x) const struct js_method x[] = { { 0 } };
T(js_string_ext)
T(js_array_ext)
T(js_object_ext)
T(js_number_ext)
T(js_boolean_ext)
T(js_ext_statics)
