/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_PROC_SCAN_H
#define KETTLE_IO_PROC_SCAN_H

/* Which process groups have a member that still runs, read from /proc. kill(-group, 0) cannot tell:
 * it counts zombies, which stay for ever where process 1 does not reap orphans, as in many
 * containers. A header and not a source file, because the library of jobs uses it too, and sees
 * only libkettle's public symbols. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Reads one process's group, and whether it runs (see proc_pid_stat(5)); false when it is gone. */
static inline bool kt__proc_read(int proc_fd, const char *pid, pid_t *ret_group, bool *ret_runs)
{
    char path[32], text[512];
    if (snprintf(path, sizeof(path), "%s/stat", pid) >= (int)sizeof(path))
        return false;
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (size <= 0)
        return false;
    text[size] = 0;
    /* "pid (name) state parent group ...": the name may hold anything, parentheses too. Field 20 is
     * the number of threads: a first thread that has ended looks like a zombie while others go
     * on. */
    const char *rest = strrchr(text, ')');
    char state;
    int group, threads;
    const char fields[] = ") %c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d";
    if (!rest || sscanf(rest, fields, &state, &group, &threads) != 3)
        return false;
    *ret_group = group;
    *ret_runs = (state != 'Z' && state != 'X') || threads > 1;
    return true;
}

/* Calls each(group, arg) for every process that runs, until it returns true. 1 if it did, 0 if not,
 * a negated errno when /proc cannot be read. Blocks for about 10 us a process. */
static inline int kt__proc_scan(bool (*each)(pid_t group, void *arg), void *arg)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return -errno;
    int rc = 0;
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(proc))) {
        pid_t group;
        bool runs;
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        if (kt__proc_read(dirfd(proc), entry->d_name, &group, &runs) && runs)
            rc = each(group, arg);
    }
    closedir(proc);
    return rc;
}

#endif
