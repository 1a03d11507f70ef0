/* SPDX-License-Identifier: Apache-2.0
 * Metrics of all SMPP nodes: one table, because a bind counts for whichever node keeps it.
 */
#ifndef PLUGIN_SMPP_METRICS_H
#define PLUGIN_SMPP_METRICS_H
#include <catalyst/channel.h>
#include <catalyst/plugin.h>

#define SMPP_METRICS(X)                                                                            \
    X(COUNT_BINDS_UP, WF_GAUGE, "smpp_binds_up", NULL, "Sessions that are bound")                  \
    X(COUNT_WINDOW, WF_GAUGE, "smpp_window_used", NULL, "Requests of ours that await a response")  \
    X(COUNT_QUEUED, WF_GAUGE, "smpp_queued", NULL, "Messages that wait for a bind")                \
    X(COUNT_SUBMITS, WF_COUNTER, "smpp_submits_total", NULL, "Requests that were sent")            \
    X(COUNT_ACCEPTED, WF_COUNTER, "send_total{channel=\"sms\",outcome=\"accepted\"}", NULL,        \
      "What was sent, by outcome: Messages the other side took")                                   \
    X(COUNT_REJECTED, WF_COUNTER, "send_total{channel=\"sms\",outcome=\"rejected\"}", NULL,        \
      "What was sent, by outcome: Messages that were refused")                                     \
    X(COUNT_UNKNOWN, WF_COUNTER, "send_total{channel=\"sms\",outcome=\"unknown\"}", NULL,          \
      "What was sent, by outcome: Messages that were sent and not answered")                       \
    X(COUNT_OFFLINE, WF_COUNTER, "send_total{channel=\"sms\",outcome=\"offline\"}", NULL,          \
      "What was sent, by outcome: Messages for a tenant without a receiver")                       \
    X(COUNT_THROTTLED, WF_COUNTER, "send_throttled_total{channel=\"sms\"}", NULL,                  \
      "Told to come later: Requests that were answered with: slower")                              \
    X(COUNT_RETRIED, WF_COUNTER, "smpp_retried_total", NULL, "Requests sent again after a no")     \
    X(COUNT_LATE, WF_COUNTER, "smpp_late_responses_total", NULL,                                   \
      "Responses that came when nobody waited any more")                                           \
    X(COUNT_RECEIPTS, WF_COUNTER, "smpp_receipts_total", NULL, "Delivery receipts that came")      \
    X(COUNT_MESSAGES, WF_COUNTER, "smpp_messages_total", NULL, "Messages that came")               \
    X(COUNT_REFUSED, WF_COUNTER, "smpp_refused_total", NULL,                                       \
      "Requests of the other side that were refused")                                              \
    X(COUNT_REFUSED_BINDS, WF_COUNTER, "smpp_refused_binds_total", NULL,                           \
      "Binds that were refused")                                                                   \
    X(COUNT_LATENCY, WF_HISTOGRAM, "smpp_response_seconds", "ms", "From request to response")      \
    X(COUNT_BINDS, WF_GAUGE, "smpp_binds_configured", NULL,                                        \
      "Sessions that the account is to have")                                                      \
    X(COUNT_WINDOW_SIZE, WF_GAUGE, "smpp_window_size", NULL,                                       \
      "Requests that may await a response, of the sessions that are bound")                        \
    X(COUNT_KEPT, WF_GAUGE, "smpp_kept", NULL, "Deliveries that wait for a tenant to bind")

#define SMPP_METRIC_NAME(id, kind, name, unit, help) id,
enum metric {
    SMPP_METRICS(SMPP_METRIC_NAME) COUNT_REASON, /* one for each enum wf_class */
    COUNTS = COUNT_REASON + WF_CLASSES
};
#undef SMPP_METRIC_NAME

extern const wf_metric smpp_metrics[];

#endif
