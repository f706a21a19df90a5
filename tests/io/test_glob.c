/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tree.h"

static tree garden(void)
{
    tree t = tree_new();
    static const char *const dirs[] = {"tea", "tea/green", "tea/.secret", "coffee", ".git"};
    static const char *const files[] = {"a.md", "b.txt", ".h.md", "tea/c.md", "tea/green/d.md", "tea/.secret/e.md",
                                        "coffee/f.md", ".git/g.md", "tea/green/x.txt"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        put_dir(&t, dirs[i]);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        put(&t, files[i], "");
    put_link(&t, "zlink", "tea");
    return t;
}

static void say_glob(const tree *t, const char *pattern, const kt_glob_options *o)
{
    kt_auto(kt_path_list) *l = NULL;
    CHECK_OK(kt_glob(t->root, pattern, o, &l));
    for (size_t i = 0; i < l->count; i++)
        kt_test_say("%s", l->paths[i]);
}

TEST(a_pattern_finds_names)
{
    kt_auto(tree) t = garden();
    say_glob(&t, "*.md", NULL);
    CHECK_TRACE("a.md");
    say_glob(&t, "*", NULL);
    CHECK_TRACE("a.md\nb.txt\ncoffee\ntea\nzlink");
    say_glob(&t, "t?a/[a-c]*", NULL);
    CHECK_TRACE("tea/c.md");
    say_glob(&t, "tea/green/d.md", NULL);
    CHECK_TRACE("tea/green/d.md");
    say_glob(&t, "nothing/*", NULL);
    CHECK_TRACE("");
}

TEST(two_stars_find_at_any_depth)
{
    kt_auto(tree) t = garden();
    say_glob(&t, "**/*.md", NULL);
    CHECK_TRACE("a.md\ncoffee/f.md\ntea/c.md\ntea/green/d.md");
    say_glob(&t, "tea/**", NULL);
    CHECK_TRACE("tea\ntea/c.md\ntea/green\ntea/green/d.md\ntea/green/x.txt");
    say_glob(&t, "**/green/*.txt", NULL);
    CHECK_TRACE("tea/green/x.txt");
}

TEST(hidden_names_are_found_when_asked_for)
{
    kt_auto(tree) t = garden();
    say_glob(&t, ".*", NULL);
    CHECK_TRACE(".git\n.h.md");
    say_glob(&t, "**/.secret/*", NULL);
    CHECK_TRACE("tea/.secret/e.md");
    say_glob(&t, "**/*.md", &(kt_glob_options){.hidden = true});
    CHECK_TRACE(".git/g.md\n.h.md\na.md\ncoffee/f.md\ntea/.secret/e.md\ntea/c.md\ntea/green/d.md");
}

TEST(files_alone_and_links_when_asked_for)
{
    kt_auto(tree) t = garden();
    say_glob(&t, "*", &(kt_glob_options){.files_only = true});
    CHECK_TRACE("a.md\nb.txt");
    say_glob(&t, "*/*.md", &(kt_glob_options){.follow_links = true});
    CHECK_TRACE("coffee/f.md\ntea/c.md\nzlink/c.md");
}

/* One that is not on the way may be anything: a loop, for one, or unreadable. */
TEST(directories_that_lead_nowhere_are_not_read)
{
    kt_auto(tree) t = garden();
    const kt_glob_options follow = {.follow_links = true};
    put_link(&t, "coffee/loop", "../..");
    put_link(&t, "coffee/up", "..");
    kt_auto(kt_path_list) *none = NULL;
    say_glob(&t, "tea/*.md", &follow);
    CHECK_TRACE("tea/c.md");
    CHECK_ERR(kt_glob(t.root, "coffee/**", &follow, &none), -ELOOP);
    CHECK(strstr(kt_error_detail(), "/coffee/"));
    say_glob(&t, "coffee/**/f.md", &(kt_glob_options){.follow_links = true, .skip_errors = true});
    CHECK(true);
}

TEST(a_search_has_a_limit)
{
    kt_auto(tree) t = garden();
    kt_auto(kt_path_list) *none = NULL;
    CHECK_ERR(kt_glob(t.root, "*", &(kt_glob_options){.count_max = 4}, &none), KT_ELIMIT);
    say_glob(&t, "*", &(kt_glob_options){.count_max = 5});
    CHECK_TRACE("a.md\nb.txt\ncoffee\ntea\nzlink");
    CHECK(none == NULL);
}

/* Whatever a trip to the pool ends with: the end of the directory, too. */
TEST(a_search_ends_however_many_names_there_are)
{
    kt_auto(tree) t = tree_new();
    char name[16];
    for (size_t count = 1; count <= 1030; count++) {
        kt_auto(kt_path_list) *l = NULL;
        snprintf(name, sizeof name, "%zu", count);
        put(&t, name, "");
        if (count < 1000)
            continue;
        CHECK_OK(kt_dir_list(t.root, count, &l));
        CHECK_EQ(l->count, count);
    }
}

TEST(a_pattern_must_be_relative)
{
    kt_auto(kt_path_list) *none = NULL;
    CHECK_ERR(kt_glob("/tmp", "/tmp/*", NULL, &none), -EINVAL);
    CHECK_ERR(kt_glob("/tmp", "", NULL, &none), -EINVAL);
    CHECK_ERR(kt_glob("/no/such", "*", NULL, &none), -ENOENT);
}

TEST(a_search_without_memory_leaves_nothing)
{
    kt_auto(tree) t = garden();
    int failures = 0;
    for (uint64_t nth = 1;; nth++) {
        kt_auto(kt_path_list) *l = NULL;
        kt_test_fail_allocation(nth);
        int rc = kt_glob(t.root, "**/*.md", NULL, &l);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK_EQ(rc < 0, l == NULL);
        if (!failed)
            break;
        failures += rc == -ENOMEM;
    }
    CHECK_GT(failures, 5);
}
