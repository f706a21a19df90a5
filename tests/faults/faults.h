/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULTS_FAULTS_H
#define TESTS_FAULTS_FAULTS_H

/* Whole programs in which one call to the system fails: each call that they make, with each error of its manual page,
 * once, and from then on for good; and what moves bytes moves one.
 *
 *     static void body(void)
 *     {
 *         kt_auto(kt_buffer) b = KT_BUFFER_INIT;
 *         ok(kt_file_read_whole("file", 0, &b));
 *     }
 *     SCENARIO(reads_a_file, prepare, body, NULL)
 *
 * Each time in a process and a loop of its own, in a fresh directory. Afterwards:
 *
 *   - the failure was told: one of the results that `ok` saw is its error; or else a line of the scenario's, or of
 *     `everywhere` in faults.c, says why it may be survived, or told in another way;
 *   - what ok() saw without a failure is a success, and contents are right;
 *   - no descriptor, memory, child, or temporary file is left;
 *   - it has ended, within limits;
 *   - the same body run again in the same process, where nothing fails any more, succeeds.
 *
 * KETTLE_FAULTS=all does all of it; without, the first call of each kind fails with each error, the last and the one in
 * the middle with one. KETTLE_FAULTS_CALL=read lets that call alone fail, and KETTLE_FAULTS_COUNTS=FILE adds to the
 * file what was made and done.
 *
 * A call that an older kernel does not have can be refused throughout (`lacking`), so that what is done in its place
 * meets its errors, too. The calls of all processes count that come of the scenario's: workers, and the pool's server.
 *
 * For good: not EINTR and EAGAIN, which are begun again, nor a loop's own wait, which has nobody to tell, nor kill(2),
 * without which a child is waited for. */

#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A failure that shows otherwise than by its own error. */
typedef struct spared {
    const char *call; /* its name; "*": any */
    int error;        /* 0: any; CALLS_SHORT of calls.h */
    int told;         /* survived with 0; or the code that is told in its place; ANYHOW; FAILED: any code */
    const char *why;
} spared;

enum { ANYHOW = 1, FAILED };

/* What an older kernel does not have: fails always. */
typedef struct lacking {
    const char *call; /* NULL: the list's end */
    int error;
} lacking;

typedef struct scenario {
    const char *name;
    void (*prepare)(void); /* before calls count; may be NULL */
    void (*body)(void);
    const spared *spared; /* to one without a call; may be NULL */
    const lacking *lacking; /* may be NULL */
    bool no_loop;         /* the body runs loops of its own, and no limit of time is around it */
} scenario;

void faults_run(const scenario *s);

#define SCENARIO(test, prepares, runs, ...) \
    TEST_WITH(test, KT_TEST_NO_LOOP | KT_TEST_REAL_IO) \
    { \
        faults_run(&(scenario){.name = #test, .prepare = prepares, .body = runs, .spared = __VA_ARGS__}); \
    }

/* Cancels a task, and notes how it ended, unless that is the cancellation. */
void end_task(kt_task *t);

/* Notes a result; true if it is none of a failure. */
bool ok(int64_t rc);

/* For what must hold whenever no call failed: contents. */
void must(bool holds, const char *what);
#define MUST(condition) must((condition), #condition)

/* Of whoever starts processes. */
#define OF_PROCESSES \
    {"syscall close_range", 0, 0, "an older kernel: sealed one by one"}, \
        {"getpgid", 0, 0, "what a group has left is killed as far as it is known"}, \
        {"kill", 0, 0, "what a group has left is killed as far as it may be"}, \
        {"getsockopt", 0, 0, "a pipe, then"}, \
        {"epoll_ctl", EEXIST, 0, "another waits for the same process: a copy of the descriptor"}, \
        {"openat64", 0, 0, LOOKS}, \
        {"opendir", 0, 0, LOOKS}, \
        {"readdir64", 0, 0, LOOKS}, \
        {"closedir", 0, 0, LOOKS}, \
        {"read", 0, 0, LOOKS}, \
        {"syscall waitid", EINVAL, -ECHILD, "another has waited for it"}
#define LOOKS "a look into /proc for what is left of a group"

/* In prepare: files, by plain calls. */
void put(const char *path, const char *text);
void make_dir(const char *path);

#endif
