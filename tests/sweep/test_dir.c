/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "sweep.h"

#include "../io/tree.h"

/* Directories. What is read in trips to the pool suspends more than once; what the trips allocate counts (WHOLE). */

static tree scene(void)
{
    sure(kt_thread_run(nothing, NULL, 0)); /* the pool is there */
    return tree_new();
}

/* More than one trip fetches. */
static void put_many(const tree *t, const char *dir, int count)
{
    put_dir(t, dir);
    for (int i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%04d", dir, i);
        put(t, name, "");
    }
}

/* ---- Making and removing ------------------------------------------------------------------- */

static int makes(void *arg)
{
    return SWEPT(kt_dir_make, (in(arg, "a"), 0, 0));
}

SWEEP(kt_dir_make, SUSPENDS | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(makes, &t);
    int rc = sweep_end();
    CHECK_EQ(has(&t, "a"), rc == 0);
}

static int makes_all(void *arg)
{
    return SWEPT(kt_dir_make_all, (in(arg, "a/b/c"), 0));
}

SWEEP(kt_dir_make_all, SUSPENDS | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(makes_all, &t);
    int rc = sweep_end();
    CHECK_EQ(has(&t, "a/b/c"), rc == 0);
}

static int removes(void *arg)
{
    return SWEPT(kt_dir_remove, (in(arg, "a")));
}

SWEEP(kt_dir_remove, SUSPENDS | WINS)
{
    kt_auto(tree) t = scene();
    put_dir(&t, "a");
    sweep_begin(removes, &t);
    int rc = sweep_end();
    CHECK_EQ(has(&t, "a"), rc < 0);
}

static int removes_all(void *arg)
{
    return SWEPT(kt_dir_remove_all, (in(arg, "a")));
}

SWEEP(kt_dir_remove_all, SUSPENDS | ALLOCATES | WHOLE | WINS)
{
    kt_auto(tree) t = scene();
    put_many(&t, "a", 300);
    put_many(&t, "a/b", 300);
    sweep_begin(removes_all, &t);
    int rc = sweep_end();
    CHECK_EQ(has(&t, "a"), rc < 0);
}

static int copies_all(void *arg)
{
    return SWEPT(kt_dir_copy_all, (in(arg, "a"), in(arg, "c"), NULL));
}

SWEEP(kt_dir_copy_all, SUSPENDS | ALLOCATES | WHOLE | WINS)
{
    kt_auto(tree) t = scene();
    put_many(&t, "a", 200);
    put_many(&t, "a/b", 100);
    sweep_begin(copies_all, &t);
    int rc = sweep_end();
    CHECK_EQ(has(&t, "c/b/0099"), rc == 0);
    CHECK_EQ(count_in(&t, "."), rc == 0 ? 2 : 1);
}

/* ---- Entries ------------------------------------------------------------------------------- */

static int opens_dir(void *arg)
{
    kt_auto(kt_dir) *d = NULL;
    int rc = SWEPT(kt_dir_open, (((const tree *)arg)->root, &d));
    CHECK((rc < 0) == !d);
    return rc;
}

/* Without memory for what it fetches ahead, it has at least been opened. */
SWEEP(kt_dir_open, SUSPENDS | ALLOCATES | WHOLE | WINS | SPARES)
{
    kt_auto(tree) t = scene();
    put_many(&t, "a", 10);
    sweep_begin(opens_dir, &t);
    (void)sweep_end();
}

typedef struct reading {
    kt_dir *dir;
    kt_walk *walk;
    int count;
} reading;

static int reads_next(void *arg)
{
    reading *r = arg;
    kt_dir_entry e;
    int rc = SWEPT(kt_dir_next, (r->dir, &e));
    r->count += rc == 1;
    return rc;
}

/* The first that has not been fetched yet. None is lost. */
SWEEP(kt_dir_next, SUSPENDS | WINS)
{
    kt_auto(tree) t = scene();
    kt_dir_entry e;
    reading r = {.count = 0};
    put_many(&t, "a", 600);
    sure(kt_dir_open(in(&t, "a"), &r.dir));
    for (; r.count < 512; r.count++)
        CHECK_EQ(kt_dir_next(r.dir, &e), 1);
    sweep_begin(reads_next, &r);
    (void)sweep_end();
    while (kt_dir_next(r.dir, &e) == 1)
        r.count++;
    CHECK_EQ(r.count, 600);
    kt_dir_close(r.dir);
}

static int closes_dir(void *arg)
{
    SWEPT(kt_dir_close, (arg));
    return 0;
}

SWEEP(kt_dir_close, SUSPENDS | HOLDS)
{
    kt_auto(tree) t = scene();
    kt_dir *d = NULL;
    put_many(&t, "a", 1000);
    sure(kt_dir_open(in(&t, "a"), &d));
    sweep_begin(closes_dir, d);
    (void)sweep_end();
}

static int lists(void *arg)
{
    kt_auto(kt_path_list) *l = NULL;
    int rc = SWEPT(kt_dir_list, (in(arg, "a"), 0, &l));
    CHECK_EQ(l ? l->count : 0, rc < 0 ? 0 : 1500);
    return rc;
}

SWEEP(kt_dir_list, SUSPENDS | ALLOCATES | WHOLE | WINS)
{
    kt_auto(tree) t = scene();
    put_many(&t, "a", 1500);
    sweep_begin(lists, &t);
    (void)sweep_end();
}

SWEEP(kt_path_list_free, PLAIN)
{
    kt_auto(tree) t = scene();
    kt_path_list *l = NULL;
    sure(kt_dir_list(t.root, 0, &l));
    SWEPT(kt_path_list_free, (l));
}

/* ---- Walks --------------------------------------------------------------------------------- */

static int opens_walk(void *arg)
{
    kt_auto(kt_walk) *w = NULL;
    int rc = SWEPT(kt_walk_open, (((const tree *)arg)->root, NULL, &w));
    CHECK((rc < 0) == !w);
    return rc;
}

SWEEP(kt_walk_open, SUSPENDS | ALLOCATES | WHOLE | WINS | SPARES)
{
    kt_auto(tree) t = scene();
    put_many(&t, "a", 10);
    put_many(&t, "a/b", 10);
    sweep_begin(opens_walk, &t);
    (void)sweep_end();
}

static int walks_on(void *arg)
{
    reading *r = arg;
    kt_walk_entry e;
    int rc = SWEPT(kt_walk_next, (r->walk, &e));
    r->count += rc == 1;
    return rc;
}

SWEEP(kt_walk_next, SUSPENDS | ALLOCATES | WHOLE | WINS | SPARES)
{
    kt_auto(tree) t = scene();
    kt_walk_entry e;
    reading r = {.count = 0};
    put_many(&t, "a", 600);
    put_many(&t, "a/b", 100);
    sure(kt_walk_open(t.root, &(kt_walk_options){.sorted = true}, &r.walk));
    for (; r.count < 512; r.count++)
        CHECK_EQ(kt_walk_next(r.walk, &e), 1);
    sweep_begin(walks_on, &r);
    (void)sweep_end();
    for (int rc; (rc = kt_walk_next(r.walk, &e)) != 0;)
        r.count += rc == 1;
    CHECK_EQ(r.count, 702);
    kt_walk_close(r.walk);
}

SWEEP(kt_walk_skip, PLAIN)
{
    kt_auto(tree) t = scene();
    kt_auto(kt_walk) *w = NULL;
    kt_walk_entry e;
    put_many(&t, "a", 600);
    sure(kt_walk_open(t.root, NULL, &w));
    CHECK_EQ(kt_walk_next(w, &e), 1);
    SWEPT(kt_walk_skip, (w));
    CHECK_EQ(kt_walk_next(w, &e), 0);
}

static int closes_walk(void *arg)
{
    SWEPT(kt_walk_close, (arg));
    return 0;
}

SWEEP(kt_walk_close, SUSPENDS | HOLDS)
{
    kt_auto(tree) t = scene();
    kt_walk *w = NULL;
    put_many(&t, "a", 1000);
    sure(kt_walk_open(t.root, NULL, &w));
    sweep_begin(closes_walk, w);
    (void)sweep_end();
}

static int searches(void *arg)
{
    kt_auto(kt_path_list) *l = NULL;
    int rc = SWEPT(kt_glob, (((const tree *)arg)->root, "a/**/*7", NULL, &l));
    CHECK_EQ(l ? l->count : 0, rc < 0 ? 0 : 130);
    return rc;
}

SWEEP(kt_glob, SUSPENDS | ALLOCATES | WHOLE | WINS)
{
    kt_auto(tree) t = scene();
    put_many(&t, "a", 1000);
    put_many(&t, "a/b", 300);
    sweep_begin(searches, &t);
    (void)sweep_end();
}

/* ---- Watches ------------------------------------------------------------------------------- */

static const kt_dir_watch_options in_depth = {.recursive = true};

static int opens_watch(void *arg)
{
    kt_dir_watch *w = NULL;
    int rc = SWEPT(kt_dir_watch_open, (in(arg, "a"), &in_depth, &w));
    CHECK((rc < 0) == !w);
    kt_dir_watch_close(w);
    return rc;
}

SWEEP(kt_dir_watch_open, SUSPENDS | ALLOCATES | WHOLE | WINS | REAL)
{
    kt_auto(tree) t = scene();
    put_many(&t, "a", 300);
    put_many(&t, "a/b", 300);
    sweep_begin(opens_watch, &t);
    (void)sweep_end();
}

typedef struct watching {
    kt_dir_watch *watch;
    int told;
} watching;

static int watches(void *arg)
{
    watching *w = arg;
    kt_dir_event e;
    int rc = SWEPT(kt_dir_watch_next, (w->watch, &e));
    w->told += rc == 1;
    return rc;
}

static int reads_all(watching *w, int count)
{
    kt_dir_event e;
    while (w->told < count)
        w->told += kt_dir_watch_next(w->watch, &e) == 1;
    return w->told;
}

/* It waits for the first event. */
SWEEP(kt_dir_watch_next, SUSPENDS | ALLOCATES | WINS | REAL)
{
    kt_auto(tree) t = scene();
    watching w = {.told = 0};
    put_dir(&t, "a");
    sure(kt_dir_watch_open(in(&t, "a"), NULL, &w.watch));
    sweep_begin(watches, &w);
    turns(4);
    put(&t, "a/f", "");
    (void)sweep_end();
    CHECK_EQ(reads_all(&w, 2), 2);
    kt_dir_watch_close(w.watch);
}

/* A new directory is taken in, by several trips; and the wait for the other half of a move, which does not come. */
SWEEP_AS(kt_dir_watch_next, new_directory, SUSPENDS | ALLOCATES | WHOLE | WINS | REAL)
{
    kt_auto(tree) t = scene();
    watching w = {.told = 0};
    put_dir(&t, "a");
    put_many(&t, "b", 700);
    sure(kt_dir_watch_open(in(&t, "a"), &in_depth, &w.watch));
    CHECK_EQ(rename(in(&t, "b"), in(&t, "a/b")), 0);
    CHECK_EQ(reads_all(&w, 1), 1);
    sweep_begin(watches, &w);
    (void)sweep_end();
    CHECK_EQ(reads_all(&w, 701), 701);
    kt_dir_watch_close(w.watch);
}

SWEEP_AS(kt_dir_watch_next, departure, SUSPENDS | ALLOCATES | WINS | REAL)
{
    kt_auto(tree) t = scene();
    watching w = {.told = 0};
    put_dir(&t, "a");
    put(&t, "a/f", "");
    sure(kt_dir_watch_open(in(&t, "a"), NULL, &w.watch));
    CHECK_EQ(rename(in(&t, "a/f"), in(&t, "f")), 0);
    sweep_begin(watches, &w);
    (void)sweep_end();
    CHECK_EQ(reads_all(&w, 1), 1);
    kt_dir_watch_close(w.watch);
}

static int closes_watch(void *arg)
{
    SWEPT(kt_dir_watch_close, (arg));
    return 0;
}

SWEEP(kt_dir_watch_close, SUSPENDS | HOLDS | REAL)
{
    kt_auto(tree) t = scene();
    kt_dir_watch *w = NULL;
    put_many(&t, "a", 3);
    sure(kt_dir_watch_open(in(&t, "a"), &in_depth, &w));
    sweep_begin(closes_watch, w);
    (void)sweep_end();
}
