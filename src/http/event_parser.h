/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_EVENT_PARSER_H
#define KT__HTTP_EVENT_PARSER_H

/* text/event-stream, read piece by piece (HTML standard, section 9.2.6). No I/O. */

#include <kettle/buffer.h>

typedef struct kt__event_parser {
    kt_buffer line;       /* the one that is not over */
    kt_buffer data, type; /* of the event that is not over */
    kt_buffer id;         /* of the last event that had one: stays from event to event, and from stream to stream */
    kt_buffer next_id;    /* of the event that is not over, if it has one */
    bool has_id;
    size_t event_bytes_max;
    int64_t retry_ms;     /* the last one that was said, -1: none */
    bool begun;           /* the first line is over */
    bool after_cr;        /* an LF that comes next belongs to it */
    bool told;            /* the event was handed out; the next feed forgets it */
} kt__event_parser;

void kt__event_parser_init(kt__event_parser *p, size_t line_bytes_max, size_t event_bytes_max);
void kt__event_parser_release(kt__event_parser *p);
/* Another stream begins: what is not over is forgotten, the id stays. */
void kt__event_parser_restart(kt__event_parser *p);

/* Takes bytes off *in. 1: an event is over, in `data`, `type` (empty: "message") and `id`, valid until the next call;
 * 0: more is needed, and *in is empty; KT_ELIMIT, -ENOMEM: the stream cannot be read on. */
int kt__event_parser_feed(kt__event_parser *p, kt_slice *in);

#endif
