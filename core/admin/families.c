/* SPDX-License-Identifier: Apache-2.0
 * Metrics of plugins as Prometheus text: names, kinds, histograms.
 */
#include "admin/families.h"
#include "base/arena.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 256, SAMPLES_MAX_BYTES = 16 << 20, LABELS_OF_TABLES = 3 };

static const char *const kinds[] = {
    [WF_COUNTER] = "counter", [WF_GAUGE] = "gauge", [WF_HISTOGRAM] = "histogram"
};

void families_label(struct strbuf *b, const char *name, const char *value)
{
    strbuf_addf(b, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            strbuf_addc(b, '\\');
        if (*value == '\n')
            strbuf_adds(b, "\\n");
        else
            strbuf_addc(b, *value);
    }
    strbuf_addc(b, '"');
}

/* --- names ------------------------------------------------------------------------------------ */

static bool ends_in(wf_str name, const char *end)
{
    size_t len = strlen(end);
    return name.len > len && !memcmp(name.ptr + name.len - len, end, len);
}

static bool in_seconds(wf_str base)
{
    return ends_in(base, "_seconds") || ends_in(base, "_seconds_total");
}

/* What a value is divided by. */
static double divisor(const wf_metric *row, wf_str base)
{
    if (!row->unit || !in_seconds(base))
        return 1;
    return !strcmp(row->unit, "ms") ? 1e3 : !strcmp(row->unit, "us") ? 1e6 : 1;
}

/* Behind "# HELP name ": the text with its unit, escaped. */
static char *make_help(const wf_metric *row, const struct metric_name *parts)
{
    const char *help = row->help && row->help[0] ? row->help : row->name;
    const char *end = parts->labels.len ? strstr(help, ": ") : NULL;
    struct strbuf b;
    strbuf_init(&b, 64 << 10);
    for (; *help && help != end; help++)
        if (*help == '\\' || *help == '\n')
            strbuf_adds(&b, *help == '\n' ? "\\n" : "\\\\");
        else
            strbuf_addc(&b, *help);
    if (row->unit && row->unit[0] && !in_seconds(parts->base))
        strbuf_addf(&b, " (%s)", row->unit);
    return strbuf_take(&b);
}

/* --- families --------------------------------------------------------------------------------- */

/* Rows of a table are asked for in order, so the next one mostly stands where the last one was. */
static struct family *find(struct families *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++) {
        size_t at = (f->last + i) % f->n;
        if (!strcmp(f->all[at].name, name)) {
            f->last = at;
            return &f->all[at];
        }
    }
    return NULL;
}

static struct family *create(struct families *f, const char *name, const wf_metric *row,
                             const struct metric_name *parts)
{
    if (f->n == f->size) {
        f->size = f->size ? 2 * f->size : 64;
        f->all = xrealloc(f->all, f->size * sizeof *f->all);
    }
    f->last = f->n;
    struct family *to = &f->all[f->n++];
    *to = (struct family){ .name = xstrdup(name),
                           .help = make_help(row, parts),
                           .kind = (uint8_t)row->kind };
    strbuf_init(&to->samples, SAMPLES_MAX_BYTES);
    return to;
}

static struct family *family_of(struct families *f, const wf_metric *row,
                                const struct metric_name *parts)
{
    char name[NAME_MAX_BYTES], other[NAME_MAX_BYTES];
    const char *total = row->kind == WF_COUNTER && !ends_in(parts->base, "_total") ? "_total" : "";
    snprintf(name, sizeof name, "catalyst_%.*s%s", (int)parts->base.len, parts->base.ptr, total);
    if (f->is_ours && f->is_ours(name))
        snprintf(name, sizeof name, "catalyst_plugin_%.*s%s", (int)parts->base.len, parts->base.ptr,
                 total);
    struct family *found = find(f, name);
    if (!found || found->kind == row->kind)
        return found ? found : create(f, name, row, parts);
    snprintf(other, sizeof other, "%.200s_%s", name, kinds[row->kind]);
    found = find(f, other);
    return found ? found : create(f, other, row, parts);
}

/* --- samples ---------------------------------------------------------------------------------- */

struct sample {
    struct strbuf *to;
    const char *name, *labels;
    wf_str more;
    double divisor;
};

/* name<suffix>{labels */
static void sample_begin(const struct sample *s, const char *suffix)
{
    strbuf_addf(s->to, "%s%s{%s", s->name, suffix, s->labels);
    if (s->more.len)
        strbuf_addf(s->to, ",%.*s", (int)s->more.len, s->more.ptr);
}

static void sample_value(const struct sample *s, const char *suffix, int64_t value)
{
    sample_begin(s, suffix);
    if (s->divisor > 1)
        strbuf_addf(s->to, "} %.15g\n", (double)value / s->divisor);
    else
        strbuf_addf(s->to, "} %" PRId64 "\n", value);
}

static void sample_histogram(const struct sample *s, const struct metric_cell *cell)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < METRIC_BOUNDS; i++) {
        sum += cell->buckets[i];
        sample_begin(s, "_bucket");
        strbuf_addf(s->to, ",le=\"%.15g\"} %" PRIu64 "\n",
                    (double)metric_bound(cell, i) / s->divisor, sum);
    }
    sample_begin(s, "_bucket");
    strbuf_addf(s->to, ",le=\"+Inf\"} %" PRIu64 "\n", cell->count);
    sample_value(s, "_sum", cell->value);
    sample_begin(s, "_count");
    strbuf_addf(s->to, "} %" PRIu64 "\n", cell->count);
}

/* A gauge that was not set says nothing. Where every combination of some labels has a row, most are
 * never met and would fill pages with zeros. */
static bool is_left_out(const wf_metric *row, const struct metric_name *parts)
{
    unsigned n = 0;
    for (size_t i = 0; i < parts->labels.len; i++)
        n += parts->labels.ptr[i] == '=';
    return row->kind == WF_GAUGE || n >= (row->kind == WF_HISTOGRAM ? 1 : LABELS_OF_TABLES);
}

void families_add(struct families *f, const wf_metric *row, const struct metric_cell *cell,
                  const char *labels)
{
    struct metric_name parts = metric_name_split(row->name);
    if (!cell->count && is_left_out(row, &parts))
        return;
    struct family *family = family_of(f, row, &parts);
    struct sample s = { .to = &family->samples,
                        .name = family->name,
                        .labels = labels,
                        .more = parts.labels,
                        .divisor = divisor(row, parts.base) };
    if (row->kind == WF_HISTOGRAM)
        sample_histogram(&s, cell);
    else
        sample_value(&s, "", cell->value);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void write_samples(struct strbuf *b, struct family *family)
{
    strbuf_add(b, family->samples.ptr, family->samples.len);
    family->written = true;
}

void families_write(struct strbuf *b, struct families *const *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; parts[i] && j < parts[i]->n; j++) {
            struct family *family = &parts[i]->all[j];
            if (family->written)
                continue;
            strbuf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                        kinds[family->kind]);
            write_samples(b, family);
            for (size_t k = i + 1; k < n; k++) {
                struct family *same = parts[k] ? find(parts[k], family->name) : NULL;
                if (same)
                    write_samples(b, same);
            }
        }
}

void families_fini(struct families *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->all[i].name);
        free(f->all[i].help);
        strbuf_fini(&f->all[i].samples);
    }
    free(f->all);
    *f = (struct families){ 0 };
}
