/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_CLIENT_H2_H
#define KT__HTTP_CLIENT_H2_H

/* HTTP/2 at the client (RFC 9113): many exchanges on one connection.
 *
 *   client_h2_session.c    nghttp2: the only file of the client that knows the library
 *   client_h2.c            a connection: its reader, its writer, its end
 *   client_h2_exchange.c   an attempt, and its answer's body
 *   client_h2_upgrade.c    a stream that carries another protocol
 *
 * One task reads and feeds the session, another sends what the session has composed; whoever asks puts his stream into
 * the session, wakes the writer, and waits for his stream's event. */

#include "http/client.h"

struct nghttp2_session;

/* What a stream may send before we have read it; and all streams of a connection together. */
#define KT__CLIENT_H2_WINDOW (1024 * 1024)
#define KT__CLIENT_H2_WINDOW_ALL (16 * 1024 * 1024)
/* Streams at a time, whatever more a server allows. */
#define KT__CLIENT_H2_STREAMS 100u
#define KT__CLIENT_H2_OUT_BYTES ((size_t)64 * 1024)

typedef struct kt__client_stream kt__client_stream;

struct kt__client_h2 {
    kt__client_conn *conn;
    struct nghttp2_session *session;
    kt__client_stream *streams; /* that are open */
    kt_task *reader, *writer;
    kt_event wanted; /* there may be something to send */
    kt_buffer out;
    unsigned users;  /* calls and responses */
    unsigned settings; /* of the server, that have come */
    unsigned served; /* streams that have had an answer */
    unsigned answered; /* of its users, those that have one */
    uint32_t taken;  /* streams that its GOAWAY says it has taken */
    unsigned idle_frames; /* that carried nothing since something came */
    size_t idle_bytes;    /* and bytes, those of frames that the session does not know included */
    bool flooded;         /* too many of either */
    size_t late_bytes;    /* of these may be of streams that were given up: the server had sent them before it heard */
    kt_time heard_at; /* the last bytes, whatever they were */
    int rc;          /* why it is over; 0: it is not */
    bool going;      /* the server takes no new streams, or is not there */
};

/* One exchange. */
struct kt__client_stream {
    kt__client_h2 *h2; /* NULL: the connection is gone */
    kt__client_stream *next, *prev;
    kt_http_response *r;
    int32_t id;
    kt_event changed;
    kt_buffer text;     /* of the head, and behind it of the trailers: names and values */
    kt_buffer fields;   /* struct kt__client_h2_field */
    size_t head_bytes, head_fields; /* the head's part of both, once it is there */
    int status;
    bool has_head, ended, closed, refused;
    bool overflowed;    /* its window, by a WINDOW_UPDATE of its own */
    bool trailers;      /* have come, too */
    int rc;             /* how it was closed, if not well */
    bool too_long;      /* its head */
    bool abandoned;     /* nobody waits for it: freed when the session has closed it */
    kt_buffer in;       /* of the body, not yet read: in.data[at..] */
    size_t at;
    kt_buffer out;      /* of the request's body, to be sent */
    size_t out_at;
    bool out_ended, end_given; /* no more comes; and the session knows */
    unsigned inside;    /* tasks that wait in it for another protocol */
    bool parted;        /* they are to leave */
    bool hung_up;       /* nothing more is read of it */
};

/* Where a field lies in `text`. */
typedef struct kt__client_h2_field {
    uint32_t name, name_size, value, value_size;
} kt__client_h2_field;

/* ---- client_h2_session.c */

/* 0 or -ENOMEM. */
int kt__client_h2_session_new(kt__client_h2 *h, uint32_t header_bytes_max) KT_CHECKED;
void kt__client_h2_session_free(kt__client_h2 *h);
/* Feeds what was received. 0, or the error that ends the connection. */
int kt__client_h2_feed(kt__client_h2 *h, const char *bytes, size_t size) KT_CHECKED;
/* Appends to h->out what there is to send, up to a limit. 0 or an error. */
int kt__client_h2_compose(kt__client_h2 *h) KT_CHECKED;
/* Opens a stream for the call's attempt. 0 or an error. */
int kt__client_h2_submit(kt__client_h2 *h, kt__client_stream *st, kt__http_call *c) KT_CHECKED;
/* Has nothing of a stream that was submitted been composed? */
bool kt__client_h2_is_unsent(const kt__client_stream *st);
/* There is more of the body, or its end. */
void kt__client_h2_resume(kt__client_stream *st);
/* So many bytes were read: the server may send as many more. */
void kt__client_h2_consumed(kt__client_stream *st, size_t size);
/* Gives a stream up, which the session may know for a while. */
void kt__client_h2_cancel(kt__client_stream *st);
/* Ends a stream that is still used. */
void kt__client_h2_reset(kt__client_stream *st);
/* Has the session room for another stream, by what the server allows at a time and has taken before? */
bool kt__client_h2_has_room(const kt__client_h2 *h);
/* Has the session said its last word? */
bool kt__client_h2_is_over(const kt__client_h2 *h);
bool kt__client_h2_takes_more(const kt__client_h2 *h);

/* ---- client_h2.c */

kt__client_stream *kt__client_stream_new(kt__client_h2 *h);
void kt__client_stream_free(kt__client_stream *st);

/* ---- client_h2_exchange.c */

/* Waits for something to happen. 0; or why nothing more will. */
int kt__client_stream_wait(kt__client_stream *st) KT_CHECKED;
/* Some of what has come, and there is some. */
ssize_t kt__client_stream_take(kt__client_stream *st, void *buffer, size_t size);

/* ---- client_h2_upgrade.c */

/* Does the server switch to other protocols? 0, -EPROTONOSUPPORT, or another error. Suspends until it has said so. */
int kt__client_h2_may_extend(kt__client_stream *st, const kt__http_call *c) KT_CHECKED;
/* Makes r->upgraded of the response's stream. 0 or -ENOMEM. */
int kt__client_h2_upgraded(kt_http_response *r) KT_CHECKED;

#endif
