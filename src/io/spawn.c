/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "io/spawn.h"

#include <kettle/process.h>

#include "io/proc_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The child is made as posix_spawn(3) makes it: CLONE_VM | CLONE_VFORK on a stack of its own, so
 * that no page table is copied, no lock of another thread is inherited held, and the parent's
 * stack, which may be a task's, is not touched. Until the exec it shares our memory, thread-local
 * storage included, unless it changes its user or groups (see clone_flags). Hence the rules for
 * every function below marked KT__CHILD:
 *
 *  - system calls only, through syscall(2) and not through libc's wrappers: those may be interposed
 *    by a sanitizer, whose bookkeeping the child would then change under its parent (TSan's table
 *    of signal handlers, for one);
 *  - no instrumentation: the child's calls never return, which would unbalance TSan's shadow stack;
 *  - writes go to the report and the child's own stack alone. */
#if defined(__clang__)
#define KT__CHILD __attribute__((disable_sanitizer_instrumentation, noinline))
#else
#define KT__CHILD __attribute__((no_sanitize("address", "thread", "undefined"), noinline))
#endif

#define KERNEL_MASK_BYTES 8 /* of the kernel's sigset_t, which has 64 bits and not libc's 1024 */
#define SIGNAL_LAST 64
#define REPORT_BYTES 64
#define CHILD_BYTES (32 * 1024)

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4U
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

/* clone(2) by libc's other name for it: TSan interposes `clone`, takes this for a fork, and lets
 * the child mend tables that are not its own. */
extern int __clone(int (*fn)(void *arg), void *stack_end, int flags, void *arg, ...);

typedef uint64_t kernel_mask;

#define IGNORED ((void *)1) /* SIG_IGN, in the kernel's eyes */

/* The kernel's struct sigaction; all zero is SIG_DFL. */
typedef struct kernel_action {
    void *handler;
    unsigned long flags;
    void *restorer;
    kernel_mask mask;
} kernel_action;

/* The low end of the child's memory; its stack grows down towards it from the other end. The
 * mapping is shared, so the report arrives even where a tool makes a fork of our clone (Valgrind
 * does). */
typedef struct child {
    const kt__spawn_plan *plan;
    pid_t parent;
    bool announced;
    int error; /* positive errno once the child has failed */
    kt__spawn_failure failure;
} child;

_Static_assert(sizeof(child) <= REPORT_BYTES, "the report reaches into the stack's 32 KiB");

/* ---- The child ------------------------------------------------------------------------- */

static KT__CHILD long announce(const kt__spawn_plan *plan, int pid)
{
    long size = TEMP_FAILURE_RETRY(syscall(SYS_write, plan->announce_fd, &pid, sizeof(pid)));
    return size == sizeof(pid) ? 0 : -1;
}

static KT__CHILD void fail(child *c, kt__spawn_step step, int64_t number)
{
    c->error = errno;
    c->failure.step = step;
    c->failure.number = number;
    /* Ours to take back, since the parent returns without ever naming this pid; and before the
     * exit, while the number cannot belong to anybody else. */
    if (c->announced)
        (void)announce(c->plan, -(int)syscall(SYS_getpid));
    for (;;)
        syscall(SYS_exit_group, 127);
}

/* Before the mask is emptied, for a handler of ours would run in our parent's memory. */
static KT__CHILD void reset_handlers(bool keep_ignored)
{
    const kernel_action standard = {NULL, 0, NULL, 0};
    kernel_action now = standard;
    for (int signal = 1; signal <= SIGNAL_LAST; signal++) {
        if (keep_ignored)
            syscall(SYS_rt_sigaction, signal, NULL, &now, (size_t)KERNEL_MASK_BYTES);
        if (now.handler != IGNORED)
            syscall(SYS_rt_sigaction, signal, &standard, NULL, (size_t)KERNEL_MASK_BYTES);
    }
}

static KT__CHILD void set_group(child *c)
{
    const kt__spawn_plan *plan = c->plan;
    if (plan->session) {
        if (syscall(SYS_setsid) < 0)
            fail(c, KT__SPAWN_SESSION, -1);
    } else if (plan->group >= 0 && syscall(SYS_setpgid, 0, plan->group) < 0) {
        fail(c, KT__SPAWN_GROUP, plan->group > 0 ? plan->group : -1);
    }
}

static KT__CHILD void die_with_parent(child *c)
{
    if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        fail(c, KT__SPAWN_PARENT, -1);
    /* A parent that died before the prctl sends nothing any more. */
    if (syscall(SYS_getppid) != c->parent) {
        errno = ESRCH;
        fail(c, KT__SPAWN_PARENT, -1);
    }
}

/* After the others have been sealed. */
static KT__CHILD void set_descriptors(child *c)
{
    for (size_t i = 0; i < c->plan->fds_count; i++) {
        int source = c->plan->fds[i].source, target = c->plan->fds[i].target;
        /* dup2 of a descriptor onto itself leaves its close-on-exec flag. */
        long rc = source == target ? syscall(SYS_fcntl, target, F_SETFD, 0)
                                   : TEMP_FAILURE_RETRY(syscall(SYS_dup3, source, target, 0));
        if (rc < 0)
            fail(c, KT__SPAWN_DESCRIPTOR, target);
    }
}

/* While we still may what the next user may not; behind the descriptors, which a limit would refuse. */
static KT__CHILD void set_limits(child *c)
{
    for (size_t i = 0; i < c->plan->limits_count; i++) {
        const kt_process_limit *l = &c->plan->limits[i];
        const uint64_t pair[2] = {l->soft, l->hard}; /* the kernel's struct rlimit64 */
        if (syscall(SYS_prlimit64, 0, l->resource, pair, NULL) < 0)
            fail(c, KT__SPAWN_LIMIT, l->resource);
    }
}

/* The user last, who may not change the groups any more. The kernel takes PR_SET_PDEATHSIG back when
 * a process becomes somebody else. */
static KT__CHILD void change_identity(child *c)
{
    const kt__spawn_identity *who = c->plan->identity;
    if (who->sets_groups && syscall(SYS_setgroups, who->groups_count, who->groups) < 0)
        fail(c, KT__SPAWN_EXTRA_GROUPS, -1);
    if (who->gid != (gid_t)-1 && syscall(SYS_setresgid, who->gid, who->gid, who->gid) < 0)
        fail(c, KT__SPAWN_GID, who->gid);
    if (who->uid != (uid_t)-1 && syscall(SYS_setresuid, who->uid, who->uid, who->uid) < 0)
        fail(c, KT__SPAWN_UID, who->uid);
    die_with_parent(c);
}

/* The number in a decimal name, -1 if it is none ("." and ".."). */
static KT__CHILD int number_of(const char *name)
{
    int n = 0;
    if (!*name)
        return -1;
    for (; *name; name++) {
        if (*name < '0' || *name > '9')
            return -1;
        n = n * 10 + (*name - '0');
    }
    return n;
}

/* Like close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) for kernels before 5.11, and containers that refuse
 * it. */
static KT__CHILD long seal_listed_descriptors(void)
{
    struct entry { /* linux_dirent64, see getdents64(2) */
        uint64_t inode;
        int64_t offset;
        unsigned short size;
        unsigned char type;
        char name[];
    };
    _Alignas(8) char block[1024];
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    long fd = TEMP_FAILURE_RETRY(syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", flags, 0));
    if (fd < 0)
        return -1;
    long size;
    while ((size = syscall(SYS_getdents64, fd, block, sizeof(block))) > 0) {
        for (long at = 0; at < size;) {
            const struct entry *e = (const struct entry *)(const void *)(block + at);
            int n = number_of(e->name);
            if (n > 2)
                syscall(SYS_fcntl, n, F_SETFD, FD_CLOEXEC);
            at += e->size;
        }
    }
    return size;
}

static KT__CHILD long seal_descriptors(void)
{
    if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return 0;
    return seal_listed_descriptors();
}

static KT__CHILD int child_main(void *arg)
{
    child *c = arg;
    const kt__spawn_plan *plan = c->plan;
    const kernel_mask none = 0;

    reset_handlers(plan->keep_ignored);
    set_group(c);
    die_with_parent(c);
    if (plan->announce_fd > 2) {
        /* All signals are still blocked: a broken pipe is EPIPE and no SIGPIPE. */
        if (announce(plan, (int)syscall(SYS_getpid)) < 0)
            fail(c, KT__SPAWN_ANNOUNCE, -1);
        c->announced = true;
    }
    /* Before the descriptors are set, of which one may get this number. */
    if (plan->directory_fd >= 0 && syscall(SYS_fchdir, plan->directory_fd) < 0)
        fail(c, KT__SPAWN_DIRECTORY, -1);
    if (seal_descriptors() < 0)
        fail(c, KT__SPAWN_SEAL, -1);
    set_descriptors(c);
    set_limits(c);
    if (plan->umask)
        syscall(SYS_umask, *plan->umask);
    if (plan->identity)
        change_identity(c);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, (size_t)KERNEL_MASK_BYTES);
    syscall(SYS_execve, plan->path, plan->argv, plan->env);
    fail(c, KT__SPAWN_EXEC, -1);
    return 0;
}

/* ---- The parent ------------------------------------------------------------------------ */

/* A process that becomes somebody else must not share our memory: the kernel marks the memory as not
 * dumpable, which would be ours, and whoever it has become could write there. */
static int clone_flags(const kt__spawn_plan *plan)
{
    int flags = CLONE_VFORK | CLONE_PIDFD | SIGCHLD;
    return plan->identity ? flags : flags | CLONE_VM;
}

int kt__spawn(const kt__spawn_plan *plan, pid_t *ret_pid, int *ret_pidfd,
              kt__spawn_failure *ret_failure)
{
    char *memory = mmap(NULL, CHILD_BYTES, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        *ret_failure = (kt__spawn_failure){KT__SPAWN_CLONE, -1};
        return -errno;
    }
    child *c = (child *)(void *)memory;
    c->plan = plan;
    c->parent = getpid();

    /* A signal's handler must not run in the child, where it would act on our memory. By system
     * call, because libc's pthread_sigmask leaves its own two signals out. */
    kernel_mask all = ~(kernel_mask)0, before = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, (size_t)KERNEL_MASK_BYTES);
    int pidfd = -1;
    pid_t pid = __clone(child_main, memory + CHILD_BYTES, clone_flags(plan), c, &pidfd);
    int rc = pid < 0 ? -errno : -c->error;
    kt__spawn_failure failure = {KT__SPAWN_CLONE, -1};
    if (pid >= 0)
        failure = c->failure;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, (size_t)KERNEL_MASK_BYTES);
    munmap(memory, CHILD_BYTES);

    if (rc == 0) {
        *ret_pid = pid;
        *ret_pidfd = pidfd;
        return 0;
    }
    *ret_failure = failure;
    if (pid > 0) {
        close(pidfd);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    return rc;
}

int kt__lift(int fd)
{
    if (fd < 0)
        return -errno;
    if (fd > 2)
        return fd;
    int above = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int rc = above < 0 ? -errno : above;
    close(fd);
    return rc;
}

static bool is_group(pid_t group, void *arg)
{
    return group == *(const pid_t *)arg;
}

/* The kill itself is atomic against fork(2), so nothing can escape it, but a process may still be inside a
 * system call, whose effect would come after our caller believes it over. Bounded, for such a call
 * can hang (a dead file server). What is left for long may be zombies that nobody reaps. */
bool kt__group_gone(pid_t group, int waited_ms)
{
    if (kill(-group, 0) < 0 && errno == ESRCH)
        return true;
    if (waited_ms >= KT__GROUP_LINGER_MS)
        return true;
    return waited_ms >= 3 && kt__proc_scan(is_group, &group) == 0;
}

void kt__group_outlast(pid_t group)
{
    int pause_ms = 1;
    for (int waited_ms = 0; !kt__group_gone(group, waited_ms); waited_ms += pause_ms) {
        if (waited_ms > 0 && pause_ms < 32)
            pause_ms *= 2;
        nanosleep(&(struct timespec){0, pause_ms * 1000000L}, NULL);
    }
}

/* ---- PATH ------------------------------------------------------------------------------ */

/* 0, or why this file cannot be executed. */
static int executable(const char *path, int directory_fd)
{
    int at = directory_fd < 0 ? AT_FDCWD : directory_fd;
    struct stat facts;
    if (fstatat(at, path, &facts, 0) < 0)
        return -errno;
    if (!S_ISREG(facts.st_mode))
        return -EACCES;
    return faccessat(at, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

int kt__spawn_find(const char *name, int directory_fd, char *ret_path, size_t path_size)
{
    size_t name_size = strlen(name);
    if (name_size == 0)
        return -ENOENT;
    if (name_size >= path_size)
        return -ENAMETOOLONG;
    if (strchr(name, '/')) {
        memcpy(ret_path, name, name_size + 1);
        return 0;
    }
    if (name_size > NAME_MAX)
        return -ENAMETOOLONG;

    const char *folder = getenv("PATH");
    if (!folder)
        folder = "/bin:/usr/bin"; /* confstr(_CS_PATH), which execvpe takes */
    int rc = -ENOENT;
    for (;;) {
        size_t folder_size = strcspn(folder, ":");
        /* An empty part means the working directory. */
        int size = snprintf(ret_path, path_size, "%.*s%s%s", (int)folder_size, folder,
                            folder_size ? "/" : "./", name);
        int found = (size_t)size < path_size ? executable(ret_path, directory_fd) : -ENAMETOOLONG;
        if (found == 0)
            return 0;
        if (found == -EACCES)
            rc = -EACCES;
        if (!folder[folder_size])
            return rc;
        folder += folder_size + 1;
    }
}
