/* SPDX-License-Identifier: MIT */

/* The places where lines go: lines of a batch are gathered and written at once; a datagram is a line. */

#include <errno.h>
#include <kettle/memory.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/log_private.h"

/* poll(2) says that a pipe takes this much without blocking (PIPE_BUF), and any other descriptor something. */
#define CAREFUL_BYTES ((size_t)4096)
#define OTHERS_LOOK_MS 100

/* ---- Who draws on the terminal --------------------------------------------------------------- */

static pthread_mutex_t around_mutex = PTHREAD_MUTEX_INITIALIZER;
static void (*around_before)(void *arg), (*around_after)(void *arg);
static void *around_arg;

void kt_log_around(void (*before)(void *arg), void (*after)(void *arg), void *arg)
{
    pthread_mutex_lock(&around_mutex);
    around_before = before;
    around_after = after;
    around_arg = arg;
    pthread_mutex_unlock(&around_mutex);
}

void kt__log_around_forked(void)
{
    pthread_mutex_init(&around_mutex, NULL);
    around_before = around_after = NULL;
}

static void around_begin(void)
{
    pthread_mutex_lock(&around_mutex);
    if (around_before)
        around_before(around_arg);
}

static void around_end(void)
{
    if (around_after)
        around_after(around_arg);
    pthread_mutex_unlock(&around_mutex);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static bool coloured(const kt__log_sink *s)
{
    const char *none = getenv("NO_COLOR"), *kind = getenv("TERM");
    switch (s->options.colour) {
    case KT_LOG_COLOUR_ALWAYS:
        return true;
    case KT_LOG_COLOUR_NEVER:
        return false;
    default:
        return s->terminal && !(none && *none) && !(kind && strcmp(kind, "dumb") == 0);
    }
}

static int descriptor_open(kt__log_sink *s)
{
    struct stat st;
    s->descriptor = s->options.kind == KT_LOG_STDERR ? STDERR_FILENO : s->options.descriptor;
    s->borrowed = true;
    if (fstat(s->descriptor, &st) < 0)
        return kt_error_set(-errno, "the log's descriptor %d", s->descriptor);
    s->waits = !S_ISREG(st.st_mode);
    s->terminal = isatty(s->descriptor) == 1;
    s->coloured = coloured(s);
    return 0;
}

/* The path with room for what a file's old ones have behind it. */
static int path_copy(kt__log_sink *s, const char *path)
{
    s->path_size = strlen(path);
    s->path = kt_alloc(s->path_size + sizeof ".999");
    if (!s->path)
        return -ENOMEM;
    memcpy(s->path, path, s->path_size + 1);
    return 0;
}

static int place_open(kt__log_sink *s, const kt_log_sink *options)
{
    int rc;
    switch (s->options.kind) {
    case KT_LOG_STDERR:
    case KT_LOG_DESCRIPTOR:
        return descriptor_open(s);
    case KT_LOG_FILE:
        rc = path_copy(s, options->path);
        return rc < 0 ? rc : kt__log_file_open(s);
    default:
        return path_copy(s, options->path ? options->path : kt__log_system_path(&s->options.kind));
    }
}

static int check(const kt_log_sink *o)
{
    if ((unsigned)o->kind > KT_LOG_SYSTEM || (unsigned)o->form > KT_LOG_JSON)
        return kt_error_set(-EINVAL, "kt_log_sink: no such kind or form");
    if (o->kind == KT_LOG_FILE && (!o->path || !*o->path))
        return kt_error_set(-EINVAL, "kt_log_sink.path: a file must have one");
    if (o->keep > 999)
        return kt_error_set(-EINVAL, "kt_log_sink.keep: %u, 999 allowed", o->keep);
    if (o->rotate_bytes < 0)
        return kt_error_set(-EINVAL, "kt_log_sink.rotate_bytes: negative");
    if (o->rotate_every != 0 && o->rotate_every < KT_S(1))
        return kt_error_set(-EINVAL, "kt_log_sink.rotate_every: less than a second");
    return 0;
}

int kt__log_sink_open(kt__log_sink *s, const kt_log_sink *options, kt__logbook *log)
{
    *s = (kt__log_sink){.options = *options, .log = log, .descriptor = -1, .rotate_at = INT64_MAX};
    s->options.path = NULL;
    s->options.keep = options->keep ? options->keep : 5;
    int rc = check(options);
    return rc < 0 ? rc : place_open(s, options);
}

void kt__log_sink_release(kt__log_sink *s)
{
    if (!s->borrowed && s->descriptor >= 0)
        close(s->descriptor);
    kt_free(kt_steal(s->path));
    s->descriptor = -1;
}

/* ---- Writing bytes --------------------------------------------------------------------------- */

/* How long to wait for the sink, in milliseconds: where there are others, only while the ring has room, and a while
 * after that the question is asked again. */
static int patience(kt__log_sink *s, bool crash)
{
    kt__logbook *log = s->log;
    int64_t stop_at = atomic_load(&log->stop_at);
    if (crash || atomic_load(&log->crash))
        return crash ? OTHERS_LOOK_MS : 0;
    if (stop_at != INT64_MAX) {
        int64_t left = (stop_at - kt__log_clock()) / KT_MS(1);
        return left > 0 ? (int)(left < 1000 ? left : 1000) : 0;
    }
    if (log->sinks_count == 1)
        return 1000;
    uint64_t waiting = atomic_load(&log->ring.head) - atomic_load(&log->ring.tail);
    return waiting < log->ring.size / 2 ? OTHERS_LOOK_MS : 0;
}

bool kt__log_wait_writable(kt__log_sink *s, bool crash)
{
    for (;;) {
        int limit = patience(s, crash);
        struct pollfd p[2] = {{.fd = s->descriptor, .events = POLLOUT},
                              {.fd = s->log->wake_fd, .events = POLLIN}};
        int n = poll(p, crash ? 1 : 2, limit);
        if (n > 0 && p[0].revents)
            return true;
        if (n > 0) {
            uint64_t count; /* whoever rang wants a look at stop_at, which is next */
            ssize_t taken = read(s->log->wake_fd, &count, sizeof count);
            (void)taken;
        }
        if (limit == 0 || crash)
            return false;
    }
}

/* Bytes written; less than all: *ret_rc says why. */
static size_t write_bytes(kt__log_sink *s, const char *bytes, size_t size, bool crash, int *ret_rc)
{
    size_t done = 0;
    while (done < size) {
        size_t some = size - done;
        if (s->waits) {
            some = some < CAREFUL_BYTES ? some : CAREFUL_BYTES;
            if (!kt__log_wait_writable(s, crash)) {
                *ret_rc = KT_ETIMEDOUT;
                return done;
            }
        }
        ssize_t n = write(s->descriptor, bytes + done, some);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            s->waits = true; /* from now on at least */
        } else if (errno != EINTR) {
            *ret_rc = -errno;
            return done;
        }
    }
    return done;
}

static size_t count_lines(const char *bytes, size_t size)
{
    size_t n = 0;
    for (const char *end = bytes + size; (bytes = memchr(bytes, '\n', (size_t)(end - bytes)));
         bytes++)
        n++;
    return n;
}

static void count_lost(kt__log_sink *s, uint64_t lines, int rc)
{
    s->lost += lines;
    s->lost_rc = rc;
    atomic_fetch_add(&s->log->lost, lines);
}

/* Whoever draws on the terminal writes as well, and is not to do that while nobody reads. */
static size_t write_all(kt__log_sink *s, const kt__log_out *out, bool crash, int *ret_rc)
{
    if (!s->terminal || crash)
        return write_bytes(s, out->bytes, out->size, crash, ret_rc);
    if (!kt__log_wait_writable(s, false)) {
        *ret_rc = KT_ETIMEDOUT;
        return 0;
    }
    around_begin();
    size_t done = write_bytes(s, out->bytes, out->size, false, ret_rc);
    around_end();
    return done;
}

/* What is in `out` goes out, `lines` of them. */
static void drain(kt__log_sink *s, kt__log_out *out, size_t *lines, bool crash)
{
    int rc = 0;
    if (out->size == 0)
        return;
    size_t done = write_all(s, out, crash, &rc);
    s->size += (int64_t)done;
    if (done < out->size) {
        size_t whole = done ? count_lines(out->bytes, done) : 0;
        count_lost(s, *lines > whole ? *lines - whole : 1, rc);
        s->torn = s->torn || (done > 0 && out->bytes[done - 1] != '\n');
    } else {
        s->torn = false;
    }
    out->size = 0;
    *lines = 0;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

void kt__log_notice_make(kt__log_notice *n, int64_t time, uint64_t lines, const char *what, int rc)
{
    static const char name[] = "log";
    kt__log_record *r = &n->record;
    memset(n, 0, sizeof *n);
    r->level = KT_LOG_WARNING;
    r->time = time;
    r->utc_offset = kt__log_utc_offset(time / KT_S(1), false);
    r->rc = rc;
    r->name_size = sizeof name - 1;
    memcpy(r->words, name, r->name_size);
    kt__log_out text = {r->words + r->name_size, 0, sizeof n->room - sizeof *r - r->name_size};
    kt__log_add_number(&text, (int64_t)lines, 1);
    kt__log_add_string(&text, lines == 1 ? " line " : " lines ");
    kt__log_add_string(&text, what);
    r->message_size = (uint32_t)text.size;
}

static void send_line(kt__log_sink *s, kt__log_out *out, const kt__log_record *r, bool crash)
{
    out->size = 0;
    kt__log_line(out, s, r);
    int rc = kt__log_socket_send(s, out->bytes, out->size, crash);
    if (rc < 0)
        count_lost(s, 1, rc);
    out->size = 0;
}

/* A file changes between two lines: what came before the line goes into the old one. */
static void rotate(kt__log_sink *s, kt__log_out *out, size_t begin, size_t *lines,
                   const kt__log_record *r)
{
    size_t size = out->size - begin;
    out->size = begin;
    drain(s, out, lines, false);
    kt__log_file_rotate(s, r);
    memmove(out->bytes, out->bytes + begin, size);
    out->size = size;
}

static void add_record(kt__log_sink *s, kt__log_out *out, size_t *lines, const kt__log_record *r,
                       bool crash)
{
    if (s->torn && out->size == 0)
        kt__log_add_string(out, "\n");
    size_t begin = out->size;
    kt__log_line(out, s, r);
    if (!crash && kt__log_file_due(s, r, begin, out->size - begin))
        rotate(s, out, begin, lines, r);
    ++*lines;
    if (out->size >= KT__LOG_BATCH)
        drain(s, out, lines, crash);
}

static void put(kt__log_sink *s, kt__log_out *out, size_t *lines, const kt__log_record *r,
                bool crash)
{
    if (r->level < s->options.level)
        return;
    if (s->options.kind == KT_LOG_JOURNAL || s->options.kind == KT_LOG_SYSLOG)
        send_line(s, out, r, crash);
    else
        add_record(s, out, lines, r, crash);
}

/* Lines that were lost before are told once something can be written again: here, behind the lines of now. */
static void tell_lost(kt__log_sink *s, kt__log_out *out, const kt__log_record *like, bool crash)
{
    kt__log_notice n;
    size_t lines = 0;
    uint64_t lost = s->lost;
    kt__log_notice_make(&n, like->time, lost, "could not be written", s->lost_rc);
    s->lost = 0;
    put(s, out, &lines, &n.record, crash);
    drain(s, out, &lines, crash);
    if (s->lost) /* the notice itself, which was counted as a line */
        s->lost = lost;
}

void kt__log_sink_put(kt__log_sink *s, kt__log_out *out, uint64_t from, uint64_t to, bool crash)
{
    const kt__log_record *r, *last = NULL;
    size_t lines = 0;
    uint64_t lost = s->lost;
    for (uint64_t position = from; (r = kt__log_ring_next(&s->log->ring, &position, to));) {
        if (!crash && atomic_load(&s->log->crash))
            return;
        if (crash && s->lost > 0 && s->lost_rc == KT_ETIMEDOUT)
            break; /* once is waiting enough */
        put(s, out, &lines, r, crash);
        last = r;
    }
    drain(s, out, &lines, crash);
    if (last && lost > 0 && s->lost == lost)
        tell_lost(s, out, last, crash);
}

void kt__log_sink_put_one(kt__log_sink *s, kt__log_out *out, const kt__log_record *r, bool crash)
{
    size_t lines = 0;
    put(s, out, &lines, r, crash);
    drain(s, out, &lines, crash);
}
