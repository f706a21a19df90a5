/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TEST_H
#define KETTLE_TEST_H

/* The test kit. A test program is a list of these, linked with libkettle-test, which has main():
 *
 *     #include <kettle/kettle.h>
 *     #include <kettle/test.h>
 *
 *     TEST(sleep_takes_its_time)
 *     {
 *         kt_time start = kt_now();
 *         CHECK_OK(kt_sleep(KT_S(3)));
 *         CHECK_EQ(kt_now() - start, KT_S(3));      // virtual: no time passes
 *     }
 *
 * Each test is the main task of a loop of its own, in a process of its own, in virtual time unless
 * it asks otherwise. After its body: no other task alive, and with the tasks no operation pending;
 * no descriptor open that was not; no memory of kt_alloc's not freed. What is left is named, and
 * the test fails. So does one that makes no check, and one that never ends: in virtual time when
 * nothing can ever run again (every task's stack is printed), in real time after 60 s. What a test
 * prints is shown when it fails.
 *
 * For what a program needs of the outside world there are a simulated disk (kettle/test_disk.h) and a simulated
 * network (kettle/test_network.h).
 *
 * The driver is sim for virtual time and the default one for real time. KETTLE_DRIVER overrules;
 * sim then skips what needs the real world, and uring where the machine forbids it skips every
 * loop.
 *
 * The program's arguments: `--list`, `--no-fork` (for a debugger: all in this process, no time
 * limit, a failure aborts, a skip ends the run), or names of tests, in which `*` stands for
 * anything. Environment: KETTLE_DRIVER, KETTLE_TEST_SEEDS (see kt_test_seeds), and
 * KETTLE_TEST_TIMEOUT, the seconds that a test may take.
 * The last line of output is "N passed, N failed, N skipped"; exit status 0, 1, or 77 when all
 * were skipped. */

#include <kettle/task.h>

KT_BEGIN

/* Flags of TEST_WITH. */
enum {
    KT_TEST_REAL_TIME = 1, /* the real clock, and a driver with real descriptors */
    KT_TEST_NO_LOOP = 2,   /* the body runs outside any loop */
    KT_TEST_REAL_IO = 4,   /* virtual clock, but a driver with real descriptors */
};

/* Private: a test registers itself before main. */
typedef struct kt__test {
    const char *name, *file;
    int line;
    void (*body)(void);
    unsigned flags;
    const char *dies_with; /* part of the message with which it must abort, or NULL */
    struct kt__test *next;
} kt__test;

KT_API void kt__test_register(kt__test *t);

#define KT__TEST(test_name, test_flags, message) \
    static void kt__test_##test_name(void); \
    static kt__test kt__test_entry_##test_name = { \
        #test_name, __FILE__, __LINE__, kt__test_##test_name, (test_flags), (message), NULL}; \
    __attribute__((constructor)) static void kt__test_register_##test_name(void) \
    { \
        kt__test_register(&kt__test_entry_##test_name); \
    } \
    static void kt__test_##test_name(void)

/* A test, named after the behaviour that it shows. */
#define TEST(name) KT__TEST(name, 0, NULL)

/* A test with flags from above. */
#define TEST_WITH(name, flags) KT__TEST(name, flags, NULL)

/* A test whose body must end in misuse: the process aborts, with `message` in what it printed. */
#define TEST_DIES(name, flags, message) KT__TEST(name, flags, message)

/* ---- Checks: the first that fails ends the test, with file, line and both values ---------------
 * In a task, a callback, or another thread. A test must make at least one. */

KT_API void kt__check_true(bool ok, const char *text, const char *file, int line);
KT_API void kt__check_int(bool ok, const char *text, int64_t a, int64_t b, const char *file,
                          int line);
KT_API void kt__check_string(const char *text, const char *a, const char *b, const char *file,
                             int line);
KT_API void kt__check_slice(const char *text, kt_slice a, kt_slice b, const char *file, int line);
KT_API void kt__check_rc(bool ok, const char *text, int64_t rc, int64_t expected, const char *file,
                         int line);

#define CHECK(condition) kt__check_true((condition), #condition, __FILE__, __LINE__)

#define KT__CHECK_INT(a, op, b, text) \
    do { \
        int64_t kt__a = (int64_t)(a), kt__b = (int64_t)(b); \
        kt__check_int(kt__a op kt__b, text, kt__a, kt__b, __FILE__, __LINE__); \
    } while (0)

#define CHECK_EQ(a, b) KT__CHECK_INT(a, ==, b, #a " == " #b)
#define CHECK_NE(a, b) KT__CHECK_INT(a, !=, b, #a " != " #b)
#define CHECK_LT(a, b) KT__CHECK_INT(a, <, b, #a " < " #b)
#define CHECK_LE(a, b) KT__CHECK_INT(a, <=, b, #a " <= " #b)
#define CHECK_GT(a, b) KT__CHECK_INT(a, >, b, #a " > " #b)
#define CHECK_GE(a, b) KT__CHECK_INT(a, >=, b, #a " >= " #b)

/* Terminated strings; NULL equals only NULL. */
#define CHECK_STR(a, b) kt__check_string(#a " == " #b, (a), (b), __FILE__, __LINE__)

/* Runs of bytes; printed with escapes, from the first difference. */
#define CHECK_MEM(a, b, size) \
    do { \
        size_t kt__size = (size_t)(size); \
        kt_slice kt__a = {(const char *)(a), kt__size}, kt__b = {(const char *)(b), kt__size}; \
        kt__check_slice(#a " == " #b, kt__a, kt__b, __FILE__, __LINE__); \
    } while (0)

/* A slice and a terminated string. */
#define CHECK_SLICE(a, string) \
    kt__check_slice(#a " == " #string, (a), kt_slice_from(string), __FILE__, __LINE__)

/* A result code: not negative, or exactly this one. Printed by name, with kt_error_detail(). */
#define CHECK_OK(rc) \
    do { \
        int64_t kt__rc = (int64_t)(rc); \
        kt__check_rc(kt__rc >= 0, #rc, kt__rc, 0, __FILE__, __LINE__); \
    } while (0)
#define CHECK_ERR(rc, code) \
    do { \
        int64_t kt__rc = (int64_t)(rc); \
        kt__check_rc(kt__rc == (code), #rc, kt__rc, (code), __FILE__, __LINE__); \
    } while (0)

/* Ends the test as skipped, with the reason. Any thread. */
KT_API void kt_test_skip(const char *reason, ...) KT_PRINTF(1, 2) KT_NORETURN;

/* Ends the test as failed. Any thread. */
KT_API void kt_test_fail(const char *reason, ...) KT_PRINTF(1, 2) KT_NORETURN;

/* ---- Faults and seeds ------------------------------------------------------------------- */

/* Makes the nth allocation of kt_alloc and its kin from now on fail (1 = the next), once, on
 * whatever thread; 0 switches it off. */
KT_API void kt_test_fail_allocation(uint64_t nth);

/* Has the failure that was armed last happened? */
KT_API bool kt_test_allocation_failed(void);

/* How many allocations of kt_alloc and its kin have succeeded in this test. Any thread. */
KT_API uint64_t kt_test_allocations(void);

/* How many blocks of kt_alloc's and its kin are held now. What lives long and works much must not make them more. Any
 * thread. */
KT_API size_t kt_test_blocks(void);

/* Runs fn(arg) as the main task of a fresh simulated loop, twice for each of the seeds 1 to count (or to
 * KETTLE_TEST_SEEDS), whatever KETTLE_DRIVER says (needs KT_TEST_NO_LOOP). fn must not return a failure,
 * nor leave tasks or memory behind; what it says with kt_test_say, and how long it takes, must be the
 * same both times. The trace is emptied before each run. A failure names its seed. */
KT_API void kt_test_seeds(unsigned count, kt_fn fn, void *arg);

/* ---- A trace: lines that a test collects and compares ---------------------------------------- */

/* Adds a line to the test's trace, which is shown when the test fails. */
KT_API void kt_test_say(const char *format, ...) KT_PRINTF(1, 2);

/* Compares the whole trace with lines joined by '\n' ("" is none), and empties it. */
#define CHECK_TRACE(expected) kt__check_trace((expected), __FILE__, __LINE__)
KT_API void kt__check_trace(const char *expected, const char *file, int line);

KT_END

#endif
