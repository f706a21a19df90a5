/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <kettle/kettle.h>
#include <kettle/test.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void check_parts(const char *path, const char *parent, const char *name, const char *stem, const char *suffix)
{
    kt_test_say("%s", path);
    CHECK_SLICE(kt_path_parent(path), parent);
    CHECK_SLICE(kt_path_name(path), name);
    CHECK_SLICE(kt_path_stem(path), stem);
    CHECK_SLICE(kt_path_suffix(path), suffix);
}

TEST_WITH(a_path_has_parts, KT_TEST_NO_LOOP)
{
    check_parts("a/b.md", "a", "b.md", "b", ".md");
    check_parts("a//b.tar.gz//", "a", "b.tar.gz", "b.tar", ".gz");
    check_parts("/a", "/", "a", "a", "");
    check_parts("/", "/", "", "", "");
    check_parts("//", "/", "", "", "");
    check_parts("", ".", "", "", "");
    check_parts("a", ".", "a", "a", "");
    check_parts("d/.profile", "d", ".profile", ".profile", "");
    check_parts("d/.profile.bak", "d", ".profile.bak", ".profile", ".bak");
    check_parts("a.", ".", "a.", "a.", "");
    check_parts("a..b", ".", "a..b", "a.", ".b");
    check_parts("..b", ".", "..b", "..b", "");
    check_parts("..", ".", "..", "..", "");
    check_parts("a/..", "a", "..", "..", "");
}

static void check_join(const char *base, const char *path, const char *expected)
{
    kt_auto(kt_path) joined = NULL;
    CHECK_OK(kt_path_join(base, path, &joined));
    CHECK_STR(joined, expected);
}

TEST_WITH(joins_have_one_slash_and_absolute_paths_win, KT_TEST_NO_LOOP)
{
    check_join("a", "b", "a/b");
    check_join("a/", "b", "a/b");
    check_join("/", "b", "/b");
    check_join("a", "/b", "/b");
    check_join("", "b", "b");
    check_join("a", "", "a");
    check_join("", "", "");
    check_join("a", "../b", "a/../b");
}

TEST_WITH(normal_paths_have_no_dots_inside, KT_TEST_NO_LOOP)
{
    static const char *const pairs[][2] = {
        {"", "."}, {".", "."}, {"a/./b//c/", "a/b/c"}, {"a/../b", "b"}, {"a/..", "."}, {"../a", "../a"},
        {"../../a/..", "../.."}, {"/..", "/"}, {"/../a", "/a"}, {"//a", "//a"}, {"///a", "/a"}, {"a/b/../../..", ".."},
        {"/a/b/../..", "/"}, {"...", "..."}, {"a/...", "a/..."}, {"//..", "//"}, {"./..", ".."}, {"..a/..", "."},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        kt_auto(kt_path) normal = NULL;
        CHECK_OK(kt_path_normalise(pairs[i][0], &normal));
        CHECK_STR(normal, pairs[i][1]);
    }
}

static int join_beneath(const char *root, kt_slice path, const char *expected)
{
    kt_auto(kt_path) joined = NULL;
    int rc = kt_path_join_beneath(root, path, &joined);
    CHECK_STR(joined, expected);
    return rc;
}

TEST_WITH(a_join_beneath_a_root_stays_there, KT_TEST_NO_LOOP)
{
    CHECK_OK(join_beneath("/srv", kt_slice_from("a/b"), "/srv/a/b"));
    CHECK_OK(join_beneath("/srv/", kt_slice_from("./a//./b/"), "/srv/a/b"));
    CHECK_OK(join_beneath("/srv", kt_slice_from(""), "/srv"));
    CHECK_OK(join_beneath("/", kt_slice_from("..."), "/..."));
    CHECK_OK(join_beneath("/srv", (kt_slice){NULL, 0}, "/srv"));
}

TEST_WITH(a_join_that_would_leave_the_root_is_refused, KT_TEST_NO_LOOP)
{
    static const char *const bad[] = {"..", "../etc", "a/../../etc", "a/..", "/etc/passwd", "//etc", "a/../b", "./.."};
    for (size_t i = 0; i < COUNT(bad); i++)
        CHECK_ERR(join_beneath("/srv", kt_slice_from(bad[i]), NULL), -EXDEV);
    CHECK_ERR(join_beneath("/srv", (kt_slice){"a\0/../b", 7}, NULL), -EINVAL);
    CHECK_ERR(join_beneath("/srv", (kt_slice){"\0", 1}, NULL), -EINVAL);
}

TEST_WITH(joins_without_memory_leave_the_output, KT_TEST_NO_LOOP)
{
    kt_path none = NULL;
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_path_join("a", "b", &none), -ENOMEM);
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_path_normalise("a", &none), -ENOMEM);
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_path_join_beneath("a", kt_slice_from("b"), &none), -ENOMEM);
    CHECK(none == NULL);
}

/* ---- Patterns ------------------------------------------------------------------------------ */

static const char *const matches[][2] = {
    {"*.md", "tea.md"}, {"*", "a"}, {"a*", "a"}, {"*a*b*", "xaxxbx"}, {"?", "a"}, {"??", "ab"}, {"[abc]", "b"},
    {"[a-c]x", "bx"}, {"[!a-c]", "d"}, {"[^a-c]", "d"}, {"[]]", "]"}, {"[!]]", "a"}, {"[a-]", "-"}, {"[", "["},
    {"[a", "[a"}, {"\\*", "*"}, {"[\\]]", "]"}, {"a/b", "a/b"}, {"a/b", "a//b/"}, {"*/b", "a/b"}, {"**", "a"},
    {"**", "a/b/c"}, {"**/c", "c"}, {"**/c", "a/b/c"}, {"a/**/c", "a/c"}, {"a/**/c", "a/b/b/c"}, {"a/**", "a/b"},
    {"**/b/**/d", "a/b/c/b/d"}, {".*", ".git"}, {"**/.git/x", "a/.git/x"}, {"\\.a", ".a"}, {"a.b", "a.b"},
    {"?", "\xc3\xa4"}, {"[\xc3\xa4-\xc3\xbc]", "\xc3\xb6"}, {"?\xff", "a\xff"}, {"??", "\xc3\x28"}, {"/a", "/a"},
    {"*", "a\nb"}, {"a**b", "axxb"}, {"**", ""}, {"*[0-9][!0-9]*", "abc1x"},
};

static const char *const differs[][2] = {
    {"*.md", "tea.mdx"}, {"*", "a/b"}, {"?", ""}, {"?", "ab"}, {"a", "A"}, {"[abc]", "d"}, {"[!abc]", "a"},
    {"*", ".git"}, {"?git", ".git"}, {"[.]git", ".git"}, {"**", ".git/config"}, {"**/x", "a/.b/x"}, {"a", "a/b"},
    {"a/b", "a"}, {"**/c", "a/b"}, {"a/**/c", "a/b"}, {"/a", "a"}, {"a", "/a"}, {"\\*", "a"}, {"", "a"}, {"a", ""},
    {"*/*", "a"}, {"a*b", "acbc"}, {"?", "\xc3\xa4x"}, {"[", "a"}, {"a/*", "a"}, {"**/a/b", "a/c/b"},
};

TEST_WITH(patterns_match_names, KT_TEST_NO_LOOP)
{
    for (size_t i = 0; i < COUNT(matches); i++) {
        kt_test_say("%s %s", matches[i][0], matches[i][1]);
        CHECK(kt_path_match(matches[i][0], matches[i][1]));
    }
    for (size_t i = 0; i < COUNT(differs); i++) {
        kt_test_say("%s %s", differs[i][0], differs[i][1]);
        CHECK(!kt_path_match(differs[i][0], differs[i][1]));
    }
}

/* Whoever tried all ways would not come to an end. */
TEST_WITH(hostile_patterns_take_no_time, KT_TEST_NO_LOOP)
{
    char pattern[2001], name[1001], deep_pattern[301], deep[4001];
    for (size_t i = 0; i < 2000; i += 2)
        memcpy(pattern + i, "a*", 2);
    memset(name, 'a', 1000);
    pattern[1999] = 'b';
    pattern[2000] = name[1000] = '\0';
    CHECK(!kt_path_match(pattern, name));
    for (size_t i = 0; i < 300; i += 3)
        memcpy(deep_pattern + i, "**/", 3);
    memcpy(deep_pattern + 297, "x", 2);
    for (size_t i = 0; i < 4000; i += 2)
        memcpy(deep + i, "a/", 2);
    deep[4000] = '\0';
    CHECK(!kt_path_match(deep_pattern, deep));
}
