/* SPDX-License-Identifier: Apache-2.0
 * A set of numbers from a file of lines: a number, and perhaps a comma and the second since 1970 at
 * which it ends; # begins a comment. A line that is neither refuses the file.
 *
 * Thread: any, blocks on the disk.
 */
#include "numbers_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_line(struct numbers_builder *b, const char *line, size_t len)
{
    const char *comma = memchr(line, ',', len);
    size_t n = comma ? (size_t)(comma - line) : len;
    uint64_t expires = 0;
    while (n && (line[n - 1] == ' ' || line[n - 1] == '\r'))
        n--;
    if (!n || *line == '#')
        return 0;
    uint64_t number = number_parse(line, n);
    for (const char *p = comma ? comma + 1 : line + len; p < line + len && *p >= '0' && *p <= '9';
         p++)
        expires = expires * 10 + (uint64_t)(*p - '0');
    if (!number || expires > UINT32_MAX || numbers_builder_count(b) >= NUMBERS_MAX)
        return -1;
    numbers_builder_add(b, number, (uint32_t)expires);
    return 0;
}

static struct numbers *read_lines(const char *text, size_t len, const _Atomic int *stop, char *why,
                                  size_t why_size)
{
    struct numbers_builder *b = numbers_builder_create();
    size_t line = 1;
    for (const char *at = text, *end = text + len; at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline ? newline : end;
        int stopped = line % 65536 == 0 && stop && atomic_load(stop);
        if (stopped || read_line(b, at, (size_t)(line_end - at)) != 0) {
            snprintf(why, why_size, "line %zu: '%.*s' is no number, or number,expiry", line,
                     (int)(line_end - at < 40 ? line_end - at : 40), at);
            numbers_builder_free(b);
            return NULL;
        }
        at = line_end + 1;
    }
    return numbers_builder_finish(b);
}

struct numbers *numbers_load(const char *file, const _Atomic int *stop, char *why, size_t why_size)
{
    struct stat st;
    if (numbers_is_map(file))
        return numbers_map(file, why, why_size);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(why, why_size, "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    size_t len = (size_t)st.st_size;
    char *map = len ? mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (map == MAP_FAILED) {
        snprintf(why, why_size, "%s", strerror(errno));
        return NULL;
    }
    struct numbers *s = read_lines(map, len, stop, why, why_size);
    if (map)
        munmap(map, len);
    return s;
}
