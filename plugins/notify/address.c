/* SPDX-License-Identifier: Apache-2.0
 * Public addresses. Thread: any.
 */
#include "address.h"
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

/* The special ranges of IPv4: first address and length of the prefix. */
static const struct {
    uint32_t from;
    int bits;
} address_special4[] = {
    { 0x00000000, 8 },  { 0x0a000000, 8 },  { 0x64400000, 10 }, { 0x7f000000, 8 },
    { 0xa9fe0000, 16 }, { 0xac100000, 12 }, { 0xc0000000, 24 }, { 0xc0000200, 24 },
    { 0xc0586300, 24 }, { 0xc0a80000, 16 }, { 0xc6120000, 15 }, { 0xc6336400, 24 },
    { 0xcb007100, 24 }, { 0xe0000000, 4 },  { 0xf0000000, 4 },
};

static int is_public4(uint32_t ip)
{
    for (size_t i = 0; i < sizeof address_special4 / sizeof *address_special4; i++)
        if ((ip ^ address_special4[i].from) >> (32 - address_special4[i].bits) == 0)
            return 0;
    return 1;
}

static uint32_t address_word(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Those that carry an address of IPv4 are as public as that. */
static int is_public6(const uint8_t *ip)
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };
    if (!memcmp(ip, mapped, 12) || !memcmp(ip, nat64, 12))
        return is_public4(address_word(ip + 12));
    if (ip[0] == 0x20 && ip[1] == 0x02) /* 6to4 */
        return is_public4(address_word(ip + 2));
    if ((ip[0] & 0xe0) != 0x20)
        return 0; /* only 2000::/3 is given out */
    uint32_t head = address_word(ip);
    return head != 0x20010000 && head != 0x20010db8 && (head & 0xfffffff0) != 0x20010020;
}

int address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return is_public4(
            ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return is_public6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    return 0;
}
