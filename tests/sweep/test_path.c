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

/* ---- Copies: whole, or nothing ------------------------------------------------------------------ */

/* Many runs of data, so several trips. */
static tree sparse_scene(void)
{
    tree t = scene();
    int fd = open(in(&t, "a"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    for (int i = 0; i < 200; i++)
        CHECK_EQ(pwrite(fd, "x", 1, (off_t)i << 16), 1);
    close(fd);
    return t;
}

static void check_names(const tree *t, int count)
{
    CHECK_EQ(count_in(t, "."), count);
}

static int copies(void *arg)
{
    return SWEPT(kt_path_copy, (in(arg, "a"), in(arg, "b"), NULL));
}

SWEEP(kt_path_copy, SUSPENDS | WINS)
{
    kt_auto(tree) t = sparse_scene();
    sweep_begin(copies, &t);
    int rc = sweep_end();
    CHECK_EQ(has(&t, "b"), rc == 0);
    check_names(&t, rc == 0 ? 5 : 4);
}

static int copies_proc(void *arg)
{
    return SWEPT(kt_path_copy, ("/proc/self/comm", in(arg, "b"), NULL));
}

/* Where bytes are read and written. */
SWEEP_AS(kt_path_copy, by_hand, SUSPENDS | ALLOCATES | WHOLE | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(copies_proc, &t);
    int rc = sweep_end();
    check_names(&t, rc == 0 ? 4 : 3);
}

static int moves(void *arg)
{
    return SWEPT(kt_path_move, (in(arg, "f"), in(arg, "g"), NULL));
}

SWEEP(kt_path_move, SUSPENDS | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(moves, &t);
    int rc = sweep_end();
    CHECK_EQ(has(&t, "g"), rc == 0);
    check_names(&t, 3);
}

/* ---- Temporary ------------------------------------------------------------------------------- */

static int opens_temporary(void *arg)
{
    int fd = -1;
    int rc = SWEPT(kt_temp_file, (((const tree *)arg)->root, &fd));
    CHECK_EQ(fd < 0, rc < 0);
    if (fd >= 0)
        close(fd);
    return rc;
}

SWEEP(kt_temp_file, SUSPENDS | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(opens_temporary, &t);
    (void)sweep_end();
    check_names(&t, 3);
}

static int opens_named(void *arg)
{
    int fd = -1;
    kt_auto(kt_path) path = NULL;
    int rc = SWEPT(kt_temp_named, (((const tree *)arg)->root, NULL, &path, &fd));
    CHECK_EQ(fd < 0, rc < 0);
    CHECK_EQ(!path, rc < 0);
    if (fd >= 0)
        close(fd);
    return rc;
}

SWEEP(kt_temp_named, SUSPENDS | ALLOCATES | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(opens_named, &t);
    int rc = sweep_end();
    check_names(&t, rc == 0 ? 4 : 3);
}

static int makes_temporary(void *arg)
{
    kt_temp_dir *d = NULL;
    int rc = SWEPT(kt_temp_dir_make, (((const tree *)arg)->root, NULL, &d));
    CHECK_EQ(!d, rc < 0);
    check_names(arg, rc < 0 ? 3 : 4);
    kt_temp_dir_remove(d);
    return rc;
}

SWEEP(kt_temp_dir_make, SUSPENDS | ALLOCATES | WINS)
{
    kt_auto(tree) t = scene();
    sweep_begin(makes_temporary, &t);
    (void)sweep_end();
    check_names(&t, 3);
}

SWEEP(kt_temp_dir_path, PLAIN)
{
    kt_auto(tree) t = scene();
    kt_auto(kt_temp_dir) *d = NULL;
    sure(kt_temp_dir_make(t.root, "x", &d));
    CHECK(strncmp(SWEPT(kt_temp_dir_path, (d)), t.root, strlen(t.root)) == 0);
}

static int removes_temporary(void *arg)
{
    SWEPT(kt_temp_dir_remove, (arg));
    return 0;
}

SWEEP(kt_temp_dir_remove, SUSPENDS | HOLDS)
{
    kt_auto(tree) t = scene();
    kt_temp_dir *d = NULL;
    sure(kt_temp_dir_make(t.root, "x", &d));
    sweep_begin(removes_temporary, d);
    (void)sweep_end();
    check_names(&t, 3);
}

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
