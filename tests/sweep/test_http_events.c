/* SPDX-License-Identifier: MIT */
/* Events to many clients. */
#include "http_site.h"

#include <kettle/http_events.h>

static kt_http_event_source *source;

static int makes(void *arg)
{
    (void)arg;
    return SWEPT(kt_http_event_source_new, (NULL, &source));
}

SWEEP(kt_http_event_source_new, ALLOCATES)
{
    source = NULL;
    sweep_begin(makes, NULL);
    (void)sweep_end();
    kt_http_event_source_free(source);
}

SWEEP(kt_http_event_source_free, PLAIN)
{
    sure(kt_http_event_source_new(NULL, &source));
    SWEPT(kt_http_event_source_free, (source));
}

SWEEP(kt_http_event_source_clients, PLAIN)
{
    sure(kt_http_event_source_new(NULL, &source));
    CHECK_EQ(SWEPT(kt_http_event_source_clients, (source)), 0);
    kt_http_event_source_free(source);
}

static int sends(void *arg)
{
    (void)arg;
    return SWEPT(kt_http_event_source_send, (source, "tea", "hot", 3));
}

SWEEP(kt_http_event_source_send, ALLOCATES)
{
    sure(kt_http_event_source_new(NULL, &source));
    sweep_begin(sends, NULL);
    (void)sweep_end();
    sure(kt_http_event_source_send(source, "tea", "cold", 4));
    kt_http_event_source_free(source);
}

static int serves(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_event_source_serve, (source, s->x));
}

static int ends(void *arg)
{
    (void)arg;
    turns(20);
    kt_http_event_source_free(source);
    return 0;
}

SWEEP(kt_http_event_source_serve, SUSPENDS | ALLOCATES | REAL | LASTING)
{
    site s = {.act = serves};
    const kt_http_event_source_options o = {.replay_new = true, .retry = KT_S(1)};
    sure(kt_http_event_source_new(&o, &source));
    sure(kt_http_event_source_send(source, "tea", "hot", 3));
    kt_task *t = spawn(ends, NULL, 0);
    visit(&s, HTTP_GET, NULL);
    sure(kt_task_join(t));
    if (s.rc >= 0)
        CHECK(heard_once(&s, "retry: 1000\n\n") && heard_once(&s, "data: hot\n\n"));
}
