/* SPDX-License-Identifier: MIT */
/* A client that connects again. */
#include <errno.h>
#include <kettle/retry.h>
#include <kettle/websocket.h>
#include <limits.h>

#include "http/client.h"
#include "http/websocket_private.h"

#define FIRST_WAIT KT_S(1)
#define WAIT_MAX KT_S(60)
#define STABLE KT_S(10)

typedef struct run {
    kt_http_session *s;
    const char *url;
    kt_websocket_run_options o;
    int (*talk)(kt_websocket *ws, void *arg);
    void *arg;
    kt_retry tries;
} run;

static int check(run *r)
{
    kt_websocket_run_options *o = &r->o;
    if (o->first_wait < 0 || o->wait_max < 0 || o->stable < 0)
        return kt_error_set(-EINVAL, "a time below 0");
    o->first_wait = o->first_wait ? o->first_wait : FIRST_WAIT;
    o->wait_max = o->wait_max ? o->wait_max : WAIT_MAX;
    o->stable = o->stable ? o->stable : STABLE;
    o->attempts = o->attempts ? o->attempts : UINT_MAX;
    return 0;
}

static void calm_down(run *r)
{
    const kt_websocket_run_options *o = &r->o;
    r->tries = (kt_retry){
        .attempts = o->attempts, .first_wait = o->first_wait, .wait_max = o->wait_max, .jitter = 0.5};
}

static bool is_stop_code(const run *r, int code)
{
    static const int done[] = {1000, 0};
    const int *stop = r->o.stop_codes ? r->o.stop_codes : done;
    while (*stop && *stop != code)
        stop++;
    return *stop != 0;
}

/* A server, or what is in front of it, that may be well again soon. */
static bool may_pass(int status)
{
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

static bool is_lost(const run *r, int rc)
{
    return kt__client_is_unreachable(rc) || rc == KT_ENAME || (rc == KT_ECLOSED && !r->s->closed);
}

/* What the end of one connection means: 1 or more, the end of all; 0, *ret_lost says why another is wanted; or a
 * failure that ends all. */
static int judge(const run *r, kt_websocket *ws, int said, int *ret_lost)
{
    int code = kt_websocket_close_code(ws);
    if (said == 0 && is_stop_code(r, code))
        return code;
    if (said != 0 && !is_lost(r, said))
        return said;
    *ret_lost = said < 0 ? said : kt_error_set(KT_EINCOMPLETE, "%s closed with %d", r->url, code);
    return 0;
}

/* As judge. */
static int talk_once(run *r, int *ret_lost)
{
    kt_auto(kt_websocket) *ws = NULL;
    int status;
    int rc = kt__ws_connect(r->s, r->url, &r->o.websocket, &status, &ws);
    if (rc < 0 && (is_lost(r, rc) || may_pass(status))) {
        *ret_lost = rc;
        return 0;
    }
    if (rc < 0)
        return rc;
    kt_time since = kt_now();
    rc = judge(r, ws, r->talk(ws, r->arg), ret_lost);
    if (kt_now() - since >= r->o.stable)
        calm_down(r);
    return rc;
}

int kt_websocket_run(kt_http_session *s, const char *url, const kt_websocket_run_options *options,
                     int (*talk)(kt_websocket *ws, void *arg), void *arg)
{
    run r = {.s = s, .url = url, .talk = talk, .arg = arg};
    if (options)
        r.o = *options;
    int rc = check(&r), lost = 0;
    calm_down(&r);
    while (rc == 0) {
        rc = talk_once(&r, &lost);
        if (rc == 0 && !kt_retry_wait(&r.tries, &lost))
            rc = lost;
    }
    return rc;
}
