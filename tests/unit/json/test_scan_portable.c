/* SPDX-License-Identifier: Apache-2.0
 * test_scan.c with the scan for machines without SSE2, which the machines at hand would not run.
 */
#define JSON_PORTABLE
#include "test_scan.c" // NOLINT(bugprone-suspicious-include)
