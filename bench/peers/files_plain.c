/* SPDX-License-Identifier: MIT */

/* Small files in plain C: the system calls and nothing else, in one thread or several. Prints lines: name,
 * unit, value.
 *
 * usage: files_plain THREADS FOLDER COUNT [write|read] */

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES 1024
#define THREADS_MAX 64

static const char *folder;
static long count;
static atomic_long next;
static char content[FILE_BYTES];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void name_of(long i, char path[256])
{
    snprintf(path, 256, "%s/%ld.txt", folder, i);
}

static void *write_files(void *arg)
{
    char path[256];
    for (long i; (i = next++) < count;) {
        name_of(i, path);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0 || write(fd, content, FILE_BYTES) != FILE_BYTES || close(fd) < 0)
            die(path);
    }
    return arg;
}

/* As a reader of files of unknown size does. */
static void *read_files(void *arg)
{
    char path[256];
    for (long i; (i = next++) < count;) {
        struct stat st;
        name_of(i, path);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
            die(path);
        char *bytes = malloc((size_t)st.st_size + 1);
        if (!bytes || read(fd, bytes, (size_t)st.st_size + 1) != FILE_BYTES || close(fd) < 0)
            die(path);
        free(bytes);
    }
    return arg;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(const char *unit, long threads, void *(*work)(void *arg))
{
    pthread_t ids[THREADS_MAX];
    double start = seconds();
    next = 0;
    for (long i = 1; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, NULL) != 0)
            die("a thread");
    work(NULL);
    for (long i = 1; i < threads; i++)
        pthread_join(ids[i], NULL);
    printf("plain\t%s\t%.3f\n", unit, (seconds() - start) * 1e6 / (double)count);
}

int main(int argc, char **argv)
{
    long threads = argc == 4 || argc == 5 ? strtol(argv[1], NULL, 10) : 0;
    const char *side = argc == 5 ? argv[4] : "";
    if (threads < 1 || threads > THREADS_MAX) {
        fprintf(stderr, "usage: files_plain THREADS FOLDER COUNT [write|read]\n");
        return 2;
    }
    folder = argv[2];
    count = strtol(argv[3], NULL, 10);
    memset(content, 'k', FILE_BYTES);
    if (strcmp(side, "read") != 0)
        measure("write us", threads, write_files);
    if (strcmp(side, "write") != 0)
        measure("read us", threads, read_files);
    return 0;
}
