/* SPDX-License-Identifier: Apache-2.0
 * firewall_list: makes the file that the firewall maps at once out of a list of lines, so that an
 * engine with 100 million numbers starts in a moment; or tells what is in one.
 *
 *   firewall_list make LINES LIST     reads LINES, writes LIST (beside it, then renamed)
 *   firewall_list has LIST NUMBER..   exit code 0 when all are in it
 *   firewall_list count LIST
 */
#include "../numbers.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

static int make(const char *from, const char *to)
{
    char why[300];
    struct numbers *s = numbers_load(from, NULL, why, sizeof why);
    if (!s) {
        fprintf(stderr, "firewall_list: %s: %s\n", from, why);
        return 1;
    }
    int failed = numbers_save(s, to, why, sizeof why);
    if (failed)
        fprintf(stderr, "firewall_list: %s\n", why);
    else
        printf("%zu numbers, %zu bytes\n", numbers_count(s), numbers_bytes(s));
    numbers_unref(s);
    return failed ? 1 : 0;
}

static int tell(const char *list, char **numbers, int n)
{
    char why[300];
    int missing = 0;
    struct numbers *s = numbers_load(list, NULL, why, sizeof why);
    if (!s) {
        fprintf(stderr, "firewall_list: %s\n", why);
        return 2;
    }
    if (!n)
        printf("%zu\n", numbers_count(s));
    for (int i = 0; i < n; i++) {
        uint64_t number = number_parse(numbers[i], strlen(numbers[i]));
        uint8_t hit = 0;
        numbers_look(s, NULL, (uint32_t)time(NULL), &number, 1, &hit);
        printf("%s %s\n", numbers[i], hit ? "yes" : "no");
        missing |= !hit;
    }
    numbers_unref(s);
    return missing;
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "make"))
        return make(argv[2], argv[3]);
    if (argc >= 4 && !strcmp(argv[1], "has"))
        return tell(argv[2], argv + 3, argc - 3);
    if (argc == 3 && !strcmp(argv[1], "count"))
        return tell(argv[2], NULL, 0);
    fprintf(stderr, "usage: firewall_list make LINES LIST | has LIST NUMBER.. | count LIST\n");
    return 2;
}
