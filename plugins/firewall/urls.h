/* SPDX-License-Identifier: Apache-2.0
 * urls.h - the links of a normalised text: where they stand, their hosts as DNS knows them, and
 * which part of a host somebody has registered (eTLD+1, by the public suffix list).
 *
 * A link is what begins with a scheme or www., what has a known top-level name and a path, or ends
 * in one of the top-level names that are no words. Mail addresses are none. A host written with
 * letters of another script is given in punycode: the host that would be opened, not the one it is
 * taken for. One that was written to be taken for another is marked as obfuscated.
 *
 * Thread: the one that owns the cache. Nothing allocates.
 */
#ifndef FIREWALL_URLS_H
#define FIREWALL_URLS_H
#include "content.h"
#include "normalise.h"

enum { URL_HOST_MAX = 254, URL_CACHE_SLOTS = 512 };

struct url {
    uint32_t start, end; /* in the normalised text, with scheme and path */
    struct content_host host;
};

/* Domains looked up lately: the same few hosts come again and again. Zeroed at first. */
struct url_cache {
    struct {
        uint64_t hash;
        uint32_t base;
    } slots[URL_CACHE_SLOTS];
};

/* Finds at most `max` links; hosts are written to `room`, which has max * URL_HOST_MAX bytes.
 * Returns how many; *used: bytes of room. `raw` is the text norm_run() was given. */
uint32_t urls_find(struct url_cache *cache, const struct norm *n, const char *raw, struct url *out,
                   uint32_t max, char *room, size_t *used);

/* Where the registrable domain begins in a host; UINT32_MAX: its top-level name is unknown. */
uint32_t url_domain(struct url_cache *cache, const char *host, size_t len);

#endif
