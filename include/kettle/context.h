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
 * that see them. A kt_context holds values apart from any task: functions and tasks can be run in it, and what
 * they set stays in it (kt_spawn_options.context). Copying at a spawn costs nothing: contexts share what they
 * have in common. */

#include <kettle/task.h>

KT_BEGIN

typedef struct kt_context_var {
    const char *name; /* for people */
} kt_context_var;

/* The value in the running task, or `otherwise` where none was set. A callback and a job on a pool thread see
 * the values of the task that started them; elsewhere `otherwise`. Any thread. */
KT_API void *kt_context_get(const kt_context_var *var, const void *otherwise);

/* Sets the value in the running task, or in the kt_context in which the caller runs. 0, -ENOMEM, or
 * KT_ENOTRUNNING elsewhere. Does not suspend. Like ContextVar.set. */
KT_API int kt_context_set(const kt_context_var *var, const void *value) KT_CHECKED;

/* What a variable was before a set: to be put back once, and where it was set. A plain value that needs no
 * release. */
typedef struct kt_context_token {
    const kt_context_var *var;
    const void *value;
    void *where;   /* NULL once it was used */
    bool was_set;
    uintptr_t reserved[1];
} kt_context_token;

/* As kt_context_set, and remembers what was before in *ret_token. Like ContextVar.set. */
KT_API int kt_context_set_token(const kt_context_var *var, const void *value,
                                kt_context_token *ret_token) KT_CHECKED;

/* Puts back what was before the set, also that there was no value. 0, or -ENOMEM, which cannot be if no
 * task was spawned, callback started or context copied since. To use a token twice, or in another task or
 * context than that of the set, is misuse. Does not suspend. Like ContextVar.reset. */
KT_API int kt_context_reset(kt_context_token *token) KT_CHECKED;

/* ---- Contexts as objects ------------------------------------------------------------------- */

/* The values as they are here and now; what is set later, here or there, is not shared. The caller owns
 * *ret_context and frees it; tasks that run in it keep it. 0 or -ENOMEM. Any thread, but a context is used on
 * one thread at a time. Does not suspend. Like contextvars.copy_context. */
KT_API int kt_context_copy(kt_context **ret_context) KT_CHECKED;

/* Calls fn(arg) on the caller's stack; the values that it and all that it calls see and set are those of
 * this context, which keeps them afterwards. `size` is of no meaning, nothing is copied. Returns its
 * result. fn may suspend if the caller may, and others may run in the same context meanwhile; a generator
 * must not yield in there. In a task, in a callback (which is how a callback gets a context of one's
 * choice), or outside a loop. Like Context.run. */
KT_API int kt_context_run(kt_context *context, KT__JOB) KT_CHECKED;

/* The value in a context, or `otherwise`. Like Context.get. */
KT_API void *kt_context_lookup(const kt_context *context, const kt_context_var *var, const void *otherwise);

/* Gives the context up; NULL is allowed. */
KT_API void kt_context_free(kt_context *context);

static inline void kt_context_cleanup(kt_context **context)
{
    kt_context_free(*context);
}

KT_END

#endif
