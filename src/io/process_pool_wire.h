/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_PROCESS_POOL_WIRE_H
#define KETTLE_IO_PROCESS_POOL_WIRE_H

/* What a process pool, its server and its workers say to each other. All of it stays on one machine
 * and between processes of one program, so the bytes are the structures. */

#include <kettle/process_pool.h>

#define KT__POOL_ARGV0 "kettle-process-pool"
#define KT__POOL_VERSION 1
#define KT__POOL_NAME_MAX 127 /* of a function */
#define KT__POOL_DETAIL_MAX 255
#define KT__POOL_BYTES_MAX ((size_t)1 << 30)

/* The pool to its server. Each is sent in one piece, which a Unix socket keeps whole. */
enum kt__order_kind {
    KT__ORDER_START = 1, /* fork a worker; its end of the line comes along */
    KT__ORDER_KILL = 2,  /* nothing happens to one that has ended */
};

typedef struct kt__order {
    uint32_t kind;
    uint32_t reserved;
    uint64_t worker; /* a number that the pool never gives twice */
} kt__order;

/* The server to its pool. */
enum kt__report_kind {
    KT__REPORT_READY = 1, /* value: the protocol's version */
    KT__REPORT_STARTED,   /* value: the worker's pid */
    KT__REPORT_FAILED,    /* value: a negated errno; there is no such worker */
    KT__REPORT_ENDED,     /* value: its status as of waitpid(2); it has been reaped */
};

typedef struct kt__report {
    uint32_t kind;
    int32_t value;
    uint64_t worker;
} kt__report;

/* The pool to a worker; the function's name and the input follow. */
#define KT__REQUEST_MAGIC 0x6b745251u
typedef struct kt__request {
    uint32_t magic;
    uint32_t name_size;
    uint64_t serial; /* of this worker's jobs */
    uint64_t input_size;
    uint64_t output_max;
} kt__request;

/* A worker to the pool; the detail and the output follow. */
#define KT__ANSWER_MAGIC 0x6b74414eu
typedef struct kt__answer {
    uint32_t magic;
    int32_t rc;
    uint64_t serial;
    uint64_t output_size; /* 0 if rc < 0 */
    uint64_t detail_size; /* 0 if rc >= 0 */
} kt__answer;

/* The functions of this program (process_pool_worker.c). Written by constructors only. */
const kt__process_function *kt__process_function_by_name(const char *name);
const kt__process_function *kt__process_function_by_address(kt_process_fn fn);

/* Has main called kt_process_pool_main? If not, a program started anew would run main again, and
 * so would its children. */
bool kt__process_pool_ready(void);

/* A worker's life, in its own process (process_pool_worker.c): runs jobs until the line ends. */
void kt__worker_live(int fd) KT_NORETURN;

#endif
