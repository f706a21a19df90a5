/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_SERVER_H
#define KT__HTTP_SERVER_H

/* What the server's files share.
 *
 *   server.c      accepts, counts, stops
 *   exchange.c    the handler's call, and what is answered in its place
 *   request.c     what a handler asks about the request; path.c decodes it
 *   answer.c      what a handler answers
 *   addresses.c   connections of one address
 *   background.c  work that outlives its request
 *   work.c        the memory of a busy connection, pooled
 *
 *   h1_connection.c  one connection of HTTP/1.1: heads, refusals, the end
 *   h1_body.c        the request's body
 *   h1_answer.c      its answers; compose.c writes heads, send.c sends
 *   h1_sendfile.c    files without copies
 *   h1_upgrade.c     the connection becomes another protocol's
 *
 *   filter_out.c, filter_in.c  between the two: compression
 *   events.c, assets.c   on top of the public functions and of answer.c
 *
 * While a connection is idle it owns its stream, this file's kt__http_conn, and a task whose stack
 * serves as read buffer. With the first byte of a request it borrows a kt__http_work. */

#include <kettle/callback.h>
#include <kettle/group.h>
#include <kettle/http.h>
#include <kettle/sync.h>
#include <netinet/in.h>
#include <time.h>

#include "http/parser.h"

/* Input buffer of a work; it grows for large heads only. */
#define KT__HTTP_IN_BYTES ((size_t)16 * 1024)
/* Room behind the head for a body that comes in pieces: a trailer section that the parser holds back
 * (its limit and one line end) and some bytes of data. */
#define KT__HTTP_BODY_ROOM ((size_t)12 * 1024 + 512)
/* Of a body that the handler left, this much is skipped for the sake of the connection. */
#define KT__HTTP_SKIP_BYTES ((size_t)64 * 1024)
/* Small answers are held back for company up to this size. */
#define KT__HTTP_HOLD_BYTES ((size_t)32 * 1024)
/* For the answer of a handler that a stop has given up: time enough for a client that reads. */
#define KT__HTTP_LAST_TIME KT_MS(500)
/* For the rest of a head when the server stops: so much as a segment needs that was lost (RFC 6298 section 2). */
#define KT__HTTP_LAST_HEAD KT_S(1)
#define KT__HTTP_PEER_BYTES 128
#define KT__HTTP_REFUSAL_BYTES 256
/* Of a request's trailers, what is more is forgotten. */
#define KT__HTTP_TRAILER_BYTES ((size_t)8 * 1024)
#define KT__HTTP_DATE_BYTES 37 /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */
#define KT__HTTP_ARENA_BYTES 1024
#define KT__HTTP_ADDRESSES 256u /* places of the table; a power of 2 */
#define KT__HTTP_SEEN 32u /* places for files that were looked at in this pass */
/* What a large answer goes through. */
#define KT__HTTP_BUFFER_BYTES ((size_t)64 * 1024)
#define KT__HTTP_SPARE_BUFFERS 32u

typedef struct kt__http_conn kt__http_conn;
typedef struct kt__http_work kt__http_work;
typedef struct kt__http_job kt__http_job;

/* The line with the current date, made once a second. */
typedef struct kt__http_date {
    time_t second;
    char line[KT__HTTP_DATE_BYTES + 1];
} kt__http_date;

/* One kt_http_serve, on its stack. */
typedef struct kt__http_server {
    kt_http_options o;    /* with the defaults filled in */
    kt_slice name;        /* of o, without blanks at its ends; empty: none */
    kt__http_limits limits;
    kt_http_handler handler;
    void *arg;
    size_t in_bytes_max;  /* an input buffer of this size holds every head within the limits */
    kt_group *group;      /* of the connections' tasks */
    kt__http_conn *conns; /* all, also those whose task has not begun */
    kt_semaphore slots;   /* what is left of connections_max */
    kt_event empty;       /* set while there is no connection, nor work in the background */
    kt__http_job *jobs;   /* in the background */
    size_t job_count;
    kt__http_work *spare; /* works that nobody uses */
    size_t spare_count;
    struct kt__h2_stream *spare_streams; /* of HTTP/2, the same */
    size_t spare_stream_count;
    kt_buffer spare_buffers[KT__HTTP_SPARE_BUFFERS];
    size_t spare_buffer_count;
    kt__http_conn *addresses[KT__HTTP_ADDRESSES];
    kt__http_date date;
    struct kt__found *seen[KT__HTTP_SEEN];
    kt_callback seen_ends; /* pending while there are any */
    kt_callback hang_ups; /* looks for clients of HTTP/1.1 that are gone, while handlers run */
    struct kt_websocket_hub *leaving; /* of WebSockets that a stop says good-bye to; NULL before */
    bool stopping;
} kt__http_server;

/* Who goes on with a connection of HTTP/1.1 when its handler has returned, without its task. These do not suspend;
 * kt__http_conn_end, in a task, ends it. */
typedef struct kt__http_guest {
    void (*begin)(struct kt__http_guest *g); /* the task is over: the stream is the guest's */
    void (*stop)(struct kt__http_guest *g);  /* the server stops, which may come before `begin` */
    void (*cut)(struct kt__http_guest *g);   /* the grace period is over: it must end now */
} kt__http_guest;

/* A client's address in few bytes, since idle connections have it. */
typedef struct kt__http_address {
    uint8_t bytes[16]; /* of IPv4 the first 4 */
    uint32_t scope;
    in_port_t port;    /* as it is sent */
    uint8_t family;    /* AF_INET, AF_INET6; 0: another, whose stream is asked when somebody asks */
} kt__http_address;

/* One connection; lives until its task ends, or its guest ends it. */
struct kt__http_conn {
    kt__http_server *server;
    kt__http_conn *next, **link; /* in the server's list */
    kt__http_conn *address_next, **address_link; /* of those whose addresses meet; NULL: not counted */
    kt__http_address address;
    kt_task *task;           /* NULL once the guest has it */
    kt__http_guest *guest;   /* that has announced itself, or NULL */
    kt_stream *stream;
    kt__http_work *work;     /* NULL while idle, and while another protocol has the stream */
    kt_group *group;         /* of the flusher, in the task's frame */
    kt_lock writing;         /* held while `out` is changed or sent */
    kt_event flush_wanted;   /* wakes the flusher */
    kt_time head_deadline;   /* of the head being read; 0: not yet set */
    uint32_t requests;       /* begun */
    int write_rc;            /* the first failure of a write; nothing is sent after it */
    kt_http_exchange *x;     /* whose handler runs */
    struct kt__h2 *h2;       /* while it speaks that */
    char *peer;              /* NULL until somebody asks */
    uint32_t seen;           /* request whose handler ran already when hang-ups were looked for */
    bool has_flusher;
    bool idle;               /* waits where nobody minds being cut off */
    bool in_head;            /* waits for the rest of a head */
    bool events;             /* by HTTP/1.1: runs a stream of events */
    bool handling;           /* by HTTP/1.1: the handler runs */
    bool gone;               /* the client, and so the handler was cancelled */
    bool is_h2;              /* it speaks HTTP/2 */
    bool linger;             /* the client may still be sending: see linger() */
};

enum {
    KT__HTTP_NEW,     /* no answer yet */
    KT__HTTP_STARTED, /* between start and finish */
    KT__HTTP_DONE,
};

/* Memory that exchanges allocate. */
typedef struct kt__http_block {
    struct kt__http_block *next;
    max_align_t bytes[];
} kt__http_block;

/* What an exchange's handler asks for. */
typedef struct kt__http_arena {
    kt__http_block *blocks;
    max_align_t *small; /* of `size` units, for small blocks; NULL without */
    size_t size, used;
} kt__http_arena;

/* What an exchange has of memory. */
typedef struct kt__http_memory {
    kt_buffer fields; /* header lines that the handler added */
    kt_buffer body;   /* read_all's */
    kt_buffer event;  /* being composed */
    kt_buffer coded;  /* what became of an answer that is compressed */
    struct kt__encoder *encoder; /* of the answer; NULL: none */
    struct kt__decoder *decoder; /* of the request's body; NULL: none */
    struct kt__http_filter *filter; /* the exchange's, among the blocks; NULL: none */
    kt_buffer trailers; /* lines that the handler added */
    kt_buffer received; /* trailers of the request, as lines */
    kt__http_arena arena;
} kt__http_memory;

typedef struct kt__http_answer kt__http_answer;

/* How an exchange speaks to its client: a protocol. What these do, and their errors, is said of kt_http_respond and so
 * on, who have checked state and arguments; on success `respond` and `start` set state and status, `finish` the state.
 * `write` is not called for answers without content. */
typedef struct kt__http_backend {
    int (*respond)(kt_http_exchange *x, kt__http_answer *a, const void *bytes, size_t size);
    int (*start)(kt_http_exchange *x, kt__http_answer *a);
    int (*write)(kt_http_exchange *x, const void *bytes, size_t size);
    int (*flush)(kt_http_exchange *x);
    int (*finish)(kt_http_exchange *x);
    int (*sendfile)(kt_http_exchange *x, int fd, int64_t offset, int64_t size); /* of a sized answer; NULL: cannot */
    ssize_t (*read)(kt_http_exchange *x, void *buffer, size_t size);
    int (*read_all)(kt_http_exchange *x, size_t size_max, kt_slice *ret_body);
    bool (*client_closed)(const kt_http_exchange *x);
    kt_slice (*upgrade_asked)(const kt_http_exchange *x);
    int (*upgrade)(kt_http_exchange *x, const char *protocol, kt_stream **ret_stream);
} kt__http_backend;

struct kt_http_exchange {
    const kt__http_backend *back;
    kt__http_conn *c;
    kt__http_work *w; /* NULL once it is upgraded */
    kt__http_memory *m; /* read-only and empty once it is upgraded */
    kt__http_arena *arena;
    kt__http_head head;  /* the parser's, so that its slices can be moved along with the bytes */
    kt_slice path;       /* decoded */
    kt_slice pending;    /* body bytes that the parser has passed and nobody has taken */
    uint64_t left;       /* of a body with a length: bytes that the parser has not seen */
    uint64_t body_bytes; /* received */
    kt_time body_waited; /* for it */
    uint64_t bytes_sent;
    uint64_t owed;       /* of a sized answer: bytes that are not written yet */
    kt_time started;
    const char *fail_reason;
    int fail_status;     /* what the library refuses this request with; 0 for nothing */
    int status;          /* of the answer */
    int body_rc;         /* why the body can be read no further */
    uint8_t state;
    bool body_done;
    bool continued;      /* 100 was sent, or need not be */
    bool head_sent;      /* of the answer; by HTTP/1.1 */
    bool bodiless;       /* the answer has no content: HEAD, 204, 205, 304 */
    bool chunked;
    bool to_the_end;     /* of the connection is that of the answer */
    bool sized;          /* between start and finish: with a known length, which `owed` counts down */
    bool keep;           /* the connection goes on after this answer */
    bool may_hold;       /* another request has been received: a small answer may wait for its */
    bool is_events;
    bool outlives;       /* the handler goes on without its client */
    kt_timeout *limit;   /* the deadline, while the handler runs */
    struct kt_websocket *ws; /* that it has become, while its handler has it */
};

/* What a connection needs between the first byte of a request and the last of its answer.
 * Input: in[at..end) are bytes that the parser has not consumed; in[head_at..body_at) is the head of
 * the running exchange, which does not move until it ends. */
struct kt__http_work {
    kt__http_work *next;
    char *in;
    size_t in_capacity, head_at, body_at, at, end;
    kt_buffer out;    /* composed and not sent */
    kt__http_memory m;
    kt__http_parser parser;
    kt_http_exchange x;
    max_align_t arena[KT__HTTP_ARENA_BYTES / sizeof(max_align_t)];
    kt__http_header headers[];
};

/* An exchange that may be upgraded, apart from the work, so that it and its request outlive that. Its buffers are the
 * work's until then. */
typedef struct kt__http_kept {
    kt_http_exchange x;
    kt__http_arena arena;
    kt__http_header headers[]; /* then the head's bytes */
} kt__http_kept;

/* ---- server.c */

/* Says so if nothing is left that a stop waits for. */
void kt__http_tell_empty(kt__http_server *s);
/* Ends a connection: closes what it has and forgets it. Also for one whose task never ran. */
void kt__http_conn_end(kt__http_conn *c);

/* ---- exchange.c */

/* Notes why a request is at fault; the first one counts. */
void kt__http_fault(kt_http_exchange *x, int status, const char *reason);
/* "400 Bad Request: why\n" for whoever reads the answer. Returns its size. */
size_t kt__http_refusal_text(char text[KT__HTTP_REFUSAL_BYTES], int status, const char *reason);
/* Tells the log hook, if there is one. */
void kt__http_log(kt_http_exchange *x, kt_http_record *r);
/* Calls the handler, unless `rc` says that it should not come to that, and completes the answer. */
void kt__http_handle(kt_http_exchange *x, int rc);

/* ---- h1_connection.c: the task of one connection; its argument is a kt__http_conn **. */

int kt__http_connection(void *arg);
/* Lets the client notice that the connection is about to be closed. Suspends. */
void kt__http_linger(kt__http_conn *c);
/* What a task of a server returns: a failure would end its group, and with it the server. */
int kt__http_over(void);
/* Sees to it that clients that go away are noticed while handlers run. */
void kt__http_watch_hang_ups(kt__http_server *s);
/* Has the client ended its side? */
bool kt__http_hung_up(const kt__http_conn *c);

extern const kt__http_backend kt__h1_backend;

/* ---- addresses.c */

/* Notes the client's address, and counts a connection to those of it. False if they are too many already. */
bool kt__http_address_enter(kt__http_conn *c);
void kt__http_address_leave(kt__http_conn *c);
/* The client's address and its size; 0 if the system does not tell. */
socklen_t kt__http_address_of(const kt__http_conn *c, struct sockaddr_storage *ret_address);

/* ---- background.c */

/* Cancels what is left in the background, and waits for it. */
void kt__http_jobs_end(kt__http_server *s);

/* ---- work.c */

/* A work with a fresh parser; NULL without memory. */
kt__http_work *kt__http_work_take(kt__http_server *s);
void kt__http_work_give(kt__http_server *s, kt__http_work *w);
void kt__http_works_free(kt__http_server *s);
/* Sees to it that an empty buffer has room for KT__HTTP_BUFFER_BYTES. 0, -ENOMEM. */
int kt__http_buffer_take(kt__http_server *s, kt_buffer *b);
/* Takes the buffer's memory away. Some is kept: malloc gives such pieces back to the system, and to have them mapped
 * and cleared again costs more than to fill them. */
void kt__http_buffer_give(kt__http_server *s, kt_buffer *b);
void kt__http_buffers_free(kt__http_server *s);
/* Empties it, and frees its memory if that is more than `keep` bytes. */
void kt__http_shrink(kt_buffer *b, size_t keep);
/* Forgets one exchange's memory, but for buffers that may serve the next. */
void kt__http_memory_clear(kt__http_memory *m);
/* Frees all of it. */
void kt__http_memory_release(kt__http_memory *m);
void kt__http_arena_clear(kt__http_arena *a);
/* Makes slices of a head that lay in [from, from + head_bytes) point to the same place of `to`. */
void kt__http_head_move(kt__http_head *head, kt__http_header *headers, uintptr_t from, size_t head_bytes, char *to);
/* Makes room behind in[end] for reading more of a head: moves the bytes to the front, or grows.
 * 0, -ENOMEM, KT_ELIMIT. */
int kt__http_work_room(kt__http_work *w, size_t bytes_max);
/* Sees to it that a body can be read piecewise behind x's head; its slices move along. 0, -ENOMEM. */
int kt__http_work_body_room(kt__http_work *w, kt_http_exchange *x);

/* ---- files_seen.c */

void kt__seen_forget(kt__http_server *s);

/* ---- h1_upgrade.c */

kt_slice kt__h1_upgrade_asked(const kt_http_exchange *x);
int kt__h1_upgrade(kt_http_exchange *x, const char *protocol, kt_stream **ret_stream);

/* ---- h1_sendfile.c */

int kt__h1_sendfile(kt_http_exchange *x, int fd, int64_t offset, int64_t size);

/* Does the request ask for another protocol, so that its exchange must be kept? */
bool kt__http_may_upgrade(const kt__http_head *head);
/* A copy of x, with its head, that needs no work for being read. NULL without memory. */
kt__http_kept *kt__http_keep(const kt_http_exchange *x);
void kt__http_kept_free(kt__http_kept *k);

/* ---- websocket_kept.c */

/* The server stops: says so to the peer of a WebSocket that the exchange's handler has. In a task. Does not suspend. */
void kt__ws_server_stops(kt_http_exchange *x);

/* ---- path.c */

/* Decodes percent escapes of `raw` into `out` (raw.size bytes are enough). Returns the size, or
 * -EINVAL for a broken escape or %00. */
enum {
    KT__HTTP_KEEP_SLASH = 1, /* %2F stays */
    KT__HTTP_PLUS = 2,       /* "+" is a space */
};
ssize_t kt__http_unescape(kt_slice raw, unsigned how, char *out);
/* Fills x->path. 0; -EINVAL, -ENOMEM with the fault noted. */
int kt__http_path_decode(kt_http_exchange *x);

/* ---- request.c */

/* How long the next piece of the body may take, the rate being what it is. */
kt_time kt__http_body_patience(const kt_http_exchange *x);
/* As kt_http_peer, which cannot say so when there is no memory. 0, -ENOMEM. */
int kt__http_peer(const kt_http_exchange *x, const char **ret_peer);
/* Adds "name: value" to the request's trailers; what is too much is forgotten. 0, -ENOMEM. */
int kt__http_trailer_take(kt__http_memory *m, kt_slice name, kt_slice value);

/* Notes that the body is longer than the handler wants, and returns KT_ELIMIT. */
int kt__http_too_long(kt_http_exchange *x, size_t size_max);

/* ---- h1_body.c */

ssize_t kt__h1_read(kt_http_exchange *x, void *buffer, size_t size);
int kt__h1_read_all(kt_http_exchange *x, size_t size_max, kt_slice *ret_body);

/* Skips what is left of the body. True if the message is complete and another may follow. */
bool kt__http_body_skip(kt_http_exchange *x);
/* Might the rest of the body be skipped? Asked before the answer says whether it keeps open. */
bool kt__http_body_skippable(const kt_http_exchange *x);

/* ---- compose.c */

/* The head of an answer. */
struct kt__http_answer {
    int status;
    kt_slice content_type; /* without blanks at its ends; empty: none */
    enum { KT__HTTP_HAS_LENGTH, KT__HTTP_HAS_CHUNKS, KT__HTTP_TO_THE_END, KT__HTTP_EMPTY } framing;
    uint64_t length;
    bool keep;
    int minor; /* of the request */
    const char *upgrade; /* the protocol that follows, or NULL */
};

/* Appends the head to the work's `out`, with room for `extra` more bytes. 0, or -ENOMEM and nothing
 * is appended. The caller holds c->writing. */
int kt__http_compose(kt_http_exchange *x, const kt__http_answer *a, size_t extra);
/* Writes n in decimal at p and returns the end; 20 bytes at most. */
char *kt__http_put_decimal(char *p, uint64_t n);
/* Writes n in hexadecimal; 16 bytes at most. */
char *kt__http_put_hex(char *p, uint64_t n);
/* The date line, KT__HTTP_DATE_BYTES long. */
const char *kt__http_date_line(kt__http_date *d);
/* Makes the line for a given second. */
void kt__http_date_make(kt__http_date *d, time_t second);

/* ---- answer.c */

/* Appends "name: value\r\n", without the blanks at the value's ends: a field has none there (RFC 9110 section 5.5), and
 * HTTP/2 takes them for malformed (RFC 9113 section 8.2.1). 0; -EINVAL for what would break the message or is not the
 * caller's to set; -ENOMEM, KT_ELIMIT. */
int kt__http_header_put(kt_buffer *b, const char *name, const char *value);

/* ---- events.c */

/* Appends an event as it is sent. -EINVAL, -ENOMEM, KT_ELIMIT; then a part of it may have been appended. */
int kt__http_event_put(kt_buffer *b, const char *event, const char *id, const void *data, size_t size);

/* ---- send.c */

/* Writes the pieces (at most 4), which are changed. 0, or the error; the caller holds c->writing. */
int kt__http_write_watched(kt__http_conn *c, struct iovec *pieces, size_t count);
/* Sends `out`, then the pieces (at most 3). The caller holds c->writing. 0, or the error, which is
 * kept: nothing can be sent after it. */
int kt__http_send(kt__http_conn *c, const struct iovec *pieces, size_t count);
/* Takes the lock and sends what is composed. */
int kt__http_send_out(kt__http_conn *c);
/* Sees to it that `out` is sent when the handler waits: answers may be held back afterwards.
 * 0, or an error. At the connection's own level only, where no scope of a handler is open. */
int kt__http_flusher_start(kt__http_conn *c);

#endif
