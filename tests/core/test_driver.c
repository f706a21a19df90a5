/* SPDX-License-Identifier: MIT */
/* Which driver a loop gets: by option, by KETTLE_DRIVER, and where the machine forbids io_uring. */
#include "sure.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* From here on io_uring_setup(2) answers `error`, as in a container. For the rest of the process. */
static void forbid_uring(int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof *code, code};
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        kt_test_skip("no seccomp filter can be installed here");
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
