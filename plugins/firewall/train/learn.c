/* SPDX-License-Identifier: Apache-2.0
 * Training. Rows are visited in another order each time; the model is the mean of the later rounds,
 * which does not hang on the last few rows. Steps follow AdaGrad: what is seen rarely learns
 * faster.
 */
#include "learn.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 30, MEAN_FROM = 15 };
static const float rate = 0.35f, decay = 2e-6f, mark_rate = 0.06f;

struct learning {
    struct learned now, sum;
    float *squares, mark_squares[MODEL_MARKS], bias_squares;
    uint64_t seed;
};

static void *zeroed(size_t n)
{
    void *p = calloc(n, 1);
    if (!p)
        abort();
    return p;
}

double learned_margin(const struct learned *l, const struct row *row)
{
    double sum = 0, margin = (double)l->bias;
    for (uint32_t i = 0; i < row->n; i++)
        sum += (double)l->weights[row->hashed[i]];
    if (row->n)
        margin += sum / sqrt(row->n);
    for (uint64_t marks = row->marks; marks; marks &= marks - 1)
        margin += (double)l->marks[__builtin_ctzll(marks)];
    return margin;
}

static void step(float *weight, float *square, float gradient, float by)
{
    gradient += decay * *weight;
    *square += gradient * gradient;
    *weight -= by * gradient / (sqrtf(*square) + 1e-4f);
}

static void learn_row(struct learning *l, const struct row *row)
{
    double p = 1 / (1 + exp(-learned_margin(&l->now, row)));
    float slope = (float)(p - row->is_spam) * row->weight;
    float each = row->n ? slope / sqrtf((float)row->n) : 0;
    for (uint32_t i = 0; i < row->n; i++)
        step(&l->now.weights[row->hashed[i]], &l->squares[row->hashed[i]], each, rate);
    for (uint64_t marks = row->marks; marks; marks &= marks - 1) {
        unsigned k = (unsigned)__builtin_ctzll(marks);
        step(&l->now.marks[k], &l->mark_squares[k], slope, mark_rate);
    }
    step(&l->now.bias, &l->bias_squares, slope, mark_rate);
}

static uint32_t random_below(struct learning *l, size_t below)
{
    l->seed = l->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((l->seed >> 33) % below);
}

static void add_to_mean(struct learning *l)
{
    for (size_t i = 0; i < MODEL_WEIGHTS; i++)
        l->sum.weights[i] += l->now.weights[i] / (ROUNDS - MEAN_FROM);
    for (size_t i = 0; i < MODEL_MARKS; i++)
        l->sum.marks[i] += l->now.marks[i] / (ROUNDS - MEAN_FROM);
    l->sum.bias += l->now.bias / (ROUNDS - MEAN_FROM);
}

void learn(struct learned *out, const struct row *const *rows, size_t n, uint64_t seed)
{
    struct learning l = { .seed = seed };
    const struct row **order = zeroed((n + 1) * sizeof(const struct row *));
    l.now.weights = zeroed(MODEL_WEIGHTS * sizeof(float));
    l.sum.weights = zeroed(MODEL_WEIGHTS * sizeof(float));
    l.squares = zeroed(MODEL_WEIGHTS * sizeof(float));
    memcpy(order, rows, n * sizeof(const struct row *));
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = n; i > 1; i--) {
            size_t k = random_below(&l, i);
            const struct row *row = order[i - 1];
            order[i - 1] = order[k];
            order[k] = row;
        }
        for (size_t i = 0; i < n; i++)
            learn_row(&l, order[i]);
        if (round >= MEAN_FROM)
            add_to_mean(&l);
    }
    *out = l.sum;
    free(order);
    free(l.now.weights);
    free(l.squares);
}

void learned_to_model(const struct learned *l, struct model *m)
{
    float most = 1e-6f;
    *m = (struct model){ .magic = "CATMODE",
                         .version = MODEL_VERSION,
                         .n_weights = MODEL_WEIGHTS,
                         .n_marks = MODEL_MARKS,
                         .bias = l->bias };
    m->magic[7] = 'L';
    for (size_t i = 0; i < MODEL_WEIGHTS; i++)
        most = fmaxf(most, fabsf(l->weights[i]));
    m->scale = most / 127;
    for (size_t i = 0; i < MODEL_WEIGHTS; i++)
        m->weights[i] = (int8_t)lrintf(l->weights[i] / m->scale);
    memcpy(m->marks, l->marks, sizeof m->marks);
}
