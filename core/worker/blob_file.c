/* SPDX-License-Identifier: Apache-2.0
 * Files for binary data that is too large for memory. They have no name: what they hold is gone
 * when the last blob is released, and when the engine is killed. Only where the file system cannot
 * make such a file does it have a name for a moment; a name that was left is removed at start.
 *
 * Thread: any. Opening a file may wait for the disk for a moment.
 */
#include "worker/outside.h"
#include "base/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_PREFIX "blob-"

static void clear_left(int dir)
{
    int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again >= 0 ? fdopendir(again) : NULL;
    const struct dirent *entry;
    if (!list && again >= 0)
        close(again);
    while (list && (entry = readdir(list)))
        if (!strncmp(entry->d_name, FILE_PREFIX, sizeof FILE_PREFIX - 1))
            unlinkat(dir, entry->d_name, 0);
    if (list)
        closedir(list);
}

/* Not everybody's: it may be in a folder where others write. */
static int check_private(int dir, const char *path, struct err *err)
{
    struct stat st;
    if (fstat(dir, &st) != 0)
        return err_set(err, ERR_INVALID, "blob-dir %s: %s", path, strerror(errno));
    if (st.st_uid != geteuid() || (st.st_mode & 077))
        return err_set(err, ERR_INVALID,
                       "blob-dir %s: others may look into it; it must be this user's own, mode 700",
                       path);
    return 0;
}

static int open_folder(const char *path, int flags, struct err *err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_set(err, ERR_INVALID, "blob-dir %s: %s", path, strerror(errno));
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    if (dir < 0)
        return err_set(err, ERR_INVALID, "blob-dir %s: %s", path, strerror(errno));
    if (check_private(dir, path, err) == 0) {
        clear_left(dir);
        return dir;
    }
    close(dir);
    return -1;
}

int blob_dir_open(const char *path, int *dir, struct err *err)
{
    char usual[300];
    if (path) {
        *dir = open_folder(path, 0, err);
        return *dir < 0 ? -1 : 0;
    }
    const char *tmp = getenv("TMPDIR");
    snprintf(usual, sizeof usual, "%s/catalyst-%u", tmp && *tmp ? tmp : "/var/tmp",
             (unsigned)geteuid());
    *dir = open_folder(usual, O_NOFOLLOW, err); /* somebody may have been there first */
    if (*dir < 0)
        log_warn("worker", "blob.dir", "%s; binary data stays in memory", err->text);
    return 0;
}

int blob_file_open(int dir, struct err *err)
{
    static atomic_uint number;
    char name[64];
    if (dir < 0)
        return err_set(err, ERR_LIMIT, "binary data: no folder for its files");
    int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    snprintf(name, sizeof name, FILE_PREFIX "%d-%u", (int)getpid(), atomic_fetch_add(&number, 1));
    fd = openat(dir, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ERR_LIMIT, "binary data: a file for it: %s", strerror(errno));
    unlinkat(dir, name, 0);
    return fd;
}
