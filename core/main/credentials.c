/* SPDX-License-Identifier: Apache-2.0
 * Credentials: from a file, the environment and the store, typed by the plugins' tables, in memory
 * only.
 *
 * Those in the store are sealed: AES-256-GCM under the key of the settings, "v1:" base64(nonce,
 * ciphertext, tag) with the credential's id and type as associated data, so that one cannot be put
 * in another's place. Every secret is told to the logger, which hides it, and wiped at the end.
 */
#include "main/credentials.h"
#include "base/base64.h"
#include "base/log.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_CAP = 4 << 20, NAME_CAP = 128 };

struct credentials {
    struct arena arena;
    const struct plugin_set *plugins;
    struct wf_cred **list;
    size_t n, size;
    unsigned char key[SEAL_KEY_BYTES];
    bool has_key;
};

/* --- one credential --------------------------------------------------------------------------- */

static const wf_param *find_field(const wf_cred_type *type, wf_str name)
{
    for (const wf_param *p = type->fields; p && p->name; p++)
        if (str_eq(str_of(p->name), name))
            return p;
    return NULL;
}

/* Fields a type has no row for. */
static int check_names(const wf_cred_type *type, const struct json *data, const char *name,
                       struct err *err)
{
    const char *names[64];
    size_t n = 0;
    for (const wf_param *p = type->fields; p && p->name && n < 64; p++)
        names[n++] = p->name;
    for (uint32_t i = 0; i < data->len; i++) {
        wf_str key = json_str(&data->members[i].key);
        if (find_field(type, key))
            continue;
        char given[NAME_CAP];
        snprintf(given, sizeof given, "%.*s", STR_ARG(key));
        const char *near = str_nearest(given, names, n);
        return err_set(err, ERR_INVALID, "credential '%s': type '%s' has no field '%s'%s%s%s", name,
                       type->type, given, near ? "; did you mean '" : "", near ? near : "",
                       near ? "'?" : "");
    }
    return 0;
}

/* As a plugin reads it: a choice's name, "true" or "false", a number's digits, the text. What is
 * null, empty or not there is the default; text must be text, so that no number loses its zeros. */
static int read_field(struct arena *a, const wf_param *row, const struct json *given, wf_str *value,
                      struct err *err)
{
    bool empty = !given || given->type == JSON_NULL || (given->type == JSON_STRING && !given->len);
    if (empty && row->flags & WF_REQUIRED)
        return err_set(err, ERR_INVALID, "field '%s' is missing (%s)", row->name, row->help);
    *value = row->def ? str_of(row->def) : (wf_str){ "", 0 };
    if (!empty && param_text(a, row, given, value, err) != 0)
        return err_context(err, "field '%s'", row->name);
    return 0;
}

static size_t count_fields(const wf_cred_type *type)
{
    size_t n = 0;
    while (type->fields && type->fields[n].name)
        n++;
    return n;
}

static int unknown_type(const struct plugin_set *plugins, const char *name, const char *type,
                        struct err *err)
{
    const char *names[256];
    size_t n = 0;
    const struct plugin *plugin;
    for (size_t i = 0; (plugin = plugin_at(plugins, i)); i++)
        for (size_t k = 0; k < plugin->n_creds && n < 256; k++)
            names[n++] = plugin->creds[k].type;
    const char *near = str_nearest(type, names, n);
    return err_set(err, ERR_INVALID, "credential '%s': no plugin knows the type '%s'%s%s%s", name,
                   type, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int credentials_add(struct credentials *cs, wf_str id, wf_str name, wf_str type_name,
                    const struct json *data, struct err *err)
{
    struct arena *a = &cs->arena;
    const char *shown = arena_str(a, name.ptr, name.len).ptr;
    const char *type_text = arena_str(a, type_name.ptr, type_name.len).ptr;
    const wf_cred_type *type = plugin_find_cred(cs->plugins, type_text);
    if (!type)
        return unknown_type(cs->plugins, shown, type_text, err);
    if (!data || data->type != JSON_OBJECT)
        return err_set(err, ERR_INVALID, "credential '%s': its data must be an object", shown);
    if (check_names(type, data, shown, err) != 0)
        return -1;
    struct cred_field *fields = ARENA_ARRAY(a, struct cred_field, count_fields(type) + 1);
    struct wf_cred *cred = ARENA_NEW(a, struct wf_cred);
    *cred = (struct wf_cred){ arena_str(a, id.ptr, id.len).ptr, shown, type->type, fields, 0 };
    for (const wf_param *row = type->fields; row && row->name; row++) {
        const struct json *given = json_get(data, row->name, strlen(row->name));
        wf_str value;
        if (read_field(a, row, given, &value, err) != 0)
            return err_context(err, "credential '%s'", shown);
        fields[cred->n_fields++] =
            (struct cred_field){ row->name, arena_str(a, value.ptr, value.len) };
        if (given && row->flags & WF_SECRET)
            log_hide(fields[cred->n_fields - 1].value);
    }
    fields[cred->n_fields++] = (struct cred_field){ CRED_ID, arena_str(a, id.ptr, id.len) };
    if (cs->n == cs->size) {
        cs->size = cs->size ? cs->size * 2 : 16;
        cs->list = xrealloc(cs->list, cs->size * sizeof *cs->list);
    }
    cs->list[cs->n++] = cred;
    return 0;
}

static int add_document(struct credentials *cs, wf_str name, const struct json *doc,
                        struct err *err)
{
    wf_str type = json_str(JSON_GET(doc, "type"));
    return credentials_add(cs, name, name, type, JSON_GET(doc, "data"), err);
}

/* --- sources ---------------------------------------------------------------------------------- */

static int add_file(struct credentials *cs, const char *path, struct err *err)
{
    wf_str text;
    struct json doc;
    struct json_error why;
    if (file_read(&cs->arena, path, FILE_CAP, &text, err) != 0)
        return setting_err("credentials", err);
    if (json_parse(&cs->arena, text.ptr, text.len, 0, &doc, &why) != 0)
        return err_set(err, ERR_INVALID, "%s: byte %zu: %s", path, why.offset, why.reason);
    if (doc.type != JSON_OBJECT)
        return err_set(err, ERR_INVALID,
                       "%s: must be an object: {\"name\": {\"type\": .., \"data\": {..}}}", path);
    for (uint32_t i = 0; i < doc.len; i++)
        if (add_document(cs, json_str(&doc.members[i].key), &doc.members[i].value, err) != 0)
            return err_context(err, "%s", path);
    return 0;
}

extern char **environ;

/* CATALYST_CREDENTIAL_MY_REDIS='{"type":"redis","data":{..}}' is the credential "my_redis". */
static int add_environment(struct credentials *cs, struct err *err)
{
    static const char prefix[] = "CATALYST_CREDENTIAL_";
    for (char **e = environ; *e; e++) {
        const char *equals = strchr(*e, '=');
        if (strncmp(*e, prefix, sizeof prefix - 1) != 0 || !equals)
            continue;
        char name[NAME_CAP];
        size_t len = (size_t)(equals - *e) - (sizeof prefix - 1);
        if (!len || len >= sizeof name)
            continue;
        for (size_t i = 0; i < len; i++)
            name[i] = (char)tolower((unsigned char)(*e)[sizeof prefix - 1 + i]);
        name[len] = 0;
        struct json doc;
        struct json_error why;
        if (json_parse_copy(&cs->arena, equals + 1, strlen(equals + 1), 0, &doc, &why) != 0)
            return err_set(err, ERR_INVALID, "environment: credential '%s': byte %zu: %s", name,
                           why.offset, why.reason);
        if (add_document(cs, (wf_str){ name, len }, &doc, err) != 0)
            return err_context(err, "environment");
    }
    return 0;
}

struct from_store {
    struct credentials *cs;
    unsigned locked;
};

static void on_stored(void *ctx, const struct store_credential *sc)
{
    struct from_store *from = ctx;
    struct credentials *cs = from->cs;
    wf_str text;
    struct json data;
    struct json_error why;
    struct err err;
    if (!cs->has_key) {
        from->locked++;
        return;
    }
    if (seal_open(&cs->arena, cs->key, sc->id, sc->type, sc->sealed, &text) != 0) {
        log_error("credentials", "sealed", "credential '%.*s' cannot be opened with this key",
                  STR_ARG(sc->name));
        return;
    }
    if (json_parse(&cs->arena, text.ptr, text.len, 0, &data, &why) != 0 ||
        credentials_add(cs, sc->id, sc->name, sc->type, &data, &err) != 0)
        log_error("credentials", "stored", "credential '%.*s': %s", STR_ARG(sc->name),
                  why.reason ? why.reason : err.text);
}

static int add_store(struct credentials *cs, struct store *store, struct err *err)
{
    struct from_store from = { .cs = cs };
    if (store_credentials(store, on_stored, &from, err) != 0)
        return -1;
    if (from.locked)
        log_warn("credentials", "locked",
                 "%u stored credentials cannot be read: set credentials-key", from.locked);
    return 0;
}

struct credentials *credentials_load(const struct config *c, const struct plugin_set *plugins,
                                     struct store *store, struct err *err)
{
    struct credentials *cs = xcalloc(1, sizeof *cs);
    cs->plugins = plugins;
    arena_init(&cs->arena, NULL, 0);
    if (c->credentials_key) {
        if (seal_key(c->credentials_key, cs->key, err) != 0)
            goto fail;
        cs->has_key = true;
    }
    if ((c->credentials_file && add_file(cs, c->credentials_file, err) != 0) ||
        add_environment(cs, err) != 0 || (store && add_store(cs, store, err) != 0))
        goto fail;
    return cs;
fail:
    credentials_free(cs);
    return NULL;
}

void credentials_free(struct credentials *cs)
{
    for (size_t i = 0; i < cs->n; i++)
        for (uint32_t k = 0; k < cs->list[i]->n_fields; k++)
            explicit_bzero((char *)cs->list[i]->fields[k].value.ptr,
                           cs->list[i]->fields[k].value.len);
    explicit_bzero(cs->key, sizeof cs->key);
    free(cs->list);
    arena_fini(&cs->arena);
    free(cs);
}

/* --- finding ---------------------------------------------------------------------------------- */

static bool type_allowed(const char *types, const char *type)
{
    size_t len = strlen(type);
    for (const char *at = types; at && *at;) {
        size_t n = strcspn(at, ",");
        if (n == len && !memcmp(at, type, n))
            return true;
        at += n + (at[n] == ',');
    }
    return false;
}

const wf_cred *credentials_find(void *ctx, wf_str id, wf_str name, const char *types, char *why,
                                size_t why_size)
{
    const struct credentials *cs = ctx;
    const char *names[256];
    size_t n = 0;
    for (size_t i = 0; i < cs->n; i++) {
        const struct wf_cred *cred = cs->list[i];
        bool same = (id.len && str_eq(id, str_of(cred->id))) ||
                    (name.len && str_eq(name, str_of(cred->name)));
        if (same && type_allowed(types, cred->type))
            return cred;
        if (same) {
            snprintf(why, why_size, "credential '%s' is of type %s, this needs %s", cred->name,
                     cred->type, types);
            return NULL;
        }
        if (n < 256 && type_allowed(types, cred->type))
            names[n++] = cred->name;
    }
    char given[NAME_CAP];
    snprintf(given, sizeof given, "%.*s", STR_ARG(name.len ? name : id));
    const char *near = str_nearest(given, names, n);
    if (near)
        snprintf(why, why_size, "there is no credential '%s'; did you mean '%s'?", given, near);
    else
        snprintf(why, why_size,
                 "there is no credential '%s' of type %s; set it with 'catalyst credentials set'",
                 given, types);
    return NULL;
}
