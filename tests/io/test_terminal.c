/* SPDX-License-Identifier: MIT */
#include "screen.h"

/* ---- Facts --------------------------------------------------------------------------------- */

TEST(a_terminal_is_told_from_a_pipe)
{
    screen s = screen_open();
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    CHECK(kt_terminal_is(s.fd));
    CHECK(!kt_terminal_is(ends[1]));
    CHECK(!kt_terminal_is(-1));
    close(ends[0]);
    close(ends[1]);
    screen_close(&s);
}

TEST(the_size_is_what_the_terminal_says_now)
{
    screen s = screen_open();
    unsigned columns = 0, lines = 0;
    CHECK_OK(kt_terminal_size(s.fd, &columns, &lines));
    CHECK_EQ(columns, COLUMNS);
    CHECK_EQ(lines, ROWS);
    screen_resize(&s, 132, 50);
    CHECK_OK(kt_terminal_size(s.fd, &columns, NULL));
    CHECK_OK(kt_terminal_size(s.fd, NULL, &lines));
    CHECK_EQ(columns, 132);
    CHECK_EQ(lines, 50);
    screen_close(&s);
}

TEST(a_terminal_that_does_not_know_its_size_has_the_usual_one)
{
    screen s = screen_open();
    unsigned columns = 0, lines = 0;
    screen_resize(&s, 0, 0);
    CHECK_OK(kt_terminal_size(s.fd, &columns, &lines));
    CHECK_EQ(columns, 80);
    CHECK_EQ(lines, 24);
    screen_close(&s);
}

static void size_with(const screen *s, const char *variable, unsigned expected)
{
    unsigned columns = 0, lines = 0;
    setenv("COLUMNS", variable, 1);
    CHECK_OK(kt_terminal_size(s->fd, &columns, &lines));
    CHECK_EQ(columns, expected);
    CHECK_EQ(lines, ROWS);
}

TEST(the_variables_outrank_the_terminal_if_they_are_numbers)
{
    screen s = screen_open();
    unsigned lines = 0;
    size_with(&s, "40", 40);
    size_with(&s, "0", COLUMNS);
    size_with(&s, "", COLUMNS);
    size_with(&s, "-40", COLUMNS);
    size_with(&s, "40x", COLUMNS);
    size_with(&s, "99999999999999999999", COLUMNS);
    setenv("LINES", "7", 1);
    CHECK_OK(kt_terminal_size(s.fd, NULL, &lines));
    CHECK_EQ(lines, 7);
    screen_close(&s);
}

TEST(what_is_no_terminal_has_no_size)
{
    int ends[2];
    unsigned columns = 1, lines = 2;
    CHECK_EQ(pipe(ends), 0);
    setenv("COLUMNS", "40", 1);
    CHECK_ERR(kt_terminal_size(ends[0], &columns, &lines), -ENOTTY);
    CHECK_ERR(kt_terminal_size(-1, &columns, &lines), -EBADF);
    CHECK_EQ(columns, 1);
    CHECK_EQ(lines, 2);
    close(ends[0]);
    close(ends[1]);
}

/* Variables in the order NO_COLOR, CLICOLOR_FORCE, CLICOLOR, TERM. */
static bool colours(int fd, const char *no, const char *force, const char *ask, const char *term)
{
    const char *const names[] = {"NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "TERM"};
    const char *const values[] = {no, force, ask, term};
    for (int i = 0; i < 4; i++)
        CHECK_EQ(values[i] ? setenv(names[i], values[i], 1) : unsetenv(names[i]), 0);
    return kt_terminal_colours(fd);
}

TEST(colours_are_for_terminals_that_nobody_has_spoken_against)
{
    screen s = screen_open();
    int pipes[2];
    CHECK_EQ(pipe(pipes), 0);
    CHECK(colours(s.fd, NULL, NULL, NULL, "xterm"));
    CHECK(colours(s.fd, "", NULL, NULL, "xterm"));
    CHECK(colours(s.fd, NULL, "0", "1", "xterm"));
    CHECK(!colours(s.fd, "1", NULL, NULL, "xterm"));
    CHECK(!colours(s.fd, NULL, NULL, "0", "xterm"));
    CHECK(!colours(s.fd, NULL, NULL, NULL, "dumb"));
    CHECK(!colours(s.fd, NULL, NULL, NULL, NULL));
    CHECK(!colours(pipes[1], NULL, NULL, NULL, "xterm"));
    CHECK(!colours(pipes[1], NULL, "0", NULL, "xterm"));
    CHECK(colours(pipes[1], NULL, "1", "0", "dumb"));
    CHECK(!colours(pipes[1], "1", "1", NULL, "xterm"));
    close(pipes[0]);
    close(pipes[1]);
    screen_close(&s);
}

/* ---- Text ---------------------------------------------------------------------------------- */

static size_t columns_of(const char *text)
{
    return kt_terminal_columns(kt_slice_from(text));
}

TEST(text_is_as_wide_as_it_is_drawn)
{
    CHECK_EQ(columns_of(""), 0);
    CHECK_EQ(columns_of("kettle"), 6);
    CHECK_EQ(columns_of("\xc3\xa9t\xc3\xa9"), 3);             /* composed */
    CHECK_EQ(columns_of("e\xcc\x81"), 1);                     /* an accent of its own */
    CHECK_EQ(columns_of("\xe8\x8c\xb6\xe5\xa3\xb6"), 4);      /* tea kettle */
    CHECK_EQ(columns_of("\xef\xbc\xa1"), 2);                  /* fullwidth A */
    CHECK_EQ(columns_of("\xf0\x9f\x8d\xb5!"), 3);             /* a cup of tea */
    CHECK_EQ(columns_of("\xe1\x84\x80\xe1\x85\xa1"), 2);      /* conjoining Hangul */
    CHECK_EQ(columns_of("a\xe2\x80\x8b" "b"), 2);             /* zero width space */
    CHECK_EQ(columns_of("a\t\x1b[1m"), 6);                    /* controls count as their '?' */
    CHECK_EQ(columns_of("\xc2\x9b\xff\xc3"), 3);
}

TEST(text_is_cut_between_characters)
{
    kt_slice tea = kt_slice_from("a\xe8\x8c\xb6" "e\xcc\x81z"); /* 1, 2, 1 and an accent, 1 */
    const size_t fit[] = {0, 1, 1, 4, 7, 8, 8};
    for (size_t columns = 0; columns < sizeof fit / sizeof *fit; columns++)
        CHECK_EQ(kt_terminal_fit(tea, columns), fit[columns]);
    CHECK_EQ(kt_terminal_fit((kt_slice){NULL, 0}, 5), 0);
}

static void check_safe(const char *text, const char *expected)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append_string(&out, "-"));
    CHECK_OK(kt_terminal_safe(&out, kt_slice_from(text)));
    CHECK_SLICE(kt_buffer_slice(&out), expected);
}

TEST(a_terminal_obeys_nothing_that_is_safe)
{
    check_safe("", "-");
    check_safe("caf\xc3\xa9 \xe8\x8c\xb6", "-caf\xc3\xa9 \xe8\x8c\xb6");
    check_safe("\x1b]0;title\x07\r\n\x7f", "-?]0;title????");
    check_safe("\xc2\x9b" "2J", "-?2J");                /* the eight-bit CSI */
    check_safe("\xc0\x9b\xe0\x80\x9b", "-?????");       /* overlong */
    check_safe("\xed\xa0\x80", "-???");                 /* a surrogate */
    check_safe("\xf4\x90\x80\x80\xf8", "-?????");       /* beyond Unicode */
    check_safe("\xe8\x8c", "-??");                      /* cut */
    check_safe("\x80\xe8z", "-??z");
}

TEST(safe_text_that_finds_no_room_changes_nothing)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT_MAX(4);
    CHECK_OK(kt_buffer_append_string(&out, "te"));
    CHECK_ERR(kt_terminal_safe(&out, kt_slice_from("abc")), KT_ELIMIT);
    CHECK_SLICE(kt_buffer_slice(&out), "te");
    CHECK_OK(kt_terminal_safe(&out, kt_slice_from("a\n")));
    CHECK_SLICE(kt_buffer_slice(&out), "tea?");
}

/* ---- Writing ------------------------------------------------------------------------------- */

TEST(what_is_no_terminal_is_written_to_as_it_is)
{
    int ends[2];
    char bytes[64] = "";
    CHECK_EQ(pipe(ends), 0);
    CHECK_OK(kt_terminal_write(ends[1], "tea\x1b ", 5));
    CHECK_OK(kt_terminal_write(ends[1], NULL, 0));
    CHECK_OK(kt_terminal_printf(ends[1], "for %d", 2));
    CHECK_OK(kt_terminal_printf(ends[1], "%s", ""));
    CHECK_EQ(read(ends[0], bytes, sizeof bytes), 10);
    CHECK_MEM(bytes, "tea\x1b for 2", 10);
    close(ends[0]);
    CHECK_ERR(kt_terminal_write(ends[1], "tea", 3), -EPIPE);
    close(ends[1]);
    CHECK_ERR(kt_terminal_write(-1, "tea", 3), -EBADF);
}

static int reads_all(void *arg)
{
    const int *end = arg;
    static char bytes[4096];
    ssize_t n, sum = 0;
    while ((n = read(*end, bytes, sizeof bytes)) > 0)
        sum += n;
    return (int)sum;
}

/* As a stream leaves it that shares the open file. */
TEST_WITH(a_descriptor_that_does_not_block_is_written_to_whole, KT_TEST_REAL_TIME)
{
    enum { MUCH = 1000 * 1000 };
    static char much[MUCH];
    int ends[2];
    kt_task *reader = NULL;
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    kt_auto(kt_thread_pool) *pool = NULL;
    CHECK_OK(kt_thread_pool_open(NULL, &pool));
    CHECK_OK(kt_thread_pool_submit(pool, reads_all, &ends[0], 0, &reader));
    CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK_OK(kt_terminal_write(ends[1], much, sizeof much));
    close(ends[1]);
    CHECK_EQ(kt_task_join(reader), MUCH);
    close(ends[0]);
}
