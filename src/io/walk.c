/* SPDX-License-Identifier: MIT */

/* Walks as tasks see them: each trip to a pool thread fetches a batch of entries ahead. */

#include <errno.h>
#include <kettle/error.h>
#include <kettle/thread.h>

#include "core/core.h"
#include "core/eyes.h"
#include "io/paths.h"
#include "io/walker.h"

#define BATCH_ENTRIES 512
#define BATCH_BYTES ((size_t)64 << 10)
#define TRIP_STEPS 1024
#define NAME_BYTES 1025 /* FUSE allows more than NAME_MAX; and a slash */

/* In the batch, followed by its path with the terminator; at a multiple of its alignment. */
typedef struct record {
    uint64_t inode;
    size_t size;      /* with the path and what comes before the next */
    size_t path_size;
    size_t name_size;
    unsigned depth;
    kt_path_type type;
} record;

struct kt_walk {
    kt__walker walker;
    kt__disk *disk;
    kt_walk_options options;
    const char *kind;   /* for debug mode */
    kt_buffer batch;
    size_t at;          /* in the batch: what is told next */
    const record *told; /* what was told last, or NULL */
    size_t cut;         /* to be left first: the levels beyond so many; 0 = none */
    int rc;             /* what ended the batch: KT__WALK_END, KT__WALK_ON, or an error */
    bool busy;
    char root[]; /* for the words of a failure */
};

/* The same, seen as one directory. */
struct kt_dir {
    kt_walk walk;
};

/* ---- On the pool's thread -------------------------------------------------------------------- */

static size_t record_size(size_t path_size)
{
    const size_t unit = _Alignof(record);
    return (sizeof(record) + path_size + 1 + unit - 1) / unit * unit;
}

static void store(kt_walk *w, const kt__walk_found *found)
{
    const kt_buffer *path = &w->walker.path;
    record *r = (record *)(void *)(w->batch.data + w->batch.size);
    *r = (record){
        .inode = found->inode,
        .size = record_size(path->size),
        .path_size = path->size,
        .name_size = found->name_size,
        .depth = found->depth,
        .type = found->type,
    };
    memcpy(r + 1, path->data, path->size + 1);
    w->batch.size += r->size;
}

/* Room comes first, so that no entry is taken without it. */
static int fill(void *arg)
{
    kt_walk *w = arg;
    kt__walk_found found;
    unsigned entries = 0;
    w->rc = w->cut > 0 ? kt__walker_cut(&w->walker, w->cut) : 0;
    w->cut = 0;
    if (w->rc < 0)
        return 0;
    w->rc = KT__WALK_ON;
    for (unsigned steps = 0; steps < TRIP_STEPS; steps++) {
        int rc = kt_buffer_reserve(&w->batch, record_size(w->walker.path.size + NAME_BYTES));
        if (rc == 0)
            rc = kt__walker_step(&w->walker, &found);
        if (rc != KT__WALK_FOUND && rc != KT__WALK_ON) {
            w->rc = rc;
            break;
        }
        if (rc == KT__WALK_ON)
            continue;
        store(w, &found);
        if (++entries == BATCH_ENTRIES || w->batch.size >= BATCH_BYTES)
            break;
    }
    return 0;
}

static int open_and_fill(void *arg)
{
    kt_walk *w = arg;
    w->rc = kt__walker_open(&w->walker, w->disk, w->root, 0, &w->options);
    return w->rc < 0 ? 0 : fill(w);
}

static int close_walker(void *arg)
{
    kt_walk *w = arg;
    kt__walker_close(&w->walker);
    return 0;
}

/* ---- Life ---------------------------------------------------------------------------------- */

static void close_and_free(kt_walk *w)
{
    if (w->walker.depth > 0)
        (void)kt__disk_release(close_walker, w);
    else
        kt__walker_close(&w->walker); /* nothing is open: only memory */
    kt_buffer_release(&w->batch);
    kt_free(w);
}

static int open_walk(const char *root, const kt_walk_options *options, const void *site, const char *kind,
                     kt_walk **ret_walk)
{
    kt_walk *w = kt_calloc(1, sizeof *w + strlen(root) + 1);
    if (!w)
        return -ENOMEM;
    w->disk = kt__disk_here();
    w->kind = kind;
    if (options)
        w->options = *options;
    memcpy(w->root, root, strlen(root) + 1);
    int rc = kt_thread_run(open_and_fill, w, 0);
    bool nothing = w->batch.size == 0 && (w->walker.depth == 0 || w->rc == -ENOMEM);
    if (rc == 0 && w->rc < 0 && nothing)
        rc = kt_error_set(w->rc, "read %s: %s", root, kt_strerror(w->rc));
    if (rc < 0) {
        close_and_free(w);
        return rc;
    }
    kt__opened(w, kind, site, NULL);
    *ret_walk = w;
    return 0;
}

int kt_walk_open(const char *root, const kt_walk_options *options, kt_walk **ret_walk)
{
    return open_walk(root, options, KT__SITE, "a walk", ret_walk);
}

void kt_walk_close(kt_walk *w)
{
    if (!w)
        return;
    if (w->busy)
        kt__misuse("%s is closed while another task is in it", w->root);
    kt__closed(w, w->kind);
    close_and_free(w);
}

/* ---- Entries ------------------------------------------------------------------------------- */

static const char *path_of(const record *r)
{
    return (const char *)(r + 1);
}

static const record *next_record(const kt_walk *w)
{
    return (const record *)(const void *)(w->batch.data + w->at);
}

/* Once; the next call goes on. */
static int tell_failure(kt_walk *w)
{
    const char *path = w->walker.path.data, *slash = *path ? "/" : "";
    int rc = w->rc;
    w->rc = KT__WALK_ON;
    return kt_error_set(rc, "read %s%s%s: %s", w->root, slash, path, kt_strerror(rc));
}

/* While one task waits for entries, all of it but this flag is the pool's. */
static void check_alone(const kt_walk *w)
{
    if (w->busy)
        kt__misuse("two tasks read %s through the same object", w->root);
}

static int refill(kt_walk *w)
{
    w->busy = true;
    w->at = w->batch.size = 0;
    int rc = kt_thread_run(fill, w, 0);
    w->busy = false;
    return rc;
}

int kt_walk_next(kt_walk *w, kt_walk_entry *ret_entry)
{
    check_alone(w);
    w->told = NULL;
    while (w->at == w->batch.size) {
        bool passed_over = w->rc < 0 && w->rc != -ENOMEM && w->options.skip_errors;
        if (w->rc == KT__WALK_END)
            return 0;
        if (w->rc < 0 && !passed_over)
            return tell_failure(w);
        int rc = refill(w);
        if (rc < 0)
            return rc;
    }
    const record *r = w->told = next_record(w);
    w->at += r->size;
    *ret_entry = (kt_walk_entry){
        .path = path_of(r),
        .name = path_of(r) + r->path_size - r->name_size,
        .type = r->type,
        .depth = r->depth,
        .inode = r->inode,
    };
    return 1;
}

static bool is_within(const char *path, const record *dir)
{
    return strncmp(path, path_of(dir), dir->path_size) == 0 &&
           (path[dir->path_size] == '\0' || path[dir->path_size] == '/');
}

/* What was fetched ahead is dropped, and then the walker, if it is in there still, leaves. */
void kt_walk_skip(kt_walk *w)
{
    const record *dir = w->told;
    if (!dir || dir->type != KT_PATH_DIR)
        return;
    while (w->at < w->batch.size && next_record(w)->depth > dir->depth)
        w->at += next_record(w)->size;
    if (w->at < w->batch.size || w->rc == KT__WALK_END || !is_within(w->walker.path.data, dir))
        return;
    w->rc = KT__WALK_ON;
    w->cut = dir->depth;
}

/* ---- One directory ------------------------------------------------------------------------- */

int kt_dir_open(const char *path, kt_dir **ret_dir)
{
    const kt_walk_options flat = {.depth_max = 1};
    kt_walk *w = NULL;
    int rc = open_walk(path, &flat, KT__SITE, "a directory", &w);
    if (rc == 0)
        *ret_dir = KT__OWNER(w, kt_dir, walk);
    return rc;
}

int kt_dir_next(kt_dir *d, kt_dir_entry *ret_entry)
{
    kt_walk_entry e;
    int rc = kt_walk_next(&d->walk, &e);
    if (rc == 1)
        *ret_entry = (kt_dir_entry){.name = e.name, .type = e.type, .inode = e.inode};
    return rc;
}

void kt_dir_close(kt_dir *d)
{
    kt_walk_close(d ? &d->walk : NULL);
}
