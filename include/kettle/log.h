/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_LOG_H
#define KETTLE_LOG_H

/* The program's log: levels, named loggers, lines for people or machines, and a thread of its own that writes
 * them, so that a slow disk or a stopped terminal never holds up a loop.
 *
 *     static kt_logger web = KT_LOGGER("shop.web");
 *
 *     int main(void)
 *     {
 *         int rc = kt_log_open(NULL);                 // lines of INFO and above to standard error
 *         if (rc < 0)
 *             return 1;
 *         kt_log_info(&web, "port %d is open", 8000);
 *         rc = -ENOENT;
 *         kt_log_failure(&web, rc, "cannot read the menu");
 *         kt_log_close();                             // writes what is left
 *     }
 *
 *     2026-11-25 17:14:48,123 - shop.web - INFO - port 8000 is open
 *     2026-11-25 17:14:48,123 - shop.web - ERROR - cannot read the menu: No such file or directory (ENOENT)
 *
 * There is one log a process, as there is one standard error. Any thread may log, in a task or not, with a loop or
 * without; a line never suspends, never waits for the disk, and allocates nothing. It is copied into a buffer of
 * fixed size; when that is full the line is dropped and counted, and a line tells how many once there is room again.
 * Nothing is written before kt_log_open and after kt_log_close: lines then cost a load and a branch, as those do
 * whose level is off.
 *
 * The library itself logs nothing. What it has to say goes to the program's hook (kt_log_hook in error.h), which
 * kt_log_hook_bridge turns into log lines.
 *
 * After fork(2) the child's log is closed: what the parent had in its buffer the parent writes. */

#include <kettle/error.h>

KT_BEGIN

/* ---- Levels and loggers ---------------------------------------------------------------------- */

/* Python's numbers. A level of one's own may be any number between. */
enum {
    KT_LOG_DEFAULT = 0, /* as the logger above; of the root: KT_LOG_INFO */
    KT_LOG_DEBUG = 10,
    KT_LOG_INFO = 20,
    KT_LOG_WARNING = 30,
    KT_LOG_ERROR = 40,
    KT_LOG_CRITICAL = 50,
    KT_LOG_OFF = 100, /* no line at all */
};

/* A named source of lines, in static storage or what outlives its use. Names are words joined by dots: "shop.web" is
 * below "shop", which is below the root, "". A logger without a level of its own has that of the nearest one
 * above with one. Loggers of the same name are as one. */
typedef struct kt_logger {
    const char *name;
    int threshold; /* private: lines below cost nothing; 0: not known yet */
    int reserved;
    struct kt_logger *next;
    void *reserved_too;
} kt_logger;

#define KT_LOGGER(logger_name) {(logger_name), 0, 0, NULL, NULL}

/* Takes a logger out of the list of all that have been used, before its storage goes; one in static storage of a
 * program never needs it. It may be used again. Any thread; does not suspend. */
KT_API void kt_logger_release(kt_logger *l);

/* Sets the level of the logger `name` and of those below that have none of their own; "" is the root.
 * KT_LOG_DEFAULT takes it away. The name is copied. Levels outlast kt_log_close.
 * 0; -ENOMEM; -EINVAL for a level below 0. Any thread; does not suspend. Like Logger.setLevel. */
KT_API int kt_log_level_set(const char *name, int level) KT_CHECKED;

/* Sets levels as a user writes them: "debug", or "info,shop.web=debug,shop.db=off". Case does not count.
 * 0; -ENOMEM; KT_EVALIDATION, with the word in kt_error_detail: then nothing has changed. Any thread; does not
 * suspend. */
KT_API int kt_log_levels_set(const char *text) KT_CHECKED;

/* The level in force for a name: that of the nearest logger above with one. Like Logger.getEffectiveLevel. */
KT_API int kt_log_level(const char *name);

/* "DEBUG", ..., "CRITICAL"; for a number between, the one below it; "NOTSET" below DEBUG. Static. */
KT_API const char *kt_log_level_name(int level);

/* Private: the first use of a logger. */
KT_API bool kt__logger_meet(kt_logger *l, int level);

/* Would a line of this level be written? One load and a branch when not. Any thread. Like Logger.isEnabledFor. */
static inline bool kt_log_enabled(kt_logger *l, int level)
{
    int threshold = __atomic_load_n(&l->threshold, __ATOMIC_RELAXED);
    return level >= threshold && (threshold != 0 || kt__logger_meet(l, level));
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* Something that a line says by name: "fields" in JSON, name=value in text. */
typedef struct kt_log_field {
    const char *name;
    int kind; /* private: what the value is */
    int64_t integer;
    double real;
    const char *text;
} kt_log_field;

enum { KT__LOG_TEXT, KT__LOG_INTEGER, KT__LOG_REAL, KT__LOG_BOOL };

/* Values of fields; text may be NULL. All of them are copied by the call that logs. */
static inline kt_log_field kt_log_text(const char *name, const char *text)
{
    kt_log_field f = {name, KT__LOG_TEXT, 0, 0, text};
    return f;
}

static inline kt_log_field kt_log_integer(const char *name, int64_t integer)
{
    kt_log_field f = {name, KT__LOG_INTEGER, integer, 0, NULL};
    return f;
}

static inline kt_log_field kt_log_real(const char *name, double real)
{
    kt_log_field f = {name, KT__LOG_REAL, 0, real, NULL};
    return f;
}

static inline kt_log_field kt_log_bool(const char *name, bool yes)
{
    kt_log_field f = {name, KT__LOG_BOOL, yes, 0, NULL};
    return f;
}

/* What a line may have besides its message. All zero: nothing. */
typedef struct kt_log_extra {
    int rc;                     /* an error below 0: its name and text, and what kt_error_detail says */
    const kt_log_field *fields; /* or NULL */
    size_t fields_count;        /* those beyond the first 32 are left out */
} kt_log_extra;

/* Logs a line; `extra` may be NULL. The line carries the time, the running task's name, and what is given here; its
 * message is cut at kt_log_options.message_bytes_max. Use the macros below, which evaluate their arguments only
 * when the level is on. Any thread, not in a signal handler; does not suspend, does not fail. Like Logger.log. */
KT_API void kt_log_write(kt_logger *l, int level, const kt_log_extra *extra, const char *format, ...)
    KT_PRINTF(4, 5);

#define kt_log_at(logger, level, extra, ...) \
    (kt_log_enabled((logger), (level)) ? kt_log_write((logger), (level), (extra), __VA_ARGS__) : (void)0)

/* kt_log_info(&web, "%zu bytes", size): printf's format, checked by the compiler; no line end. */
#define kt_log_debug(logger, ...) kt_log_at(logger, KT_LOG_DEBUG, NULL, __VA_ARGS__)
#define kt_log_info(logger, ...) kt_log_at(logger, KT_LOG_INFO, NULL, __VA_ARGS__)
#define kt_log_warning(logger, ...) kt_log_at(logger, KT_LOG_WARNING, NULL, __VA_ARGS__)
#define kt_log_error(logger, ...) kt_log_at(logger, KT_LOG_ERROR, NULL, __VA_ARGS__)
#define kt_log_critical(logger, ...) kt_log_at(logger, KT_LOG_CRITICAL, NULL, __VA_ARGS__)

/* An error with its code and its detail in words: kt_log_failure(&web, rc, "cannot open %s", path) ends the line with
 * ": No such file or directory (ENOENT: what kt_error_detail says)". Like Logger.exception. */
#define kt_log_failure(logger, code, ...) \
    (kt_log_enabled((logger), KT_LOG_ERROR) ? kt__log_failure((logger), (code), __VA_ARGS__) : (void)0)
KT_API void kt__log_failure(kt_logger *l, int rc, const char *format, ...) KT_PRINTF(3, 4);

/* ---- Where lines go -------------------------------------------------------------------------- */

typedef enum kt_log_kind {
    KT_LOG_STDERR,     /* descriptor 2 */
    KT_LOG_DESCRIPTOR, /* kt_log_sink.descriptor, which stays the program's and open until kt_log_close */
    KT_LOG_FILE,       /* kt_log_sink.path, appended to, made with mode 0640 if it is not there; -ENXIO for a FIFO
                        * that nobody reads */
    KT_LOG_JOURNAL,    /* systemd's journal, by its native protocol: /run/systemd/journal/socket, or path */
    KT_LOG_SYSLOG,     /* datagrams as syslog(3) sends: /dev/log, or path */
    KT_LOG_SYSTEM,     /* the journal if there is one, else syslog */
} kt_log_kind;

typedef enum kt_log_form {
    KT_LOG_LINES, /* time - name - LEVEL - message; further lines of a message are indented by four spaces */
    KT_LOG_JSON,  /* an object a line: time, level, name, message; task, error, detail, fields if there are any */
} kt_log_form;

typedef enum kt_log_colour {
    KT_LOG_COLOUR_AUTO, /* on a terminal, unless NO_COLOR is set or TERM is "dumb" */
    KT_LOG_COLOUR_NEVER,
    KT_LOG_COLOUR_ALWAYS,
} kt_log_colour;

/* One place for lines; all zero is standard error in the usual form.
 *
 * Text is made safe for whoever reads it: control characters are written as \x1b, bytes that are no UTF-8 become
 * U+FFFD. A file rotates before the line that would make it larger than rotate_bytes, and with the first line after
 * each multiple of rotate_every in local time (24 h: at midnight). Rotating renames: path.1 is the newest of `keep` old
 * ones, and whoever reads finds each line in one file. One process writes a file at a time. */
typedef struct kt_log_sink {
    kt_log_kind kind;
    kt_log_form form;
    int level;        /* lines below do not go here; 0: all */
    int descriptor;   /* of KT_LOG_DESCRIPTOR */
    const char *path; /* copied */
    bool tasks;       /* also in the form of lines: [task's name] before the message */
    bool utc;         /* time as 2026-11-25T17:14:48.123Z, not local; periods of rotate_every begin by it, too */
    kt_log_colour colour;
    int64_t rotate_bytes; /* 0: never for its size */
    kt_time rotate_every; /* 0: never for its age; otherwise at least a second */
    unsigned keep;        /* old files; 0 = 5; at most 999 */
} kt_log_sink;

/* All zero: the defaults. */
typedef struct kt_log_options {
    int level;                /* of the root, unless it has been set; 0 = KT_LOG_INFO */
    const kt_log_sink *sinks; /* copied; none: standard error */
    size_t sinks_count;       /* at most 8 */
    size_t buffer_bytes;      /* lines that wait to be written; 0 = 1 MiB; 16 KiB to 1 GiB, a power of two */
    size_t message_bytes_max; /* of one line, and of its fields; 0 = 8 KiB; at most 64 KiB and 1/8 of the buffer */
    kt_time flush_limit;      /* how long kt_log_close, exit(3) and a crash wait at most; 0 = 2 s */
    const char *ident;        /* for journal and syslog, copied; NULL: the program's name */

    /* Takes SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT, writes what is in the buffer, and goes on to whoever had them
     * before. On the alternate stack where the thread has one, as a loop's has. */
    bool crash_flush;
} kt_log_options;

/* Opens the log and starts its thread; NULL options mean the defaults. exit(3) writes what is left, _exit(2) does not.
 * 0; -ENOMEM; KT_EINVALIDSTATE if it is open; -EINVAL for an option out of its range, with its name in
 * kt_error_detail; the system's errors of a file that cannot be opened, or a thread that cannot be made. A journal or
 * syslog that is not there is no error: it is tried again with the next line. Any thread; opens files, and so may
 * block: before the loop. Does not suspend. */
KT_API int kt_log_open(const kt_log_options *options) KT_CHECKED;

/* Writes what is left, within flush_limit, and ends the log; where it is not open it does nothing. Any thread, once
 * no other logs any more or whose lines may be lost; blocks, does not suspend. Like logging.shutdown. */
KT_API void kt_log_close(void);

/* Waits until every line logged before the call is written, handed to the kernel, or counted as lost.
 * 0; KT_ETIMEDOUT after `limit`; KT_ENOTRUNNING when the log is not open. Blocks the thread and does not
 * suspend: in a task call it by kt_thread_run. */
KT_API int kt_log_flush(kt_time limit) KT_CHECKED;

/* Opens files again by their paths, with the next lines: after logrotate(8) has moved them, say on SIGHUP. Any
 * thread, also in a signal handler; does not suspend. */
KT_API void kt_log_reopen(void);

/* Counts since kt_log_open. */
typedef struct kt_log_counts {
    uint64_t logged;  /* lines that came into the buffer */
    uint64_t dropped; /* that did not, for want of room */
    uint64_t lost;    /* that a sink could not write: a full disk, no syslog; each sink counts */
    uint64_t rotated; /* files */
} kt_log_counts;

/* Fills in the counts, all zero when the log is not open. Any thread; does not suspend. */
KT_API void kt_log_counts_get(kt_log_counts *ret_counts);

/* A hook for kt_log_hook_set: the library's messages become lines of the logger "kettle", of level WARNING, or CRITICAL
 * when the message is the last one before an abort. Waits until the line is written, at most flush_limit, since
 * such a message may be the last. When the log is not open it writes to standard error as the default hook does.
 * Async-signal-safe. Does not suspend. */
KT_API void kt_log_hook_bridge(const char *message);

/* Calls before(arg) ahead of, and after(arg) behind, each run of lines that goes to a terminal, so that a progress
 * bar can clear its line and draw it again. On the log's thread; neither may log or call this. Between the two the
 * bar must not draw: let `before` lock a mutex that `after` unlocks, and who draws on a loop's thread try it and
 * skip the picture. The bars of terminal.h do this by themselves, from the first kt_progress_start on. One pair at
 * a time: a new one replaces the old, NULLs are nobody. When the call returns, the pair before it is not running
 * any more. Also while the log is not open. Any thread; waits for the pair before it, does not suspend. */
KT_API void kt_log_around(void (*before)(void *arg), void (*after)(void *arg), void *arg);

KT_END

#endif
