/* SPDX-License-Identifier: MIT */
#ifndef TESTS_IO_SCREEN_H
#define TESTS_IO_SCREEN_H

/* A terminal: a pseudo terminal, and what a user would see on it. */

#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { ROWS = 12, COLUMNS = 60, FENCE = 5 };

typedef struct screen {
    int user, fd; /* the user's side, and the program's */
    int row, column;
    size_t frames; /* times at which it went back to the front of a line */
    size_t bytes;
    char cells[ROWS][COLUMNS + 1];
} screen;

static inline void screen_resize(const screen *s, unsigned short columns, unsigned short rows)
{
    struct winsize size = {.ws_col = columns, .ws_row = rows};
    CHECK_EQ(ioctl(s->fd, TIOCSWINSZ, &size), 0);
}

static inline screen screen_open(void)
{
    screen s = {.user = -1, .fd = -1};
    CHECK_EQ(openpty(&s.user, &s.fd, NULL, NULL, NULL), 0);
    screen_resize(&s, COLUMNS, ROWS);
    CHECK_EQ(setenv("TERM", "vt100", 1), 0);
    CHECK_EQ(unsetenv("COLUMNS"), 0);
    CHECK_EQ(unsetenv("LINES"), 0);
    return s;
}

static inline void screen_close(screen *s)
{
    if (s->fd >= 0)
        close(s->fd);
    close(s->user);
}

static inline void screen_print(screen *s, char c)
{
    CHECK(s->row < ROWS && s->column < COLUMNS); /* neither scrolled nor wrapped */
    for (int i = (int)strlen(s->cells[s->row]); i < s->column; i++)
        s->cells[s->row][i] = ' ';
    s->cells[s->row][s->column++] = c;
}

/* The few sequences that are used; any other fails the test. */
static inline const char *screen_obey(screen *s, const char *at)
{
    char *end;
    CHECK_EQ(*at, '[');
    int n = (int)strtol(at + 1, &end, 10);
    at = end;
    if (*at == 'A')
        s->row -= n;
    else if (*at == 'K' || *at == 'J')
        memset(s->cells[s->row] + s->column, 0, sizeof s->cells[0] - (size_t)s->column);
    else
        kt_test_fail("the terminal was told '%c'", *at);
    for (int row = s->row + 1; *at == 'J' && row < ROWS; row++)
        memset(s->cells[row], 0, sizeof s->cells[0]);
    CHECK(s->row >= 0);
    return at;
}

static inline void screen_take(screen *s, const char *bytes, size_t size)
{
    for (const char *at = bytes; at < bytes + size; at++) {
        s->bytes += *at != FENCE;
        s->frames += *at == '\r';
        if (*at == '\033')
            at = screen_obey(s, at + 1);
        else if (*at == '\r')
            s->column = 0;
        else if (*at == '\n')
            s->row++;
        else if (*at != FENCE)
            screen_print(s, *at);
    }
}

static char screen_kept[1 << 20];
static size_t screen_kept_size;

/* Reads, so that writers go on, and shows nothing yet. False: there will be no more. */
static inline bool screen_drain(const screen *s, int wait_ms)
{
    struct pollfd p = {.fd = s->user, .events = POLLIN};
    if (poll(&p, 1, wait_ms) == 0)
        return true;
    ssize_t n = read(s->user, screen_kept + screen_kept_size, sizeof screen_kept - screen_kept_size);
    screen_kept_size += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* Shows what has been written. The kernel takes its time to carry it over, so what comes last is known by a fence, or
 * by the end of a terminal that the program has no more (fd -1). */
static inline void screen_look(screen *s)
{
    const char fence = FENCE;
    CHECK_EQ(s->fd < 0 ? 1 : write(s->fd, &fence, 1), 1);
    while (!memchr(screen_kept, FENCE, screen_kept_size) && screen_drain(s, 10 * 1000))
        ;
    screen_take(s, screen_kept, screen_kept_size);
    screen_kept_size = 0;
}

/* Compares all lines, up to the last that is not empty, joined by '\n'. */
#define CHECK_SCREEN(s, expected) \
    do { \
        kt_auto(kt_buffer) screen__text = screen_text(s); \
        CHECK_STR(kt_buffer_string(&screen__text), (expected)); \
    } while (0)

static inline kt_buffer screen_text(screen *s)
{
    kt_buffer text = KT_BUFFER_INIT;
    int last = ROWS;
    screen_look(s);
    while (last > 0 && !s->cells[last - 1][0])
        last--;
    for (int row = 0; row < last; row++)
        CHECK_OK(kt_buffer_printf(&text, "%s%s", row > 0 ? "\n" : "", s->cells[row]));
    return text;
}

#endif
