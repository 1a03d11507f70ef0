/* SPDX-License-Identifier: Apache-2.0
 * The text of an alert as one SMS segment: 160 septets of the GSM 03.38 alphabet. Letters that the
 * alphabet lacks lose their marks, all else becomes "?". Thread: any.
 */
#ifndef PLUGIN_NOTIFY_GSM_H
#define PLUGIN_NOTIFY_GSM_H
#include <stddef.h>

/* At most 160 characters, of up to 3 bytes, and the end. */
enum { GSM_SEPTETS_MAX = 160, GSM_SEGMENT_SIZE = GSM_SEPTETS_MAX * 3 + 1 };

/* Returns the septets. What does not fit is cut, with ".." at the end. */
size_t gsm_segment(const char *text, char to[GSM_SEGMENT_SIZE]);

#endif
