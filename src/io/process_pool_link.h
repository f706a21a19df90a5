/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_PROCESS_POOL_LINK_H
#define KETTLE_IO_PROCESS_POOL_LINK_H

/* The pool's side of its server and workers: making them, hearing of their ends, ending them. Knows
 * nothing of jobs. */

#include <kettle/stream.h>
#include <kettle/sync.h>

#include "io/process_pool_wire.h"

typedef struct kt__worker {
    struct kt__worker *next;
    uint64_t number;
    pid_t pid; /* 0 until the server has told */
    kt_stream *line;
    uint64_t serial; /* of the last request */
    unsigned jobs;
    kt_event end; /* set when it has been reaped, could not be made, or was lost with the server */
    bool lost;
    int error;  /* why it could not be made, 0 if it was */
    int status; /* as of waitpid(2), if neither */
} kt__worker;

typedef struct kt__server {
    pid_t pid;
    int pidfd; /* -1: there has been no process */
    kt_stream *line;
    kt_task *keeper; /* hears the reports */
    kt__worker *workers;
    uint64_t numbers;
    kt_event ready; /* set when it serves, or is gone */
    bool gone;      /* no report comes any more, and no worker lives */
    int32_t version;
} kt__server;

/* Starts a server and waits until it serves. Errors as kt_process_pool_open. Suspends; on failure
 * nothing is left. */
int kt__server_open(const char *name, kt__server **ret_server) KT_CHECKED;

/* Ends it, waits for the process, frees; the workers have been ended before. NULL is allowed. Suspends;
 * a cancellation is held back. */
void kt__server_close(kt__server *s);

/* Asks for a worker. The process comes later, or an `end` with `error` in its stead; the line can be
 * written to at once. KT_EWORKER when the server is gone, -EMFILE, -ENOMEM, or the cancellation's
 * code. Suspends only while the server has no ear. */
int kt__worker_start(kt__server *s, kt__worker **ret_worker) KT_CHECKED;

/* Kills the worker, waits for its end, frees. A server that does not see to it is killed, and all workers
 * with it. Suspends; a cancellation is held back. */
void kt__worker_end(kt__server *s, kt__worker *w);

/* Makes its line end, so that whoever reads or writes there finds out. Does not suspend. */
void kt__worker_hang_up(const kt__worker *w);

/* Is it alive, as far as can be seen, and silent, as it has to be without a job? Does not suspend. */
bool kt__worker_is_idle(const kt__worker *w);

/* Reads right into memory of any size, where kt_stream_read_exactly would need a buffer as large.
 * 0, KT_EINCOMPLETE, or an error of kt_stream_read. Suspends. */
int kt__line_read(kt_stream *line, void *bytes, size_t size) KT_CHECKED;

#endif
