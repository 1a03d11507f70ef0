/* SPDX-License-Identifier: Apache-2.0
 * The plugin's nodes beside catalyst.firewall: their tables, made in their own files, and the
 * migrations.
 */
#ifndef FIREWALL_OTHER_NODES_H
#define FIREWALL_OTHER_NODES_H
#include <catalyst/plugin.h>

/* feedback.c */
struct feedback_config {
    wf_str rules, tenant, to;
    int64_t keys;
};
extern const wf_param feedback_params[];
void *feedback_open(const wf_host *h, wf_inst *inst, wf_error *why);
void feedback_close(const wf_host *h, void *state);
void feedback_process(const wf_host *h, wf_item *const *items, size_t n);

/* quarantine.c */
struct quarantine_config {
    wf_str id;
};
extern const wf_param quarantine_params[];
void quarantine_process(const wf_host *h, wf_item *const *items, size_t n);

/* review.c */
struct review_config {
    int operation;
    wf_str id, tenant, by, rules;
    int64_t limit;
};
extern const wf_param review_params[];
extern const wf_pair review_codes[];
extern const char review_docs[];
void *review_open(const wf_host *h, wf_inst *inst, wf_error *why);
void review_close(const wf_host *h, void *state);
void review_process(const wf_host *h, wf_item *const *items, size_t n);

/* migrations.c */
enum { FIREWALL_MIGRATIONS = 1 };
extern const wf_migration firewall_migrations[FIREWALL_MIGRATIONS];

#endif
