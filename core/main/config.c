/* SPDX-License-Identifier: Apache-2.0
 * The table of settings and its four readers: file (JSON), environment (CATALYST_NAME), flags
 * (--name), help.
 */
#include "main/config.h"
#include "base/log.h"
#include "store/store.h"
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_CAP = 1 << 20 };
enum kind { TEXT = 1, LIST, INT, BYTES, MS, BOOL };

struct setting {
    const char *name; /* in the file; --name; CATALYST_NAME with _ for - */
    enum kind kind;
    size_t offset;
    const char *def, *value, *help; /* value: what --help calls it */
    int64_t min, max;
    bool secret;
};

#define AT(field) offsetof(struct config, field)

static const struct setting settings[] = {
    { "store", TEXT, AT(store), "sqlite:catalyst.db", "URL",
      "Where executions are kept: postgresql://user@host/db, sqlite:PATH, memory:", 0, 0, true },
    { "kafka", TEXT, AT(kafka), NULL, "HOST:PORT,..",
      "Kafka brokers; \"embedded\" runs a mock cluster in this process", 0, 0, false },
    { "kafka-property", LIST, AT(kafka_properties), NULL, "NAME=VALUE",
      "A setting handed to librdkafka (security.protocol, sasl.password ..); may be repeated", 0, 0,
      true },
    { "kafka-transactions", BOOL, AT(kafka_transactions), "false", "BOOL",
      "Outputs and consumer offsets go in Kafka transactions: a read_committed consumer sees each "
      "output once",
      0, 0, false },
    { "kafka-partitions", INT, AT(kafka_partitions), "4", "N",
      "Partitions of topics of the embedded cluster", 1, 1000, false },
    { "http-address", TEXT, AT(http_address), "127.0.0.1", "ADDRESS", "Address webhooks listen on",
      0, 0, false },
    { "http-port", INT, AT(http_port), "5678", "PORT", "Port webhooks listen on; 0: any; -1: none",
      -1, 65535, false },
    { "tls-cert", TEXT, AT(tls_cert), NULL, "FILE", "Certificate chain (PEM) for webhooks", 0, 0,
      false },
    { "tls-key", TEXT, AT(tls_key), NULL, "FILE", "Its private key (PEM)", 0, 0, false },
    { "http-body", BYTES, AT(http_body_bytes), "1M", "BYTES", "Largest body of a webhook request",
      1, INT_MAX, false },
    { "http-header", BYTES, AT(http_header_bytes), "16k", "BYTES",
      "Largest request line and headers", 256, 1 << 20, false },
    { "http-connections", INT, AT(http_connections), "10000", "N",
      "Connections of webhooks, per worker", 1, 1000000, false },
    { "webhook-accept-timeout", MS, AT(webhook_accept_ms), "10s", "TIME",
      "How long a webhook request waits for a store that does not answer, before 503", 100,
      86400000, false },
    { "admin-address", TEXT, AT(admin_address), "127.0.0.1", "ADDRESS",
      "Address of health, metrics and state", 0, 0, false },
    { "admin-port", INT, AT(admin_port), "5679", "PORT",
      "Port of health, metrics and state; 0: any; -1: none", -1, 65535, false },
    { "workers", INT, AT(workers), "0", "N", "Worker threads; 0: one per core", 0, WORKERS_MAX,
      false },
    { "workflows", LIST, AT(workflows), NULL, "PATH",
      "Workflow file, or folder of *.json; may be repeated; deployed at start", 0, 0, false },
    { "plugins", LIST, AT(plugins), NULL, "DIR", "A further folder of plugins; may be repeated", 0,
      0, false },
    { "credentials", TEXT, AT(credentials_file), NULL, "FILE",
      "Credentials in the clear: {\"name\": {\"type\": .., \"data\": {..}}}", 0, 0, false },
    { "credentials-key", TEXT, AT(credentials_key), NULL, "KEY",
      "Key of stored credentials: 64 hex digits, or a file that holds them", 0, 0, true },
    { "env-allow", LIST, AT(env_allow), NULL, "NAME",
      "Environment variable that $env may read; may be repeated", 0, 0, false },
    { "vars", TEXT, AT(vars_file), NULL, "FILE", "JSON object behind $vars", 0, 0, false },
    { "log-level", TEXT, AT(log_level), "info", "LEVEL", "debug, info, warn, error", 0, 0, false },
    { "log-format", TEXT, AT(log_format), "auto", "FORMAT", "text, json; auto: text on a terminal",
      0, 0, false },
    { "retention-days", INT, AT(retention_days), "14", "DAYS", "How long ended executions are kept",
      1, 36500, false },
    { "save-inputs", BOOL, AT(save_inputs), "true", "BOOL",
      "Keep the trigger messages of ended executions", 0, 0, false },
    { "migrate", BOOL, AT(migrate), "true", "BOOL", "Bring the store's schema up to date at start",
      0, 0, false },
    { "lua-memory", BYTES, AT(lua_memory_bytes), "64M", "BYTES", "Memory of scripts, per worker",
      1 << 20, INT64_MAX, false },
    { "lua-steps", INT, AT(lua_steps), "10000000", "N",
      "Lua instructions one run of a script may take", 1000, INT64_MAX, false },
    { "lua-dir", TEXT, AT(lua_dir), NULL, "DIR", "Folder that require() of scripts reads", 0, 0,
      false },
    { "max-live", INT, AT(max_live), "65536", "N",
      "Executions in memory, per worker, before triggers wait", 16, 100000000, false },
    { "evict-after", MS, AT(evict_after_ms), "30s", "TIME",
      "An execution whose next try is further away than that leaves memory; 0: none does", 0,
      86400000, false },
    { "accept-batch", INT, AT(accept_batch), "256", "N",
      "Messages taken between two rounds of frames", 1, 1024, false },
    { "blob-memory", BYTES, AT(blob_memory_bytes), "1M", "BYTES",
      "Binary data of one part above it lies in a file instead of memory", 1, INT64_MAX, false },
    { "blob-dir", TEXT, AT(blob_dir), NULL, "DIR",
      "Private folder of these files; default: catalyst-<user id> in $TMPDIR or /var/tmp", 0, 0,
      false },
    { "drain", MS, AT(drain_ms), "20s", "TIME", "How long a stop waits for what runs", 0, 86400000,
      false },
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

/* --- finding ---------------------------------------------------------------------------------- */

static const struct setting *find(const char *name)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (!strcmp(settings[i].name, name))
            return &settings[i];
    return NULL;
}

const char *config_nearest(const char *name)
{
    const char *names[N_SETTINGS];
    for (size_t i = 0; i < N_SETTINGS; i++)
        names[i] = settings[i].name;
    return str_nearest(name, names, N_SETTINGS);
}

static int unknown(const char *where, const char *name, struct err *err)
{
    const char *near = config_nearest(name);
    if (near)
        return err_set(err, ERR_INVALID, "%s: unknown setting '%s'; did you mean '%s'?", where,
                       name, near);
    return err_set(err, ERR_INVALID,
                   "%s: unknown setting '%s'; 'catalyst help settings' lists them", where, name);
}

/* --- setting ---------------------------------------------------------------------------------- */

static void list_add(struct config *c, const char ***list, const char *value)
{
    size_t n = 0;
    while (*list && (*list)[n])
        n++;
    const char **grown = ARENA_ARRAY(&c->arena, const char *, n + 2);
    if (n)
        memcpy(grown, *list, n * sizeof *grown);
    grown[n] = value;
    *list = grown;
}

static int64_t parse_int(const struct setting *s, const char *text)
{
    if (s->kind == BYTES)
        return config_bytes(text);
    if (s->kind == MS)
        return config_ms(text);
    char *end;
    long long v = strtoll(text, &end, 10);
    return *text && !*end ? v : INT64_MIN;
}

static int set_int(void *field, const struct setting *s, const char *text, const char *where,
                   struct err *err)
{
    int64_t v = parse_int(s, text);
    if (v == INT64_MIN || (v < 0 && s->kind != INT))
        return err_set(err, ERR_INVALID, "%s: '%s' must be a %s, got \"%s\"", where, s->name,
                       s->kind == BYTES ? "number of bytes like 64k or 2M"
                       : s->kind == MS  ? "time like 500ms or 20s"
                                        : "number",
                       text);
    if (v < s->min || v > s->max)
        return err_set(err, ERR_INVALID, "%s: '%s' must be from %lld to %lld, got %s", where,
                       s->name, (long long)s->min, (long long)s->max, text);
    *(int64_t *)field = v;
    return 0;
}

static int set_bool(bool *field, const struct setting *s, const char *text, const char *where,
                    struct err *err)
{
    bool yes = !strcmp(text, "true") || !strcmp(text, "1") || !strcmp(text, "yes");
    if (!yes && strcmp(text, "false") != 0 && strcmp(text, "0") != 0 && strcmp(text, "no") != 0)
        return err_set(err, ERR_INVALID, "%s: '%s' must be true or false, got \"%s\"", where,
                       s->name, text);
    *field = yes;
    return 0;
}

/* The password inside postgresql://user:password@host, and values of NAME=VALUE. */
static void hide(const char *value)
{
    const char *at = strchr(value, '@'), *scheme = strstr(value, "://"),
               *colon = scheme ? strchr(scheme + 3, ':') : NULL;
    const char *equals = strchr(value, '=');
    if (scheme && colon && at && colon < at)
        log_hide((wf_str){ colon + 1, (size_t)(at - colon - 1) });
    else if (equals && (strstr(value, "password") || strstr(value, "secret")))
        log_hide(str_of(equals + 1));
    else if (!scheme && !equals)
        log_hide(str_of(value));
}

static int set(struct config *c, const struct setting *s, const char *text, const char *where,
               struct err *err)
{
    void *field = (char *)c + s->offset;
    if (s->secret && strcmp(s->name, "store") != 0)
        hide(text);
    else if (s->secret && strstr(text, "://"))
        hide(text);
    switch (s->kind) {
    case TEXT:
        *(const char **)field = arena_strdup(&c->arena, text);
        return 0;
    case LIST:
        list_add(c, field, arena_strdup(&c->arena, text));
        return 0;
    case BOOL:
        return set_bool(field, s, text, where, err);
    case INT:
    case BYTES:
    case MS:
        return set_int(field, s, text, where, err);
    }
    return -1;
}

/* --- file ------------------------------------------------------------------------------------- */

static int set_json(struct config *c, const struct setting *s, const json_t *value,
                    const char *where, struct err *err)
{
    char number[64];
    if (json_is_string(value))
        return set(c, s, json_string_value(value), where, err);
    if (json_is_boolean(value) && s->kind == BOOL)
        return set(c, s, json_is_true(value) ? "true" : "false", where, err);
    if (json_is_integer(value) && s->kind != TEXT && s->kind != LIST && s->kind != BOOL) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        return set(c, s, number, where, err);
    }
    if (s->kind == LIST && json_is_array(value)) {
        size_t i;
        json_t *one;
        json_array_foreach(value, i, one)
        {
            if (!json_is_string(one))
                return err_set(err, ERR_INVALID, "%s: '%s' must be a list of texts", where,
                               s->name);
            if (set(c, s, json_string_value(one), where, err) != 0)
                return -1;
        }
        return 0;
    }
    static const char *const wanted[] = { [TEXT] = "a text",
                                          [LIST] = "a text or a list of texts",
                                          [INT] = "a whole number",
                                          [BYTES] = "a number of bytes or a text like \"64k\"",
                                          [MS] = "a text like \"500ms\" or \"20s\"",
                                          [BOOL] = "true or false" };
    return err_set(err, ERR_INVALID, "%s: '%s' must be %s", where, s->name, wanted[s->kind]);
}

static int read_file(struct config *c, const char *path, struct err *err)
{
    json_error_t why;
    wf_str text;
    if (file_read(&c->arena, path, FILE_CAP, &text, err) != 0)
        return setting_err("settings", err);
    json_t *doc = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &why);
    if (!doc)
        return err_set(err, ERR_INVALID, "%s:%d:%d: %s", path, why.line, why.column, why.text);
    const char *key;
    json_t *value;
    int result = json_is_object(doc)
                     ? 0
                     : err_set(err, ERR_INVALID, "%s: must be a JSON object of settings", path);
    json_object_foreach(doc, key, value)
    {
        const struct setting *s = find(key);
        result = s ? set_json(c, s, value, path, err) : unknown(path, key, err);
        if (result != 0)
            break;
    }
    json_decref(doc);
    c->file = arena_strdup(&c->arena, path);
    return result;
}

static int read_default_file(struct config *c, struct err *err)
{
    static const char *const places[] = { "catalyst.json", "/etc/catalyst/catalyst.json" };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], F_OK) == 0)
            return read_file(c, places[i], err);
    return 0;
}

/* --- environment ------------------------------------------------------------------------------ */

static void env_name(const char *name, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "CATALYST_");
    for (; *name && n + 1 < size; name++)
        out[n++] = *name == '-' ? '_' : *name >= 'a' && *name <= 'z' ? (char)(*name - 32) : *name;
    out[n] = 0;
}

extern char **environ;

static bool is_other_variable(const char *name)
{
    static const char *const others[] = {
        "CATALYST_CREDENTIAL_", "CATALYST_CONFIG=", "CATALYST_TEST_",       "CATALYST_SOURCE=",
        "CATALYST_BUILD=",      "CATALYST_BIN=",    "CATALYST_PLUGINS_DIR="
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strncmp(name, others[i], strlen(others[i])))
            return true;
    return false;
}

static int set_list_env(struct config *c, const struct setting *s, const char *value,
                        const char *where, struct err *err)
{
    char *copy = arena_strdup(&c->arena, value), *rest = copy, *one;
    *(const char ***)((char *)c + s->offset) = NULL;
    while ((one = strtok_r(rest, ",", &rest)))
        if (set(c, s, one, where, err) != 0)
            return -1;
    return 0;
}

static int read_environment(struct config *c, struct err *err)
{
    char name[128];
    for (char **e = environ; *e; e++) {
        const char *equals = strchr(*e, '=');
        if (strncmp(*e, "CATALYST_", 9) != 0 || !equals || is_other_variable(*e))
            continue;
        const struct setting *s = NULL;
        for (size_t i = 0; i < N_SETTINGS && !s; i++) {
            env_name(settings[i].name, name, sizeof name);
            if (strlen(name) == (size_t)(equals - *e) && !strncmp(name, *e, strlen(name)))
                s = &settings[i];
        }
        if (!s) {
            snprintf(name, sizeof name, "%.*s", (int)(equals - *e - 9), *e + 9);
            for (char *p = name; *p; p++)
                *p = *p == '_' ? '-' : *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
            return unknown("environment", name, err);
        }
        if ((s->kind == LIST ? set_list_env : set)(c, s, equals + 1, "environment", err) != 0)
            return -1;
    }
    return 0;
}

/* --- flags ------------------------------------------------------------------------------------ */

/* Calls fn for every --flag of ours; the words it takes are removed from args. */
static int read_flags(struct config *c, const char **args, int *n_args, bool only_config,
                      struct err *err)
{
    int kept = 0;
    bool lists_cleared[N_SETTINGS] = { false };
    for (int i = 0; i < *n_args; i++) {
        const char *word = args[i], *value = NULL;
        char name[64];
        if (strncmp(word, "--", 2) != 0 || !word[2]) {
            args[kept++] = word;
            continue;
        }
        const char *equals = strchr(word, '=');
        snprintf(name, sizeof name, "%.*s",
                 (int)(equals ? equals - word - 2 : (int)strlen(word) - 2), word + 2);
        const struct setting *s = find(name);
        bool is_config = !strcmp(name, "config");
        if ((!s && !is_config) || is_config != only_config) {
            args[kept++] = word;
            continue;
        }
        if (equals)
            value = equals + 1;
        else if (s && s->kind == BOOL && (i + 1 >= *n_args || !strncmp(args[i + 1], "--", 2)))
            value = "true";
        else if (i + 1 < *n_args)
            value = args[++i];
        else
            return err_set(err, ERR_INVALID, "--%s needs a value", name);
        if (is_config) {
            if (read_file(c, value, err) != 0)
                return -1;
            continue;
        }
        if (s->kind == LIST && !lists_cleared[s - settings]) {
            *(const char ***)((char *)c + s->offset) = NULL;
            lists_cleared[s - settings] = true;
        }
        if (set(c, s, value, "flag", err) != 0)
            return -1;
    }
    *n_args = kept;
    args[kept] = NULL;
    return 0;
}

int config_load(struct config *c, const char **args, int *n_args, struct err *err)
{
    memset(c, 0, sizeof *c);
    arena_init(&c->arena, NULL, 0);
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (settings[i].def && set(c, &settings[i], settings[i].def, "default", err) != 0)
            return -1;
    const char *file = getenv("CATALYST_CONFIG");
    if (read_flags(c, args, n_args, true, err) != 0)
        return -1;
    if (!c->file && (file ? read_file(c, file, err) : read_default_file(c, err)) != 0)
        return -1;
    if (read_environment(c, err) != 0)
        return -1;
    return read_flags(c, args, n_args, false, err);
}

void config_free(struct config *c) { arena_fini(&c->arena); }

void config_help(struct strbuf *b)
{
    strbuf_adds(b, "  --config FILE\n        Settings as a JSON object; otherwise ./catalyst.json "
                   "or /etc/catalyst/catalyst.json\n");
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];
        strbuf_addf(b, "  --%s %s\n        %s", s->name, s->value, s->help);
        if (s->def)
            strbuf_addf(b, " (%s)", s->def);
        strbuf_addc(b, '\n');
    }
}

void config_docs(struct strbuf *b)
{
    char name[128];
    strbuf_adds(b, "| in the file, flag | environment | default | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];
        env_name(s->name, name, sizeof name);
        strbuf_addf(b, "| `%s`, `--%s %s` | `%s` | %s%s%s | %s |\n", s->name, s->name, s->value,
                    name, s->def ? "`" : "", s->def ? s->def : "", s->def ? "`" : "", s->help);
    }
}
