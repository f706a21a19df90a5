/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TERMINAL_H
#define KETTLE_TERMINAL_H

/* Terminals: is there one, how wide is it, what fits on its line; and progress bars.
 *
 *     kt_auto(kt_progress) bar = {.label = "export", .total = 60};
 *     kt_progress_start(&bar);
 *     for (int i = 0; i < 60 && rc == 0; i++) {
 *         rc = export(i);
 *         kt_progress_add(&bar, 1);
 *     }
 *                            export  41% [######----------]  25/60  12.3/s  0:03 left
 *
 * A bar that is no longer in scope has ended its line, however the scope was left. Where standard error is no
 * terminal nothing is ever drawn, and a call costs next to nothing; so a program need not ask.
 *
 * Text is UTF-8 whatever the locale. Thread rule: any, in a loop or outside. Nothing here suspends. */

#include <kettle/buffer.h>

KT_BEGIN

/* ---- Facts ------------------------------------------------------------------------------- */

/* Is it a terminal? Like isatty(3), os.isatty. */
KT_API bool kt_terminal_is(int fd);

/* Its size now: ask again after a SIGWINCH, or each time. The variables COLUMNS and LINES come first, if they are
 * numbers above 0; then what the terminal says; and 80 by 24 for one that says nothing. Either output may be
 * NULL. 0; -ENOTTY for what is no terminal, also where the variables are set; -EBADF. Like
 * shutil.get_terminal_size, TIOCGWINSZ in ioctl_tty(2). */
KT_API int kt_terminal_size(int fd, unsigned *ret_columns, unsigned *ret_lines) KT_CHECKED;

/* Shall what is written there have colours? Never if NO_COLOR is set and not empty (no-color.org). Else if
 * CLICOLOR_FORCE is and not "0". Else if it is a terminal, TERM is neither unset nor "dumb", and CLICOLOR is not
 * "0" (bixense.com/clicolors). */
KT_API bool kt_terminal_colours(int fd);

/* ---- Text -------------------------------------------------------------------------------- */

/* How many columns it takes: two for a wide character, none for one that is drawn over the one before. What
 * kt_terminal_safe replaces counts as one. Like wcswidth(3), by Unicode 14 (UAX 11). */
KT_API size_t kt_terminal_columns(kt_slice text);

/* How many bytes of it, whole characters, fit into so many columns. */
KT_API size_t kt_terminal_fit(kt_slice text, size_t columns);

/* Appends text that a stranger chose, with a '?' for each control character, which a terminal might obey, and
 * for each byte that is not UTF-8. 0, -ENOMEM, KT_ELIMIT; then nothing was appended. */
KT_API int kt_terminal_safe(kt_buffer *out, kt_slice text) KT_CHECKED;

/* ---- Progress ---------------------------------------------------------------------------- */

typedef enum kt_progress_unit {
    KT_PROGRESS_COUNT, /* "42/100  12.3/s" */
    KT_PROGRESS_BYTES, /* "1.5/20.0 MiB  3.2 MiB/s" */
} kt_progress_unit;

/* A bar: fill in the settings, leave the rest zero. It must not move while it is shown. Several at once stand
 * one below the other; as many as the terminal has room for. A bar is shown if its terminal is, not TERM=dumb,
 * and this program not in the background of its shell. All bars of a program are on one terminal; one for
 * another is not shown. */
typedef struct kt_progress {
    /* Settings. */
    const char *label;     /* copied at the start and cut at 127 bytes; NULL = none */
    uint64_t total;        /* 0 = not known: a sign of life instead of a bar */
    kt_progress_unit unit;
    int fd;                /* of the terminal; 0 = standard error */
    unsigned redraws_max;  /* a second; 0 = 10 */
    bool vanishes;         /* its end leaves nothing on the terminal, instead of its last line */

    /* State. */
    uint64_t done;         /* so far */
    bool running, shown;
    char shown_label[128];
    unsigned turns;        /* of the sign of life */
    kt_time started, due, drawn; /* due: when to draw next; drawn: as of when the last line was */
    uint64_t drawn_done;
    double rate;           /* a second, as of then */
    struct kt_progress *next, *prev;
    uintptr_t reserved[4];
} kt_progress;

/* Begins: draws the bar, at 0. One that runs is misuse; one that has ended may be started again. */
KT_API void kt_progress_start(kt_progress *p);

/* So much more is done; so much is done in all; the total has become known, or another. Draws the bar if the
 * time for that has come: a few system calls, at most `redraws_max` times a second. A frame is left out where
 * drawing would have to wait: for another thread, or a terminal that takes no output now (Ctrl-S). Any thread
 * may count, while the bar runs. */
KT_API void kt_progress_add(kt_progress *p, uint64_t more);
KT_API void kt_progress_set(kt_progress *p, uint64_t done);
KT_API void kt_progress_total_set(kt_progress *p, uint64_t total);

/* Another label: what it is at now. Copied, and cut. */
KT_API void kt_progress_label_set(kt_progress *p, const char *label);

/* Nothing more is done, but time goes by: draws rate and time anew, if it is time to, and turns the sign of
 * life. For those who want that while they wait; kt_periodic_start can call it. */
KT_API void kt_progress_tick(kt_progress *p);

/* Ends it: the last line, as of now, stays above whatever is written next, and says how long it took. Ends nothing
 * that does not run. No other thread may be at it. The last line is not left out: where the terminal takes no output
 * now it waits, and blocks its thread meanwhile. */
KT_API void kt_progress_end(kt_progress *p);

/* ---- Beside the bars --------------------------------------------------------------------- */

/* Writes all of it, as write(2) does; where bars are shown on the same terminal, above them. Text without a
 * line's end keeps them away until the line is ended. For lines of output beside a bar, which printf would
 * write behind it. 0; -EPIPE, -EIO, ... Waits as long as the descriptor is not ready, and blocks its thread
 * meanwhile. */
KT_API int kt_terminal_write(int fd, const void *bytes, size_t size) KT_CHECKED;

/* The same as printf(3), one call one write. -ENOMEM, KT_ELIMIT. */
KT_API int kt_terminal_printf(int fd, const char *format, ...) KT_PRINTF(2, 3) KT_CHECKED;

/* For others that write to the terminal themselves, such as a child that inherits it: takes the bars away, and
 * draws them again. What ends meanwhile leaves its line at kt_progress_show. Every hide has its show; they
 * nest. Both wait as kt_progress_end does. */
KT_API void kt_progress_hide(void);
KT_API void kt_progress_show(void);

static inline void kt_progress_cleanup(kt_progress *p)
{
    kt_progress_end(p);
}

KT_END

#endif
