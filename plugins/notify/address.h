/* SPDX-License-Identifier: Apache-2.0
 * Which addresses a webhook may go to: not those of this host, of private networks, or of no host
 * at all, or whoever may name a URL could reach what stands behind the firewall. Thread: any.
 */
#ifndef PLUGIN_NOTIFY_ADDRESS_H
#define PLUGIN_NOTIFY_ADDRESS_H
#include <sys/socket.h>

int address_is_public(const struct sockaddr *address);

#endif
