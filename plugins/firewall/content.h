/* SPDX-License-Identifier: Apache-2.0
 * content.h - what the node asks of the content engine: normalise texts, find their URL hosts,
 * match patterns, count near duplicates, score. The engine knows nothing of rules, scopes and
 * verdicts: it gives back the numbers that came with the patterns.
 *
 *   struct content           compiled patterns and model. Immutable: shared between threads, freed
 * when the last snapshot that holds it is gone. struct content_scratch   of one worker: buffers,
 * matcher scratch, fingerprints seen lately. Lives as long as the node and goes with every struct
 * content in turn; its size is fixed, whatever comes.
 *
 * A frame goes through the four steps in order; each step gets the survivors of the one before, as
 * indices into the frame, so that what an early stage decided costs no later one anything:
 *
 *   content_begin()  stage 0: every message of the frame: normalised text, hosts
 *   content_match()  stage 5: patterns        content_near()  stage 6: near duplicates
 *   content_score()  stage 7: the model
 *
 * Thread: content_compile() any thread, may take seconds; the others the worker's, nothing blocks
 * and nothing is allocated after the first frames.
 */
#ifndef FIREWALL_CONTENT_H
#define FIREWALL_CONTENT_H
#include <stddef.h>
#include <stdint.h>

enum {
    CONTENT_FRAME_MAX = 1024,  /* messages of one content_begin() */
    CONTENT_TEXT_MAX = 4096,   /* bytes of a text that are looked at; the rest is not */
    CONTENT_HITS_MAX = 16,     /* patterns told for one message */
    CONTENT_HOSTS_MAX = 4,     /* hosts told for one message */
    CONTENT_PATTERN_MAX = 1000 /* bytes of one pattern */
};

enum content_kind {
    CONTENT_LITERAL = 1, /* found in the normalised text; normalised itself when it is compiled */
    CONTENT_WORDS,       /* as a literal, at word boundaries */
    CONTENT_REGEX,       /* over the normalised text; a safe subset: compiling refuses the rest */
    CONTENT_REGEX_RAW    /* over the text as it came (case does not count) */
};

struct content_pattern {
    const char *text; /* UTF-8 */
    size_t len;
    enum content_kind kind;
    uint32_t number; /* given back in hits[]; several patterns may carry the same */
};

struct content_options {
    const char *model_file;  /* trained model; "": the built-in one; NULL: none, scores are -1 */
    uint32_t near_distance;  /* bits in which fingerprints of near duplicates may differ; 0: 6 */
    uint32_t near_min_bytes; /* normalised texts below this have no near duplicates; 0: 20 */
    /* Where compiled patterns are kept between starts, an existing folder of the operator; NULL:
     * nowhere. Compiling 10,000 patterns takes seconds, reading them back milliseconds. */
    const char *cache_folder;
    /* Called now and then by the compiling thread, done up to total; not 0 gives up. NULL: none. */
    int (*on_progress)(void *data, size_t done, size_t total);
    void *progress_data;
};

struct content_problem {
    size_t pattern; /* index of the pattern that was refused; SIZE_MAX: none in particular */
    char text[240]; /* why, in words for the author of the rule */
};

/* NULL with *why: nothing was compiled. All is copied. */
struct content *content_compile(const struct content_pattern *patterns, size_t n,
                                const struct content_options *options, struct content_problem *why);
void content_free(struct content *c); /* NULL is fine */
size_t content_bytes(const struct content *c);

struct content_scratch *content_scratch_create(void);
void content_scratch_free(struct content_scratch *s); /* NULL is fine */

struct content_message {
    const char *text; /* as it came; need not end with 0 and need not be valid UTF-8 */
    size_t len;
    uint64_t group; /* near duplicates are counted within a group: a hash of the tenant */
    int64_t now_ms; /* wall clock; never goes far back */
};

struct content_host {
    const char *ptr; /* lower case, punycode, no port, no dot at the end; NUL-ended */
    uint32_t len;
    uint32_t base; /* offset in ptr where the registrable domain (eTLD+1) begins */
    uint32_t is_shortener;
    uint32_t is_obfuscated; /* written as hxxp, "dot com" and the like */
};

struct content_result {
    /* content_begin() */
    uint32_t n_hosts;
    struct content_host hosts[CONTENT_HOSTS_MAX]; /* each once; until the next content_begin() */
    uint32_t text_bytes;                          /* of the normalised text */
    uint32_t flags;                               /* CONTENT_IS_* */
    /* content_match() */
    uint32_t n_hits, more_hits;      /* more_hits: there were more than fit */
    uint32_t hits[CONTENT_HITS_MAX]; /* numbers, ascending, each once */
    /* content_near(): messages of the group in the last window, this one too; 0: text too short */
    uint32_t near_count;
    uint64_t fingerprint;
    /* content_score(): 0 to 1000 per mille, -1: no model */
    int32_t score_pm;
};
enum {
    CONTENT_HAS_URL = 1,
    CONTENT_WAS_MIXED = 2,  /* look-alike letters of another script were replaced */
    CONTENT_WAS_HIDDEN = 4, /* zero-width or combining characters were taken out */
    CONTENT_WAS_CUT = 8     /* longer than CONTENT_TEXT_MAX */
};

/* Clears and fills out[0..n). `messages` and `out` stay where they are until the next begin. */
void content_begin(struct content_scratch *s, const struct content_message *messages, size_t n,
                   struct content_result *out);
void content_match(const struct content *c, struct content_scratch *s, const uint16_t *which,
                   size_t n);
/* `window_ms`: how far back near duplicates count; the same for all calls of a frame. */
void content_near(const struct content *c, struct content_scratch *s, int64_t window_ms,
                  const uint16_t *which, size_t n);
void content_score(const struct content *c, struct content_scratch *s, const uint16_t *which,
                   size_t n);

/* A sender or brand, as content_begin() normalises texts: skeleton without spaces and punctuation,
 * in lower case, NUL-ended. Returns its length, cut to size - 1. */
size_t content_skeleton(const char *text, size_t len, char *out, size_t size);

#endif
