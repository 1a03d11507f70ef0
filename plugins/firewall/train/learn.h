/* SPDX-License-Identifier: Apache-2.0
 * learn.h - logistic regression by AdaGrad over the features of model.h. One thread; the same rows
 * and seed give the same model.
 */
#ifndef FIREWALL_LEARN_H
#define FIREWALL_LEARN_H
#include "../model.h"

struct row {
    uint32_t *hashed;
    uint32_t n;
    uint64_t marks;
    float weight;
    uint8_t is_spam, fold, kind, part;
};

struct learned {
    float *weights; /* MODEL_WEIGHTS */
    float marks[MODEL_MARKS], bias;
};

void learn(struct learned *l, const struct row *const *rows, size_t n, uint64_t seed);
double learned_margin(const struct learned *l, const struct row *row);
/* To a byte a weight, with everything but the bias' shift. */
void learned_to_model(const struct learned *l, struct model *m);

#endif
