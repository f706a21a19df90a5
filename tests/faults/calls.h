/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULTS_CALLS_H
#define TESTS_FAULTS_CALLS_H

/* The calls that the library makes to the system, each behind one of ours: the linker puts it there (--wrap). They are
 * counted, on every thread and in all processes that come of ours by fork, clone, or as this program started anew; and
 * one of them fails, or is cut short.
 *
 * A call is listed with the errors of its manual page; those of the descriptor's kind, which are in section 7, too.
 * tests/faults/imports.py holds the list against what the libraries import. */

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct call {
    const char *name, *page;
    const int *errors; /* to 0 */
    bool shortens;     /* may do less than it was asked to, and say so */
    unsigned number;   /* the same in every process of the program */
    struct call *next;
} call;

enum { CALLS_MAX = 256, CALLS_SHORT = INT_MIN };

/* All of them, in no order. */
extern call *calls_all;
void call_register(call *c);

typedef struct call_fault {
    call *which; /* NULL: none, they are counted */
    unsigned nth; /* from 1 */
    int error;   /* or CALLS_SHORT: one byte, or one piece */
    bool for_good; /* the later ones, too */
} call_fault;

struct lacking; /* faults.h */

/* From now on the processes that come of this one share its counts and its fault. Before calls_arm; until
 * calls_unshare. */
void calls_share(void);
void calls_unshare(void);

/* In the process of a run: from here to calls_disarm its calls count, and those of what comes of it. `list` may be
 * NULL. Not to be called while other threads make any. */
void calls_arm(const call_fault *f, const struct lacking *list);
void calls_disarm(void);

/* How often has it struck? */
unsigned calls_struck(void);

/* How often was it made since calls_arm? */
unsigned calls_count(const call *c);

/* What this call must do: 0: as ever; CALLS_SHORT; or an error. */
int call_made(call *c);

#define CALL_ENTRY(name, label, page, shortens, ...) \
    static const int errors_of_##name[] = {__VA_ARGS__, 0}; \
    static call call_##name = {label, page, errors_of_##name, shortens, 0, NULL}; \
    __attribute__((constructor)) static void register_##name(void) \
    { \
        call_register(&call_##name); \
    }

#define CALL_FACE(ret, name, params) \
    ret __real_##name params; \
    ret __wrap_##name params;

/* One that fails with -1 and errno. */
#define CALL(ret, name, page, params, args, ...) \
    CALL_ENTRY(name, #name, page, false, __VA_ARGS__) \
    CALL_FACE(ret, name, params) \
    ret __wrap_##name params \
    { \
        int error = call_made(&call_##name); \
        if (error == 0) \
            return __real_##name args; \
        errno = error; \
        return (ret)-1; \
    }

/* One that moves bytes: `cut` makes one of what there is to move. */
#define CALL_OF_BYTES(ret, name, page, params, args, cut, ...) \
    CALL_ENTRY(name, #name, page, true, __VA_ARGS__) \
    CALL_FACE(ret, name, params) \
    ret __wrap_##name params \
    { \
        int error = call_made(&call_##name); \
        if (error == CALLS_SHORT) { \
            cut; \
        } \
        if (error <= 0) \
            return __real_##name args; \
        call_refused(fd, error); \
        errno = error; \
        return (ret)-1; \
    }

/* One that is done although it fails. */
#define CALL_DONE(ret, name, page, params, args, ...) \
    CALL_ENTRY(name, #name, page, false, __VA_ARGS__) \
    CALL_FACE(ret, name, params) \
    ret __wrap_##name params \
    { \
        int error = call_made(&call_##name); \
        ret n = __real_##name args; \
        if (error == 0) \
            return n; \
        errno = error; \
        return (ret)-1; \
    }

/* One that returns its error. */
#define CALL_RETURNING(name, page, params, args, ...) \
    CALL_ENTRY(name, #name, page, false, __VA_ARGS__) \
    CALL_FACE(int, name, params) \
    int __wrap_##name params \
    { \
        int error = call_made(&call_##name); \
        return error ? error : __real_##name args; \
    }

/* After EAGAIN, or when a stream gave less than there was room for, the kernel tells epoll when there is more; after
 * ours, too: what watches the descriptor looks again. */
void call_edge(int fd);
void call_refused(int fd, int error);

#endif
