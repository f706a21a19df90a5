/* SPDX-License-Identifier: MIT */
#include "faults.h"

#include "calls.h"

#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/kit.h"

enum {
    SEEN_MAX = 64,
    FDS_MAX = 256,
    NTH_MAX = 100,      /* of calls of one kind: a look into /proc makes more, as many as there are processes */
    PROBLEMS_MAX = 40,
    BODY_S = 5,         /* a body that waits longer waits for ever */
    PROCESS_MS = 30000, /* and this is the bound on that */
};

/* What a run tells, in memory that it shares with the test. */
typedef struct outcome {
    atomic_uint seen_count;
    int seen[SEEN_MAX]; /* failures, in their order */
    unsigned struck;
    unsigned counts[CALLS_MAX]; /* by the calls' numbers */
    bool ended;
    char problem[512];
} outcome;

static struct {
    outcome *out;
    unsigned runs, missed, problems, by_errors, by_shorts;
    char root[64];
} here;

/* ---- What holds in every scenario ---------------------------------------------------------------- */

#define RETRIED "a signal: begun again"
static const spared everywhere[] = {
    {"*", EINTR, 0, RETRIED},
    {"*", EAGAIN, 0, "not now: waited for, and tried again"},
    {"munmap", 0, 0, "nothing but addresses is lost"},
    {"madvise", 0, 0, "huge pages are not kept away, memory is not given back; a guard is told"},
    {"sigaction", 0, 0, "numbers and memory are the library's own"},
    {"sigaltstack", 0, 0, "overflows of a stack are not told apart from other faults"},
    {"epoll_ctl EPOLL_CTL_DEL", 0, 0, "the descriptor is closed next, which the kernel takes for the same"},
    {"epoll_wait", 0, 0, "asked again"},
    {"epoll_pwait2", 0, 0, "asked again, ENOSYS and EPERM: of epoll_wait"},
    {"io_uring_submit", 0, 0, "asked again"},
    {"io_uring_submit_and_get_events", 0, 0, "asked again"},
    {"io_uring_submit_and_wait_timeout", 0, 0, "asked again"},
    {"close", 0, 0, "the descriptor is gone, and no bytes with it"},
    {"close of a file that was only read", 0, 0, "the descriptor is gone, and no bytes with it"},
    {"close of a directory", 0, 0, "the descriptor is gone, and no bytes with it"},
    {"getrandom", 0, 0, "the clock and the process's number are taken in its place"},
    {"preadv64v2", EOPNOTSUPP, 0, "not at once: by a thread"},
    {"io_uring_queue_init_params", EINVAL, 0, "an older kernel: asked for less"},
    {"getrlimit64", 0, 0, "no limit is taken for granted"},
    {"copy_file_range", 0, 0, "copied in another way"},
    {"ioctl FICLONE", 0, 0, "copied in another way"},
    {"renameat2", EINVAL, 0, "no such flag: link and unlink"},
    {"pthread_create", 0, 0, "a thread that is there takes the job when it has done its own"},
    {"sched_getaffinity", 0, 0, "one processor is taken for granted"},
    {"mmap64", ENOMEM, KT_ENOSTACK, "in words that tell what to do"},
    {"mprotect", ENOMEM, KT_ENOSTACK, "in words that tell what to do"},
    {"madvise", ENOMEM, KT_ENOSTACK, "in words that tell what to do"},
    {NULL, 0, 0, NULL},
};

/* ---- The directory of a run -------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    return at->level > 0 ? remove(path) : 0;
}

static void empty_directory(void)
{
    if (nftw(here.root, remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0)
        kt_test_fail("%s: cannot be emptied", here.root);
}

static _Noreturn void fail_with(const char *what)
{
    empty_directory();
    (void)rmdir(here.root);
    kt_test_fail("%s", what);
}

/* ---- In the process of a run --------------------------------------------------------------------- */

bool ok(int64_t rc)
{
    if (rc < 0) {
        unsigned i = atomic_fetch_add(&here.out->seen_count, 1);
        if (i < SEEN_MAX)
            here.out->seen[i] = (int)rc;
    }
    return rc >= 0;
}

void end_task(kt_task *t)
{
    kt_task_cancel(t);
    int rc = kt_task_join(t);
    if (!kt_is_cancel(rc))
        ok(rc);
}

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *format, ...)
{
    va_list args;
    size_t have = strlen(here.out->problem);
    va_start(args, format);
    vsnprintf(here.out->problem + have, sizeof here.out->problem - have, format, args);
    va_end(args);
}

void must(bool holds, const char *what)
{
    if (!holds && atomic_load(&here.out->seen_count) == 0)
        complain("  nothing failed, and yet not: %s\n", what);
}

static int run_body(void *arg)
{
    const scenario *s = arg;
    kt_timeout limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(BODY_S));
    s->body();
    return kt_timeout_end(&limit, 0);
}

static void run_once(const scenario *s)
{
    const kt_options options = {.threads_max = 2};
    if (s->no_loop)
        s->body();
    else
        (void)ok(kt_run_with(&options, run_body, s, sizeof *s));
}

static unsigned open_descriptors(bool *which)
{
    unsigned n = 0;
    for (int fd = 0; fd < FDS_MAX; fd++) {
        bool is_open = fcntl(fd, F_GETFD) >= 0;
        n += is_open;
        which[fd] = is_open;
    }
    return n;
}

static void check_descriptors(const bool *before)
{
    bool after[FDS_MAX];
    (void)open_descriptors(after);
    for (int fd = 0; fd < FDS_MAX; fd++) {
        char link[32], target[128] = "";
        if (before[fd] == after[fd])
            continue;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target - 1);
        (void)n;
        complain("  descriptor %d (%s) %s\n", fd, target, after[fd] ? "is left open" : "was closed");
    }
}

static int is_temporary(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    if (strstr(path + at->base, ".kettle-"))
        complain("  temporary file left: %s\n", path);
    return 0;
}

/* What can look at no name, or remove none, for good, cannot tidy up either. */
static bool may_leave_files(const call_fault *f)
{
    return f->for_good && f->which;
}

static void check_behind(const call_fault *f, const bool *before, size_t live)
{
    check_descriptors(before);
    if (kt_test_blocks() != live)
        complain("  %zd allocations are left\n", (ssize_t)(kt_test_blocks() - live));
    bool cannot_wait = f->which && strcmp(f->which->name, "syscall waitid") == 0; /* and was told to have none */
    if (waitpid(-1, NULL, WNOHANG) >= 0 && !cannot_wait)
        complain("  a child process is left\n");
    if (!may_leave_files(f))
        nftw(here.root, is_temporary, 8, FTW_PHYS);
}

static void count_calls(void)
{
    for (const call *c = calls_all; c; c = c->next)
        here.out->counts[c->number] = calls_count(c);
}

/* The process of one run: disturbed, then looked at, then once more in peace. */
static _Noreturn void child(const scenario *s, const call_fault *f)
{
    bool before[FDS_MAX];
    signal(SIGPIPE, SIG_IGN);
    if (s->prepare)
        s->prepare();
    (void)open_descriptors(before);
    size_t live = kt_test_blocks();
    calls_arm(f, s->lacking);
    run_once(s);
    calls_disarm();
    here.out->struck = calls_struck();
    count_calls();
    check_behind(f, before, live);
    unsigned seen = atomic_load(&here.out->seen_count);
    empty_directory();
    if (s->prepare)
        s->prepare();
    atomic_store(&here.out->seen_count, 0);
    run_once(s);
    if (atomic_load(&here.out->seen_count) > 0)
        complain("  again, undisturbed: %s\n", kt_error_name(here.out->seen[0]));
    atomic_store(&here.out->seen_count, seen);
    here.out->ended = true;
    _exit(0);
}

/* ---- In the test's process ----------------------------------------------------------------------- */

void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        kt_test_fail("%s: %s", path, strerror(errno));
}

void make_dir(const char *path)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        kt_test_fail("%s: %s", path, strerror(errno));
}

/* True if it ended by itself. */
static bool wait_for(pid_t pid, int *ret_status)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    CHECK_GE(fd, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    bool ended = poll(&p, 1, PROCESS_MS) > 0;
    if (!ended)
        kill(pid, SIGKILL);
    CHECK_EQ(waitpid(pid, ret_status, 0), pid);
    close(fd);
    return ended;
}

static void perform(const scenario *s, const call_fault *f)
{
    int status = 0;
    static const outcome blank;
    *here.out = blank;
    here.runs++;
    empty_directory();
    fflush(NULL);
    pid_t pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0)
        child(s, f);
    if (!wait_for(pid, &status))
        complain("  it hangs\n");
    else if (WIFSIGNALED(status))
        complain("  it died of signal %d\n", WTERMSIG(status));
    else if (!here.out->ended)
        complain("  it ended with status %d\n", WEXITSTATUS(status));
}

static const spared *spared_in(const spared *list, const call_fault *f)
{
    for (; list && list->call; list++)
        if ((strcmp(list->call, "*") == 0 || strcmp(list->call, f->which->name) == 0) &&
            (f->error == CALLS_SHORT ? list->error == CALLS_SHORT : list->error == 0 || list->error == f->error))
            return list;
    return NULL;
}

static bool was_seen(int code)
{
    unsigned n = atomic_load(&here.out->seen_count);
    for (unsigned i = 0; i < n && i < SEEN_MAX; i++)
        if (here.out->seen[i] == code)
            return true;
    return false;
}

static bool spared_by(const spared *list, const call_fault *f)
{
    bool failed = atomic_load(&here.out->seen_count) > 0;
    for (const spared *e = spared_in(list, f); e; e = spared_in(e + 1, f))
        if (e->told == ANYHOW || (e->told == FAILED && failed) || (e->told == 0 ? !failed : was_seen(e->told)))
            return true;
    return false;
}

/* Was the failure told as it must be? */
static void judge(const scenario *s, const call_fault *f)
{
    unsigned n = atomic_load(&here.out->seen_count);
    if (f->error == CALLS_SHORT) {
        if (n > 0 && !spared_by(s->spared, f))
            complain("  cut short, it failed: %s\n", kt_error_name(here.out->seen[0]));
        return;
    }
    bool told = was_seen(-f->error) && f->error != EINTR; /* which is no business of the caller's */
    if (told || spared_by(s->spared, f) || spared_by(everywhere, f))
        return;
    if (n == 0)
        complain("  nobody was told\n");
    for (unsigned i = 0; i < n && i < SEEN_MAX; i++)
        complain("%s%s%s", i ? ", " : "  told was: ", kt_error_name(here.out->seen[i]),
                 i + 1 == n || i + 1 == SEEN_MAX ? "\n" : "");
}

static void report(const scenario *s, const call_fault *f)
{
    char how[64];
    if (f->error == CALLS_SHORT)
        snprintf(how, sizeof how, "is cut short");
    else
        snprintf(how, sizeof how, "fails: %s", kt_error_name(-f->error));
    here.problems++;
    fprintf(stderr, "%s: %s, the %u., %s%s (%s)\n%s", s->name, f->which->name, f->nth, how,
            f->for_good ? " from then on" : "", f->which->page, here.out->problem);
}

static void disturb(const scenario *s, const call_fault *f)
{
    perform(s, f);
    if (here.out->struck == 0 && here.out->ended) {
        here.missed++; /* it was made less often this time: threads */
        return;
    }
    if (f->error == CALLS_SHORT)
        here.by_shorts++;
    else
        here.by_errors++;
    judge(s, f);
    if (here.out->problem[0])
        report(s, f);
    if (here.problems >= PROBLEMS_MAX)
        fail_with("so many problems that no more are looked for");
}

/* What is begun again would be begun again for ever; a loop that cannot wait has nobody to tell; and what may not be
 * killed is waited for. */
static bool may_last(const call_fault *f)
{
    if (strcmp(f->which->name, "kill") == 0)
        return false;
    static const char *const waits[] = {"epoll_wait", "epoll_pwait2", "io_uring_submit",
                                        "io_uring_submit_and_get_events", "io_uring_submit_and_wait_timeout"};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
        if (strcmp(f->which->name, waits[i]) == 0)
            return f->error == ENOSYS || f->error == EPERM;
    return f->error != EINTR && f->error != EAGAIN;
}

/* The kit shows what a test has printed only when it fails. */
static void count_for(const scenario *s, const unsigned *counts)
{
    const char *path = getenv("KETTLE_FAULTS_COUNTS");
    FILE *f = path ? fopen(path, "a") : NULL;
    if (!f)
        return;
    for (const call *c = calls_all; c; c = c->next)
        fprintf(f, "%s made %s %u\n", s->name, c->name, counts[c->number]);
    fprintf(f, "%s ran %u failed %u short %u missed %u\n", s->name, here.runs, here.by_errors, here.by_shorts,
            here.missed);
    fclose(f);
}

static bool everything(void)
{
    const char *how = getenv("KETTLE_FAULTS");
    return how && strcmp(how, "all") == 0;
}

static void disturb_nth(const scenario *s, call *c, unsigned nth, unsigned last)
{
    bool all = everything();
    unsigned errors = 0;
    while (c->errors[errors])
        errors++;
    for (unsigned i = 0; i < errors; i++) {
        if (!all && nth != 1 && i != nth % errors)
            continue;
        call_fault f = {.which = c, .nth = nth, .error = c->errors[i]};
        disturb(s, &f);
        f.for_good = true;
        if (may_last(&f) && (all ? nth < last : nth == 1 && i == 0))
            disturb(s, &f);
    }
    if (c->shortens)
        disturb(s, &(call_fault){.which = c, .nth = nth, .error = CALLS_SHORT});
    if (c->shortens && nth == 1)
        disturb(s, &(call_fault){.which = c, .nth = nth, .error = CALLS_SHORT, .for_good = true});
}

static bool looked_at(unsigned nth, unsigned last)
{
    return (everything() && nth <= NTH_MAX) || nth == 1 || nth == last || nth == (last + 1) / 2;
}

static bool is_lacking(const scenario *s, const call *c)
{
    const lacking *l = s->lacking;
    while (l && l->call && strcmp(l->call, c->name) != 0)
        l++;
    return l && l->call;
}

static void sweep(const scenario *s)
{
    unsigned counts[CALLS_MAX];
    const char *only = getenv("KETTLE_FAULTS_CALL");
    perform(s, &(call_fault){.nth = 0});
    if (atomic_load(&here.out->seen_count) > 0)
        complain("  %s\n", kt_error_name(here.out->seen[0]));
    if (here.out->problem[0]) {
        fprintf(stderr, "undisturbed:%s", here.out->problem);
        fail_with("it does not even work undisturbed");
    }
    memcpy(counts, here.out->counts, sizeof counts);
    for (call *c = calls_all; c; c = c->next) {
        if ((only && strcmp(only, c->name) != 0) || is_lacking(s, c))
            continue;
        for (unsigned nth = 1; nth <= counts[c->number]; nth++)
            if (looked_at(nth, counts[c->number]))
                disturb_nth(s, c, nth, counts[c->number]);
    }
    count_for(s, counts);
}

void faults_run(const scenario *s)
{
    static outcome *shared;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    here.out = shared;
    calls_share();
    snprintf(here.root, sizeof here.root, "/tmp/kettle-faults-XXXXXX");
    CHECK(mkdtemp(here.root) != NULL);
    CHECK_EQ(chdir(here.root), 0);
    sweep(s);
    calls_unshare();
    if (here.problems > 0)
        fail_with("failures that were not told, or left something behind");
    empty_directory();
    CHECK_EQ(rmdir(here.root), 0);
    CHECK(here.by_errors > 0 || getenv("KETTLE_FAULTS_CALL")); /* which not every scenario makes */
}
