/* SPDX-License-Identifier: Apache-2.0
 * sign: checks of signatures on webhooks, all in constant time of the secret.
 */
#ifndef CATALYST_SIGN_H
#define CATALYST_SIGN_H
#include "base/arena.h"
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

/* HMAC-SHA256 over timestamp "." body (or the body alone when timestamp is empty). `given` is hex
 * or base64, with or without "sha256=" or "v1=" before it. */
bool sign_check_hmac(wf_str secret, wf_str timestamp, wf_str body, wf_str given);
/* Slack's: hex after "v0=", over v0:timestamp:body. */
bool sign_check_slack(wf_str secret, wf_str timestamp, wf_str body, wf_str given);
/* Standard Webhooks: over id.timestamp.body; `secrets` are base64, also after "whsec_", several
 * with spaces or commas, and `given` are signatures with spaces: one of "v1," that fits one secret
 * is enough. */
bool sign_check_standard(wf_str secrets, wf_str id, wf_str timestamp, wf_str body, wf_str given);
/* A time in seconds or milliseconds since 1970, or false. */
bool sign_parse_time(wf_str text, int64_t *ms);
/* A JSON Web Token (RFC 7519) signed with HS256/384/512 (key: the secret) or RS256/384/512, ES256
 * (key: PEM). Only `algorithm` is taken; exp and nbf are checked against now_s with a minute's
 * grace. The payload's JSON text in the arena, or -1 with *err. */
int sign_check_jwt(struct arena *a, wf_str token, wf_str key, const char *algorithm, int64_t now_s,
                   wf_str *payload, struct err *err);
/* SHA-256 over these texts, each with its length in front, as 64 hex digits and NUL. */
void sign_hash(const wf_str *texts, size_t n, char hex[65]);

#endif
