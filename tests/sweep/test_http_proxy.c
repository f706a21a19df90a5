/* SPDX-License-Identifier: MIT */
/* Proxies, the log, metrics. */
#include "http_site.h"

#include <kettle/http_metrics.h>
#include <kettle/http_proxy.h>

static const char *const here[] = {"127.0.0.1", NULL};
static kt_http_proxies *proxies;
static kt_http_metrics *metrics;

static int answers(void *arg)
{
    const site *s = arg;
    return s->x->state == KT__HTTP_NEW ? kt_http_respond(s->x, 200, NULL, "tea", 3) : 0;
}

static int makes_proxies(void *arg)
{
    (void)arg;
    return SWEPT(kt_http_proxies_new, (here, KT_HTTP_X_FORWARDED, &proxies));
}

SWEEP(kt_http_proxies_new, ALLOCATES)
{
    proxies = NULL;
    sweep_begin(makes_proxies, NULL);
    (void)sweep_end();
    kt_http_proxies_free(proxies);
}

SWEEP(kt_http_proxies_free, PLAIN)
{
    sure(kt_http_proxies_new(here, KT_HTTP_X_FORWARDED, &proxies));
    SWEPT(kt_http_proxies_free, (proxies));
}

/* In an arena that is used up, so that there is something to allocate. */
static int uses_arena(void *arg)
{
    const site *s = arg;
    return kt_http_alloc(s->x, KT__HTTP_ARENA_BYTES - 32) ? 0 : -ENOMEM;
}

static int finds_client(void *arg)
{
    const site *s = arg;
    kt_http_client c;
    int rc = SWEPT(kt_http_client_of, (s->x, proxies, &c));
    if (rc >= 0 && !sweep_refused()) /* a peer that the system does not tell is nobody's proxy */
        CHECK_STR(c.address, "192.0.2.1");
    return rc;
}

SWEEP(kt_http_client_of, ALLOCATES | REAL)
{
    site s = {.before = uses_arena, .act = finds_client, .after = answers};
    sure(kt_http_proxies_new(here, KT_HTTP_FORWARDED, &proxies));
    visit(&s, HTTP_REQUEST("GET /subject", "Forwarded: for=192.0.2.1\r\n"), NULL);
    kt_http_proxies_free(proxies);
}

static int names(void *arg)
{
    const site *s = arg;
    const char *id;
    return SWEPT(kt_http_request_id, (s->x, NULL, &id));
}

SWEEP(kt_http_request_id, ALLOCATES | REAL)
{
    site s = {.before = uses_arena, .act = names, .after = answers};
    visit(&s, HTTP_GET, NULL);
    CHECK(heard_once(&s, "X-Request-Id: "));
}

static const kt_http_record record = {.peer = "127.0.0.1:80", .status = 200};

static int logs(void *arg)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    (void)arg;
    int rc = SWEPT(kt_http_log_line, (&record, KT_HTTP_LOG_JSON, NULL, &b));
    CHECK_EQ(rc < 0, b.size == 0);
    return rc;
}

SWEEP(kt_http_log_line, ALLOCATES)
{
    sweep_begin(logs, NULL);
    (void)sweep_end();
}

static int makes_metrics(void *arg)
{
    (void)arg;
    return SWEPT(kt_http_metrics_new, (&metrics));
}

SWEEP(kt_http_metrics_new, ALLOCATES)
{
    metrics = NULL;
    sweep_begin(makes_metrics, NULL);
    (void)sweep_end();
    kt_http_metrics_free(metrics);
}

SWEEP(kt_http_metrics_free, PLAIN)
{
    sure(kt_http_metrics_new(&metrics));
    SWEPT(kt_http_metrics_free, (metrics));
}

SWEEP(kt_http_metrics_record, PLAIN)
{
    sure(kt_http_metrics_new(&metrics));
    SWEPT(kt_http_metrics_record, (metrics, &record));
    kt_http_metrics_free(metrics);
}

static int handles(kt_http_exchange *x, void *arg)
{
    (void)x;
    (void)arg;
    return 7;
}

SWEEP(kt_http_metrics_handle, PLAIN)
{
    sure(kt_http_metrics_new(&metrics));
    CHECK_EQ(SWEPT(kt_http_metrics_handle, (metrics, NULL, handles, NULL)), 7);
    kt_http_metrics_free(metrics);
}

static int writes(void *arg)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    (void)arg;
    int rc = SWEPT(kt_http_metrics_write, (metrics, &b));
    CHECK_EQ(rc < 0, b.size == 0);
    return rc;
}

SWEEP(kt_http_metrics_write, ALLOCATES)
{
    sure(kt_http_metrics_new(&metrics));
    sweep_begin(writes, NULL);
    (void)sweep_end();
    kt_http_metrics_free(metrics);
}

static int responds(void *arg)
{
    const site *s = arg;
    return SWEPT(kt_http_metrics_respond, (metrics, s->x));
}

SWEEP(kt_http_metrics_respond, SUSPENDS | ALLOCATES | REAL | LASTING)
{
    site s = {.act = responds, .busy = true};
    sure(kt_http_metrics_new(&metrics));
    visit(&s, HTTP_GET, NULL);
    CHECK(s.rc < 0 || heard(&s, "http_requests_in_flight 0\n"));
    kt_http_metrics_free(metrics);
}
