/* SPDX-License-Identifier: Apache-2.0
 * A fuzzer's main without libFuzzer: runs each file of the directories and files given. A corpus
 * that is empty or not there is an error, for then nothing is tested.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static int replay_file(const char *path)
{
    struct stat st;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &st) != 0) {
        perror(path);
        exit(1);
    }
    if (!S_ISREG(st.st_mode)) {
        fclose(file);
        return 0;
    }
    /* A block of exactly the input's size, so that a sanitizer sees a read past it. */
    size_t len = (size_t)st.st_size;
    uint8_t *bytes = malloc(len ? len : 1);
    if (!bytes || fread(bytes, 1, len, file) != len) {
        perror(path);
        exit(1);
    }
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, len);
    free(bytes);
    return 1;
}

static int replay(const char *path)
{
    struct dirent *entry;
    DIR *dir = opendir(path);
    int n = 0;
    if (!dir)
        return replay_file(path);
    while ((entry = readdir(dir))) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            n += replay_file(file);
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    int n = 0;
    for (int i = 1; i < argc; i++)
        n += replay(argv[i]);
    printf("%d inputs replayed\n", n);
    return n ? 0 : 1;
}
