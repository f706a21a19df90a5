/* SPDX-License-Identifier: MIT */
/* Servers, watches, pools of processes and the log take no more memory for all that they have done. */
#define _GNU_SOURCE
#include "../growth.h"
#include "tree.h"

#include <sys/wait.h>

#define REAL KT_TEST_REAL_TIME

/* ---- Connections ---------------------------------------------------------------------------------- */

static int repeats(kt_stream *s, void *arg)
{
    char bytes[64];
    ssize_t n;
    (void)arg;
    while ((n = kt_stream_read(s, bytes, sizeof bytes)) > 0) {
        int rc = kt_stream_write(s, bytes, (size_t)n);
        if (rc < 0)
            return rc;
    }
    return n < 0 ? (int)n : 0;
}

static void call_in(kt_listener *l)
{
    kt_stream *s = NULL;
    char byte;
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &s));
    CHECK_OK(kt_stream_write(s, "x", 1));
    CHECK_EQ(kt_stream_read(s, &byte, 1), 1);
    kt_stream_close(s);
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &s));
    kt_stream_hang_up(s, true);
    kt_stream_close(s);
}

static void visit(void *server)
{
    call_in(kt_server_listener(server));
}

TEST_WITH(connections_that_have_ended_take_no_memory_of_their_server, REAL)
{
    kt_auto(kt_server) *server = NULL;
    kt_listener *l = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_server_start(l, NULL, repeats, NULL, &server));
    check_no_growth(50, visit, server);
}

typedef struct shared_port {
    kt_balancer *balancer;
    kt_listener *l;
} shared_port;

static int serves_one(void *arg)
{
    kt_stream *s = NULL;
    int rc = kt_listener_accept(arg, &s);
    if (rc == 0)
        rc = repeats(s, NULL);
    kt_stream_close(s);
    return rc == -ECONNRESET ? 0 : rc;
}

/* Listeners come and go, too. */
static void visit_balanced(void *arg)
{
    shared_port *p = arg;
    kt_task *t[2];
    for (int i = 0; i < 2; i++)
        CHECK_OK(kt_spawn(serves_one, p->l, 0, &t[i]));
    call_in(p->l);
    for (int i = 0; i < 2; i++)
        (void)!kt_task_join(t[i]);
    kt_listener *other = NULL;
    CHECK_OK(kt_balancer_listen(p->balancer, &other));
    kt_listener_close(p->l);
    p->l = other;
}

TEST_WITH(connections_that_were_given_out_take_no_memory_of_the_balancer, REAL)
{
    kt_listener *l = NULL;
    shared_port p;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_balancer_open(l, &p.balancer));
    CHECK_OK(kt_balancer_listen(p.balancer, &p.l));
    check_no_growth(20, visit_balanced, &p);
    kt_listener_close(p.l);
    kt_balancer_close(p.balancer);
}

static int reads_byte(void *stream)
{
    char byte;
    return (int)kt_stream_read(stream, &byte, 1);
}

static void is_readable(void *event)
{
    kt_event_set(event);
}

/* A burst that is larger than what is kept, and waits in vain. */
static void use_streams(void *arg)
{
    static const char much[100 * 1024];
    char bytes[1000];
    kt_stream **s = arg;
    kt_auto(kt_stream_writer) w = {.stream = s[0]};
    CHECK_ERR(kt_wait_for(1, reads_byte, s[1], 0), KT_ETIMEDOUT);
    CHECK_OK(kt_stream_writer_write(&w, much, sizeof much));
    for (size_t left = sizeof much; left > 0;) {
        ssize_t n = kt_stream_read(s[1], bytes, sizeof bytes);
        CHECK_GT(n, 0);
        left -= (size_t)n;
    }
    CHECK_OK(kt_stream_writer_close(&w));
}

TEST(streams_in_memory_take_no_more_of_it_for_what_went_through)
{
    kt_stream *s[2];
    CHECK_OK(kt_stream_memory_pair(8 * 1024, s));
    check_no_growth(30, use_streams, s);
    kt_stream_close(s[0]);
    kt_stream_close(s[1]);
}

static void use_and_watch(void *arg)
{
    kt_stream **s = arg;
    kt_event readable = KT_EVENT_INIT;
    use_streams(s);
    CHECK_OK(kt_stream_watch(s[1], is_readable, &readable));
    CHECK_OK(kt_stream_write(s[0], "x", 1));
    CHECK_OK(kt_event_wait(&readable));
    CHECK_EQ(reads_byte(s[1]), 1);
}

TEST_WITH(streams_take_no_memory_for_what_went_through, REAL)
{
    kt_stream *s[2];
    CHECK_OK(kt_stream_pair(s));
    check_no_growth(30, use_and_watch, s);
    kt_stream_close(s[0]);
    kt_stream_close(s[1]);
}

static void send_datagrams(void *udp)
{
    kt_address here, from;
    char byte;
    CHECK_OK(kt_udp_local(udp, &here));
    CHECK_OK(kt_udp_send_to(udp, "x", 1, &here));
    CHECK_EQ(kt_udp_receive(udp, &byte, 1, &from, NULL), 1);
    kt_udp *other = NULL;
    CHECK_OK(kt_udp_connect("127.0.0.1", kt_address_port(&here), NULL, &other));
    CHECK_OK(kt_udp_send(other, "y", 1));
    CHECK_EQ(kt_udp_receive(udp, &byte, 1, &from, NULL), 1);
    kt_udp_close(other);
}

TEST_WITH(datagrams_that_were_received_take_no_memory, REAL)
{
    kt_udp *u = NULL;
    CHECK_OK(kt_udp_bind("127.0.0.1", 0, NULL, &u));
    check_no_growth(50, send_datagrams, u);
    kt_udp_close(u);
}

/* ---- Files and directories --------------------------------------------------------------------------- */

static void use_files(void *arg)
{
    const tree *t = arg;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    kt_auto(kt_path_list) *names = NULL;
    kt_file *f = NULL;
    kt_slice line;
    const char *name = in(t, "a");
    CHECK_OK(kt_file_open(name, O_RDWR | O_CREAT | O_TRUNC, 0600, &f));
    CHECK_OK(kt_file_write(f, "tea\nmilk\n", 9));
    CHECK_OK(kt_file_lock(f, KT_FILE_EXCLUSIVE));
    CHECK_OK(kt_file_unlock(f));
    CHECK_EQ(kt_file_seek(f, 0, SEEK_SET), 0);
    CHECK_EQ(kt_file_read_line(f, 100, &line), 1);
    CHECK_OK(kt_file_close(f));
    CHECK_OK(kt_file_replace(name, "tea", 3, NULL));
    CHECK_OK(kt_file_read_whole(name, 100, &b));
    CHECK_OK(kt_dir_list(t->root, 0, &names));
    CHECK_OK(kt_path_remove(name));
    CHECK_ERR(kt_path_remove(name), -ENOENT);
}

TEST_WITH(files_that_were_closed_take_no_memory, REAL)
{
    kt_auto(tree) t = tree_new();
    check_no_growth(20, use_files, &t);
}

typedef struct watched {
    tree t;
    kt_dir_watch *w;
} watched;

/* Directories come, are moved, and go, with files in them. */
static void change_tree(void *arg)
{
    watched *d = arg;
    kt_dir_event e;
    put_dir(&d->t, "a");
    put_dir(&d->t, "a/b");
    put(&d->t, "a/b/file", "x");
    CHECK_EQ(rename(in(&d->t, "a"), in(&d->t, "c")), 0);
    CHECK_EQ(unlink(in(&d->t, "c/b/file")), 0);
    CHECK_EQ(rmdir(in(&d->t, "c/b")), 0);
    CHECK_EQ(rmdir(in(&d->t, "c")), 0);
    do
        CHECK_EQ(kt_dir_watch_next(d->w, &e), 1);
    while (e.change != KT_DIR_REMOVED || strcmp(e.path, "c") != 0);
}

TEST_WITH(what_has_changed_takes_no_memory_of_the_watch, REAL)
{
    const kt_dir_watch_options recursive = {.recursive = true};
    watched d = {.t = tree_new()};
    CHECK_OK(kt_dir_watch_open(d.t.root, &recursive, &d.w));
    check_no_growth(20, change_tree, &d);
    kt_dir_watch_close(d.w);
    tree_cleanup(&d.t);
}

/* ---- The log ------------------------------------------------------------------------------------------ */

static kt_logger shop = KT_LOGGER("shop");

static void log_lines(void *arg)
{
    kt_logger room = KT_LOGGER("shop.room");
    const kt_log_field fields[] = {kt_log_text("drink", "tea"), kt_log_integer("cups", 2)};
    const kt_log_extra extra = {.rc = -EIO, .fields = fields, .fields_count = 2};
    (void)arg;
    for (int i = 0; i < 20; i++) {
        kt_log_info(&shop, "line %d of many", i);
        kt_log_write(&room, KT_LOG_ERROR, &extra, "a failure");
    }
    CHECK_OK(kt_log_flush(KT_S(10)));
    kt_log_reopen();
    kt_logger_release(&room);
}

TEST_WITH(lines_that_were_written_take_no_memory_of_the_log, REAL)
{
    kt_auto(tree) t = tree_new();
    const kt_log_sink sinks[] = {
        {.kind = KT_LOG_FILE, .path = in(&t, "log"), .rotate_bytes = 4096, .keep = 2},
        {.kind = KT_LOG_FILE, .path = in(&t, "json"), .form = KT_LOG_JSON},
    };
    CHECK_OK(kt_log_open(&(kt_log_options){.sinks = sinks, .sinks_count = 2}));
    check_no_growth(30, log_lines, NULL);
    kt_log_close();
}

/* ---- Processes ------------------------------------------------------------------------------------------ */

static void run_program(void *arg)
{
    const char *const argv[] = {"cat", NULL};
    const kt_process_options o = {.argv = argv, .input = KT_PROCESS_PIPE, .output = KT_PROCESS_PIPE};
    kt_auto(kt_process) *p = NULL, *other = NULL;
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    kt_process_status status;
    (void)arg;
    CHECK_OK(kt_process_spawn(&o, &p));
    CHECK_OK(kt_process_communicate(p, kt_slice_from("tea"), 100, &text, NULL));
    CHECK_OK(kt_process_wait(p, &status));
    CHECK_OK(kt_process_spawn(&o, &other)); /* and ends it half-way */
}

TEST_WITH(programs_that_have_ended_take_no_memory, REAL)
{
    check_no_growth(10, run_program, NULL);
}

KT_PROCESS_FN(sends_back, input, size, ret_output)
{
    return kt_buffer_append(ret_output, input, size);
}

KT_PROCESS_FN(refuse, input, size, ret_output)
{
    (void)input;
    (void)size;
    (void)ret_output;
    return kt_error_set(KT_EVALIDATION, "no");
}

KT_PROCESS_FN(die, input, size, ret_output)
{
    (void)input;
    (void)size;
    (void)ret_output;
    _exit(3);
}

static void run_in_worker(void *pool)
{
    static const char much[20000];
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(kt_process_pool_run(pool, sends_back, much, sizeof much, &out));
    CHECK_ERR(kt_process_pool_run(pool, refuse, "x", 1, NULL), KT_EVALIDATION);
    CHECK_LT(kt_process_pool_run(pool, die, "x", 1, NULL), 0);
}

TEST_WITH(jobs_of_workers_that_are_done_take_no_memory_of_their_pool, REAL)
{
    kt_process_pool *p = NULL;
    CHECK_OK(kt_process_pool_open(&(kt_process_pool_options){.workers = 2}, &p));
    check_no_growth(10, run_in_worker, p);
    kt_process_pool_close(p);
}
