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

/* A request is read in one piece, if it is small. Only one is ever under way, so there is never more than one
 * in the buffer. */
typedef struct line {
    int fd;
    size_t start, end;
    char buffer[4096];
} line;

static size_t receive_some(const line *l, void *bytes, size_t size)
{
    ssize_t n;
    do
        n = read(l->fd, bytes, size);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        _exit(0); /* the pool has hung up */
    return (size_t)n;
}

static void read_all(line *l, void *bytes, size_t size)
{
    char *at = bytes;
    while (size > 0) {
        size_t n = l->end - l->start;
        if (n == 0 && size >= sizeof(l->buffer)) {
            n = receive_some(l, at, size);
        } else if (n == 0) {
            l->start = 0;
            l->end = receive_some(l, l->buffer, sizeof(l->buffer));
            continue;
        } else {
            n = n < size ? n : size;
            memcpy(at, l->buffer + l->start, n);
            l->start += n;
        }
        at += n;
        size -= n;
    }
}

static void skip(line *l, size_t size)
{
    char bytes[4096];
    while (size > 0) {
        size_t part = size < sizeof(bytes) ? size : sizeof(bytes);
        read_all(l, bytes, part);
        size -= part;
    }
}

static void write_all(const line *l, struct iovec *pieces, size_t count)
{
    while (count > 0) {
        const struct msghdr m = {.msg_iov = pieces, .msg_iovlen = count};
        ssize_t n = sendmsg(l->fd, &m, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            _exit(0);
        size_t sent = (size_t)n;
        for (; count > 0 && sent >= pieces->iov_len; pieces++, count--)
            sent -= pieces->iov_len;
        if (count > 0) {
            pieces->iov_base = (char *)pieces->iov_base + sent;
            pieces->iov_len -= sent;
        }
    }
}

/* ---- A job --------------------------------------------------------------------------------- */

/* Reads the function's name and the input. -ENOMEM: the input was skipped. */
static int receive(line *l, const kt__request *q, char name[KT__POOL_NAME_MAX + 1], void **ret_input)
{
    read_all(l, name, q->name_size);
    name[q->name_size] = 0;
    void *input = kt_alloc(q->input_size);
    if (!input) {
        skip(l, q->input_size);
        return kt_error_set(-ENOMEM, "no memory for an input of %llu bytes",
                            (unsigned long long)q->input_size);
    }
    read_all(l, input, q->input_size);
    *ret_input = input;
    return 0;
}

static int call(const char *name, const void *input, const kt__request *q, kt_buffer *output)
{
    const kt__process_function *f = kt__process_function_by_name(name);
    if (!f)
        return kt_error_set(KT_ENOTFOUND, "the worker's program has no function '%s'", name);
    output->size_max = q->output_max;
    int rc = f->fn(input, q->input_size, output);
    /* A function may have made the bytes by itself, past the buffer's functions. */
    if (rc >= 0 && output->size > q->output_max)
        rc = kt_error_set(KT_ELIMIT, "'%s' gave %zu bytes, %llu are allowed", name, output->size,
                          (unsigned long long)q->output_max);
    fflush(NULL); /* a worker ends without notice, and then nobody would */
    return rc;
}

static void answer(const line *l, uint64_t serial, int rc, const kt_buffer *output)
{
    const char *detail = rc < 0 ? kt_error_detail() : "";
    kt__answer a = {
        .magic = KT__ANSWER_MAGIC,
        .rc = rc,
        .serial = serial,
        .output_size = rc < 0 ? 0 : output->size,
        .detail_size = strnlen(detail, KT__POOL_DETAIL_MAX),
    };
    struct iovec pieces[] = {
        {&a, sizeof(a)},
        {(void *)(uintptr_t)detail, a.detail_size},
        {output->data, a.output_size},
    };
    write_all(l, pieces, 3);
}

static void serve(line *l, const kt__request *q)
{
    char name[KT__POOL_NAME_MAX + 1];
    void *input = NULL;
    kt_buffer output = KT_BUFFER_INIT;
    kt_error_set(0, "%s", ""); /* the last job's words are not this one's */
    int rc = receive(l, q, name, &input);
    if (rc == 0)
        rc = call(name, input, q, &output);
    kt_free(input);
    answer(l, q->serial, rc, &output);
    kt_buffer_release(&output);
}

void kt__worker_live(int fd)
{
    line l = {.fd = fd};
    for (;;) {
        kt__request q;
        read_all(&l, &q, sizeof(q));
        if (q.magic != KT__REQUEST_MAGIC || q.name_size > KT__POOL_NAME_MAX ||
            q.input_size > KT__POOL_BYTES_MAX || q.output_max > KT__POOL_BYTES_MAX)
            _exit(STATUS_CONFUSED);
        serve(&l, &q);
    }
}
