/* SPDX-License-Identifier: MIT */
/* A loop keeps nothing of servers, sessions, pools and watches that were closed: what it frees with its own end would
 * not be seen there. */
#include "client_site.h"

#include "../growth.h"
#include "../tls/certificates.h"

#include <kettle/cookies.h>
#include <kettle/file.h>
#include <kettle/http_cache.h>
#include <kettle/http_events.h>
#include <kettle/http_files.h>
#include <kettle/http_metrics.h>
#include <kettle/temp.h>
#include <kettle/websocket_hub.h>

static int says_back(kt_stream *s, void *arg)
{
    char byte;
    (void)arg;
    int rc = kt_stream_read_exactly(s, &byte, 1);
    return rc < 0 ? rc : kt_stream_write(s, &byte, 1);
}

static void have_server(void)
{
    kt_auto(kt_server) *server = NULL;
    kt_auto(kt_stream) *s = NULL;
    kt_listener *l = NULL;
    char byte;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_server_start(l, NULL, says_back, NULL, &server));
    CHECK_OK(kt_stream_connect("localhost", kt_listener_port(l), &s));
    CHECK_OK(kt_stream_write(s, "x", 1));
    CHECK_OK(kt_stream_read_exactly(s, &byte, 1));
}

static int joins(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    if (!kt_http_upgrade_asked(x).data)
        return hello(x, NULL);
    int rc = kt_websocket_accept(x, NULL, &ws);
    if (rc == 0)
        rc = kt_websocket_hub_subscribe(arg, ws, "news");
    return rc < 0 ? rc : kt_websocket_hub_keep(arg, &ws);
}

/* All of it is in use when it is closed. */
static void have_web(kt_http_protocol version)
{
    static const kt_http_options server = {.grace = -1};
    site s;
    kt_websocket_hub *hub = NULL;
    kt_websocket *ws = NULL;
    kt_auto(kt_cookie_jar) *jar = NULL;
    kt_auto(kt_http_cache) *cache = NULL;
    CHECK_OK(kt_websocket_hub_new(NULL, &hub));
    CHECK_OK(kt_cookie_jar_new(NULL, &jar));
    CHECK_OK(kt_http_cache_open(NULL, &cache));
    site_open(&s, &server, joins, hub);
    kt_http_session *web = session_for(kt_listener_port(s.l), (kt_http_session_options){.version = version,
                                                                                        .cookies = jar,
                                                                                        .cache = cache});
    CHECK_STR(ask(web, "/"), "200 hello\n");
    CHECK_STR(ask(web, "/"), "200 hello\n");
    if (version == KT_HTTP_1)
        CHECK_OK(kt_websocket_connect(web, "/", NULL, &ws));
    kt_http_session_close(web);
    kt_websocket_close(ws);
    site_close(&s);
    kt_websocket_hub_free(hub);
}

static void have_servers(void *arg)
{
    (void)arg;
    have_server();
    have_web(KT_HTTP_1);
    have_web(KT_HTTP_2);
}

TEST(servers_and_sessions_that_were_closed_take_no_memory_of_their_loop)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    check_no_growth(20, have_servers, NULL);
}

static int yields(void *arg)
{
    (void)arg;
    return kt_sleep(0);
}

static int succeeds(void *arg)
{
    (void)arg;
    return 0;
}

static void have_pools(void *arg)
{
    kt_auto(kt_thread_pool) *threads = NULL;
    kt_auto(kt_process_pool) *processes = NULL;
    (void)arg;
    CHECK_OK(kt_thread_pool_open(&(kt_thread_pool_options){.threads_max = 1}, &threads));
    CHECK_OK(kt_thread_pool_run(threads, succeeds, NULL, 0));
    CHECK_OK(kt_process_pool_open(&(kt_process_pool_options){.workers = 1}, &processes));
    CHECK_OK(kt_loop_run(NULL, yields, NULL, 0));
}

TEST_WITH(pools_that_were_closed_take_no_memory_of_their_loop, KT_TEST_REAL_TIME)
{
    check_no_growth(10, have_pools, NULL);
}

static kt_logger shop = KT_LOGGER("shop");

static void have_files(void *arg)
{
    kt_auto(kt_temp_dir) *dir = NULL;
    kt_auto(kt_dir_watch) *watch = NULL;
    kt_auto(kt_http_folder) *folder = NULL;
    kt_auto(kt_http_metrics) *metrics = NULL;
    kt_auto(kt_http_event_source) *source = NULL;
    char path[256];
    (void)arg;
    CHECK_OK(kt_temp_dir_make(NULL, "growth-", &dir));
    snprintf(path, sizeof path, "%s/log", kt_temp_dir_path(dir));
    CHECK_OK(kt_dir_watch_open(kt_temp_dir_path(dir), NULL, &watch));
    CHECK_OK(kt_http_folder_open(kt_temp_dir_path(dir), NULL, &folder));
    CHECK_OK(kt_http_metrics_new(&metrics));
    CHECK_OK(kt_http_event_source_new(NULL, &source));
    CHECK_OK(kt_http_event_source_send(source, "tea", "is ready", 8));
    const kt_log_sink sink = {.kind = KT_LOG_FILE, .path = path};
    CHECK_OK(kt_log_open(&(kt_log_options){.sinks = &sink, .sinks_count = 1}));
    kt_log_info(&shop, "open");
    kt_log_close();
}

TEST_WITH(watches_and_logs_that_were_closed_take_no_memory_of_their_loop, KT_TEST_REAL_TIME)
{
    check_no_growth(10, have_files, NULL);
}

static void have_sockets(void *arg)
{
    kt_auto(kt_balancer) *balancer = NULL;
    kt_auto(kt_udp) *udp = NULL;
    kt_listener *l = NULL, *part = NULL;
    kt_stream *s = NULL;
    (void)arg;
    CHECK_OK(kt_udp_bind("127.0.0.1", 0, NULL, &udp));
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_balancer_open(l, &balancer));
    CHECK_OK(kt_balancer_listen(balancer, &part));
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(part), &s));
    kt_stream_close(s);
    CHECK_OK(kt_listener_accept(part, &s));
    kt_stream_close(s);
    kt_listener_close(part);
}

TEST_WITH(sockets_that_were_closed_take_no_memory_of_their_loop, KT_TEST_REAL_TIME)
{
    check_no_growth(20, have_sockets, NULL);
}

static void have_tls(void *arg)
{
    const kt_tls_certificate certificate = {.chain_pem = certificate_of(good()), .key_pem = key_of(good())};
    const kt_tls_server_options server = {.certificates = &certificate, .certificate_count = 1};
    const kt_tls_client_options client = {.ca_pem = certificate_of(authority()), .no_system_trust = true};
    kt_tls_config *here = NULL, *there = NULL;
    kt_http_session *web = NULL;
    site s;
    char base[64];
    (void)arg;
    CHECK_OK(kt_tls_server_new(&server, &here));
    CHECK_OK(kt_tls_client_new(&client, &there));
    const kt_http_options o = {.grace = -1, .tls = here};
    site_open(&s, &o, hello, NULL);
    snprintf(base, sizeof base, "https://127.0.0.1:%u/", kt_listener_port(s.l));
    CHECK_OK(kt_http_session_open(&(kt_http_session_options){.base_url = base, .tls = there}, &web));
    CHECK_STR(ask(web, "/"), "200 hello\n");
    kt_http_session_close(web);
    site_close(&s);
    kt_tls_config_free(there);
    kt_tls_config_free(here);
}

TEST_WITH(servers_with_tls_that_were_closed_take_no_memory_of_their_loop, KT_TEST_REAL_TIME)
{
    check_no_growth(20, have_tls, NULL);
}
