/* SPDX-License-Identifier: MIT */
/* The labs' web: hosts of a simulated network, so that each lab is a whole program that needs no other, and takes
 * the time that its text says to the millisecond on a virtual clock.
 *
 * 10.0.0.2 answers after 200 ms: /page/N a page with a title, /data/N JSON, /bad broken JSON, /missing 404, /error 500,
 * /hang nothing. 10.0.0.3 accepts, and resets a while later. Nobody listens on any other port of them. */
#ifndef LAB_SITE_H
#define LAB_SITE_H

#include <kettle/http.h>
#include <kettle/kettle.h>
#include <kettle/test_network.h>
#include <stdio.h>

#define LAB_GOOD  "http://10.0.0.2"
#define LAB_RESET "http://10.0.0.3/"

typedef struct lab_site {
    kt_test_network *network;
    kt_listener *good, *resetting;
    kt_group servers;
    int inside, most_inside; /* requests that are being answered, now and at most */
} lab_site;

#define LAB_SITE_INIT {NULL, NULL, NULL, KT_GROUP_INIT, 0, 0}

static int lab_respond(kt_http_exchange *x)
{
    char text[128];
    kt_slice path = kt_http_path(x);
    const char *number = path.data + (path.size > 6 ? 6 : path.size);
    int digits = (int)(path.data + path.size - number);
    if (kt_slice_is(path, "/hang"))
        return kt_sleep(KT_S(3600));
    if (kt_slice_is(path, "/missing"))
        return kt_http_respond(x, 404, NULL, NULL, 0);
    if (kt_slice_is(path, "/error"))
        return kt_http_respond(x, 500, NULL, NULL, 0);
    if (kt_slice_is(path, "/bad"))
        return kt_http_respond(x, 200, "application/json", "{\"value\":", 9);
    bool html = path.size > 6 && memcmp(path.data, "/page/", 6) == 0;
    int n = snprintf(text, sizeof text, html ? "<title>Page %.*s</title>" : "{\"value\": %.*s}", digits, number);
    return kt_http_respond(x, 200, html ? "text/html" : "application/json", text, (size_t)n);
}

static int lab_answer(kt_http_exchange *x, void *arg)
{
    lab_site *s = arg;
    if (++s->inside > s->most_inside)
        s->most_inside = s->inside;
    int rc = kt_sleep(KT_MS(200));
    if (rc == 0)
        rc = lab_respond(x);
    s->inside--;
    return rc;
}

static int lab_reset(kt_http_exchange *x, void *arg)
{
    lab_site *s = arg;
    (void)x;
    int rc = kt_sleep(KT_MS(200));
    if (rc < 0)
        return rc;
    kt_test_network_reset(s->network, "10.0.0.3", NULL);
    return kt_sleep(KT_S(1)); /* the connection is gone */
}

KT_FN(lab_serve, a, struct {
    lab_site *site;
    kt_listener *l;
    int (*answer)(kt_http_exchange *x, void *arg);
})
{
    const kt_http_options options = {.grace = -1}; /* once a lab is over nobody waits for an answer */
    return kt_http_serve(a->l, &options, a->answer, a->site);
}

static int lab_site_open(lab_site *s)
{
    s->network = kt_test_network_open(NULL);
    kt_test_network_use(s->network);
    int rc = kt_listen("10.0.0.2", 80, NULL, &s->good);
    if (rc == 0)
        rc = kt_listen("10.0.0.3", 80, NULL, &s->resetting);
    if (rc == 0)
        rc = kt_group_spawn(&s->servers, KT_WITH(lab_serve, s, s->good, lab_answer));
    if (rc == 0)
        rc = kt_group_spawn(&s->servers, KT_WITH(lab_serve, s, s->resetting, lab_reset));
    return rc;
}

/* Ends what lab_site_open has begun, also where that has failed; `rc` is how the lab ended. */
static int lab_site_close(lab_site *s, int rc)
{
    kt_group_cancel(&s->servers);
    rc = kt_group_join(&s->servers, rc);
    kt_listener_close(s->good);
    kt_listener_close(s->resetting);
    kt_test_network_close(s->network);
    return rc;
}

/* What a lab prints as time: of its loop, in seconds. */
static inline double lab_seconds(kt_time since)
{
    return (double)(kt_now() - since) / KT_S(1);
}

#endif
