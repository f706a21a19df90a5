/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_PROCESS_IDENTITY_H
#define KETTLE_IO_PROCESS_IDENTITY_H

/* The user and groups that a program is to run as, from names or numbers. */

#include <kettle/memory.h>
#include <kettle/process.h>

#include "io/spawn.h"

typedef struct kt__process_identity {
    kt__spawn_identity identity;
    gid_t *groups; /* those of identity */
    bool changes;  /* anything at all */
} kt__process_identity;

#define KT__PROCESS_IDENTITY_INIT {.identity = {.uid = (uid_t)-1, .gid = (gid_t)-1}}

/* Fills in what the options ask for. KT_ENOTFOUND for a name that nobody has, -EINVAL for a number that
 * is none, -ENOMEM, or what the look-up fails with; all with words. Clean up in any case. Blocks for names. */
int kt__process_identity_find(kt__process_identity *p, const kt_process_options *o) KT_CHECKED;

static inline void kt__process_identity_cleanup(kt__process_identity *p)
{
    kt_free(p->groups);
}

#endif
