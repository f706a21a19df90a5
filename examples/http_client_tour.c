/* SPDX-License-Identifier: MIT */
/* What a session does beyond a request: a cache, a download that goes on after a cut, a form, a stream of events. The
 * server is in the same program, and says what it was asked. */
#include <errno.h>
#include <kettle/http.h>
#include <kettle/http_cache.h>
#include <kettle/http_client.h>
#include <kettle/http_download.h>
#include <kettle/http_event_stream.h>
#include <kettle/http_form.h>
#include <kettle/kettle.h>
#include <kettle/path.h>
#include <kettle/temp.h>
#include <stdio.h>
#include <stdlib.h>

static const char poem[] = "The cook starts the kettle, then chops while it heats.\n";

/* A failure within an answer cuts the connection. */
static int serve_half(kt_http_exchange *x)
{
    int rc = kt_http_start(x, 200, "text/plain");
    if (rc == 0)
        rc = kt_http_write(x, poem, sizeof poem / 2);
    if (rc == 0)
        rc = kt_http_flush(x);
    return rc < 0 ? rc : -EIO;
}

/* Honours a range, for it has one version of the poem; and fails the first time. */
static int serve_poem(kt_http_exchange *x)
{
    static int asked;
    kt_slice range = kt_http_request_header(x, "Range");
    size_t from = range.data ? strtoul(range.data + strlen("bytes="), NULL, 10) : 0, size = sizeof poem - 1;
    char said[64];
    snprintf(said, sizeof said, "bytes %zu-%zu/%zu", from, size - 1, size);
    printf("  asked for the poem from byte %zu on\n", from);
    int rc = kt_http_header(x, "ETag", "\"1\"");
    if (rc == 0 && from > 0)
        rc = kt_http_header(x, "Content-Range", said);
    if (rc == 0 && asked++ == 0)
        return serve_half(x);
    return rc < 0 ? rc : kt_http_respond(x, from > 0 ? 206 : 200, "text/plain", poem + from, size - from);
}

static int serve_events(kt_http_exchange *x)
{
    int rc = kt_http_events_start(x);
    if (rc == 0)
        rc = kt_http_event(x, "warm", "1", "60 degrees", 10);
    return rc < 0 ? rc : kt_http_event(x, "hot", "2", "100 degrees", 11);
}

static int answer(kt_http_exchange *x, void *arg)
{
    kt_slice body;
    (void)arg;
    if (kt_slice_is(kt_http_path(x), "/poem"))
        return serve_poem(x);
    if (kt_slice_is(kt_http_path(x), "/events"))
        return serve_events(x);
    int rc = kt_http_read_all(x, 10000, &body);
    if (rc < 0)
        return rc;
    kt_slice path = kt_http_path(x);
    printf("  asked for %.*s%s\n", (int)path.size, path.data, body.size > 0 ? " with a form" : "");
    rc = kt_http_header(x, "Cache-Control", "max-age=60");
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", "tea\n", 4);
}

KT_FN(serve, a, struct { kt_listener *l; })
{
    return kt_http_serve(a->l, NULL, answer, NULL);
}

/* The second time nobody is asked. */
static int get(kt_http_session *web)
{
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    int rc = kt_http_get(web, "/menu", &r);
    if (rc == 0)
        rc = kt_http_response_read_all(r, 1000, &body);
    if (rc == 0)
        printf("menu: %.*s from the %s\n", (int)body.size - 1, body.data,
               kt_http_response_source(r) == KT_HTTP_SOURCE_CACHE ? "cache" : "server");
    return rc;
}

static int download(kt_http_session *web, const char *path)
{
    const kt_http_download_options o = {.first_wait = KT_MS(1)};
    kt_http_download_result got;
    int rc = kt_http_download(web, "/poem", path, &o, &got);
    if (rc == 0)
        printf("download: %llu bytes in %u attempts\n", (unsigned long long)got.bytes, got.attempts);
    return rc;
}

static int upload(kt_http_session *web, const char *path)
{
    kt_auto(kt_http_form) *form = NULL;
    kt_auto(kt_http_response) *r = NULL;
    kt_http_request q = {.url = "/upload"};
    int rc = kt_http_form_new(&form);
    if (rc == 0)
        rc = kt_http_form_add(form, "title", "A poem");
    if (rc == 0)
        rc = kt_http_form_add_file(form, "poem", path, &(kt_http_form_file){.type = "text/plain"});
    if (rc < 0)
        return rc;
    kt_http_form_use(form, &q);
    rc = kt_http_send(web, &q, &r);
    if (rc == 0)
        printf("upload: %d\n", kt_http_response_status(r));
    return rc;
}

static int listen_for(kt_http_session *web, int count)
{
    kt_auto(kt_http_event_stream) *es = NULL;
    kt_http_stream_event e;
    int rc = kt_http_event_stream_open(web, "/events", NULL, &es);
    while (rc >= 0 && count-- > 0 && (rc = kt_http_event_stream_next(es, &e)) > 0)
        printf("%.*s: %.*s\n", (int)e.type.size, e.type.data, (int)e.data.size, e.data.data);
    return rc < 0 ? rc : 0;
}

static int tour(kt_http_session *web, const char *path)
{
    int rc = get(web);
    if (rc == 0)
        rc = get(web);
    if (rc == 0)
        rc = download(web, path);
    if (rc == 0)
        rc = upload(web, path);
    return rc < 0 ? rc : listen_for(web, 2);
}

static int with_session(uint16_t port)
{
    kt_auto(kt_http_cache) *cache = NULL;
    kt_auto(kt_http_session) *web = NULL;
    kt_auto(kt_temp_dir) *dir = NULL;
    kt_auto(kt_path) path = NULL;
    char base[64];
    snprintf(base, sizeof base, "http://127.0.0.1:%u/", port);
    int rc = kt_http_cache_open(NULL, &cache);
    const kt_http_session_options o = {.base_url = base, .cache = cache};
    if (rc == 0)
        rc = kt_http_session_open(&o, &web);
    if (rc == 0)
        rc = kt_temp_dir_make(NULL, "tour-", &dir);
    if (rc == 0)
        rc = kt_path_join(kt_temp_dir_path(dir), "poem", &path);
    return rc < 0 ? rc : tour(web, path);
}

static int run(void *arg)
{
    kt_auto(kt_listener) *l = NULL;
    (void)arg;
    int rc = kt_listen("127.0.0.1", 0, NULL, &l);
    if (rc < 0)
        return rc;
    kt_auto(kt_group) server = KT_GROUP_INIT;
    rc = kt_group_spawn(&server, KT_WITH(serve, .l = l));
    if (rc == 0)
        rc = with_session(kt_listener_port(l));
    kt_group_cancel(&server);
    int joined = kt_group_join(&server, 0);
    return rc < 0 ? rc : joined;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "http_client_tour: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}
