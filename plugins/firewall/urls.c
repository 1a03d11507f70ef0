/* SPDX-License-Identifier: Apache-2.0
 * Links are found by their dots: most texts have few, and memchr() passes over the rest. Around a
 * dot between letters stands what may be a host; what stands before and behind tells whether it is.
 */
#include "urls.h"
#include "confusables.h"
#include "punycode.h"
#include <catalyst/text.h>
#include <libpsl.h>
#include <stdlib.h>
#include <string.h>

static const char *const shorteners[] = {
    "adf.ly",   "b.link",     "bc.vc",       "bit.do",     "bit.ly",      "bitly.com", "bl.ink",
    "buff.ly",  "clck.ru",    "cutt.ly",     "cutt.us",    "dlvr.it",     "fb.me",     "goo.gl",
    "goo.su",   "gg.gg",      "han.gl",      "hyp.er",     "ift.tt",      "is.gd",     "j.mp",
    "kutt.it",  "linktr.ee",  "lnkd.in",     "me2.do",     "n9.cl",       "ow.ly",     "ouo.io",
    "qr.ae",    "qrco.de",    "rb.gy",       "rebrand.ly", "reurl.cc",    "s.id",      "s2r.co",
    "short.gy", "short.io",   "shorturl.at", "shrtco.de",  "soo.gd",      "surl.li",   "t.co",
    "t.ly",     "t2m.io",     "tiny.cc",     "tiny.one",   "tinyurl.com", "tny.im",    "u.nu",
    "u.to",     "urlz.fr",    "v.gd",        "v.ht",       "vk.cc",       "vo.la",     "x.co",
    "x.gd",     "yourls.org",
};

static int is_shortener(const char *domain)
{
    for (size_t i = 0; i < sizeof shorteners / sizeof *shorteners; i++)
        if (strcmp(shorteners[i], domain) == 0)
            return 1;
    return 0;
}

static int is_host_char(char c) { return norm_is_word(c) || c == '-' || c == '_'; }

/* --- domains ---------------------------------------------------------------------------------- */

static uint64_t host_hash(const char *s, size_t len)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ len;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    h ^= h >> 29;
    return h ? h : 1;
}

static uint32_t find_domain(const char *host, size_t len)
{
    const psl_ctx_t *psl = psl_builtin();
    const char *last = strrchr(host, '.');
    if (!psl || !last ||
        !psl_is_public_suffix2(psl, last + 1, PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE))
        return UINT32_MAX;
    const char *domain = psl_registrable_domain(psl, host);
    return domain && domain >= host && domain < host + len ? (uint32_t)(domain - host) : 0;
}

uint32_t url_domain(struct url_cache *cache, const char *host, size_t len)
{
    uint64_t hash = host_hash(host, len);
    size_t slot = hash % URL_CACHE_SLOTS;
    if (cache->slots[slot].hash != hash) {
        cache->slots[slot].base = find_domain(host, len);
        cache->slots[slot].hash = hash;
    }
    return cache->slots[slot].base;
}

/* Four numbers below 256. */
static int is_address(const char *s, size_t len)
{
    unsigned parts = 1, value = 0, digits = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '.') {
            if (digits == 0)
                return 0;
            parts++;
            value = digits = 0;
        } else if (!norm_is_digit(s[i]) || ++digits > 3 ||
                   (value = value * 10 + (unsigned)(s[i] - '0')) > 255) {
            return 0;
        }
    }
    return parts == 4 && digits > 0;
}

/* --- hosts ------------------------------------------------------------------------------------ */

struct place {
    uint32_t start, end;     /* of the host */
    uint32_t link, link_end; /* of all */
    int has_scheme, has_www, has_path, is_mail;
};

static void find_host(const struct norm *n, uint32_t dot, struct place *p)
{
    p->start = p->end = dot;
    while (p->start > 0 && (is_host_char(n->text[p->start - 1]) || n->text[p->start - 1] == '.'))
        p->start--;
    while (p->end < n->len && (is_host_char(n->text[p->end]) || n->text[p->end] == '.'))
        p->end++;
    while (p->start < dot && !norm_is_word(n->text[p->start]))
        p->start++;
    while (p->end > dot && !norm_is_word(n->text[p->end - 1]))
        p->end--;
}

/* What stands before and behind the host. */
static void look_about(const struct norm *n, struct place *p)
{
    p->link = p->start;
    p->has_scheme = p->start >= 3 && memcmp(n->text + p->start - 3, "://", 3) == 0;
    for (p->link -= p->has_scheme ? 3 : 0; p->has_scheme && p->link > 0; p->link--)
        if (!norm_is_word(n->text[p->link - 1]))
            break;
    p->is_mail = p->start > 0 && n->text[p->start - 1] == '@';
    p->has_www = p->end - p->start > 6 && memcmp(n->text + p->start, "www.", 4) == 0;
    p->has_path = p->end < n->len && (n->text[p->end] == '/' || n->text[p->end] == '?');
    p->link_end = p->end;
    while (p->link_end < n->len && n->text[p->link_end] != ' ')
        p->link_end++;
}

/* What a code point of a host is in DNS: small letters of any script are themselves there, forms
 * such as the full width ones are not. */
static void put_real(uint32_t cp, const char **base, const char **base_end, char small[4],
                     int *fooled)
{
    unsigned fold = fold_of(cp);
    if (fold < FOLD_FIRST_ENTRY)
        return;
    const struct fold_entry *e = &fold_entries[fold - FOLD_FIRST_ENTRY];
    *fooled |= e->look && (unsigned char)**base < 0x80;
    *base = cp < 0x2000 ? small : e->base;
    *base_end = *base + (cp < 0x2000 ? wf_text_put(wf_text_lower(cp), small) : e->len);
}

/* The host as it was written, in lower case and without decoration: letters that look like Latin
 * ones stay what they are. *fooled: they were taken for Latin. */
static size_t real_host(const struct norm *n, const char *raw, const struct place *p, char *out,
                        int *fooled)
{
    uint32_t points[URL_HOST_MAX];
    size_t count = 0;
    for (uint32_t i = p->start; i < p->end;) {
        uint32_t next = i + 1;
        char small[4];
        const char *at = raw + n->from[i], *base = n->text + i, *base_end;
        while (next < p->end && n->from[next] == n->from[i])
            next++;
        base_end = n->text + next;
        if ((unsigned char)*at >= 0x80)
            put_real(wf_text_next(&at, at + 4), &base, &base_end, small, fooled);
        while (base < base_end && count < URL_HOST_MAX)
            points[count++] = wf_text_next(&base, base_end);
        i = next;
    }
    return puny_host(points, count, out, URL_HOST_MAX);
}

/* The host to `out`; its length, 0 when it cannot be one. */
static size_t write_host(const struct norm *n, const char *raw, const struct place *p, char *out,
                         int *is_obfuscated)
{
    uint32_t len = p->end - p->start, from = n->from[p->start], to = n->from[p->end - 1] + 1u;
    int is_wide = 0, fooled = 0;
    if (len >= URL_HOST_MAX)
        return 0;
    for (uint32_t i = from; i < to; i++)
        is_wide |= (unsigned char)raw[i] >= 0x80;
    *is_obfuscated = !is_wide && to - from != len;
    if (p->has_scheme && (raw[n->from[p->link] + 1] | 32) == 'x')
        *is_obfuscated = 1;
    if (is_wide) {
        size_t got = real_host(n, raw, p, out, &fooled);
        *is_obfuscated |= fooled;
        return got;
    }
    memcpy(out, n->text + p->start, len);
    out[len] = 0;
    return len;
}

static int is_link(struct url_cache *cache, const struct place *p, struct content_host *h)
{
    const char *last = strrchr(h->ptr, '.');
    if (!last || p->is_mail)
        return 0;
    if (is_address(h->ptr, h->len)) {
        h->base = 0;
        return p->has_scheme || p->has_path;
    }
    if (!norm_is_letter(last[1]))
        return 0;
    h->base = url_domain(cache, h->ptr, h->len);
    if (h->base == UINT32_MAX) {
        h->base = 0;
        return p->has_scheme;
    }
    return p->has_scheme || p->has_www || p->has_path || norm_is_tld(last + 1, strlen(last + 1)) ||
           strstr(h->ptr, "xn--") != NULL;
}

uint32_t urls_find(struct url_cache *cache, const struct norm *n, const char *raw, struct url *out,
                   uint32_t max, char *room, size_t *used)
{
    uint32_t count = 0, i = 1;
    *used = 0;
    while (count < max && i + 1 < n->len) {
        const char *dot = memchr(n->text + i, '.', n->len - i - 1);
        if (!dot)
            break;
        i = (uint32_t)(dot - n->text) + 1;
        if (!is_host_char(dot[-1]) || !is_host_char(dot[1]))
            continue;
        struct place p;
        struct url *u = &out[count];
        int is_obfuscated = 0;
        find_host(n, i - 1, &p);
        look_about(n, &p);
        i = p.end + 1;
        *u = (struct url){ .start = p.link, .end = p.link_end, .host.ptr = room + *used };
        u->host.len = (uint32_t)write_host(n, raw, &p, room + *used, &is_obfuscated);
        if (u->host.len == 0 || !is_link(cache, &p, &u->host))
            continue;
        u->host.is_obfuscated = (uint32_t)is_obfuscated;
        u->host.is_shortener = (uint32_t)is_shortener(u->host.ptr + u->host.base);
        *used += u->host.len + 1;
        i = p.link_end + 1;
        count++;
    }
    return count;
}
