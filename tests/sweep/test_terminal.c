/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <pty.h>

/* A terminal for the program, and its user. */
typedef struct terminal {
    int fd, user;
} terminal;

static terminal terminal_open(void)
{
    terminal t;
    struct winsize size = {.ws_col = 80, .ws_row = 24};
    CHECK_EQ(openpty(&t.user, &t.fd, NULL, NULL, &size), 0);
    CHECK_EQ(setenv("TERM", "vt100", 1), 0);
    return t;
}

static void terminal_close(terminal *t)
{
    close(t->fd);
    close(t->user);
}

/* The kernel takes its time to carry it over. */
static void check_said(const terminal *t, const char *expected)
{
    char bytes[1024] = "";
    size_t size = 0;
    CHECK_EQ(write(t->fd, "\005", 1), 1);
    while (!memchr(bytes, '\005', size)) {
        ssize_t n = read(t->user, bytes + size, sizeof bytes - 1 - size);
        CHECK_GT(n, 0);
        size += (size_t)n;
    }
    CHECK(strstr(bytes, expected) != NULL);
}

SWEEP(kt_terminal_is, PLAIN | NO_LOOP)
{
    terminal t = terminal_open();
    CHECK(SWEPT(kt_terminal_is, (t.fd)));
    terminal_close(&t);
}

SWEEP(kt_terminal_size, PLAIN | NO_LOOP)
{
    terminal t = terminal_open();
    unsigned columns = 0;
    CHECK_OK(SWEPT(kt_terminal_size, (t.fd, &columns, NULL)));
    CHECK_GT(columns, 0);
    terminal_close(&t);
}

SWEEP(kt_terminal_colours, PLAIN | NO_LOOP)
{
    CHECK(!SWEPT(kt_terminal_colours, (-1)));
}

SWEEP(kt_terminal_columns, PLAIN | NO_LOOP)
{
    CHECK_EQ(SWEPT(kt_terminal_columns, (kt_slice_from("tea"))), 3);
}

SWEEP(kt_terminal_fit, PLAIN | NO_LOOP)
{
    CHECK_EQ(SWEPT(kt_terminal_fit, (kt_slice_from("tea"), 2)), 2);
}

static int makes_safe(void *arg)
{
    return SWEPT(kt_terminal_safe, (arg, kt_slice_from("tea\n")));
}

SWEEP(kt_terminal_safe, ALLOCATES | NO_LOOP)
{
    kt_buffer out = KT_BUFFER_INIT;
    (void)sweep_subject(makes_safe, &out);
    CHECK_SLICE(kt_buffer_slice(&out), "tea?"); /* once */
    kt_buffer_release(&out);
}

SWEEP(kt_terminal_write, PLAIN | NO_LOOP)
{
    terminal t = terminal_open();
    CHECK_OK(SWEPT(kt_terminal_write, (t.fd, "tea", 3)));
    check_said(&t, "tea");
    terminal_close(&t);
}

static int prints(void *arg)
{
    return SWEPT(kt_terminal_printf, (*(int *)arg, "%d", 42));
}

SWEEP(kt_terminal_printf, ALLOCATES | NO_LOOP)
{
    terminal t = terminal_open();
    (void)sweep_subject(prints, &t.fd);
    check_said(&t, "42");
    terminal_close(&t);
}

/* ---- Bars ----------------------------------------------------------------------------------- */

SWEEP(kt_progress_start, PLAIN)
{
    terminal t = terminal_open();
    kt_progress p = {.label = "tea", .fd = t.fd};
    SWEPT(kt_progress_start, (&p));
    check_said(&t, "tea |");
    kt_progress_end(&p);
    terminal_close(&t);
}

SWEEP(kt_progress_end, PLAIN)
{
    terminal t = terminal_open();
    kt_progress p = {.label = "tea", .fd = t.fd};
    kt_progress_start(&p);
    SWEPT(kt_progress_end, (&p));
    check_said(&t, "in 0:00");
    SWEPT(kt_progress_end, (&p));
    terminal_close(&t);
}

/* A bar whose next frame is due. */
static kt_progress shown_bar(const terminal *t)
{
    return (kt_progress){.label = "tea", .total = 4, .fd = t->fd, .redraws_max = 1000 * 1000 * 1000};
}

#define SWEEP_OF_BAR(symbol, said, ...) \
    SWEEP(symbol, PLAIN) \
    { \
        terminal t = terminal_open(); \
        kt_progress p = shown_bar(&t); \
        kt_progress_start(&p); \
        sure(kt_sleep(KT_MS(1))); \
        SWEPT(symbol, (__VA_ARGS__)); \
        check_said(&t, said); \
        kt_progress_end(&p); \
        terminal_close(&t); \
    } \
    _Static_assert(sizeof said > 1, "what the terminal hears")

SWEEP_OF_BAR(kt_progress_add, "1/4", &p, 1);
SWEEP_OF_BAR(kt_progress_set, "2/4", &p, 2);
SWEEP_OF_BAR(kt_progress_total_set, "0/9", &p, 9);
SWEEP_OF_BAR(kt_progress_label_set, "pot ", &p, "pot");
SWEEP_OF_BAR(kt_progress_tick, "0/4", &p);

SWEEP(kt_progress_hide, PLAIN)
{
    SWEPT(kt_progress_hide, ());
    kt_progress_show();
    CHECK(true);
}

SWEEP(kt_progress_show, PLAIN)
{
    terminal t = terminal_open();
    kt_progress p = shown_bar(&t);
    kt_progress_hide();
    kt_progress_start(&p);
    SWEPT(kt_progress_show, ());
    check_said(&t, "tea ");
    kt_progress_end(&p);
    terminal_close(&t);
}
