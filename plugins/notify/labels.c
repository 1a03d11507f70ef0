/* SPDX-License-Identifier: Apache-2.0
 * Sets of labels. Thread: any.
 */
#include "labels.h"

int label_name_is_valid(const char *name)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return *name && !(*name >= '0' && *name <= '9') && strspn(name, word) == strlen(name);
}

/* Where a name stands, or would. */
static size_t labels_place(const struct labels *l, const char *name, int *is_there)
{
    size_t low = 0, high = l->n;
    *is_there = 0;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = strcmp(l->at[mid].name, name);
        if (order == 0) {
            *is_there = 1;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void labels_add(struct labels *l, const char *name, const char *value)
{
    int is_there;
    size_t i = labels_place(l, name, &is_there);
    if (is_there) {
        free(l->at[i].value);
        l->at[i].value = memory_text(value);
        return;
    }
    l->at = memory_grow(l->at, l->n, sizeof *l->at);
    memmove(l->at + i + 1, l->at + i, (l->n - i) * sizeof *l->at);
    l->at[i] = (struct label){ memory_text(name), memory_text(value) };
    l->n++;
}

void labels_fini(struct labels *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->at[i].name);
        free(l->at[i].value);
    }
    free(l->at);
    *l = (struct labels){ 0 };
}

static int labels_add_json(struct labels *to, const char *name, const json_t *value,
                           const char **why)
{
    char number[40] = "";
    const char *text = json_string_value(value);
    if (json_is_integer(value))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, sizeof number, "%.15g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(number, sizeof number, "%s", json_is_true(value) ? "true" : "false");
    else if (!text) {
        *why = "a label's value is no text";
        return -1;
    }
    text = text ? text : number;
    if (!label_name_is_valid(name)) {
        *why = "a label's name has other characters than letters, digits and _";
        return -1;
    }
    if (strlen(name) > LABEL_BYTES_MAX || strlen(text) > LABEL_BYTES_MAX) {
        *why = "a label is longer than 4,096 bytes";
        return -1;
    }
    if (*text)
        labels_add(to, name, text);
    return 0;
}

int labels_of_json(struct labels *to, const json_t *object, const char **why)
{
    const char *name;
    json_t *value;
    *to = (struct labels){ 0 };
    *why = NULL;
    if (!json_is_object(object))
        *why = "labels are no object";
    else if (json_object_size(object) > LABELS_MAX)
        *why = "there are more than 100 labels";
    if (*why)
        return -1;
    json_object_foreach((json_t *)object, name, value)
    {
        if (labels_add_json(to, name, value, why) != 0) {
            labels_fini(to);
            return -1;
        }
    }
    return 0;
}

const char *labels_get(const struct labels *l, const char *name)
{
    int is_there;
    size_t i = labels_place(l, name, &is_there);
    return is_there ? l->at[i].value : "";
}

uint64_t labels_hash(const struct labels *l)
{
    uint64_t hash = memory_hash_begin;
    for (size_t i = 0; i < l->n; i++) {
        hash = memory_hash(hash, l->at[i].name, strlen(l->at[i].name));
        hash = memory_hash(hash, "\xff", 1);
        hash = memory_hash(hash, l->at[i].value, strlen(l->at[i].value));
        hash = memory_hash(hash, "\xff", 1);
    }
    return hash;
}

static char *labels_quote(char *to, const char *value)
{
    *to++ = '"';
    for (; *value; value++) {
        if (strchr("\"\\\n\t\r", *value)) {
            *to++ = '\\';
            *to++ = (char)(*value == '\n'   ? 'n'
                           : *value == '\t' ? 't'
                           : *value == '\r' ? 'r'
                                            : *value);
        } else {
            *to++ = *value;
        }
    }
    *to++ = '"';
    return to;
}

char *labels_text(const struct labels *l)
{
    size_t size = 3;
    for (size_t i = 0; i < l->n; i++)
        size += strlen(l->at[i].name) + 2 * strlen(l->at[i].value) + 6;
    char *text = memory_get(size), *to = text;
    *to++ = '{';
    for (size_t i = 0; i < l->n; i++) {
        to = stpcpy(to, i ? ", " : "");
        to = stpcpy(to, l->at[i].name);
        *to++ = '=';
        to = labels_quote(to, l->at[i].value);
    }
    *to++ = '}';
    *to = 0;
    return text;
}

json_t *labels_json(const struct labels *l)
{
    json_t *object = json_object();
    for (size_t i = 0; i < l->n; i++)
        json_object_set_new(object, l->at[i].name, json_string(l->at[i].value));
    return object;
}
