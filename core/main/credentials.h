/* SPDX-License-Identifier: Apache-2.0
 * What the two files of credentials share: sealing, and adding one that was checked.
 */
#ifndef CATALYST_CREDENTIALS_H
#define CATALYST_CREDENTIALS_H
#include "main/main.h"
#include "plugin/cred.h"

enum { SEAL_KEY_BYTES = 32 };

/* A key from 64 hex digits or from a file that holds them. 0, or -1 with *err. */
int seal_key(const char *text, unsigned char key[SEAL_KEY_BYTES], struct err *err);
/* AES-256-GCM: "v1:" base64(nonce | ciphertext | tag); id and type are authenticated too. */
int seal_close(struct strbuf *sealed, const unsigned char key[SEAL_KEY_BYTES], wf_str id,
               wf_str type, wf_str text, struct err *err);
/* 0, or -1: another key, another id or type, or damaged. */
int seal_open(struct arena *a, const unsigned char key[SEAL_KEY_BYTES], wf_str id, wf_str type,
              wf_str sealed, wf_str *text);

/* Checks `data` against the type's table and keeps it. */
int credentials_add(struct credentials *cs, wf_str id, wf_str name, wf_str type,
                    const struct json *data, struct err *err);

#endif
