/* SPDX-License-Identifier: MIT */

/* TLS streams: the back end, once hands are shaken. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/stream_backend.h>
#include <kettle/timeout.h>
#include <openssl/err.h>

#include "tls/tls.h"

/* Grows when a read has filled it, so that who is idle or says little costs little. */
#define IN_MIN 4096
#define IN_MAX ((size_t)17 * 1024)
/* A write encrypts so much at most before it sends. */
#define BATCH_BYTES ((size_t)64 * 1024)
#define RECORD_BYTES SSL3_RT_MAX_PLAIN_LENGTH
/* What a record is longer than its text, and a key update with it, and to spare. */
#define OVERHEAD 1024
/* Small pieces share a record. */
#define GATHER_BYTES 2048

/* ---- Below ----------------------------------------------------------------------------------- */

static int in_room(kt__tls *c)
{
    bool was_full = c->in && c->in_end == c->in_capacity && c->in_capacity < IN_MAX;
    if (c->in && !was_full)
        return 0;
    size_t capacity = c->in ? IN_MAX : IN_MIN;
    char *in = kt_realloc(c->in, capacity);
    if (!in)
        return -ENOMEM;
    c->in = in;
    c->in_capacity = capacity;
    return 0;
}

/* OpenSSL asks for more only when it has taken all that was there. */
static int read_below(kt__tls *c)
{
    int rc = in_room(c);
    if (rc < 0)
        return rc;
    ssize_t n = kt_stream_read(c->below, c->in, c->in_capacity);
    if (n < 0)
        return (int)n;
    c->in_start = 0;
    c->in_end = (size_t)n;
    c->in_over = n == 0;
    return 0;
}

int kt__tls_fill(kt__tls *c)
{
    if (!c->below)
        return KT_ECLOSED;
    if (c->reading)
        return kt_event_wait(&c->filled);
    c->reading = true;
    int rc = read_below(c);
    c->reading = false;
    kt_event_set(&c->filled);
    kt_event_clear(&c->filled);
    return rc;
}

/* Is there something to send? Then it is in `sending`. */
static bool load(kt__tls *c)
{
    if (c->sent < c->sending.size)
        return true;
    c->sent = 0;
    kt_buffer_release(&c->sending);
    if (c->out.size == 0)
        return false;
    kt_buffer empty = c->sending;
    c->sending = c->out;
    c->out = empty;
    return true;
}

static size_t unsent(const kt__tls *c)
{
    return c->out.size + c->sending.size - c->sent;
}

int kt__tls_flush(kt__tls *c)
{
    ssize_t n = c->push_error;
    while (n >= 0 && c->below && load(c)) {
        c->flushing = true;
        n = kt_stream_write_some(c->below, c->sending.data + c->sent, c->sending.size - c->sent);
        c->flushing = false;
        c->sent += n > 0 ? (size_t)n : 0;
    }
    return n < 0 ? (int)n : c->below ? 0 : KT_ECLOSED;
}

/* What fails shows when somebody writes or reads. */
void kt__tls_push(kt__tls *c)
{
    ssize_t n = c->push_error == 0;
    while (n > 0 && !c->flushing && c->below && load(c)) {
        n = kt_stream_write_nowait(c->below, c->sending.data + c->sent, c->sending.size - c->sent);
        c->sent += n > 0 ? (size_t)n : 0;
    }
    if (n < 0)
        c->push_error = (int)n;
}

/* ---- Reading --------------------------------------------------------------------------------- */

int kt__tls_usable(const kt__tls *c)
{
    if (c->closer && c->closer != kt_task_current())
        return KT_ECLOSED;
    if (c->broken)
        return kt_error_set(c->broken, "TLS has failed on this stream: %s", kt_strerror(c->broken));
    if (!c->shaken)
        return kt_error_set(KT_EINVALIDSTATE, "the TLS handshake is not over");
    return 0;
}

/* A cancellation point. Who comes while another task shakes hands waits for that. */
static int take_turn(kt__tls *c)
{
    int rc = kt_stream_turn();
    return rc < 0 ? rc : kt_event_wait(&c->over);
}

/* What OpenSSL has to say meanwhile, such as the answer to a key update, must not wait here: if both sides did, for
 * room, nobody would read. */
static ssize_t read_record(kt__tls *c, void *bytes, size_t size)
{
    for (;;) {
        size_t n;
        int rc = kt__tls_usable(c);
        if (rc < 0)
            return rc;
        ERR_clear_error();
        int ok = SSL_read_ex(c->ssl, bytes, size, &n);
        int error = ok ? SSL_ERROR_NONE : SSL_get_error(c->ssl, ok);
        rc = error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN
                 ? 0
                 : kt__tls_broken(c);
        kt__tls_push(c);
        if (ok)
            return (ssize_t)n;
        if (error == SSL_ERROR_ZERO_RETURN || rc < 0)
            return rc;
        rc = kt__tls_fill(c);
        if (rc < 0)
            return rc;
    }
}

static ssize_t tls_read(void *object, void *bytes, size_t size)
{
    int rc = take_turn(object);
    return rc < 0 ? rc : read_record(object, bytes, size);
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Encrypts a part of the bytes. With the room made before, only a broken connection can fail, so that
 * no memory is a failure before anything happened. While the peer is in the middle of a ticket or a key update
 * OpenSSL encrypts nothing. */
static ssize_t encrypt(kt__tls *c, const char *bytes, size_t size)
{
    size_t n;
    int rc;
    if (size > RECORD_BYTES)
        size = RECORD_BYTES;
    do {
        rc = kt__tls_usable(c);
        if (rc == 0)
            rc = kt_buffer_reserve(&c->out, size + OVERHEAD);
        if (rc < 0)
            return rc;
        ERR_clear_error();
        if (SSL_write_ex(c->ssl, bytes, size, &n))
            return (ssize_t)n;
        rc = SSL_get_error(c->ssl, 0) == SSL_ERROR_WANT_READ ? kt__tls_fill(c) : kt__tls_broken(c);
    } while (rc == 0);
    return rc;
}

/* The bytes of several small pieces from `at` on, as many as fit. */
static size_t gather(const struct iovec *pieces, size_t count, size_t offset, char bytes[GATHER_BYTES])
{
    size_t size = 0;
    for (size_t i = 0; i < count && size < GATHER_BYTES; i++, offset = 0) {
        size_t n = pieces[i].iov_len - offset;
        if (n > GATHER_BYTES - size)
            n = GATHER_BYTES - size;
        memcpy(bytes + size, (const char *)pieces[i].iov_base + offset, n);
        size += n;
    }
    return size;
}

static ssize_t encrypt_next(kt__tls *c, const struct iovec *pieces, size_t count, size_t offset)
{
    char together[GATHER_BYTES];
    size_t left = pieces->iov_len - offset;
    if (left >= GATHER_BYTES || count == 1)
        return encrypt(c, (const char *)pieces->iov_base + offset, left);
    return encrypt(c, together, gather(pieces, count, offset, together));
}

/* For all that one write may encrypt: made record by record, the room would be moved each time. */
static int make_room(kt__tls *c, const struct iovec *pieces, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count && size < BATCH_BYTES; i++)
        size += pieces[i].iov_len < BATCH_BYTES ? pieces[i].iov_len : BATCH_BYTES;
    if (size > BATCH_BYTES)
        size = BATCH_BYTES;
    return kt_buffer_reserve(&c->out, size + (size / RECORD_BYTES + 1) * OVERHEAD);
}

static ssize_t encrypt_pieces(kt__tls *c, const struct iovec *pieces, size_t count)
{
    size_t taken = 0, offset = 0;
    while (count > 0 && unsent(c) < BATCH_BYTES) {
        ssize_t n = encrypt_next(c, pieces, count, offset);
        if (n < 0)
            return taken > 0 && !c->broken ? (ssize_t)taken : n;
        taken += (size_t)n;
        for (offset += (size_t)n; count > 0 && offset >= pieces->iov_len; count--, pieces++)
            offset -= pieces->iov_len;
    }
    return (ssize_t)taken;
}

static ssize_t tls_writev(void *object, const struct iovec *pieces, size_t count)
{
    kt__tls *c = object;
    int rc = take_turn(c);
    if (rc == 0)
        rc = kt__tls_usable(c);
    if (rc == 0 && c->ended)
        rc = -EPIPE;
    if (rc == 0 && unsent(c) >= BATCH_BYTES)
        rc = kt__tls_flush(c);
    if (rc == 0)
        rc = make_room(c, pieces, count);
    return rc < 0 ? rc : encrypt_pieces(c, pieces, count);
}

/* ---- Ending ---------------------------------------------------------------------------------- */

/* The farewell is in `out` afterwards, if OpenSSL can speak now. */
static int bid_farewell(kt__tls *c)
{
    c->ended = true;
    if (!SSL_is_init_finished(c->ssl) || SSL_get_shutdown(c->ssl) & SSL_SENT_SHUTDOWN)
        return 0;
    int rc = kt_buffer_reserve(&c->out, OVERHEAD);
    if (rc < 0)
        return rc;
    ERR_clear_error();
    return SSL_shutdown(c->ssl) < 0 ? kt__tls_broken(c) : 0;
}

/* Hears the peer out, if it is in the middle of a ticket or a key update, and bids farewell. */
static int end_in_order(kt__tls *c)
{
    for (;;) {
        int rc = kt__tls_usable(c);
        if (rc < 0)
            return rc;
        if (SSL_is_init_finished(c->ssl))
            return bid_farewell(c);
        ERR_clear_error();
        int n = SSL_do_handshake(c->ssl);
        if (n != 1)
            rc = SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? kt__tls_fill(c) : kt__tls_broken(c);
        if (rc < 0)
            return rc;
    }
}

static int tls_shutdown_write(void *object)
{
    kt__tls *c = object;
    c->ended = true;
    return 0;
}

static int tls_flush(void *object)
{
    kt__tls *c = object;
    int rc = kt_event_wait(&c->over);
    if (rc == 0 && c->ended)
        rc = end_in_order(c);
    return rc < 0 ? rc : kt__tls_flush(c);
}

/* What the peer still says is for nobody. */
static int await_farewell(kt__tls *c)
{
    char bytes[2048];
    ssize_t n;
    do {
        n = read_record(c, bytes, sizeof bytes);
    } while (n > 0);
    return (int)n;
}

/* Both farewells are said, and nothing is left to send. */
static bool has_parted(const kt__tls *c)
{
    return SSL_get_shutdown(c->ssl) == (SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN) && unsent(c) == 0;
}

/* Whatever comes of it, and also when cancelled, the stream is closed then. */
static void part(kt__tls *c)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, c->shutdown_timeout);
    int rc = tls_flush(c);
    if (rc == 0)
        rc = await_farewell(c);
    (void)!kt_timeout_end(&limit, rc);
}

static void tls_close(void *object)
{
    kt__tls *c = object;
    bool good = c->shaken && !c->broken;
    c->closer = kt_task_current();
    if (good && !c->flushing)
        (void)!bid_farewell(c);
    kt__tls_push(c);
    if (good && !c->reading && !c->flushing && !has_parted(c))
        part(c);
    kt_stream_close(kt_steal(c->below));
}

void kt__tls_free(void *object)
{
    kt__tls *c = object;
    if (!c)
        return;
    SSL_free(c->ssl);
    kt__tls_set_unref(c->set);
    kt_buffer_release(&c->out);
    kt_buffer_release(&c->sending);
    kt_free(c->in);
    kt_free(c);
}

static int tls_fd(const void *object)
{
    const kt__tls *c = object;
    return c->below ? kt_stream_fd(c->below) : -1;
}

static int tls_peer(const void *object, struct sockaddr_storage *ret_address, socklen_t *ret_size)
{
    const kt__tls *c = object;
    return c->below ? kt_stream_peer(c->below, ret_address, ret_size) : -EBADF;
}

static void tls_hang_up(void *object, bool reset)
{
    kt__tls *c = object;
    if (c->below)
        kt_stream_hang_up(c->below, reset);
}

const kt_stream_backend kt__tls_backend = {
    .name = "TLS",
    .read = tls_read,
    .writev = tls_writev,
    .flush = tls_flush,
    .shutdown_write = tls_shutdown_write,
    .close = tls_close,
    .free = kt__tls_free,
    .fd = tls_fd,
    .peer = tls_peer,
    .hang_up = tls_hang_up,
};
