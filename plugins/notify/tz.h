/* SPDX-License-Identifier: Apache-2.0
 * Time zones of quiet hours, shifts and digests: the offset of a zone at a time, from the system's
 * zone files. The C library's own functions hang on one zone for the whole process. Thread: any;
 * tz_open reads a file, the rest is pure.
 */
#ifndef PLUGIN_NOTIFY_TZ_H
#define PLUGIN_NOTIFY_TZ_H
#include <stddef.h>
#include <stdint.h>

struct tz;

/* "UTC", "Europe/Berlin". NULL: there is no such zone. */
struct tz *tz_open(const char *name);
void tz_free(struct tz *z);
/* Seconds east of Greenwich; NULL is UTC. */
int64_t tz_offset(const struct tz *z, int64_t utc_s);
/* Of the bytes of a zone file; NULL: it is none. */
struct tz *tz_parse(const unsigned char *bytes, size_t len);

#endif
