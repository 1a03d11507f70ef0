/* SPDX-License-Identifier: Apache-2.0
 * model.h - how much a text reads like spam or smishing, 0 to 1000 per mille: a logistic regression
 * over hashed runs of four characters, words and pairs of words, and some two dozen marks such as a
 * shortened link or a phone number. Trained by train/train.c, which uses the very functions below.
 *
 * A model is one file of 128 KB: magic, version, weights in a byte each, checksum. One is built in.
 * Its scores are shifted so that MODEL_BLOCK_PM is where at most 0.05% of ham is above; what the
 * built-in one reached is in train/README.md.
 *
 * Thread: any; a model is read-only. Nothing allocates but loading.
 */
#ifndef FIREWALL_MODEL_H
#define FIREWALL_MODEL_H
#include "urls.h"

enum {
    MODEL_BLOCK_PM = 800,
    MODEL_BITS = 17,
    MODEL_WEIGHTS = 1 << MODEL_BITS,
    MODEL_MARKS = 40,
    MODEL_FEATURES_MAX = 2000, /* of one text; what is behind does not count */
    MODEL_GRAMS_MAX = 1200,    /* of them runs of characters */
    MODEL_VERSION = 1
};

/* Of disk and memory alike; little-endian. */
struct model {
    char magic[8]; /* "CATMODEL" */
    uint32_t version, n_weights, n_marks;
    float scale, bias;
    float marks[MODEL_MARKS];
    int8_t weights[MODEL_WEIGHTS];
    uint64_t checksum; /* of all before it */
};

struct model_text {
    const char *raw; /* as it came: for its capitals */
    size_t raw_len;
    const char *text; /* normalised */
    size_t len;
    uint32_t norm_flags;
    const struct url *urls;
    uint32_t n_urls;
};

struct model_features {
    uint32_t n;
    uint64_t marks; /* a bit for each that is there */
    uint32_t hashed[MODEL_FEATURES_MAX];
};

extern const struct model *const model_shipped;

/* NULL with a reason in why. model_free() takes what model_load() gave. */
struct model *model_load(const char *file, char *why, size_t size);
void model_free(struct model *m);
uint64_t model_checksum(const struct model *m);

void model_features(const struct model_text *t, struct model_features *f);
double model_margin(const struct model *m, const struct model_features *f);
int32_t model_score_pm(const struct model *m, const struct model_text *t,
                       struct model_features *room);

#endif
