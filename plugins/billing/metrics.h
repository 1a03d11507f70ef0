/* SPDX-License-Identifier: Apache-2.0
 * Metrics of money by operation, channel and class, and where they stand in the nodes' tables.
 * Micro-units of all currencies are added up: an engine mostly serves one.
 */
#ifndef PLUGIN_BILLING_METRICS_H
#define PLUGIN_BILLING_METRICS_H
#include <catalyst/plugin.h>
#include <catalyst/traffic.h>

#define AMOUNT_ROW(op, channel, class)                                                             \
    { WF_COUNTER,                                                                                  \
      "billing_amount_micro_total{op=\"" op "\",channel=\"" channel "\",class=\"" class "\"}",     \
      NULL, "Micro-units moved, by operation, channel and class" },
#define AMOUNT_RESERVED(channel, class)  AMOUNT_ROW("reserve", channel, class)
#define AMOUNT_COMMITTED(channel, class) AMOUNT_ROW("commit", channel, class)
#define AMOUNT_RELEASED(channel, class)  AMOUNT_ROW("release", channel, class)
#define AMOUNT_REFUNDED(channel, class)  AMOUNT_ROW("refund", channel, class)
#define PRICE_ROW(channel)                                                                         \
    { WF_HISTOGRAM, "billing_price_micro{channel=\"" channel "\"}", NULL,                          \
      "Prices of messages in micro-units" },

static inline unsigned amount_row(wf_str channel, wf_str class_name)
{
    return wf_traffic(wf_channel_of(channel.ptr, channel.len),
                      wf_kind_of(class_name.ptr, class_name.len));
}

/* catalyst.billingAccount: gauges of its last runs, behind its counters. */
enum {
    ACCOUNT_GAUGE_DRIFT = 4,
    ACCOUNT_GAUGE_RECONCILED,
    ACCOUNT_GAUGE_LOW,
    ACCOUNT_GAUGE_EMPTY,
    ACCOUNT_GAUGE_IMBALANCE
};
#define ACCOUNT_GAUGES                                                                             \
    { WF_GAUGE, "billing_drift", NULL, "Differences that the last reconciling found" },            \
        { WF_GAUGE, "billing_reconciled_time_seconds", "s", "When it was, seconds since 1970" },   \
        { WF_GAUGE, "billing_low_tenants", NULL,                                                   \
          "Tenants who can spend less than belowMicro, as lowBalances last saw" },                 \
        { WF_GAUGE, "billing_empty_tenants", NULL, "Of these: who can spend nothing" },            \
    {                                                                                              \
        WF_GAUGE, "billing_imbalance_micro", NULL,                                                 \
            "By how much available, held and spent are not what was paid in, over all tenants, "   \
            "as "                                                                                  \
            "lowBalances last saw"                                                                 \
    }

#endif
