/* SPDX-License-Identifier: Apache-2.0
 * SMTP by libcurl.
 */
#include "smtp.h"
#include <curl/curl.h>

static char *smtp_secret(const wf_host *h, const wf_cred *cred, const char *field)
{
    wf_str value = h->secret(cred, field);
    return memory_print("%.*s", (int)value.len, value.ptr ? value.ptr : "");
}

static const char *smtp_server(struct smtp_job *job, const wf_host *h, const wf_cred *cred)
{
    char *host = smtp_secret(h, cred, "host"), *port = smtp_secret(h, cred, "port");
    char *security = smtp_secret(h, cred, "security"), *insecure = smtp_secret(h, cred, "insecure");
    const char *why = NULL;
    int is_tls = !strcmp(security, "tls");
    job->starttls = !*security || !strcmp(security, "starttls");
    job->insecure = !strcmp(insecure, "true") || !strcmp(insecure, "1");
    if (!*host ||
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") !=
            strlen(host))
        why = "host of the credential is no name of a host";
    else if (strspn(port, "0123456789") != strlen(port) || strlen(port) > 5)
        why = "port of the credential is no number";
    else if (!is_tls && !job->starttls && strcmp(security, "none") != 0)
        why = "security of the credential is starttls, tls or none";
    job->url = memory_print("%s://%s:%s", is_tls ? "smtps" : "smtp", host,
                            *port    ? port
                            : is_tls ? "465"
                                     : "587");
    free(host);
    free(port);
    free(security);
    free(insecure);
    return why;
}

struct smtp_job *smtp_start(const wf_host *h, const wf_cred *cred, const struct mime_mail *mail,
                            int64_t timeout_ms, const char **why)
{
    struct smtp_job *job = memory_get(sizeof *job);
    char from[MIME_RECIPIENTS_MAX][MIME_ADDRESS_MAX + 1];
    size_t n;
    *why = smtp_server(job, h, cred);
    if (!*why && (mime_addresses(mail->from, from, &n) != 0 || n != 1))
        *why = "from is no address";
    if (!*why && mime_addresses(mail->to, job->to, &job->n_to) != 0)
        *why = "to: an address is wrong, or there are more than 50";
    if (*why) {
        smtp_free(job);
        return NULL;
    }
    char *auth = smtp_secret(h, cred, "auth");
    snprintf(job->from, sizeof job->from, "<%s>", from[0]);
    job->user = smtp_secret(h, cred, "user");
    job->password = smtp_secret(h, cred, "password");
    job->login = *auth && strcmp(auth, "auto") != 0 ? memory_print("AUTH=%s", auth) : NULL;
    job->ca_file = smtp_secret(h, cred, "caFile");
    job->message = mime_build(mail, &job->message_len);
    job->timeout_ms = timeout_ms ? timeout_ms : 60000;
    free(auth);
    return job;
}

void smtp_free(struct smtp_job *job)
{
    free(job->url);
    free(job->user);
    free(job->password);
    free(job->login);
    free(job->ca_file);
    free(job->message);
    free(job);
}

static size_t smtp_read(char *to, size_t size, size_t n, void *arg)
{
    struct smtp_job *job = arg;
    size_t left = job->message_len - job->sent, take = size * n < left ? size * n : left;
    memcpy(to, job->message + job->sent, take);
    job->sent += take;
    return take;
}

/* The server's words are told by curl as headers. */
static size_t smtp_heard(char *line, size_t size, size_t n, void *arg)
{
    struct smtp_job *job = arg;
    size_t len = size * n;
    while (len && (line[len - 1] == '\r' || line[len - 1] == '\n'))
        len--;
    snprintf(job->why, sizeof job->why, "%.*s", (int)(len < 250 ? len : 250), line);
    return size * n;
}

static void smtp_options(CURL *curl, struct smtp_job *job)
{
    curl_easy_setopt(curl, CURLOPT_URL, job->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)job->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_USE_SSL,
                     job->starttls ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_NONE);
    if (*job->user) {
        curl_easy_setopt(curl, CURLOPT_USERNAME, job->user);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, job->password);
    }
    if (job->login)
        curl_easy_setopt(curl, CURLOPT_LOGIN_OPTIONS, job->login);
    if (*job->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, job->ca_file);
    if (job->insecure) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, job->from);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, smtp_read);
    curl_easy_setopt(curl, CURLOPT_READDATA, job);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, smtp_heard);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, job);
}

void smtp_call(void *arg)
{
    struct smtp_job *job = arg;
    struct curl_slist *to = NULL;
    char address[MIME_ADDRESS_MAX + 3];
    CURL *curl = curl_easy_init();
    job->result = CURLE_FAILED_INIT;
    if (!curl)
        return;
    smtp_options(curl, job);
    for (size_t i = 0; i < job->n_to; i++) {
        snprintf(address, sizeof address, "<%s>", job->to[i]);
        to = curl_slist_append(to, address);
    }
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
    job->result = (int)curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &job->code);
    if (job->result && job->code < 400)
        snprintf(job->why, sizeof job->why, "%s", curl_easy_strerror((CURLcode)job->result));
    curl_slist_free_all(to);
    curl_easy_cleanup(curl);
}

static struct smtp_verdict smtp_refused(const struct smtp_job *job)
{
    struct smtp_verdict v = { .outcome = WF_OUTCOME_REJECTED };
    int for_now = job->code >= 400 && job->code < 500; /* 454 also after a right password */
    if ((job->result == CURLE_LOGIN_DENIED && !for_now) || job->code == 530 || job->code == 535)
        v.class = WF_CLASS_PERMANENT_ACCOUNT;
    else if (job->code < 500)
        v.fault =
            job->code == 421 || job->code == 450 || job->code == 452 ? WF_THROTTLE : WF_TRANSIENT;
    else if (job->sent || job->code == 552 || job->code == 554)
        v.class = WF_CLASS_PERMANENT_CONTENT;
    else
        v.class = WF_CLASS_PERMANENT_RECIPIENT;
    return v;
}

struct smtp_verdict smtp_judge(const struct smtp_job *job)
{
    struct smtp_verdict v = { .fault = WF_TRANSIENT };
    switch (job->result) {
    case CURLE_OK:
        return (struct smtp_verdict){ .outcome = WF_OUTCOME_ACCEPTED };
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
        return (struct smtp_verdict){ .outcome = WF_OUTCOME_REJECTED,
                                      .class = WF_CLASS_PERMANENT_ACCOUNT };
    case CURLE_LOGIN_DENIED:
        return smtp_refused(job);
    }
    if (job->code >= 400)
        return smtp_refused(job);
    if (job->sent == job->message_len) /* the answer to the message is missing */
        return (struct smtp_verdict){ .outcome = WF_OUTCOME_UNKNOWN };
    return v;
}
