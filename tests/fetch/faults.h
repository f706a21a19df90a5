/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FETCH_FAULTS_H
#define TESTS_FETCH_FAULTS_H

/* What is done to a run of the program, at its nth point. A point is a moment between two passes of the loop, where no
 * task runs: the linker puts a function that the loop calls there behind ours (--wrap). Or it is an allocation of a
 * task in whose context `fault_reaches` is set, or of what that has spawned: servers in the same loop are spared. */

#include <kettle/kettle.h>

typedef enum way { CALM, CANCELLED, DEADLINE, NO_MEMORY } way;

extern const kt_context_var fault_reaches;

extern struct fault {
    way way;
    unsigned nth, moments;
    unsigned allocations; /* also of pool threads */
    bool struck;
    kt_task *program;     /* while it runs */
    kt_timeout *whole;    /* of --deadline, while it runs */
} fault;

#define DEADLINE_OF_ALL KT_S(86399) /* by which its time limit is known */

#endif
