/* SPDX-License-Identifier: MIT */
/* Gets URLs, all at once, and says what each of them came to; without any, from a server of its own.
 *
 * usage: http_get [URL...] */
#include <kettle/http.h>
#include <kettle/http_client.h>
#include <kettle/kettle.h>
#include <stdio.h>

static int answer(kt_http_exchange *x, void *arg)
{
    (void)arg;
    if (kt_slice_is(kt_http_path(x), "/old")) {
        int rc = kt_http_header(x, "Location", "/new");
        return rc < 0 ? rc : kt_http_respond(x, 302, NULL, NULL, 0);
    }
    return kt_http_respond(x, 200, "text/plain", "tea\n", 4);
}

KT_FN(serve, a, struct { kt_listener *l; })
{
    return kt_http_serve(a->l, NULL, answer, NULL);
}

/* A response streams: nothing here is larger than its piece. */
static int get(kt_http_session *web, const char *url)
{
    kt_auto(kt_http_response) *r = NULL;
    char piece[16 * 1024];
    size_t size = 0;
    ssize_t n = 0;
    int rc = kt_http_get(web, url, &r);
    while (rc == 0 && (n = kt_http_response_read(r, piece, sizeof piece)) > 0)
        size += (size_t)n;
    if (kt_is_cancel(rc) || kt_is_cancel((int)n))
        return rc < 0 ? rc : (int)n;
    if (rc < 0 || n < 0)
        printf("%s: %s (%s)\n", url, kt_strerror(rc < 0 ? rc : (int)n), kt_error_detail());
    else
        printf("%s: %d, %zu bytes, %u redirects\n", url, kt_http_response_status(r), size,
               kt_http_response_redirects(r));
    return 0;
}

KT_FN(get_one, a, struct { kt_http_session *web; const char *url; })
{
    return get(a->web, a->url);
}

static int get_all(kt_http_session *web, char **urls)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    for (; rc == 0 && *urls; urls++)
        rc = kt_group_spawn(&g, KT_WITH(get_one, .web = web, .url = *urls));
    return kt_group_join(&g, rc);
}

static int get_own(kt_http_session *web)
{
    kt_auto(kt_listener) *l = NULL;
    char url[64];
    int rc = kt_listen("127.0.0.1", 0, NULL, &l);
    if (rc < 0)
        return rc;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    rc = kt_group_spawn(&g, KT_WITH(serve, .l = l));
    for (int i = 0; rc == 0 && i < 2; i++) {
        snprintf(url, sizeof url, "http://127.0.0.1:%u/%s", kt_listener_port(l), i ? "old" : "new");
        rc = get(web, url);
    }
    kt_group_cancel(&g);
    return kt_group_join(&g, rc);
}

static int run(void *arg)
{
    char **urls = *(char ***)arg;
    kt_auto(kt_http_session) *web = NULL;
    int rc = kt_http_session_open(NULL, &web);
    if (rc < 0)
        return rc;
    return *urls ? get_all(web, urls) : get_own(web);
}

int main(int argc, char **argv)
{
    char **urls = argv + 1;
    (void)argc;
    int rc = kt_run(run, &urls, sizeof urls);
    if (rc < 0)
        fprintf(stderr, "http_get: %s\n", kt_strerror(rc));
    return rc < 0;
}
