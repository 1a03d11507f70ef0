/* SPDX-License-Identifier: Apache-2.0
 * pattern_int: Lua's patterns with a step budget.
 */
#ifndef CATALYST_EXPR_PATTERN_INT_H
#define CATALYST_EXPR_PATTERN_INT_H
#include <lua.h>

/* Puts find, match, gmatch and gsub that obey the step limit into the string library on top. */
void pattern_open(lua_State *L);

#endif
