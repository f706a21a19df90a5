/* SPDX-License-Identifier: MIT */

/* What files cost. Prints lines: name, unit, value, with tabs between.
 *
 * usage: files many FOLDER COUNT                  small files, in all ways of ours
 *        files many FOLDER COUNT WAY write|read   one side of one of them, for whoever counts system calls
 *        files reads PATH                         pieces of a file, in and out of the system's memory */

#include <errno.h>
#include <fcntl.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES 1024
#define PATH_BYTES 256

static void print(const char *name, const char *unit, double value)
{
    printf("%s\t%s\t%.3f\n", name, unit, value);
    fflush(stdout);
}

/* ---- Small files ----------------------------------------------------------------------------- */

typedef struct many {
    const char *folder;
    size_t count;
    const char *way, *side; /* NULL: all */
    char (*paths)[PATH_BYTES];
    char content[FILE_BYTES];
} many;

static int write_one(const many *m, size_t i)
{
    return kt_file_write_whole(m->paths[i], m->content, FILE_BYTES, NULL);
}

static int read_one(const many *m, size_t i)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    int rc = kt_file_read_whole(m->paths[i], FILE_BYTES, &b);
    return rc == 0 && b.size != FILE_BYTES ? -EIO : rc;
}

static int replace_one(const many *m, size_t i)
{
    return kt_file_replace(m->paths[i], m->content, FILE_BYTES, &(kt_file_write_options){.no_sync = true});
}

static int write_by_handle(const many *m, size_t i)
{
    kt_auto(kt_file) *f = NULL;
    int rc = kt_file_open(m->paths[i], O_WRONLY | O_CREAT | O_TRUNC, 0666, &f);
    if (rc == 0)
        rc = kt_file_write(f, m->content, FILE_BYTES);
    return rc < 0 ? rc : kt_file_close(kt_steal(f));
}

static int read_by_handle(const many *m, size_t i)
{
    char bytes[2 * FILE_BYTES];
    kt_auto(kt_file) *f = NULL;
    int rc = kt_file_open(m->paths[i], O_RDONLY, 0, &f);
    ssize_t n = rc == 0 ? kt_file_read(f, bytes, sizeof bytes) : rc;
    return n < 0 ? (int)n : n == FILE_BYTES ? 0 : -EIO;
}

typedef struct part {
    const many *m;
    int (*one)(const many *m, size_t i);
    size_t first, step;
} part;

static int run_part(void *arg)
{
    const part *p = arg;
    int rc = 0;
    for (size_t i = p->first; i < p->m->count && rc == 0; i += p->step)
        rc = p->one(p->m, i);
    return rc;
}

static int by_tasks(const many *m, int (*one)(const many *m, size_t i), size_t tasks)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    for (size_t t = 0; t < tasks && rc == 0; t++)
        rc = kt_group_spawn(&g, run_part, &(part){m, one, t, tasks}, sizeof(part));
    return kt_group_join(&g, rc);
}

static int write_batch(const many *m, const kt_file_batch_options *options)
{
    kt_file_write_item *items = kt_calloc(m->count, sizeof *items);
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < m->count; i++) {
        items[i].path = m->paths[i];
        items[i].content = (kt_slice){m->content, FILE_BYTES};
    }
    int rc = kt_file_write_batch(items, m->count, options);
    kt_free(items);
    return rc;
}

static int read_batch(const many *m)
{
    kt_file_read_item *items = kt_calloc(m->count, sizeof *items);
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < m->count; i++)
        items[i].path = m->paths[i];
    int rc = kt_file_read_batch(items, m->count, NULL);
    for (size_t i = 0; i < m->count; i++)
        kt_buffer_release(&items[i].content);
    kt_free(items);
    return rc;
}

static void empty(const many *m)
{
    for (size_t i = 0; i < m->count; i++)
        (void)unlink(m->paths[i]);
}

static double since(kt_time start, const many *m)
{
    return (double)(kt_now() - start) / 1e3 / (double)m->count;
}

#define WAY(name, call) \
    static int name(const many *m) \
    { \
        return call; \
    }

WAY(batch_write, write_batch(m, NULL))
WAY(batch_read, read_batch(m))
WAY(batch_replace, write_batch(m, &(kt_file_batch_options){.replace = true, .write = {.no_sync = true}}))
WAY(each_write, by_tasks(m, write_one, 1))
WAY(each_read, by_tasks(m, read_one, 1))
WAY(tasks_write, by_tasks(m, write_one, 50))
WAY(tasks_read, by_tasks(m, read_one, 50))
WAY(each_replace, by_tasks(m, replace_one, 1))
WAY(handle_write, by_tasks(m, write_by_handle, 1))
WAY(handle_read, by_tasks(m, read_by_handle, 1))

typedef struct way {
    const char *name;
    int (*write)(const many *m);
    int (*read)(const many *m);
} way;

static const way ways[] = {
    {"batch", batch_write, batch_read},
    {"batch, atomic", batch_replace, NULL},
    {"50 tasks", tasks_write, tasks_read},
    {"one by one", each_write, each_read},
    {"one by one, atomic", each_replace, NULL},
    {"one by one, by handles", handle_write, handle_read},
};

static int measure(const many *m, const way *w)
{
    kt_time start = kt_now();
    int rc = w->write(m);
    print(w->name, "write us", since(start, m));
    start = kt_now();
    if (rc == 0 && w->read)
        rc = w->read(m);
    if (w->read)
        print(w->name, "read us", since(start, m));
    empty(m);
    return rc;
}

/* The files stay, to be read by the next run. */
static int run_side(const many *m)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(ways[i].name, m->way) != 0)
            continue;
        int (*run)(const many *m) = strcmp(m->side, "write") == 0 ? ways[i].write : ways[i].read;
        return run ? run(m) : -EINVAL;
    }
    return -EINVAL;
}

static int run_many(void *arg)
{
    many *m = arg;
    m->paths = kt_calloc(m->count, PATH_BYTES);
    if (!m->paths)
        return -ENOMEM;
    for (size_t i = 0; i < m->count; i++)
        snprintf(m->paths[i], PATH_BYTES, "%s/%zu.txt", m->folder, i);
    memset(m->content, 'k', FILE_BYTES);
    int rc = m->way ? run_side(m) : 0;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0] && rc == 0 && !m->way; i++)
        rc = measure(m, &ways[i]);
    kt_free(m->paths);
    return rc;
}

/* ---- Pieces ---------------------------------------------------------------------------------- */

#define READS 4000
#define READERS 32

typedef struct pieces {
    kt_file *file;
    size_t size;
    int64_t count, next;
} pieces;

static int64_t place(const pieces *p, int64_t i)
{
    uint64_t x = (uint64_t)i * UINT64_C(0x9E3779B97F4A7C15);
    return (int64_t)((x ^ x >> 29) % (uint64_t)p->count) * (int64_t)p->size;
}

static int read_pieces(void *arg)
{
    pieces *p = arg;
    char *bytes = kt_alloc(p->size);
    ssize_t n = bytes ? 0 : -ENOMEM;
    while (n >= 0 && p->next < READS)
        n = kt_file_pread(p->file, bytes, p->size, place(p, p->next++));
    kt_free(bytes);
    return n < 0 ? (int)n : 0;
}

static int read_by(pieces *p, int readers, bool cold)
{
    char name[64];
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = cold ? posix_fadvise(kt_file_fd(p->file), 0, 0, POSIX_FADV_DONTNEED) : 0;
    p->next = 0;
    kt_time start = kt_now();
    for (int i = 0; i < readers && rc == 0; i++)
        rc = kt_group_spawn(&g, read_pieces, p, 0);
    rc = kt_group_join(&g, rc);
    snprintf(name, sizeof name, "%zu KiB, %d at once", p->size / 1024, readers);
    print(name, cold ? "cold us" : "hot us", (double)(kt_now() - start) / 1e3 / READS);
    return rc;
}

static int run_reads(void *arg)
{
    static const size_t sizes[] = {4096, 65536};
    kt_auto(kt_file) *f = NULL;
    int rc = kt_file_open(arg, O_RDONLY, 0, &f);
    int64_t size = rc == 0 ? kt_file_size(f) : rc;
    if (size < 0)
        return (int)size;
    for (int i = 0; i < 4 && rc == 0; i++) {
        pieces p = {.file = f, .size = sizes[i / 2]};
        p.count = size / (int64_t)p.size;
        rc = read_by(&p, i % 2 ? READERS : 1, true);
        if (rc == 0)
            rc = read_by(&p, i % 2 ? READERS : 1, false);
    }
    return rc;
}

int main(int argc, char **argv)
{
    int rc = -EINVAL;
    if ((argc == 4 || argc == 6) && strcmp(argv[1], "many") == 0) {
        many m = {.folder = argv[2], .count = strtoul(argv[3], NULL, 10)};
        m.way = argc == 6 ? argv[4] : NULL;
        m.side = argc == 6 ? argv[5] : NULL;
        rc = kt_run(run_many, &m, 0);
    } else if (argc == 3 && strcmp(argv[1], "reads") == 0) {
        rc = kt_run(run_reads, argv[2], 0);
    } else {
        fprintf(stderr, "usage: files many FOLDER COUNT [WAY write|read] | reads PATH\n");
    }
    if (rc < 0)
        fprintf(stderr, "files: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}
