/* SPDX-License-Identifier: Apache-2.0
 * punycode.h - names of hosts as DNS carries them (RFC 3492, 5891): each label that is not ASCII as
 * xn--... Any thread; nothing allocates.
 */
#ifndef FIREWALL_PUNYCODE_H
#define FIREWALL_PUNYCODE_H
#include <stddef.h>
#include <stdint.h>

enum { PUNY_LABEL_MAX = 63 };

/* A host of n code points, labels apart by '.', to NUL-ended ASCII. The length, or 0 when a label
 * or the host is too long or empty. */
size_t puny_host(const uint32_t *host, size_t n, char *out, size_t size);

#endif
