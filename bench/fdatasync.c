/* SPDX-License-Identifier: MIT */

/* How often a second this machine makes 4 KiB durable: each writer has its own file and calls
 * fdatasync after each block. What no durable store without group commit can beat.
 *
 * usage: fdatasync FOLDER WRITERS overwrite|append SECONDS
 *
 * overwrite: within a file that has its full size already; append: at its end. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WRITERS_MAX 100
#define BLOCK 4096
#define BLOCKS 256

static atomic_bool stop;
static bool append;

typedef struct writer {
    pthread_t thread;
    int fd;
    long syncs;
} writer;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* A file of the full size, without a name. */
static int file_make(const char *folder)
{
    static const char block[BLOCK];
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/fdatasync-XXXXXX", folder);
    int fd = mkstemp(path);
    if (fd < 0)
        die(path);
    unlink(path);
    for (int i = 0; i < BLOCKS && !append; i++)
        if (pwrite(fd, block, sizeof block, (off_t)i * BLOCK) != BLOCK)
            die("pwrite");
    if (fsync(fd) < 0)
        die("fsync");
    return fd;
}

static void *write_on(void *arg)
{
    writer *w = arg;
    char block[BLOCK];
    memset(block, 'k', sizeof block);
    while (!atomic_load(&stop)) {
        long place = append ? w->syncs : w->syncs % BLOCKS;
        if (pwrite(w->fd, block, sizeof block, (off_t)place * BLOCK) != BLOCK)
            die("pwrite");
        if (fdatasync(w->fd) < 0)
            die("fdatasync");
        w->syncs++;
    }
    return NULL;
}

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static writer writers[WRITERS_MAX];
    long count = argc == 5 ? strtol(argv[2], NULL, 10) : 0, syncs = 0;
    if (count < 1 || count > WRITERS_MAX) {
        fprintf(stderr, "usage: fdatasync FOLDER WRITERS overwrite|append SECONDS\n");
        return 2;
    }
    append = strcmp(argv[3], "append") == 0;
    for (long i = 0; i < count; i++)
        writers[i].fd = file_make(argv[1]);
    double from = now_s();
    for (long i = 0; i < count; i++)
        if ((errno = pthread_create(&writers[i].thread, NULL, write_on, &writers[i])) != 0)
            die("pthread_create");
    usleep((useconds_t)(strtod(argv[4], NULL) * 1e6));
    atomic_store(&stop, true);
    for (long i = 0; i < count; i++) {
        pthread_join(writers[i].thread, NULL);
        syncs += writers[i].syncs;
    }
    printf("{\"syncs\": %ld, \"rate\": %.1f}\n", syncs, (double)syncs / (now_s() - from));
    return 0;
}
