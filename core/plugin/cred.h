/* SPDX-License-Identifier: Apache-2.0
 * cred: a credential in the clear, as the engine holds it in memory. Plugins see it as an opaque
 * wf_cred and read its fields by name; only main/ (which decrypts) makes one. Read-only and shared
 * by all threads.
 */
#ifndef CATALYST_CRED_H
#define CATALYST_CRED_H
#include <catalyst/plugin.h>
#include <string.h>

/* A field that every credential has: its own id, for outputs that name it as their connection. */
#define CRED_ID "$id"

struct cred_field {
    const char *name;
    wf_str value;
};

struct wf_cred {
    const char *id, *name, *type;
    const struct cred_field *fields;
    uint32_t n_fields;
};

/* The field's value; empty when there is none. */
static inline wf_str cred_get(const struct wf_cred *cred, const char *field)
{
    for (uint32_t i = 0; cred && i < cred->n_fields; i++)
        if (!strcmp(cred->fields[i].name, field))
            return cred->fields[i].value;
    return (wf_str){ "", 0 };
}
#endif
