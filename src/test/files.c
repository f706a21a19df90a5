/* SPDX-License-Identifier: MIT */
#include "test/kit.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static bool read_descriptor(DIR *directory, const char *name, kt__descriptor *ret_entry)
{
    char *end;
    long fd = strtol(name, &end, 10);
    if (end == name || *end || fd == dirfd(directory))
        return false;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%ld", fd);
    ssize_t n = readlink(path, ret_entry->target, sizeof ret_entry->target - 1);
    ret_entry->target[n > 0 ? n : 0] = '\0';
    ret_entry->fd = (int)fd;
    return true;
}

void kt__test_files_read(kt__descriptors *ret_files)
{
    kt__descriptors files = {NULL, 0};
    size_t room = 0;
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (files.count == room) {
            room = room ? 2 * room : 16;
            files.entries = kt__test_own(files.entries, room * sizeof *files.entries);
        }
        files.count += read_descriptor(directory, entry->d_name, &files.entries[files.count]);
    }
    if (directory)
        closedir(directory);
    *ret_files = files;
}

void kt__test_files_release(kt__descriptors *files)
{
    kt__test_disown(files->entries);
    files->entries = NULL;
    files->count = 0;
}

static bool contains(const kt__descriptors *files, const kt__descriptor *entry)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->entries[i].fd == entry->fd)
            return strcmp(files->entries[i].target, entry->target) == 0;
    return false;
}

size_t kt__test_files_new(const kt__descriptors *before, const kt__descriptors *after, bool report)
{
    size_t count = 0;
    for (size_t i = 0; i < after->count; i++) {
        const kt__descriptor *entry = &after->entries[i];
        if (contains(before, entry))
            continue;
        count++;
        if (report)
            kt__test_say_failure("    %d: %s\n", entry->fd, entry->target);
    }
    return count;
}
