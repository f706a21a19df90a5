/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_MULTIPART_H
#define KT__HTTP_MULTIPART_H

/* A parser for multipart bodies (RFC 2046 section 5.1), of which RFC 7578 makes forms. Bytes in, events out: no memory,
 * no input or output of its own. It is given what has not been consumed yet, as much as there is, and says how much of
 * it goes; where it needs more it consumes what it can, and is called again with the rest and more behind it. How the
 * input is cut makes no difference, but that content may come in other pieces.
 *
 * Stricter than the RFC where readers have disagreed: lines end in CR LF, and one that begins with the delimiter and
 * goes on otherwise is malformed, not content. */

#include <kettle/base.h>
#include <kettle/error.h>

#define KT__BOUNDARY_MAX 70

typedef struct kt__multipart {
    char delimiter[4 + KT__BOUNDARY_MAX]; /* CR LF "--" and the boundary */
    size_t delimiter_size;
    size_t header_bytes_max;
    size_t skipped; /* of the preamble, or of the blanks behind a delimiter */
    int state;
    const char *too_long; /* what was, behind KT_ELIMIT */
} kt__multipart;

typedef enum kt__multipart_type {
    KT__MULTIPART_MORE,  /* nothing; more input is needed */
    KT__MULTIPART_PART,  /* a part begins; `bytes` are its header lines, each with its end */
    KT__MULTIPART_DATA,  /* `bytes` are of its content */
    KT__MULTIPART_DONE,  /* of the part */
    KT__MULTIPART_END,   /* of all; what follows is of no meaning */
} kt__multipart_type;

typedef struct kt__multipart_event {
    kt__multipart_type type;
    kt_slice bytes;  /* within the input */
    size_t consumed;
} kt__multipart_event;

/* 0, or -EINVAL for what is no boundary. */
int kt__multipart_init(kt__multipart *m, kt_slice boundary, size_t header_bytes_max);

/* 0; KT_EPROTOCOL, KT_ELIMIT for headers or a preamble of more than header_bytes_max. What has been given never needs
 * more than header_bytes_max, or the delimiter and 2 bytes, to go on. */
int kt__multipart_feed(kt__multipart *m, kt_slice input, kt__multipart_event *ret_event);

/* The parameter of a header's value: `form-data; name="a"`. 1 and its value, unquoted, in `out` (of twice value.size
 * bytes); 0: there is none; -EINVAL: malformed, or there are two. `lower` is its name. */
int kt__parameter(kt_slice value, const char *lower, char *out, kt_slice *ret_value);

/* The value's first token, without its parameters. */
kt_slice kt__parameter_main(kt_slice value);

/* The first header of this name among a part's lines: 1, 0, or KT_EPROTOCOL where a line is malformed. */
int kt__multipart_header(kt_slice lines, const char *lower, kt_slice *ret_value);

#endif
