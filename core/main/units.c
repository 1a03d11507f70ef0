/* SPDX-License-Identifier: Apache-2.0
 * Bytes and times of settings are written as those of node parameters.
 */
#include "main/config.h"
#include "plugin/plugin.h"

int64_t config_bytes(const char *text) { return params_bytes(str_of(text)); }

int64_t config_ms(const char *text) { return params_ms(str_of(text)); }
