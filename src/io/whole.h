/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_WHOLE_H
#define KETTLE_IO_WHOLE_H

/* One file that is read, written or replaced whole, by jobs on pool threads: each does a part within its
 * budget, small files in one. Used for single files and for batches. */

#include <kettle/file.h>

#include "io/disk.h"

/* A trip's budget is KT__TRIP_BYTES; what else costs time is paid as so many bytes. */
#define KT__TRIP_FILE ((size_t)64 * 1024)
#define KT__TRIP_SYNC ((size_t)1024 * 1024)

#define KT__TEMPORARY "/.kettle-0123456789abcdef"

enum kt__whole_kind { KT__WHOLE_READ, KT__WHOLE_WRITE, KT__WHOLE_REPLACE };

typedef struct kt__whole {
    /* What to do. */
    uint8_t kind;
    bool text;
    kt_file_write_options write;
    kt__disk *disk;
    const char *path;
    const char *bytes; /* to write */
    size_t size;
    kt_buffer *buffer; /* to read into */
    size_t size_max;

    /* How far it is. */
    bool begun, over; /* over: nothing is open, and there is no temporary file */
    int fd, dir;
    uint64_t nonce; /* of the next temporary name */
    bool set_mode;      /* to `mode`, at the end */
    mode_t mode;
    size_t before;      /* the buffer's size at first */
    kt_time changed;    /* of a file that is read: its last change */
    int64_t expected;   /* of a regular file: its size when it was opened; else -1 */
    size_t done;        /* bytes */
    size_t checked;     /* of these, known to be UTF-8 */
    char temporary[sizeof KT__TEMPORARY - 1];
    const char *what;   /* that is being done, in a word */
    size_t line;        /* of what is not UTF-8 */
} kt__whole;

/* After the caller has set what to do. `nonce` makes temporary names differ; the first, on the loop, is random, and
 * from the seed under the simulated driver. */
void kt__whole_start(kt__whole *w, kt__disk *disk, uint64_t nonce);
uint64_t kt__whole_nonce(void);

/* On a pool thread: goes on until it is over, or the budget is used up. 0, or its failure, and then it is over. */
int kt__whole_step(kt__whole *w, size_t *budget);

/* The same, anywhere: for one that is not over and will not be continued. 0. */
int kt__whole_abort(void *w);

/* On the loop: a failure's detail. Returns rc. */
int kt__whole_failed(const kt__whole *w, int rc);

#endif
