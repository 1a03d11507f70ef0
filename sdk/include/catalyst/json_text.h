/* SPDX-License-Identifier: Apache-2.0
 * catalyst/json_text.h - JSON written straight into memory whose size was reckoned before, for what
 * is made once for every message: an event, a key. Header only, needs libc only. Where a few
 * nanoseconds do not count, h->build() or the values of h->v say more.
 *
 *   struct wf_json j = { h->alloc(it, 3 * WF_JSON_MEMBER_BYTES + WF_JSON_BYTE_BYTES * name.len) };
 *   wf_json_raw(&j, "{\"v\":1", 6);
 *   WF_JSON_TEXT(&j, "name", name);
 *   WF_JSON_INT(&j, "ts_us", ts_us);
 *   wf_json_raw(&j, "}", 1);
 *
 * Thread: any. Nothing allocates, nothing is checked: the caller gives the room.
 */
#ifndef WF_JSON_TEXT_H
#define WF_JSON_TEXT_H
#include <catalyst/plugin.h>
#include <string.h>

struct wf_json {
    char *at; /* where the next byte goes */
};

/* Room for a member: a name of up to 16 bytes, what stands around it, and a number; and for each
 * byte of a text, which may be an escape. */
enum { WF_JSON_MEMBER_BYTES = 44, WF_JSON_BYTE_BYTES = 6 };

static inline void wf_json_raw(struct wf_json *j, const char *s, size_t len)
{
    memcpy(j->at, s, len);
    j->at += len;
}

/* What stands between quotes: `s` is UTF-8. */
static inline void wf_json_escaped(struct wf_json *j, wf_str s)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            *j->at++ = (char)c;
            continue;
        }
        wf_json_raw(j, "\\u00", 4);
        *j->at++ = hex[c >> 4];
        *j->at++ = hex[c & 15];
    }
}

static inline void wf_json_int(struct wf_json *j, int64_t value)
{
    char digits[24], *p = digits + sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        *--p = (char)('0' + left % 10);
    while (left /= 10);
    if (value < 0)
        *--p = '-';
    wf_json_raw(j, p, (size_t)(digits + sizeof digits - p));
}

/* Members behind others: the comma is written too. `name` is a literal. */
#define WF_JSON_TEXT(j, name, value)                                                               \
    (wf_json_raw((j), ",\"" name "\":\"", sizeof(name) + 4), wf_json_escaped((j), (value)),        \
     wf_json_raw((j), "\"", 1))
#define WF_JSON_INT(j, name, value)                                                                \
    (wf_json_raw((j), ",\"" name "\":", sizeof(name) + 3), wf_json_int((j), (value)))

#endif
