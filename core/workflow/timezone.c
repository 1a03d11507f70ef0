/* SPDX-License-Identifier: Apache-2.0
 * Whether a time zone's name is one this machine knows: a file below /usr/share/zoneinfo.
 *
 * Where that folder is not there (a bare container), every name of the right form is taken, because
 * nothing better can be said. Thread: any; looks into the file system.
 */
#include "workflow/workflow_int.h"
#include "base/zone.h"
#include <dirent.h>
#include <sys/stat.h>

static const char zones[] = "/usr/share/zoneinfo";

enum { NAMES_MAX = 1000 };

static bool is_zone_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < 64 && name[0] != '/' && name[len - 1] != '/' && !strstr(name, "..") &&
           !strstr(name, "//") &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/") ==
               len;
}

static bool is_kind(const char *path, mode_t kind)
{
    struct stat info;
    return stat(path, &info) == 0 && (info.st_mode & S_IFMT) == kind;
}

/* Beside the zones the folder holds tables and versions. */
static bool is_zone(const char *name)
{
    struct zone *zone = zone_open(name, NULL);
    zone_close(zone);
    return zone != NULL;
}

/* The nearest name to `leaf` in a folder of zones, or NULL. */
static const char *nearest_in(struct arena *a, const char *folder, const char *leaf)
{
    const char *names[NAMES_MAX];
    size_t n = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return NULL;
    for (struct dirent *entry; n < NAMES_MAX && (entry = readdir(dir));)
        if (entry->d_name[0] >= 'A' && entry->d_name[0] <= 'Z')
            names[n++] = arena_strdup(a, entry->d_name);
    closedir(dir);
    return str_nearest(leaf, names, n);
}

/* The nearest zone: first its region, then the place in it. */
static const char *nearest(struct arena *a, const char *name)
{
    const char *slash = strrchr(name, '/');
    if (!slash)
        return nearest_in(a, zones, name);
    const char *region = arena_str(a, name, (size_t)(slash - name)).ptr;
    const char *folder = arena_printf(a, "%s/%s", zones, region).ptr;
    if (!is_kind(folder, S_IFDIR)) {
        region = nearest_in(a, zones, region);
        folder = region ? arena_printf(a, "%s/%s", zones, region).ptr : NULL;
    }
    const char *place = folder ? nearest_in(a, folder, slash + 1) : NULL;
    return place ? arena_printf(a, "%s/%s", region, place).ptr : NULL;
}

const char *timezone_check(struct arena *a, const char *name)
{
    if (!strcmp(name, "UTC"))
        return NULL;
    if (!is_zone_name(name))
        return "must be an IANA name such as \"Europe/Berlin\"";
    if (!is_kind(zones, S_IFDIR) || is_zone(name))
        return NULL;
    const char *near = nearest(a, name);
    if (near && !strcmp(near, name)) /* a folder */
        return arena_printf(a, "'%s' is a region, not a zone", name).ptr;
    return near ? arena_printf(a, "'%s' is not known here; did you mean '%s'?", name, near).ptr
                : arena_printf(a, "'%s' is not known here; IANA names look like \"Europe/Berlin\"",
                               name)
                      .ptr;
}
