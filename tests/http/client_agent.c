/* SPDX-License-Identifier: MIT */
/* A client for servers and proxies of others, which client_peers.py drives: sends requests and says what came back.
 *
 * usage: client_agent [OPTION VALUE]... URL...
 *   version 1|2     only this one               ca FILE       trust this authority, and nobody else
 *   proxy URL                                   method NAME
 *   body FILE       send it                     chunked yes   ... without its length
 *   expect yes      ... when the server says so header NAME:VALUE (one)
 *   user NAME:PASSWORD                          trailer NAME  print it
 *   times N         ask each URL so often       at-once N     ... so many at a time
 *   attempts N      of one request              pause MS      between two
 *
 * For each answer a line "STATUS VERSION BYTES SHA-256 [header: value]...", or "ERROR words"; at the end
 * "N connections, N reused". Options stand before the URLs. */
#include <kettle/file.h>
#include <kettle/http_client.h>
#include <kettle/kettle.h>
#include <kettle/tls.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    VERSION, CA, PROXY, METHOD, BODY, CHUNKED, EXPECT, HEADER, USER, TRAILER, TIMES, AT_ONCE, ATTEMPTS, PAUSE, OPTIONS,
};

static const char *const names[OPTIONS] = {
    "version", "ca",      "proxy", "method",  "body",     "chunked", "expect",
    "header",  "user",    "trailer", "times", "at-once", "attempts", "pause",
};

typedef struct agent {
    const char *options[OPTIONS];
    char **urls;
    kt_http_session *web;
    const char *header[3], *user, *password;
    unsigned next, count; /* of requests, all URLs in turn */
    unsigned url_count;
} agent;

static unsigned number_of(const agent *a, int option, unsigned standard)
{
    return a->options[option] ? (unsigned)strtoul(a->options[option], NULL, 10) : standard;
}

/* ---- One request ----------------------------------------------------------------------------- */

typedef struct upload {
    kt_file *file;
} upload;

static ssize_t read_upload(void *buffer, size_t size, void *arg)
{
    return kt_file_read(((upload *)arg)->file, buffer, size);
}

/* Its size and its sum; negative as kt_http_response_read. */
static ssize_t read_body(kt_http_response *r, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned sum_size = 0;
    char piece[16 * 1024];
    ssize_t n, size = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
        abort();
    while ((n = kt_http_response_read(r, piece, sizeof piece)) > 0) {
        size += n;
        if (EVP_DigestUpdate(md, piece, (size_t)n) != 1)
            abort();
    }
    if (EVP_DigestFinal_ex(md, sum, &sum_size) != 1)
        abort();
    EVP_MD_CTX_free(md);
    for (unsigned i = 0; i < sum_size; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    hex[(size_t)2 * sum_size] = '\0';
    return n < 0 ? n : size;
}

static void tell_fields(const agent *a, const kt_http_response *r)
{
    static const char *const shown[] = {"content-type", "content-encoding", "content-range", "x-seen"};
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        kt_slice value = kt_http_response_header(r, shown[i]);
        if (value.data)
            printf(" %s: %.*s", shown[i], (int)value.size, value.data);
    }
    if (a->options[TRAILER]) {
        kt_slice value = kt_http_response_trailer(r, a->options[TRAILER]);
        printf(" trailer: %.*s", (int)value.size, value.size ? value.data : "");
    }
}

static int send_request(agent *a, const char *url, kt_file *file, kt_http_response **ret_response)
{
    upload u = {.file = file};
    kt_http_request q = {.url = url,
                         .method = a->options[METHOD],
                         .headers = a->options[HEADER] ? a->header : NULL,
                         .user = a->user,
                         .password = a->password,
                         .expect_continue = a->options[EXPECT]};
    if (file && a->options[CHUNKED]) {
        q.body_read = read_upload;
        q.body_arg = &u;
    } else {
        q.body_file = file;
    }
    return kt_http_send(a->web, &q, ret_response);
}

static int ask(agent *a, const char *url)
{
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    kt_auto(kt_file) *file = NULL;
    kt_auto(kt_http_response) *r = NULL;
    int rc = a->options[BODY] ? kt_file_open(a->options[BODY], O_RDONLY, 0, &file) : 0;
    if (rc == 0)
        rc = send_request(a, url, file, &r);
    ssize_t n = rc == 0 ? read_body(r, hex) : rc;
    if (kt_is_cancel((int)n))
        return (int)n;
    if (n < 0) {
        printf("ERROR %s: %s\n", kt_error_name((int)n), kt_error_detail());
        return 0;
    }
    printf("%d %d %zd %s", kt_http_response_status(r), kt_http_response_version(r), n, hex);
    tell_fields(a, r);
    printf("\n");
    return 0;
}

/* ---- All of them ----------------------------------------------------------------------------- */

KT_FN(worker, w, struct { agent *a; })
{
    agent *a = w->a;
    unsigned pause = number_of(a, PAUSE, 0);
    int rc = 0;
    while (rc == 0 && a->next < a->count) {
        rc = ask(a, a->urls[a->next++ % a->url_count]);
        if (rc == 0 && pause > 0)
            rc = kt_sleep(KT_MS(pause));
    }
    return rc;
}

static int ask_all(agent *a)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    a->count = a->url_count * number_of(a, TIMES, 1);
    for (unsigned i = 0; rc == 0 && i < number_of(a, AT_ONCE, 1); i++)
        rc = kt_group_spawn(&g, KT_WITH(worker, .a = a));
    return kt_group_join(&g, rc);
}

static int run(void *arg)
{
    agent *a = *(agent **)arg;
    kt_auto(kt_tls_config) *tls = NULL;
    const kt_tls_client_options trust = {.ca_file = a->options[CA], .no_system_trust = true};
    kt_http_session_options o = {.version = (kt_http_protocol)number_of(a, VERSION, 0),
                                 .proxy = a->options[PROXY],
                                 .retries = {.attempts = number_of(a, ATTEMPTS, 0), .first_wait = KT_MS(20)},
                                 .timeouts = {.total = KT_S(30)}};
    int rc = a->options[CA] ? kt_tls_client_new(&trust, &tls) : 0;
    o.tls = tls;
    if (rc == 0)
        rc = kt_http_session_open(&o, &a->web);
    if (rc < 0)
        return rc;
    rc = ask_all(a);
    kt_http_session_facts facts;
    kt_http_session_facts_get(a->web, &facts);
    printf("%llu connections, %llu reused\n", (unsigned long long)facts.opened, (unsigned long long)facts.reused);
    kt_http_session_close(a->web);
    return rc;
}

/* ---- The command line ------------------------------------------------------------------------ */

/* Cuts "a:b" in two. */
static const char *cut(const char *pair)
{
    char *colon = strchr(pair, ':');
    if (!colon)
        return "";
    *colon = '\0';
    return colon + 1;
}

static bool take_option(agent *a, char **argv)
{
    for (int i = 0; i < OPTIONS; i++)
        if (strcmp(argv[0], names[i]) == 0) {
            a->options[i] = argv[1];
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    agent a = {0}, *p = &a;
    int at = 1;
    while (at + 1 < argc && take_option(&a, argv + at))
        at += 2;
    if (at == argc) {
        fprintf(stderr, "usage: client_agent [OPTION VALUE]... URL...\n");
        return 2;
    }
    a.urls = argv + at;
    a.url_count = (unsigned)(argc - at);
    if (a.options[HEADER]) {
        a.header[0] = a.options[HEADER];
        a.header[1] = cut(a.options[HEADER]);
    }
    if (a.options[USER]) {
        a.user = a.options[USER];
        a.password = cut(a.options[USER]);
    }
    int rc = kt_run(run, &p, sizeof p);
    if (rc < 0)
        fprintf(stderr, "client_agent: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}
