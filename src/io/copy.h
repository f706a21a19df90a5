/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_COPY_H
#define KETTLE_IO_COPY_H

/* The copy of one file, in steps of a few MiB: blocking code for jobs. */

#include "io/paths.h"

typedef struct kt__copy {
    /* What is wanted. */
    kt__disk *disk;
    int from_dir; /* AT_FDCWD, or the directory in which `from` is a name; then no link is followed */
    const char *from, *to;
    unsigned flags;   /* KT_PATH_... */
    bool in_place;    /* written under its name, which must be new, and not beside it */
    uint64_t number;  /* for the name beside */

    /* All zero at first. */
    bool begun;
    bool sparse;      /* only what holds data is copied */
    int method;
    int in, out;      /* while begun, or -1 */
    bool made;        /* `temp` is there */
    int64_t at, end;  /* of the run of data that is being copied */
    int64_t total;    /* bytes to copy, as far as is known */
    mode_t mode;
    struct timespec times[2]; /* of the original */
    char *buffer;
    char temp[PATH_MAX]; /* where it is written */
} kt__copy;

/* 1: there is more; 0: done. An error leaves nothing. */
int kt__copy_step(kt__copy *c);

/* Gives up: removes what has been written. After an end nothing is left to do. */
void kt__copy_undo(kt__copy *c);

/* To a name that perhaps must be new, also where the file system has no RENAME_NOREPLACE. */
int kt__disk_put_in_place(kt__disk *d, const char *temp, const char *to, unsigned flags);

#endif
