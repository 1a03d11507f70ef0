/* SPDX-License-Identifier: Apache-2.0
 * What the item format costs for the standard message: 342 bytes, SMS-like, 11 keys, one nested
 * object, one array of 3. One JSON line per figure: the median, the least and the most of 7 rounds.
 */
#include "json/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 7, TIMES = 50000, ARENA_BYTES = 64 * 1024 };

static const char message[] =
    "{\"id\":\"01HV5Z7Q3K8M2N4P6R8T0V2X4Z\",\"tenant\":\"acme-telecom\",\"channel\":\"sms\","
    "\"from\":\"+4915112345678\",\"to\":\"+4917698765432\","
    "\"text\":\"Your code is 482913. Do not share it with anybody. Ends 12:40\","
    "\"ts\":1732281600123,\"segments\":1,\"priority\":5,"
    "\"meta\":{\"campaign\":\"login-otp\",\"ref\":\"a1b2c3d4\",\"price\":0.0075,\"retry\":false},"
    "\"tags\":[\"otp\",\"de\",\"gold\"]}";
_Static_assert(sizeof message - 1 == 342, "the standard message has 342 bytes");

/* The same length of text beyond ASCII, and with escapes. */
static const char message_utf8[] =
    "{\"id\":\"01HV5Z7Q3K8M2N4P6R8T0V2X4Z\",\"to\":\"+79161234567\","
    "\"text\":\"Ваш код 482913. Никому не сообщайте его, даже сотрудникам банка. До 12:40\"}";
static const char message_escapes[] =
    "{\"id\":\"01HV5Z7Q3K8M2N4P6R8T0V2X4Z\",\"to\":\"+79161234567\","
    "\"text\":\"Line one\\nline two says \\\"hello\\\" \\u00e9\\ud83d\\ude00 and "
    "ends\\t12:40\\n\"}";

struct bench {
    struct arena arena;
    struct json item;
    struct json_path path;
    char buffer[4096];
    uint64_t sink; /* so that no work is left out */
};

static void require(int failed)
{
    if (failed) {
        fprintf(stderr, "json_bench: the message was not taken\n");
        exit(1);
    }
}

static void parse(struct bench *b, const char *text, size_t len)
{
    struct json v;
    require(json_parse(&b->arena, text, len, 0, &v, NULL));
    b->sink += v.len;
    arena_clear(&b->arena);
}

static void run_parse(struct bench *b) { parse(b, message, sizeof message - 1); }

static void run_parse_utf8(struct bench *b) { parse(b, message_utf8, sizeof message_utf8 - 1); }

static void run_parse_escapes(struct bench *b)
{
    parse(b, message_escapes, sizeof message_escapes - 1);
}

static void run_edit_write(struct bench *b)
{
    struct json value = json_of_int((int64_t)(b->sink & 1023)), changed;
    require(json_set(&b->arena, &b->item, &b->path, &value, &changed, NULL));
    b->sink += json_text(&b->arena, &changed).len;
    arena_clear(&b->arena);
}

static void run_write(struct bench *b) { b->sink += json_write(&b->item, b->buffer); }

static void run_get(struct bench *b) { b->sink += JSON_GET(&b->item, "priority")->type; }

static void run_copy(struct bench *b)
{
    b->sink += json_copy(&b->arena, &b->item).len;
    arena_clear(&b->arena);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void measure(struct bench *b, const char *name, size_t bytes, void (*run)(struct bench *b))
{
    double us[ROUNDS];
    for (int i = 0; i < 1000; i++)
        run(b);
    for (int round = 0; round < ROUNDS; round++) {
        double start = cpu_us();
        for (int i = 0; i < TIMES; i++)
            run(b);
        us[round] = (cpu_us() - start) / TIMES;
    }
    qsort(us, ROUNDS, sizeof *us, by_size);
    printf("{\"bench\":\"json.%s\",\"us\":%.3f,\"min\":%.3f,\"max\":%.3f,\"bytes\":%zu}\n", name,
           us[ROUNDS / 2], us[0], us[ROUNDS - 1], bytes);
}

int main(void)
{
    static struct bench b;
    static char first[ARENA_BYTES];
    struct arena kept;
    arena_init(&kept, NULL, 0);
    arena_init(&b.arena, first, sizeof first);
    require(json_parse(&kept, message, sizeof message - 1, 0, &b.item, NULL));
    require(json_path_parse(&kept, "priority", 8, &b.path, NULL));
    measure(&b, "parse", sizeof message - 1, run_parse);
    measure(&b, "parse_utf8", sizeof message_utf8 - 1, run_parse_utf8);
    measure(&b, "parse_escapes", sizeof message_escapes - 1, run_parse_escapes);
    measure(&b, "edit_write", sizeof message - 1, run_edit_write);
    measure(&b, "write", sizeof message - 1, run_write);
    measure(&b, "get", sizeof message - 1, run_get);
    measure(&b, "copy", sizeof message - 1, run_copy);
    arena_fini(&b.arena);
    arena_fini(&kept);
    return b.sink == 0;
}
