/* SPDX-License-Identifier: Apache-2.0
 * Shelves of parts, one for each account or tenant and all workers of the process: an SMSC sends
 * the parts of a message over whichever bind is free.
 *
 * Thread: any; a shelf has a lock. What shelf_put() and shelf_expired() hand out is read while it
 * is held: shelf_unlock() ends that.
 */
#ifndef PLUGIN_SMPP_SHELF_H
#define PLUGIN_SMPP_SHELF_H
#include "segment.h"

struct shelf;

/* The shelf of that name, made by the first who asks. */
struct shelf *shelf_open(const char *name, int64_t timeout_ms);
void shelf_close(struct shelf *s);
void shelf_lock(struct shelf *s);
void shelf_unlock(struct shelf *s);
struct segment_shelf *shelf_parts(struct shelf *s);

#endif
