/* SPDX-License-Identifier: MIT */
/* Which driver a loop gets: by option, by KETTLE_DRIVER, and where the machine forbids io_uring. */
#include "sure.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/switch.h"
#include "under_valgrind.h"

static char driver[16];

static int notes_driver(void *arg)
{
    (void)arg;
    snprintf(driver, sizeof driver, "%s", kt_loop_driver(kt_loop_current()));
    return kt_sleep(KT_MS(1));
}

static int run_on(kt_driver wanted)
{
    const kt_options options = {.driver = wanted};
    driver[0] = '\0';
    return kt_run_with(&options, notes_driver, NULL, 0);
}

/* From here on this is what the system call gets, for the rest of the process. */
static void answer(unsigned number, unsigned how)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, how),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof *code, code};
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        kt_test_skip("no seccomp filter can be installed here");
}

/* As in a container. */
static void forbid(unsigned number, int error)
{
    answer(number, SECCOMP_RET_ERRNO | (unsigned)error);
}

static void forbid_uring(int error)
{
    forbid(SYS_io_uring_setup, error);
    errno = 0;
    CHECK_EQ(syscall(SYS_io_uring_setup, 1, NULL), -1);
    CHECK_EQ(errno, error);
}

static bool uring_allowed(void)
{
    setenv("KETTLE_DRIVER", "uring", 1);
    int rc = run_on(KT_DRIVER_AUTO);
    unsetenv("KETTLE_DRIVER");
    return rc == 0;
}

TEST_WITH(the_option_chooses, KT_TEST_NO_LOOP)
{
    bool uring = uring_allowed();
    CHECK_OK(run_on(KT_DRIVER_EPOLL));
    CHECK_STR(driver, "epoll");
    CHECK_OK(run_on(KT_DRIVER_SIM));
    CHECK_STR(driver, "sim");
    CHECK_OK(run_on(KT_DRIVER_URING));
    CHECK_STR(driver, uring ? "uring" : "epoll");
    CHECK_OK(run_on(KT_DRIVER_AUTO));
    CHECK(strcmp(driver, "sim") != 0);
}

TEST_WITH(the_environment_overrules, KT_TEST_NO_LOOP)
{
    setenv("KETTLE_DRIVER", "epoll", 1);
    CHECK_OK(run_on(KT_DRIVER_SIM));
    CHECK_STR(driver, "epoll");
    setenv("KETTLE_DRIVER", "sim", 1);
    CHECK_OK(run_on(KT_DRIVER_EPOLL));
    CHECK_STR(driver, "sim");
    setenv("KETTLE_DRIVER", "", 1); /* as though unset */
    CHECK_OK(run_on(KT_DRIVER_EPOLL));
    CHECK_STR(driver, "epoll");
}

TEST_WITH(an_unknown_name_is_an_error_that_says_so, KT_TEST_NO_LOOP)
{
    setenv("KETTLE_DRIVER", "kqueue", 1);
    CHECK_ERR(run_on(KT_DRIVER_AUTO), -EINVAL);
    CHECK_STR(kt_error_detail(), "KETTLE_DRIVER=kqueue: must be epoll, uring or sim");
    CHECK_STR(driver, "");
}

static void falls_back_on(int error)
{
    unsetenv("KETTLE_DRIVER");
    forbid_uring(error);
    CHECK_OK(run_on(KT_DRIVER_URING));
    CHECK_STR(driver, "epoll");
    CHECK_OK(run_on(KT_DRIVER_AUTO));
    CHECK_STR(driver, "epoll");
    setenv("KETTLE_DRIVER", "uring", 1); /* what is forced is not replaced in silence */
    CHECK_ERR(run_on(KT_DRIVER_AUTO), -error);
    CHECK(strstr(kt_error_detail(), "KETTLE_DRIVER=uring: this machine does not allow it"));
}

TEST_WITH(a_container_that_forbids_uring_gets_epoll, KT_TEST_NO_LOOP)
{
    falls_back_on(EPERM);
}

TEST_WITH(a_kernel_without_uring_gets_epoll, KT_TEST_NO_LOOP)
{
    falls_back_on(ENOSYS);
}

/* ---- epoll where the kernel has no nanoseconds for it ----------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Asleep, not asking again and again: how often the thread was put to sleep tells. */
static int sleeps_and_runs_a_job(void *arg)
{
    struct rusage before, after;
    (void)arg;
    CHECK_EQ(getrusage(RUSAGE_THREAD, &before), 0);
    for (int i = 0; i < 10; i++) {
        kt_time start = kt_now();
        sure(kt_sleep(KT_US(1500)));
        CHECK_GE(kt_now() - start, KT_US(1500));
    }
    CHECK_EQ(getrusage(RUSAGE_THREAD, &after), 0);
    CHECK_GE(after.ru_nvcsw - before.ru_nvcsw, 8);
    return kt_thread_run(nothing, NULL, 0); /* no time to wake at: until the bell rings */
}

static void waits_without_epoll_pwait2(int error)
{
    const kt_options epoll = {.driver = KT_DRIVER_EPOLL};
    unsetenv("KETTLE_DRIVER");
    forbid(SYS_epoll_pwait2, error);
    CHECK_OK(kt_run_with(&epoll, sleeps_and_runs_a_job, NULL, 0));
}

TEST_WITH(an_older_kernel_waits_in_milliseconds, KT_TEST_NO_LOOP)
{
    waits_without_epoll_pwait2(ENOSYS);
}

TEST_WITH(and_so_does_a_container_that_forbids_epoll_pwait2, KT_TEST_NO_LOOP)
{
    waits_without_epoll_pwait2(EPERM);
}

TEST_WITH(otherwise_it_waits_in_nanoseconds, KT_TEST_NO_LOOP)
{
    const kt_options epoll = {.driver = KT_DRIVER_EPOLL};
    unsetenv("KETTLE_DRIVER");
    if (syscall(SYS_epoll_pwait2, -1, NULL, 0, NULL, NULL, 0) < 0 && (errno == ENOSYS || errno == EPERM))
        kt_test_skip("there is no epoll_pwait2 here");
    if (KT__TSAN)
        kt_test_skip("TSan does not know epoll_pwait2");
    answer(SYS_epoll_wait, SECCOMP_RET_KILL_PROCESS);
    CHECK_OK(kt_run_with(&epoll, sleeps_and_runs_a_job, NULL, 0));
}

/* ---- Descriptors --------------------------------------------------------------------------------- */

TEST_WITH(a_loop_lives_without_a_standard_input, KT_TEST_NO_LOOP)
{
    const kt_driver drivers[] = {KT_DRIVER_EPOLL, KT_DRIVER_URING};
    unsetenv("KETTLE_DRIVER");
    close(0);
    /* Valgrind keeps its one lock while io_uring_enter blocks, and no thread of the pool gets on. */
    for (int i = 0; i < (UNDER_VALGRIND ? 1 : 2); i++) {
        const kt_options options = {.driver = drivers[i]};
        CHECK_OK(kt_run_with(&options, sleeps_and_runs_a_job, NULL, 0));
        CHECK_EQ(fcntl(0, F_GETFD), -1); /* which was the inbox's bell, and is closed again */
    }
    CHECK_EQ(open("/dev/null", O_RDONLY), 0);
}

TEST_WITH(a_loop_that_finds_no_descriptor_says_so, KT_TEST_NO_LOOP)
{
    const kt_driver drivers[] = {KT_DRIVER_EPOLL, KT_DRIVER_URING};
    int top = dup(0);
    struct rlimit limit, before;
    unsetenv("KETTLE_DRIVER");
    CHECK_GE(top, 0);
    close(top);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int left = 0; left < 2; left++) { /* none for the inbox; none for the driver */
        limit = (struct rlimit){(rlim_t)(top + left), before.rlim_max};
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        for (int i = 0; i < 2; i++) {
            const kt_options options = {.driver = drivers[i]};
            CHECK_ERR(kt_run_with(&options, nothing, NULL, 0), -EMFILE);
        }
    }
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}
