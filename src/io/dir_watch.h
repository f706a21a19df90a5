/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_DIR_WATCH_H
#define KETTLE_IO_DIR_WATCH_H

/* The inside of a watched tree: its places, and how directories are taken in. */

#include <kettle/buffer.h>
#include <kettle/dir_watch.h>

#include "base/map.h"
#include "io/walker.h"

/* A directory that is watched. It knows its parent and name, so that a rename above it changes nothing here. */
typedef struct kt__place {
    kt__map_node node; /* by wd */
    int wd;            /* the kernel's number for the watch */
    struct kt__place *parent; /* NULL: the root */
    char *name;               /* "" for the root */
    unsigned round;           /* of taking in the whole, in which it was seen last */
    bool missed;              /* a directory in it was not there: removed, or the place is elsewhere by now */
} kt__place;

struct kt_dir_watch {
    kt_dir_watch_options options;
    int fd; /* of inotify */
    bool busy;
    bool over;   /* the root is gone, and that was told */
    bool rescan; /* events were lost, which is to be told when all is taken in */
    kt__map places;
    kt__place *root;
    unsigned round; /* of taking in the whole */
    char *path;     /* of the root */

    /* Taking in: the directory `take_name` in take_parent (NULL: the root) is walked, each directory watched
     * before it is read, and what is found told in the end. No event is looked at meanwhile. */
    bool taking, tell, walking;
    kt__place *take_parent;
    kt_buffer take_name; /* terminated */
    int take_unless;     /* only if it is another one than that with this number; -1: in any case */
    kt__walker walker;
    kt_buffer way;   /* the places from there to where the walker is, as pointers */
    kt_buffer found; /* one after the other: 'd' or 'f', and a path from the root on, terminated */
    size_t found_at; /* what is told next */
    int rc;          /* of a trip */

    _Alignas(8) char raw[16384]; /* events of the kernel's */
    size_t raw_at, raw_size;
    kt_buffer text, old_text; /* paths of the event that was told last */
};

/* The place of that name in another; of the kernel's number. NULL: unknown. */
kt__place *kt__place_in(const kt_dir_watch *w, const kt__place *parent, const char *name);
kt__place *kt__place_by_wd(const kt_dir_watch *w, int wd);

/* The path of a name ("": itself) in a place, from the root on; into `text`. 0 or -ENOMEM. */
int kt__place_path(const kt__place *p, const char *name, kt_buffer *text);

/* Is it that place, or beneath it? */
bool kt__place_is_within(const kt__place *p, const kt__place *top);

/* The place is elsewhere now, not within itself. 0 or -ENOMEM. */
int kt__place_move(kt__place *p, kt__place *parent, const char *name);

/* Was any missed in it, or beneath? */
bool kt__place_has_missed(const kt_dir_watch *w, const kt__place *top);

/* It is watched no more, nor is what is beneath it. */
void kt__place_drop(kt_dir_watch *w, kt__place *p);

/* Takes in, or goes on with that: one trip, for a pool thread. `taking` ends when all is done. w->rc: 0, or an
 * error of the directory whose path is in `text`, which is passed over; -ENOMEM begins anew. */
int kt__watch_take(void *arg);

/* Closes and frees what is inside; for a pool thread. */
int kt__watch_end(void *arg);

#endif
