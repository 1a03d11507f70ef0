/* SPDX-License-Identifier: Apache-2.0
 * Senders registered per country and tenant, and brands that others must not look like.
 *
 * A country of which nothing is registered is not ruled. Looking like a brand is decided on
 * skeletons (letters of other scripts and digits as the letters they imitate): one letter off from
 * five letters on, two from nine on, or the brand with something added. Thread: any; immutable.
 */
#include "rules_int.h"

struct brand {
    char skeleton[64];
    size_t len;
    unsigned distance;
    uint32_t n_tenants;
    const uint64_t *tenants;
};

struct registry {
    uint32_t n_countries, n_brands;
    struct prefix *countries; /* longest first */
    struct brand *brands;
    struct names entries; /* (country, tenant or 0, sender) */
};

static uint64_t entry_hash(const struct prefix *country, uint64_t tenant, uint64_t sender)
{
    return hash_pair(hash_pair(country->value * 16 + country->digits, tenant), sender);
}

struct adding {
    struct registry *g;
    struct prefix country;
    uint64_t tenant;
    uint64_t *tenants;
    uint32_t n;
};

static int add_sender(struct reading *r, const struct tree *t, void *arg)
{
    struct adding *a = arg;
    (void)r;
    names_add(&a->g->entries, entry_hash(&a->country, a->tenant, sender_hash(t->text, t->len)));
    return 0;
}

static void add_registered_country(struct registry *g, const struct prefix *p)
{
    uint32_t at = 0;
    for (; at < g->n_countries; at++)
        if (g->countries[at].value == p->value && g->countries[at].digits == p->digits)
            return;
    for (at = g->n_countries++; at > 0 && g->countries[at - 1].digits < p->digits; at--)
        g->countries[at] = g->countries[at - 1];
    g->countries[at] = *p;
}

static void read_entry(struct reading *r, const struct tree *t, struct registry *g)
{
    static const char *const members[] = { "country", "tenant", "senders", "note", NULL };
    const struct tree *country = tree_get(t, "country"), *senders = tree_get(t, "senders");
    struct adding a = { .g = g };
    check_members(r, t, "an entry of 'registry'", members);
    const char *tenant = read_string(r, t, "tenant");
    if (!country || country->type != TREE_STRING || !senders) {
        mistake(r, t->line, "an entry of 'registry' needs 'country' and 'senders'");
        return;
    }
    if (read_prefix(r, country, &a.country) != 0)
        return;
    a.tenant = tenant ? name_hash(tenant, strlen(tenant)) : 0;
    add_registered_country(g, &a.country);
    read_texts(r, senders, "senders", add_sender, &a);
}

static int add_tenant(struct reading *r, const struct tree *t, void *arg)
{
    struct adding *a = arg;
    (void)r;
    a->tenants[a->n++] = name_hash(t->text, t->len);
    return 0;
}

static void read_brand(struct reading *r, const struct tree *t, struct brand *b)
{
    static const char *const members[] = { "name", "tenants", "distance", "note", NULL };
    const struct tree *name = tree_get(t, "name"), *tenants = tree_get(t, "tenants");
    check_members(r, t, "a brand", members);
    if (!name || name->type != TREE_STRING) {
        mistake(r, t->line, "a brand needs 'name'");
        return;
    }
    b->len = content_skeleton(name->text, name->len, b->skeleton, sizeof b->skeleton);
    int64_t distance = b->len >= 9 ? 2 : b->len >= 5;
    read_int(r, t, "distance", 0, 3, &distance);
    b->distance = (unsigned)distance;
    if (!b->len)
        mistake(r, name->line, "a brand's name has no letters");
    if (!tenants)
        return;
    struct adding a = { .tenants = pool_alloc(r->pool, text_count(tenants) * sizeof(uint64_t)) };
    read_texts(r, tenants, "tenants", add_tenant, &a);
    b->tenants = a.tenants;
    b->n_tenants = a.n;
}

const struct registry *read_registry(struct reading *r, const struct tree *root)
{
    const struct tree *entries = tree_get(root, "registry"), *brands = tree_get(root, "brands");
    struct registry *g = pool_alloc(r->pool, sizeof *g);
    if (entries && entries->type == TREE_ARRAY) {
        g->countries = pool_alloc(r->pool, (entries->len + 1) * sizeof *g->countries);
        for (const struct tree *t = entries->first; t; t = t->next)
            read_entry(r, t, g);
    } else if (entries) {
        mistake(r, entries->line, "'registry' is a list");
    }
    if (brands && brands->type == TREE_ARRAY) {
        g->brands = pool_alloc(r->pool, (brands->len + 1) * sizeof *g->brands);
        for (const struct tree *t = brands->first; t; t = t->next)
            read_brand(r, t, &g->brands[g->n_brands++]);
    } else if (brands) {
        mistake(r, brands->line, "'brands' is a list");
    }
    return g;
}

void registry_fini(const struct registry *g)
{
    struct names entries = g ? g->entries : (struct names){ 0 };
    names_fini(&entries);
}

int registry_has(const struct registry *g, uint64_t to, unsigned to_digits, uint64_t tenant,
                 uint64_t sender)
{
    for (uint32_t i = 0; i < g->n_countries; i++) {
        const struct prefix *p = &g->countries[i];
        if (prefix_fits(p, to, to_digits))
            return names_find(&g->entries, entry_hash(p, tenant, sender)) != 0 ||
                   names_find(&g->entries, entry_hash(p, 0, sender)) != 0;
    }
    return -1;
}

static int owns(const struct brand *b, uint64_t tenant)
{
    for (uint32_t i = 0; i < b->n_tenants; i++)
        if (b->tenants[i] == tenant)
            return 1;
    return 0;
}

int registry_looks_alike(const struct registry *g, const char *sender, size_t len, uint64_t tenant)
{
    char skeleton[64];
    if (!g->n_brands)
        return 0;
    size_t n = content_skeleton(sender, len, skeleton, sizeof skeleton);
    for (uint32_t i = 0; i < g->n_brands; i++) {
        const struct brand *b = &g->brands[i];
        int alike = words_distance(skeleton, n, b->skeleton, b->len, b->distance) <= b->distance ||
                    (b->len >= 4 && n > b->len && memmem(skeleton, n, b->skeleton, b->len));
        if (alike && !owns(b, tenant))
            return 1;
    }
    return 0;
}
