/* SPDX-License-Identifier: Apache-2.0
 * catalyst/resolve.h - addresses of a host's name without blocking the worker. Header only, needs
 * glibc (getaddrinfo_a, which asks on a thread of its own).
 *
 * Client libraries with a file descriptor look names up with a call that blocks, sometimes for many
 * seconds. Ask here first, look at the answer from a timer of service "loop/1", and give the
 * library an address.
 *
 * Thread: [w]. Nothing blocks.
 */
#ifndef WF_RESOLVE_H
#define WF_RESOLVE_H
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    struct gaicb request;
    struct addrinfo hints;
    char host[256];
} wf_resolve;

/* Numbers, and paths of local sockets, need no look-up. */
static inline int wf_resolve_needless(const char *host)
{
    return *host == '/' || strchr(host, ':') || strspn(host, "0123456789.") == strlen(host);
}

/* NULL: it cannot be asked. */
static inline wf_resolve *wf_resolve_start(const char *host)
{
    wf_resolve *r = calloc(1, sizeof *r);
    if (!r || strlen(host) >= sizeof r->host) {
        free(r);
        return NULL;
    }
    memcpy(r->host, host, strlen(host) + 1);
    r->hints.ai_socktype = SOCK_STREAM;
    r->hints.ai_flags = AI_ADDRCONFIG;
    r->request.ar_name = r->host;
    r->request.ar_request = &r->hints;
    struct gaicb *list[] = { &r->request };
    if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) == 0)
        return r;
    free(r);
    return NULL;
}

/* Ends it, answered or not. */
static inline void wf_resolve_end(wf_resolve *r)
{
    if (!r)
        return;
    if (gai_error(&r->request) == EAI_INPROGRESS && gai_cancel(&r->request) != EAI_CANCELED)
        return; /* its thread still writes there: this memory is given up */
    if (r->request.ar_result)
        freeaddrinfo(r->request.ar_result);
    free(r);
}

/* The `nth` address (counted around, IPv4 before IPv6) as text: 1; 0: no answer yet; -1: there is
 * none, and `to` says why. */
static inline int wf_resolve_address(wf_resolve *r, unsigned nth, char *to, size_t size)
{
    static const int families[] = { AF_INET, AF_INET6 };
    const struct addrinfo *found[16];
    unsigned n = 0;
    int error = gai_error(&r->request);
    if (error == EAI_INPROGRESS)
        return 0;
    for (int f = 0; !error && f < 2; f++)
        for (const struct addrinfo *a = r->request.ar_result; a && n < 16; a = a->ai_next)
            if (a->ai_family == families[f])
                found[n++] = a;
    if (!n) {
        snprintf(to, size, "host '%.200s': %s", r->host,
                 error ? gai_strerror(error) : "no address");
        return -1;
    }
    const struct addrinfo *a = found[nth % n];
    if (getnameinfo(a->ai_addr, a->ai_addrlen, to, (socklen_t)size, NULL, 0, NI_NUMERICHOST) == 0)
        return 1;
    snprintf(to, size, "host '%.200s': no address", r->host);
    return -1;
}
#endif
