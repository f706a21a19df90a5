/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_LOG_PRIVATE_H
#define KETTLE_IO_LOG_PRIVATE_H

/* The inside of the log.
 *
 *     log_level.c   loggers and their levels
 *     log_write.c   a line becomes a record in the ring, on whatever thread
 *     log_ring.c    the ring of records
 *     log.c         opening and closing, and the thread that takes records out
 *     log_sink.c    where they go; log_file.c files that rotate, log_socket.c journal and syslog
 *     log_line.c    what a record looks like as a line; log_text.c its parts
 *     log_crash.c   the last lines of a process that dies
 *
 * What runs on the log's thread between a record and its bytes (log_line.c, log_text.c, kt__log_sink_put) allocates
 * nothing and takes no lock, so a signal handler can do it in the thread's stead. */

#include <kettle/log.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    KT__LOG_SINKS_MAX = 8,
    KT__LOG_FIELDS_MAX = 32,
    KT__LOG_WORD_MAX = 255,    /* bytes of a name, of a task's name, of an error's detail */
    KT__LOG_BATCH = 64 << 10,  /* bytes after which lines are written, and room in the ring is given back */
    KT__LOG_IDENT_MAX = 64,
};

/* ---- Records ------------------------------------------------------------------------------------ */

/* A line on its way. Its words lie behind it: name, task, detail, message, fields. */
typedef struct kt__log_record {
    _Atomic(uint32_t) size; /* in the ring, a multiple of 8; 0: it is not whole yet */
    int32_t level;          /* KT__LOG_PADDING: no line, but the rest of the ring before its start */
    int64_t time;           /* nanoseconds since 1970 */
    int32_t utc_offset;     /* seconds that local time is ahead */
    int32_t rc;
    uint32_t message_size, fields_size;
    uint16_t name_size, task_size, detail_size;
    uint16_t fields_count; /* each: a kt__log_field_head and its words */
    char words[];
} kt__log_record;

enum { KT__LOG_PADDING = -1 };

typedef struct kt__log_field_head {
    uint32_t value_size;
    uint8_t name_size;
    uint8_t kind; /* KT__LOG_TEXT, or anything else: the text is a JSON value as it stands */
} kt__log_field_head;

/* Many write, one reads; no locks. `head` and `tail` count bytes for ever; what lies at n is at n modulo size. All
 * that is outside [tail, head) is zero. */
typedef struct kt__log_ring {
    char *bytes;
    size_t size; /* a power of two */
    _Atomic(uint64_t) head, tail;
} kt__log_ring;

/* Room for a record of that many bytes with its head, to be filled in and handed over by _commit; NULL when there is
 * none. *ret_end: where it ends. */
kt__log_record *kt__log_ring_reserve(kt__log_ring *r, size_t bytes, uint64_t *ret_end);
void kt__log_ring_commit(kt__log_record *record, size_t bytes);

/* The record at *position, which moves behind it; NULL at `end` and where one is not whole yet. */
const kt__log_record *kt__log_ring_next(const kt__log_ring *r, uint64_t *position, uint64_t end);

/* The end of whole records from the tail on, not much more than `bytes_max` behind it. */
uint64_t kt__log_ring_whole(const kt__log_ring *r, size_t bytes_max);

/* Gives the room up to `end` back. */
void kt__log_ring_consume(kt__log_ring *r, uint64_t end);

/* ---- Lines (log_line.c, log_text.c) --------------------------------------------------------------- */

/* Bytes in memory that is there already; what does not fit is left out. */
typedef struct kt__log_out {
    char *bytes;
    size_t size, capacity;
} kt__log_out;

void kt__log_add(kt__log_out *o, const char *bytes, size_t size);
void kt__log_add_string(kt__log_out *o, const char *string);
void kt__log_add_number(kt__log_out *o, int64_t n, int digits_min);
void kt__log_add_safe(kt__log_out *o, const char *bytes, size_t size, bool lines); /* for people */
void kt__log_add_json(kt__log_out *o, const char *bytes, size_t size);             /* in quotes */

typedef struct kt__log_words {
    const char *name, *task, *detail, *message, *fields;
} kt__log_words;

kt__log_words kt__log_words_of(const kt__log_record *r);

typedef struct kt__log_sink kt__log_sink;

/* Appends the record as the sink wants it. */
void kt__log_line(kt__log_out *o, const kt__log_sink *s, const kt__log_record *r);

/* ---- Sinks ---------------------------------------------------------------------------------------- */

typedef struct kt__logbook kt__logbook;

struct kt__log_sink {
    kt_log_sink options;
    kt__logbook *log;
    char *path;      /* of a file, with room for its old ones' endings behind; of a socket; or NULL */
    size_t path_size;
    int descriptor;  /* -1: not open */
    bool borrowed;   /* it is not the log's to close */
    bool waits;      /* may take no bytes for a while: no regular file */
    bool terminal, coloured;
    bool torn;       /* a line was written in part */
    int64_t size;    /* of the file, so far as is known */
    int64_t rotate_at; /* second of the next one for age; INT64_MAX: none */
    uint64_t lost;   /* since the last line that was written; it is told with the next one */
    int lost_rc;
};

int kt__log_sink_open(kt__log_sink *s, const kt_log_sink *options, kt__logbook *log);
void kt__log_sink_release(kt__log_sink *s);

/* Writes the records in [from, to) by way of `out`. In a crash: no rotating, no waiting. */
void kt__log_sink_put(kt__log_sink *s, kt__log_out *out, uint64_t from, uint64_t to, bool crash);

/* One record that is not in the ring. */
void kt__log_sink_put_one(kt__log_sink *s, kt__log_out *out, const kt__log_record *r, bool crash);

/* Waits until the sink takes bytes again. False: not before the log's end, or others need the room. */
bool kt__log_wait_writable(kt__log_sink *s, bool crash);

/* A line of the log's own, of so many others: "7 lines were dropped", with an error or 0. */
typedef union kt__log_notice {
    kt__log_record record;
    char room[sizeof(kt__log_record) + 256];
} kt__log_notice;

void kt__log_notice_make(kt__log_notice *n, int64_t time, uint64_t lines, const char *what, int rc);

int kt__log_file_open(kt__log_sink *s);
void kt__log_file_reopen(kt__log_sink *s);
bool kt__log_file_due(kt__log_sink *s, const kt__log_record *r, size_t bytes_before, size_t bytes);
void kt__log_file_rotate(kt__log_sink *s, const kt__log_record *r);

/* Sends one datagram: 0, or why it is lost. */
int kt__log_socket_send(kt__log_sink *s, const char *bytes, size_t size, bool crash);
const char *kt__log_system_path(kt_log_kind *kind);

/* ---- The log -------------------------------------------------------------------------------------- */

struct kt__logbook {
    kt__log_ring ring;
    kt__log_sink sinks[KT__LOG_SINKS_MAX];
    size_t sinks_count;
    size_t message_bytes_max;
    kt_time flush_limit;
    char ident[KT__LOG_IDENT_MAX];
    kt__log_out out, crash_out; /* of the thread; of a crash */

    pthread_t thread;
    _Atomic(int) thread_id;
    int wake_fd;
    atomic_bool sleeping;       /* the thread waits for wake_fd */
    atomic_bool reopen;
    _Atomic(int64_t) stop_at;   /* when it gives up; INT64_MAX: it goes on */
    atomic_bool crash;          /* somebody else writes the rest */

    pthread_mutex_t mutex;      /* of `progress` */
    pthread_cond_t progress;    /* the tail has moved, or the thread has ended */
    bool ended;

    _Atomic(uint64_t) logged, dropped, lost, rotated;
    uint64_t dropped_told;
};

/* The open log, which stays until kt__log_leave; NULL: none, and nothing to leave. Async-signal-safe. */
kt__logbook *kt__log_enter(void);
void kt__log_leave(void);

void kt__log_wake(kt__logbook *log);
kt_time kt__log_clock(void); /* monotonic */

/* What a record is made of. */
typedef struct kt__log_draft {
    kt_slice name, task, detail;
    size_t message_size, fields_size, fields_count;
    int level, rc;
} kt__log_draft;

/* Room for it with the head and the first words filled in; the message, the fields and kt__log_commit are the
 * caller's. NULL: there was none, which is counted. Async-signal-safe. */
kt__log_record *kt__log_begin(kt__logbook *log, const kt__log_draft *d, uint64_t *ret_end);
void kt__log_commit(kt__logbook *log, kt__log_record *r);

/* Seconds that local time is ahead of UTC at that second. In a signal handler: as far as is known. */
int32_t kt__log_utc_offset(int64_t seconds, bool may_ask);

/* log_level.c: the threshold of every logger anew: with the log open, or shut. For fork: the locks. */
void kt__log_levels_open(bool open, int root_default);
void kt__log_levels_lock(void);
void kt__log_levels_unlock(void);
void kt__log_levels_forked(void);
extern kt_logger kt__log_of_library; /* "kettle"; known from kt_log_open on */

/* log_crash.c */
void kt__log_crash_take(void);
void kt__log_crash_give_back(void);

/* log_sink.c, in the child of a fork: nobody draws. */
void kt__log_around_forked(void);

#endif
