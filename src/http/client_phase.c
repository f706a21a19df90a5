/* SPDX-License-Identifier: MIT */
/* The client's time limits. */
#include "http/client.h"

static kt_time first_of(kt_time a, kt_time b)
{
    return a ? a : b;
}

kt_http_timeouts kt__client_timeouts(const kt_http_timeouts *request, const kt_http_timeouts *session)
{
    return (kt_http_timeouts){
        .pool = first_of(request->pool, session->pool),
        .connect = first_of(request->connect, session->connect),
        .tls = first_of(request->tls, session->tls),
        .send = first_of(request->send, session->send),
        .first_byte = first_of(request->first_byte, session->first_byte),
        .between = first_of(request->between, session->between),
        .total = first_of(request->total, session->total),
    };
}

kt_time kt__client_deadline(kt_time after)
{
    kt_time now = kt_now();
    return after >= KT_FOREVER - now ? KT_FOREVER : now + after;
}

void kt__client_phase_begin(kt__client_phase *p, const char *what, kt_time after, kt_time deadline)
{
    kt_time own = kt__client_deadline(after);
    *p = (kt__client_phase){.limit = KT_TIMEOUT_INIT, .what = what, .after = after, .total = deadline <= own};
    kt_timeout_start_at(&p->limit, p->total ? deadline : own);
}

int kt__client_too_late(const char *what, kt_time after)
{
    return kt_error_set(-ETIMEDOUT, "%s: nothing in %g s", what, (double)after / 1e9);
}

int kt__client_late(const char *what)
{
    return kt_error_set(-ETIMEDOUT, "the request's time is over: %s", what);
}

int kt__client_phase_end(kt__client_phase *p, int rc)
{
    rc = kt_timeout_end(&p->limit, rc);
    if (rc != KT_ETIMEDOUT || !kt_timeout_expired(&p->limit))
        return rc;
    if (p->total)
        return kt__client_late(p->what);
    return kt__client_too_late(p->what, p->after);
}
