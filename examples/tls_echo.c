/* SPDX-License-Identifier: MIT */
/* An echo server over TLS, and two of its clients. Certificates come from files, for instance from
 *   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -out server.pem -keyout server.key \
 *       -subj /CN=localhost -addext subjectAltName=DNS:localhost
 *
 * usage: tls_echo server.pem server.key */
#include <kettle/kettle.h>
#include <kettle/tls.h>
#include <stdio.h>

/* Gets a stream whose hands are shaken; the server closes it. */
static int echo(kt_stream *s, void *arg)
{
    kt_slice line;
    int rc;
    (void)arg;
    while ((rc = kt_stream_read_line(s, 4096, &line)) > 0) {
        const struct iovec answer[] = {{"echo: ", 6}, {(void *)(uintptr_t)line.data, line.size}, {"\n", 1}};
        rc = kt_stream_writev(s, answer, 3);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int talk(const kt_tls_client_options *options, uint16_t port)
{
    kt_auto(kt_tls_config) *config = NULL;
    kt_auto(kt_stream) *s = NULL;
    const kt_tls_options o = {.server_name = "localhost"}; /* which the certificate must have */
    kt_tls_info info;
    kt_slice line;
    int rc = kt_tls_client_new(options, &config);
    if (rc == 0)
        rc = kt_tls_connect(config, "127.0.0.1", port, &o, &s);
    if (rc == 0)
        rc = kt_tls_info_get(s, &info);
    if (rc == 0) {
        printf("speaks %s\n", info.version);
        rc = kt_stream_write(s, "one\ntwo\n", 8);
    }
    if (rc == 0)
        rc = kt_stream_shutdown_write(s);
    while (rc == 0 && (rc = kt_stream_read_line(s, 4096, &line)) > 0) {
        printf("%.*s\n", (int)line.size, line.data);
        rc = 0;
    }
    return rc; /* 0 only if the server has said good-bye */
}

static int run(void *files)
{
    const char *chain = ((char **)files)[1], *key = ((char **)files)[2];
    const kt_tls_certificate certificate = {.chain_file = chain, .key_file = key};
    const kt_tls_server_options server_options = {.certificates = &certificate, .certificate_count = 1};
    kt_auto(kt_tls_config) *config = NULL;
    kt_tls_service service = {.handler = echo};
    kt_auto(kt_server) *server = NULL; /* ends before what it uses */
    kt_listener *l = NULL;
    int rc = kt_tls_server_new(&server_options, &config);
    if (rc == 0)
        rc = kt_listen("127.0.0.1", 0, NULL, &l);
    if (rc < 0)
        return rc;
    const uint16_t port = kt_listener_port(l);
    service.config = config;
    rc = kt_server_start(l, NULL, kt_tls_serve, &service, &server);
    if (rc < 0) {
        kt_listener_close(l);
        return rc;
    }
    rc = talk(&(kt_tls_client_options){.ca_file = chain, .no_system_trust = true}, port);
    if (rc == 0 && talk(NULL, port) == KT_ECERTIFICATE) /* the system does not trust it */
        printf("refused: %s\n", kt_error_detail());
    return rc;
}

int main(int argc, char **argv)
{
    int rc = argc == 3 ? kt_run(run, argv, 0) : -1;
    if (argc != 3)
        fprintf(stderr, "usage: tls_echo server.pem server.key\n");
    else if (rc < 0)
        fprintf(stderr, "tls_echo: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}
