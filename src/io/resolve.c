/* SPDX-License-Identifier: MIT */

/* Names to addresses, off the loop. getaddrinfo(3) may take half a minute and cannot be stopped, so a
 * look-up whose asker has been cancelled is abandoned: it ends alone, and frees itself. */

#include <arpa/inet.h>
#include <errno.h>
#include <kettle/loop.h>
#include <kettle/memory.h>
#include <kettle/sync.h>
#include <kettle/thread.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>

#include "core/core.h"
#include "io/stream_private.h"

#define NAME_MAX_BYTES 255 /* RFC 1035, 2.3.4 */

/* Shared by the asker, the job and the message between them, which needs no memory of its own: a job
 * that could not send it would leave its asker waiting. */
typedef struct lookup {
    atomic_int references;
    kt__message message;
    kt_loop *loop;
    kt_event done;
    struct addrinfo hints;
    struct addrinfo *answer;
    int error; /* EAI_... */
    char port[8];
    char host[NAME_MAX_BYTES + 1];
} lookup;

static void unref(void *arg)
{
    lookup *l = arg;
    if (atomic_fetch_sub(&l->references, 1) > 1)
        return;
    if (l->answer)
        freeaddrinfo(l->answer);
    kt_free(l);
}

static void announce(kt__message *m)
{
    lookup *l = KT__OWNER(m, lookup, message);
    kt_event_set(&l->done);
    unref(l);
}

/* The loop has ended. */
static void nobody_asks(kt__message *m)
{
    unref(KT__OWNER(m, lookup, message));
}

static int look_up(void *arg)
{
    lookup *l = arg;
    l->error = getaddrinfo(l->host, l->port, &l->hints, &l->answer);
    atomic_fetch_add(&l->references, 1);
    l->message = (kt__message){.run = announce, .drop = nobody_asks};
    kt__inbox_post(l->loop->inbox, &l->message);
    return 0;
}

static int copy_answer(const struct addrinfo *answer, kt__address **ret_addresses, size_t *ret_count)
{
    size_t count = 0;
    for (const struct addrinfo *a = answer; a; a = a->ai_next)
        count++;
    kt__address *addresses = kt_calloc(count, sizeof *addresses);
    if (!addresses)
        return -ENOMEM;
    size_t i = 0;
    for (const struct addrinfo *a = answer; a; a = a->ai_next, i++) {
        memcpy(&addresses[i].storage, a->ai_addr, a->ai_addrlen);
        addresses[i].size = a->ai_addrlen;
    }
    *ret_addresses = addresses;
    *ret_count = count;
    return 0;
}

static int ask(lookup *l, kt__address **ret_addresses, size_t *ret_count)
{
    atomic_store(&l->references, 2);
    int rc = kt_thread_abandon(look_up, l, 0, unref);
    if (rc < 0) {
        unref(l); /* for the job */
        return rc;
    }
    rc = kt_event_wait(&l->done);
    if (rc < 0)
        return rc;
    if (l->error == EAI_MEMORY)
        return -ENOMEM;
    if (l->error)
        return kt_error_set(KT_ENAME, "%s: %s", l->host, gai_strerror(l->error));
    return copy_answer(l->answer, ret_addresses, ret_count);
}

/* Addresses are understood on the spot. */
static bool numeric(const char *host, uint16_t port, kt__address *ret_address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
        memcpy(&ret_address->storage, &in, sizeof in);
        ret_address->size = sizeof in;
        return true;
    }
    if (inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
        memcpy(&ret_address->storage, &in6, sizeof in6);
        ret_address->size = sizeof in6;
        return true;
    }
    return false;
}

int kt__resolve(const char *host, uint16_t port, bool to_listen, kt__address **ret_addresses,
                size_t *ret_count)
{
    size_t length = strlen(host);
    kt__address *one = kt_calloc(1, sizeof *one);
    if (!one)
        return -ENOMEM;
    if (numeric(host, port, one)) {
        *ret_addresses = one;
        *ret_count = 1;
        return 0;
    }
    kt_free(one);
    if (length == 0 || length > NAME_MAX_BYTES)
        return kt_error_set(KT_ENAME, "a host name has 1 to %d bytes", NAME_MAX_BYTES);
    lookup *l = kt_calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    memcpy(l->host, host, length + 1);
    snprintf(l->port, sizeof l->port, "%u", port);
    l->loop = kt_loop_current();
    l->hints.ai_socktype = SOCK_STREAM;
    l->hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : AI_ADDRCONFIG);
    int rc = ask(l, ret_addresses, ret_count);
    unref(l);
    return rc;
}
