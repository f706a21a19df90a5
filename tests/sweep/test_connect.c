/* SPDX-License-Identifier: MIT */
/* Connecting by a name with several addresses: the C library's look-up is replaced by one that knows some. */
#include "sweep.h"

#include <netdb.h>

enum { ADDRESSES = 3 };

static kt_address answers[ADDRESSES];
static struct addrinfo infos[ADDRESSES];

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret_answer)
{
    (void)host;
    (void)service;
    (void)hints;
    *ret_answer = infos;
    return 0;
}

void freeaddrinfo(struct addrinfo *answer)
{
    (void)answer;
}

/* One refuses, and two accept. */
static void answer_with(uint16_t deaf_port, uint16_t port)
{
    sure(kt_address_parse("127.0.0.1", deaf_port, &answers[0]));
    sure(kt_address_parse("127.0.0.1", port, &answers[1]));
    sure(kt_address_parse("127.0.0.2", port, &answers[2]));
    for (int i = 0; i < ADDRESSES; i++)
        infos[i] = (struct addrinfo){
            .ai_addr = &answers[i].any,
            .ai_addrlen = answers[i].size,
            .ai_next = i + 1 < ADDRESSES ? &infos[i + 1] : NULL,
        };
}

static kt_listener *listener_on(const char *host)
{
    kt_listener *l = NULL;
    sure(kt_listen(host, 0, NULL, &l));
    return l;
}

static int connects(void *arg)
{
    const kt_connect_options all_at_once = {.local_host = "127.0.0.3", .attempt_delay = -1};
    kt_auto(kt_stream) *s = NULL;
    (void)arg;
    int rc = SWEPT(kt_stream_connect_with, ("many", 1, &all_at_once, &s));
    CHECK((rc < 0) == !s);
    return rc;
}

/* Each address is tried in a task of its own; where one lacks memory, another may do. */
SWEEP_AS(kt_stream_connect_with, many, SUSPENDS | ALLOCATES | SPARES | WHOLE | WINS | REAL)
{
    kt_listener *deaf = listener_on("127.0.0.1");
    kt_auto(kt_listener) *l = listener_on("0.0.0.0");
    kt_auto(kt_stream) *s = NULL;
    answer_with(kt_listener_port(deaf), kt_listener_port(l));
    kt_listener_close(deaf);
    sweep_begin(connects, NULL);
    (void)sweep_end();
    sure(kt_stream_connect("127.0.0.1", kt_listener_port(l), &s));
}
