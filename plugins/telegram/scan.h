/* SPDX-License-Identifier: Apache-2.0
 * Just enough JSON for what getUpdates answers: a trigger has no item whose memory could hold a
 * parsed value, and its events are handed on as the text they came in. Pure functions over text
 * that need not end with NUL; nothing is copied.
 */
#ifndef PLUGIN_TELEGRAM_SCAN_H
#define PLUGIN_TELEGRAM_SCAN_H
#include <catalyst/plugin.h>

/* The member of that name of an object, as text; ptr NULL: none, or the text is no object. */
wf_str scan_member(wf_str object, const char *name);
/* The next element of an array, from *at on, which is 0 at first; ptr NULL: there is no more, or
 * the text is torn. */
wf_str scan_element(wf_str array, size_t *at);
/* 0, or -1 when the text is no whole number. */
int scan_int(wf_str text, int64_t *out);

#endif
