/* SPDX-License-Identifier: MIT */
/* Files into connections, without copies where the stream can. */
#include <errno.h>
#include <kettle/timeout.h>

#include "http/server.h"

/* Twice what the client must take within the write timeout, in twice its time. */
#define STRETCH ((int64_t)128 * 1024)
/* So much at once into the system's buffer: each time is a trip to the pool. */
#define TRIP ((int64_t)1024 * 1024)

typedef struct range {
    int fd;
    int64_t offset, size;
} range;

/* A stretch of the file or more, or what is left. */
static int take_stretch(kt_stream *s, range *r)
{
    int64_t taken = 0;
    while (r->size > 0 && taken < STRETCH) {
        ssize_t n = kt_stream_sendfile(s, r->fd, r->offset, r->size < TRIP ? r->size : TRIP,
                                       KT_SENDFILE_SOME | KT_SENDFILE_NO_FALLBACK);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return kt_error_set(KT_EINCOMPLETE, "the file was cut while it was sent");
        taken += n;
        r->offset += n;
        r->size -= n;
    }
    return 0;
}

static int send_stretch(kt__http_conn *c, range *r)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, 2 * c->server->o.write_timeout);
    int rc = kt_timeout_end(&limit, take_stretch(c->stream, r));
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        return -ETIMEDOUT; /* as kt__http_send does */
    return rc;
}

int kt__h1_sendfile(kt_http_exchange *x, int fd, int64_t offset, int64_t size)
{
    kt__http_conn *c = x->c;
    int rc = kt_lock_acquire(&c->writing);
    if (rc < 0)
        return rc;
    rc = kt__http_send(c, NULL, 0);
    range r = {fd, offset, size};
    while (rc == 0 && r.size > 0)
        rc = send_stretch(c, &r);
    bool refused = rc == -EOPNOTSUPP && r.size == size; /* before anything was sent: the caller copies */
    if (rc < 0 && !refused) /* so much is not known of what the client has that nothing may follow */
        c->write_rc = rc;
    kt_lock_release(&c->writing);
    return rc;
}
