/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "sweep.h"

#include "../io/tree.h"

/* Calls on names, each a job of the pool: it is taken back if it has not begun, else its result wins. Before the call
 * there are a file "f", a link "l" to it, and an empty directory "d". */

static tree scene(void)
{
    tree t = tree_new();
    put(&t, "f", "tea");
    put_link(&t, "l", "f");
    put_dir(&t, "d");
    sure(kt_thread_run(nothing, NULL, 0)); /* the pool is there */
    return t;
}

#define SWEEP_CALL(symbol, flags, args) \
    static int calls_##symbol(void *arg) \
    { \
        const tree *t = arg; \
        (void)t; \
        return (int)SWEPT(symbol, args); \
    } \
    SWEEP(symbol, SUSPENDS | WINS | (flags)) \
    { \
        kt_auto(tree) t = scene(); \
        sweep_begin(calls_##symbol, &t); \
        (void)sweep_end(); \
    }

/* ---- What is there ------------------------------------------------------------------------- */

static struct stat st;
static struct statvfs fs;

SWEEP_CALL(kt_path_stat, 0, (in(t, "l"), &st))
SWEEP_CALL(kt_path_lstat, 0, (in(t, "l"), &st))
SWEEP_CALL(kt_path_exists, 0, (in(t, "l")))
SWEEP_CALL(kt_path_is_file, 0, (in(t, "f")))
SWEEP_CALL(kt_path_is_dir, 0, (in(t, "d")))
SWEEP_CALL(kt_path_is_link, 0, (in(t, "l")))
SWEEP_CALL(kt_path_size, 0, (in(t, "f")))
SWEEP_CALL(kt_path_access, 0, (in(t, "f"), R_OK))
SWEEP_CALL(kt_path_same_file, 0, (in(t, "f"), in(t, "l")))
SWEEP_CALL(kt_path_statvfs, 0, (t->root, &fs))

static int reads_link(void *arg)
{
    kt_auto(kt_path) target = NULL;
    int rc = SWEPT(kt_path_readlink, (in(arg, "l"), &target));
    CHECK_STR(target, rc < 0 ? NULL : "f");
    return rc;
}

SWEEP(kt_path_readlink, SUSPENDS | ALLOCATES | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(reads_link, &t);
    (void)sweep_end();
}

static int resolves(void *arg)
{
    kt_auto(kt_path) path = NULL;
    int rc = SWEPT(kt_path_realpath, (in(arg, "d/../l"), &path));
    CHECK_STR(path, rc < 0 ? NULL : in(arg, "f"));
    return rc;
}

SWEEP(kt_path_realpath, SUSPENDS | ALLOCATES | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(resolves, &t);
    (void)sweep_end();
}

/* ---- Changes: done, or not begun ------------------------------------------------------------- */

static int renames(void *arg)
{
    return SWEPT(kt_path_rename, (in(arg, "f"), in(arg, "d/f"), KT_PATH_DURABLE));
}

SWEEP(kt_path_rename, SUSPENDS | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(renames, &t);
    int rc = sweep_end();
    CHECK_EQ(has(&t, "d/f"), rc == 0);
    CHECK_EQ(has(&t, "f"), rc < 0);
}

static int removes(void *arg)
{
    return SWEPT(kt_path_remove, (in(arg, "f")));
}

SWEEP(kt_path_remove, SUSPENDS | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(removes, &t);
    int rc = sweep_end();
    CHECK_EQ(has(&t, "f"), rc < 0);
}

static int links(void *arg)
{
    return SWEPT(kt_path_link, (in(arg, "f"), in(arg, "g")));
}

SWEEP(kt_path_link, SUSPENDS | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(links, &t);
    int rc = sweep_end();
    CHECK_EQ(has(&t, "g"), rc == 0);
}

static int makes_link(void *arg)
{
    return SWEPT(kt_path_symlink, ("f", in(arg, "g")));
}

SWEEP(kt_path_symlink, SUSPENDS | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(makes_link, &t);
    int rc = sweep_end();
    CHECK_EQ(has(&t, "g"), rc == 0);
}

SWEEP_CALL(kt_path_chmod, 0, (in(t, "f"), 0600))
SWEEP_CALL(kt_path_utimes, 0, (in(t, "f"), NULL))
SWEEP_CALL(kt_path_sync_dir, 0, (in(t, "d")))

/* ---- Text ---------------------------------------------------------------------------------- */

SWEEP(kt_path_name, PLAIN)
{
    CHECK_SLICE(SWEPT(kt_path_name, ("a/b.c")), "b.c");
}

SWEEP(kt_path_suffix, PLAIN)
{
    CHECK_SLICE(SWEPT(kt_path_suffix, ("a/b.c")), ".c");
}

SWEEP(kt_path_stem, PLAIN)
{
    CHECK_SLICE(SWEPT(kt_path_stem, ("a/b.c")), "b");
}

SWEEP(kt_path_parent, PLAIN)
{
    CHECK_SLICE(SWEPT(kt_path_parent, ("a/b.c")), "a");
}

SWEEP(kt_path_match, PLAIN)
{
    CHECK(SWEPT(kt_path_match, ("a/**/*.c", "a/b/c.c")));
}

static int joins(void *arg)
{
    kt_auto(kt_path) path = NULL;
    int rc = SWEPT(kt_path_join, ("a", "b", &path));
    (void)arg;
    CHECK_STR(path, rc < 0 ? NULL : "a/b");
    return rc;
}

SWEEP(kt_path_join, ALLOCATES)
{
    (void)sweep_subject(joins, NULL);
}

static int normalises(void *arg)
{
    kt_auto(kt_path) path = NULL;
    int rc = SWEPT(kt_path_normalise, ("a/./b", &path));
    (void)arg;
    CHECK_STR(path, rc < 0 ? NULL : "a/b");
    return rc;
}

SWEEP(kt_path_normalise, ALLOCATES)
{
    (void)sweep_subject(normalises, NULL);
}

static int joins_beneath(void *arg)
{
    kt_auto(kt_path) path = NULL;
    int rc = SWEPT(kt_path_join_beneath, ("a", kt_slice_from("b"), &path));
    (void)arg;
    CHECK_STR(path, rc < 0 ? NULL : "a/b");
    return rc;
}

SWEEP(kt_path_join_beneath, ALLOCATES)
{
    (void)sweep_subject(joins_beneath, NULL);
}
