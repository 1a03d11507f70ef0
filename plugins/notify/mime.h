/* SPDX-License-Identifier: Apache-2.0
 * A mail as RFC 5322 and MIME have it: headers with words of any language, a text and an HTML form
 * of the same content, ids for threads. Nothing of what is given can add a header. Thread: any.
 */
#ifndef PLUGIN_NOTIFY_MIME_H
#define PLUGIN_NOTIFY_MIME_H
#include <stddef.h>
#include <stdint.h>

enum { MIME_RECIPIENTS_MAX = 50, MIME_ADDRESS_MAX = 254 };

struct mime_mail {
    const char *from, *to; /* "Ann <ann@example.com>"; several of `to` with commas */
    const char *reply_to;  /* or "" */
    const char *subject, *text;
    const char *html;   /* "": made of the text */
    const char *id;     /* of the message, without domain */
    const char *thread; /* what belongs together; or "" */
    int64_t at_ms;
};

/* The whole message with CRLF; to be freed. */
char *mime_build(const struct mime_mail *mail, size_t *len);
/* Addresses out of "Ann <ann@example.com>, bob@example.com": 0, or -1 when one is none. */
int mime_addresses(const char *list, char to[][MIME_ADDRESS_MAX + 1], size_t *n);
/* Text as HTML; to be freed. */
char *mime_html(const char *text);

#endif
