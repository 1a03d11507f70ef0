/* SPDX-License-Identifier: Apache-2.0
 * TLS of the server: OpenSSL between the socket and the parser, through memory BIOs, so that libuv
 * keeps the socket and nothing here ever waits.
 *
 *   socket -> tls_feed -> read BIO -> SSL_read  -> parse_feed
 *   socket <- tls_encrypt <- write BIO <- SSL_write <- conn.out
 *
 * TLS 1.2 and 1.3, no renegotiation, ALPN http/1.1. Thread: the loop's.
 */
#include "http/server_int.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

enum { CIPHER_BATCH = 64 << 10 };

/* What OpenSSL's last error means for a file that should hold `what`. */
static void explain(unsigned long code, const char *what, char *why, size_t size)
{
    int lib = ERR_GET_LIB(code), reason = ERR_GET_REASON(code);
    if (ERR_SYSTEM_ERROR(code))
        snprintf(why, size, "%s", strerror(reason));
    else if (lib == ERR_LIB_PEM && reason == PEM_R_NO_START_LINE)
        snprintf(why, size, "holds no %s in PEM form (-----BEGIN ...)", what);
    else if (lib == ERR_LIB_PEM &&
             (reason == PEM_R_BAD_PASSWORD_READ || reason == PEM_R_PROBLEMS_GETTING_PASSWORD))
        snprintf(why, size, "is locked by a password; 'openssl pkey' makes one without");
    else if (lib == ERR_LIB_X509 &&
             (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH))
        snprintf(why, size, "is not the key of the certificate");
    else if (lib == ERR_LIB_SSL && reason == SSL_R_EE_KEY_TOO_SMALL)
        snprintf(why, size, "its key is too short to be safe");
    else
        snprintf(why, size, "holds no %s that can be read; it is damaged or of another form", what);
}

static int fail(struct err *err, const char *setting, const char *what, const char *path)
{
    char why[160];
    unsigned long first = ERR_peek_error(); /* a file that cannot be opened is wrapped */
    explain(ERR_SYSTEM_ERROR(first) ? first : ERR_peek_last_error(), what, why, sizeof why);
    ERR_clear_error();
    return err_set(err, ERR_INVALID, "http: TLS: %s '%s': %s", setting, path, why);
}

/* Nobody is there to be asked. */
static int no_password(char *to, int size, int writing, void *arg)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl;
    (void)arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *tls_context(const char *cert, const char *key, struct err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        err_set(err, ERR_INTERNAL, "http: TLS: OpenSSL cannot be started");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        fail(err, "tls-cert", "certificate", cert);
    else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        fail(err, "tls-key", "private key", key);
    else if (SSL_CTX_check_private_key(ctx) != 1)
        fail(err, "tls-key", "private key", key);
    else
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

int tls_attach(struct conn *c)
{
    c->ssl = SSL_new(c->server->tls);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (!c->ssl || !in || !out)
        bug_out_of_memory(0);
    BIO_set_mem_eof_return(in, -1);
    BIO_set_mem_eof_return(out, -1);
    SSL_set_bio(c->ssl, in, out);
    SSL_set_accept_state(c->ssl);
    return 0;
}

int tls_pump(struct conn *c)
{
    struct http_server *s = c->server;
    int n = 1;
    ERR_clear_error();
    while (!c->is_paused && c->state != CONN_CLOSED &&
           (n = SSL_read(c->ssl, s->plain_buffer, sizeof s->plain_buffer)) > 0)
        parse_feed(c, s->plain_buffer, (size_t)n);
    if (c->state == CONN_CLOSED)
        return 0;
    conn_touch(c); /* handshake messages, alerts */
    if (n > 0)
        return 0;
    int why = SSL_get_error(c->ssl, n);
    if (why == SSL_ERROR_WANT_READ)
        return 0;
    if (why != SSL_ERROR_ZERO_RETURN)
        s->stats.tls_failed++;
    ERR_clear_error();
    return -1;
}

int tls_feed(struct conn *c, const char *ptr, size_t len)
{
    if (BIO_write(SSL_get_rbio(c->ssl), ptr, (int)len) != (int)len)
        return -1;
    return tls_pump(c);
}

int tls_encrypt(struct conn *c, const char **ptr, size_t *len)
{
    BIO *bio = SSL_get_wbio(c->ssl);
    ERR_clear_error();
    while (c->out.bytes && BIO_ctrl_pending(bio) < CIPHER_BATCH && SSL_is_init_finished(c->ssl)) {
        struct out_chunk *first = c->out.first;
        size_t batch = first->len < CIPHER_BATCH ? first->len : CIPHER_BATCH;
        int n = SSL_write(c->ssl, first->ptr, (int)batch);
        if (n <= 0) {
            if (SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ)
                break; /* a post-handshake message of the client comes first */
            ERR_clear_error();
            return -1;
        }
        outq_consume(c->server, &c->out, (size_t)n);
    }
    char *data;
    long n = BIO_get_mem_data(bio, &data);
    *ptr = data;
    *len = n > 0 ? (size_t)n : 0;
    return 0;
}

void tls_sent(struct conn *c) { (void)BIO_reset(SSL_get_wbio(c->ssl)); }

void tls_close_notify(struct conn *c)
{
    ERR_clear_error();
    if (SSL_is_init_finished(c->ssl))
        SSL_shutdown(c->ssl);
    ERR_clear_error();
}
