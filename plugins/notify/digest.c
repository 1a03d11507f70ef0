/* SPDX-License-Identifier: Apache-2.0
 * Digests: lines are collected as rows, and go out as one mail a day for each recipient, at an hour
 * of the recipient's own time zone.
 *
 *   collect: row --> due: who has rows, and whose hour has come --> digest: rows, claim, mail
 *
 * The claim (digest, recipient, day, hash of the content) is written before the mail leaves. One
 * that failed for a passing reason is given back; one whose fate is not known stays, because a
 * digest that comes twice is worse than one that may have been lost. Thread: the worker's.
 */
#include "notify_int.h"
#include "smtp.h"
#include "tz.h"
#include <catalyst/date.h>
#include <openssl/sha.h>

enum { DIGEST_WAIT_MS = 60000 };

/* --- collecting ------------------------------------------------------------------------------- */

static wf_str digest_topic(const wf_host *h, wf_item *it, wf_str given)
{
    wf_str rule = member(h, h->value(it), "groupLabels.alertname");
    wf_str tenant = member(h, h->value(it), "groupLabels.tenant");
    if (given.len)
        return given;
    if (!rule.len)
        rule = member(h, h->value(it), "commonLabels.alertname");
    if (!tenant.len)
        tenant = member(h, h->value(it), "commonLabels.tenant");
    return h->fmt(it, "%.*s%s%.*s", (int)rule.len, rule.ptr, tenant.len ? " / " : "",
                  (int)tenant.len, tenant.ptr);
}

void digest_collect(const wf_host *h, wf_item *it)
{
    const struct email_config *c = h->config(it);
    const wf_ledger *ledger = h->service("ledger/1");
    wf_str list = send_text_of(h, it, c->to, "config.to", "");
    wf_str text = send_text_of(h, it, c->text, "text", "");
    wf_str title = send_text_of(h, it, (wf_str){ "", 0 }, "title", "");
    char to[MIME_RECIPIENTS_MAX][MIME_ADDRESS_MAX + 1];
    size_t n = 0;
    if (!text.len)
        text = title;
    if (!text.len || mime_addresses(h->fmt(it, "%.*s", (int)list.len, list.ptr).ptr, to, &n) != 0) {
        send_reject(h, it, "email",
                    text.len ? WF_CLASS_PERMANENT_RECIPIENT : WF_CLASS_PERMANENT_CONTENT, "request",
                    str_of(text.len ? "to: an address is wrong" : "text is empty"));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const wf_value *row =
            h->build(it, "{s:S,s:S,s:s,s:S,s:S,s:i}", "id", h->fmt(it, "%s-%zu", h->key(it), i),
                     "digest", c->digest, "recipient", to[i], "topic",
                     digest_topic(h, it, c->topic), "body", text, "at_ms", h->now_ms(it));
        if (!ledger || ledger->commit_row(it, "notify_digest", row, "id") != 0) {
            h->fail(it, "the store has no table notify_digest: run `catalyst migrate`");
            return;
        }
    }
    send_end(h, it, &(struct outcome){ .outcome = WF_OUTCOME_ACCEPTED, .channel = "email" });
}

/* --- who is due ------------------------------------------------------------------------------- */

struct digest_work {
    wf_ticket ticket;
};

static const char *digest_zone(const wf_host *h, const struct email_config *c, wf_str recipient)
{
    wf_str zone = { NULL, 0 };
    const char *at = memchr(recipient.ptr, '@', recipient.len);
    const wf_value *value = h->v->get(c->time_zones, recipient.ptr, recipient.len);
    if (!value && at)
        value = h->v->get(c->time_zones, at, (size_t)(recipient.ptr + recipient.len - at));
    return value && h->v->bytes(value, &zone.ptr, &zone.len) == 0 ? zone.ptr : c->time_zone.ptr;
}

/* The recipient's date, when its hour has come; else NULL. */
static const char *digest_day(const wf_host *h, wf_item *it, const struct email_config *c,
                              wf_str recipient)
{
    struct tz *z = tz_open(h->fmt(it, "%s", digest_zone(h, c, recipient)).ptr);
    int64_t local = h->now_ms(it) + tz_offset(z, h->now_ms(it) / 1000) * 1000;
    wf_date d = wf_date_of_ms(local);
    tz_free(z);
    if (d.hour < c->hour)
        return NULL;
    return h->fmt(it, "%04d-%02d-%02d", (int)d.year, d.month, d.day).ptr;
}

/* recipient, last day that was sent */
static void digest_found(const wf_host *h, void *arg, const wf_rows *rows)
{
    wf_item *it = h->resume(h, ((struct digest_work *)arg)->ticket);
    free(arg);
    if (!it)
        return;
    const struct email_config *c = h->config(it);
    if (rows->error) {
        h->fail_with(it, &(wf_error){ .size = sizeof(wf_error), .fault = WF_TRANSIENT },
                     "the store: %s", rows->error);
        return;
    }
    for (size_t i = 0; i < rows->n_rows; i++) {
        wf_str recipient = rows->cells[2 * i], last = rows->cells[2 * i + 1];
        const char *day = digest_day(h, it, c, recipient);
        if (day && (!last.ptr || strncmp(day, last.ptr, 10) > 0))
            h->push(it, PORT_ACCEPTED,
                    h->build(it, "{s:S,s:S,s:s}", "digest", c->digest, "recipient", recipient,
                             "day", day));
    }
    h->done(it);
}

void digest_due(const wf_host *h, wf_item *it)
{
    const struct email_config *c = h->config(it);
    const wf_sql *sql = h->service("sql/1");
    wf_statement statement = {
        .pg = "SELECT d.recipient, (SELECT max(s.day) FROM notify_digest_sent s WHERE s.digest = "
              "$1 AND s.recipient = d.recipient) FROM notify_digest d WHERE d.digest = $1 "
              "GROUP BY d.recipient ORDER BY d.recipient",
        .params = &c->digest,
        .n_params = 1
    };
    struct digest_work *work = memory_get(sizeof *work);
    work->ticket = h->park(it, DIGEST_WAIT_MS);
    if (sql && sql->run(h->inst(it), &statement, 1, digest_found, work) == 0)
        return;
    it = h->resume(h, work->ticket);
    free(work);
    h->fail(it, "this engine has no store for digests");
}

/* --- the mail --------------------------------------------------------------------------------- */

struct digest_mail {
    wf_ticket ticket;
    struct smtp_job *job;
    char *digest, *recipient, *day;
    char (*seqs)[24]; /* of its lines */
    size_t n;
};

static void digest_mail_free(struct digest_mail *m)
{
    if (m->job)
        smtp_free(m->job);
    free(m->digest);
    free(m->recipient);
    free(m->day);
    free(m->seqs);
    free(m);
}

static void digest_noted(const wf_host *h, void *arg, const wf_rows *rows)
{
    (void)h;
    (void)arg;
    (void)rows;
}

/* The claim is kept with its state and the lines are done, or both are as they were. */
static void digest_note(const wf_host *h, wf_item *it, const struct digest_mail *m,
                        const char *state)
{
    const wf_sql *sql = h->service("sql/1");
    wf_str params[] = { str_of(m->digest), str_of(m->recipient), str_of(m->day), str_of(state) };
    wf_statement *statements = h->alloc(it, (m->n + 1) * sizeof *statements);
    wf_str *seqs = h->alloc(it, (m->n + 1) * sizeof *seqs);
    statements[0] = (wf_statement){ .pg = "UPDATE notify_digest_sent SET state = $4 WHERE digest = "
                                          "$1 AND recipient = $2 AND day = $3",
                                    .params = params,
                                    .n_params = 4 };
    if (!*state)
        statements[0] = (wf_statement){ .pg = "DELETE FROM notify_digest_sent WHERE digest = $1 "
                                              "AND recipient = $2 AND day = $3",
                                        .params = params,
                                        .n_params = 3 };
    for (size_t i = 0; i < m->n; i++) {
        seqs[i] = str_of(m->seqs[i]);
        statements[i + 1] = (wf_statement){ .pg = "DELETE FROM notify_digest WHERE seq = $1",
                                            .params = &seqs[i],
                                            .n_params = 1 };
    }
    if (sql)
        sql->run(h->inst(it), statements, *state ? m->n + 1 : 1, digest_noted, NULL);
}

static void digest_call(void *arg) { smtp_call(((struct digest_mail *)arg)->job); }

static void digest_done(const wf_host *h, wf_item *it, void *arg)
{
    struct digest_mail *m = arg;
    struct smtp_verdict v = smtp_judge(m->job);
    if (!it) {
        digest_mail_free(m);
        return;
    }
    wf_str why = h->fmt(it, "%s", m->job->why), id = h->fmt(it, "%s %s", m->day, m->recipient);
    digest_note(h, it, m,
                v.fault                            ? ""
                : v.outcome == WF_OUTCOME_ACCEPTED ? "sent"
                : v.outcome == WF_OUTCOME_UNKNOWN  ? "unknown"
                                                   : "rejected");
    digest_mail_free(m);
    if (v.fault) {
        h->fail_with(it,
                     &(wf_error){ .size = sizeof(wf_error), .fault = v.fault, .code = "transport" },
                     "mail server: %s", why.ptr);
        return;
    }
    int accepted = v.outcome == WF_OUTCOME_ACCEPTED;
    send_end(h, it,
             &(struct outcome){ .outcome = v.outcome,
                                .class = v.class,
                                .channel = "email",
                                .code = v.outcome == WF_OUTCOME_REJECTED ? "refused" : NULL,
                                .provider_id = accepted ? id : (wf_str){ "", 0 },
                                .text = accepted ? (wf_str){ "", 0 } : why });
}

static void digest_claimed(const wf_host *h, void *arg, const wf_rows *rows)
{
    struct digest_mail *m = arg;
    wf_item *it = h->resume(h, m->ticket);
    if (!it) {
        digest_mail_free(m);
    } else if (rows->error || !rows->changed) {
        digest_mail_free(m);
        if (rows->error && rows->retryable)
            h->fail_with(it, &(wf_error){ .size = sizeof(wf_error), .fault = WF_TRANSIENT },
                         "the store: %s", rows->error);
        else if (rows->error)
            h->fail(it, "the store: %s", rows->error);
        else
            h->done(it); /* sent already, or another engine sends it now */
    } else {
        h->offload(it, digest_call, digest_done, m);
    }
}

static void digest_hash(const char *text, char to[65])
{
    unsigned char sum[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text, strlen(text), sum);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(to + 2 * i, 3, "%02x", sum[i]);
}

static void digest_claim(const wf_host *h, wf_item *it, struct digest_mail *m, const char *text)
{
    const wf_sql *sql = h->service("sql/1");
    char hash[65];
    digest_hash(text, hash);
    wf_str params[] = { str_of(m->digest), str_of(m->recipient), str_of(m->day), str_of(hash),
                        h->fmt(it, "%lld", (long long)h->now_ms(it)) };
    wf_statement statement = {
        .pg = "INSERT INTO notify_digest_sent (digest, recipient, day, hash, state, at_ms) "
              "VALUES ($1, $2, $3, $4, 'sending', $5) "
              "ON CONFLICT (digest, recipient, day) DO NOTHING",
        .params = params,
        .n_params = 5
    };
    m->ticket = h->park(it, DIGEST_WAIT_MS);
    if (sql->run(h->inst(it), &statement, 1, digest_claimed, m) == 0)
        return;
    it = h->resume(h, m->ticket);
    digest_mail_free(m);
    h->fail(it, "this engine has no store for digests");
}

/* Topics as headings, lines below them: text and HTML. */
static void digest_write(const wf_rows *rows, char **text, char **html)
{
    wf_str before = { "", 0 };
    *text = memory_text("");
    *html = memory_text("");
    for (size_t i = 0; i < rows->n_rows; i++) {
        wf_str topic = rows->cells[3 * i + 1], body = rows->cells[3 * i + 2];
        int is_new =
            i == 0 || topic.len != before.len || memcmp(topic.ptr, before.ptr, topic.len) != 0;
        char *head = memory_print("%.*s", (int)topic.len, topic.ptr);
        char *line = memory_print("%.*s", (int)body.len, body.ptr);
        char *head_html = mime_html(head), *line_html = mime_html(line);
        char *longer = memory_print("%s%s%s%s- %s\n", *text, is_new && i ? "\n" : "",
                                    is_new ? head : "", is_new ? "\n" : "", line);
        char *wider = memory_print("%s%s%s%s%s", *html, is_new ? "<h3>" : "",
                                   is_new ? head_html : "", is_new ? "</h3>" : "", line_html);
        free(head);
        free(line);
        free(head_html);
        free(line_html);
        free(*text);
        free(*html);
        *text = longer;
        *html = wider;
        before = topic;
    }
}

static void digest_compose(const wf_host *h, wf_item *it, struct digest_mail *m,
                           const wf_rows *rows)
{
    const struct email_config *c = h->config(it);
    char *text, *html;
    const char *why = NULL;
    digest_write(rows, &text, &html);
    struct mime_mail mail = {
        .from = c->from.ptr,
        .to = m->recipient,
        .reply_to = c->reply_to.ptr,
        .subject = c->subject.len ? c->subject.ptr
                                  : h->fmt(it, "Digest %s: %zu messages", m->day, rows->n_rows).ptr,
        .text = text,
        .html = html,
        .id = h->fmt(it, "digest-%s-%s-%s", m->digest, m->day, m->recipient).ptr,
        .thread = h->fmt(it, "digest-%s-%s", m->digest, m->recipient).ptr,
        .at_ms = h->now_ms(it)
    };
    m->seqs = memory_get(rows->n_rows * sizeof *m->seqs);
    for (; m->n < rows->n_rows; m->n++)
        snprintf(m->seqs[m->n], sizeof *m->seqs, "%.*s", (int)rows->cells[3 * m->n].len,
                 rows->cells[3 * m->n].ptr);
    m->job = smtp_start(h, c->credential, &mail, c->timeout_ms, &why);
    if (m->job) {
        digest_claim(h, it, m, text);
    } else {
        digest_mail_free(m);
        send_reject(h, it, "email", WF_CLASS_PERMANENT_CONTENT, "request", str_of(why));
    }
    free(text);
    free(html);
}

/* seq, topic, body */
static void digest_loaded(const wf_host *h, void *arg, const wf_rows *rows)
{
    struct digest_mail *m = arg;
    wf_item *it = h->resume(h, m->ticket);
    if (it && !rows->error && rows->n_rows) {
        digest_compose(h, it, m, rows);
        return;
    }
    digest_mail_free(m);
    if (it && rows->error)
        h->fail_with(it, &(wf_error){ .size = sizeof(wf_error), .fault = WF_TRANSIENT },
                     "the store: %s", rows->error);
    else if (it)
        h->done(it); /* an empty digest is not sent */
}

void digest_send(const wf_host *h, wf_item *it)
{
    const wf_sql *sql = h->service("sql/1");
    wf_str params[] = { member(h, h->value(it), "digest"), member(h, h->value(it), "recipient") };
    wf_str day = member(h, h->value(it), "day");
    wf_statement statement = { .pg = "SELECT seq, topic, body FROM (SELECT seq, topic, body "
                                     "FROM notify_digest WHERE digest = $1 AND recipient = $2 "
                                     "ORDER BY seq LIMIT 1000) AS oldest ORDER BY topic, seq",
                               .params = params,
                               .n_params = 2 };
    if (!params[0].len || !params[1].len || day.len != 10) {
        send_reject(h, it, "email", WF_CLASS_PERMANENT_CONTENT, "request",
                    str_of("the item must have digest, recipient and day, as `due` gives them"));
        return;
    }
    struct digest_mail *m = memory_get(sizeof *m);
    m->digest = memory_print("%.*s", (int)params[0].len, params[0].ptr);
    m->recipient = memory_print("%.*s", (int)params[1].len, params[1].ptr);
    m->day = memory_print("%.*s", (int)day.len, day.ptr);
    m->ticket = h->park(it, DIGEST_WAIT_MS);
    if (sql && sql->run(h->inst(it), &statement, 1, digest_loaded, m) == 0)
        return;
    it = h->resume(h, m->ticket);
    digest_mail_free(m);
    h->fail(it, "this engine has no store for digests");
}
