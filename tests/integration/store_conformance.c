/* SPDX-License-Identifier: Apache-2.0
 * The store's conformance tests once more, now that CATALYST_TEST_POSTGRES names a server.
 */
#include "../unit/store/test_conformance.c"
