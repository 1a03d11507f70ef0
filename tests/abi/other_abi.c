/* SPDX-License-Identifier: Apache-2.0
 * A plugin for another ABI: what follows its first number is not to be read.
 */
#include <stdint.h>

extern const uint32_t wf_plugin_entry[2];
__attribute__((visibility("default"))) const uint32_t wf_plugin_entry[2] = { 99, 0xffffffff };
