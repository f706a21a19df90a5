/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_DOWNLOAD_PRIVATE_H
#define KT__HTTP_DOWNLOAD_PRIVATE_H

/* What the files of downloads share: download.c asks servers, download_part.c keeps what came. */

#include <kettle/buffer.h>
#include <kettle/file.h>

/* The part of a target that is there, locked against other downloads. */
typedef struct kt__part {
    char *path, *info;   /* names */
    kt_file *file;
    char *url;
    kt_buffer validator; /* of If-Range; empty: what is there cannot be gone on with */
    int64_t total;       /* of the whole; -1: not known */
    uint64_t at;         /* bytes that are there */
    uint64_t kept;       /* of these are on the disk, and the info says so */
} kt__part;

/* Opens or makes the part of a target, and sets its fields to what an earlier call has left of this URL; all zero
 * before. -EBUSY; -ENOMEM; those of files. Suspends. */
int kt__part_open(kt__part *p, const char *target, const char *url, bool anew) KT_CHECKED;
/* Forgets what is there, for the answer that comes. Suspends. */
int kt__part_restart(kt__part *p, kt_slice validator, int64_t total) KT_CHECKED;
int kt__part_write(kt__part *p, const void *bytes, size_t size) KT_CHECKED;
/* It is whole: gives it the target's name. Suspends. */
int kt__part_finish(kt__part *p, const char *target, mode_t mode, bool no_sync) KT_CHECKED;
/* Keeps what there is for another call, or nothing; then frees all. Not after a finish that succeeded. Suspends, and
 * holds a cancellation back. */
void kt__part_leave(kt__part *p, bool discard);
void kt__part_release(kt__part *p);

#endif
