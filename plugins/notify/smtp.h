/* SPDX-License-Identifier: Apache-2.0
 * Handing a mail to an SMTP server, by libcurl on a pool thread: TLS from the start, STARTTLS or
 * neither, login by PLAIN or LOGIN. Thread: smtp_start and smtp_free the worker's, smtp_call a pool
 * thread's.
 */
#ifndef PLUGIN_NOTIFY_SMTP_H
#define PLUGIN_NOTIFY_SMTP_H
#include "notify_int.h"
#include "mime.h"

struct smtp_job {
    char *url, *user, *password, *login, *ca_file, *message;
    char from[MIME_ADDRESS_MAX + 3], to[MIME_RECIPIENTS_MAX][MIME_ADDRESS_MAX + 1];
    size_t n_to, message_len, sent;
    int64_t timeout_ms;
    int starttls, insecure;
    /* the result: 0 or a curl code, and the server's last code and words */
    int result;
    long code;
    char why[300];
    void *more; /* the caller's */
};

/* NULL: why has a sentence. Takes nothing of what it is given. */
struct smtp_job *smtp_start(const wf_host *h, const wf_cred *cred, const struct mime_mail *mail,
                            int64_t timeout_ms, const char **why);
void smtp_call(void *job);
void smtp_free(struct smtp_job *job);
/* What became of it; fault 0: see outcome and class. */
struct smtp_verdict {
    wf_fault fault;
    enum wf_outcome outcome;
    enum wf_class class;
};
struct smtp_verdict smtp_judge(const struct smtp_job *job);

#endif
