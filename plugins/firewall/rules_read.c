/* SPDX-License-Identifier: Apache-2.0
 * Members of a rules file and the mistakes in them. Thread: any; nothing blocks.
 */
#include "rules_int.h"

int mistake(struct reading *r, unsigned line, const char *f, ...)
{
    char text[400];
    va_list args;
    if (r->n_mistakes++ >= MISTAKES_MAX)
        return -1;
    va_start(args, f);
    vsnprintf(text, sizeof text, f, args); /* NOLINT(clang-analyzer-valist.Uninitialized) */
    va_end(args);
    size_t room = strlen(text) + (r->rule_id ? strlen(r->rule_id) : 0) + 64;
    r->mistakes = must(realloc(r->mistakes, r->mistakes_len + room));
    r->mistakes_len +=
        (size_t)snprintf(r->mistakes + r->mistakes_len, room, "%sline %u: %s%s%s%s",
                         r->mistakes_len ? "\n" : "", line, r->rule_id ? "rule '" : "",
                         r->rule_id ? r->rule_id : "", r->rule_id ? "': " : "", text);
    return -1;
}

void check_members(struct reading *r, const struct tree *object, const char *what,
                   const char *const *allowed)
{
    for (const struct tree *t = object->first; t; t = t->next) {
        const char *const *name = allowed;
        while (*name && t->key && strcmp(*name, t->key) != 0)
            name++;
        if (*name || !t->key)
            continue;
        const char *meant = words_suggest(t->key, allowed);
        mistake(r, t->line, "%s has no '%s'%s%s%s", what, t->key, meant ? "; did you mean '" : "",
                meant ? meant : "", meant ? "'?" : "");
    }
}

int read_int(struct reading *r, const struct tree *object, const char *key, int64_t min,
             int64_t max, int64_t *out)
{
    const struct tree *t = tree_get(object, key);
    if (!t)
        return 0;
    if (t->type != TREE_NUMBER || t->number != (double)(int64_t)t->number ||
        t->number < (double)min || t->number > (double)max)
        return mistake(r, t->line, "'%s' is a whole number from %lld to %lld", key, (long long)min,
                       (long long)max);
    *out = (int64_t)t->number;
    return 0;
}

int read_ratio(struct reading *r, const struct tree *object, const char *key, double *out)
{
    const struct tree *t = tree_get(object, key);
    if (!t)
        return 0;
    if (t->type != TREE_NUMBER || !(t->number > 0) || t->number > 1e6)
        return mistake(r, t->line, "'%s' is a number above 0", key);
    *out = t->number;
    return 0;
}

int read_duration(struct reading *r, const struct tree *object, const char *key, int64_t *out)
{
    const struct tree *t = tree_get(object, key);
    if (!t || words_duration(t, out) == 0)
        return 0;
    return mistake(r, t->line, "'%s' is a time such as \"30s\", \"10m\", \"1h\" or \"7d\"", key);
}

const char *read_string(struct reading *r, const struct tree *object, const char *key)
{
    const struct tree *t = tree_get(object, key);
    if (!t)
        return NULL;
    if (t->type == TREE_STRING && strlen(t->text) == t->len)
        return t->text;
    mistake(r, t->line, "'%s' is a text", key);
    return NULL;
}

int read_choice(struct reading *r, const struct tree *t, const char *what, const char *const *words)
{
    const char *meant = NULL;
    for (int i = 0; t->type == TREE_STRING && words[i]; i++)
        if (!strcmp(words[i], t->text))
            return i;
    if (t->type == TREE_STRING)
        meant = words_suggest(t->text, words);
    if (meant)
        return mistake(r, t->line, "'%s' knows no '%.40s'; did you mean '%s'?", what, t->text,
                       meant);
    char all[300] = "";
    for (size_t i = 0, n = 0; words[i] && n < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", words[i]);
    return mistake(r, t->line, "'%s' is one of %s", what, all);
}

int read_texts(struct reading *r, const struct tree *t, const char *what,
               int (*each)(struct reading *r, const struct tree *text, void *arg), void *arg)
{
    if (t->type == TREE_STRING)
        return each(r, t, arg);
    if (t->type != TREE_ARRAY || !t->len)
        return mistake(r, t->line, "'%s' is a text, or a list of texts", what);
    for (const struct tree *one = t->first; one; one = one->next) {
        if (one->type != TREE_STRING)
            return mistake(r, one->line, "'%s' is a text, or a list of texts", what);
        if (each(r, one, arg) != 0)
            return -1;
    }
    return 0;
}

size_t text_count(const struct tree *t) { return t->type == TREE_ARRAY ? t->len + 1 : 1; }

int read_prefix(struct reading *r, const struct tree *t, struct prefix *out)
{
    const char *p = t->text + (*t->text == '+');
    size_t len = strlen(p);
    len -= len > 0 && p[len - 1] == '*';
    *out = (struct prefix){ 0, (unsigned)len };
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9' || len > 15 || p[0] == '0')
            return mistake(r, t->line, "'%.20s' is no beginning of an international number",
                           t->text);
        out->value = out->value * 10 + (uint64_t)(p[i] - '0');
    }
    if (!len)
        return mistake(r, t->line, "a beginning of a number is missing");
    return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

static size_t names_place(const struct names *s, uint64_t hash)
{
    size_t i = hash & (s->size - 1);
    while (s->places[i] && s->hashes[i] != hash)
        i = (i + 1) & (s->size - 1);
    return i;
}

uint32_t names_find(const struct names *s, uint64_t hash)
{
    return s->size ? s->places[names_place(s, hash)] : 0;
}

static void names_grow(struct names *s)
{
    struct names old = *s;
    s->size = old.size ? old.size * 2 : 64;
    s->hashes = must(calloc(s->size, sizeof *s->hashes));
    s->places = must(calloc(s->size, sizeof *s->places));
    for (uint32_t i = 0; i < old.size; i++)
        if (old.places[i]) {
            size_t at = names_place(s, old.hashes[i]);
            s->hashes[at] = old.hashes[i];
            s->places[at] = old.places[i];
        }
    free(old.hashes);
    free(old.places);
}

uint32_t names_add(struct names *s, uint64_t hash)
{
    if (s->n * 2 >= s->size)
        names_grow(s);
    size_t at = names_place(s, hash);
    if (!s->places[at]) {
        s->hashes[at] = hash;
        s->places[at] = ++s->n;
    }
    return s->places[at];
}

void names_fini(struct names *s)
{
    free(s->hashes);
    free(s->places);
}
