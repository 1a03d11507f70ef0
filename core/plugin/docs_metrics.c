/* SPDX-License-Identifier: Apache-2.0
 * Metrics in the manual. What is counted by several labels has a row for every combination, which
 * nobody wants to read one by one: rows that differ in nothing but the values of their labels are
 * one line, each label with its values. Thread: any; nothing blocks.
 */
#include "plugin/docs_int.h"

enum { KEYS_MAX = 8 }; /* as metrics.c allows */

const char *docs_metric_kind(const wf_metric *metric)
{
    static const char *const kinds[] = {
        [WF_COUNTER] = "counter", [WF_GAUGE] = "gauge", [WF_HISTOGRAM] = "histogram"
    };
    return kinds[metric->kind];
}

static bool is_same(wf_str a, wf_str b) { return a.len == b.len && !memcmp(a.ptr, b.ptr, a.len); }

struct label {
    wf_str key, value;
};

/* The labels of a name; their number. */
static size_t read_labels(wf_str text, struct label *to)
{
    size_t n = 0;
    for (const char *at = text.ptr, *end = at + text.len; n < KEYS_MAX && at < end;) {
        size_t key = strcspn(at, "="), value = strcspn(at + key + 2, "\"");
        to[n++] = (struct label){ { at, key }, { at + key + 2, value } };
        at += key + 2 + value + 2; /* ="..", and the comma */
    }
    return n;
}

static bool are_alike(const wf_metric *a, const wf_metric *b)
{
    struct metric_name left = metric_name_split(a->name), right = metric_name_split(b->name);
    struct label x[KEYS_MAX], y[KEYS_MAX];
    size_t n = read_labels(left.labels, x);
    if (a->kind != b->kind || !is_same(left.base, right.base) || !n ||
        n != read_labels(right.labels, y) || strcmp(a->help ? a->help : "", b->help ? b->help : ""))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_same(x[i].key, y[i].key))
            return false;
    return true;
}

static struct label label_of(const wf_metric *row, size_t k)
{
    struct label labels[KEYS_MAX];
    read_labels(metric_name_split(row->name).labels, labels);
    return labels[k];
}

/* The values of label k, each once, in their order. */
static void add_values(struct strbuf *b, const wf_metric *rows, size_t n, size_t k)
{
    for (size_t i = 0; i < n; i++) {
        wf_str value = label_of(&rows[i], k).value;
        bool known = false;
        for (size_t j = 0; j < i && !known; j++)
            known = is_same(label_of(&rows[j], k).value, value);
        if (!known)
            strbuf_addf(b, "%s%.*s", i ? ", " : "", (int)value.len, value.ptr);
    }
}

size_t docs_metric_name(struct strbuf *b, const struct node_type *type, size_t first)
{
    const wf_metric *rows = type->node.metrics + first;
    struct metric_name name = metric_name_split(rows->name);
    struct label labels[KEYS_MAX];
    size_t n = 1, n_labels = read_labels(name.labels, labels);
    while (first + n < type->n_metrics && are_alike(rows, &rows[n]))
        n++;
    strbuf_add(b, name.base.ptr, name.base.len);
    for (size_t k = 0; k < n_labels; k++) {
        strbuf_addf(b, "%s%.*s=\"",
                    !k      ? "{"
                    : n > 1 ? ", "
                            : ",",
                    (int)labels[k].key.len, labels[k].key.ptr);
        add_values(b, rows, n, k);
        strbuf_adds(b, "\"");
    }
    if (n_labels)
        strbuf_adds(b, "}");
    return n;
}
