/* SPDX-License-Identifier: MIT */

/* The simulated disk as tests see it. */
#include "test/disk.h"

#include <errno.h>
#include <kettle/simulated.h>
#include <kettle/loop.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/kit.h"

#define BIRTH 1767225600 /* of the virtual clock: the first of January 2026 */
#define CHUNK 65536u

/* ---- Chance and time ----------------------------------------------------------------------- */

uint64_t kt__sim_below(kt_test_disk *d, uint64_t n)
{
    return kt__test_random(&d->random) % n;
}

bool kt__sim_one_in(kt_test_disk *d, uint64_t n)
{
    return kt__sim_below(d, n) == 0;
}

/* On the loop's thread its clock, which may be virtual; pool threads know none but the real one. */
struct timespec kt__sim_now(void)
{
    struct timespec now;
    if (!kt_loop_current()) {
        clock_gettime(CLOCK_REALTIME, &now);
        return now;
    }
    kt_time t = kt_now() + kt__job_lasted();
    return (struct timespec){.tv_sec = BIRTH + t / KT_S(1), .tv_nsec = t % KT_S(1)};
}

/* ---- Opening and closing ------------------------------------------------------------------- */

kt_test_disk *kt_test_disk_open(const kt_test_disk_options *options)
{
    kt_test_disk *d = memset(kt__test_own(NULL, sizeof *d), 0, sizeof *d);
    if (options)
        d->options = *options;
    if (d->options.seed == 0)
        d->options.seed = atomic_load(&kt__test_status->seed);
    d->calls = kt__sim_table;
    pthread_mutex_init(&d->mutex, NULL);
    pthread_cond_init(&d->unlocked, NULL);
    d->random = d->options.seed ? d->options.seed : 1;
    d->salt = kt__test_random(&d->random);
    d->user = geteuid();
    d->group = getegid();
    d->root = kt__sim_node_new(d, S_IFDIR | 0755);
    d->root->parent = d->root;
    d->root->links = 2;
    kt__sim_node_use(d->root);
    kt__node *tmp = kt__sim_node_new(d, S_IFDIR | S_ISVTX | 0777);
    kt__sim_name_set(d, d->root, kt_slice_from("tmp"), tmp);
    kt_test_disk_sync(d);
    return d;
}

/* Any path to a node, for people. */
static void say_path(const kt__node *dir, const kt__node *n)
{
    for (size_t i = 0; i < dir->cells_count; i++) {
        const kt__cell *c = dir->cells[i];
        if (c->now == n)
            kt__test_say_failure(" \"%s\"", c->name);
        if (c->now && S_ISDIR(c->now->now.mode))
            say_path(c->now, n);
    }
}

static void fail_open(const kt_test_disk *d, size_t count)
{
    kt__test_fail_begin();
    kt__test_say_failure("kt_test_disk_close with %zu descriptor%s open:", count, count == 1 ? "" : "s");
    for (size_t i = 0; i < d->opens_count; i++) {
        if (d->opens[i].node && d->opens[i].node->links > 0)
            say_path(d->root, d->opens[i].node);
        else if (d->opens[i].node || d->opens[i].dead)
            kt__test_say_failure(" (without a name)");
    }
    kt__test_say_failure("\n");
    kt__test_fail_end();
}

void kt_test_disk_close(kt_test_disk *d)
{
    if (!d)
        return;
    size_t count = kt_test_disk_descriptors(d);
    if (count > 0)
        fail_open(d, count);
    kt__disk *in_use = kt_loop_current() ? kt__disk_set(NULL) : NULL;
    if (in_use && in_use != &d->calls)
        kt__disk_set(in_use);
    while (d->nodes)
        kt__sim_node_free(d, d->nodes);
    kt__test_disown(d->opens);
    pthread_cond_destroy(&d->unlocked);
    pthread_mutex_destroy(&d->mutex);
    kt__test_disown(d);
}

void kt_test_disk_use(kt_test_disk *d)
{
    if (!kt_loop_current())
        kt_test_fail("kt_test_disk_use outside a loop");
    kt__disk_set(d ? &d->calls : NULL);
}

size_t kt_test_disk_descriptors(kt_test_disk *d)
{
    size_t count = 0;
    pthread_mutex_lock(&d->mutex);
    for (size_t i = 0; i < d->opens_count; i++)
        count += d->opens[i].node || d->opens[i].dead;
    pthread_mutex_unlock(&d->mutex);
    return count;
}

/* ---- Contents ------------------------------------------------------------------------------ */

/* What the test itself does meets neither permissions nor faults nor the end of the disk. */
typedef struct aside {
    kt_test_disk *disk;
    kt_test_disk_options options;
    int bytes_code;
} aside;

static aside step_aside(kt_test_disk *d)
{
    pthread_mutex_lock(&d->mutex);
    aside a = {d, d->options, d->bytes_code};
    d->options.superuser = d->options.whole = true;
    d->options.capacity = 0;
    d->bytes_code = 0;
    return a;
}

static void step_back(const aside *a)
{
    a->disk->options = a->options;
    a->disk->bytes_code = a->bytes_code;
    pthread_mutex_unlock(&a->disk->mutex);
}

/* The name at the end of a path is on the platter. */
static int sync_name(kt_test_disk *d, const char *path)
{
    kt__place p;
    int rc = kt__sim_place(d, AT_FDCWD, path, &p);
    if (rc == 0)
        kt__sim_node_sync(d, p.dir, false);
    return rc;
}

/* Makes, if need be, and syncs every directory on the way to a file. */
static int make_way(kt_test_disk *d, const char *path)
{
    int rc = *path ? 0 : -ENOENT;
    for (const char *slash = path; rc == 0 && *slash && (slash = strchr(slash + 1, '/'));) {
        size_t size = (size_t)(slash - path);
        char *part = memcpy(kt__test_own(NULL, size + 1), path, size);
        part[size] = '\0';
        rc = kt__sim_mkdir(d, AT_FDCWD, part, 0755);
        if (rc == 0 || rc == -EEXIST)
            rc = sync_name(d, part);
        kt__test_disown(part);
    }
    return rc;
}

static int put(kt_test_disk *d, const char *path, kt_slice bytes)
{
    const struct iovec piece = {(void *)(uintptr_t)bytes.data, bytes.size};
    int rc = make_way(d, path);
    if (rc < 0)
        return rc;
    int fd = kt__sim_open(d, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644, 0);
    if (fd < 0)
        return fd;
    ssize_t n = kt__sim_write(d, fd, &piece, 1, 0, 0);
    rc = n < 0 ? (int)n : kt__sim_sync(d, fd, false);
    kt__sim_close(d, fd);
    return rc < 0 ? rc : sync_name(d, path);
}

int kt_test_disk_put(kt_test_disk *d, const char *path, kt_slice bytes)
{
    aside a = step_aside(d);
    int rc = put(d, path, bytes);
    step_back(&a);
    return rc;
}

static int get(kt_test_disk *d, const char *path, kt_buffer *into)
{
    kt__node *n;
    int rc = kt__sim_find(d, AT_FDCWD, path, 0, true, &n);
    if (rc == 0 && S_ISDIR(n->now.mode))
        rc = -EISDIR;
    if (rc == 0)
        rc = kt_buffer_reserve(into, n->size);
    if (rc < 0)
        return rc;
    into->size += kt__sim_data_read(n, 0, into->data + into->size, n->size);
    return 0;
}

int kt_test_disk_get(kt_test_disk *d, const char *path, kt_buffer *into)
{
    aside a = step_aside(d);
    int rc = get(d, path, into);
    step_back(&a);
    return rc;
}

/* ---- Listing ------------------------------------------------------------------------------- */

/* A path of which the last part changes. */
typedef struct way {
    char *text;
    size_t size;
} way;

static int by_name(const void *a, const void *b)
{
    return strcmp((*(kt__cell *const *)a)->name, (*(kt__cell *const *)b)->name);
}

static int list_dir(const kt__node *dir, way *w, kt_buffer *into);

static int list_node(const kt__node *n, way *w, kt_buffer *into)
{
    if (S_ISLNK(n->now.mode))
        return kt_buffer_printf(into, "%s -> %s\n", w->text, n->target);
    if (!S_ISDIR(n->now.mode))
        return kt_buffer_printf(into, "%s %llu\n", w->text, (unsigned long long)n->size);
    int rc = strcmp(w->text, "/tmp") == 0 ? 0 : kt_buffer_printf(into, "%s/\n", w->text);
    return rc < 0 ? rc : list_dir(n, w, into);
}

static int list_dir(const kt__node *dir, way *w, kt_buffer *into)
{
    size_t count = 0, size = w->size;
    int rc = 0;
    kt__cell **cells = kt__test_own(NULL, (dir->cells_count + 1) * sizeof *cells);
    for (size_t i = 0; i < dir->cells_count; i++) {
        if (dir->cells[i]->now)
            cells[count++] = dir->cells[i];
    }
    qsort(cells, count, sizeof *cells, by_name);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        size_t more = strlen(cells[i]->name);
        w->text = kt__test_own(w->text, size + more + 2);
        w->text[size] = '/';
        memcpy(w->text + size + 1, cells[i]->name, more + 1);
        w->size = size + 1 + more;
        rc = list_node(cells[i]->now, w, into);
    }
    kt__test_disown(cells);
    return rc;
}

int kt_test_disk_list(kt_test_disk *d, kt_buffer *into)
{
    way w = {NULL, 0};
    pthread_mutex_lock(&d->mutex);
    int rc = list_dir(d->root, &w, into);
    pthread_mutex_unlock(&d->mutex);
    kt__test_disown(w.text);
    return rc;
}

void kt_test_disk_sync(kt_test_disk *d)
{
    pthread_mutex_lock(&d->mutex);
    for (kt__node *n = d->nodes; n; n = n->next)
        kt__sim_node_use(n); /* a node that is not freed stays in the list */
    for (kt__node *n = d->nodes; n; n = n->next)
        kt__sim_node_sync(d, n, false);
    for (kt__node *n = d->nodes, *next; n; n = next) {
        next = n->next;
        kt__sim_node_unuse(d, n);
    }
    pthread_mutex_unlock(&d->mutex);
}

/* ---- Faults and crashes -------------------------------------------------------------------- */

uint64_t kt_test_disk_calls(kt_test_disk *d, kt_test_disk_call call)
{
    pthread_mutex_lock(&d->mutex);
    uint64_t count = d->counts[call];
    pthread_mutex_unlock(&d->mutex);
    return count;
}

void kt_test_disk_fail(kt_test_disk *d, kt_test_disk_call call, uint64_t nth, int code)
{
    if (nth > 0 && code >= 0)
        kt_test_fail("kt_test_disk_fail with %d, which is no failure", code);
    pthread_mutex_lock(&d->mutex);
    d->faults[call] = (kt__fault){nth, code};
    if (nth > 0)
        d->failed = false;
    pthread_mutex_unlock(&d->mutex);
}

void kt_test_disk_fail_after(kt_test_disk *d, uint64_t bytes, int code)
{
    if (code > 0)
        kt_test_fail("kt_test_disk_fail_after with %d, which is no failure", code);
    pthread_mutex_lock(&d->mutex);
    d->bytes_left = bytes;
    d->bytes_code = code;
    if (code)
        d->failed = false;
    pthread_mutex_unlock(&d->mutex);
}

bool kt_test_disk_failed(kt_test_disk *d)
{
    pthread_mutex_lock(&d->mutex);
    bool failed = d->failed;
    pthread_mutex_unlock(&d->mutex);
    return failed;
}

void kt_test_disk_capacity(kt_test_disk *d, uint64_t bytes)
{
    pthread_mutex_lock(&d->mutex);
    d->options.capacity = bytes;
    pthread_mutex_unlock(&d->mutex);
}

void kt_test_disk_crash(kt_test_disk *d)
{
    pthread_mutex_lock(&d->mutex);
    for (size_t i = 0; i < d->opens_count; i++) {
        d->opens[i].dead |= d->opens[i].node != NULL;
        d->opens[i].node = NULL;
    }
    kt__sim_crash(d);
    d->power_in = 0;
    d->off = false;
    pthread_cond_broadcast(&d->unlocked);
    pthread_mutex_unlock(&d->mutex);
}

void kt_test_disk_crash_at(kt_test_disk *d, uint64_t nth)
{
    pthread_mutex_lock(&d->mutex);
    d->power_in = nth;
    pthread_mutex_unlock(&d->mutex);
}

bool kt_test_disk_crashed(kt_test_disk *d)
{
    pthread_mutex_lock(&d->mutex);
    bool off = d->off;
    pthread_mutex_unlock(&d->mutex);
    return off;
}
