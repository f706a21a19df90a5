/* SPDX-License-Identifier: MIT */

/* Where and when bars are drawn. They stand on the last lines that are written on, one below the other, with
 * the cursor behind the last one, always: it is neither moved elsewhere nor hidden, so a program that is killed
 * leaves nothing to restore. Who wants to write takes them away, writes, and draws them again below.
 *
 * A terminal belongs to the whole process, so what is on it is kept once for all loops and threads, behind a
 * lock that is held while something is written, but not from a hide to its show. */

#include <errno.h>
#include <kettle/log.h>
#include <kettle/task.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/core.h"
#include "io/progress.h"

#define BARS_MAX 16
#define REDRAWS_DEFAULT 10
#define KEPT_BYTES (4 * KT__PROGRESS_LINE_BYTES)
#define FRAME_BYTES (KEPT_BYTES + BARS_MAX * (KT__PROGRESS_LINE_BYTES + 8) + 64)

static struct {
    pthread_mutex_t lock;
    kt_progress *first, *last; /* that are shown, in order of their starts */
    int fd;            /* of the first that was */
    dev_t device;      /* behind fd */
    unsigned drawn;    /* so many lines, the last bars' */
    unsigned hides;
    bool inside_line;  /* somebody has written half a line */
    char kept[KEPT_BYTES]; /* last lines, until the bars are shown again */
    size_t kept_size;
    char frame[FRAME_BYTES];
    size_t frame_size;
} screen = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- Bytes ------------------------------------------------------------------------------------ */

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT}; /* O_NONBLOCK: a stream may share the open file */
            if (poll(&p, 1, -1) < 0 && errno != EINTR)
                return -errno;
        } else if (n < 0 && errno != EINTR) {
            int rc = -errno;
            if (rc == -EPIPE && kt__loop)
                kt__sigpipe_swallow();
            return rc;
        } else if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

/* In the background of a shell nobody draws over what is in front. */
static bool in_foreground(int fd)
{
    pid_t group = tcgetpgrp(fd);
    return group < 0 || group == getpgrp();
}

/* ---- The frame: what is to be written, put together first --------------------------------------- */

static void put(const char *bytes, size_t size)
{
    if (size > FRAME_BYTES - screen.frame_size)
        size = FRAME_BYTES - screen.frame_size;
    memcpy(screen.frame + screen.frame_size, bytes, size);
    screen.frame_size += size;
}

static void put_string(const char *text)
{
    put(text, strlen(text));
}

/* To the front of the first bar's line. */
static void put_go_up(void)
{
    char up[32];
    if (screen.drawn > 1) {
        snprintf(up, sizeof up, "\033[%uA", screen.drawn - 1);
        put_string(up);
    }
    if (screen.drawn > 0)
        put_string("\r");
}

static void put_away(void)
{
    put_go_up();
    if (screen.drawn > 0)
        put_string("\033[J"); /* the rest of the screen */
    screen.drawn = 0;
}

/* The last column stays free: some terminals go to the next line behind it, some do not. */
static void put_bars(void)
{
    unsigned columns, lines, n = 0;
    if (screen.hides > 0 || screen.inside_line || kt_terminal_size(screen.fd, &columns, &lines) < 0)
        return;
    put_go_up();
    unsigned most = lines < 2 ? 1 : lines - 1 < BARS_MAX ? lines - 1 : BARS_MAX;
    for (const kt_progress *p = screen.first; p && n < most; p = p->next, n++) {
        char line[KT__PROGRESS_LINE_BYTES];
        put_string(n > 0 ? "\r\n" : "");
        put(line, kt__progress_line(p, columns > 1 ? columns - 1 : 1, false, line));
        put_string("\033[K"); /* the rest of the line */
    }
    if (n < screen.drawn)
        put_string("\033[J");
    screen.drawn = n;
}

/* Nothing is shown any more. */
static void lose_terminal(void)
{
    for (kt_progress *p = screen.first; p; p = p->next)
        __atomic_store_n(&p->shown, false, __ATOMIC_RELAXED);
    screen.first = screen.last = NULL;
    screen.drawn = 0;
}

static void flush_frame(void)
{
    int rc = write_all(screen.fd, screen.frame, screen.frame_size);
    screen.frame_size = 0;
    if (rc < 0)
        lose_terminal();
}

/* It does not while it is stopped, or slow. */
static bool takes_output(void)
{
    struct pollfd p = {.fd = screen.fd, .events = POLLOUT};
    int n = poll(&p, 1, 0);
    if (n == 1 && (p.revents & (POLLERR | POLLHUP | POLLNVAL)))
        lose_terminal();
    return n == 1 && p.revents == POLLOUT;
}

/* ---- A bar ------------------------------------------------------------------------------------ */

static void show(kt_progress *p)
{
    p->next = NULL;
    p->prev = screen.last;
    *(screen.last ? &screen.last->next : &screen.first) = p;
    screen.last = p;
    __atomic_store_n(&p->shown, true, __ATOMIC_RELAXED);
}

static void unshow(kt_progress *p)
{
    *(p->prev ? &p->prev->next : &screen.first) = p->next;
    *(p->next ? &p->next->prev : &screen.last) = p->prev;
    __atomic_store_n(&p->shown, false, __ATOMIC_RELAXED);
}

static void set_label(kt_progress *p, const char *label)
{
    kt_slice text = kt_slice_from(label ? label : "");
    p->shown_label[kt__terminal_safe(text, p->shown_label, sizeof p->shown_label - 1)] = '\0';
}

/* The terminal behind fd, if bars can be shown there: all are on one. */
static bool can_show(int fd)
{
    struct stat s;
    const char *term = getenv("TERM");
    if (!kt_terminal_is(fd) || !term || strcmp(term, "dumb") == 0 || fstat(fd, &s) < 0)
        return false;
    if (!screen.first) {
        screen.fd = fd;
        screen.device = s.st_rdev;
        screen.drawn = 0;
        screen.inside_line = false;
    }
    return s.st_rdev == screen.device;
}

static void draw(kt_progress *p, kt_time now)
{
    if (screen.hides > 0 || !in_foreground(screen.fd) || !takes_output())
        return;
    kt__progress_measure(p, now);
    p->turns++;
    put_bars();
    flush_frame();
}

static void schedule(kt_progress *p, kt_time now)
{
    kt_time span = KT_S(1) / (p->redraws_max ? p->redraws_max : REDRAWS_DEFAULT);
    __atomic_store_n(&p->due, now + span, __ATOMIC_RELAXED);
}

/* Something about p has changed. */
static void look(kt_progress *p)
{
    if (!__atomic_load_n(&p->shown, __ATOMIC_RELAXED))
        return;
    kt_time now = kt_now();
    if (now < __atomic_load_n(&p->due, __ATOMIC_RELAXED) || pthread_mutex_trylock(&screen.lock) != 0)
        return;
    if (p->shown && now >= p->due) {
        schedule(p, now);
        draw(p, now);
    }
    pthread_mutex_unlock(&screen.lock);
}

static void show_again(bool may_wait)
{
    pthread_mutex_lock(&screen.lock);
    if (screen.hides == 0) {
        pthread_mutex_unlock(&screen.lock); /* the log, which writes the words, hides bars */
        kt__misuse("kt_progress_show without a kt_progress_hide");
    }
    if (--screen.hides == 0 && (screen.first || screen.kept_size > 0) && (may_wait || takes_output())) {
        put(screen.kept, screen.kept_size);
        screen.kept_size = 0;
        if (screen.first)
            put_bars();
        flush_frame();
    }
    pthread_mutex_unlock(&screen.lock);
}

static void before_log(void *arg)
{
    (void)arg;
    kt_progress_hide();
}

/* What cannot be shown now is with the next frame, or at the next show. */
static void after_log(void *arg)
{
    (void)arg;
    show_again(false);
}

/* By the first bar, and for ever: lines of the log that go to a terminal stand above its bars. */
static void join_log(void)
{
    static atomic_bool joined;
    if (!atomic_exchange(&joined, true))
        kt_log_around(before_log, after_log, NULL);
}

void kt_progress_start(kt_progress *p)
{
    if (p->running)
        kt__misuse("kt_progress_start: this bar runs already");
    join_log();
    kt_time now = kt_now();
    p->running = true;
    p->done = p->drawn_done = 0;
    p->rate = 0;
    p->turns = UINT_MAX; /* the first time is 0 */
    p->started = p->drawn = now;
    set_label(p, p->label);
    schedule(p, now);
    pthread_mutex_lock(&screen.lock);
    if (can_show(p->fd ? p->fd : STDERR_FILENO)) {
        show(p);
        draw(p, now);
    }
    pthread_mutex_unlock(&screen.lock);
}

void kt_progress_add(kt_progress *p, uint64_t more)
{
    __atomic_fetch_add(&p->done, more, __ATOMIC_RELAXED);
    look(p);
}

void kt_progress_set(kt_progress *p, uint64_t done)
{
    __atomic_store_n(&p->done, done, __ATOMIC_RELAXED);
    look(p);
}

void kt_progress_total_set(kt_progress *p, uint64_t total)
{
    pthread_mutex_lock(&screen.lock);
    p->total = total;
    pthread_mutex_unlock(&screen.lock);
    look(p);
}

void kt_progress_label_set(kt_progress *p, const char *label)
{
    pthread_mutex_lock(&screen.lock);
    set_label(p, label);
    pthread_mutex_unlock(&screen.lock);
    look(p);
}

void kt_progress_tick(kt_progress *p)
{
    look(p);
}

/* A last line that cannot be shown now waits for kt_progress_show, or for the end of somebody's line. */
static void put_last_line(const kt_progress *p)
{
    unsigned columns;
    char line[KT__PROGRESS_LINE_BYTES];
    if (p->vanishes || kt_terminal_size(screen.fd, &columns, NULL) < 0)
        return;
    size_t size = kt__progress_line(p, columns > 1 ? columns - 1 : 1, true, line);
    if (screen.hides == 0) {
        put_string(screen.inside_line ? "\r\n" : "");
        screen.inside_line = false;
        put(line, size);
        put_string("\r\n");
    } else if (size + 2 <= sizeof screen.kept - screen.kept_size) {
        memcpy(screen.kept + screen.kept_size, line, size);
        memcpy(screen.kept + screen.kept_size + size, "\r\n", 2);
        screen.kept_size += size + 2;
    }
}

void kt_progress_end(kt_progress *p)
{
    if (!p->running)
        return;
    pthread_mutex_lock(&screen.lock);
    p->running = false;
    if (p->shown) {
        kt__progress_measure(p, kt_now());
        unshow(p);
        put_away();
        put_last_line(p);
        put_bars();
        flush_frame();
    }
    pthread_mutex_unlock(&screen.lock);
}

/* ---- Beside the bars --------------------------------------------------------------------------- */

void kt_progress_hide(void)
{
    pthread_mutex_lock(&screen.lock);
    screen.hides++;
    put_away();
    flush_frame();
    pthread_mutex_unlock(&screen.lock);
}

void kt_progress_show(void)
{
    show_again(true);
}

/* Is fd the terminal on which there are bars? */
static bool beside_bars(int fd)
{
    struct stat s;
    return screen.first && kt_terminal_is(fd) && fstat(fd, &s) == 0 && s.st_rdev == screen.device;
}

static int write_beside(int fd, const char *bytes, size_t size)
{
    put_away();
    flush_frame();
    int rc = write_all(fd, bytes, size);
    screen.inside_line = bytes[size - 1] != '\n';
    if (screen.first)
        put_bars();
    flush_frame();
    return rc;
}

int kt_terminal_write(int fd, const void *bytes, size_t size)
{
    if (size == 0)
        return 0;
    pthread_mutex_lock(&screen.lock);
    bool beside = beside_bars(fd);
    int rc = beside ? write_beside(fd, bytes, size) : 0;
    pthread_mutex_unlock(&screen.lock);
    return beside ? rc : write_all(fd, bytes, size);
}

int kt_terminal_printf(int fd, const char *format, ...)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    va_list args;
    va_start(args, format);
    int rc = kt_buffer_vprintf(&text, format, args);
    va_end(args);
    return rc < 0 ? rc : kt_terminal_write(fd, text.data, text.size);
}
