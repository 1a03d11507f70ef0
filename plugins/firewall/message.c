/* SPDX-License-Identifier: Apache-2.0
 * Stage 0: members of an item, in one walk over them. What is missing or of the wrong kind is
 * decided here: such a message is rejected with a reason, it does not fail.
 *
 * Thread: the worker's. Nothing blocks, nothing is allocated.
 */
#include "firewall_int.h"
#include "hash.h"

static unsigned field_slot(const char *name, size_t len)
{
    return ((unsigned)len * 7 + (unsigned char)name[len - 1] + (unsigned char)name[0] * 3) & 63;
}

/* Names that fall on one another are found by comparing with all. */
void message_fields(struct node *d)
{
    memset(d->field_of, 0, sizeof d->field_of);
    d->fields_are_plain = 1;
    for (int f = 0; f < FIELD_COUNT; f++) {
        wf_str name = d->c->fields[f];
        if (!name.len)
            continue;
        unsigned slot = field_slot(name.ptr, name.len);
        d->fields_are_plain &= !d->field_of[slot];
        d->field_of[slot] = (uint8_t)(f + 1);
    }
}

static int is_name(const struct node *d, int field, wf_str key)
{
    wf_str name = d->c->fields[field];
    return name.len == key.len && key.len && !memcmp(name.ptr, key.ptr, key.len);
}

static int field_of(const struct node *d, wf_str key)
{
    if (!key.len)
        return -1;
    if (d->fields_are_plain) {
        int f = d->field_of[field_slot(key.ptr, key.len)] - 1;
        return f >= 0 && is_name(d, f, key) ? f : -1;
    }
    for (int f = 0; f < FIELD_COUNT; f++)
        if (is_name(d, f, key))
            return f;
    return -1;
}

static int take_text(const struct node *d, const wf_value *v, const char **ptr, uint32_t *len)
{
    size_t n = 0;
    if (!v || d->h->v->bytes(v, ptr, &n) != 0)
        return -1;
    *len = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
    return 0;
}

static uint8_t class_of(const char *text, size_t len)
{
    static const struct {
        const char *name;
        uint8_t bit;
    } names[] = { { "otp", CLASS_OTP },
                  { "transactional", CLASS_TRANSACTIONAL },
                  { "marketing", CLASS_MARKETING } };
    for (size_t i = 0; i < 3; i++)
        if (strlen(names[i].name) == len && !memcmp(names[i].name, text, len))
            return names[i].bit;
    return CLASS_NONE;
}

static void read_sender(struct message *m)
{
    m->from_number = number_parse(m->from, m->from_len);
    m->from_digits = m->from_number ? (uint8_t)digits_of(m->from_number) : 0;
    m->sender_kind = !m->from_len          ? SENDER_NONE
                     : !m->from_number     ? SENDER_ALPHANUMERIC
                     : m->from_digits <= 6 ? SENDER_SHORT
                                           : SENDER_NUMERIC;
    m->sender_hash = sender_hash(m->from, m->from_len);
}

static void read_price(const struct node *d, const wf_value *v, struct message *m)
{
    if (v && d->h->v->int64(v, &m->price_micro) != 0)
        m->price_micro = -1;
}

static void refuse(struct node *d, struct message *m, enum reason reason)
{
    m->verdict = VERDICT_REJECT;
    m->reason = reason;
    m->stage = STAGE_PARSE;
    (void)d;
}

static void read_scopes(const struct rules *rules, struct message *m)
{
    m->tenant_place = names_find(&rules->tenants, m->tenant_hash);
    m->route_place = m->route_hash ? names_find(&rules->routes, m->route_hash) : 0;
    for (uint32_t i = 0; i < rules->n_countries; i++)
        if (prefix_fits(&rules->countries[i], m->to, m->to_digits))
            m->countries |= UINT64_C(1) << i;
}

static void read_one(struct node *d, wf_item *it, struct message *m)
{
    const wf_values *v = d->h->v;
    const wf_value *item = d->h->value(it), *found[FIELD_COUNT] = { NULL };
    const char *text = "";
    uint32_t len = 0;
    *m = (struct message){ .text = "",
                           .from = "",
                           .tenant = "",
                           .price_micro = -1,
                           .direction = DIRECTION_MT,
                           .class_mask = CLASS_NONE };
    size_t members = v->count(item);
    for (size_t i = 0; i < members; i++) {
        int f = field_of(d, v->key(item, i));
        if (f >= 0)
            found[f] = v->at(item, i);
    }
    int is_wrong = take_text(d, found[FIELD_TENANT], &m->tenant, &m->tenant_len) != 0 ||
                   take_text(d, found[FIELD_TEXT], &m->text, &m->text_len) != 0 ||
                   take_text(d, found[FIELD_TO], &text, &len) != 0 || !m->tenant_len;
    m->tenant_hash = name_hash(m->tenant, m->tenant_len);
    m->to = is_wrong ? 0 : number_parse(text, len);
    m->to_digits = m->to ? (uint8_t)digits_of(m->to) : 0;
    take_text(d, found[FIELD_FROM], &m->from, &m->from_len);
    read_sender(m);
    if (take_text(d, found[FIELD_CLASS], &text, &len) == 0)
        m->class_mask = class_of(text, len);
    if (take_text(d, found[FIELD_ROUTE], &text, &len) == 0 && len)
        m->route_hash = name_hash(text, len);
    if (take_text(d, found[FIELD_DIRECTION], &text, &len) == 0 && len == 2 &&
        !memcmp(text, "mo", 2))
        m->direction = DIRECTION_MO;
    m->signal = found[FIELD_SIGNAL];
    read_price(d, found[FIELD_PRICE], m);
    read_scopes(d->snapshot->rules, m);
    if (is_wrong)
        refuse(d, m, REASON_MALFORMED);
    else if (!m->to)
        refuse(d, m, REASON_BAD_NUMBER);
}

void message_read_all(struct node *d)
{
    for (size_t i = 0; i < d->n; i++)
        read_one(d, d->items[i], &d->messages[i]);
}
