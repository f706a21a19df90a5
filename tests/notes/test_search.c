/* SPDX-License-Identifier: MIT */
/* Search by words, and figures. */
#include "note_kit.h"

#include <stdlib.h>

static kt_notebook *library(kt_test_disk *d)
{
    kt_notebook *b = NULL;
    put(d, "/n/async.md", "# Async Intro\n\nCoroutines wait for others.\n\nTags: python, async\n");
    put(d, "/n/basics.md", "# Python Basics\n\nVariables and types.\n\nTags: python\n");
    put(d, "/n/cli.md",
        "# CLI Tools\n\nBuilding with argparse, python's parser. Nothing waits.\n\nTags: cli\n");
    put(d, "/n/long.md",
        "# A long one\n\nMuch text that goes on and on, with python somewhere among many other "
        "words "
        "that have nothing to do with it.\n\nTags:\n");
    put(d, "/n/umlaut.md",
        "# \xc3\x84pfel\n\n\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xae\n\nTags:\n");
    sure(kt_notebook_open("n", 0, &b));
    return b;
}

static void check_found(kt_notebook *b, const char *query, const char *expected)
{
    kt_auto(kt_note_hits) *h = NULL;
    kt_auto(kt_buffer) names = KT_BUFFER_INIT;
    sure(kt_notebook_search(b, query, 0, NULL, &h));
    for (size_t i = 0; i < h->count; i++) {
        sure(kt_buffer_printf(&names, "%s%s", i > 0 ? " " : "", h->items[i].name));
        CHECK(i == 0 || h->items[i].score <= h->items[i - 1].score);
        CHECK(h->items[i].score > 0);
    }
    CHECK_EQ(h->found, h->count);
    CHECK_STR(kt_buffer_string(&names), expected);
}

TEST(title_counts_more_than_tags_and_these_more_than_the_body)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = library(d);
    check_found(b, "python", "basics async cli long");
    kt_test_disk_close(d);
}

TEST(rare_words_count_more_and_notes_with_all_words_come_first)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = library(d);
    check_found(b, "python argparse", "cli basics async long");
    check_found(b, "nothing", "cli long");
    kt_test_disk_close(d);
}

TEST(words_are_found_in_any_case_and_by_their_beginning)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = library(d);
    check_found(b, "COROUT", "async");
    check_found(b, "wait", "async cli"); /* the whole word before "waits" */
    check_found(b, "outines", "");
    check_found(b, "\xc3\xa4pfel", "umlaut");
    check_found(b, "\xe6\x9c\xac", "umlaut"); /* inside what has no blanks */
    check_found(b, "nobody-wrote-this", "");
    kt_test_disk_close(d);
}

TEST(a_query_without_a_word_is_refused)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = library(d);
    kt_note_hits *h = NULL;
    CHECK_ERR(kt_notebook_search(b, " ... ", 0, NULL, &h), KT_EVALIDATION);
    CHECK(!h);
    kt_test_disk_close(d);
}

TEST(limits_filters_and_what_cannot_be_read)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = library(d);
    kt_auto(kt_note_hits) *h = NULL;
    const char *tags[] = {"python", NULL};
    put(d, "/n/bad.md", "python \xff");
    sure(kt_notebook_search(b, "python", 2, NULL, &h));
    CHECK_EQ(h->count, 2);
    CHECK_EQ(h->found, 4);
    CHECK_EQ(h->unreadable, 1);
    CHECK_STR(h->items[0].title, "Python Basics");
    kt_note_hits_free(kt_steal(h));
    sure(kt_notebook_search(b, "python", 0, &(kt_note_filter){.tags = tags}, &h));
    CHECK_EQ(h->found, 2);
    kt_test_disk_close(d);
}

/* The documented formula, by hand, for one word in two notes of equal length. */
TEST(the_score_is_bm25)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_note_hits) *h = NULL;
    kt_auto(kt_notebook) *b = NULL;
    put(d, "/n/a.md", "# x\n\ntea tea cup\n\nTags:\n");
    put(d, "/n/b.md", "# x\n\none two three\n\nTags:\n");
    sure(kt_notebook_open("n", 0, &b));
    sure(kt_notebook_search(b, "tea", 0, NULL, &h));
    CHECK_EQ(h->count, 1);
    double idf = 0.6931471805599453, expected = idf * 2 / (1.2 + 2); /* ln(1 + 1.5 / 1.5) */
    CHECK(h->items[0].score > expected - 1e-9 && h->items[0].score < expected + 1e-9);
    kt_test_disk_close(d);
}

/* A beginning counts half: once "teapot" is half a "tea". */
TEST(a_beginning_counts_half)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_note_hits) *h = NULL;
    kt_auto(kt_notebook) *b = NULL;
    put(d, "/n/a.md", "# x\n\nteapot two three\n\nTags:\n");
    put(d, "/n/b.md", "# x\n\none two three\n\nTags:\n");
    sure(kt_notebook_open("n", 0, &b));
    sure(kt_notebook_search(b, "tea", 0, NULL, &h));
    double expected = 0.6931471805599453 * 0.5 / (1.2 + 0.5);
    CHECK(h->items[0].score > expected - 1e-9 && h->items[0].score < expected + 1e-9);
    kt_test_disk_close(d);
}

TEST(in_a_short_text_a_word_counts_more)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = NULL;
    put(d, "/n/a.md", "# x\n\ntea two three four five six seven eight\n\nTags:\n");
    put(d, "/n/b.md", "# x\n\ntea two\n\nTags:\n");
    sure(kt_notebook_open("n", 0, &b));
    check_found(b, "tea", "b a");
    kt_test_disk_close(d);
}

TEST(figures_of_a_notebook)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = library(d);
    kt_auto(kt_notebook_stats) s = KT_NOTEBOOK_STATS_INIT;
    put(d, "/n/bad.md", "\xff");
    put(d, "/n/twice.md", "# Twice\n\nTags: cli, cli, Cli\n");
    sure(kt_notebook_stats_get(b, NULL, &s));
    CHECK_EQ(s.notes, 6);
    CHECK_EQ(s.unreadable, 1);
    CHECK_EQ(s.untagged, 2);
    CHECK_EQ(s.tags_count, 4);
    CHECK_STR(s.tags[0].tag, "cli");
    CHECK_EQ(s.tags[0].notes, 2);
    CHECK_STR(s.tags[1].tag, "python");
    CHECK_STR(s.tags[2].tag, "Cli");
    CHECK_STR(s.tags[3].tag, "async");
    CHECK_EQ(s.words, 6 + 5 + 9 + 24 + 2 + 1);
    CHECK(s.oldest <= s.newest);
    kt_test_disk_close(d);
}

TEST(figures_of_nothing)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = NULL;
    kt_auto(kt_notebook_stats) s = KT_NOTEBOOK_STATS_INIT;
    kt_auto(kt_note_hits) *h = NULL;
    sure(kt_notebook_open("n", KT_NOTEBOOK_MAKE, &b));
    sure(kt_notebook_stats_get(b, NULL, &s));
    CHECK_EQ(s.notes + s.tags_count, 0);
    sure(kt_notebook_search(b, "tea", 0, NULL, &h));
    CHECK_EQ(h->count, 0);
    kt_test_disk_close(d);
}

TEST(searching_without_memory_leaves_nothing)
{
    kt_test_disk *d = disk_open(NULL);
    kt_auto(kt_notebook) *b = library(d);
    int failures = 0;
    for (uint64_t nth = 1;; nth++) {
        kt_auto(kt_note_hits) *h = NULL;
        kt_auto(kt_notebook_stats) s = KT_NOTEBOOK_STATS_INIT;
        kt_test_fail_allocation(nth);
        int rc = kt_notebook_search(b, "python wait", 0, NULL, &h);
        if (rc == 0)
            rc = kt_notebook_stats_get(b, NULL, &s);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        if (!failed)
            break;
        CHECK(rc == -ENOMEM || h->unreadable + s.unreadable > 0 || rc == 0);
        failures += rc == -ENOMEM;
    }
    CHECK_GT(failures, 10);
    kt_test_disk_close(d);
}
