/* SPDX-License-Identifier: MIT */
/* Files into connections, without copies where the stream can. */
#include <errno.h>
#include <kettle/timeout.h>

#include "http/server.h"

/* Twice what the client must take within the write timeout, in twice its time: each piece costs a trip to the pool. */
#define PIECE ((int64_t)128 * 1024)

static int send_piece(kt__http_conn *c, int fd, int64_t offset, int64_t size)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, 2 * c->server->o.write_timeout);
    ssize_t n = kt_stream_sendfile(c->stream, fd, offset, size, 0);
    int rc = kt_timeout_end(&limit, n < 0 ? (int)n : 0);
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        return -ETIMEDOUT; /* as kt__http_send does */
    if (rc == 0 && n < size)
        return kt_error_set(KT_EINCOMPLETE, "the file was cut while it was sent");
    return rc;
}

int kt__h1_sendfile(kt_http_exchange *x, int fd, int64_t offset, int64_t size)
{
    kt__http_conn *c = x->c;
    int rc = kt_lock_acquire(&c->writing);
    if (rc < 0)
        return rc;
    rc = kt__http_send(c, NULL, 0);
    while (rc == 0 && size > 0) {
        int64_t piece = size < PIECE ? size : PIECE;
        rc = send_piece(c, fd, offset, piece);
        offset += piece;
        size -= piece;
    }
    if (rc < 0) /* so much is not known of what the client has that nothing may follow */
        c->write_rc = rc;
    kt_lock_release(&c->writing);
    return rc;
}
