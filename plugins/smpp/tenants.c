/* SPDX-License-Identifier: Apache-2.0
 * The list of tenants: parsed from a credential, compared in constant time. Thread: the worker's.
 */
#include "tenants.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tenants_fini(struct tenants *t)
{
    if (t->list)
        explicit_bzero(t->list, t->n * sizeof *t->list);
    free(t->list);
    *t = (struct tenants){ 0 };
}

/* --- parsing ---------------------------------------------------------------------------------- */

static int parse_network(const char *text, struct tenant_network *to)
{
    char address[64];
    char *end;
    size_t len = strcspn(text, "/");
    if (len >= sizeof address)
        return -1;
    memcpy(address, text, len);
    address[len] = 0;
    if (inet_pton(AF_INET, address, to->bytes) == 1)
        to->family = 4;
    else if (inet_pton(AF_INET6, address, to->bytes) == 1)
        to->family = 6;
    else
        return -1;
    unsigned long most = to->family == 4 ? 32 : 128, bits = most;
    if (text[len] == '/') {
        bits = strtoul(text + len + 1, &end, 10);
        if (*end || end == text + len + 1 || bits > most)
            return -1;
    }
    to->bits = (uint8_t)bits;
    return 0;
}

static int parse_networks(char *text, struct tenant *t)
{
    char *state = NULL;
    for (char *one = strtok_r(text, ",", &state); one; one = strtok_r(NULL, ",", &state))
        if (t->n_networks == TENANT_ADDRESSES_MAX ||
            parse_network(one, &t->networks[t->n_networks++]) != 0)
            return -1;
    return 0;
}

static int parse_number(const char *text, uint32_t min, uint32_t max, uint32_t *to)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (!*text || *end || n < min || n > max)
        return -1;
    *to = (uint32_t)n;
    return 0;
}

static int parse_mode(const char *text, enum session_mode *to)
{
    static const char *const names[] = { "transmitter", "receiver", "transceiver" };
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, names[i])) {
            *to = (enum session_mode)(i + 1);
            return 0;
        }
    return -1;
}

static int parse_option(char *option, struct tenant *t)
{
    char *value = strchr(option, '=');
    if (!value)
        return -1;
    *value++ = 0;
    if (!strcmp(option, "binds"))
        return parse_number(value, 1, 1000, &t->binds);
    if (!strcmp(option, "rate"))
        return parse_number(value, 0, 1000000, &t->rate);
    if (!strcmp(option, "window"))
        return parse_number(value, 1, 10000, &t->window);
    if (!strcmp(option, "mode"))
        return parse_mode(value, &t->modes);
    return !strcmp(option, "from") ? parse_networks(value, t) : -1;
}

static int parse_line(char *line, struct tenant *t)
{
    char *state = NULL;
    char *system_id = strtok_r(line, " \t\r", &state), *password = strtok_r(NULL, " \t\r", &state),
         *tenant_id = strtok_r(NULL, " \t\r", &state);
    if (!tenant_id || strlen(system_id) > 15 || strlen(password) > 8 || strlen(tenant_id) > 64)
        return -1;
    *t = (struct tenant){ .binds = 4, .window = 100, .modes = SESSION_TRANSCEIVER };
    snprintf(t->system_id, sizeof t->system_id, "%s", system_id);
    snprintf(t->password, sizeof t->password, "%s", password);
    snprintf(t->tenant_id, sizeof t->tenant_id, "%s", tenant_id);
    for (char *one; (one = strtok_r(NULL, " \t\r", &state));)
        if (parse_option(one, t) != 0)
            return -1;
    return 0;
}

static int is_known(const struct tenants *t, const char *system_id)
{
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->list[i].system_id, system_id))
            return 1;
    return 0;
}

/* What is wrong with a line, or NULL: it is added, or empty. */
static const char *take_line(struct tenants *t, size_t *size, char *line)
{
    struct tenant one;
    line += strspn(line, " \t\r");
    if (!*line || *line == '#')
        return NULL;
    if (parse_line(line, &one) != 0)
        return "is not understood";
    if (is_known(t, one.system_id))
        return "has a system_id that is there already";
    if (t->n == TENANTS_MAX)
        return "is one too many";
    if (t->n == *size) {
        *size = *size ? *size * 2 : 16;
        t->list = realloc(t->list, *size * sizeof *t->list);
        if (!t->list)
            abort();
    }
    t->list[t->n++] = one;
    return NULL;
}

int tenants_parse(struct tenants *t, const char *text, char *why, size_t why_size)
{
    char *copy = strdup(text), *state = NULL;
    const char *wrong = NULL;
    size_t number = 0, size = 0;
    *t = (struct tenants){ 0 };
    if (!copy)
        abort();
    for (char *line = strtok_r(copy, "\n", &state); line && !wrong;
         line = strtok_r(NULL, "\n", &state)) {
        number++;
        wrong = take_line(t, &size, line);
    }
    explicit_bzero(copy, strlen(text));
    free(copy);
    if (!wrong)
        return 0;
    snprintf(why, why_size,
             "entry %zu of the tenants %s; it is: system_id password tenant_id, and perhaps "
             "binds=4 rate=100 window=50 mode=transceiver from=10.0.0.0/8,192.0.2.7",
             number, wrong);
    tenants_fini(t);
    return -1;
}

/* --- checking --------------------------------------------------------------------------------- */

/* 1 when equal; as long for every pair of words. */
static int is_same(const char *known, size_t size, struct smpp_str said)
{
    unsigned char differs = said.len >= size;
    size_t len = strlen(known);
    for (size_t i = 0; i < size; i++) {
        unsigned char a = i < len ? (unsigned char)known[i] : 0;
        unsigned char b = i < said.len ? (unsigned char)said.ptr[i] : 0;
        differs |= a ^ b;
    }
    return !differs;
}

static int is_from(const struct tenant *t, const char *address)
{
    struct tenant_network said;
    if (!t->n_networks)
        return 1;
    if (!strncmp(address, "::ffff:", 7))
        address += 7;
    if (parse_network(address, &said) != 0)
        return 0;
    for (uint32_t i = 0; i < t->n_networks; i++) {
        const struct tenant_network *n = &t->networks[i];
        unsigned whole = n->bits / 8, rest = n->bits % 8;
        if (n->family == said.family && !memcmp(n->bytes, said.bytes, whole) &&
            (!rest || !((n->bytes[whole] ^ said.bytes[whole]) >> (8 - rest))))
            return 1;
    }
    return 0;
}

uint32_t tenants_check(const struct tenants *t, const struct smpp_bind *bind,
                       enum session_mode mode, const char *address, const struct tenant **found)
{
    static const struct tenant nobody = { .password = "........." };
    const struct tenant *named = &nobody;
    for (size_t i = 0; i < t->n; i++)
        if (is_same(t->list[i].system_id, sizeof t->list[i].system_id, bind->system_id))
            named = &t->list[i];
    int is_right = is_same(named->password, sizeof named->password, bind->password);
    if (named == &nobody || !is_right || !is_from(named, address))
        return SMPP_RINVPASWD; /* which of them is nobody's business */
    if ((mode & named->modes) != mode)
        return SMPP_RBINDFAIL;
    *found = named;
    return SMPP_OK;
}
