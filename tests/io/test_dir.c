/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tree.h"

/* ---- Making -------------------------------------------------------------------------------- */

static mode_t mode_of(const tree *t, const char *name)
{
    struct stat st;
    CHECK_EQ(stat(in(t, name), &st), 0);
    return st.st_mode & 07777;
}

TEST(a_directory_is_made_once)
{
    kt_auto(tree) t = tree_new();
    umask(022);
    CHECK_OK(kt_dir_make(in(&t, "a"), 0, 0));
    CHECK_EQ(mode_of(&t, "a"), 0755);
    CHECK_OK(kt_dir_make(in(&t, "b"), 0700, 0));
    CHECK_EQ(mode_of(&t, "b"), 0700);
    CHECK_ERR(kt_dir_make(in(&t, "a"), 0, 0), -EEXIST);
    CHECK_OK(kt_dir_make(in(&t, "a"), 0, KT_DIR_EXIST_OK));
    put(&t, "f", "");
    CHECK_ERR(kt_dir_make(in(&t, "f"), 0, KT_DIR_EXIST_OK), -EEXIST);
    CHECK_ERR(kt_dir_make(in(&t, "no/c"), 0, 0), -ENOENT);
}

TEST(a_directory_is_made_with_its_parents)
{
    kt_auto(tree) t = tree_new();
    umask(022);
    CHECK_OK(kt_dir_make_all(in(&t, "a/b/c"), 0700));
    CHECK_EQ(mode_of(&t, "a"), 0755);
    CHECK_EQ(mode_of(&t, "a/b"), 0755);
    CHECK_EQ(mode_of(&t, "a/b/c"), 0700);
    CHECK_OK(kt_dir_make_all(in(&t, "a/b/c"), 0));
    CHECK_OK(kt_dir_make_all(in(&t, "a//b///d//"), 0));
    CHECK(has(&t, "a/b/d"));
    CHECK_OK(kt_dir_make_all(in(&t, "x/../y"), 0));
    CHECK(has(&t, "x"));
    CHECK(has(&t, "y"));
    CHECK_OK(kt_dir_make_all("/", 0));
    CHECK_ERR(kt_dir_make_all("", 0), -ENOENT);
}

TEST(what_stands_in_the_way_of_a_directory_is_told)
{
    kt_auto(tree) t = tree_new();
    put(&t, "f", "");
    put_link(&t, "dead", "nowhere");
    put_link(&t, "self", ".");
    CHECK_ERR(kt_dir_make_all(in(&t, "f"), 0), -EEXIST);
    CHECK_ERR(kt_dir_make_all(in(&t, "f/a/b"), 0), -ENOTDIR);
    CHECK_ERR(kt_dir_make_all(in(&t, "dead"), 0), -EEXIST);
    CHECK_ERR(kt_dir_make_all(in(&t, "dead/a"), 0), -ENOENT);
    CHECK_OK(kt_dir_make_all(in(&t, "self/self/a/b"), 0));
    CHECK(has(&t, "a/b"));
    char long_path[5000];
    memset(long_path, 'a', sizeof long_path);
    long_path[4999] = '\0';
    CHECK_ERR(kt_dir_make_all(long_path, 0), -ENAMETOOLONG);
}

/* Paths of their own: those of in() are soon another's, and here a thread of the pool reads them meanwhile. */
typedef struct maker {
    char all[3][256]; /* from a/b/c/d up */
    int made;
} maker;

static int makes_and_removes(void *arg)
{
    maker *m = arg;
    for (int i = 0; i < 50; i++) {
        int rc = kt_dir_make_all(m->all[0], 0);
        if (rc < 0)
            return rc;
        m->made++;
        for (int up = 0; up < 3; up++)
            (void)!rmdir(m->all[up]);
    }
    return 0;
}

TEST(makers_and_removers_of_the_same_directories_get_along)
{
    kt_auto(tree) t = tree_new();
    maker m = {.made = 0};
    static const char *const names[] = {"a/b/c/d", "a/b/c", "a/b"};
    for (int i = 0; i < 3; i++)
        snprintf(m.all[i], sizeof m.all[i], "%s/%s", t.root, names[i]);
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 4; i++)
        CHECK_OK(kt_group_spawn(&g, makes_and_removes, &m, 0));
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_EQ(m.made, 200);
}

/* ---- Removing ------------------------------------------------------------------------------ */

TEST(only_an_empty_directory_is_removed)
{
    kt_auto(tree) t = tree_new();
    put_dir(&t, "d");
    put(&t, "d/f", "");
    CHECK_ERR(kt_dir_remove(in(&t, "d")), -ENOTEMPTY);
    CHECK_ERR(kt_dir_remove(in(&t, "d/f")), -ENOTDIR);
    CHECK_OK(kt_path_remove(in(&t, "d/f")));
    CHECK_OK(kt_dir_remove(in(&t, "d")));
    CHECK(!has(&t, "d"));
}

TEST(a_tree_is_removed_and_what_its_links_lead_to_stays)
{
    kt_auto(tree) t = tree_new();
    put_dir(&t, "kept");
    put(&t, "kept/f", "tea");
    put_dir(&t, "d");
    put_dir(&t, "d/e");
    put(&t, "d/e/f", "");
    put_link(&t, "d/e/up", "..");
    put_link(&t, "d/out", "../kept");
    put_link(&t, "d/dead", "nowhere");
    CHECK_EQ(mkfifo(in(&t, "d/pipe"), 0600), 0);
    put(&t, "d/\xff\n", "");
    CHECK_OK(kt_dir_remove_all(in(&t, "d//")));
    CHECK(!has(&t, "d"));
    check_text(&t, "kept/f", "tea");
}

TEST(remove_all_takes_directories_alone)
{
    kt_auto(tree) t = tree_new();
    put_dir(&t, "d");
    put(&t, "d/f", "");
    put_link(&t, "link", "d");
    CHECK_ERR(kt_dir_remove_all(in(&t, "link")), -ENOTDIR);
    CHECK_ERR(kt_dir_remove_all(in(&t, "link/")), -ENOTDIR);
    CHECK_ERR(kt_dir_remove_all(in(&t, "d/f")), -ENOTDIR);
    CHECK_ERR(kt_dir_remove_all(in(&t, "gone")), -ENOENT);
    CHECK_ERR(kt_dir_remove_all(in(&t, "d/.")), -EINVAL);
    CHECK_ERR(kt_dir_remove_all(in(&t, "d/..")), -EINVAL);
    CHECK_ERR(kt_dir_remove_all("/"), -EINVAL);
    CHECK_ERR(kt_dir_remove_all(""), -EINVAL);
    CHECK(has(&t, "d/f"));
}

TEST(a_thousand_levels_and_more_than_a_path_holds_are_removed)
{
    kt_auto(tree) t = tree_new();
    char name[201];
    memset(name, 'n', 200);
    name[200] = '\0';
    put_dir(&t, "d");
    tree inside = t;
    snprintf(inside.root, sizeof inside.root, "%s", in(&t, "d"));
    put_deep(&inside, name, 1000);
    put_deep(&inside, "short", 1000);
    CHECK_OK(kt_dir_remove_all(in(&t, "d")));
    CHECK(!has(&t, "d"));
}

/* Every level has more to it than the way down, so each must be found again on the way up. */
TEST(a_deep_tree_with_files_at_every_level_is_removed)
{
    kt_auto(tree) t = tree_new();
    char path[1024] = "d";
    for (int i = 0; i < 60; i++) {
        put_dir(&t, path);
        for (int k = 0; k < 3; k++) {
            char name[1100];
            snprintf(name, sizeof name, "%s/f%d", path, k);
            put(&t, name, "x");
            snprintf(name, sizeof name, "%s/z%d", path, k);
            put_dir(&t, name);
        }
        snprintf(path + strlen(path), sizeof path - strlen(path), "/m");
    }
    CHECK_OK(kt_dir_remove_all(in(&t, "d")));
    CHECK(!has(&t, "d"));
}

static void put_many(const tree *t, const char *dir, int count)
{
    put_dir(t, dir);
    for (int i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%d", dir, i);
        put(t, name, "");
    }
}

static int removes_all(void *arg)
{
    return kt_dir_remove_all(arg);
}

TEST(a_cancelled_removal_stops_in_the_middle)
{
    kt_auto(tree) t = tree_new();
    kt_task *task = NULL;
    put_many(&t, "d", 3000);
    const char *path = in(&t, "d");
    CHECK_OK(kt_spawn(removes_all, path, 0, &task));
    CHECK_OK(kt_sleep(0));
    CHECK(kt_task_cancel(task));
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    CHECK_GT(count_in(&t, "d"), 0);
    CHECK_OK(kt_dir_remove_all(in(&t, "d")));
}

TEST(a_removal_that_is_not_allowed_names_the_file)
{
    if (geteuid() == 0)
        kt_test_skip("root may remove anything");
    kt_auto(tree) t = tree_new();
    put_dir(&t, "d");
    put_dir(&t, "d/e");
    put(&t, "d/e/f", "");
    CHECK_EQ(chmod(in(&t, "d/e"), 0500), 0);
    CHECK_ERR(kt_dir_remove_all(in(&t, "d")), -EACCES);
    CHECK(strstr(kt_error_detail(), "d/e/f: Permission denied"));
    CHECK_EQ(chmod(in(&t, "d/e"), 0700), 0);
}

/* ---- Entries ------------------------------------------------------------------------------- */

TEST(entries_tell_name_and_type)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_dir) *d = NULL;
    kt_dir_entry e;
    unsigned seen = 0;
    struct stat st;
    put(&t, "file", "");
    put_dir(&t, "dir");
    put(&t, "dir/inside", "");
    put_link(&t, "link", "dir");
    CHECK_EQ(mkfifo(in(&t, "pipe"), 0600), 0);
    CHECK_OK(kt_dir_open(t.root, &d));
    while (kt_dir_next(d, &e) == 1) {
        static const char *const names[] = {"file", "dir", "link", "pipe"}; /* as their types */
        CHECK_STR(e.name, names[e.type]);
        CHECK_EQ(lstat(in(&t, e.name), &st), 0);
        CHECK_EQ(e.inode, st.st_ino);
        seen |= 1u << e.type;
    }
    CHECK_EQ(seen, 15);
    CHECK_EQ(kt_dir_next(d, &e), 0);
}

TEST(a_directory_of_thousands_is_read_in_trips)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_dir) *d = NULL;
    kt_dir_entry e;
    int count = 0, rc;
    put_many(&t, "d", 3000);
    CHECK_OK(kt_dir_open(in(&t, "d"), &d));
    while ((rc = kt_dir_next(d, &e)) == 1)
        count++;
    CHECK_OK(rc);
    CHECK_EQ(count, 3000);
}

TEST(a_directory_may_be_closed_half_read)
{
    kt_auto(tree) t = tree_new();
    kt_dir *d = NULL;
    kt_dir_entry e;
    put_many(&t, "d", 1000);
    CHECK_OK(kt_dir_open(in(&t, "d"), &d));
    CHECK_EQ(kt_dir_next(d, &e), 1);
    kt_dir_close(d);
    kt_dir_close(NULL);
    CHECK_ERR(kt_dir_open(in(&t, "gone"), &d), -ENOENT);
    CHECK(strstr(kt_error_detail(), "/gone: No such file or directory"));
    CHECK_ERR(kt_dir_open(in(&t, "d/1"), &d), -ENOTDIR);
}

/* ---- Lists --------------------------------------------------------------------------------- */

TEST(a_list_is_sorted_by_bytes)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_path_list) *l = NULL, *empty = NULL;
    static const char *const names[] = {"\n", " ", ".hidden", "A", "B", "a", "a-b", "aa", "\xc3\xa4", "\xff"};
    for (size_t i = 10; i-- > 0;)
        put(&t, names[i], "");
    CHECK_OK(kt_dir_list(t.root, 0, &l));
    CHECK_EQ(l->count, 10);
    for (size_t i = 0; i < 10; i++)
        CHECK_STR(l->paths[i], names[i]);
    put_dir(&t, "none");
    CHECK_OK(kt_dir_list(in(&t, "none"), 0, &empty));
    CHECK_EQ(empty->count, 0);
}

TEST(a_list_has_a_limit)
{
    kt_auto(tree) t = tree_new();
    kt_auto(kt_path_list) *l = NULL, *none = NULL;
    for (int i = 0; i < 3; i++)
        put(&t, (const char *[]){"a", "b", "c"}[i], "");
    CHECK_ERR(kt_dir_list(t.root, 2, &none), KT_ELIMIT);
    CHECK(strstr(kt_error_detail(), ": more than 2 names"));
    CHECK(none == NULL);
    CHECK_OK(kt_dir_list(t.root, 3, &l));
    CHECK_EQ(l->count, 3);
    CHECK_ERR(kt_dir_list(in(&t, "gone"), 0, &none), -ENOENT);
    CHECK_ERR(kt_dir_list(in(&t, "a"), 0, &none), -ENOTDIR);
}
