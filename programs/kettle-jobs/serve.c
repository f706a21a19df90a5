/* SPDX-License-Identifier: MIT */

/* kettle-jobs serve: store, workers, HTTP API and page in one process. */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <kettle/group.h>
#include <kettle/http.h>
#include <kettle/jobs.h>
#include <kettle/stream.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>

#include "page.h"
#include "program.h"

#define PORT_DEFAULT 8000
#define PATH_DEFAULT "kettle-jobs.db"
#define CONCURRENCY_DEFAULT 10
#define CONCURRENCY_MAX 10000
#define LOCK_WAIT_DEFAULT KT_S(10)
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

static const char help[] =
    "usage: kettle-jobs serve [OPTION]...\n"
    "Runs the job server: store, workers, HTTP API and page, until Ctrl-C or SIGTERM.\n\n"
    "  --listen ADDRESS     HOST:PORT or PORT to listen on (127.0.0.1:8000)\n"
    "  --db FILE            the store, made if it is not there (kettle-jobs.db)\n"
    "  --concurrency N      jobs that run at the same time (10)\n"
    "  --grace SECONDS      for running jobs when the server stops (10)\n"
    "  --lock-wait SECONDS  for another server on this store to end (10)\n"
    "  --crashes-max N      a job that was running at more crashes of the server is dead (5)\n"
    "  --keep DAYS          how long jobs stay that have ended; 0: for ever (30)\n"
    "  --allow-host NAME    a name besides localhost that requests may be for; may be repeated\n"
    "  --quiet              tell troubles only, not the starts and ends of jobs\n"
    "  --help               this text\n\n"
    "Standard error gets the log. A second Ctrl-C or SIGTERM ends at once.\n"
    "Exit status: 0 after a stop, 1 on failure, 2 for wrong usage.\n";

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

/* Lines carry what programs wrote, so they are made safe for terminals. */
static void log_line(const char *line, void *arg)
{
    char stamp[32];
    struct timespec now;
    struct tm tm;
    (void)arg;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    flockfile(stderr);
    fprintf(stderr, "%s.%03ldZ ", stamp, now.tv_nsec / 1000000);
    print_safe(stderr, line, false);
    fputc('\n', stderr);
    fflush(stderr);
    funlockfile(stderr);
}

/* What an operator should hear of: the server failed, or somebody came who had no business here. */
static void log_request(const kt_http_record *r, void *arg)
{
    char line[512];
    bool failed = r->status >= 500 && r->status != 503;
    if (!failed && r->status != 403 && r->status != 421)
        return;
    snprintf(line, sizeof line, "http: %d to %s: %.*s %.*s%s%s", r->status, r->peer,
             (int)(r->method.size < 16 ? r->method.size : 16), r->method.data ? r->method.data : "",
             (int)(r->target.size < 200 ? r->target.size : 200),
             r->target.data ? r->target.data : "", r->rc < 0 ? ": " : "",
             r->reason   ? r->reason
             : r->rc < 0 ? kt_strerror(r->rc)
                         : "");
    log_line(line, arg);
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
    if (!is_loopback(s->host))
        log_line(
            "warning: others than this machine can reach the server; whoever does can run programs "
            "as this user: put a proxy that asks who they are in front",
            NULL);
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

enum {
    LISTEN = OPTION_OWN,
    DB,
    CONCURRENCY,
    GRACE,
    LOCK_WAIT,
    CRASHES_MAX,
    KEEP,
    ALLOW_HOST,
    QUIET,
};

static const struct option options[] = {
    {"listen", required_argument, NULL, LISTEN},
    {"db", required_argument, NULL, DB},
    {"concurrency", required_argument, NULL, CONCURRENCY},
    {"grace", required_argument, NULL, GRACE},
    {"lock-wait", required_argument, NULL, LOCK_WAIT},
    {"crashes-max", required_argument, NULL, CRASHES_MAX},
    {"keep", required_argument, NULL, KEEP},
    {"allow-host", required_argument, NULL, ALLOW_HOST},
    {"quiet", no_argument, NULL, QUIET},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* NULL, or what the option's value must be. */
static const char *take_option(server *s, int option, const char *value)
{
    int64_t n;
    kt_jobs_options *o = &s->options;
    switch (option) {
    case LISTEN:
        return parse_address(value, s->host, sizeof s->host, &s->port)
                   ? NULL
                   : "--listen must be HOST:PORT or PORT, as 127.0.0.1:8000 or [::1]:8000";
    case DB:
        o->path = value;
        return *value ? NULL : "--db must name a file";
    case CONCURRENCY:
        if (!parse_integer(value, 1, CONCURRENCY_MAX, &n))
            return "--concurrency must be a whole number between 1 and 10000";
        o->concurrency = (unsigned)n;
        return NULL;
    case GRACE:
        if (!parse_seconds(value, &o->grace))
            return "--grace must be a number of seconds";
        o->grace = o->grace ? o->grace : -1; /* to the engine zero means the default */
        return NULL;
    case LOCK_WAIT:
        return parse_seconds(value, &o->lock_wait) ? NULL
                                                   : "--lock-wait must be a number of seconds";
    case CRASHES_MAX:
        if (!parse_integer(value, 1, 1000000, &n))
            return "--crashes-max must be a whole number of at least 1";
        o->crashes_max = (int)n;
        return NULL;
    case KEEP:
        if (!parse_integer(value, 0, KEEP_DAYS_MAX, &n))
            return "--keep must be a whole number of days, at most 36500";
        o->keep = n > 0 ? KT_S(n * 86400) : -1; /* to the engine zero means the default */
        return NULL;
    default:
        if (!*value || s->hosts_count == HOSTS_MAX)
            return "--allow-host must be a name; at most 64 can be given";
        s->hosts[s->hosts_count++] = value;
        return NULL;
    }
}

int command_serve(int argc, char **argv)
{
    server s = {.host = "127.0.0.1", .port = PORT_DEFAULT};
    s.options.path = PATH_DEFAULT;
    s.options.concurrency = CONCURRENCY_DEFAULT;
    s.options.lock_wait = LOCK_WAIT_DEFAULT;
    bool quiet = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?')
            return usage_error(argv[0], NULL);
        if (option == OPTION_HELP)
            return fputs(help, stdout) < 0;
        quiet = quiet || option == QUIET;
        const char *wrong = option == QUIET ? NULL : take_option(&s, option, optarg);
        if (wrong)
            return usage_error(argv[0], "%s", wrong);
    }
    if (optind < argc)
        return usage_error(argv[0], "'%s' is one argument too many", argv[optind]);
    fill_options(&s, quiet);
    make_room(&s);
    int rc = open_jobs(&s);
    if (rc < 0)
        return EXIT_FAILED;
    rc = kt_run(serve, &s, 0);
    kt_jobs_close(s.jobs);
    if (rc != -EINTR)
        return EXIT_FAILED;
    log_line("stopped", NULL);
    return EXIT_DONE;
}
