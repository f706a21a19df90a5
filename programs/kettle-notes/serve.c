/* SPDX-License-Identifier: MIT */

/* kettle-notes serve: a page to read and write the notes, and its API. */

#include <arpa/inet.h>
#include <errno.h>
#include <kettle/http.h>
#include <kettle/log.h>
#include <stdlib.h>
#include <strings.h>

#include "page.h"
#include "program.h"

#define PAGE_FILES_MAX 16
#define HOSTS_MAX 64
/* A note of the largest size, with every byte escaped, and a few of its fields. */
#define BODY_BYTES_MAX (6 * (uint64_t)KT_NOTE_BYTES_MAX + ((uint64_t)1 << 20))
#define CONNECTIONS_MAX 200

static kt_logger log_http = KT_LOGGER("notes.http");

typedef struct options {
    const char *listen;
    kt_settings_list hosts;
    char host[256];
    uint16_t port;
} options;

/* "HOST:PORT" or "PORT"; an IPv6 address stands in brackets. */
static bool parse_address(const char *text, char *host, size_t host_size, uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':'), *digits = colon ? colon + 1 : text;
    char *end;
    errno = 0;
    unsigned long port = strtoul(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end || errno || port > UINT16_MAX)
        return false;
    size_t size = colon ? (size_t)(colon - text) : 0;
    bool bracketed = size > 2 && text[0] == '[' && text[size - 1] == ']';
    if ((colon && size == 0) || (!bracketed && memchr(text, ':', size)) || size >= host_size)
        return false;
    if (bracketed) {
        text++;
        size -= 2;
    }
    snprintf(host, host_size, "%.*s", (int)size, text);
    if (!colon)
        snprintf(host, host_size, "127.0.0.1");
    *ret_port = (uint16_t)port;
    return true;
}

static const char *check_address(const char *value)
{
    char host[256];
    uint16_t port;
    return parse_address(value, host, sizeof host, &port)
               ? NULL
               : "must be HOST:PORT or PORT, as [::1]:8001";
}

static const kt_setting table[] = {
    {KT_SETTING_TEXT(options, listen), "listen", .letter = 'l', .standard = "127.0.0.1:8001",
     .check = check_address, .meta = "ADDRESS", .help = "HOST:PORT or PORT to listen on"},
    {KT_SETTING_LIST(options, hosts, 0), "allow-host", .meta = "NAME",
     .help = "a name besides localhost that requests may be for; may be repeated"},
    {.name = NULL},
};

static const kt_settings_spec spec = {
    .program = "kettle-notes serve",
    .about = "Serves a page to read, search and write the notes, and its JSON API, until Ctrl-C or "
             "SIGTERM. Whoever "
             "can reach it may change them.",
    .table = table,
    .environment = "KETTLE_NOTES",
    .file = "/etc/kettle-notes.conf",
};

/* ---- In the loop -------------------------------------------------------------------------- */

/* What an operator should hear of: the server failed, or somebody came who had no business here. */
static void log_request(const kt_http_record *r, void *arg)
{
    (void)arg;
    bool failed = r->status >= 500, strange = r->status == 403 || r->status == 421;
    if (!failed && !strange)
        return;
    kt_log_at(&log_http, failed ? KT_LOG_ERROR : KT_LOG_WARNING, NULL, "%d to %s: %.*s %.*s%s%s",
              r->status, r->peer, (int)(r->method.size < 16 ? r->method.size : 16),
              r->method.data ? r->method.data : "",
              (int)(r->target.size < 200 ? r->target.size : 200),
              r->target.data ? r->target.data : "", r->rc < 0 ? ": " : "",
              r->reason   ? r->reason
              : r->rc < 0 ? kt_strerror(r->rc)
                          : "");
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

static void announce(const options *o, const kt_notebook *b, const kt_listener *l)
{
    bool v6 = strchr(o->host, ':') != NULL;
    if (!is_loopback(o->host))
        kt_log_warning(
            &log_http,
            "others than this machine can reach the server, and read and change all notes: put a "
            "proxy that asks who they are in front");
    printf("kettle-notes: http://%s%s%s:%u (notes in %s)\n", v6 ? "[" : "", o->host, v6 ? "]" : "",
           kt_listener_port(l), kt_notebook_folder(b));
    fflush(stdout);
}

static int listen_on(const options *o, kt_listener **ret_listener)
{
    int rc = kt_listen(o->host, o->port, NULL, ret_listener);
    if (rc == -EADDRINUSE)
        return kt_error_set(
            rc,
            "port %u of %s is taken: another server runs there. Choose another one with --listen",
            o->port, o->host);
    return rc;
}

static int serve(kt_notebook *b, void *arg)
{
    const options *o = arg;
    kt_http_asset assets[PAGE_FILES_MAX];
    const char *hosts[HOSTS_MAX + 1] = {NULL};
    kt_auto(kt_listener) *l = NULL;
    size_t n = 0;
    for (; page_files[n].path && n < PAGE_FILES_MAX; n++)
        assets[n] = (kt_http_asset){page_files[n].path, page_files[n].content_type,
                                    page_files[n].etag, page_files[n].data, page_files[n].size};
    for (size_t i = 0; i < o->hosts.count; i++)
        hosts[i] = o->hosts.items[i];
    kt_notes_site site = {.book = b, .assets = assets, .assets_count = n, .hosts = hosts};
    const kt_http_options http = {
        .body_bytes_max = BODY_BYTES_MAX,
        .connections_max = CONNECTIONS_MAX,
        .log = log_request,
    };
    int rc = listen_on(o, &l);
    if (rc < 0)
        return rc;
    announce(o, b, l);
    return kt_http_serve(l, &http, kt_notes_http, &site);
}

int command_serve(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    options o = {0};
    int count, status = options_load(&spec, &o, argc, argv, &s);
    if (status >= 0)
        return status;
    char **rest = kt_settings_rest(s, &count);
    if (count > 0)
        return usage_error(&spec, "'%s' is one argument too many", rest[0]);
    /* It was checked as it was read. */
    if (!parse_address(o.listen, o.host, sizeof o.host, &o.port))
        return EXIT_USAGE;
    if (o.hosts.count > HOSTS_MAX)
        return usage_error(&spec, "at most %d hosts can be allowed", HOSTS_MAX);
    int rc = kt_log_open(NULL);
    if (rc < 0) {
        complain(rc);
        return EXIT_FAILED;
    }
    status = with_notebook(KT_NOTEBOOK_MAKE, serve, &o);
    kt_log_close();
    return status == EXIT_INTERRUPTED ? EXIT_DONE : status;
}
