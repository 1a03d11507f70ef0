/* SPDX-License-Identifier: Apache-2.0
 * A set of numbers in a file that is mapped and used as it lies there: the engine starts with 100
 * million numbers at once, and processes of one machine share its pages.
 *
 *   header, starts (2^bits + 1), rests (n), expires (n, or none); integers of the machine
 *
 * What is mapped is looked over before it is used: a broken file is refused, it cannot lead a
 * look-up astray. Thread: any, blocks on the disk.
 */
#include "numbers_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct map_header {
    char magic[8];
    uint32_t order, bits, has_expiry, reserved;
    uint64_t n;
};

static const char map_magic[8] = "CATNUM1";

static size_t starts_bytes(unsigned bits) { return (((size_t)1 << bits) + 1) * sizeof(uint32_t); }

static int numbers_refuse(char *why, size_t size, const char *file, const char *what)
{
    snprintf(why, size, "%s: %s", file, what);
    return -1;
}

static int map_write(int fd, const void *p, size_t len)
{
    const char *at = p;
    while (len) {
        ssize_t n = write(fd, at, len < (1u << 30) ? len : 1u << 30);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int numbers_save(const struct numbers *s, const char *file, char *why, size_t why_size)
{
    struct map_header head = {
        .order = 0x01020304, .bits = s->bits, .has_expiry = s->expires != NULL, .n = s->n
    };
    char beside[4096];
    memcpy(head.magic, map_magic, sizeof head.magic);
    if ((size_t)snprintf(beside, sizeof beside, "%s.%ld", file, (long)getpid()) >= sizeof beside)
        return numbers_refuse(why, why_size, file, "the name is too long");
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return numbers_refuse(why, why_size, beside, strerror(errno));
    int failed = map_write(fd, &head, sizeof head) != 0 ||
                 map_write(fd, s->starts, starts_bytes(s->bits)) != 0 ||
                 map_write(fd, s->rests, s->n * 4) != 0 ||
                 (s->expires && map_write(fd, s->expires, s->n * 4) != 0) || fsync(fd) != 0;
    failed |= close(fd) != 0;
    if (!failed && rename(beside, file) == 0)
        return 0;
    numbers_refuse(why, why_size, file, strerror(errno));
    unlink(beside);
    return -1;
}

int numbers_is_map(const char *file)
{
    char head[sizeof map_magic] = "";
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, head, sizeof head);
    close(fd);
    return n == (ssize_t)sizeof head && !memcmp(head, map_magic, sizeof map_magic);
}

/* Starts never go back, end at n and name no bucket that is unreasonably large. */
static const char *look_over(const struct numbers *s)
{
    size_t buckets = (size_t)1 << s->bits;
    if (s->starts[0] != 0 || s->starts[buckets] != s->n)
        return "its index does not fit its numbers";
    for (size_t i = 0; i < buckets; i++)
        if (s->starts[i + 1] < s->starts[i] || s->starts[i + 1] - s->starts[i] > 4096)
            return "its index is not in order";
    return NULL;
}

static const char *take_map(struct numbers *s)
{
    const struct map_header *head = s->map;
    if (s->map_bytes < sizeof *head || memcmp(head->magic, map_magic, sizeof map_magic) != 0)
        return "is no list of numbers";
    if (head->order != 0x01020304)
        return "was made on a machine of the other byte order";
    if (head->bits < 18 || head->bits > 28 || head->n > UINT32_MAX ||
        s->map_bytes !=
            sizeof *head + starts_bytes(head->bits) + head->n * (head->has_expiry ? 8 : 4))
        return "is cut off or broken";
    s->bits = head->bits;
    s->rest_bits = NUMBERS_BITS - head->bits;
    s->n = head->n;
    s->starts = (const uint32_t *)(head + 1);
    s->rests = s->starts + ((size_t)1 << head->bits) + 1;
    s->expires = head->has_expiry ? s->rests + head->n : NULL;
    return look_over(s);
}

struct numbers *numbers_map(const char *file, char *why, size_t why_size)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        numbers_refuse(why, why_size, file, strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct numbers *s = must(calloc(1, sizeof *s));
    atomic_init(&s->refs, 1);
    s->map_bytes = (size_t)st.st_size;
    void *map = s->map_bytes ? mmap(NULL, s->map_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0)
                             : MAP_FAILED;
    close(fd);
    s->map = map == MAP_FAILED ? NULL : map;
    const char *trouble = s->map ? take_map(s) : "cannot be mapped";
    if (!trouble)
        return s;
    numbers_refuse(why, why_size, file, trouble);
    numbers_unref(s);
    return NULL;
}
