/* SPDX-License-Identifier: MIT */

/* Balancers. A task, the keeper, accepts on the opener's loop and gives each socket to the share that has the
 * fewest, through a channel of its own. A share lives as long as its listener or a stream that came from it, the
 * balancer as long as its opener wants it or a share's listener is open.
 *
 * Rejected: a socket with SO_REUSEPORT for each loop, since the kernel spreads by a hash, which is even for very
 * many only, resets what waits at a socket that is closed, knows no Unix sockets, and would let a second
 * server take the same port in silence; and all loops waiting on one socket, where each connection wakes
 * all of them, and the busiest win. */

#include <errno.h>
#include <fcntl.h>
#include <kettle/balancer.h>
#include <kettle/channel.h>
#include <kettle/debug.h>
#include <kettle/memory.h>
#include <kettle/sync.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/eyes.h"
#include "io/listener.h"

/* Without memory to hand a connection over: how long until there may be some. */
#define PAUSE KT_MS(50)

struct kt__share {
    kt_balancer *balancer;
    kt_loop *loop; /* whose listener it is; NULL: it gets no more */
    kt__left_open left_open;
    struct kt__share *next;
    atomic_uint references; /* the listener's, and its streams' */
    atomic_size_t open;     /* connections that were given to it and are not closed */
    kt_channel waiting;     /* of these, the sockets that nobody has accepted */
};

struct kt_balancer {
    kt_loop *loop;
    kt__left_open left_open;
    kt_listener *listener;
    kt_task *keeper;
    uint16_t port;
    sa_family_t family;
    bool nonblocking; /* in which mode the sockets are accepted */
    kt_event room;    /* a share may have some */

    pthread_mutex_t mutex; /* for what follows */
    kt__share *shares;     /* in turns: the next one to be given to is first */
    kt__message wake;      /* sets `room` */
    bool starved;          /* the keeper waits for room, and `wake` is not on its way */
    bool closed;
    unsigned references; /* the opener's, the shares' with a listener, and the message's */

    size_t count;
    kt_address addresses[];
};

static void balancer_unref(kt_balancer *b)
{
    pthread_mutex_lock(&b->mutex);
    bool last = --b->references == 0;
    pthread_mutex_unlock(&b->mutex);
    if (!last)
        return;
    pthread_mutex_destroy(&b->mutex);
    kt_free(b);
}

static void share_unref(kt__share *s)
{
    if (atomic_fetch_sub(&s->references, 1) > 1)
        return;
    kt_channel_release(&s->waiting);
    kt_free(s);
}

/* ---- Giving -------------------------------------------------------------------------------- */

/* Under the mutex: the share with room that has the fewest, the first of equals; NULL: none has room. */
static kt__share *choose(const kt_balancer *b)
{
    kt__share *best = NULL;
    size_t fewest = SIZE_MAX;
    for (kt__share *s = b->shares; s; s = s->next) {
        size_t open = atomic_load(&s->open);
        if (open >= fewest || kt_channel_size(&s->waiting) >= KT_BALANCER_WAITING_MAX)
            continue;
        best = s;
        fewest = open;
    }
    return best;
}

static void remove_share(kt_balancer *b, const kt__share *s)
{
    kt__share **link = &b->shares;
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
}

static void append_share(kt_balancer *b, kt__share *s)
{
    kt__share **link = &b->shares;
    while (*link)
        link = &(*link)->next;
    *link = s;
    s->next = NULL;
}

/* Under the mutex. 0; KT_EFULL: no share has room; -ENOMEM. */
static int give(kt_balancer *b, int fd)
{
    kt__share *s = choose(b);
    if (!s)
        return KT_EFULL;
    atomic_fetch_add(&s->open, 1);
    int rc = kt_channel_send_nowait(&s->waiting, &fd);
    if (rc < 0) {
        atomic_fetch_sub(&s->open, 1);
        return rc;
    }
    remove_share(b, s);
    append_share(b, s);
    return 0;
}

/* ---- The keeper ---------------------------------------------------------------------------- */

static void woken(kt__message *m)
{
    kt_balancer *b = KT__OWNER(m, kt_balancer, wake);
    kt_event_set(&b->room);
    balancer_unref(b);
}

static void wake_dropped(kt__message *m)
{
    balancer_unref(KT__OWNER(m, kt_balancer, wake));
}

/* Under the mutex, which the keeper's loop needs to end. */
static void tell_of_room(kt_balancer *b)
{
    if (!b->starved || b->closed)
        return;
    b->starved = false;
    b->references++;
    kt__inbox_post(b->loop->inbox, &b->wake);
}

/* Gives `fd`, or with -1 only waits until there is room. 0, or the cancellation's code. */
static int give_or_wait(kt_balancer *b, int fd)
{
    for (;;) {
        kt_event_clear(&b->room);
        pthread_mutex_lock(&b->mutex);
        int rc = fd >= 0 ? give(b, fd) : choose(b) ? 0 : KT_EFULL;
        b->starved = rc == KT_EFULL;
        pthread_mutex_unlock(&b->mutex);
        if (rc == 0)
            return 0;
        rc = rc == KT_EFULL ? kt_event_wait(&b->room) : kt_sleep(PAUSE);
        if (rc < 0)
            return rc;
    }
}

static int accept_and_give(kt_balancer *b)
{
    int fd, rc = give_or_wait(b, -1);
    if (rc == 0)
        rc = kt__listener_accept_socket(b->listener, &fd);
    if (rc < 0)
        return rc;
    rc = give_or_wait(b, fd);
    if (rc < 0)
        close(fd);
    return rc;
}

/* Those who listen get what waits, and then KT_ECLOSED. */
static void shut(kt_balancer *b)
{
    pthread_mutex_lock(&b->mutex);
    b->closed = true;
    for (kt__share *s = b->shares; s; s = s->next)
        kt_channel_shutdown(&s->waiting, false);
    pthread_mutex_unlock(&b->mutex);
}

static int keep(void *arg)
{
    kt_balancer *b = arg;
    int rc;
    do
        rc = accept_and_give(b);
    while (rc == 0);
    if (!kt_is_cancel(rc))
        kt_error_unhandled(rc, "the balancer accepts no more");
    shut(b);
    return 0;
}

/* ---- Life ---------------------------------------------------------------------------------- */

static int take_addresses(kt_balancer *b)
{
    int rc = 0;
    for (size_t i = 0; i < b->count && rc == 0; i++)
        rc = kt_listener_address(b->listener, i, &b->addresses[i]);
    return rc;
}

static void end(kt_balancer *b)
{
    kt_cancel_hold();
    shut(b);
    (void)kt_task_cancel(b->keeper);
    (void)!kt_task_join(b->keeper); /* its end is all that is wanted */
    kt_listener_close(b->listener);
    kt_cancel_unhold();
    kt__left_open_remove(b->loop, &b->left_open);
    balancer_unref(b);
}

void kt_balancer_close(kt_balancer *b)
{
    if (!b)
        return;
    kt__check_thread(b->loop, "kt_balancer_close");
    kt__closed(b, "a balancer");
    end(b);
}

/* Those who listen in other loops are told. Debug mode, which is to report it, is not. */
static void close_left_open(kt__left_open *o)
{
    end(KT__OWNER(o, kt_balancer, left_open));
}

int kt_balancer_open(kt_listener *l, kt_balancer **ret_balancer)
{
    const kt_task *self = kt__self("kt_balancer_open");
    const kt_spawn_options keeper = {.name = "balancer", .eager = true};
    size_t count = kt_listener_count(l);
    kt_balancer *b = kt_calloc(1, sizeof *b + count * sizeof b->addresses[0]);
    if (!b)
        return -ENOMEM;
    b->loop = self->loop;
    b->listener = l;
    b->port = kt_listener_port(l);
    b->family = l->family;
    b->nonblocking = self->loop->driver->nonblocking;
    b->count = count;
    b->references = 1;
    b->wake = (kt__message){.run = woken, .drop = wake_dropped};
    pthread_mutex_init(&b->mutex, NULL);
    int rc = take_addresses(b);
    if (rc == 0)
        rc = kt_spawn_with(&keeper, keep, b, 0, &b->keeper);
    if (rc == 0 && kt_task_done(b->keeper))
        rc = kt_task_join(b->keeper); /* it never ran */
    if (rc < 0) {
        balancer_unref(b);
        return rc;
    }
    b->left_open.close = close_left_open;
    kt__left_open_add(b->loop, &b->left_open);
    kt__closed(l, "a listener"); /* that is the balancer's affair now */
    kt__opened(b, "a balancer", KT__SITE, NULL);
    *ret_balancer = b;
    return 0;
}

/* ---- Listening ----------------------------------------------------------------------------- */

/* What waits there is given to others, or hung up on. */
static void leave(kt__share *s)
{
    kt_balancer *b = s->balancer;
    int fd;
    kt__left_open_remove(s->loop, &s->left_open);
    s->loop = NULL;
    pthread_mutex_lock(&b->mutex);
    remove_share(b, s);
    while (kt_channel_receive_nowait(&s->waiting, &fd) == 0)
        if (give(b, fd) < 0)
            close(fd);
    pthread_mutex_unlock(&b->mutex);
    kt_channel_shutdown(&s->waiting, true);
}

/* At the end of a loop that has not closed its listener: clients that were given to it would wait for ever. */
static void leave_left_open(kt__left_open *o)
{
    leave(KT__OWNER(o, kt__share, left_open));
}

static int share_add(kt_balancer *b, kt__share *s)
{
    pthread_mutex_lock(&b->mutex);
    bool closed = b->closed;
    if (!closed) {
        b->references++;
        append_share(b, s);
        tell_of_room(b);
    }
    pthread_mutex_unlock(&b->mutex);
    return closed ? KT_ECLOSED : 0;
}

int kt_balancer_listen(kt_balancer *b, kt_listener **ret_listener)
{
    const kt_task *self = kt__self("kt_balancer_listen");
    kt_listener *l = kt__listener_alloc();
    kt__share *s = kt_calloc(1, sizeof *s);
    if (!l || !s) {
        kt_free(l);
        kt_free(s);
        return -ENOMEM;
    }
    *s = (kt__share){.balancer = b, .waiting = KT_CHANNEL_INIT(int, KT_BALANCER_WAITING_MAX)};
    atomic_init(&s->references, 1);
    l->share = s;
    l->fd.fd = -1;
    l->family = b->family;
    l->port = b->port;
    int rc = share_add(b, s);
    if (rc < 0) {
        kt_free(l);
        share_unref(s);
        return rc;
    }
    s->loop = self->loop;
    s->left_open.close = leave_left_open;
    kt__left_open_add(s->loop, &s->left_open);
    kt__opened(l, "a listener", KT__SITE, NULL);
    *ret_listener = l;
    return 0;
}

/* The socket in the mode of the running loop's driver. */
static int adopt(const kt_balancer *b, int fd)
{
    if (b->nonblocking == kt__loop->driver->nonblocking)
        return 0;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    flags = b->nonblocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int kt__share_accept(kt__share *s, int *ret_fd)
{
    kt_balancer *b = s->balancer;
    if (s->loop)
        kt__check_thread(s->loop, "kt_listener_accept");
    int fd, rc = kt_channel_receive(&s->waiting, &fd);
    if (rc < 0)
        return rc == KT_ESHUTDOWN ? KT_ECLOSED : rc;
    pthread_mutex_lock(&b->mutex);
    tell_of_room(b);
    pthread_mutex_unlock(&b->mutex);
    rc = adopt(b, fd);
    if (rc < 0) {
        close(fd);
        atomic_fetch_sub(&s->open, 1);
        return rc;
    }
    atomic_fetch_add(&s->references, 1);
    *ret_fd = fd;
    return 0;
}

void kt__share_left(kt__share *s)
{
    atomic_fetch_sub(&s->open, 1);
    share_unref(s);
}

void kt__share_close(kt__share *s)
{
    if (!s->loop)
        return;
    kt__check_thread(s->loop, "kt_listener_close");
    leave(s);
}

void kt__share_free(kt__share *s)
{
    balancer_unref(s->balancer);
    share_unref(s);
}

size_t kt__share_count(const kt__share *s)
{
    return s->balancer->count;
}

kt_address kt__share_address(const kt__share *s, size_t index)
{
    return s->balancer->addresses[index];
}
