/* SPDX-License-Identifier: Apache-2.0
 * catalyst/traffic.h - by what the messages of all channels are counted: the channel and the class
 * of traffic, as the envelope's members `channel` and `class` say. Header only, needs libc only.
 *
 * A metric's labels are constants, so there is a row for every combination, and what an item says
 * becomes an index into them:
 *
 *     #define ROW(channel, class)                                                                 \
 *         { WF_COUNTER, "sent_total{channel=\"" channel "\",class=\"" class "\"}", NULL, "Sent" },
 *     static const wf_metric metrics[] = { WF_EACH_TRAFFIC(ROW) { (wf_metric_kind)0, NULL, NULL,
 * NULL } };
 *
 *     h->count(inst, METRIC_SENT + wf_traffic(wf_channel_of(c.ptr, c.len), wf_kind_of(k.ptr,
 * k.len)), 1);
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#ifndef WF_TRAFFIC_H
#define WF_TRAFFIC_H
#include <stddef.h>
#include <string.h>

/* In the order of WF_EACH_CHANNEL. */
enum wf_channel {
    WF_CHANNEL_SMS,
    WF_CHANNEL_WHATSAPP,
    WF_CHANNEL_TELEGRAM,
    WF_CHANNEL_USSD,
    WF_CHANNEL_OTHER
};
/* In the order of WF_EACH_KIND. */
enum wf_kind { WF_KIND_OTP, WF_KIND_TRANSACTIONAL, WF_KIND_MARKETING, WF_KIND_OTHER };
enum { WF_CHANNELS = WF_CHANNEL_OTHER + 1, WF_KINDS = WF_KIND_OTHER + 1, WF_TRAFFICS = 20 };

/* X(text) for each channel. */
#define WF_EACH_CHANNEL(X) X("sms") X("whatsapp") X("telegram") X("ussd") X("other")
/* X(channel, text) for each class. */
#define WF_EACH_KIND(X, channel)                                                                   \
    X(channel, "otp") X(channel, "transactional") X(channel, "marketing") X(channel, "other")
/* X(channel, class) for each of both. */
#define WF_EACH_TRAFFIC(X)                                                                         \
    WF_EACH_KIND(X, "sms")                                                                         \
    WF_EACH_KIND(X, "whatsapp")                                                                    \
    WF_EACH_KIND(X, "telegram") WF_EACH_KIND(X, "ussd") WF_EACH_KIND(X, "other")

static inline enum wf_channel wf_channel_of(const char *s, size_t len)
{
    if (len == 3 && !memcmp(s, "sms", 3))
        return WF_CHANNEL_SMS;
    if (len == 4 && !memcmp(s, "ussd", 4))
        return WF_CHANNEL_USSD;
    if (len == 8 && !memcmp(s, "whatsapp", 8))
        return WF_CHANNEL_WHATSAPP;
    return len == 8 && !memcmp(s, "telegram", 8) ? WF_CHANNEL_TELEGRAM : WF_CHANNEL_OTHER;
}

static inline enum wf_kind wf_kind_of(const char *s, size_t len)
{
    if (len == 3 && !memcmp(s, "otp", 3))
        return WF_KIND_OTP;
    if (len == 13 && !memcmp(s, "transactional", 13))
        return WF_KIND_TRANSACTIONAL;
    return len == 9 && !memcmp(s, "marketing", 9) ? WF_KIND_MARKETING : WF_KIND_OTHER;
}

/* The row of WF_EACH_TRAFFIC. */
static inline unsigned wf_traffic(enum wf_channel channel, enum wf_kind kind)
{
    return (unsigned)channel * WF_KINDS + (unsigned)kind;
}

#endif
