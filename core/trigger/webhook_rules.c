/* SPDX-License-Identifier: Apache-2.0
 * Who may call a webhook, beside authentication: by address, by the origin of a web page, by
 * user-agent. And which bodies are no text. Pure functions. Thread: any.
 */
#include "trigger/trigger_int.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- addresses -------------------------------------------------------------------------------- */

/* An address as IPv6 has it: 1.2.3.4 is ::ffff:1.2.3.4. The text is `len` bytes at `text`. */
static bool parse_address(const char *text, size_t len, unsigned char out[16], bool *is_v4)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    char copy[64];
    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = 0;
    *is_v4 = inet_pton(AF_INET, copy, out + 12) == 1;
    if (*is_v4)
        memcpy(out, mapped, sizeof mapped);
    return *is_v4 || inet_pton(AF_INET6, copy, out) == 1;
}

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;
    if (memcmp(a, b, bytes) != 0)
        return false;
    return !rest || !((a[bytes] ^ b[bytes]) >> (8 - rest));
}

static bool is_within(const unsigned char address[16], const char *rule, size_t len)
{
    unsigned char network[16];
    bool is_v4;
    const char *slash = memchr(rule, '/', len);
    if (!parse_address(rule, slash ? (size_t)(slash - rule) : len, network, &is_v4))
        return false;
    long bits = is_v4 ? 32 : 128;
    if (slash) {
        char *end;
        long given = strtol(slash + 1, &end, 10);
        if (end == slash + 1 || end != rule + len || given < 0 || given > bits)
            return false; /* a rule that cannot be read lets nobody in */
        bits = given;
    }
    return same_bits(address, network, (unsigned)bits + (is_v4 ? 96 : 0));
}

bool webhook_ip_allowed(const char *allow, wf_str peer)
{
    unsigned char address[16];
    bool is_v4;
    if (!*allow)
        return true;
    const char *colon = memrchr(peer.ptr, ':', peer.len);
    wf_str host = { peer.ptr, colon ? (size_t)(colon - peer.ptr) : peer.len };
    if (host.len > 2 && *host.ptr == '[')
        host = (wf_str){ host.ptr + 1, host.len - 2 };
    if (!parse_address(host.ptr, host.len, address, &is_v4))
        return false;
    for (size_t len = 0; *allow; allow += len) {
        allow += strspn(allow, ", ");
        len = strcspn(allow, ", ");
        if (len && is_within(address, allow, len))
            return true;
    }
    return false;
}

/* --- origins ---------------------------------------------------------------------------------- */

bool webhook_origin_allowed(const char *allow, wf_str origin)
{
    if (!*allow || !origin.len)
        return true;
    for (size_t len = 0; *allow; allow += len) {
        allow += strspn(allow, ", ");
        len = strcspn(allow, ", ");
        if ((len == 1 && *allow == '*') ||
            (len && len == origin.len && !strncasecmp(allow, origin.ptr, len)))
            return true;
    }
    return false;
}

/* --- bots, and bodies ------------------------------------------------------------------------- */

static bool has_any(wf_str text, const char *const *words)
{
    for (; *words; words++) {
        size_t len = strlen(*words);
        for (size_t i = 0; i + len <= text.len; i++)
            if (!strncasecmp(text.ptr + i, *words, len))
                return true;
    }
    return false;
}

bool webhook_is_bot(wf_str user_agent)
{
    static const char *const words[] = { "bot",      "crawl",   "spider",   "slurp", "preview",
                                         "facebook", "embedly", "whatsapp", NULL };
    return has_any(user_agent, words);
}

bool webhook_is_binary(wf_str media)
{
    static const char *const kinds[] = { "image/", "audio/", "video/", "font/", NULL };
    static const char *const types[] = { "application/octet-stream",
                                         "application/pdf",
                                         "application/zip",
                                         "application/gzip",
                                         "application/x-gzip",
                                         "application/x-tar",
                                         "application/x-7z-compressed",
                                         NULL };
    if (str_eq(media, STR("image/svg+xml")))
        return false;
    for (int i = 0; kinds[i]; i++)
        if (media.len > strlen(kinds[i]) && !memcmp(media.ptr, kinds[i], strlen(kinds[i])))
            return true;
    for (int i = 0; types[i]; i++)
        if (str_eq(media, str_of(types[i])))
            return true;
    return false;
}
