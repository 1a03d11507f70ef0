/* SPDX-License-Identifier: Apache-2.0
 * catalyst/stream.h - bytes to and from a server over TCP or a local socket, in the clear or by
 * TLS, on the worker's loop. Header only, needs libc and OpenSSL (link libssl and libcrypto).
 *
 * For protocols whose client library cannot do it, or that need none; most live in a wf_conn
 * (conn.h), whose connect() calls wf_stream_connect() and whose disconnect() wf_stream_close().
 *
 *   wf_stream_connect() --> on_open() --> on_bytes() ... --> on_close()
 *   STARTTLS: wf_stream_secure() in the middle, then on_open() once more
 *   servers: wf_stream_take() of an accepted socket instead of wf_stream_connect()
 *
 * - on_open: connected, and with TLS the certificate is verified.
 * - on_bytes: what came; it is gone when the function returns. It may close the stream.
 * - on_close: it broke or could not be opened; it is closed already. Never called by
 *   wf_stream_close(), never from within wf_stream_write().
 *
 * Writing gathers; wf_stream_flush() sends what was gathered, so that all requests of a frame leave
 * in one piece. It may call on_close().
 *
 * A TLS context is made once, in open(), by wf_tls_context(): certificates are verified unless that
 * is switched off, against the system's authorities or a file, and against the server's name.
 *
 * Thread: [w]. Nothing blocks but reading the files of certificates in wf_tls_context().
 */
#ifndef WF_STREAM_H
#define WF_STREAM_H
#include <catalyst/plugin.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WF_STREAM_READ = 65536, WF_STREAM_ROUNDS = 16 };

enum wf_stream_state { WF_STREAM_CLOSED, WF_STREAM_CONNECTING, WF_STREAM_SECURING, WF_STREAM_OPEN };

typedef struct {
    const wf_loop *loop;
    wf_inst *inst;
    void (*on_open)(void *arg);
    void (*on_bytes)(void *arg, const char *bytes, size_t len);
    void (*on_close)(void *arg, wf_fault fault, const char *why); /* WF_ACCOUNT: TLS refused */
    void *arg;
    enum wf_stream_state state;
    int fd, events;
    int wants_write; /* TLS: a read or a handshake waits until the socket takes bytes */
    wf_watch *watch;
    SSL_CTX *context; /* borrowed while it connects */
    char server_name[256];
    SSL *ssl;
    char *out; /* bytes from out_sent to out_len have not left */
    size_t out_sent, out_len, out_size;
    uint64_t lives; /* grows with each close: a callback may have closed and opened it again */
} wf_stream;

/* --- TLS -------------------------------------------------------------------------------------- */

typedef struct {
    const char *ca_file;   /* authorities, PEM; NULL or "": the system's */
    const char *cert_file; /* own certificate, PEM; NULL or "": none */
    const char *key_file;  /* its key, PEM; NULL or "": in cert_file */
    int insecure;          /* do not verify: whoever is in the middle can read and write */
} wf_tls_options;

/* The newest reason OpenSSL gives, its queue emptied. */
static inline const char *wf_tls_reason(const char *otherwise)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason ? reason : otherwise;
}

/* A context for clients, to be freed with SSL_CTX_free(). NULL: why has a sentence. */
static inline SSL_CTX *wf_tls_context(const wf_tls_options *o, char *why, size_t why_size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    const char *key = o->key_file && *o->key_file ? o->key_file : o->cert_file;
    const char *file = NULL;
    int done = ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1;
    ERR_clear_error();
    if (done && o->ca_file && *o->ca_file)
        done = SSL_CTX_load_verify_locations(ctx, file = o->ca_file, NULL) == 1;
    else if (done)
        done = SSL_CTX_set_default_verify_paths(ctx) == 1;
    if (done && o->cert_file && *o->cert_file) {
        done = SSL_CTX_use_certificate_chain_file(ctx, file = o->cert_file) == 1;
        if (done)
            done = SSL_CTX_use_PrivateKey_file(ctx, file = key, SSL_FILETYPE_PEM) == 1 &&
                   SSL_CTX_check_private_key(ctx) == 1;
    }
    if (!done) {
        snprintf(why, why_size, "TLS: %s%s%s", file ? file : "", file ? ": " : "",
                 wf_tls_reason("cannot be set up"));
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(ctx, o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    return ctx;
}

/* A context for servers: cert_file is the server's certificate; with ca_file clients must show one
 * that it signed. To be freed with SSL_CTX_free(). NULL: why has a sentence. */
static inline SSL_CTX *wf_tls_server_context(const wf_tls_options *o, char *why, size_t why_size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    const char *key = o->key_file && *o->key_file ? o->key_file : o->cert_file;
    const char *file = o->cert_file;
    ERR_clear_error();
    int done = ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
               SSL_CTX_use_certificate_chain_file(ctx, file) == 1 &&
               SSL_CTX_use_PrivateKey_file(ctx, file = key, SSL_FILETYPE_PEM) == 1 &&
               SSL_CTX_check_private_key(ctx) == 1;
    if (done && o->ca_file && *o->ca_file) {
        done = SSL_CTX_load_verify_locations(ctx, file = o->ca_file, NULL) == 1;
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    if (!done) {
        snprintf(why, why_size, "TLS: %s: %s", file ? file : "", wf_tls_reason("cannot be set up"));
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ctx;
}

/* The certificate must be for this name or address. */
static inline int wf_tls_expect(SSL *ssl, const char *name)
{
    unsigned char address[16];
    int is_address =
        inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    if (is_address)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
    return SSL_set1_host(ssl, name) && SSL_set_tlsext_host_name(ssl, name);
}

/* --- ends ------------------------------------------------------------------------------------- */

/* Closes it, whatever state it is in. Memory for writing is kept for the next time. */
static inline void wf_stream_close(wf_stream *s)
{
    s->lives++;
    if (s->state == WF_STREAM_CLOSED)
        return;
    s->state = WF_STREAM_CLOSED;
    if (s->watch)
        s->loop->watch_stop(s->watch);
    s->watch = NULL;
    if (s->ssl) {
        ERR_clear_error();
        if (SSL_is_init_finished(s->ssl))
            SSL_shutdown(s->ssl);
        SSL_free(s->ssl);
        ERR_clear_error();
    }
    s->ssl = NULL;
    close(s->fd);
    s->fd = -1;
    s->events = s->wants_write = 0;
    s->out_sent = s->out_len = 0;
}

/* Closes it and frees what it holds. */
static inline void wf_stream_fini(wf_stream *s)
{
    wf_stream_close(s);
    free(s->out);
    s->out = NULL;
    s->out_size = 0;
}

static inline void wf_stream_break(wf_stream *s, wf_fault fault, const char *why)
{
    char words[300];
    snprintf(words, sizeof words, "%s", why);
    wf_stream_close(s);
    s->on_close(s->arg, fault, words);
}

/* Whether a person must look: the other side speaks no TLS, or refuses what this side is. A server
 * that goes away in the middle is the network's. */
static inline int wf_tls_is_refusal(int shaking_hands)
{
    unsigned long error = ERR_peek_last_error();
    int reason = ERR_GET_REASON(error);
    return ERR_GET_LIB(error) == ERR_LIB_SSL && reason != SSL_R_UNEXPECTED_EOF_WHILE_READING &&
           (shaking_hands || reason >= SSL_AD_REASON_OFFSET);
}

static inline void wf_stream_break_tls(wf_stream *s, const char *doing)
{
    char words[300];
    long verified = SSL_get_verify_result(s->ssl);
    int is_cert = verified != X509_V_OK && SSL_get_verify_mode(s->ssl) != SSL_VERIFY_NONE;
    int is_refusal = is_cert || wf_tls_is_refusal(s->state == WF_STREAM_SECURING);
    snprintf(words, sizeof words, "TLS: %s: %s", doing,
             is_cert ? X509_verify_cert_error_string(verified)
                     : wf_tls_reason("connection closed"));
    ERR_clear_error();
    wf_stream_break(s, is_refusal ? WF_ACCOUNT : WF_TRANSIENT, words);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static inline void wf_stream_events(wf_stream *s)
{
    int events = WF_READABLE;
    if (s->state == WF_STREAM_CLOSED)
        return;
    if (s->state == WF_STREAM_CONNECTING)
        events = WF_WRITABLE;
    else if (s->wants_write || (s->state == WF_STREAM_OPEN && s->out_sent < s->out_len))
        events |= WF_WRITABLE;
    if (events != s->events)
        s->loop->watch_set(s->watch, s->events = events);
}

/* Gathers bytes to send. */
static inline void wf_stream_write(wf_stream *s, const void *bytes, size_t len)
{
    if (s->state == WF_STREAM_CLOSED || !len)
        return;
    if (s->out_len + len > s->out_size) {
        s->out_len -= s->out_sent;
        if (s->out_len)
            memmove(s->out, s->out + s->out_sent, s->out_len);
        s->out_sent = 0;
        if (s->out_len + len > s->out_size) {
            s->out_size = (s->out_len + len) * 2;
            s->out = realloc(s->out, s->out_size);
            if (!s->out)
                abort();
        }
    }
    memcpy(s->out + s->out_len, bytes, len);
    s->out_len += len;
}

/* Bytes sent: more than 0; 0: later; -1: it broke, and on_close() was called. */
static inline ssize_t wf_stream_send(wf_stream *s, const char *bytes, size_t len)
{
    if (!s->ssl) {
        ssize_t n = send(s->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            return n;
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
            return 0;
        wf_stream_break(s, WF_TRANSIENT, strerror(errno));
        return -1;
    }
    ERR_clear_error();
    int n = SSL_write(s->ssl, bytes, len > 1 << 30 ? 1 << 30 : (int)len);
    if (n > 0)
        return n;
    int error = SSL_get_error(s->ssl, n);
    if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ)
        return 0;
    wf_stream_break_tls(s, "writing");
    return -1;
}

/* Sends what was gathered, as far as the socket takes it; the rest follows by itself. */
static inline void wf_stream_flush(wf_stream *s)
{
    while (s->state == WF_STREAM_OPEN && s->out_sent < s->out_len) {
        ssize_t n = wf_stream_send(s, s->out + s->out_sent, s->out_len - s->out_sent);
        if (n < 0)
            return;
        if (n == 0)
            break;
        s->out_sent += (size_t)n;
    }
    if (s->out_sent == s->out_len)
        s->out_sent = s->out_len = 0;
    wf_stream_events(s);
}

/* As wf_stream_send. */
static inline ssize_t wf_stream_recv(wf_stream *s, char *bytes, size_t size)
{
    if (!s->ssl) {
        ssize_t n = recv(s->fd, bytes, size, MSG_DONTWAIT);
        if (n > 0)
            return n;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return 0;
        wf_stream_break(s, WF_TRANSIENT, n == 0 ? "connection closed" : strerror(errno));
        return -1;
    }
    ERR_clear_error();
    int n = SSL_read(s->ssl, bytes, (int)size);
    s->wants_write = 0;
    if (n > 0)
        return n;
    int error = SSL_get_error(s->ssl, n);
    s->wants_write = error == SSL_ERROR_WANT_WRITE;
    if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ)
        return 0;
    if (error == SSL_ERROR_ZERO_RETURN)
        wf_stream_break(s, WF_TRANSIENT, "connection closed");
    else
        wf_stream_break_tls(s, "reading");
    return -1;
}

/* Not for ever: other executions wait too. The socket is watched by level, so the rest comes; TLS
 * holds at most one record back, and that is taken. */
static inline void wf_stream_read(wf_stream *s)
{
    char bytes[WF_STREAM_READ];
    uint64_t life = s->lives;
    for (int round = 0; s->state == WF_STREAM_OPEN; round++) {
        if (round >= WF_STREAM_ROUNDS && !(s->ssl && SSL_pending(s->ssl)))
            return;
        ssize_t n = wf_stream_recv(s, bytes, sizeof bytes);
        if (n <= 0)
            return;
        s->on_bytes(s->arg, bytes, (size_t)n);
        if (s->lives != life)
            return;
    }
}

/* --- opening ---------------------------------------------------------------------------------- */

static inline void wf_stream_on_events(void *arg, int events);

static inline void wf_stream_shake_hands(wf_stream *s)
{
    ERR_clear_error();
    int done = SSL_do_handshake(s->ssl);
    int error = done == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, done);
    s->wants_write = error == SSL_ERROR_WANT_WRITE;
    if (done == 1) {
        s->state = WF_STREAM_OPEN;
        s->on_open(s->arg);
    } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        wf_stream_break_tls(s, "handshake");
    }
}

/* Begins TLS on an open stream; on_open() or on_close() follows. The context is borrowed until
 * then. `server_name` is what the certificate must be for. */
static inline void wf_stream_secure(wf_stream *s, SSL_CTX *context, const char *server_name)
{
    s->ssl = SSL_new(context);
    s->state = WF_STREAM_SECURING;
    if (!s->ssl || !wf_tls_expect(s->ssl, server_name) || !SSL_set_fd(s->ssl, s->fd)) {
        wf_stream_break(s, WF_ACCOUNT, wf_tls_reason("TLS: cannot be set up"));
        return;
    }
    SSL_set_connect_state(s->ssl);
    wf_stream_shake_hands(s);
    wf_stream_events(s);
}

/* For servers: takes a connection that was accepted; the socket is the stream's from now on. With a
 * context by TLS. on_open() or on_close() is called, perhaps at once. */
static inline void wf_stream_take(wf_stream *s, int fd, SSL_CTX *context)
{
    int yes = 1;
    wf_stream_close(s);
    s->fd = fd;
    s->context = NULL;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    s->state = context ? WF_STREAM_SECURING : WF_STREAM_OPEN;
    s->watch = s->loop->watch(s->inst, fd, wf_stream_on_events, s);
    if (!s->watch) {
        wf_stream_break(s, WF_TRANSIENT, "its socket cannot be watched");
        return;
    }
    if (context) {
        s->ssl = SSL_new(context);
        if (!s->ssl || !SSL_set_fd(s->ssl, fd)) {
            wf_stream_break(s, WF_TRANSIENT, wf_tls_reason("TLS: cannot be set up"));
            return;
        }
        SSL_set_accept_state(s->ssl);
        wf_stream_shake_hands(s);
    } else {
        s->on_open(s->arg);
    }
    wf_stream_events(s);
}

static inline void wf_stream_connected(wf_stream *s)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error) {
        wf_stream_break(s, WF_TRANSIENT, strerror(error));
        return;
    }
    s->state = WF_STREAM_OPEN;
    if (s->context)
        wf_stream_secure(s, s->context, s->server_name);
    else
        s->on_open(s->arg);
}

static inline void wf_stream_on_events(void *arg, int events)
{
    wf_stream *s = arg;
    uint64_t life = s->lives;
    if (s->state == WF_STREAM_CONNECTING) {
        wf_stream_connected(s);
    } else if (s->state == WF_STREAM_SECURING) {
        wf_stream_shake_hands(s);
    } else if (s->state == WF_STREAM_OPEN) {
        if (events & WF_READABLE || s->wants_write)
            wf_stream_read(s);
        if (s->lives == life)
            wf_stream_flush(s);
        return;
    }
    if (s->lives == life)
        wf_stream_events(s);
}

/* Fills the address; its length, or 0: no address. */
static inline socklen_t wf_stream_address(const char *text, uint16_t port,
                                          struct sockaddr_storage *to)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
    struct sockaddr_un *local = (struct sockaddr_un *)to;
    memset(to, 0, sizeof *to);
    if (*text == '/' && strlen(text) < sizeof local->sun_path) {
        local->sun_family = AF_UNIX;
        memcpy(local->sun_path, text, strlen(text) + 1);
        return sizeof *local;
    }
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        return sizeof *v6;
    }
    return 0;
}

/* A socket on its way; -1 with errno. */
static inline int wf_stream_socket(const struct sockaddr_storage *to, socklen_t len)
{
    int yes = 1;
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (to->ss_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    }
    if (connect(fd, (const struct sockaddr *)to, len) == 0 || errno == EINPROGRESS)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Opens a cleared or closed stream whose loop, inst, functions and arg are set, to an address (as
 * text: IPv4, IPv6, or the path of a local socket). With a context by TLS, for the name given. The
 * context is borrowed until on_open() or on_close(), one of which is called, perhaps at once. */
static inline void wf_stream_connect(wf_stream *s, const char *address, uint16_t port,
                                     SSL_CTX *context, const char *server_name)
{
    struct sockaddr_storage to;
    socklen_t len = wf_stream_address(address, port, &to);
    wf_stream_close(s);
    int fd = len ? wf_stream_socket(&to, len) : -1;
    if (fd < 0) {
        s->on_close(s->arg, WF_TRANSIENT, len ? strerror(errno) : "this is no address");
        return;
    }
    s->fd = fd;
    s->state = WF_STREAM_CONNECTING;
    s->context = context;
    snprintf(s->server_name, sizeof s->server_name, "%s", server_name ? server_name : "");
    s->watch = s->loop->watch(s->inst, fd, wf_stream_on_events, s);
    if (s->watch)
        wf_stream_events(s);
    else
        wf_stream_break(s, WF_TRANSIENT, "its socket cannot be watched");
}
#endif
