/* SPDX-License-Identifier: MIT */
/* An echo server of datagrams and its client, who asks again when an answer does not come. */
#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>

#define TRIES 3

/* Until it is cancelled. Every other datagram gets lost, as may happen on a real network. */
static int echo(void *arg)
{
    kt_udp *u = arg;
    char bytes[1500];
    kt_address from;
    for (int i = 0;; i++) {
        bool truncated;
        ssize_t n = kt_udp_receive(u, bytes, sizeof bytes, &from, &truncated);
        if (n < 0)
            return (int)n;
        if (truncated || i % 2 == 0)
            continue;
        int rc = kt_udp_send_to(u, bytes, (size_t)n, &from);
        if (rc < 0)
            return rc;
    }
}

static int ask_once(kt_udp *u, const char *text, char *answer, size_t size)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_MS(50));
    int rc = kt_udp_send(u, text, strlen(text));
    if (rc == 0)
        rc = (int)kt_udp_receive(u, answer, size, NULL, NULL);
    return kt_timeout_end(&limit, rc);
}

static int ask(uint16_t port, const char *text)
{
    kt_auto(kt_udp) *u = NULL;
    char answer[1500];
    int rc = kt_udp_connect("127.0.0.1", port, NULL, &u);
    for (int i = 1; rc >= 0 && i <= TRIES; i++) {
        rc = ask_once(u, text, answer, sizeof answer);
        if (rc >= 0) {
            printf("try %d: %.*s\n", i, rc, answer);
            return 0;
        }
        if (rc == KT_ETIMEDOUT)
            rc = 0;
    }
    return rc < 0 ? rc : kt_error_set(-ETIMEDOUT, "no answer to %d datagrams", TRIES);
}

static int run(void *arg)
{
    (void)arg;
    kt_auto(kt_udp) *u = NULL;
    kt_auto(kt_group) server = KT_GROUP_INIT; /* ends before its socket does */
    kt_address own;
    int rc = kt_udp_bind("127.0.0.1", 0, NULL, &u);
    if (rc == 0)
        rc = kt_udp_local(u, &own);
    if (rc == 0)
        rc = kt_group_spawn(&server, echo, u, 0);
    if (rc == 0)
        rc = ask(kt_address_port(&own), "one");
    if (rc == 0)
        rc = ask(kt_address_port(&own), "two");
    kt_group_cancel(&server);
    return kt_group_join(&server, rc);
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0 && rc != -EINTR) {
        fprintf(stderr, "udp_echo: %s (%s)\n", kt_strerror(rc), kt_error_detail());
        return 1;
    }
    return 0;
}
