/* SPDX-License-Identifier: Apache-2.0
 * From a file to a plugin: dlopen, the one symbol, and over to the checks.
 *
 * Libraries are opened with RTLD_NOW, so a missing symbol is found here and not in the middle of a
 * workflow, and RTLD_LOCAL, so two plugins never see each other. They are never closed:
 * thread-local destructors, foreign threads and reports of sanitizers may point into them. Thread:
 * the one that starts the process; reads files.
 */
#include "plugin/plugin_int.h"
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether all that the loader maps is in the file. It maps what the headers say without a look at
 * the file's size, and a page behind the end ends the process (SIGBUS). A library of another
 * machine is left to dlopen, which names it. */
static bool is_whole(int fd, const ElfW(Ehdr) * head, ssize_t got)
{
    struct stat st;
    if (got > EI_CLASS &&
        head->e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
        return true;
    if (got < (ssize_t)sizeof *head || fstat(fd, &st) != 0)
        return false;
    uint64_t size = (uint64_t)st.st_size, sections = (uint64_t)head->e_shnum * head->e_shentsize;
    for (unsigned i = 0; i < head->e_phnum; i++) {
        ElfW(Phdr) part;
        uint64_t at = head->e_phoff + (uint64_t)i * head->e_phentsize;
        if (pread(fd, &part, sizeof part, (off_t)at) != (ssize_t)sizeof part ||
            part.p_offset > size || part.p_filesz > size - part.p_offset)
            return false;
    }
    return head->e_shoff <= size && sections <= size - head->e_shoff;
}

/* dlopen's own words for a file of another kind are "invalid ELF header" at best. */
static int check_file(const char *path, struct err *err)
{
    ElfW(Ehdr) head = { 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_NOT_FOUND, "%s: cannot be read: %s", path, strerror(errno));
    ssize_t n = read(fd, &head, sizeof head);
    int why = errno;
    bool whole = n >= 0 && is_whole(fd, &head, n);
    close(fd);
    if (n < 0)
        return err_set(err, ERR_IO, "%s: cannot be read: %s", path, strerror(why));
    if (n < SELFMAG || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return err_set(err, ERR_INVALID, "%s: is no shared library (not an ELF file)", path);
    if (!whole)
        return err_set(err, ERR_INVALID, "%s: is not whole: it ends too early; copy it again",
                       path);
    return 0;
}

/* What dlopen says begins with the path as it was given to it; ours is there already. */
static const char *dl_reason(const char *path)
{
    const char *reason = dlerror();
    size_t len = strlen(path);
    if (!reason)
        return "unknown reason";
    return !strncmp(reason, path, len) && !strncmp(reason + len, ": ", 2) ? reason + len + 2
                                                                          : reason;
}

/* What it offers to Lua steps, when it has such a symbol. */
static int add_functions(struct plugin_set *set, void *library, struct err *err)
{
    const wf_functions *functions = dlsym(library, "wf_functions_entry");
    return functions ? plugin_set_add_functions(set, functions, err) : 0;
}

int plugin_set_load(struct plugin_set *set, const char *path, struct err *err)
{
    struct arena scratch;
    if (check_file(path, err) != 0)
        return -1;
    arena_init(&scratch, NULL, 0);
    /* A name without a slash would be looked for in the library path. */
    const char *file = strchr(path, '/') ? path : arena_printf(&scratch, "./%s", path).ptr;
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    const wf_plugin *entry = library ? dlsym(library, "wf_plugin_entry") : NULL;
    int result = 0;
    if (!library)
        result = err_set(err, ERR_INVALID, "%s: %s", path, dl_reason(file));
    else if (!entry)
        result =
            err_set(err, ERR_INVALID,
                    "%s: has no symbol wf_plugin_entry: end its source with WF_PLUGIN(...)", path);
    else if (plugin_set_add(set, entry, path, err) != 0 || add_functions(set, library, err) != 0)
        result = err_context(err, "%s", path);
    arena_fini(&scratch);
    return result;
}

static int is_library(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 3 && entry->d_name[0] != '.' && !strcmp(entry->d_name + len - 3, ".so");
}

int plugin_set_load_dir(struct plugin_set *set, const char *dir,
                        void (*report)(void *ctx, const char *file, const char *reason), void *ctx,
                        struct err *err)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, is_library, alphasort), loaded = 0;
    if (n < 0)
        return err_set(err, ERR_NOT_FOUND, "plugins: folder '%s': %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        struct arena scratch;
        struct err why;
        arena_init(&scratch, NULL, 0);
        const char *path = arena_printf(&scratch, "%s/%s", dir, entries[i]->d_name).ptr;
        if (plugin_set_load(set, path, &why) == 0)
            loaded++;
        else if (report)
            report(ctx, path, why.text);
        arena_fini(&scratch);
        free(entries[i]);
    }
    free(entries);
    return loaded;
}
