/* SPDX-License-Identifier: Apache-2.0
 * A notification as an object: Alertmanager's webhook body with more beside it: a title, a text,
 * the text of an SMS, who is on duty, and the integration's configuration. Thread: one.
 */
#include "router_int.h"
#include "gsm.h"
#include <catalyst/date.h>

enum { RENDER_ALERTS_MAX = 500, RENDER_TEXT_ALERTS = 20 };

static json_t *render_time(int64_t ms)
{
    char text[WF_DATE_TEXT_SIZE];
    wf_date_text(ms, 0, text);
    return json_string(text);
}

/* --- parts ------------------------------------------------------------------------------------ */

static const char *const severities[] = { "info", "warning", "error", "critical" };

static const char *render_severity(const struct seen *seen, size_t n)
{
    size_t worst = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = worst + 1; k < 4; k++)
            if (!strcmp(labels_get(&seen[i].alert->labels, "severity"), severities[k]))
                worst = k;
    return severities[worst];
}

static json_t *render_alert(const struct seen *seen)
{
    const struct alert *a = seen->alert;
    json_t *one =
        json_pack("{s:s,s:o,s:O,s:o,s:o,s:s,s:s}", "status",
                  seen->is_resolved ? "resolved" : "firing", "labels", labels_json(&a->labels),
                  "annotations", a->annotations, "startsAt", render_time(a->starts_ms), "endsAt",
                  seen->is_resolved ? render_time(a->ends_ms) : json_string("0001-01-01T00:00:00Z"),
                  "generatorURL", a->generator_url, "fingerprint", a->fp);
    if (a->is_flapping)
        json_object_set_new(one, "flapping", json_true());
    return one;
}

/* Members that all have alike. */
static json_t *render_common(const struct seen *seen, size_t n, int annotations)
{
    json_t *common = NULL;
    for (size_t i = 0; i < n; i++) {
        const char *key;
        void *next;
        json_t *value, *mine = annotations ? json_incref(seen[i].alert->annotations)
                                           : labels_json(&seen[i].alert->labels);
        if (!common)
            common = json_copy(mine);
        json_object_foreach_safe(common, next, key, value)
        {
            if (!json_equal(json_object_get(mine, key), value))
                json_object_del(common, key);
        }
        json_decref(mine);
    }
    return common ? common : json_object();
}

/* [FIRING:2] Name cluster (more common values) */
static char *render_title(const struct group *g, const json_t *common, size_t n_firing)
{
    char *title = n_firing ? memory_print("[FIRING:%zu]", n_firing) : memory_text("[RESOLVED]");
    const char *key;
    json_t *value;
    unsigned more = 0;
    for (size_t i = 0; i < g->labels.n; i++) {
        char *longer = memory_print("%s %s", title, g->labels.at[i].value);
        free(title);
        title = longer;
    }
    json_object_foreach((json_t *)common, key, value)
    {
        if (*labels_get(&g->labels, key))
            continue;
        char *longer = memory_print("%s%s%s", title, more++ ? " " : " (", json_string_value(value));
        free(title);
        title = longer;
    }
    if (more) {
        char *longer = memory_print("%s)", title);
        free(title);
        title = longer;
    }
    return title;
}

static const char *render_words(const struct alert *a)
{
    static const char *const names[] = { "summary", "description", "message" };
    for (size_t i = 0; i < 3; i++) {
        const char *text = json_string_value(json_object_get(a->annotations, names[i]));
        if (text && *text)
            return text;
    }
    return labels_get(&a->labels, "alertname");
}

static char *render_text(const struct seen *seen, size_t n)
{
    char *text = memory_text("");
    for (size_t i = 0; i < n && i < RENDER_TEXT_ALERTS; i++) {
        char *labels = labels_text(&seen[i].alert->labels);
        char *longer = memory_print("%s%s%s: %s %s", text, i ? "\n" : "",
                                    seen[i].is_resolved ? "resolved" : "firing",
                                    render_words(seen[i].alert), labels);
        free(labels);
        free(text);
        text = longer;
    }
    if (n > RENDER_TEXT_ALERTS) {
        char *longer = memory_print("%s\nand %zu more", text, n - RENDER_TEXT_ALERTS);
        free(text);
        text = longer;
    }
    return text;
}

static void render_oncall(json_t *notice, const struct router *r, const struct integration *to,
                          int64_t now_ms)
{
    const struct oncall *schedule = to->oncall ? conf_schedule(r->conf, to->oncall) : NULL;
    const char *person = schedule ? oncall_person(schedule, now_ms) : NULL;
    if (!person)
        return;
    json_t *card = json_copy(json_object_get(r->conf->people, person));
    if (!json_is_object(card)) {
        json_decref(card);
        card = json_object();
    }
    json_object_set_new(card, "name", json_string(person));
    json_object_set_new(notice, "oncall", card);
}

/* One segment: the state, how bad, and as many words as there is room for. */
static void render_sms(json_t *notice, const struct due *due)
{
    char sms[GSM_SEGMENT_SIZE];
    const struct seen *first = due->seen;
    for (size_t i = 0; i < due->n; i++)
        if (!due->seen[i].is_resolved) {
            first = &due->seen[i];
            break;
        }
    const char *name = labels_get(&first->alert->labels, "alertname");
    const char *words = render_words(first->alert);
    char *text = due->n_firing > 1
                     ? memory_print("CRITICAL %s x%zu: %s", name, due->n_firing, words)
                     : memory_print("%s %s: %s", due->n_firing ? "CRITICAL" : "OK", name, words);
    gsm_segment(text, sms);
    free(text);
    json_object_set_new(notice, "sms", json_string(sms));
}

/* --- notices ---------------------------------------------------------------------------------- */

static json_t *render_alerts(const struct due *due, size_t *left_out)
{
    json_t *list = json_array();
    const json_t *max = json_object_get(due->to->config, "max_alerts");
    size_t most = json_integer_value(max) > 0 ? (size_t)json_integer_value(max) : RENDER_ALERTS_MAX;
    for (size_t i = 0; i < due->n && i < most; i++)
        json_array_append_new(list, render_alert(&due->seen[i]));
    *left_out = due->n > most ? due->n - most : 0;
    return list;
}

static void render_head(json_t *notice, const struct router *r, const struct integration *to,
                        const char *what, int64_t now_ms, size_t step)
{
    uint64_t hash = memory_hash(memory_hash_begin, what, strlen(what));
    hash = memory_hash(hash, to->key, strlen(to->key));
    char *id = memory_print("%016llx-%lld-%zu", (unsigned long long)hash, (long long)now_ms, step);
    json_object_set_new(notice, "id", json_string(id));
    json_object_set_new(notice, "ts_us", json_integer(now_ms * 1000));
    json_object_set_new(notice, "kind", json_string(kind_names[to->kind]));
    json_object_set_new(notice, "receiver", json_string(to->receiver->name));
    json_object_set_new(notice, "integration", json_string(to->key));
    json_object_set_new(notice, "externalURL", json_string(r->conf->external_url));
    json_object_set(notice, "config", to->config);
    render_oncall(notice, r, to, now_ms);
    free(id);
}

json_t *render_notice(const struct router *r, const struct due *due)
{
    const struct group *g = due->group;
    size_t left_out;
    json_t *notice = json_object(), *labels = render_common(due->seen, due->n, 0);
    char *title = render_title(g, labels, due->n_firing), *text = render_text(due->seen, due->n);
    char *incident = memory_print(
        "%016llx-%lld", (unsigned long long)memory_hash(memory_hash_begin, g->key, strlen(g->key)),
        (long long)g->opened_ms);
    render_head(notice, r, due->to, g->key, due->now_ms, due->step);
    json_t *more = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:s,s:s,s:o,s:o,s:o}", "version", "4", "status",
        due->n_firing ? "firing" : "resolved", "severity", render_severity(due->seen, due->n),
        "groupKey", g->key, "incident", incident, "step", (json_int_t)due->step, "firing",
        (json_int_t)due->n_firing, "resolved", (json_int_t)(due->n - due->n_firing), "title", title,
        "text", text, "groupLabels", labels_json(&g->labels), "commonLabels", labels,
        "commonAnnotations", render_common(due->seen, due->n, 1));
    json_object_update(notice, more);
    json_decref(more);
    json_object_set_new(notice, "alerts", render_alerts(due, &left_out));
    json_object_set_new(notice, "truncatedAlerts", json_integer((json_int_t)left_out));
    if (due->to->kind == KIND_SMS)
        render_sms(notice, due);
    free(title);
    free(text);
    free(incident);
    return notice;
}

json_t *render_summary(const struct router *r, const struct storm *s, int64_t now_ms)
{
    size_t n = json_array_size(s->held), firing = 0;
    char sms[GSM_SEGMENT_SIZE];
    json_t *notice = json_object(), *shown = json_array();
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(s->held, i);
        firing += (size_t)json_integer_value(json_object_get(one, "firing"));
        if (i < RENDER_TEXT_ALERTS)
            json_array_append(shown, (json_t *)one);
    }
    char *title = memory_print("[STORM] %zu more notifications, %zu alerts firing", n, firing);
    render_head(notice, r, s->to, "storm", now_ms, 0);
    json_t *more =
        json_pack("{s:s,s:s,s:b,s:s,s:s,s:I,s:I,s:s,s:s,s:o}", "version", "4", "status",
                  firing ? "firing" : "resolved", "storm", 1, "groupKey", "storm", "severity",
                  s->to->critical_only ? "critical" : "warning", "held", (json_int_t)n, "firing",
                  (json_int_t)firing, "title", title, "text", title, "groups", shown);
    json_object_update(notice, more);
    json_decref(more);
    if (s->to->kind == KIND_SMS) {
        gsm_segment(title, sms);
        json_object_set_new(notice, "sms", json_string(sms));
    }
    free(title);
    return notice;
}
