/* SPDX-License-Identifier: Apache-2.0
 * The plugin's sources and the fake host, for its tests.
 */
#ifndef TEST_BILLING_WHOLE_H
#define TEST_BILLING_WHOLE_H
#include "../account.c"
#include "../billing.c"
#include "../cards.c"
#include "../grant.c"
#include "../holds.c"
#include "../invoice.c"
#include "../ledger.c"
#include "../load.c"
#include "../lookback.c"
#include "../low.c"
#include "../money.c"
#include "../rates.c"
#include "../reconcile.c"
#include "../reserve.c"
#include "../schema_pg.c"
#include "../schema_sqlite.c"
#include "../settle.c"
#include "../text.c"
#include "../trie.c"
#include "../upkeep.c"
#include "../worker.c"
#include "../zone.c"
#include "fake_sql.h"
#include "fake_cases.h"
#endif
