/* SPDX-License-Identifier: MIT */
/* An echo server over TLS, for peers that are not ours: peer_echo CHAIN.pem KEY.pem */
#include <kettle/kettle.h>
#include <kettle/tls.h>
#include <stdio.h>

static int echo(kt_stream *s, void *arg)
{
    kt_slice line;
    int rc;
    (void)arg;
    while ((rc = kt_stream_read_line(s, 1 << 20, &line)) > 0) {
        const struct iovec answer[] = {{(void *)(uintptr_t)line.data, line.size}, {"\n", 1}};
        rc = kt_stream_writev(s, answer, 2);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int serve(void *arg)
{
    char **argv = arg;
    const kt_tls_certificate certificate = {.chain_file = argv[1], .key_file = argv[2]};
    const kt_tls_server_options o = {.certificates = &certificate, .certificate_count = 1};
    kt_auto(kt_tls_config) *config = NULL;
    kt_listener *l = NULL;
    int rc = kt_tls_server_new(&o, &config);
    kt_tls_service service = {.config = config, .handler = echo};
    kt_auto(kt_server) *server = NULL;
    if (rc == 0)
        rc = kt_listen("127.0.0.1", 0, NULL, &l);
    if (rc < 0)
        return rc;
    printf("listening on 127.0.0.1:%u\n", kt_listener_port(l));
    fflush(stdout);
    rc = kt_server_start(l, NULL, kt_tls_serve, &service, &server);
    if (rc < 0)
        kt_listener_close(l);
    return rc < 0 ? rc : kt_server_serve_forever(server);
}

int main(int argc, char **argv)
{
    int rc = argc == 3 ? kt_run(serve, argv, 0) : -1;
    if (rc < 0 && kt_error_detail()[0])
        fprintf(stderr, "peer_echo: %s\n", kt_error_detail());
    return rc < 0 && rc != -4 /* EINTR: told to stop */;
}
