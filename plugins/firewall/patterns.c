/* SPDX-License-Identifier: Apache-2.0
 * Compiling and matching. Patterns over normalised texts and those over texts as they came are two
 * databases, because each is read for its own text; most snapshots have only the first. A database
 * takes SLICE patterns, far more than the 10,000 we aim at: each further one is another pass over
 * every text.
 */
#include "patterns.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE = 32768, TOLD_EVERY = 256, DBS_MAX = 16 };

struct patterns {
    hs_database_t *normal[DBS_MAX], *raw[DBS_MAX];
    unsigned n_normal, n_raw;
    uint32_t *numbers; /* of each expression */
    size_t n, bytes;
};

/* --- compiling -------------------------------------------------------------------------------- */

struct compiling {
    struct patterns *p;
    struct expressions normal, raw;
    size_t *owners; /* which pattern an expression comes from */
    size_t size;
    const struct content_options *options;
    struct content_problem *why;
    size_t done, total;
};

static void *grown(void *array, size_t n, size_t each)
{
    array = realloc(array, n * each);
    if (!array)
        abort();
    return array;
}

static int tell(struct compiling *c, size_t done)
{
    const struct content_options *o = c->options;
    c->done = done < c->total ? done : c->total;
    if (!o->on_progress || o->on_progress(o->progress_data, c->done, c->total) == 0)
        return 0;
    c->why->pattern = SIZE_MAX;
    snprintf(c->why->text, sizeof c->why->text, "compiling was given up");
    return -1;
}

static void add_expression(struct compiling *c, struct expressions *x, const struct expression *e,
                           size_t owner, uint32_t number)
{
    struct patterns *p = c->p;
    if (x->n == x->size) {
        x->size = x->size ? x->size * 2 : 256;
        x->texts = grown(x->texts, x->size, sizeof *x->texts);
        x->flags = grown(x->flags, x->size, sizeof *x->flags);
        x->ids = grown(x->ids, x->size, sizeof *x->ids);
    }
    if (p->n == c->size) {
        c->size = c->size ? c->size * 2 : 256;
        p->numbers = grown(p->numbers, c->size, sizeof *p->numbers);
        c->owners = grown(c->owners, c->size, sizeof *c->owners);
    }
    x->texts[x->n] = strdup(e->text);
    if (!x->texts[x->n])
        abort();
    x->flags[x->n] = e->flags;
    x->ids[x->n++] = (unsigned)p->n;
    c->owners[p->n] = owner;
    p->numbers[p->n++] = number;
}

static int read_patterns(struct compiling *c, const struct content_pattern *patterns, size_t n)
{
    struct expression *forms = malloc(EXPRESSION_FORMS * sizeof *forms);
    int failed = 0;
    if (!forms)
        abort();
    for (size_t i = 0; i < n && !failed; i++) {
        unsigned count = expression_forms(&patterns[i], forms, c->why);
        struct expressions *x = patterns[i].kind == CONTENT_REGEX_RAW ? &c->raw : &c->normal;
        c->why->pattern = i;
        failed = count == 0 || (i % TOLD_EVERY == 0 && tell(c, i) != 0);
        for (unsigned k = 0; k < count && !failed; k++)
            add_expression(c, x, &forms[k], i, patterns[i].number);
    }
    free(forms);
    return failed;
}

static hs_database_t *compile_slice(struct compiling *c, const struct expressions *x)
{
    const char *folder = c->options->cache_folder;
    hs_compile_error_t *error = NULL;
    hs_database_t *db = folder ? pattern_cache_load(folder, x) : NULL;
    if (db)
        return db;
    if (hs_compile_multi((const char *const *)x->texts, x->flags, x->ids, (unsigned)x->n,
                         HS_MODE_BLOCK, NULL, &db, &error) != HS_SUCCESS) {
        int known = error->expression >= 0 && (size_t)error->expression < x->n;
        c->why->pattern = known ? c->owners[x->ids[error->expression]] : SIZE_MAX;
        snprintf(c->why->text, sizeof c->why->text, "%s", error->message);
        hs_free_compile_error(error);
        return NULL;
    }
    if (folder)
        pattern_cache_store(folder, x, db);
    return db;
}

static int compile_all(struct compiling *c, const struct expressions *x, hs_database_t **dbs,
                       unsigned *n_dbs)
{
    for (size_t at = 0; at < x->n; at += SLICE) {
        struct expressions slice = { .texts = x->texts + at,
                                     .flags = x->flags + at,
                                     .ids = x->ids + at,
                                     .n = x->n - at < SLICE ? x->n - at : SLICE };
        size_t bytes = 0;
        if (*n_dbs == DBS_MAX) {
            c->why->pattern = SIZE_MAX;
            snprintf(c->why->text, sizeof c->why->text, "more than %d patterns", SLICE * DBS_MAX);
            return -1;
        }
        hs_database_t *db = compile_slice(c, &slice);
        if (!db)
            return -1;
        dbs[(*n_dbs)++] = db;
        hs_database_size(db, &bytes);
        c->p->bytes += bytes;
        if (tell(c, c->done + slice.n) != 0)
            return -1;
    }
    return 0;
}

static void drop_expressions(struct expressions *x)
{
    for (size_t i = 0; i < x->n; i++)
        free(x->texts[i]);
    free(x->texts);
    free(x->flags);
    free(x->ids);
}

struct patterns *patterns_compile(const struct content_pattern *patterns, size_t n,
                                  const struct content_options *options,
                                  struct content_problem *why)
{
    struct patterns *p = calloc(1, sizeof *p);
    struct compiling c = { .p = p, .options = options, .why = why, .total = 2 * n };
    if (!p)
        abort();
    *why = (struct content_problem){ .pattern = SIZE_MAX };
    int failed = 0;
    if (n && hs_valid_platform() != HS_SUCCESS) {
        snprintf(why->text, sizeof why->text,
                 "this processor cannot match patterns: vectorscan needs SSE 4.2 or arm64");
        failed = 1;
    }
    failed = failed || read_patterns(&c, patterns, n) ||
             compile_all(&c, &c.normal, p->normal, &p->n_normal) ||
             compile_all(&c, &c.raw, p->raw, &p->n_raw) || tell(&c, c.total);
    drop_expressions(&c.normal);
    drop_expressions(&c.raw);
    free(c.owners);
    p->bytes += sizeof *p + c.size * sizeof *p->numbers;
    if (!failed)
        return p;
    patterns_free(p);
    return NULL;
}

void patterns_free(struct patterns *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->n_normal; i++)
        hs_free_database(p->normal[i]);
    for (unsigned i = 0; i < p->n_raw; i++)
        hs_free_database(p->raw[i]);
    free(p->numbers);
    free(p);
}

size_t patterns_bytes(const struct patterns *p) { return p->bytes; }

int patterns_are_none(const struct patterns *p) { return p->n_normal + p->n_raw == 0; }

int patterns_scratch(const struct patterns *p, hs_scratch_t **scratch)
{
    int failed = 0;
    for (unsigned i = 0; i < p->n_normal; i++)
        failed |= hs_alloc_scratch(p->normal[i], scratch) != HS_SUCCESS;
    for (unsigned i = 0; i < p->n_raw; i++)
        failed |= hs_alloc_scratch(p->raw[i], scratch) != HS_SUCCESS;
    return failed ? -1 : 0;
}

/* --- matching --------------------------------------------------------------------------------- */

struct matching {
    const uint32_t *numbers;
    struct pattern_hits *hits;
};

/* Keeps the lowest numbers in order. */
static int on_hit(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                  void *data)
{
    struct matching *m = data;
    struct pattern_hits *h = m->hits;
    uint32_t number = m->numbers[id], at = h->n;
    (void)from, (void)to, (void)flags;
    while (at > 0 && h->numbers[at - 1] > number)
        at--;
    if (at > 0 && h->numbers[at - 1] == number)
        return 0;
    if (h->n == CONTENT_HITS_MAX) {
        h->more = 1;
        if (at == h->n)
            return 0;
        h->n--;
    }
    memmove(h->numbers + at + 1, h->numbers + at, (h->n - at) * sizeof *h->numbers);
    h->numbers[at] = number;
    h->n++;
    return 0;
}

static void scan(const struct patterns *p, hs_database_t *const *dbs, unsigned n,
                 hs_scratch_t *scratch, const char *text, size_t len, struct pattern_hits *hits)
{
    struct matching m = { p->numbers, hits };
    for (unsigned i = 0; i < n; i++)
        hs_scan(dbs[i], text, (unsigned)len, 0, scratch, on_hit, &m);
}

void patterns_match(const struct patterns *p, hs_scratch_t *scratch, char *text, size_t len,
                    const struct norm_alt *alts, uint32_t n_alts, struct pattern_hits *hits)
{
    char first[NORM_ALTS_MAX];
    scan(p, p->normal, p->n_normal, scratch, text, len, hits);
    if (n_alts == 0)
        return;
    for (uint32_t i = 0; i < n_alts; i++) {
        first[i] = text[alts[i].at];
        text[alts[i].at] = alts[i].byte;
    }
    scan(p, p->normal, p->n_normal, scratch, text, len, hits);
    for (uint32_t i = 0; i < n_alts; i++)
        text[alts[i].at] = first[i];
}

void patterns_match_raw(const struct patterns *p, hs_scratch_t *scratch, const char *text,
                        size_t len, struct pattern_hits *hits)
{
    scan(p, p->raw, p->n_raw, scratch, text, len, hits);
}
