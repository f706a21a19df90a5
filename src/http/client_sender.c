/* SPDX-License-Identifier: MIT */
/* A task that sends a request's body while another one hears the answer. */
#include "http/client.h"

static int sends(void *arg)
{
    kt__client_sender *s = *(kt__client_sender **)arg;
    int rc = s->send(s);
    s->rc = s->rc > 0 ? rc : s->rc;
    return rc;
}

int kt__client_sender_start(const kt__http_call *c, int (*send)(kt__client_sender *s), kt__client_sender **ret_sender)
{
    const kt_spawn_options o = {.name = "HTTP request body", .stack_now = true};
    kt__client_sender *s = kt_calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    *s = (kt__client_sender){.body = c->body,
                             .conn = c->conn,
                             .stream = c->response->stream,
                             .limit = c->timeouts.send,
                             .patience = c->timeouts.first_byte,
                             .deadline = c->deadline,
                             .send = send,
                             .rc = 1};
    int rc = kt_spawn_with(&o, sends, &s, sizeof s, &s->task);
    if (rc < 0) {
        kt_free(s);
        return rc;
    }
    *ret_sender = s;
    return 0;
}

int kt__client_sender_wait(kt__client_sender *s)
{
    int rc = kt_shield(s->task);
    return s->rc > 0 ? rc : s->rc;
}

bool kt__client_sender_failed(const kt__client_sender *s)
{
    return s->rc < 0 && s->rc != -EPIPE && s->rc != -ECONNRESET && !s->ended;
}

int kt__client_sender_end(kt__client_sender *s)
{
    kt_cancel_hold();
    s->ended = true;
    kt_task_cancel(s->task);
    (void)!kt_task_join(s->task); /* rc says more */
    kt_cancel_unhold();
    int rc = s->rc;
    kt_free(s);
    return rc;
}
