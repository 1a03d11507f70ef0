/* SPDX-License-Identifier: Apache-2.0
 * The topics and tables of the messaging platform. A topic's partitions are the most consumers that
 * can share it; all that is about one tenant, number or alert has one key, and so one order.
 */
#include "main/platform.h"

static const char *const channels[] = { "sms",   "whatsapp", "telegram",  "ussd",
                                        "rcs",   "viber",    "messenger", "instagram",
                                        "email", "voice",    "push",      "line" };
enum { CHANNELS_OURS = 4, CHANNELS_ALL = sizeof channels / sizeof *channels };

/* What is to be sent, what was released from quarantine, what came in, what became of it, and what
 * nobody could do anything with. */
static const char *const ways[] = { "outbound", "released", "inbound", "status", "dlq" };
enum { WAYS = sizeof ways / sizeof *ways };

static const struct kafka_topic others[] = {
    { "billing.events", PLATFORM_PARTITIONS_BILLING },
    { "firewall.alerts", PLATFORM_PARTITIONS },
    { "workflow.triggers", PLATFORM_PARTITIONS },
    { "notifications.alerts", PLATFORM_PARTITIONS },
    { "notifications.billing", PLATFORM_PARTITIONS },
    { "notifications.firewall", PLATFORM_PARTITIONS },
    { "notifications.slack", PLATFORM_PARTITIONS },
    { "notifications.pagerduty", PLATFORM_PARTITIONS },
    { "notifications.email", PLATFORM_PARTITIONS },
    { "notifications.sms", PLATFORM_PARTITIONS },
    { "notifications.webhook", PLATFORM_PARTITIONS },
};
enum { OTHERS = sizeof others / sizeof *others };

struct kafka_topic *platform_topics(struct arena *a, bool all_channels, int partitions, size_t *n)
{
    size_t n_channels = all_channels ? CHANNELS_ALL : CHANNELS_OURS;
    struct kafka_topic *topics = ARENA_ARRAY(a, struct kafka_topic, n_channels * WAYS + OTHERS);
    *n = 0;
    for (size_t i = 0; i < n_channels; i++)
        for (size_t k = 0; k < WAYS; k++)
            topics[(*n)++] =
                (struct kafka_topic){ arena_printf(a, "messaging.%s.%s", channels[i], ways[k]).ptr,
                                      PLATFORM_PARTITIONS };
    for (size_t i = 0; i < OTHERS; i++)
        topics[(*n)++] = others[i];
    for (size_t i = 0; i < *n && partitions; i++)
        if (topics[i].partitions > partitions)
            topics[i].partitions = partitions;
    return topics;
}

const struct platform_table platform_tables[] = {
    { "audit_log", NULL },
    { "billing_events", NULL },
    { "system_metrics", NULL },
    { "metrics_hourly", NULL },
    { "messages_log", "messages" },
    { "billing_transactions", "billing" },
    { "tenant_billing_config", "billing" },
    { "rate_cards", "billing" },
    { NULL, NULL },
};
