/* SPDX-License-Identifier: MIT */
/* A web server with a bit of everything: JSON, a stream, a folder of files, uploads, a cookie, compression, metrics.
 *
 * usage: http_answers PORT FOLDER */
#include <errno.h>
#include <jansson.h>
#include <kettle/http.h>
#include <kettle/http_compress.h>
#include <kettle/http_files.h>
#include <kettle/http_forms.h>
#include <kettle/http_metrics.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct shop {
    const char *path;
    kt_http_folder *folder;
    kt_http_metrics *metrics;
} shop;

static int answer_json(kt_http_exchange *x, int status, json_t *value)
{
    char *text = value ? json_dumps(value, 0) : NULL;
    json_decref(value);
    int rc = text ? kt_http_respond(x, status, "application/json", text, strlen(text)) : -ENOMEM;
    free(text); /* jansson's */
    return rc;
}

static int hello(kt_http_exchange *x)
{
    kt_slice name = kt_slice_from("World");
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int rc = kt_http_query(x, "name", &name);
    if (rc >= 0)
        rc = kt_buffer_printf(&text, "Hello, %.*s!", (int)name.size, name.data);
    return rc < 0 ? rc : answer_json(x, 200, json_pack("{s:s%}", "message", text.data, text.size));
}

static int process(kt_http_exchange *x)
{
    kt_slice body;
    int rc = kt_http_read_all(x, 64 * 1024, &body);
    if (rc < 0)
        return rc;
    json_t *value = json_loadb(body.data, body.size, JSON_REJECT_DUPLICATES, NULL);
    if (!value)
        return answer_json(x, 400, json_pack("{s:s}", "error", "the body is no JSON"));
    rc = kt_sleep(KT_S(1)); /* others are served meanwhile */
    if (rc < 0) {
        json_decref(value);
        return rc;
    }
    return answer_json(x, 200, json_pack("{s:o, s:s}", "received", value, "status", "processed"));
}

static int stream(kt_http_exchange *x)
{
    int rc = kt_http_start(x, 200, "text/plain");
    for (int i = 0; rc == 0 && i < 10; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "Chunk %d\n", i);
        rc = kt_http_write(x, text, (size_t)n);
        if (rc == 0)
            rc = kt_sleep(KT_MS(500));
    }
    return rc;
}

/* Saves each file of a form in the folder, and tells what was sent. */
static int upload(kt_http_exchange *x, const shop *s)
{
    kt_auto(kt_http_multipart) *form = NULL;
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    kt_http_part part;
    int rc = kt_http_multipart_open(x, NULL, &form);
    while (rc >= 0 && (rc = kt_http_multipart_next(form, &part)) == 1) {
        kt_auto(kt_path) path = NULL;
        char name[KT_HTTP_NAME_BYTES];
        struct stat st;
        rc = kt_buffer_printf(&text, "%.*s", (int)part.name.size, part.name.data);
        if (rc == 0 && part.filename.data) {
            kt_http_safe_name(part.filename, name);
            rc = kt_http_multipart_save(form, s->path, &path);
            if (rc == 0)
                rc = kt_path_stat(path, &st);
            if (rc == 0)
                rc = kt_buffer_printf(&text, ": %s, %lld bytes", name, (long long)st.st_size);
        }
        if (rc == 0)
            rc = kt_buffer_append(&text, "\n", 1);
    }
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain; charset=utf-8", text.data, text.size);
}

static int count_visits(kt_http_exchange *x)
{
    kt_slice seen = kt_slice_from("0");
    char text[16];
    (void)kt_http_cookie(x, "visits", &seen); /* without one, this is the first */
    snprintf(text, sizeof text, "%ld", strtol(seen.data, NULL, 10) % 1000000 + 1);
    const kt_http_cookie_options o = {.path = "/", .http_only = true, .same_site = KT_HTTP_SAME_SITE_LAX};
    int rc = kt_http_cookie_set(x, "visits", text, &o);
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", text, strlen(text));
}

static int answer(kt_http_exchange *x, void *arg)
{
    const shop *s = arg;
    kt_slice path = kt_http_path(x);
    int rc = kt_http_compress(x, NULL);
    if (rc < 0)
        return rc;
    if (kt_slice_is(path, "/hello"))
        return hello(x);
    if (kt_slice_is(path, "/process"))
        return process(x);
    if (kt_slice_is(path, "/stream"))
        return stream(x);
    if (kt_slice_is(path, "/upload"))
        return upload(x, s);
    if (kt_slice_is(path, "/visits"))
        return count_visits(x);
    if (kt_slice_is(path, "/metrics"))
        return kt_http_metrics_respond(s->metrics, x);
    rc = kt_http_serve_folder(x, s->folder, path);
    return rc != 0 ? rc : kt_http_respond(x, 404, "text/plain", "not here\n", 9);
}

static int count(kt_http_exchange *x, void *arg)
{
    const shop *s = arg;
    return kt_http_metrics_handle(s->metrics, x, answer, arg);
}

static void tell(const kt_http_record *record, void *arg)
{
    const shop *s = arg;
    kt_auto(kt_buffer) line = KT_BUFFER_INIT;
    kt_http_metrics_record(s->metrics, record);
    if (kt_http_log_line(record, KT_HTTP_LOG_COMBINED, NULL, &line) == 0)
        fwrite(line.data, 1, line.size, stderr);
}

KT_FN(serve, a, struct { uint16_t port; const char *folder; })
{
    shop s = {.path = a->folder};
    kt_auto(kt_http_folder) *folder = NULL;
    kt_auto(kt_http_metrics) *metrics = NULL;
    kt_auto(kt_listener) *l = NULL;
    int rc = kt_http_folder_open(a->folder, &(kt_http_file_options){.precompressed = true}, &folder);
    if (rc == 0)
        rc = kt_http_metrics_new(&metrics);
    if (rc == 0)
        rc = kt_listen("127.0.0.1", a->port, NULL, &l);
    if (rc < 0)
        return rc;
    s.folder = folder;
    s.metrics = metrics;
    printf("http://127.0.0.1:%u\n", kt_listener_port(l));
    fflush(stdout);
    return kt_http_serve(l, &(kt_http_options){.log = tell, .log_arg = &s}, count, &s); /* until Ctrl-C */
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: http_answers PORT FOLDER\n");
        return 2;
    }
    int rc = kt_run(KT_WITH(serve, .port = (uint16_t)strtoul(argv[1], NULL, 10), .folder = argv[2]));
    if (rc < 0 && rc != -EINTR) {
        fprintf(stderr, "http_answers: %s\n", kt_strerror(rc));
        return 1;
    }
    return 0;
}
