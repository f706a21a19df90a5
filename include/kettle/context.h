/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CONTEXT_H
#define KETTLE_CONTEXT_H

/* Values that follow a task (contextvars): a task begins with those of the task that spawned it, and
 * what it sets is seen by itself, by what it calls, and by tasks that it spawns afterwards.
 *
 *     static const kt_context_var request_id = {"request id"};
 *     int rc = kt_context_set(&request_id, id);
 *     const char *id = kt_context_get(&request_id, "none");
 *
 * A variable is known by its address. Values are pointers that others own, and must outlive the tasks
 * that see them. Copying at a spawn costs nothing: contexts share what they have in common. */

#include <kettle/task.h>

KT_BEGIN

typedef struct kt_context_var {
    const char *name; /* for people */
} kt_context_var;

/* The value in the running task, or `otherwise` where none was set. A callback and a job on a pool thread see
 * the values of the task that started them; elsewhere `otherwise`. Any thread. */
KT_API void *kt_context_get(const kt_context_var *var, const void *otherwise);

/* Sets the value in the running task; a group of calls can put the old one back with another set. 0,
 * -ENOMEM, KT_ENOTRUNNING outside a task. Does not suspend. */
KT_API int kt_context_set(const kt_context_var *var, const void *value) KT_CHECKED;

KT_END

#endif
