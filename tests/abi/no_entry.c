/* SPDX-License-Identifier: Apache-2.0
 * A library that is no plugin.
 */
extern const int something_else;
__attribute__((visibility("default"))) const int something_else = 1;
