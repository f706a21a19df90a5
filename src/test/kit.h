/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TEST_KIT_H
#define KETTLE_TEST_KIT_H

/* What the rooms of the test kit share. The kit stands outside of the library that it tests: it
 * uses the public interface alone, and its own memory does not come from kt_alloc.
 *
 *     main.c     the program: arguments, order, the line of each test, the sum
 *     runner.c   one test in a child process: time limit, output, verdict
 *     child.c    inside that process: the loop, the body, what must be clean behind it
 *     check.c    the checks, skip and fail
 *     report.c   the text of a failure, and the ways in which a test ends
 *     memory.c   the counting allocator;  symbols.c  names for its call sites
 *     files.c    descriptors
 *     trace.c    lines that a test says;  diff.c  and how they differ from those expected
 *     seeds.c    one function under many seeds
 *     disk*.c    the simulated disk, see disk.h;  network*.c  the simulated network, see network.h */

#include <kettle/memory.h>
#include <kettle/task.h>
#include <kettle/test.h>

#include <stdatomic.h>
#include <stdio.h>

typedef enum kt__verdict {
    KT__RUNNING, /* not at its end, or it ended the process itself */
    KT__PASSED,
    KT__FAILED,
    KT__SKIPPED,
} kt__verdict;

/* What a test tells its runner, in memory shared by both: a process that dies on the way has still
 * said how far it came. `verdict` is written last, and FAILED stays. */
typedef struct kt__status {
    _Atomic int verdict;
    _Atomic uint64_t checks;
    _Atomic uint64_t seed; /* of kt_test_seeds while it runs, otherwise 0 */
    char reason[512];      /* of a skip */
} kt__status;

extern kt__status *kt__test_status; /* set before the first test starts */
extern bool kt__test_forked;        /* the test has a process to itself */

/* The kit's own memory: grows `old` (NULL = a new block); ends the process when there is none. */
void *kt__test_own(void *old, size_t size);
void kt__test_disown(void *block);

/* The next random number: SplitMix64. */
static inline uint64_t kt__test_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* ---- main.c ---------------------------------------------------------------------------- */

/* Without processes, a skipped body cannot be left and the next test needs a clean one: prints the
 * sum, in which the tests that did not start have failed, and ends the run. */
void kt__test_end_early(void) KT_NORETURN;

/* ---- child.c --------------------------------------------------------------------------- */

/* Runs the body and checks what it leaves behind. Returns when the test has passed; with a
 * process of its own, a test that fails or is skipped ends it. */
void kt__test_perform(const kt__test *t);

/* "" or why the test cannot run under the driver that KETTLE_DRIVER forces. */
const char *kt__test_unfit(const kt__test *t);

/* Fails, with their names and stacks, if tasks other than the current one are alive. */
void kt__test_check_tasks(void);

/* ---- runner.c -------------------------------------------------------------------------- */

typedef struct kt__outcome {
    kt__verdict verdict;
    char reason[512]; /* of a skip; of a failure that the test did not report itself */
    char *output;     /* what the test printed, owned */
    size_t output_size, output_dropped;
} kt__outcome;

/* Runs one test in a child process. */
void kt__test_run_forked(const kt__test *t, kt__outcome *ret_outcome);

/* ---- report.c -------------------------------------------------------------------------- */

/* Failure: begin, say, end. The first caller of begin has the report; others, who fail at the same
 * time on other threads, are stopped there. */
void kt__test_fail_begin(void);
void kt__test_say_failure(const char *format, ...) KT_PRINTF(1, 2);
void kt__test_say_bytes(const void *bytes, size_t size);
void kt__test_fail_flush(void); /* prints what was said so far */
void kt__test_fail_end(void) KT_NORETURN;

/* Ends the process after a verdict, without its exit handlers. */
void kt__test_leave(int status) KT_NORETURN;

/* ---- memory.c, symbols.c, files.c ------------------------------------------------------ */

/* Loads what the first backtrace of a process loads, so that no test pays for it. */
void kt__test_memory_prepare(void);

/* Counts from zero and gives Kettle the counting allocator. */
void kt__test_memory_start(void);

/* Bytes in the blocks alive now. */
size_t kt__test_memory_bytes(void);

/* Adds the blocks alive to the report, the oldest first with their call sites. */
void kt__test_memory_report(void);

/* Gives Kettle malloc again. */
void kt__test_memory_stop(void);

/* Adds "function at file:line" of up to `count` return addresses to the report, a line each. */
void kt__test_symbols_report(void *const *addresses, size_t count);

typedef struct kt__descriptor {
    int fd;
    char target[120]; /* of its link in /proc/self/fd, possibly cut */
} kt__descriptor;

typedef struct kt__descriptors {
    kt__descriptor *entries; /* owned */
    size_t count;
} kt__descriptors;

/* The open descriptors of this process. */
void kt__test_files_read(kt__descriptors *ret_files);
void kt__test_files_release(kt__descriptors *files);

/* Names those of `after` that are not in `before`, or lead elsewhere, in the report if `report` is
 * set; returns their number. */
size_t kt__test_files_new(const kt__descriptors *before, const kt__descriptors *after, bool report);

/* ---- trace.c, diff.c ------------------------------------------------------------------- */

/* Forgets the trace. */
void kt__test_trace_clear(void);

/* Of all its lines; see seeds.c. */
uint64_t kt__test_trace_hash(void);

/* Adds the trace, if there is one, to the report. */
void kt__test_trace_report(void);

/* Adds the unified difference of two texts, line by line, to the report. */
void kt__test_diff_report(kt_slice expected, kt_slice actual);

#endif
