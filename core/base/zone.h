/* SPDX-License-Identifier: Apache-2.0
 * zone: a time zone of the system's database, read once from its file (TZif, RFC 8536) and kept.
 * libc's own zone is one for the whole process; a workflow has its own.
 *
 * Civil time is counted in seconds as if it were UTC: a date and a time of day without zone.
 * Read-only after zone_open, so any thread may use it; zone_open reads a file.
 */
#ifndef CATALYST_ZONE_H
#define CATALYST_ZONE_H
#include "base/err.h"
#include <stdint.h>

struct zone;

/* "Europe/Berlin"; "UTC" needs no file. NULL with *err. */
struct zone *zone_open(const char *name, struct err *err);
/* A zone whose clock stays so many seconds east of UTC. */
struct zone *zone_fixed(const char *name, int64_t offset_s);
/* The bytes of a zone file, for tests. */
struct zone *zone_parse(const char *name, const void *bytes, size_t len, struct err *err);
void zone_close(struct zone *z);
const char *zone_name(const struct zone *z);
/* Seconds to add to UTC for civil time, at this time (seconds since 1970 UTC). */
int64_t zone_offset(const struct zone *z, int64_t utc);
/* The first change of the clock after that time, or INT64_MAX. */
int64_t zone_next_change(const struct zone *z, int64_t utc);
/* Civil time to UTC: a time that exists twice is its first, one that does not exist is the instant
 * at which the clock jumps over it. */
int64_t zone_to_utc(const struct zone *z, int64_t civil);

#endif
