/* SPDX-License-Identifier: Apache-2.0
 * What an error of the Cloud API means. The API promises its `code` alone: status, title and text
 * change without notice. Thread: any.
 */
#include "whatsapp_int.h"

struct row {
    int64_t first, last;
    struct wa_verdict verdict;
};

#define TRANSIENT                                                                                  \
    {                                                                                              \
        .class = WF_CLASS_TRANSIENT, .reason = "transient"                                         \
    }
#define LIMIT(s)                                                                                   \
    {                                                                                              \
        .class = WF_CLASS_THROTTLE, .scope = (s), .reason = "throttled"                            \
    }
#define HOLD                                                                                       \
    {                                                                                              \
        .class = WF_CLASS_THROTTLE, .scope = WA_SCOPE_ACCOUNT, .is_held = 1, .reason = "held"      \
    }
#define CAPPED                                                                                     \
    {                                                                                              \
        .class = WF_CLASS_THROTTLE, .scope = WA_SCOPE_PAIR, .is_deferred = 1, .reason = "capped"   \
    }
#define RECIPIENT                                                                                  \
    {                                                                                              \
        .class = WF_CLASS_PERMANENT_RECIPIENT, .reason = "recipient"                               \
    }
#define WINDOW                                                                                     \
    {                                                                                              \
        .class = WF_CLASS_WINDOW_CLOSED, .reason = "window"                                        \
    }
#define CONTENT                                                                                    \
    {                                                                                              \
        .class = WF_CLASS_PERMANENT_CONTENT, .reason = "content"                                   \
    }
#define TEMPLATE                                                                                   \
    {                                                                                              \
        .class = WF_CLASS_PERMANENT_CONTENT, .reason = "template"                                  \
    }
#define ACCOUNT                                                                                    \
    {                                                                                              \
        .class = WF_CLASS_PERMANENT_ACCOUNT, .reason = "account"                                   \
    }

static const struct row rows[] = {
    { 1, 2, TRANSIENT },
    { 3, 3, ACCOUNT },
    { 4, 4, LIMIT(WA_SCOPE_ACCOUNT) },
    { 10, 10, ACCOUNT },
    { 100, 100, CONTENT },
    { 190, 190, ACCOUNT },
    { 200, 299, ACCOUNT },
    { 368, 368, HOLD },
    { 80007, 80007, LIMIT(WA_SCOPE_ACCOUNT) },
    { 130429, 130429, LIMIT(WA_SCOPE_ACCOUNT) },
    { 130472, 130472, RECIPIENT },
    { 131000, 131000, TRANSIENT },
    { 131005, 131005, ACCOUNT },
    { 131009, 131009, CONTENT },
    { 131016, 131016, TRANSIENT },
    { 131021, 131021, RECIPIENT },
    { 131026, 131026, RECIPIENT },
    { 131031, 131031, ACCOUNT },
    { 131037, 131037, ACCOUNT },
    { 131042, 131042, ACCOUNT },
    { 131045, 131045, ACCOUNT },
    { 131047, 131047, WINDOW },
    { 131048, 131048, HOLD },
    { 131049, 131049, CAPPED },
    { 131051, 131051, CONTENT },
    { 131056, 131056, LIMIT(WA_SCOPE_PAIR) },
    { 131057, 131057, TRANSIENT },
    { 132000, 132016, TEMPLATE },
    { 133004, 133004, TRANSIENT },
    { 133010, 133010, ACCOUNT },
};

/* A proxy or a load balancer answered, or a code that came after this table. */
static struct wa_verdict by_status(int http_status)
{
    if (http_status >= 500 || http_status == 408)
        return (struct wa_verdict)TRANSIENT;
    if (http_status == 429)
        return (struct wa_verdict)LIMIT(WA_SCOPE_ACCOUNT);
    if (http_status == 401 || http_status == 403)
        return (struct wa_verdict)ACCOUNT;
    return (struct wa_verdict)CONTENT;
}

struct wa_verdict wa_classify(int64_t code, int http_status)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (code >= rows[i].first && code <= rows[i].last)
            return rows[i].verdict;
    return by_status(http_status);
}
