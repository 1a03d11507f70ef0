/* SPDX-License-Identifier: Apache-2.0
 * The eight ways to make one value of many. Sums of integers are exact until they leave 64 bits.
 *
 * Thread: the worker's. Memory: the execution's arena; what grows doubles. Nothing blocks.
 */
#include "measure.h"

int measure_is_empty(const wf_values *v, const wf_value *value)
{
    const char *s;
    size_t len;
    return v->type(value) <= WF_JSON_NULL || (v->bytes(value, &s, &len) == 0 && len == 0);
}

void measure_start(struct measure *m, const wf_host *h, wf_item *it, const struct summary *what)
{
    *m = (struct measure){ .h = h, .it = it, .what = what };
    if (what->aggregation == COUNT_UNIQUE)
        m->unique = wf_index_of(h, it, 1);
}

static void add_number(struct measure *m, const wf_value *value)
{
    const wf_values *v = m->h->v;
    int64_t i;
    double d;
    if (v->type(value) != WF_JSON_NUMBER || v->number(value, &d) != 0)
        return;
    m->n++;
    m->sum_double += d;
    if (m->is_double || v->int64(value, &i) != 0 || __builtin_add_overflow(m->sum, i, &m->sum))
        m->is_double = 1;
}

static void add_best(struct measure *m, const wf_value *value)
{
    int order = m->best ? wf_order(m->h->v, value, m->best) : 0;
    if (measure_is_empty(m->h->v, value))
        return;
    if (!m->best || (m->what->aggregation == MAX ? order > 0 : order < 0))
        m->best = value;
}

static void add_bytes(struct measure *m, wf_str s)
{
    if (m->text_len + s.len > m->text_size) {
        m->text_size =
            m->text_size * 2 > m->text_len + s.len ? m->text_size * 2 : m->text_len + s.len + 64;
        char *larger = m->h->alloc(m->it, m->text_size);
        if (m->text_len)
            memcpy(larger, m->text, m->text_len);
        m->text = larger;
    }
    if (s.len)
        memcpy(m->text + m->text_len, s.ptr, s.len);
    m->text_len += s.len;
}

static void add_text(struct measure *m, const wf_value *value)
{
    const struct summary *w = m->what;
    int other = w->separate_by.len == 5 && memcmp(w->separate_by.ptr, "other", 5) == 0;
    if (m->n++)
        add_bytes(m, other ? w->custom : w->separate_by);
    add_bytes(m, m->h->v->text(m->it, value));
}

void measure_add(struct measure *m, const wf_value *value)
{
    int empty = measure_is_empty(m->h->v, value);
    if (empty && !m->what->include_empty)
        return;
    switch (m->what->aggregation) {
    case APPEND:
        wf_gather(m->h, m->it, &m->list, value);
        break;
    case CONCATENATE:
        add_text(m, value);
        break;
    case COUNT:
        m->n++;
        break;
    case COUNT_UNIQUE:
        wf_index_add(&m->unique, &value);
        break;
    case MAX:
    case MIN:
        add_best(m, value);
        break;
    default:
        add_number(m, value);
    }
}

const wf_value *measure_result(struct measure *m)
{
    const wf_values *v = m->h->v;
    switch (m->what->aggregation) {
    case APPEND:
        return v->array(m->it, m->list.values, m->list.n);
    case CONCATENATE:
        return v->of_str(m->it, m->text ? m->text : "", m->text_len);
    case COUNT:
        return v->of_int(m->it, (int64_t)m->n);
    case COUNT_UNIQUE:
        return v->of_int(m->it, (int64_t)m->unique.n);
    case MAX:
    case MIN:
        return m->best ? m->best : wf_null(m->h, m->it);
    case AVERAGE:
        if (m->n == 0)
            return wf_null(m->h, m->it);
        return v->of_number(m->it, (m->is_double ? m->sum_double : (double)m->sum) / (double)m->n);
    default:
        return m->is_double ? v->of_number(m->it, m->sum_double) : v->of_int(m->it, m->sum);
    }
}
