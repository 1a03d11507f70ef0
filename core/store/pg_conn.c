/* SPDX-License-Identifier: Apache-2.0
 * Where PostgreSQL is and what its troubles mean.
 *
 * libpq connects without blocking but for one thing: looking up names. So names are looked up when
 * the administration connects, which may block, and sessions connect to the addresses found then. A
 * fail-over that moves a name is followed, because the administration's connection breaks too.
 * Thread: any. The addresses have a lock of their own, which is never held while anything waits.
 */
#include "store/pg_int.h"
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* --- addresses -------------------------------------------------------------------------------- */

struct addresses {
    struct pg_address list[PG_ADDRESSES_MAX];
    unsigned n;
    bool has_names; /* else there is nothing to look up */
};

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o->keyword; o++)
        if (!strcmp(o->keyword, keyword))
            return o->val && *o->val ? o->val : "";
    return "";
}

static void add_address(struct addresses *to, const char *host, const char *address, wf_str port)
{
    if (to->n == PG_ADDRESSES_MAX)
        return;
    struct pg_address *it = &to->list[to->n++];
    snprintf(it->host, sizeof it->host, "%s", host);
    snprintf(it->address, sizeof it->address, "%s", address);
    snprintf(it->port, sizeof it->port, "%.*s", STR_ARG(port));
}

static void add_host(struct addresses *to, wf_str name, wf_str port)
{
    char host[sizeof to->list->host];
    snprintf(host, sizeof host, "%.*s", STR_ARG(name));
    if (!*host || *host == '/' || *host == '@') { /* a socket in the file system */
        add_address(to, host, "", port);
        return;
    }
    to->has_names = true;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return;
    for (const struct addrinfo *a = found; a; a = a->ai_next) {
        char text[sizeof to->list->address];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
            add_address(to, host, text, port);
    }
    freeaddrinfo(found);
}

void pg_resolve(struct pg_store *ps)
{
    PQconninfoOption *options = PQconninfoParse(ps->base.config.url, NULL);
    if (!options)
        return;
    struct addresses *to = xcalloc(1, sizeof *to);
    wf_str hosts = str_of(option(options, "host")), ports = str_of(option(options, "port"));
    wf_str host, port = { "", 0 };
    for (size_t at = 0, port_at = 0; store_next_column(hosts, &at, &host);) {
        store_next_column(ports, &port_at, &port); /* the last one stands for the rest */
        add_host(to, host, port);
    }
    if (to->has_names && to->n && !*option(options, "hostaddr")) {
        pthread_mutex_lock(&ps->address_lock);
        memcpy(ps->addresses, to->list, sizeof to->list);
        ps->n_addresses = to->n;
        pthread_mutex_unlock(&ps->address_lock);
    }
    free(to);
    PQconninfoFree(options);
}

/* --- how to connect --------------------------------------------------------------------------- */

static void set(struct pg_target *t, const char *keyword, const char *value)
{
    for (unsigned i = 0; i < t->n; i++) {
        if (!strcmp(t->keywords[i], keyword)) {
            t->values[i] = arena_strdup(&t->arena, value);
            return;
        }
    }
    BUG_IF(t->n + 1 >= sizeof t->keywords / sizeof *t->keywords);
    t->keywords[t->n] = arena_strdup(&t->arena, keyword);
    t->values[t->n++] = arena_strdup(&t->arena, value);
    t->keywords[t->n] = t->values[t->n] = NULL;
}

static void set_default(struct pg_target *t, const char *keyword, const char *value)
{
    for (unsigned i = 0; i < t->n; i++)
        if (!strcmp(t->keywords[i], keyword))
            return;
    set(t, keyword, value);
}

static void set_addresses(struct pg_target *t, struct pg_store *ps, unsigned rotation)
{
    struct strbuf hosts, addresses, ports;
    strbuf_init(&hosts, 8192);
    strbuf_init(&addresses, 8192);
    strbuf_init(&ports, 8192);
    pthread_mutex_lock(&ps->address_lock);
    for (unsigned i = 0; i < ps->n_addresses; i++) {
        const struct pg_address *it = &ps->addresses[(i + rotation) % ps->n_addresses];
        const char *comma = i ? "," : "";
        strbuf_addf(&hosts, "%s%s", comma, it->host);
        strbuf_addf(&addresses, "%s%s", comma, it->address);
        strbuf_addf(&ports, "%s%s", comma, it->port);
    }
    pthread_mutex_unlock(&ps->address_lock);
    if (hosts.len) {
        set(t, "host", hosts.ptr);
        set(t, "hostaddr", addresses.ptr);
        set(t, "port", ports.ptr);
    }
    strbuf_fini(&hosts);
    strbuf_fini(&addresses);
    strbuf_fini(&ports);
}

int pg_target_init(struct pg_target *t, struct pg_store *ps, const unsigned *rotation,
                   struct err *err)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(ps->base.config.url, &why);
    if (!options) {
        err_set(err, ERR_INVALID, "store: the URL of PostgreSQL: %s", why ? why : "cannot be read");
        PQfreemem(why);
        return -1;
    }
    *t = (struct pg_target){ .n = 0 };
    arena_init(&t->arena, NULL, 0);
    for (const PQconninfoOption *o = options; o->keyword; o++)
        if (o->val && *o->val)
            set(t, o->keyword, o->val);
    PQconninfoFree(options);
    if (rotation)
        set_addresses(t, ps, *rotation);
    /* A peer that vanished without a word is noticed by the kernel too. */
    char timeout_ms[24];
    snprintf(timeout_ms, sizeof timeout_ms, "%lld", (long long)ps->base.config.commit_timeout_ms);
    set_default(t, "tcp_user_timeout", timeout_ms);
    set_default(t, "keepalives_idle", "30");
    set_default(t, "connect_timeout", "5");
    set_default(t, "application_name", "catalyst");
    set_default(t, "target_session_attrs", "read-write"); /* of several hosts, the primary */
    set(t, "client_encoding", "UTF8");
    return 0;
}

void pg_target_fini(struct pg_target *t) { arena_fini(&t->arena); }

/* --- trouble ---------------------------------------------------------------------------------- */

enum pg_trouble pg_trouble(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        enum pg_trouble trouble;
    } kinds[] = {
        { "0A000", PG_TROUBLE_RECONNECT }, /* a cached plan does not fit a changed table */
        { "26", PG_TROUBLE_RECONNECT },    /* a prepared statement is not there: a pooler */
        { "08", PG_TROUBLE_RECONNECT },    /* connection */
        { "57P", PG_TROUBLE_RECONNECT },   /* shut down, starting up */
        { "25006", PG_TROUBLE_RECONNECT }, /* read-only: no longer the primary */
        { "40", PG_TROUBLE_AGAIN },        /* deadlock, serialization */
        { "55P03", PG_TROUBLE_AGAIN },     /* lock not available */
        { "0L", PG_TROUBLE_DATA },         { "21", PG_TROUBLE_DATA }, { "22", PG_TROUBLE_DATA },
        { "23", PG_TROUBLE_DATA },         { "42", PG_TROUBLE_DATA }, { "44", PG_TROUBLE_DATA },
        { "P0", PG_TROUBLE_DATA }, /* raised by a trigger */
    };
    for (size_t i = 0; sqlstate && i < sizeof kinds / sizeof *kinds; i++)
        if (!strncmp(sqlstate, kinds[i].prefix, strlen(kinds[i].prefix)))
            return kinds[i].trouble;
    return PG_TROUBLE_WEATHER; /* disk full, out of memory, too many connections ... */
}

/* libpq explains a closed connection in two more lines that say nothing. */
void pg_words(char *to, size_t bytes, const char *message)
{
    snprintf(to, bytes, "%s", message ? message : "");
    char *tail = strstr(to, "\n\tThis probably means");
    if (tail)
        *tail = 0;
    for (char *c = to; *c; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
    for (size_t len = strlen(to); len && to[len - 1] == ' ';)
        to[--len] = 0;
}

int pg_err(struct err *err, const PGconn *conn, const PGresult *r, const char *what)
{
    char words[300];
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    const char *primary = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    if (!primary)
        primary = r && *PQresultErrorMessage(r) ? PQresultErrorMessage(r) : PQerrorMessage(conn);
    pg_words(words, sizeof words, primary);
    enum err_code code = ERR_UNAVAILABLE;
    if (state && pg_trouble(state) == PG_TROUBLE_DATA)
        code = ERR_INVALID;
    return err_set(err, code, "store: %s: %s", what, *words ? words : "the connection broke");
}
