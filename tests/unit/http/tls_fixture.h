/* SPDX-License-Identifier: Apache-2.0
 * A key and a self-signed certificate for 127.0.0.1 and localhost, made anew for each run in a
 * directory of its own.
 */
#ifndef TLS_FIXTURE_H
#define TLS_FIXTURE_H
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct tls_files {
    char dir[64], cert[96], key[96], other_key[96];
};

static inline EVP_PKEY *write_key(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *f = fopen(path, "w");
    if (!key || !f || PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) != 1)
        abort();
    fclose(f);
    return key;
}

static inline void write_cert(const char *path, EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(x, name);
    X509_EXTENSION *alt =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    X509_add_ext(x, alt, -1);
    X509_EXTENSION_free(alt);
    FILE *f = fopen(path, "w");
    if (!X509_sign(x, key, EVP_sha256()) || !f || PEM_write_X509(f, x) != 1)
        abort();
    fclose(f);
    X509_free(x);
}

static inline void tls_files_make(struct tls_files *t)
{
    snprintf(t->dir, sizeof t->dir, "/tmp/test-http-tls-XXXXXX");
    if (!mkdtemp(t->dir))
        abort();
    snprintf(t->cert, sizeof t->cert, "%s/cert.pem", t->dir);
    snprintf(t->key, sizeof t->key, "%s/key.pem", t->dir);
    snprintf(t->other_key, sizeof t->other_key, "%s/other.pem", t->dir);
    EVP_PKEY *key = write_key(t->key);
    write_cert(t->cert, key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(write_key(t->other_key));
}

static inline void tls_files_remove(const struct tls_files *t)
{
    unlink(t->cert);
    unlink(t->key);
    unlink(t->other_key);
    rmdir(t->dir);
}
#endif
