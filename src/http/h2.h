/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_H2_H
#define KT__HTTP_H2_H

/* The server's side of HTTP/2 (RFC 9113), for the same handlers.
 *
 *   h2_connection.c  one connection: its reader, its writer, its end
 *   h2_watch.c       looks at frames as they come, for what costs us and not the client
 *   h2_session.c     nghttp2: the only file that knows the library
 *   h2_stream.c      a stream: its memory, its task, its request as text
 *   h2_answer.c      answers and bodies: what an exchange calls
 *   h2_upgrade.c     a stream as a kt_stream (RFC 8441)
 *
 * The connection's task reads and feeds the session; each request is a task of its own; a third kind writes. Whoever
 * has something to say puts it into the session and calls kt__h2_pump, which turns it into bytes in `out`: that is
 * memory only and never waits. The writer sends them; since it is woken once and runs after those who are ready, what
 * several of them have composed leaves in one write. */

#include "http/server.h"

struct nghttp2_session;

enum { /* RFC 9113 section 7 */
    KT__H2_NO_ERROR = 0,
    KT__H2_PROTOCOL_ERROR = 1,
    KT__H2_INTERNAL_ERROR = 2,
    KT__H2_STREAM_CLOSED = 5,
    KT__H2_FRAME_SIZE_ERROR = 6,
    KT__H2_REFUSED_STREAM = 7,
    KT__H2_CANCEL = 8,
    KT__H2_ENHANCE_YOUR_CALM = 11,
};

#define KT__H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define KT__H2_PREFACE_BYTES 24u
/* Composed and not yet being written: when there is more, whoever composes waits. */
#define KT__H2_OUT_BYTES ((size_t)64 * 1024)

/* ---- h2_watch.c ------------------------------------------------------------------------------ */

#define KT__H2_IDS 256u
#define KT__H2_RESET_IDS 128u /* more than there are streams at once */

/* A bucket of tokens. */
typedef struct kt__h2_budget {
    uint32_t left, max, per_second;
    kt_time at;
} kt__h2_budget;

/* Is this stream of the client's open, on either side? */
typedef bool kt__h2_has_stream(void *arg, uint32_t id);

/* In the caller's storage. Pure: it sees bytes and times, asks for streams that it has forgotten, and does nothing. */
typedef struct kt__h2_watch {
    kt__h2_budget frames;    /* that carry nothing for a request */
    kt__h2_budget resets;    /* of streams: received, and caused */
    uint32_t block_bytes_max; /* of HEADERS and its CONTINUATIONs together */
    uint32_t preface_left, payload_left;
    uint8_t header[9];
    uint8_t header_size;
    bool in_block;           /* of headers, whose end has not come */
    bool block_ends;         /* with the payload under way */
    bool pads;               /* DATA, the length of whose padding comes next */
    uint32_t block_id;       /* its stream */
    uint32_t block_bytes, continuations;
    uint32_t last_id;
    uint32_t ids[KT__H2_IDS]; /* at (id / 2) % KT__H2_IDS the last stream opened there, twice its id, and 1 if ended */
    kt__h2_has_stream *has_stream;
    void *arg;
    uint32_t reset_ids[KT__H2_RESET_IDS]; /* the last streams that we have reset, in a ring; 0: none */
    uint32_t reset_count;
    const char *reason;      /* of a verdict */
} kt__h2_watch;

void kt__h2_watch_init(kt__h2_watch *w, uint32_t block_bytes_max, kt__h2_has_stream *has_stream, void *arg,
                       kt_time now);
/* Looks at what was received. How many bytes may be fed to the session: those up to the end of the first head, or to a
 * frame for which it is to be asked, or all; or those before the frame that is at fault, none where that has begun in
 * an earlier read; then *ret_verdict is the error to end the connection with, otherwise KT__H2_NO_ERROR. They are fed
 * before the watch sees the next ones. */
size_t kt__h2_watch_see(kt__h2_watch *w, const void *bytes, size_t size, kt_time now, int *ret_verdict);
/* We have reset a stream; for an error, the client has made us. False when it has done so too often. */
bool kt__h2_watch_reset(kt__h2_watch *w, uint32_t id, uint32_t error, kt_time now);
/* A frame of DATA was sent: the client may say that it has read it. */
void kt__h2_watch_sent(kt__h2_watch *w);

/* ---- Types ----------------------------------------------------------------------------------- */

typedef struct kt__h2 kt__h2;
typedef struct kt__h2_stream kt__h2_stream;

/* One connection. */
struct kt__h2 {
    kt__http_conn *c;
    struct nghttp2_session *session;
    kt_group *group;        /* of the streams' tasks and the writer */
    kt_buffer out, sending; /* composed; being written */
    kt_event out_ready;     /* wakes the writer */
    kt_event written;       /* the writer has ended */
    kt__h2_stream *streams; /* all */
    kt__h2_stream *begun;   /* its head has just come, and it has no task yet; or NULL */
    uint32_t tasks;         /* streams whose task has not ended */
    int32_t last_id;        /* of the streams whose tasks have begun: what a good-bye tells the client */
    kt_time idle_since;     /* no stream since then */
    int failed;             /* of the session: the connection must end */
    bool reading;           /* the reader waits */
    bool woken;             /* and was cancelled, to look around */
    bool closing;           /* the writer ends once all is written */
    bool giving_up;         /* or, with this, once the last stream has ended as well */
    bool said_goaway;
    bool noticed;           /* the client knows that the server stops, and asks for nothing new */
    kt_time leave_by;       /* the server stops, and says GOAWAY by then; 0: it does not */
    kt__h2_watch watch;
};

typedef struct kt__h2_span {
    uint32_t at, size;
} kt__h2_span;

enum { KT__H2_METHOD, KT__H2_SCHEME, KT__H2_AUTHORITY, KT__H2_PATH, KT__H2_PROTOCOL, KT__H2_PSEUDO };

/* One stream. It lives until its task has ended; without a task, until the session closes it. */
struct kt__h2_stream {
    kt_http_exchange x;
    kt__h2 *h;
    kt__h2_stream *next, **link;
    kt_task *task; /* NULL before its handler is called */
    int32_t id;
    kt__http_memory m;
    /* The request */
    kt_buffer pseudo;                  /* the values of the fields below */
    kt__h2_span fields[KT__H2_PSEUDO]; /* size 0: not there */
    kt_buffer cookies;                 /* put together */
    kt_buffer head;                    /* the whole as HTTP/1.1 has it, as far as it has come */
    size_t field_bytes;
    uint32_t line_count;
    /* Its body */
    kt_buffer in;       /* received; in[in_at..] not yet read */
    size_t in_at;
    kt_event readable;  /* also at the end, and when the stream is gone */
    /* The answer */
    const char *piece;  /* bytes that are not composed yet, their owner waits */
    size_t piece_size;
    size_t promised;    /* bytes of it: a frame's head that says so is on its way, they are not */
    kt_event writable;  /* the piece is composed, or the end is, or the stream is gone */
    kt_stream *stream;  /* of another protocol, or NULL */
    bool ended;         /* the client has sent all */
    bool last;          /* nothing follows the piece */
    bool hung_up;       /* by its user: who waits for it waits no longer, whatever becomes of the frame that says so */
    bool deferred;      /* the session waits to be told of the next piece */
    bool end_sent;      /* composed, that is */
    bool gone;          /* the session knows it no more: reset, or ended on both sides */
    bool too_large;     /* the head */
    bool extended;      /* CONNECT with :protocol */
    bool overflowed;    /* its window, by a WINDOW_UPDATE of its own */
    max_align_t arena[KT__HTTP_ARENA_BYTES / sizeof(max_align_t)];
};

/* ---- h2_connection.c */

/* Serves a connection whose client speaks HTTP/2; what it has sent lies in the work, if there is one. */
void kt__h2_serve(kt__http_conn *c);
/* The server stops: says so to the client. */
void kt__h2_stop(kt__h2 *h);
/* Composes what the session has to say, and wakes the writer. Does not suspend. */
void kt__h2_pump(kt__h2 *h);
/* Makes the reader look again at why it waits. */
void kt__h2_wake_reader(kt__h2 *h);

/* ---- h2_session.c: 0, or -ENOMEM, or another error after which h->failed is set. */

int kt__h2_session_open(kt__h2 *h);
void kt__h2_session_close(kt__h2 *h);
/* Feeds received bytes. */
int kt__h2_session_feed(kt__h2 *h, const void *bytes, size_t size);
/* Moves bytes to be sent to the end of `out`, until it is full or there are none. */
int kt__h2_session_take(kt__h2 *h);
/* Says good-bye: no streams after those that have come. */
void kt__h2_session_goaway(kt__h2 *h, int error);
/* Says that there will be a good-bye, and sets h->noticed when the client has heard of it. */
void kt__h2_session_give_notice(kt__h2 *h);
/* Does it want more input? */
bool kt__h2_session_wants(const kt__h2 *h);
/* As the watch asks; `h` is a kt__h2. */
bool kt__h2_session_has(void *h, uint32_t id);
void kt__h2_session_reset(const kt__h2_stream *s, int error);
/* The stream's object goes away. */
void kt__h2_session_forget(const kt__h2_stream *s);
/* The handler has taken this much of the body. */
void kt__h2_session_consumed(const kt__h2_stream *s, size_t size);
/* The stream has a piece, or an end, to send. */
void kt__h2_session_resume(kt__h2_stream *s);

typedef struct kt__h2_field {
    kt_slice name, value;
} kt__h2_field;

enum {
    KT__H2_INTERIM, /* another head follows */
    KT__H2_FINAL,
    KT__H2_WHOLE,   /* nothing follows */
};
int kt__h2_session_answer(const kt__h2_stream *s, const kt__h2_field *fields, size_t count, int kind);
int kt__h2_session_trailers(const kt__h2_stream *s, const kt__h2_field *fields, size_t count);

/* ---- h2_stream.c */

/* NULL without memory. */
kt__h2_stream *kt__h2_stream_new(kt__h2 *h, int32_t id);
/* Only for one without a task. */
void kt__h2_stream_free(kt__h2_stream *s);
/* Those that are kept for the next requests. */
void kt__h2_spare_streams_free(kt__http_server *s);
/* One field of the head. What is too much is noted. 0, -ENOMEM. */
int kt__h2_stream_field(kt__h2_stream *s, kt_slice name, kt_slice value);
/* The head is complete. 0, -ENOMEM. */
int kt__h2_stream_begin(kt__h2_stream *s);
/* Calls the handler of the stream that has begun, in a task, at once if the request is complete: one after the other,
 * requests that have come together need one stack and little of the processor's cache. Where there is no memory or
 * no stack the stream is refused. Not from within the session. */
void kt__h2_stream_run(kt__h2_stream *s);
/* A piece of the body. 0, -ENOMEM. */
int kt__h2_stream_data(kt__h2_stream *s, const void *bytes, size_t size);
/* The client has sent all. */
void kt__h2_stream_end(kt__h2_stream *s);
/* The session has closed it. */
void kt__h2_stream_closed(kt__h2_stream *s);

/* ---- h2_answer.c */

extern const kt__http_backend kt__h2_backend;
/* Waits until the piece is composed, and the end if there is one. */
int kt__h2_wait_composed(kt__h2_stream *s);
int kt__h2_send_piece(kt__h2_stream *s, const void *bytes, size_t size, bool last);
/* The same for what is no answer: a cancellation does not end the stream, unless a frame is cut. *ret_sent is set in
 * any case. */
int kt__h2_send_some(kt__h2_stream *s, const void *bytes, size_t size, size_t *ret_sent);
/* Reads of the body, or of what follows in another protocol, for which there is no limit. */
ssize_t kt__h2_receive(kt__h2_stream *s, void *buffer, size_t size);
/* Submits the answer's trailers. */
int kt__h2_send_trailers(kt__h2_stream *s);
/* 0, or an error where no answer can reach the client: it has reset the stream, or the connection has ended or must
 * end, though its tasks still run. */
int kt__h2_lost(const kt__h2_stream *s);
/* Submits a head of an answer; `kind` as below. */
int kt__h2_send_head(kt__h2_stream *s, const kt__http_answer *a, int kind);

/* ---- h2_upgrade.c */

kt_slice kt__h2_upgrade_asked(const kt_http_exchange *x);
int kt__h2_upgrade(kt_http_exchange *x, const char *protocol, kt_stream **ret_stream);

/* Does the connection end with its last stream? */
static inline bool kt__h2_is_leaving(const kt__h2 *h)
{
    return h->said_goaway || h->leave_by > 0;
}

static inline kt__h2_stream *kt__h2_stream_of(kt_http_exchange *x)
{
    return (kt__h2_stream *)x; /* its first member */
}

static inline const kt__h2_stream *kt__h2_stream_of_const(const kt_http_exchange *x)
{
    return (const kt__h2_stream *)x;
}

#endif
