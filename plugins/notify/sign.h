/* SPDX-License-Identifier: Apache-2.0
 * Signatures of Standard Webhooks: v1,base64(HMAC-SHA256(secret, id.timestamp.body)). Thread: any.
 */
#ifndef PLUGIN_NOTIFY_SIGN_H
#define PLUGIN_NOTIFY_SIGN_H
#include <stddef.h>
#include <stdint.h>

enum { SIGN_SECRETS_MAX = 5, SIGN_SIZE = SIGN_SECRETS_MAX * 64 };

/* One signature for each of the secrets, which stand apart by spaces or commas ("whsec_..", base64
 * of 24 to 64 bytes), parted by spaces. Returns how many; -1: a secret is none. */
int sign_all(const char *secrets, size_t secrets_len, const char *id, int64_t timestamp_s,
             const char *body, size_t body_len, char to[SIGN_SIZE]);

#endif
