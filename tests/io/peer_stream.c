/* SPDX-License-Identifier: MIT */
/* Streams for peers that are not ours:
 *     peer_stream relay                     standard input to standard output
 *     peer_stream connect HOST PORT         the same by way of a server, with a half close between
 *     peer_stream connect PATH
 *     peer_stream serve [PATH]              echoes what each client says, to its end */
#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 256 * 1024 };

KT_FN(copy, a, struct { kt_stream *from, *to; bool ends; })
{
    kt_slice bytes;
    ssize_t n;
    while ((n = kt_stream_fill(a->from, 0, BLOCK, &bytes)) > 0) {
        int rc = kt_stream_write(a->to, bytes.data, bytes.size);
        if (rc < 0)
            return rc;
        kt_stream_consume(a->from, bytes.size);
    }
    return n < 0 ? (int)n : a->ends ? kt_stream_shutdown_write(a->to) : 0;
}

static int relay(void)
{
    kt_auto(kt_stream) *in = NULL;
    kt_auto(kt_stream) *out = NULL;
    int rc = kt_stream_standard(0, &in);
    if (rc == 0)
        rc = kt_stream_standard(1, &out);
    return rc < 0 ? rc : kt_wait_for(KT_FOREVER, KT_WITH(copy, in, out, false));
}

static int connect_to(char **argv)
{
    kt_auto(kt_stream) *in = NULL;
    kt_auto(kt_stream) *out = NULL;
    kt_auto(kt_stream) *s = NULL;
    kt_auto(kt_group) both = KT_GROUP_INIT;
    int rc = argv[3] ? kt_stream_connect(argv[2], (uint16_t)strtoul(argv[3], NULL, 10), &s)
                     : kt_stream_connect_unix(argv[2], &s);
    if (rc == 0)
        rc = kt_stream_standard(0, &in);
    if (rc == 0)
        rc = kt_stream_standard(1, &out);
    if (rc == 0)
        rc = kt_group_spawn(&both, KT_WITH(copy, in, s, true));
    if (rc == 0)
        rc = kt_group_spawn(&both, KT_WITH(copy, s, out, false));
    return kt_group_join(&both, rc);
}

static int echo(kt_stream *s, void *arg)
{
    (void)arg;
    return kt_wait_for(KT_FOREVER, KT_WITH(copy, s, s, true));
}

static int serve(const char *path)
{
    kt_listener *l = NULL;
    kt_auto(kt_server) *server = NULL;
    int rc = path ? kt_listen_unix(path, NULL, &l) : kt_listen("127.0.0.1", 0, NULL, &l);
    if (rc < 0)
        return rc;
    printf("listening on %u\n", kt_listener_port(l));
    fflush(stdout);
    rc = kt_server_start(l, NULL, echo, NULL, &server);
    if (rc < 0)
        kt_listener_close(l);
    return rc < 0 ? rc : kt_server_serve_forever(server);
}

static int run(void *arg)
{
    char **argv = arg;
    if (strcmp(argv[1], "relay") == 0)
        return relay();
    return strcmp(argv[1], "connect") == 0 ? connect_to(argv) : serve(argv[2]);
}

int main(int argc, char **argv)
{
    int rc = argc > 1 ? kt_run(run, argv, 0) : -EINVAL;
    if (rc >= 0 || rc == -EINTR) /* told to stop */
        return 0;
    fprintf(stderr, "peer_stream: %s: %s\n", kt_error_name(rc), kt_error_detail());
    return 1;
}
