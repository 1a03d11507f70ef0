/* SPDX-License-Identifier: Apache-2.0
 * Compiled patterns on disk, because compiling ten thousand takes seconds and a restart should not.
 * A file is named by a hash of all that went into it: expressions, flags, vectorscan's version and
 * the processor. So a stale one is never read, and any number of engines may share a folder. Files
 * are written aside and renamed; one that is cut or damaged fails its checksum and is made anew.
 * The folder must be the operator's: who can write to it can write to the engine.
 *
 * Nothing here is an error: without a cache patterns are compiled.
 */
#include "patterns.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { KEEP_DAYS = 30, FILE_MAX = 1 << 30 };
static const char prefix[] = "patterns-", suffix[] = ".hsdb";

struct cache_head {
    char magic[8]; /* "CATPAT1" */
    uint64_t name[2], bytes, checksum;
};

static uint64_t hash_bytes(uint64_t h, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

static struct cache_head head_of(const struct expressions *x)
{
    struct cache_head h = { .magic = "CATPAT1",
                            .name = { 0xcbf29ce484222325u, 0x9e3779b97f4a7c15u } };
    hs_platform_info_t platform = { 0 };
    hs_populate_platform(&platform);
    for (unsigned k = 0; k < 2; k++) {
        uint64_t v = h.name[k];
        v = hash_bytes(v, hs_version(), strlen(hs_version()));
        v = hash_bytes(v, &platform, sizeof platform);
        for (size_t i = 0; i < x->n; i++) {
            v = hash_bytes(v, x->texts[i], strlen(x->texts[i]) + 1);
            v = hash_bytes(v, &x->flags[i], sizeof x->flags[i]);
        }
        h.name[k] = v;
    }
    return h;
}

static void path_of(char *path, size_t size, const char *folder, const struct cache_head *h)
{
    snprintf(path, size, "%s/%s%016llx%016llx%s", folder, prefix, (unsigned long long)h->name[0],
             (unsigned long long)h->name[1], suffix);
}

static char *read_body(FILE *f, const struct cache_head *wanted, struct cache_head *h)
{
    if (fread(h, sizeof *h, 1, f) != 1 || memcmp(h->magic, wanted->magic, sizeof h->magic) != 0 ||
        memcmp(h->name, wanted->name, sizeof h->name) != 0 || h->bytes > FILE_MAX)
        return NULL;
    char *body = malloc(h->bytes + 1);
    if (body && fread(body, 1, h->bytes + 1, f) == h->bytes &&
        hash_bytes(0, body, h->bytes) == h->checksum)
        return body;
    free(body);
    return NULL;
}

hs_database_t *pattern_cache_load(const char *folder, const struct expressions *x)
{
    char path[4096];
    struct cache_head wanted = head_of(x), h;
    hs_database_t *db = NULL;
    path_of(path, sizeof path, folder, &wanted);
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *body = read_body(f, &wanted, &h);
    if (body && hs_deserialize_database(body, h.bytes, &db) != HS_SUCCESS)
        db = NULL;
    free(body);
    fclose(f);
    return db;
}

/* Removes what no start has made or read for long; reading does not touch a file, so what is still
 * of use may go too and is made again. */
static void sweep(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    time_t oldest = time(NULL) - (time_t)KEEP_DAYS * 86400;
    while (d && (e = readdir(d)) != NULL) {
        char path[4096];
        struct stat st;
        if (strncmp(e->d_name, prefix, sizeof prefix - 1) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (stat(path, &st) == 0 && st.st_mtime < oldest)
            unlink(path);
    }
    if (d)
        closedir(d);
}

void pattern_cache_store(const char *folder, const struct expressions *x, const hs_database_t *db)
{
    char path[4096], aside[4200], *body = NULL;
    struct cache_head h = head_of(x);
    size_t bytes = 0;
    if (hs_serialize_database(db, &body, &bytes) != HS_SUCCESS)
        return;
    h.bytes = bytes;
    h.checksum = hash_bytes(0, body, bytes);
    path_of(path, sizeof path, folder, &h);
    snprintf(aside, sizeof aside, "%s.%ld", path, (long)getpid());
    FILE *f = fopen(aside, "wb");
    if (f) {
        int good = fwrite(&h, sizeof h, 1, f) == 1 && fwrite(body, 1, bytes, f) == bytes;
        good = fclose(f) == 0 && good;
        if (!good || rename(aside, path) != 0)
            unlink(aside);
        sweep(folder);
    }
    free(body);
}
