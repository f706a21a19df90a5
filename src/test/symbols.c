/* SPDX-License-Identifier: MIT */
#include "test/kit.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Frames of the kit, which say nothing: those of the allocator above the caller, and those below
 * every test. */
static const char *const above[] = {"counted_alloc ", "counted_realloc ", "counted_free ", "track ",
                                    "header_of ", "kt_alloc ", "kt_calloc ", "kt_realloc ",
                                    "kt_free ", "on_quit "};
static const char *const below[] = {"kt__test_in_loop ", "kt__test_in_seed ", "kt__test_outside "};

static bool begins_with_one_of(const char *line, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* Starts addr2line(1) with its output in a pipe. Returns the pipe's end, or -1. */
static int start_addr2line(const char *object, uintptr_t offset, pid_t *ret_pid)
{
    int ends[2];
    char address[32];
    snprintf(address, sizeof address, "0x%" PRIxPTR, offset);
    char *argv[] = {(char *)"addr2line", (char *)"-fpsCe", (char *)object, address, NULL};
    char *env[] = {(char *)"LC_ALL=C", NULL};
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int rc = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (rc == 0)
        return ends[0];
    close(ends[0]);
    return -1;
}

/* "function at file:line" by way of the debug information. False when there is none. */
static bool describe_by_debug(const char *object, uintptr_t offset, char *line, size_t size)
{
    pid_t pid;
    size_t used = 0;
    int fd = start_addr2line(object, offset, &pid);
    if (fd < 0)
        return false;
    ssize_t n;
    while (used + 1 < size && (n = read(fd, line + used, size - 1 - used)) > 0)
        used += (size_t)n;
    close(fd);
    waitpid(pid, NULL, 0);
    line[used] = '\0';
    line[strcspn(line, "\n")] = '\0';
    char *discriminator = strstr(line, " (discriminator");
    if (discriminator)
        *discriminator = '\0';
    return used > 0 && line[0] != '?';
}

static void describe(void *address, char *line, size_t size)
{
    Dl_info info;
    struct link_map *map = NULL;
    /* A return address may already belong to the next line. */
    uintptr_t at = (uintptr_t)address - 1;
    if (!dladdr1((void *)at, &info, (void **)&map, RTLD_DL_LINKMAP)) {
        snprintf(line, size, "%p", address);
        return;
    }
    const char *object = map && map->l_name && *map->l_name ? map->l_name : "/proc/self/exe";
    char path[4096];
    ssize_t n = readlink(object, path, sizeof path - 1);
    if (n > 0) {
        path[n] = '\0';
        if (path[0] == '/') /* /proc/self/exe would be addr2line's own */
            object = path;
    }
    if (map && describe_by_debug(object, at - map->l_addr, line, size))
        return;
    snprintf(line, size, "%s in %s", info.dli_sname ? info.dli_sname : "?", info.dli_fname);
}

void kt__test_symbols_report(void *const *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char line[512];
        describe(addresses[i], line, sizeof line);
        if (begins_with_one_of(line, below, sizeof below / sizeof *below))
            break;
        if (!begins_with_one_of(line, above, sizeof above / sizeof *above))
            kt__test_say_failure("        %s\n", line);
    }
}
