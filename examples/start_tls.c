/* SPDX-License-Identifier: MIT */
/* A conversation that begins in the open and goes on under TLS, as SMTP's does with STARTTLS (RFC 3207).
 *
 * usage: start_tls server.pem server.key      (examples/tls_echo.c says where to get them) */
#include <kettle/kettle.h>
#include <kettle/tls.h>
#include <stdio.h>

static int say(kt_stream *s, const char *line)
{
    const struct iovec pieces[] = {{(void *)(uintptr_t)line, strlen(line)}, {"\r\n", 2}};
    return kt_stream_writev(s, pieces, 2);
}

static int serve(kt_stream *s, void *config)
{
    bool secret = false;
    kt_slice line;
    int rc = say(s, "220 ready");
    while (rc >= 0 && (rc = kt_stream_read_line(s, 512, &line)) > 0) {
        if (kt_slice_is(line, "STARTTLS") && !secret) {
            rc = say(s, "220 go ahead");
            if (rc == 0)
                rc = kt_stream_start_tls(s, config, NULL);
            secret = rc == 0; /* what the client has said so far counts no more */
        } else {
            rc = say(s, secret ? "250 accepted" : "530 not in the open");
        }
    }
    return rc;
}

static int hear(kt_stream *s)
{
    kt_slice line;
    int rc = kt_stream_read_line(s, 512, &line);
    if (rc == 0)
        return KT_EINCOMPLETE;
    if (rc > 0)
        printf("  %.*s\n", (int)line.size, line.data);
    return rc < 0 ? rc : 0;
}

static int ask(kt_stream *s, const char *line)
{
    printf("%s\n", line);
    int rc = say(s, line);
    return rc < 0 ? rc : hear(s);
}

static int send_mail(const kt_tls_config *config, uint16_t port)
{
    kt_auto(kt_stream) *s = NULL;
    const kt_tls_options o = {.server_name = "localhost"};
    int rc = kt_stream_connect("127.0.0.1", port, &s);
    if (rc == 0)
        rc = hear(s);
    if (rc == 0)
        rc = ask(s, "MAIL FROM:<cook@example.org>");
    if (rc == 0)
        rc = ask(s, "STARTTLS");
    if (rc == 0)
        rc = kt_stream_start_tls(s, config, &o); /* s is a TLS stream from here on */
    if (rc == 0)
        rc = ask(s, "MAIL FROM:<cook@example.org>");
    return rc;
}

static int run(void *files)
{
    const char *chain = ((char **)files)[1], *key = ((char **)files)[2];
    const kt_tls_certificate own = {.chain_file = chain, .key_file = key};
    const kt_tls_server_options server_options = {.certificates = &own, .certificate_count = 1};
    const kt_tls_client_options client_options = {.ca_file = chain, .no_system_trust = true};
    kt_auto(kt_tls_config) *server_config = NULL;
    kt_auto(kt_tls_config) *client_config = NULL;
    kt_auto(kt_server) *server = NULL;
    kt_listener *l = NULL;
    int rc = kt_tls_server_new(&server_options, &server_config);
    if (rc == 0)
        rc = kt_tls_client_new(&client_options, &client_config);
    if (rc == 0)
        rc = kt_listen("127.0.0.1", 0, NULL, &l);
    if (rc < 0)
        return rc;
    const uint16_t port = kt_listener_port(l);
    rc = kt_server_start(l, NULL, serve, server_config, &server);
    if (rc < 0)
        kt_listener_close(l);
    return rc < 0 ? rc : send_mail(client_config, port);
}

int main(int argc, char **argv)
{
    int rc = argc == 3 ? kt_run(run, argv, 0) : -1;
    if (argc != 3)
        fprintf(stderr, "usage: start_tls server.pem server.key\n");
    else if (rc < 0)
        fprintf(stderr, "start_tls: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}
