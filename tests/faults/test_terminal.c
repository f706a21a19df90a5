/* SPDX-License-Identifier: MIT */

/* Terminals: their sizes, and bars on them. */
#include "faults.h"

#include <pty.h>
#include <sys/select.h>
#include <sys/uio.h>

static struct {
    int user, fd;
} terminal = {-1, -1};

static void open_terminal(void)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    if (terminal.fd < 0 && openpty(&terminal.user, &terminal.fd, NULL, NULL, &size) < 0)
        kt_test_fail("openpty: %s", strerror(errno));
    if (setenv("TERM", "xterm", 1) < 0)
        kt_test_fail("setenv: %s", strerror(errno));
}

/* What the user has seen. */
static void see(char *text, size_t size)
{
    size_t have = 0;
    while (have + 1 < size) {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(terminal.user, &set);
        if (select(terminal.user + 1, &set, NULL, NULL, &(struct timeval){0, 1000}) <= 0)
            break;
        ssize_t n = readv(terminal.user, &(struct iovec){text + have, size - 1 - have}, 1);
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    text[have] = '\0';
}

static void measures(void)
{
    unsigned columns = 0, lines = 0;
    if (!ok(kt_terminal_size(terminal.fd, &columns, &lines)))
        return;
    MUST(columns == 80 && lines == 24);
    ok(kt_terminal_colours(terminal.fd) ? 0 : -ENOTTY);
}

static const spared of_sizes[] = {
    {"isatty", 0, -ENOTTY, "no terminal, then: without colours"},
    {"ioctl", 0, 0, "it says no size: 80 by 24"},
    {NULL, 0, 0, NULL},
};

SCENARIO(the_size_of_a_terminal, open_terminal, measures, of_sizes)

static void draws(void)
{
    static char seen[4096];
    kt_progress bar = {.label = "tea", .total = 2, .fd = terminal.fd};
    kt_progress_start(&bar);
    bool shown = bar.shown;
    kt_progress_add(&bar, 1);
    kt_progress_end(&bar);
    see(seen, sizeof seen);
    ok(shown && strstr(seen, "tea") ? 0 : KT_EINCOMPLETE);
}

#define UNSEEN "a bar has nobody to tell, and the work goes on"
static const spared of_bars[] = {
    {"*", 0, ANYHOW, UNSEEN},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_bar_on_a_terminal, open_terminal, draws, of_bars)
