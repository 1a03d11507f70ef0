/* SPDX-License-Identifier: Apache-2.0
 * What the nodes count of messages: by channel, class and how it went. Every combination has a row;
 * what a message says becomes an index, without a search.
 */
#ifndef PLUGIN_MESSAGES_METRICS_H
#define PLUGIN_MESSAGES_METRICS_H
#include <catalyst/traffic.h>

/* How a message was recorded; what is none of these is "other". */
enum { OUTCOMES_OTHER = 9, OUTCOMES };
#define EACH_OUTCOME(X, channel, class)                                                            \
    X(channel, class, "accepted")                                                                  \
    X(channel, class, "rejected")                                                                  \
    X(channel, class, "unknown")                                                                   \
    X(channel, class, "denied")                                                                    \
    X(channel, class, "quarantine")                                                                \
    X(channel, class, "reject")                                                                    \
    X(channel, class, "drop")                                                                      \
    X(channel, class, "duplicate") X(channel, class, "failed") X(channel, class, "other")

/* How a message ended, by its receipts: in the order of enum wf_state from delivered on. */
enum { ENDS = 5 };
#define EACH_END(X, channel, class)                                                                \
    X(channel, class, "delivered")                                                                 \
    X(channel, class, "read")                                                                      \
    X(channel, class, "rejected") X(channel, class, "expired") X(channel, class, "failed")

#define RECORDED_ROW(channel, class, outcome)                                                      \
    { WF_COUNTER,                                                                                  \
      "messages_recorded_total{channel=\"" channel "\",class=\"" class "\",outcome=\"" outcome     \
                                                                       "\"}",                      \
      NULL, "Messages by what became of them" },
#define RECORDED_ROWS(channel, class) EACH_OUTCOME(RECORDED_ROW, channel, class)
#define RECORDED_TIME(channel)                                                                     \
    { WF_HISTOGRAM, "messages_record_seconds{channel=\"" channel "\"}", "ms",                      \
      "From ts_us of a message to its record" },

#define ENDED_ROW(channel, class, state)                                                           \
    { WF_COUNTER,                                                                                  \
      "messages_ended_total{channel=\"" channel "\",class=\"" class "\",state=\"" state "\"}",     \
      NULL, "Messages whose end was told by a receipt, once each" },
#define ENDED_ROWS(channel, class) EACH_END(ENDED_ROW, channel, class)
#define ENDED_TIME(channel)                                                                        \
    { WF_HISTOGRAM, "messages_end_seconds{channel=\"" channel "\"}", "ms",                         \
      "From ts_us of a message to the receipt of its end" },

enum {
    METRIC_RECORDED,
    METRIC_RECORD_TIME = METRIC_RECORDED + WF_TRAFFICS * OUTCOMES,
    RECORD_METRICS = METRIC_RECORD_TIME + WF_CHANNELS
};

static inline unsigned outcome_index(const char *s, size_t len)
{
#define NAME(a, b, text) { text, sizeof(text) - 1 },
    static const struct {
        const char *text;
        size_t len;
    } names[] = { EACH_OUTCOME(NAME, , ) };
#undef NAME
    for (unsigned i = 0; i < OUTCOMES_OTHER; i++)
        if (names[i].len == len && !memcmp(names[i].text, s, len))
            return i;
    return OUTCOMES_OTHER;
}

#endif
