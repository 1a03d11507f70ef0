/* SPDX-License-Identifier: Apache-2.0
 * Accounts of a worker: their settings, who uses them, and the timer of their binds.
 *
 * Two nodes with the same account meet by its key in a list of the thread. That list is the only
 * thing of the plugin that is not a node's own; a worker is a thread, so it needs no lock. Thread:
 * the worker's. Nothing blocks but reading certificates when an account is made.
 */
#include "esme.h"
#include <strings.h>

enum { TICK_MS = 1000 };

static _Thread_local struct account *accounts;

/* --- settings --------------------------------------------------------------------------------- */

static const char *secret(const wf_host *h, const wf_cred *cred, const char *field)
{
    return h->secret(cred, field).ptr;
}

static int is_on(const wf_host *h, const wf_cred *cred, const char *field)
{
    return !strcmp(secret(h, cred, field), "true");
}

static int64_t number(const wf_host *h, const wf_cred *cred, const char *field, int64_t otherwise,
                      int64_t min, int64_t max)
{
    const char *text = secret(h, cred, field);
    char *end;
    long long n = *text ? strtoll(text, &end, 0) : otherwise;
    return n < min ? min : n > max ? max : n;
}

/* The place of a word in a list, or -1. */
static int word(const wf_host *h, const wf_cred *cred, const char *field, const char *const *words)
{
    const char *text = secret(h, cred, field);
    for (int i = 0; words[i]; i++)
        if (!strcasecmp(text, words[i]))
            return i;
    return *text ? -1 : 0;
}

static const char *const modes[] = { "transceiver", "separate", NULL };
static const char *const ways[] = { "udh8", "udh16", "sar", "payload", NULL };
static const char *const id_forms[] = { "text", "decimal", "hex", NULL };
static const char *const alphabets[] = { "gsm7", "latin1", "ascii", NULL };
static const char *const versions[] = { "3.4", "5.0", "3.3", NULL };
static const enum gsm_alphabet alphabet_of[] = { GSM_SEPTETS, GSM_LATIN1, GSM_ASCII };
static const uint8_t version_of[] = { 0x34, 0x50, 0x33 };

/* Names with commas to bits. -1: one is none. */
static int languages(const char *names, uint32_t *bits)
{
    *bits = 0;
    while (*names) {
        size_t n = strcspn(names, ", ");
        unsigned language = n ? gsm_language_named(names, n) : 0;
        if (n && !language)
            return -1;
        if (n)
            *bits |= 1u << language;
        names += n + (names[n] != 0);
    }
    return 0;
}

static int fail(char *why, size_t size, const char *what)
{
    snprintf(why, size, "credential of type smpp: %s", what);
    return -1;
}

static int read_settings(const wf_host *h, const wf_cred *cred, struct account_settings *set,
                         char *why, size_t size)
{
    int way = word(h, cred, "concatenation", ways),
        zero = word(h, cred, "defaultAlphabet", alphabets),
        response = word(h, cred, "responseIds", id_forms),
        receipt = word(h, cred, "receiptIds", id_forms),
        version = word(h, cred, "version", versions);
    if (way < 0)
        return fail(why, size, "concatenation is udh8, udh16, sar or payload");
    if (zero < 0)
        return fail(why, size, "defaultAlphabet is gsm7, latin1 or ascii");
    if (response < 0 || receipt < 0)
        return fail(why, size, "responseIds and receiptIds are text, decimal or hex");
    if (version < 0)
        return fail(why, size, "version is 3.4, 5.0 or 3.3");
    if (word(h, cred, "bindMode", modes) < 0)
        return fail(why, size, "bindMode is transceiver or separate");
    *set = (struct account_settings){
        .binds = (uint32_t)number(h, cred, "binds", 1, 1, BINDS_MAX),
        .window = (uint32_t)number(h, cred, "window", 50, 1, 10000),
        .rate = pace_rate(number(h, cred, "rate", 0, 0, 1000000)),
        .enquire_ms = number(h, cred, "enquireLinkSeconds", 30, 1, 3600) * 1000,
        .response_ms = number(h, cred, "responseSeconds", 30, 1, 600) * 1000,
        .bind_ms = number(h, cred, "bindSeconds", 10, 1, 120) * 1000,
        .distance_ms = number(h, cred, "recipientDistanceMs", 0, 0, 3600000),
        .zero = alphabet_of[zero],
        .way = (enum segment_way)(way + 1),
        .packed = is_on(h, cred, "packedSeptets"),
        .user_reference = is_on(h, cred, "userMessageReference"),
        .id_tag = (uint16_t)number(h, cred, "idTag", 0, 0, 0xffff),
        .ussd_op_tag = (uint16_t)number(h, cred, "ussdOpTag", SMPP_TAG_USSD_SERVICE_OP, 1, 0xffff),
        .ussd_session_tag =
            (uint16_t)number(h, cred, "ussdSessionTag", SMPP_TAG_ITS_SESSION_INFO, 1, 0xffff),
        .interface_version = version_of[version],
        .alphabets = { .transliterate = is_on(h, cred, "transliterate"),
                       .latin1 = is_on(h, cred, "latin1"),
                       .no_septets = zero != 0,
                       .reference16 = way == 1 },
        .addresses = { .short_ton = (uint8_t)number(h, cred, "shortCodeTon", 0, 0, 6),
                       .short_npi = (uint8_t)number(h, cred, "shortCodeNpi", 0, 0, 18),
                       .keep_plus = is_on(h, cred, "keepPlus") },
        .receipts = { .response_ids = (uint8_t)response,
                      .receipt_ids = (uint8_t)receipt,
                      .unmarked = is_on(h, cred, "unmarkedReceipts"),
                      .utc_minutes = (int16_t)number(h, cred, "receiptUtcMinutes", 0, -840, 840) },
    };
    const char *country = secret(h, cred, "countryCode");
    if (strlen(country) >= sizeof set->addresses.country ||
        strspn(country, "0123456789") != strlen(country))
        return fail(why, size, "countryCode is a calling code such as 49");
    memcpy(set->addresses.country, country, strlen(country) + 1);
    if (languages(secret(h, cred, "singleShift"), &set->alphabets.single) != 0 ||
        languages(secret(h, cred, "lockingShift"), &set->alphabets.locking) != 0)
        return fail(why, size,
                    "singleShift and lockingShift are languages with commas: turkish, "
                    "spanish, portuguese, hindi ...");
    return 0;
}

int account_check(const wf_host *h, const wf_cred *cred, char *why, size_t why_size)
{
    struct account_settings set;
    return cred ? read_settings(h, cred, &set, why, why_size) : 0;
}

/* --- making one ------------------------------------------------------------------------------- */

/* Of all fields: when one changes, a new version of a workflow has an account of its own, and the
 * old one ends with the old version. */
static uint64_t hash_fields(const struct account_user *user)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (const wf_param *field = smpp_account_fields; field->name; field++) {
        wf_str text = user->h->secret(user->cred, field->name);
        for (size_t i = 0; i < text.len; i++)
            h = (h ^ (uint8_t)text.ptr[i]) * 0x100000001b3u;
        h = (h ^ 0xff) * 0x100000001b3u;
    }
    return h;
}

static void write_key(const struct account_user *user, enum account_use use, char *key, size_t size)
{
    const wf_host *h = user->h;
    snprintf(key, size, "%.150s\n%.10s\n%.20s\n%d\n%016llx", secret(h, user->cred, "host"),
             secret(h, user->cred, "port"), secret(h, user->cred, "systemId"), (int)use,
             (unsigned long long)hash_fields(user));
}

static int make_tls(struct account *a, char *why, size_t size)
{
    if (!is_on(a->h, a->cred, "ssl"))
        return 0;
    a->tls = wf_tls_context(
        &(wf_tls_options){ .ca_file = secret(a->h, a->cred, "caFile"),
                           .cert_file = secret(a->h, a->cred, "certFile"),
                           .key_file = secret(a->h, a->cred, "keyFile"),
                           .insecure = is_on(a->h, a->cred, "disableTlsVerification") },
        why, size);
    return a->tls ? 0 : -1;
}

static void adopt(struct account *a, const struct account_user *user)
{
    a->h = user->h;
    a->inst = user->inst;
    a->cred = user->cred;
}

static struct account *make(const struct account_user *user, enum account_use use, const char *key,
                            char *why, size_t size)
{
    struct account *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    adopt(a, user);
    a->use = use;
    snprintf(a->key, sizeof a->key, "%s", key);
    const char *name = secret(a->h, a->cred, "account");
    snprintf(a->name, sizeof a->name, "%s", *name ? name : secret(a->h, a->cred, "systemId"));
    const char *host = secret(a->h, a->cred, "host"), *port = secret(a->h, a->cred, "port");
    snprintf(a->label, sizeof a->label, "smpp %.100s:%.10s %.60s", *host ? host : "127.0.0.1",
             *port ? port : "2775", secret(a->h, a->cred, "systemId"));
    a->loop = a->h->service("loop/1");
    if (!a->loop)
        snprintf(why, size, "this engine has no sockets for plugins");
    if (!a->loop || read_settings(a->h, a->cred, &a->set, why, size) != 0 ||
        make_tls(a, why, size) != 0) {
        free(a);
        return NULL;
    }
    a->n_links = a->set.binds;
    a->outbox = outbox_create(a);
    for (uint32_t i = 0; i < a->n_links; i++)
        link_init(&a->links[i], a, i);
    a->next = accounts;
    accounts = a;
    return a;
}

struct account *account_join(struct account_user *user, wf_error *why)
{
    static _Thread_local char text[300]; /* read at once, by the worker that called */
    char key[sizeof accounts->key];
    enum account_use use = word(user->h, user->cred, "bindMode", modes) == BIND_SEPARATE
                               ? user->use
                               : USE_SEND | USE_RECEIVE;
    write_key(user, use, key, sizeof key);
    struct account *a = accounts;
    while (a && strcmp(a->key, key) != 0)
        a = a->next;
    int is_new = !a;
    if (is_new)
        a = make(user, use, key, text, sizeof text);
    if (!a) {
        *why = (wf_error){ .size = sizeof *why,
                           .fault = WF_ACCOUNT,
                           .detail = { text, strlen(text) } };
        return NULL;
    }
    struct account_user **end = &a->users;
    while (*end)
        end = &(*end)->next;
    user->next = NULL;
    *end = user;
    if (is_new)
        account_tell(a); /* also of binds that never come up */
    if (is_new)
        for (uint32_t i = 0; i < a->n_links; i++)
            link_start(&a->links[i]);
    if (is_new)
        account_wake_in(a, TICK_MS);
    return a;
}

static void destroy(struct account *a)
{
    struct account **at = &accounts;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    if (a->timer)
        a->loop->timer_stop(a->timer);
    for (uint32_t i = 0; i < a->n_links; i++)
        link_fini(&a->links[i]);
    outbox_destroy(a->outbox);
    SSL_CTX_free(a->tls);
    free(a);
}

struct account *account_list(void) { return accounts; }

void account_leave(struct account *a, struct account_user *user)
{
    struct account_user **at = &a->users;
    while (*at && *at != user)
        at = &(*at)->next;
    if (*at)
        *at = user->next;
    if (!a->users) {
        destroy(a);
        return;
    }
    if (a->inst != user->inst)
        return;
    adopt(a, a->users);
    for (uint32_t i = 0; i < a->n_links; i++)
        link_move(&a->links[i]);
    account_tell(a);
}

void account_tell(struct account *a)
{
    account_count(a, COUNT_BINDS, a->n_links);
    account_count(a, COUNT_BINDS_UP, a->n_up);
    account_count(a, COUNT_WINDOW_SIZE, (int64_t)a->n_up * a->set.window);
}

/* --- the timer -------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
    struct account *a = arg;
    int64_t now_ms = wf_conn_now_ms();
    a->timer = NULL;
    account_wake_in(a, TICK_MS);
    if (now_ms - a->ticked_ms >= TICK_MS / 2) {
        a->ticked_ms = now_ms;
        for (uint32_t i = 0; i < a->n_links; i++)
            if (a->links[i].has_session)
                session_tick(&a->links[i].session, now_ms);
    }
    outbox_tick(a->outbox, now_ms);
    for (uint32_t i = 0; i < a->n_links; i++)
        link_flush(&a->links[i]);
}

void account_wake_in(struct account *a, int64_t ms)
{
    int64_t due_ms = wf_conn_now_ms() + (ms < 1 ? 1 : ms);
    if (a->timer && a->due_ms <= due_ms)
        return;
    if (a->timer)
        a->loop->timer_stop(a->timer);
    a->due_ms = due_ms;
    a->timer = a->loop->timer(a->inst, ms < 1 ? 1 : ms, on_timer, a);
}

/* --- looking ---------------------------------------------------------------------------------- */

const char *account_trouble(const struct account *a, uint32_t *refused)
{
    const char *why = "the bind is on its way";
    *refused = 0;
    for (uint32_t i = 0; i < a->n_links; i++) {
        const struct link *l = &a->links[i];
        if (link_is_up(l))
            return NULL;
        if (l->c.why[0])
            why = l->c.why;
        if (l->refused)
            *refused = l->refused;
    }
    return why;
}

struct account_user *account_receiver(const struct account *a)
{
    struct account_user *user = a->users;
    while (user && user->use != USE_RECEIVE)
        user = user->next;
    return user;
}

void account_count(struct account *a, enum metric metric, int64_t by)
{
    a->h->count(a->inst, metric, by);
}
