/* SPDX-License-Identifier: Apache-2.0
 * catalyst/triggers.h - configurations of the triggers that the engine runs itself. Their nodes are
 * declared by plugins (tables, docs), their work is done by the engine, and this is what both agree
 * on. Third parties do not need it.
 */
#ifndef WF_TRIGGERS_H
#define WF_TRIGGERS_H
#include <catalyst/plugin.h>

enum { WF_KAFKA_JSON, WF_KAFKA_TEXT, WF_KAFKA_BINARY };
/* catalyst.kafkaTrigger */
struct wf_kafka_trigger {
    wf_str topic;       /* one, several with commas, or a regex that begins with ^ */
    wf_str group;       /* empty: "catalyst-<workflow id>-<node id>" */
    int from_beginning; /* where a group without positions starts */
    int format;         /* WF_KAFKA_* */
    int only_message; /* the item is the message itself (an object), else {message, topic, key, ...}
                       */
    int headers;      /* add headers */
    wf_list properties; /* struct wf_kafka_property: more settings of the consumer */
    const wf_cred *credential;
};
struct wf_kafka_property {
    wf_str name, value;
};

enum { WF_WEBHOOK_RECEIVED, WF_WEBHOOK_LAST_NODE, WF_WEBHOOK_RESPOND_NODE };
enum { WF_WEBHOOK_NO_AUTH, WF_WEBHOOK_BASIC, WF_WEBHOOK_HEADER, WF_WEBHOOK_HMAC, WF_WEBHOOK_JWT };
enum { WF_WEBHOOK_HMAC_BODY, WF_WEBHOOK_HMAC_SLACK, WF_WEBHOOK_HMAC_STANDARD };
/* catalyst.webhook */
struct wf_webhook_trigger {
    wf_str path;    /* "orders/:id" */
    wf_str methods; /* "POST" or "GET,POST" */
    int auth;       /* WF_WEBHOOK_*_AUTH */
    const wf_cred *credential;
    int response_mode;        /* WF_WEBHOOK_RECEIVED ... */
    int64_t response_code;    /* 0: 200, or 202 at once */
    int response_data;        /* 0 allEntries, 1 firstEntryJson, 2 firstEntryBinary, 3 noData */
    wf_list response_headers; /* struct wf_kafka_property: name, value */
    int raw_body;
    int64_t max_body;                          /* bytes; 0: the server's limit */
    wf_str ip_allow;                           /* addresses with commas; empty: all */
    wf_str hmac_header, hmac_timestamp_header; /* names; for WF_WEBHOOK_HMAC */
    int64_t hmac_tolerance_ms;
    wf_str idempotency_header;
    int several_methods;    /* the methods are those of more_methods */
    wf_list more_methods;   /* struct wf_webhook_method */
    wf_str allowed_origins; /* with commas, "*": all; empty: nothing is said about origins */
    int ignore_bots;
    wf_str binary_name; /* of the part that holds a body that is no text */
    int64_t idempotency_keep_ms;
    int hmac_form; /* WF_WEBHOOK_HMAC_BODY ... */
};
struct wf_webhook_method {
    wf_str name;
};

/* catalyst.scheduleTrigger: n8n's rule.interval[] */
enum {
    WF_EVERY_SECONDS,
    WF_EVERY_MINUTES,
    WF_EVERY_HOURS,
    WF_EVERY_DAYS,
    WF_EVERY_WEEKS,
    WF_EVERY_MONTHS,
    WF_CRON
};
struct wf_schedule_weekday {
    int64_t day; /* 0 to 7; 0 and 7 are Sunday */
};
struct wf_schedule_rule {
    int field;                                            /* WF_EVERY_* */
    int64_t seconds, minutes, hours, days, weeks, months; /* n of the unit that `field` names */
    int64_t at_hour, at_minute, at_day_of_month;
    wf_list weekdays; /* struct wf_schedule_weekday; empty: Sunday */
    wf_str cron;      /* 5 or 6 fields, the 6th in front: seconds */
};
struct wf_schedule_trigger {
    wf_list rules; /* struct wf_schedule_rule */
    int misfire;   /* 0 skip, 1 once */
};
#endif
