/* SPDX-License-Identifier: MIT */

/* Work that outlives its request, but not the server. */
#include <errno.h>
#include <kettle/debug.h>
#include <kettle/memory.h>

#include "http/server.h"

/* The task is not of the group of connections, whose members may come from anywhere but which a failure would end. */
struct kt__http_job {
    kt__http_server *server;
    kt__http_job *next, **link;
    kt_task *task;
    int (*fn)(void *arg);
    void *arg;
    max_align_t bytes[];
};

static int run(void *arg)
{
    kt__http_job *j = *(kt__http_job **)arg;
    int rc = j->fn(j->arg);
    if (rc < 0 && !kt_is_cancel(rc))
        kt_error_unhandled(rc, "http: work in the background failed");
    return 0;
}

/* Behind the task, or in its stead. */
static void over(void *arg)
{
    kt__http_job *j = *(kt__http_job **)arg;
    kt__http_server *s = j->server;
    *j->link = j->next;
    if (j->next)
        j->next->link = j->link;
    s->job_count--;
    kt__http_tell_empty(s);
    kt_free(j);
}

static kt__http_job *job_new(kt__http_server *s, int (*fn)(void *arg), const void *arg, size_t size)
{
    if (size > SIZE_MAX - sizeof(kt__http_job))
        return NULL;
    kt__http_job *j = kt_alloc(sizeof *j + size);
    if (!j)
        return NULL;
    *j = (kt__http_job){.server = s, .fn = fn, .arg = size > 0 ? j->bytes : (void *)(uintptr_t)arg};
    if (size > 0)
        memcpy(j->bytes, arg, size);
    j->next = s->jobs;
    j->link = &s->jobs;
    if (j->next)
        j->next->link = &j->next;
    s->jobs = j;
    s->job_count++;
    kt_event_clear(&s->empty);
    return j;
}

int kt_http_background(kt_http_exchange *x, int (*fn)(void *arg), const void *arg, size_t size)
{
    kt__http_server *s = x->c->server;
    if (s->job_count >= s->o.background_max)
        return kt_error_set(KT_EFULL, "%u works in the background already", (unsigned)s->job_count);
    kt__http_job *j = job_new(s, fn, arg, size);
    if (!j)
        return -ENOMEM;
    kt_spawn_options o = {.name = "http background", .drop = over};
    kt_task *task = NULL;
    int rc = kt_spawn_with(&o, run, &j, sizeof j, &task);
    if (rc < 0) {
        over(&j);
        return rc;
    }
    j->task = task; /* it has not begun */
    kt_task_detach(task);
    return 0;
}

void kt__http_jobs_end(kt__http_server *s)
{
    for (kt__http_job *j = s->jobs; j; j = j->next)
        kt_task_cancel(j->task);
    kt_cancel_hold();
    while (s->jobs)
        (void)!kt_event_wait(&s->empty); /* nobody else uses it any more */
    kt_cancel_unhold();
}
