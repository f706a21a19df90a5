/* SPDX-License-Identifier: MIT */

/* Small files by io_uring alone: each a chain of linked requests (open into a slot, write or read, close the slot), 64
 * files in flight. Prints lines: name, unit, value.
 *
 * usage: files_uring FOLDER COUNT [write|read] */

#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES 1024
#define IN_FLIGHT 64
#define OPEN_FLAGS (O_WRONLY | O_CREAT | O_TRUNC)

typedef struct slot {
    char path[256];
    char bytes[FILE_BYTES + 1];
    int left; /* requests of its chain that are not answered */
} slot;

static slot slots[IN_FLIGHT];
static struct io_uring ring;
static const char *folder;
static long count;

static void die(const char *what, int rc)
{
    fprintf(stderr, "files_uring: %s: %s\n", what, strerror(-rc));
    exit(1);
}

/* An answer says which slot, and what is to come of it. */
static void tag(struct io_uring_sqe *sqe, unsigned i, int expected)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)i << 32 | (unsigned)expected);
}

static void begin(unsigned i, long file, int reads)
{
    slot *s = &slots[i];
    snprintf(s->path, sizeof s->path, "%s/%ld.txt", folder, file);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_openat_direct(sqe, AT_FDCWD, s->path, reads ? O_RDONLY : OPEN_FLAGS, 0666, i);
    io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK);
    tag(sqe, i, 0);
    sqe = io_uring_get_sqe(&ring);
    if (reads)
        io_uring_prep_read(sqe, (int)i, s->bytes, FILE_BYTES + 1, 0);
    else
        io_uring_prep_write(sqe, (int)i, s->bytes, FILE_BYTES, 0);
    io_uring_sqe_set_flags(sqe, reads ? IOSQE_FIXED_FILE | IOSQE_IO_HARDLINK : IOSQE_FIXED_FILE | IOSQE_IO_LINK);
    tag(sqe, i, FILE_BYTES);
    sqe = io_uring_get_sqe(&ring);
    io_uring_prep_close_direct(sqe, i);
    tag(sqe, i, 0);
    s->left = 3;
}

static void run(int reads)
{
    struct io_uring_cqe *cqe;
    long begun = 0, done = 0;
    for (unsigned i = 0; i < IN_FLIGHT && begun < count; i++)
        begin(i, begun++, reads);
    while (done < count) {
        int rc = io_uring_submit_and_wait(&ring, 1);
        if (rc < 0)
            die("submit", rc);
        while (io_uring_peek_cqe(&ring, &cqe) == 0) {
            unsigned i = (unsigned)(cqe->user_data >> 32);
            if (cqe->res != (int)(unsigned)cqe->user_data)
                die(slots[i].path, cqe->res);
            io_uring_cqe_seen(&ring, cqe);
            if (--slots[i].left > 0)
                continue;
            done++;
            if (begun < count)
                begin(i, begun++, reads);
        }
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(const char *unit, int reads)
{
    double start = seconds();
    run(reads);
    printf("uring\t%s\t%.3f\n", unit, (seconds() - start) * 1e6 / (double)count);
}

int main(int argc, char **argv)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    const char *side = argc == 4 ? argv[3] : "";
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: files_uring FOLDER COUNT [write|read]\n");
        return 2;
    }
    folder = argv[1];
    count = strtol(argv[2], NULL, 10);
    int rc = io_uring_queue_init_params(4 * IN_FLIGHT, &ring, &p);
    if (rc == 0)
        rc = io_uring_register_files_sparse(&ring, IN_FLIGHT);
    if (rc < 0)
        die("ring", rc);
    for (int i = 0; i < IN_FLIGHT; i++)
        memset(slots[i].bytes, 'k', sizeof slots[i].bytes);
    if (strcmp(side, "read") != 0)
        measure("write us", 0);
    if (strcmp(side, "write") != 0)
        measure("read us", 1);
    io_uring_queue_exit(&ring);
    return 0;
}
