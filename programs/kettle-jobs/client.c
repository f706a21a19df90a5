/* SPDX-License-Identifier: MIT */

/* One request to a server, and what to tell when it goes wrong. */

#include <errno.h>
#include <inttypes.h>
#include <kettle/http.h>
#include <kettle/timeout.h>
#include <stdlib.h>
#include <strings.h>

#include "program.h"

#define REPLY_BYTES_MAX ((size_t)64 << 20)

int64_t client_batch_offset;

typedef struct request {
    kt_http_call call;
    kt_http_reply reply;
    kt_time time_limit;
    char why[256]; /* the failure in words, kept beyond the loop */
} request;

static int fetch(void *arg)
{
    request *r = arg;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, r->time_limit);
    int rc = kt_timeout_end(&limit, kt_http_fetch(&r->call, &r->reply));
    snprintf(r->why, sizeof r->why, "%s", *kt_error_detail() ? kt_error_detail() : kt_strerror(rc));
    return rc;
}

/* "http://host:port", where scheme, port and a last slash may be missing. */
static bool parse_server(const char *url, char *ret_host, size_t host_size, uint16_t *ret_port)
{
    static const char scheme[] = "http://";
    char address[300];
    const char *start = url;
    if (strncasecmp(url, scheme, sizeof scheme - 1) == 0)
        start += sizeof scheme - 1;
    else if (strstr(url, "://"))
        return false;
    size_t size = strcspn(start, "/?#");
    if (size == 0 || size >= sizeof address - 4 || (start[size] && strcmp(start + size, "/") != 0))
        return false;
    memcpy(address, start, size);
    address[size] = '\0';
    const char *bracket = strrchr(address, ']');
    if (!strchr(bracket ? bracket : address, ':'))
        snprintf(address + size, sizeof address - size, ":80");
    return parse_address(address, ret_host, host_size, ret_port);
}

/* ---- What went wrong ------------------------------------------------------------------------- */

static int unreachable(const client_options *o, const request *r, int rc)
{
    bool refused =
        rc == -ECONNREFUSED || rc == KT_ENAME || rc == -ENETUNREACH || rc == -EHOSTUNREACH;
    if (rc == KT_ETIMEDOUT)
        fprintf(stderr,
                "kettle-jobs: %s did not answer within %g s; give it more with --time-limit\n",
                o->server, (double)o->time_limit / 1e9);
    else
        fprintf(stderr, "kettle-jobs: cannot reach %s: %s\n", o->server, r->why);
    if (refused)
        fprintf(stderr, "Start a server with 'kettle-jobs serve', or name one with --server.\n");
    else if (r->call.body)
        fprintf(stderr,
                "The server may have taken the request all the same: see 'kettle-jobs list'.\n");
    return EXIT_UNREACHABLE;
}

/* {"error": {"message", "field"}}, or whatever stands between us and the server has answered. */
static int refused(const client_options *o, const request *r, const json_t *json)
{
    const json_t *error = json_object_get(json, "error");
    const char *message = json_text(error, "message"), *field = json_text(error, "field");
    long long index;
    int used = 0;
    fputs("kettle-jobs: ", stderr);
    if (!*message) {
        fprintf(stderr, "%s answered %d %s\n", o->server, r->reply.status,
                kt_http_reason(r->reply.status));
        return EXIT_FAILED;
    }
    if (sscanf(field, "jobs[%lld]%n", &index, &used) == 1 && used > 0) {
        fprintf(stderr, "jobs[%" PRId64 "]", (int64_t)index + client_batch_offset);
        field += used;
        used = 1;
    }
    print_safe(stderr, field, false);
    fputs(*field || used ? ": " : "", stderr);
    print_safe(stderr, message, false);
    fputc('\n', stderr);
    return EXIT_FAILED;
}

/* ---- Requests -------------------------------------------------------------------------------- */

static int judge(const client_options *o, request *r, bool quiet, answer *ret_answer)
{
    json_error_t error;
    json_t *json =
        json_loadb(r->reply.body.data ? r->reply.body.data : "", r->reply.body.size, 0, &error);
    int status = EXIT_DONE;
    if (quiet && r->reply.status == 503)
        status = EXIT_UNREACHABLE; /* it is on its way out, and may come back */
    else if (r->reply.status >= 400)
        status = refused(o, r, json);
    else if (!json || r->reply.status >= 300) {
        fprintf(stderr, "kettle-jobs: %s does not answer as a kettle-jobs server does\n",
                o->server);
        status = EXIT_FAILED;
    }
    if (status != EXIT_DONE) {
        json_decref(json);
        return status;
    }
    *ret_answer = (answer){r->reply.status, json};
    return EXIT_DONE;
}

static int ask(const client_options *o, const char *target, const json_t *body, bool quiet,
               answer *ret_answer)
{
    char host[256];
    uint16_t port;
    if (!parse_server(o->server, host, sizeof host, &port)) {
        fprintf(stderr,
                "kettle-jobs: '%s' is no server's URL; it must be as http://127.0.0.1:8000\n",
                o->server);
        return EXIT_USAGE;
    }
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (body && !text) {
        fprintf(stderr, "kettle-jobs: out of memory\n");
        return EXIT_FAILED;
    }
    request r = {
        .call = {.host = host, .port = port, .target = target, .body_bytes_max = REPLY_BYTES_MAX},
        .reply = KT_HTTP_REPLY_INIT,
        .time_limit = o->time_limit,
    };
    if (text) {
        r.call.content_type = "application/json";
        r.call.body = text;
        r.call.body_size = strlen(text);
    }
    int rc = kt_run(fetch, &r, 0), status;
    if (rc == -EINTR)
        status = EXIT_INTERRUPTED;
    else if (rc < 0)
        status = quiet ? EXIT_UNREACHABLE : unreachable(o, &r, rc);
    else
        status = judge(o, &r, quiet, ret_answer);
    kt_http_reply_release(&r.reply);
    free(text); /* tidy: free: jansson's */
    return status;
}

int client_ask(const client_options *o, const char *target, const json_t *body, answer *ret_answer)
{
    return ask(o, target, body, false, ret_answer);
}

int client_ask_quietly(const client_options *o, const char *target, const json_t *body,
                       answer *ret_answer)
{
    return ask(o, target, body, true, ret_answer);
}
