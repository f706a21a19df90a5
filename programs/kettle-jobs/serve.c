/* SPDX-License-Identifier: MIT */

/* kettle-jobs serve: store, workers, HTTP API and page in one process. */

#include <arpa/inet.h>
#include <errno.h>
#include <kettle/group.h>
#include <kettle/http.h>
#include <kettle/jobs.h>
#include <kettle/log.h>
#include <kettle/stream.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/resource.h>

#include "page.h"
#include "program.h"

#define CONCURRENCY_MAX 10000
#define BODY_BYTES_MAX (16u << 20)
/* A handler's deepest call is jansson at 64 levels, with SQLite on other threads: the API's tests need
 * between 16 and 32 KiB. The room is address space until it is touched. */
#define HANDLER_STACK_BYTES ((size_t)256 << 10)
#define CONNECTIONS_MAX 500
#define PAGE_FILES_MAX 16
#define HOSTS_MAX 64
#define KEEP_DAYS_MAX 36500
/* Two pipes, their other ends while it is spawned, and the pidfd. */
#define DESCRIPTORS_A_JOB 6

/* Its settings. */
typedef struct config {
    const char *listen, *db;
    unsigned concurrency;
    kt_time grace, lock_wait;
    int crashes_max, keep_days;
    kt_settings_list allow_host;
    bool quiet;
} config;

typedef struct server {
    char host[256];
    uint16_t port;
    kt_jobs_options options;
    kt_jobs_type types[2];
    const kt_jobs_type *type_list[3];
    const char *hosts[HOSTS_MAX + 1];
    size_t hosts_count;
    kt_http_asset assets[PAGE_FILES_MAX];
    kt_jobs *jobs;
    kt_listener *listener;
} server;

/* ---- The log --------------------------------------------------------------------------------- */

static kt_logger engine = KT_LOGGER("server"), http = KT_LOGGER("server.http");

static void log_line(const char *line, void *arg)
{
    (void)arg;
    kt_log_info(&engine, "%s", line);
}

/* What an operator should hear of: the server failed, or somebody came who had no business here. */
static void log_request(const kt_http_record *r, void *arg)
{
    bool failed = r->status >= 500 && r->status != 503;
    (void)arg;
    if (!failed && r->status != 403 && r->status != 421)
        return;
    kt_log_warning(&http, "%d to %s: %.*s %.*s%s%s", r->status, r->peer,
                   (int)(r->method.size < 16 ? r->method.size : 16),
                   r->method.data ? r->method.data : "",
                   (int)(r->target.size < 200 ? r->target.size : 200),
                   r->target.data ? r->target.data : "", r->rc < 0 ? ": " : "",
                   r->reason   ? r->reason
                   : r->rc < 0 ? kt_strerror(r->rc)
                               : "");
}

/* ---- In the loop ----------------------------------------------------------------------------- */

static int run_jobs(void *arg)
{
    server *s = arg;
    return kt_jobs_run(s->jobs);
}

static int run_http(void *arg)
{
    server *s = arg;
    const kt_http_options options = {
        .body_bytes_max = BODY_BYTES_MAX,
        .connections_max = CONNECTIONS_MAX,
        .stack_bytes = HANDLER_STACK_BYTES,
        .log = log_request,
    };
    int rc = kt_http_serve(s->listener, &options, kt_jobs_http, s->jobs);
    /* Now, not after the jobs' grace period: so that new clients are refused and need not wait. */
    kt_listener_close(kt_steal(s->listener));
    return rc;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static void announce(const server *s)
{
    const char *open = strchr(s->host, ':') ? "[" : "", *close = *open ? "]" : "";
    if (!is_loopback(s->host)) {
        kt_log_warning(
            &engine,
            "others than this machine can reach the server; whoever does can run programs as "
            "this user: put a proxy that asks who they are in front");
        int rc = kt_log_flush(KT_S(1)); /* ahead of the address, if it can be */
        (void)rc;
    }
    printf("kettle-jobs: http://%s%s%s:%u (store %s, %u workers)\n", open, s->host, close,
           kt_listener_port(s->listener), s->options.path, s->options.concurrency);
    fflush(stdout);
}

/* A server that was killed just now may still hold its port: the kernel ends what its io_uring had
 * in flight a few milliseconds after its death. */
static int listen_patiently(server *s)
{
    kt_time until = kt_now() + KT_S(1);
    for (;;) {
        int rc = kt_listen(s->host, s->port, NULL, &s->listener);
        if (rc != -EADDRINUSE || kt_now() >= until)
            return rc;
        rc = kt_sleep(KT_MS(20));
        if (rc < 0)
            return rc;
    }
}

static int serve(void *arg)
{
    server *s = arg;
    int rc = listen_patiently(s);
    if (kt_is_cancel(rc))
        return rc;
    if (rc == -EADDRINUSE) {
        fprintf(
            stderr,
            "kettle-jobs: port %u of %s is taken: another server runs there. Stop it, or choose "
            "another port: kettle-jobs serve --listen %s%s%s:%u\n",
            s->port, s->host, strchr(s->host, ':') ? "[" : "", s->host,
            strchr(s->host, ':') ? "]" : "", s->port == UINT16_MAX ? 8001 : s->port + 1u);
        return rc;
    }
    if (rc < 0) {
        fprintf(stderr, "kettle-jobs: cannot listen on %s port %u: %s\n", s->host, s->port,
                *kt_error_detail() ? kt_error_detail() : kt_strerror(rc));
        return rc;
    }
    announce(s);
    {
        kt_auto(kt_group) parts = KT_GROUP_INIT;
        rc = kt_group_spawn_with(&parts, &(kt_spawn_options){.name = "jobs"}, run_jobs, s, 0, NULL);
        if (rc == 0)
            rc = kt_group_spawn_with(&parts, &(kt_spawn_options){.name = "http"}, run_http, s, 0,
                                     NULL);
        rc = kt_group_join(&parts, rc);
    }
    if (rc < 0 && !kt_is_cancel(rc))
        fprintf(stderr, "kettle-jobs: %s\n",
                *kt_error_detail() ? kt_error_detail() : kt_strerror(rc));
    kt_listener_close(kt_steal(s->listener));
    return rc;
}

/* ---- Before and after ------------------------------------------------------------------------ */

/* The first try does not wait, so that one who waits is told for what. */
static int open_jobs(server *s)
{
    kt_time wait = s->options.lock_wait;
    s->options.lock_wait = 1;
    int rc = kt_jobs_open(&s->options, &s->jobs);
    if (rc == KT_ECONFLICT && wait > 0) {
        fprintf(stderr, "kettle-jobs: %s; waiting up to %g s for it\n", kt_error_detail(),
                (double)wait / 1e9);
        s->options.lock_wait = wait;
        rc = kt_jobs_open(&s->options, &s->jobs);
    }
    if (rc < 0)
        fprintf(stderr, "kettle-jobs: %s\n",
                *kt_error_detail() ? kt_error_detail() : kt_strerror(rc));
    return rc;
}

/* Programs inherit the limit, and old ones dislike a large one; so only as much as is needed. */
static void make_room(const server *s)
{
    struct rlimit files;
    rlim_t needed = CONNECTIONS_MAX + 100 + (rlim_t)s->options.concurrency * DESCRIPTORS_A_JOB;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= needed)
        return;
    files.rlim_cur = needed < files.rlim_max ? needed : files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < needed)
        fprintf(stderr,
                "kettle-jobs: only %llu files may be open; at most %llu programs can run at once\n",
                (unsigned long long)files.rlim_cur,
                (unsigned long long)(files.rlim_cur / (2 * DESCRIPTORS_A_JOB)));
}

static void fill_options(server *s, bool quiet)
{
    s->types[0] = kt_jobs_command;
    s->types[1] = kt_jobs_sleep;
    for (size_t i = 0; i < 2; i++) {
        s->types[i].log = s->types[i].log && !quiet;
        s->type_list[i] = &s->types[i];
    }
    size_t n = 0;
    for (; page_files[n].path && n < PAGE_FILES_MAX; n++)
        s->assets[n] = (kt_http_asset){page_files[n].path, page_files[n].content_type,
                                       page_files[n].etag, page_files[n].data, page_files[n].size};
    s->options.types = s->type_list;
    s->options.assets = s->assets;
    s->options.assets_count = n;
    s->options.hosts = s->hosts;
    s->options.log = log_line;
}

/* ---- Options --------------------------------------------------------------------------------- */

static const char *check_address(const char *value)
{
    char host[sizeof((server *)0)->host];
    uint16_t port;
    return parse_address(value, host, sizeof host, &port)
               ? NULL
               : "not HOST:PORT or PORT, as 127.0.0.1:8000 or [::1]:8000";
}

static const char *check_not_empty(const char *value)
{
    return *value ? NULL : "a name is wanted";
}

#define YEAR KT_S(366 * 86400)

static const kt_setting table[] = {
    {KT_SETTING_TEXT(config, listen), "listen", .standard = "127.0.0.1:8000",
     .check = check_address, .meta = "ADDRESS", .help = "HOST:PORT or PORT to listen on"},
    {KT_SETTING_PATH(config, db), "db", .standard = "kettle-jobs.db", .check = check_not_empty,
     .meta = "FILE", .help = "the store, made if it is not there"},
    {KT_SETTING_INTEGER(config, concurrency, 1, CONCURRENCY_MAX), "concurrency", .standard = "10",
     .help = "jobs that run at the same time"},
    {KT_SETTING_DURATION(config, grace, 0, YEAR), "grace", .standard = "10", .meta = "SECONDS",
     .help = "for running jobs when the server stops"},
    {KT_SETTING_DURATION(config, lock_wait, 0, YEAR), "lock-wait", .standard = "10",
     .meta = "SECONDS", .help = "for another server on this store to end"},
    {KT_SETTING_INTEGER(config, crashes_max, 1, 1000000), "crashes-max", .standard = "5",
     .help = "a job that was running at more crashes of the server is dead"},
    {KT_SETTING_INTEGER(config, keep_days, 0, KEEP_DAYS_MAX), "keep", .standard = "30",
     .meta = "DAYS", .help = "how long jobs stay that have ended; 0: for ever"},
    {KT_SETTING_LIST(config, allow_host, HOSTS_MAX), "allow-host", .check = check_not_empty,
     .meta = "NAME", .help = "a name besides localhost that requests may be for; may be repeated"},
    {KT_SETTING_BOOL(config, quiet), "quiet",
     .help = "tell troubles only, not the starts and ends of jobs"},
    {.name = NULL},
};

static const kt_settings_spec spec = {
    .program = "kettle-jobs serve",
    .about = "Runs the job server: store, workers, HTTP API and page, until Ctrl-C or SIGTERM.",
    .more = "Standard error gets the log. A second Ctrl-C or SIGTERM ends at once.\n"
            "Exit status: 0 after a stop, 1 on failure, 2 for wrong usage.",
    .table = table,
};

/* To the engine zero means its default, and less than zero none. */
static kt_time or_none(kt_time span)
{
    return span ? span : -1;
}

static void take_config(server *s, const config *c)
{
    if (!parse_address(c->listen, s->host, sizeof s->host, &s->port))
        abort(); /* check_address has seen it */
    s->options.path = c->db;
    s->options.concurrency = c->concurrency;
    s->options.grace = or_none(c->grace);
    s->options.lock_wait = c->lock_wait;
    s->options.crashes_max = c->crashes_max;
    s->options.keep = or_none(KT_S(c->keep_days * INT64_C(86400)));
    for (size_t i = 0; i < c->allow_host.count; i++)
        s->hosts[i] = c->allow_host.items[i];
    fill_options(s, c->quiet);
}

static int run_server(server *s)
{
    make_room(s);
    if (open_jobs(s) < 0)
        return EXIT_FAILED;
    int rc = kt_run(serve, s, 0);
    kt_jobs_close(s->jobs);
    if (rc != -EINTR)
        return EXIT_FAILED;
    kt_log_info(&engine, "stopped");
    return EXIT_DONE;
}

int command_serve(program *p, int argc, char **argv)
{
    config c;
    server s = {.port = 0};
    kt_auto(kt_settings) *settings = NULL;
    (void)p; /* the options of clients are not its */
    int status = settings_read(&spec, &c, NULL, argc, argv, &settings);
    if (status != GO_ON)
        return status;
    if (settings_given(settings, "allow-host") && c.allow_host.count == 0)
        return usage_error(spec.program, "--allow-host: a name is wanted");
    take_config(&s, &c);
    const kt_log_sink log = {.kind = KT_LOG_STDERR, .utc = true};
    int rc = kt_log_open(&(kt_log_options){.sinks = &log, .sinks_count = 1, .crash_flush = true});
    if (rc < 0) {
        fprintf(stderr, "kettle-jobs: no log: %s\n", kt_strerror(rc));
        return EXIT_FAILED;
    }
    kt_log_hook_set(kt_log_hook_bridge);
    status = run_server(&s);
    kt_log_close();
    return status;
}
