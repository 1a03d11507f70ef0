/* SPDX-License-Identifier: Apache-2.0
 * firewall_check: says whether the firewall would take a rules file, before it is put in place.
 *
 *   firewall_check RULES [MODEL]     exit code 1 and every mistake with its line
 */
#include "../rules.h"
#include <stdio.h>
#include <stdlib.h>

enum { RULES_BYTES_MAX = 256 << 20 };

static char *read_file(const char *name, size_t *len)
{
    FILE *f = fopen(name, "rb");
    char *text = f ? malloc(RULES_BYTES_MAX) : NULL;
    if (!text) {
        perror(name);
        if (f)
            fclose(f);
        return NULL;
    }
    *len = fread(text, 1, RULES_BYTES_MAX, f);
    fclose(f);
    return text;
}

int main(int argc, char **argv)
{
    size_t len = 0;
    char *why = NULL;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: firewall_check RULES [MODEL]\n");
        return 2;
    }
    char *text = read_file(argv[1], &len);
    if (!text)
        return 2;
    struct rules *rules = rules_load(text, len, argc > 2 ? argv[2] : NULL, NULL, NULL, &why);
    free(text);
    if (!rules) {
        fprintf(stderr, "%s:\n%s\n", argv[1], why);
        free(why);
        return 1;
    }
    printf("%s: %u rules, %u patterns, version %s\n", argv[1], rules->n, rules->n_content,
           rules->hash);
    rules_unref(rules);
    return 0;
}
