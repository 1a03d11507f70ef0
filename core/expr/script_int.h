/* SPDX-License-Identifier: Apache-2.0
 * script_int: what the files of Lua steps share.
 */
#ifndef CATALYST_EXPR_SCRIPT_INT_H
#define CATALYST_EXPR_SCRIPT_INT_H
#include "expr/expr_int.h"

int script_open(lua_State *L); /* sets up a state for scripts */
void script_close(struct expr_lua *lua);
void zone_free_all(struct zone *zones);

#endif
