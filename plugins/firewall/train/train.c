/* SPDX-License-Identifier: Apache-2.0
 * The trainer of the score model; what it does and what it reached is in README.md beside it.
 *
 * The public collections are cut by a hash of each text. Fifths of the spam collection and half of
 * the ham corpus are never trained on: the report and the plugin's test measure on those. The
 * threshold comes from training ham that was scored by models which had not seen it.
 */
#include "learn.h"
#include "mutate.h"
#include "samples.h"
#include "templates.h"
#include <getopt.h>
#include <math.h>

enum { UCI = 1, NUS, OURS }; /* kinds */
enum { TRAIN = 1, TEST };    /* parts */
enum { FOLDS = 5, EACH_TEMPLATE = 60 };
static const double calibrated_ham = 0.0003; /* of training ham above the threshold */

struct data {
    struct row *rows;
    size_t n, size;
    struct url_cache urls;
};

static void add_row(struct data *d, const char *text, uint8_t is_spam, uint8_t kind, uint8_t part,
                    uint64_t key)
{
    static char normal[CONTENT_TEXT_MAX], hosts[CONTENT_HOSTS_MAX * URL_HOST_MAX];
    static uint16_t from[CONTENT_TEXT_MAX + 1];
    static struct model_features f;
    struct norm n = { .text = normal, .from = from, .size = sizeof normal };
    struct url urls[CONTENT_HOSTS_MAX];
    size_t used, len = strlen(text);
    if (d->n == d->size) {
        d->size = d->size ? d->size * 2 : 8192;
        d->rows = realloc(d->rows, d->size * sizeof *d->rows);
        if (!d->rows)
            abort();
    }
    norm_run(&n, text, len);
    uint32_t n_urls = urls_find(&d->urls, &n, text, urls, CONTENT_HOSTS_MAX, hosts, &used);
    struct model_text t = { text, len, normal, n.len, n.flags, urls, n_urls };
    model_features(&t, &f);
    struct row *row = &d->rows[d->n++];
    *row = (struct row){ .n = f.n,
                         .marks = f.marks,
                         .weight = is_spam ? 2.0f : 1.0f,
                         .is_spam = is_spam,
                         .kind = kind,
                         .part = part,
                         .fold = (uint8_t)(key / 10 % FOLDS) };
    row->hashed = malloc((f.n + 1) * sizeof *row->hashed);
    if (!row->hashed)
        abort();
    memcpy(row->hashed, f.hashed, f.n * sizeof *row->hashed);
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Messages that stand in both collections count for the first. */
static void add_public(struct data *d, const struct samples *s)
{
    uint64_t *known = calloc(s->n + 1, sizeof *known);
    size_t n_known = 0;
    if (!known)
        abort();
    for (size_t i = 0; i < s->n; i++)
        if (!s->rows[i].is_nus)
            known[n_known++] = s->rows[i].key;
    qsort(known, n_known, sizeof *known, by_key);
    for (size_t i = 0; i < s->n; i++) {
        const struct sample *r = &s->rows[i];
        unsigned tenth = samples_tenth(r);
        if (r->is_nus && bsearch(&r->key, known, n_known, sizeof *known, by_key))
            continue;
        add_row(d, r->text, (uint8_t)r->is_spam, r->is_nus ? NUS : UCI,
                samples_is_held_out(r) ? TEST : TRAIN, tenth + 10 * (r->key / 10));
    }
    free(known);
}

static void add_templates(struct data *d, const char *const *list, size_t n, int is_spam,
                          uint64_t seed)
{
    char text[2000];
    struct mutate m = { .seed = seed, .out = text, .size = sizeof text };
    for (size_t i = 0; i < n; i++) {
        for (unsigned k = 0; k < EACH_TEMPLATE; k++) {
            /* honest senders fill in names and numbers and hide nothing */
            unsigned how = MUTATE_FILL;
            if (is_spam && k % 3 == 1)
                how |= MUTATE_LOOKS;
            if (is_spam && k % 3 == 2)
                how |= MUTATE_LOOKS | MUTATE_HIDDEN | MUTATE_SHAPE;
            mutate(&m, list[i], how);
            add_row(d, text, (uint8_t)is_spam, OURS, i % 5 == 4 ? TEST : TRAIN, i * 10);
            d->rows[d->n - 1].weight *=
                is_spam ? 0.3f : 0.6f; /* sixty of one template are not sixty messages */
        }
    }
}

/* Trains on the training rows, without one fold when `without` is one. */
static void learn_part(struct learned *l, const struct data *d, unsigned without, uint64_t seed)
{
    const struct row **chosen = calloc(d->n + 1, sizeof(const struct row *));
    size_t n = 0;
    if (!chosen)
        abort();
    for (size_t i = 0; i < d->n; i++)
        if (d->rows[i].part == TRAIN && d->rows[i].fold != without)
            chosen[n++] = &d->rows[i];
    learn(l, chosen, n, seed);
    free(chosen);
}

static int by_margin(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x > y ? -1 : x < y;
}

/* The margin that at most calibrated_ham of unseen training ham is above. */
static double find_threshold(const struct data *d, uint64_t seed, int wants_report)
{
    double *margins = calloc(d->n + 1, sizeof *margins);
    size_t n = 0;
    if (!margins)
        abort();
    for (unsigned fold = 0; fold < FOLDS; fold++) {
        struct learned l;
        learn_part(&l, d, fold, seed + fold);
        for (size_t i = 0; i < d->n; i++)
            if (d->rows[i].part == TRAIN && d->rows[i].fold == fold && !d->rows[i].is_spam &&
                d->rows[i].kind != OURS)
                margins[n++] = learned_margin(&l, &d->rows[i]);
        free(l.weights);
    }
    qsort(margins, n, sizeof *margins, by_margin);
    size_t above = (size_t)((double)n * calibrated_ham);
    double found = margins[above];
    if (wants_report)
        printf("Ham to train on, scored by models that had not seen it: %zu of %zu at %d and "
               "above.\n\n",
               above + 1, n, MODEL_BLOCK_PM);
    free(margins);
    return found;
}

/* --- report ----------------------------------------------------------------------------------- */

static double row_margin(const struct model *m, const struct row *r)
{
    static struct model_features f;
    f.n = r->n;
    f.marks = r->marks;
    memcpy(f.hashed, r->hashed, r->n * sizeof *r->hashed);
    return model_margin(m, &f);
}

struct tally {
    unsigned n, above;
};

static struct tally count(const struct model *m, const struct data *d, int kind, int part,
                          int is_spam, double threshold)
{
    struct tally t = { 0 };
    for (size_t i = 0; i < d->n; i++) {
        const struct row *r = &d->rows[i];
        if (r->part != part || r->is_spam != is_spam || r->kind != kind)
            continue;
        t.n++;
        t.above += row_margin(m, r) >= threshold;
    }
    return t;
}

static void report_at(const struct model *m, const struct data *d, int pm)
{
    double z = log(pm / (1000.0 - pm));
    struct tally spam = count(m, d, UCI, TEST, 1, z), ham = count(m, d, UCI, TEST, 0, z);
    struct tally nus = count(m, d, NUS, TEST, 0, z);
    struct tally our_spam = count(m, d, OURS, TEST, 1, z), our_ham = count(m, d, OURS, TEST, 0, z);
    unsigned all_ham = ham.n + nus.n, wrong = ham.above + nus.above;
    printf("| %d | %.1f%% (%u of %u) | %u of %u | %u of %u | %.0f | %.2f%% | %.1f%% | %u of %u |\n",
           pm, spam.n ? 100.0 * spam.above / spam.n : 0, spam.above, spam.n, ham.above, ham.n,
           nus.above, nus.n, all_ham ? 1e6 * wrong / all_ham : 0,
           spam.above + ham.above ? 100.0 * spam.above / (spam.above + ham.above) : 0,
           our_spam.n ? 100.0 * our_spam.above / our_spam.n : 0, our_ham.above, our_ham.n);
}

static void report(const struct model *m, const struct data *d)
{
    static const int at[] = { 300, 500, 650, MODEL_BLOCK_PM, 900, 950 };
    printf(
        "Held-out rows at scores of so much and above:\n\n"
        "| score | UCI spam caught | UCI ham | NUS ham | false per million ham | precision on UCI "
        "| our spam | our ham |\n|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        report_at(m, d, at[i]);
}

/* --- main ------------------------------------------------------------------------------------- */

static const char help[] =
    "Trains the score model of the firewall, or reports what a model does on held-out messages.\n\n"
    "  firewall_train [--seed N] [--report] OUT     train and write OUT\n"
    "  firewall_train --evaluate MODEL              report only\n\n"
    "CATALYST_TEST_DATA names the folder with sms-spam/SMSSpamCollection.tsv (SMS Spam "
    "Collection,\n"
    "T. A. Almeida and others, CC BY 4.0) and nus-sms/en.jsonl (NUS SMS Corpus, public domain).\n"
    "The same data and seed (1 unless told) give the same file. It takes seconds.\n";

static int write_model(const struct model *m, const char *path)
{
    FILE *f = fopen(path, "wb");
    int good = f && fwrite(m, sizeof *m, 1, f) == 1;
    if (f && fclose(f) != 0)
        good = 0;
    if (!good)
        fprintf(stderr, "firewall_train: cannot write %s\n", path);
    return good ? 0 : 1;
}

static int train(const struct data *d, uint64_t seed, int wants_report, const char *path)
{
    static struct model m;
    struct learned l;
    double threshold = find_threshold(d, seed, wants_report);
    learn_part(&l, d, FOLDS, seed);
    learned_to_model(&l, &m);
    m.bias += (float)(log(MODEL_BLOCK_PM / (1000.0 - MODEL_BLOCK_PM)) - threshold);
    m.checksum = model_checksum(&m);
    free(l.weights);
    if (wants_report)
        report(&m, d);
    return write_model(&m, path);
}

static int evaluate(const struct data *d, const char *path)
{
    char why[400];
    struct model *m = model_load(path, why, sizeof why);
    if (!m) {
        fprintf(stderr, "firewall_train: %s\n", why);
        return 1;
    }
    report(m, d);
    model_free(m);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "seed", required_argument, NULL, 's' },
                                             { "report", no_argument, NULL, 'r' },
                                             { "evaluate", required_argument, NULL, 'e' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    static struct data d;
    struct samples s;
    const char *model = NULL;
    uint64_t seed = 1;
    int wants_report = 0, c;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (c == 'r')
            wants_report = 1;
        else if (c == 'e')
            model = optarg;
        else {
            fputs(help, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : 2;
        }
    }
    if (!model && optind + 1 != argc) {
        fputs(help, stderr);
        return 2;
    }
    if (samples_read(&s) != 0) {
        fputs("firewall_train: the data is not where CATALYST_TEST_DATA says\n", stderr);
        samples_free(&s);
        return 3;
    }
    add_public(&d, &s);
    add_templates(&d, spam_templates, sizeof spam_templates / sizeof *spam_templates, 1,
                  seed + 100);
    add_templates(&d, ham_templates, sizeof ham_templates / sizeof *ham_templates, 0, seed + 200);
    int failed = model ? evaluate(&d, model) : train(&d, seed, wants_report, argv[optind]);
    for (size_t i = 0; i < d.n; i++)
        free(d.rows[i].hashed);
    free(d.rows);
    samples_free(&s);
    return failed;
}
