/* SPDX-License-Identifier: MIT */
#include "screen.h"

#include <sys/wait.h>

/* ---- What is on the line -------------------------------------------------------------------- */

TEST(a_bar_shows_what_is_done_how_fast_and_what_is_left)
{
    screen s = screen_open();
    kt_auto(kt_progress) p = {.label = "export", .total = 100, .fd = s.fd};
    kt_progress_start(&p);
    CHECK_SCREEN(&s, "export   0% [------------------------------------]    0/100");
    CHECK_OK(kt_sleep(KT_S(2)));
    kt_progress_add(&p, 20);
    CHECK_SCREEN(&s, "export  20% [###--------------]   20/100  10.0/s  0:08 left");
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_progress_set(&p, 100);
    CHECK_SCREEN(&s, "export 100% [############################]  100/100  33.3/s");
    kt_progress_end(&p);
    CHECK_SCREEN(&s, "export 100% [###################]  100/100  33.3/s  in 0:03");
    CHECK_EQ(s.row, 1);
    CHECK_EQ(s.column, 0);
    screen_close(&s);
}

TEST(without_a_total_there_is_a_sign_of_life)
{
    screen s = screen_open();
    kt_auto(kt_progress) p = {.label = "look", .fd = s.fd};
    kt_progress_start(&p);
    CHECK_SCREEN(&s, "look |  0  0:00");
    const char *const expected[] = {"look /  0  0:01", "look -  0  0:02", "look \\  0  0:03", "look |  0  0:04"};
    for (int i = 0; i < 4; i++) {
        CHECK_OK(kt_sleep(KT_S(1)));
        kt_progress_tick(&p);
        CHECK_SCREEN(&s, expected[i]);
    }
    CHECK_OK(kt_sleep(KT_S(3601)));
    kt_progress_add(&p, 7210);
    CHECK_SCREEN(&s, "look /  7210  2.0/s  1:00:05");
    kt_progress_end(&p);
    CHECK_SCREEN(&s, "look  7210  2.0/s  in 1:00:05");
    screen_close(&s);
}

TEST(bytes_have_units)
{
    screen s = screen_open();
    kt_auto(kt_progress) p = {.total = 20 << 20, .unit = KT_PROGRESS_BYTES, .fd = s.fd};
    kt_progress_start(&p);
    CHECK_OK(kt_sleep(KT_S(4)));
    kt_progress_add(&p, 5 << 20);
    CHECK_SCREEN(&s, " 25% [####------------]  5.0/20.0 MiB  1.2 MiB/s  0:12 left");
    kt_progress_total_set(&p, 0);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_progress_set(&p, 1000);
    CHECK_SCREEN(&s, "-  1000 B  200.0 B/s  0:05");
    screen_close(&s);
}

TEST(the_rate_forgets_what_is_long_ago)
{
    screen s = screen_open();
    kt_auto(kt_progress) p = {.total = 1000000, .fd = s.fd};
    kt_progress_start(&p);
    for (int i = 0; i < 60; i++) {
        CHECK_OK(kt_sleep(KT_S(1)));
        kt_progress_add(&p, i < 30 ? 1000 : 10);
    }
    CHECK_GT(p.rate, 10);
    CHECK_LT(p.rate, 15); /* the mean is 505 */
    CHECK_OK(kt_sleep(KT_S(5)));
    kt_progress_tick(&p);
    CHECK(p.rate == 0); /* nothing for a whole window */
    screen_close(&s);
}

TEST(a_hundred_percent_is_all)
{
    screen s = screen_open();
    kt_auto(kt_progress) p = {.total = 1000, .fd = s.fd, .redraws_max = 1000};
    screen_resize(&s, 20, ROWS);
    kt_progress_start(&p);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_progress_set(&p, 999);
    CHECK_SCREEN(&s, " 99%   999/1000");
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_progress_set(&p, 1001);
    CHECK_SCREEN(&s, "100%  1001/1000");
    screen_close(&s);
}

TEST(a_line_never_reaches_the_last_column)
{
    screen s = screen_open();
    kt_auto(kt_progress) p = {.label = "t\xc3\xa9 \xe8\x8c\xb6\xe5\xa3\xb6 a label that is somewhat long",
                              .total = 100,
                              .fd = s.fd};
    kt_progress_start(&p);
    for (unsigned short columns = 1; columns <= COLUMNS; columns++) {
        screen_resize(&s, columns, ROWS);
        CHECK_OK(kt_sleep(KT_S(1)));
        kt_progress_tick(&p);
        kt_auto(kt_buffer) text = screen_text(&s);
        size_t used = kt_terminal_columns(kt_buffer_slice(&text));
        CHECK_LE(used, columns > 1 ? columns - 1 : 1);
        CHECK_GE(used + 3, columns < 40 ? columns : 40); /* a wide one may not fit */
    }
    screen_close(&s);
}

TEST(a_narrow_terminal_loses_the_bar_first_and_then_the_facts)
{
    screen s = screen_open();
    kt_auto(kt_progress) p = {.label = "a label of some length", .total = 100, .fd = s.fd};
    const struct {
        unsigned short columns;
        const char *line;
    } cases[] = {
        {60, "a label of some length   0% [--------------------]    0/100"},
        {45, "a label of some length   0%    0/100"},
        {30, "a label of some   0%    0/100"},
        {20, "a label of som   0%"},
        {10, "a la   0%"},
        {4, "  0"},
    };
    kt_progress_start(&p);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        screen_resize(&s, cases[i].columns, ROWS);
        CHECK_OK(kt_sleep(KT_S(1)));
        kt_progress_tick(&p);
        CHECK_SCREEN(&s, cases[i].line);
    }
    screen_close(&s);
}

TEST(a_label_is_safe_and_cut_between_characters)
{
    screen s = screen_open();
    char label[200];
    memset(label, 'x', sizeof label);
    memcpy(label + 126, "\xe8\x8c\xb6", 4);
    kt_auto(kt_progress) p = {.label = "a\x1b[2Jb", .fd = s.fd};
    kt_progress_start(&p);
    CHECK_SCREEN(&s, "a?[2Jb |  0  0:00");
    kt_progress_label_set(&p, label);
    CHECK_EQ(strlen(p.shown_label), 126);
    kt_progress_label_set(&p, NULL);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_progress_tick(&p);
    CHECK_SCREEN(&s, "/  0  0:01");
    screen_close(&s);
}

/* ---- When it is drawn ------------------------------------------------------------------------ */

TEST(it_is_drawn_so_many_times_a_second_and_no_more)
{
    screen s = screen_open();
    kt_auto(kt_progress) p = {.total = 100000, .fd = s.fd, .redraws_max = 5};
    kt_progress_start(&p);
    for (int i = 0; i < 10000; i++) {
        CHECK_OK(kt_sleep(KT_US(200)));
        kt_progress_add(&p, 1);
    }
    screen_look(&s);
    CHECK_EQ(s.frames, 10); /* in two seconds, behind the first */
    screen_close(&s);
}

static void check_not_drawn(int fd)
{
    kt_auto(kt_progress) p = {.total = 3, .fd = fd};
    kt_progress_start(&p);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(kt_sleep(KT_S(1)));
        kt_progress_add(&p, 1);
    }
    CHECK_EQ(p.done, 3);
}

TEST(what_is_no_terminal_hears_nothing)
{
    int ends[2];
    char byte;
    CHECK_EQ(pipe2(ends, O_NONBLOCK), 0);
    check_not_drawn(ends[1]);
    CHECK_EQ(read(ends[0], &byte, 1), -1);
    close(ends[0]);
    close(ends[1]);
}

TEST(nor_does_a_terminal_that_obeys_nothing)
{
    screen s = screen_open();
    CHECK_EQ(setenv("TERM", "dumb", 1), 0);
    check_not_drawn(s.fd);
    CHECK_EQ(unsetenv("TERM"), 0);
    check_not_drawn(s.fd);
    screen_look(&s);
    CHECK_EQ(s.bytes, 0);
    screen_close(&s);
}

TEST(frames_are_left_out_while_the_terminal_is_stopped)
{
    screen s = screen_open();
    kt_auto(kt_progress) p = {.label = "x", .fd = s.fd};
    kt_progress_start(&p);
    CHECK_EQ(tcflow(s.fd, TCOOFF), 0); /* Ctrl-S */
    for (int i = 0; i < 5000; i++) {
        CHECK_OK(kt_sleep(KT_S(1)));
        kt_progress_add(&p, 1); /* would fill its buffer, and wait */
    }
    CHECK_EQ(tcflow(s.fd, TCOON), 0);
    CHECK_SCREEN(&s, "x |  0  0:00");
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_progress_tick(&p);
    CHECK_SCREEN(&s, "x /  5000  1.00/s  1:23:21");
    screen_close(&s);
}

TEST(a_terminal_that_is_gone_is_left_alone)
{
    screen s = screen_open();
    kt_auto(kt_progress) p = {.total = 10, .fd = s.fd};
    kt_auto(kt_progress) q = {.total = 10, .fd = s.fd};
    kt_progress_start(&p);
    kt_progress_start(&q);
    close(s.user);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(kt_sleep(KT_S(1)));
        kt_progress_add(&p, 1);
        kt_progress_add(&q, 1);
    }
    CHECK_ERR(kt_terminal_write(s.fd, "tea\n", 4), -EIO);
    close(s.fd);
    s = screen_open();
    kt_auto(kt_progress) r = {.label = "new", .fd = s.fd};
    kt_progress_start(&r);
    CHECK_SCREEN(&s, "new |  0  0:00");
    screen_close(&s);
}

/* ---- How it ends ----------------------------------------------------------------------------- */

static int fails_early(int fd)
{
    kt_auto(kt_progress) p = {.label = "a", .total = 4, .fd = fd};
    kt_progress_start(&p);
    kt_progress_add(&p, 1);
    return kt_sleep(KT_S(1)) < 0 ? -EINTR : -EIO;
}

TEST(a_scope_that_is_left_ends_the_line)
{
    screen s = screen_open();
    CHECK_ERR(fails_early(s.fd), -EIO);
    CHECK_OK(kt_terminal_printf(s.fd, "failed\n"));
    CHECK_SCREEN(&s, "a  25% [#######----------------------]  1/4  1.0/s  in 0:01\nfailed");
    screen_close(&s);
}

static int counts_for_ever(void *arg)
{
    const int *fd = arg;
    kt_auto(kt_progress) p = {.label = "a", .fd = *fd};
    kt_progress_start(&p);
    for (;;) {
        int rc = kt_sleep(KT_S(1));
        if (rc < 0)
            return rc;
        kt_progress_add(&p, 1);
    }
}

TEST(so_does_a_cancellation)
{
    screen s = screen_open();
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(counts_for_ever, &s.fd, 0, &t));
    CHECK_OK(kt_sleep(KT_MS(2500)));
    CHECK(kt_task_cancel(t));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_SCREEN(&s, "a  2  0.80/s  in 0:03");
    CHECK_EQ(s.row, 1);
    CHECK_EQ(s.column, 0);
    screen_close(&s);
}

TEST(a_bar_that_vanishes_leaves_nothing)
{
    screen s = screen_open();
    kt_auto(kt_progress) p = {.label = "a", .fd = s.fd, .vanishes = true};
    kt_progress_start(&p);
    CHECK_SCREEN(&s, "a |  0  0:00");
    kt_progress_end(&p);
    CHECK_SCREEN(&s, "");
    CHECK_EQ(s.row, 0);
    CHECK_EQ(s.column, 0);
    screen_close(&s);
}

TEST(a_bar_that_has_ended_starts_from_nothing)
{
    screen s = screen_open();
    kt_auto(kt_progress) p = {.label = "a", .fd = s.fd};
    kt_progress_start(&p);
    kt_progress_add(&p, 5);
    kt_progress_end(&p);
    kt_progress_end(&p);
    kt_progress_start(&p);
    CHECK_SCREEN(&s, "a  5  in 0:00\na |  0  0:00");
    screen_close(&s);
}

TEST_DIES(a_bar_that_runs_is_not_started_again, 0, "this bar runs already")
{
    kt_progress p = {.label = "a"};
    kt_progress_start(&p);
    kt_progress_start(&p);
}

/* ---- Several, and others ---------------------------------------------------------------------- */

TEST(bars_stand_one_below_the_other_and_ended_ones_above)
{
    screen s = screen_open();
    kt_auto(kt_progress) a = {.label = "a", .fd = s.fd};
    kt_auto(kt_progress) b = {.label = "b", .fd = s.fd};
    kt_auto(kt_progress) c = {.label = "c", .fd = s.fd};
    kt_progress_start(&a);
    kt_progress_start(&b);
    kt_progress_start(&c);
    CHECK_SCREEN(&s, "a |  0  0:00\nb |  0  0:00\nc |  0  0:00");
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_progress_add(&a, 4);
    CHECK_SCREEN(&s, "a /  4  4.0/s  0:01\nb |  0  0:00\nc |  0  0:00");
    kt_progress_add(&c, 2);
    kt_progress_end(&b);
    CHECK_SCREEN(&s, "b  0  in 0:01\na /  4  4.0/s  0:01\nc /  2  2.0/s  0:01");
    kt_progress_end(&a);
    CHECK_SCREEN(&s, "b  0  in 0:01\na  4  4.0/s  in 0:01\nc /  2  2.0/s  0:01");
    kt_progress_end(&c);
    CHECK_SCREEN(&s, "b  0  in 0:01\na  4  4.0/s  in 0:01\nc  2  2.0/s  in 0:01");
    screen_close(&s);
}

TEST(bars_for_which_there_is_no_line_wait_for_one)
{
    screen s = screen_open();
    screen_resize(&s, COLUMNS, 3);
    kt_progress bars[3] = {{.label = "a", .fd = s.fd}, {.label = "b", .fd = s.fd}, {.label = "c", .fd = s.fd}};
    for (int i = 0; i < 3; i++)
        kt_progress_start(&bars[i]);
    CHECK_SCREEN(&s, "a |  0  0:00\nb |  0  0:00");
    kt_progress_end(&bars[0]);
    CHECK_SCREEN(&s, "a  0  in 0:00\nb |  0  0:00\nc |  0  0:00");
    screen_resize(&s, COLUMNS, 1);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_progress_tick(&bars[2]);
    CHECK_SCREEN(&s, "a  0  in 0:00\nb |  0  0:00");
    for (int i = 0; i < 3; i++)
        kt_progress_end(&bars[i]);
    screen_close(&s);
}

TEST(a_bar_for_another_terminal_is_not_shown)
{
    screen s = screen_open(), other = screen_open();
    kt_auto(kt_progress) a = {.label = "a", .fd = s.fd};
    kt_auto(kt_progress) b = {.label = "b", .fd = other.fd};
    kt_progress_start(&a);
    kt_progress_start(&b);
    CHECK_SCREEN(&s, "a |  0  0:00");
    CHECK_SCREEN(&other, "");
    CHECK_OK(kt_terminal_printf(other.fd, "tea\n"));
    CHECK_SCREEN(&s, "a |  0  0:00");
    CHECK_EQ(s.frames, 0);
    kt_progress_end(&a);
    kt_progress_end(&b);
    kt_progress_start(&b); /* now there is no other */
    CHECK_SCREEN(&other, "tea\nb |  0  0:00");
    screen_close(&other);
    screen_close(&s);
}

TEST(lines_beside_a_bar_stand_above_it)
{
    screen s = screen_open();
    int again = dup(s.fd);
    CHECK_GE(again, 0);
    kt_auto(kt_progress) p = {.label = "a", .fd = s.fd};
    kt_progress_start(&p);
    CHECK_OK(kt_terminal_printf(again, "one\ntwo %d\n", 2));
    CHECK_SCREEN(&s, "one\ntwo 2\na |  0  0:00");
    CHECK_OK(kt_terminal_write(again, "half ", 5));
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_progress_add(&p, 1);
    CHECK_SCREEN(&s, "one\ntwo 2\nhalf ");
    CHECK_OK(kt_terminal_write(again, "whole\n", 6));
    CHECK_SCREEN(&s, "one\ntwo 2\nhalf whole\na /  1  1.0/s  0:01");
    CHECK_OK(kt_terminal_write(again, "half", 4));
    kt_progress_end(&p);
    CHECK_SCREEN(&s, "one\ntwo 2\nhalf whole\nhalf\na  1  1.0/s  in 0:01");
    close(again);
    screen_close(&s);
}

static const char *message_in(const char *line)
{
    const char *at = strstr(line, " - INFO - ");
    return at ? at + 10 : line;
}

/* The log has a thread of its own. */
TEST_WITH(lines_of_the_log_stand_above_it, KT_TEST_REAL_TIME)
{
    static kt_logger logger = KT_LOGGER("t");
    screen s = screen_open();
    const kt_log_sink sink = {.kind = KT_LOG_DESCRIPTOR, .descriptor = s.fd, .colour = KT_LOG_COLOUR_NEVER};
    CHECK_OK(kt_log_open(&(kt_log_options){.sinks = &sink, .sinks_count = 1}));
    kt_auto(kt_progress) p = {.label = "a", .total = 2, .fd = s.fd};
    kt_progress_start(&p);
    kt_log_info(&logger, "tea is %s", "ready");
    CHECK_OK(kt_log_flush(KT_S(10)));
    kt_log_info(&logger, "more");
    CHECK_OK(kt_log_flush(KT_S(10)));
    screen_look(&s);
    CHECK_STR(message_in(s.cells[0]), "tea is ready");
    CHECK_STR(message_in(s.cells[1]), "more");
    CHECK_EQ(strncmp(s.cells[2], "a ", 2), 0);
    kt_progress_end(&p);
    kt_log_close();
    kt_logger_release(&logger);
    screen_close(&s);
}

/* Ctrl-S: the log's thread waits, and holds up neither those who count nor the log's end. */
TEST_WITH(lines_of_the_log_wait_for_a_stopped_terminal_alone, KT_TEST_REAL_TIME)
{
    static kt_logger logger = KT_LOGGER("t");
    screen s = screen_open();
    const kt_log_sink sink = {.kind = KT_LOG_DESCRIPTOR, .descriptor = s.fd, .colour = KT_LOG_COLOUR_NEVER};
    CHECK_OK(kt_log_open(&(kt_log_options){.sinks = &sink, .sinks_count = 1, .flush_limit = KT_MS(20)}));
    kt_auto(kt_progress) p = {.label = "a", .total = 2, .fd = s.fd};
    kt_progress_start(&p);
    CHECK_EQ(tcflow(s.fd, TCOOFF), 0);
    kt_log_info(&logger, "one");
    CHECK_ERR(kt_log_flush(KT_MS(20)), KT_ETIMEDOUT);
    kt_progress_label_set(&p, "b");
    CHECK_EQ(tcflow(s.fd, TCOON), 0);
    CHECK_OK(kt_log_flush(KT_S(10)));
    screen_look(&s);
    CHECK_STR(message_in(s.cells[0]), "one");
    CHECK_EQ(strncmp(s.cells[1], "b ", 2), 0);
    CHECK_EQ(tcflow(s.fd, TCOOFF), 0);
    kt_log_info(&logger, "two");
    kt_log_close();
    CHECK_EQ(tcflow(s.fd, TCOON), 0);
    kt_progress_end(&p);
    kt_logger_release(&logger);
    screen_close(&s);
}

/* What the log writes first hides bars. */
TEST_DIES(a_show_too_many_is_misuse_that_the_log_can_tell, KT_TEST_REAL_TIME,
          "kt_progress_show without a kt_progress_hide")
{
    screen s = screen_open();
    const kt_log_sink sinks[] = {{.kind = KT_LOG_DESCRIPTOR, .descriptor = s.fd}, {.kind = KT_LOG_STDERR}};
    CHECK_OK(kt_log_open(&(kt_log_options){.sinks = sinks, .sinks_count = 2}));
    kt_log_hook_set(kt_log_hook_bridge);
    kt_auto(kt_progress) p = {.label = "a", .fd = s.fd};
    kt_progress_start(&p);
    kt_progress_show();
}

TEST(hidden_bars_stay_away_and_leave_their_last_line_when_shown)
{
    screen s = screen_open();
    kt_auto(kt_progress) a = {.label = "a", .fd = s.fd};
    kt_auto(kt_progress) b = {.label = "b", .fd = s.fd};
    kt_progress_start(&a);
    kt_progress_start(&b);
    kt_progress_hide();
    kt_progress_hide();
    CHECK_SCREEN(&s, "");
    CHECK_EQ(write(s.fd, "another's\n", 10), 10);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_progress_add(&a, 1);
    kt_progress_end(&a);
    kt_progress_show();
    CHECK_SCREEN(&s, "another's");
    kt_progress_show();
    CHECK_SCREEN(&s, "another's\na  1  1.0/s  in 0:01\nb |  0  0:00");
    screen_close(&s);
}

TEST_DIES(what_is_not_hidden_is_not_shown_again, 0, "kt_progress_show without a kt_progress_hide")
{
    kt_progress_show();
}

static int adds(void *arg)
{
    for (int i = 0; i < 10000; i++)
        kt_progress_add(arg, 1);
    return kt_terminal_printf(((kt_progress *)arg)->fd, "done\n");
}

TEST_WITH(any_thread_may_count, KT_TEST_REAL_TIME)
{
    enum { THREADS = 4 };
    screen s = screen_open();
    kt_task *tasks[THREADS];
    kt_auto(kt_thread_pool) *pool = NULL;
    kt_auto(kt_progress) p = {.label = "a", .total = THREADS * 10000, .fd = s.fd, .redraws_max = 10000};
    CHECK_OK(kt_thread_pool_open(NULL, &pool));
    kt_progress_start(&p);
    for (int i = 0; i < THREADS; i++)
        CHECK_OK(kt_thread_pool_submit(pool, adds, &p, 0, &tasks[i]));
    for (int i = 0; i < THREADS; i++) {
        while (!kt_task_done(tasks[i])) {
            CHECK(screen_drain(&s, 0));
            CHECK_OK(kt_sleep(KT_MS(1)));
        }
        CHECK_OK(kt_task_join(tasks[i]));
    }
    kt_progress_end(&p);
    CHECK_EQ(p.done, THREADS * 10000);
    screen_look(&s); /* what is drawn is whole, whoever has drawn it */
    CHECK_STR(s.cells[THREADS - 1], "done");
    CHECK(strncmp(s.cells[THREADS], "a 100% [####", 12) == 0);
    screen_close(&s);
}

/* ---- In the background of a shell --------------------------------------------------------------- */

/* In a session of its own, whose terminal is fd 2: a job, which is in front or not. */
static void be_shell(bool in_front)
{
    pid_t job = fork();
    if (job == 0) {
        (void)setpgid(0, 0);
        kt_progress p = {.label = "job", .total = 1};
        signal(SIGTTOU, SIG_IGN);
        if (in_front)
            (void)tcsetpgrp(STDERR_FILENO, getpgrp());
        kt_progress_start(&p);
        kt_progress_add(&p, 1);
        _exit(0);
    }
    int status = 1;
    (void)waitpid(job, &status, 0);
    _exit(status);
}

static void check_job(bool in_front, const char *expected)
{
    screen s = screen_open();
    int user, status = 1;
    struct winsize size = {.ws_col = 40, .ws_row = ROWS};
    pid_t shell = forkpty(&user, NULL, NULL, &size);
    CHECK_GE(shell, 0);
    if (shell == 0)
        be_shell(in_front);
    screen_close(&s);
    s.user = user;
    s.fd = -1;
    CHECK_EQ(waitpid(shell, &status, 0), shell);
    CHECK_EQ(status, 0);
    CHECK_SCREEN(&s, expected);
    screen_close(&s);
}

TEST_WITH(a_bar_is_drawn_in_front_of_its_shell_only, KT_TEST_NO_LOOP)
{
    check_job(true, "job   0% [-----------------------]  0/1");
    check_job(false, "");
}
