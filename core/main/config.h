/* SPDX-License-Identifier: Apache-2.0
 * config: the settings. One table is parser, check, --help and manual: a setting that is not in it
 * does not exist. File, then environment, then flags; the later wins.
 */
#ifndef CATALYST_CONFIG_H
#define CATALYST_CONFIG_H
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

/* A list of texts: NULL-ended. */
struct config {
    struct arena arena;
    const char *file; /* the settings file that was read, or NULL */
    const char *store;
    const char *kafka;             /* brokers, or "embedded"; NULL: none */
    const char **kafka_properties; /* "name=value" */
    bool kafka_transactions;
    int64_t kafka_partitions; /* of topics made by the embedded cluster */
    const char *http_address;
    int64_t http_port; /* 0: any; -1: no webhooks */
    const char *tls_cert, *tls_key;
    int64_t http_body_bytes, http_header_bytes, http_connections;
    int64_t webhook_accept_ms;
    const char *admin_address;
    int64_t admin_port;
    int64_t workers; /* 0: one per core */
    const char **workflows;
    const char **plugins;
    const char *credentials_file, *credentials_key;
    const char **env_allow;
    const char *vars_file;
    const char *log_level, *log_format;
    int64_t retention_days;
    bool save_inputs, migrate;
    int64_t lua_memory_bytes, lua_steps;
    const char *lua_dir;
    int64_t max_live, accept_batch, evict_after_ms;
    int64_t blob_memory_bytes;
    const char *blob_dir;
    int64_t drain_ms;
};

/* Reads everything. `args` are the words after the command; flags are taken out and the others left
 * in args
 * (*n_args is changed). 0, or -1 with *err: the place, the name, the nearest right one. */
int config_load(struct config *c, const char **args, int *n_args, struct err *err);
void config_free(struct config *c);
/* The setting whose name is nearest to a word of the command line, or NULL. */
const char *config_nearest(const char *name);
/* "--store URL   ..." for --help, and the manual's table (Markdown). */
void config_help(struct strbuf *b);
void config_docs(struct strbuf *b);

/* "64k" and "20s" as parameters of nodes have them; -1: no such. Apart, because jansson, which
 * reads the file, and the item format share names. */
int64_t config_bytes(const char *text);
int64_t config_ms(const char *text);

/* --- args.c ----------------------------------------------------------------------------------- */

/* Whole file, NUL-ended, in the arena; "-" is standard input. 0, or -1 with *err. */
int file_read(struct arena *a, const char *path, size_t cap, wf_str *out, struct err *err);
/* *err, which came from what a setting names, with the setting's name before it; returns -1. */
int setting_err(const char *name, struct err *err);

#endif
