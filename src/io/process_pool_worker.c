/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

/* The worker process of a pool, and the functions that it knows. It has one thread and no loop, so
 * everything here blocks. Whenever the line ends or makes no sense, so does the worker. */

#include "io/process_pool_wire.h"

#include <kettle/error.h>
#include <kettle/memory.h>

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/core.h"

#define STATUS_CONFUSED 121

/* ---- The functions of the program ---------------------------------------------------------- */

/* Not of a loop but of the program, as its functions are: constructors write it, before main and on one
 * thread, and nobody after. */
static kt__process_function *functions;

void kt__process_function_register(kt__process_function *f)
{
    if (strlen(f->name) > KT__POOL_NAME_MAX)
        kt__misuse("KT_PROCESS_FN: the name '%s' has over %d bytes", f->name, KT__POOL_NAME_MAX);
    if (kt__process_function_by_name(f->name))
        kt__misuse("KT_PROCESS_FN: there are two functions '%s'", f->name);
    f->next = functions;
    functions = f;
}

const kt__process_function *kt__process_function_by_name(const char *name)
{
    const kt__process_function *f = functions;
    while (f && strcmp(f->name, name) != 0)
        f = f->next;
    return f;
}

const kt__process_function *kt__process_function_by_address(kt_process_fn fn)
{
    const kt__process_function *f = functions;
    while (f && f->fn != fn)
        f = f->next;
    return f;
}

/* ---- The line ------------------------------------------------------------------------------ */

static void read_all(int line, void *bytes, size_t size)
{
    char *at = bytes;
    while (size > 0) {
        ssize_t n = read(line, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(0);
        at += n;
        size -= (size_t)n;
    }
}

static void skip(int line, size_t size)
{
    char bytes[4096];
    while (size > 0) {
        size_t part = size < sizeof(bytes) ? size : sizeof(bytes);
        read_all(line, bytes, part);
        size -= part;
    }
}

static void write_all(int line, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t n = send(line, at, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            _exit(0);
        at += n;
        size -= (size_t)n;
    }
}

/* ---- A job --------------------------------------------------------------------------------- */

/* Reads the function's name and the input. -ENOMEM: the input was skipped. */
static int receive(int line, const kt__request *q, char name[KT__POOL_NAME_MAX + 1],
                   char **ret_input)
{
    read_all(line, name, q->name_size);
    name[q->name_size] = 0;
    char *input = kt_alloc(q->input_size);
    if (!input) {
        skip(line, q->input_size);
        return kt_error_set(-ENOMEM, "no memory for an input of %llu bytes",
                            (unsigned long long)q->input_size);
    }
    read_all(line, input, q->input_size);
    *ret_input = input;
    return 0;
}

static int call(const char *name, kt_slice input, size_t output_max, kt_buffer *output)
{
    const kt__process_function *f = kt__process_function_by_name(name);
    if (!f)
        return kt_error_set(KT_ENOTFOUND, "the worker's program has no function '%s'", name);
    output->size_max = output_max;
    int rc = output_max > 0 ? f->fn(input, output) : KT_ELIMIT;
    /* A function may have made the bytes by itself, past the buffer's functions. */
    if (rc >= 0 && output->size > output_max)
        rc = kt_error_set(KT_ELIMIT, "'%s' gave %zu bytes, %zu are allowed", name, output->size,
                          output_max);
    fflush(NULL); /* a worker ends without notice, and then nobody would */
    return rc;
}

static void answer(int line, uint64_t serial, int rc, const kt_buffer *output)
{
    const char *detail = rc < 0 ? kt_error_detail() : "";
    kt__answer a = {
        .magic = KT__ANSWER_MAGIC,
        .rc = rc,
        .serial = serial,
        .output_size = rc < 0 ? 0 : output->size,
        .detail_size = strnlen(detail, KT__POOL_DETAIL_MAX),
    };
    write_all(line, &a, sizeof(a));
    write_all(line, detail, a.detail_size);
    write_all(line, output->data, a.output_size);
}

static void serve(int line, const kt__request *q)
{
    char name[KT__POOL_NAME_MAX + 1], *input = NULL;
    kt_buffer output = KT_BUFFER_INIT;
    kt_error_set(0, "%s", ""); /* the last job's words are not this one's */
    int rc = receive(line, q, name, &input);
    if (rc == 0)
        rc = call(name, (kt_slice){input, q->input_size}, q->output_max, &output);
    kt_free(input);
    answer(line, q->serial, rc, &output);
    kt_buffer_release(&output);
}

void kt__worker_live(int line)
{
    for (;;) {
        kt__request q;
        read_all(line, &q, sizeof(q));
        if (q.magic != KT__REQUEST_MAGIC || q.name_size > KT__POOL_NAME_MAX ||
            q.input_size > KT__POOL_BYTES_MAX || q.output_max > KT__POOL_BYTES_MAX)
            _exit(STATUS_CONFUSED);
        serve(line, &q);
    }
}
