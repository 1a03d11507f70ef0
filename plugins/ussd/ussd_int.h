/* SPDX-License-Identifier: Apache-2.0
 * What the files of the USSD plugin share.
 *
 *   ussd.c   the plugin
 *   hop.c    catalyst.ussdHop: what a gateway says, in one form for all of them
 *   menu.c   catalyst.ussdMenu: from the screen a session stands at to the next
 *   reply.c  catalyst.ussdReply: a text that fits, in the form the gateway wants
 */
#ifndef PLUGIN_USSD_INT_H
#define PLUGIN_USSD_INT_H
#include <catalyst/gsm.h>
#include <catalyst/plugin.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static inline wf_str str_of(const char *text) { return (wf_str){ text, strlen(text) }; }
static inline bool str_is(wf_str s, const char *text)
{
    return s.len == strlen(text) && !memcmp(s.ptr, text, s.len);
}
/* A member as text, NUL-ended; empty when there is none. */
static inline wf_str member_text(const wf_host *h, wf_item *it, const wf_value *object,
                                 const char *name)
{
    const wf_value *v = h->v->get(object, name, strlen(name));
    return v && h->v->type(v) != WF_JSON_NULL ? h->v->text(it, v) : (wf_str){ "", 0 };
}

/* --- hop.c ------------------------------------------------------------------------------------ */

enum dialect { DIALECT_AUTO, DIALECT_JOINED, DIALECT_QUERY, DIALECT_JSON, DIALECT_SMPP };
struct hop_config {
    int dialect;
};
enum { HOP_HOP, HOP_ENDED, HOP_REFUSED };
enum { METRIC_BEGUN, METRIC_CONTINUED, METRIC_ENDED, METRIC_REFUSED };
extern const wf_param hop_params[];
extern const char *const hop_ports[];
extern const wf_metric hop_metrics[];
extern const char hop_docs[];
void hop_process(const wf_host *h, wf_item *const *items, size_t n);

/* --- menu.c ----------------------------------------------------------------------------------- */

struct menu_config {
    const wf_value *menu, *hop;
    wf_str session_member, invalid, expired;
};
enum { MENU_REPLY, MENU_ACTION, MENU_REPEATED };
enum { METRIC_SESSIONS, METRIC_FINISHED, METRIC_TIMEOUTS, METRIC_REPEATED, METRIC_INVALID };
extern const wf_param menu_params[];
extern const char *const menu_ports[];
extern const wf_metric menu_metrics[];
extern const char menu_docs[];
int menu_check(const wf_host *h, const void *config, char *why, size_t why_size);
void menu_process(const wf_host *h, wf_item *const *items, size_t n);

/* --- reply.c ---------------------------------------------------------------------------------- */

struct reply_config {
    wf_str text;
    int end, on_long;
    int64_t limit;
};
enum { REPLY_REPLY, REPLY_REFUSED };
enum { METRIC_CUT };
extern const wf_param reply_params[];
extern const char *const reply_ports[];
extern const wf_metric reply_metrics[];
extern const char reply_docs[];
void reply_process(const wf_host *h, wf_item *const *items, size_t n);

#endif
