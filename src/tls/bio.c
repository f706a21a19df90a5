/* SPDX-License-Identifier: MIT */

/* The BIO through which OpenSSL sees a connection: bytes that have come, and a buffer for those to be sent. See
 * BIO_meth_new(3). */

#include "tls/tls.h"

static int bio_read(BIO *b, char *bytes, int size)
{
    kt__tls *c = BIO_get_data(b);
    size_t n = c->in_end - c->in_start;
    BIO_clear_retry_flags(b);
    if (n == 0) {
        if (c->in_over)
            return 0;
        BIO_set_retry_read(b);
        return -1;
    }
    if (n > (size_t)size)
        n = (size_t)size;
    memcpy(bytes, c->in + c->in_start, n);
    c->in_start += n;
    return (int)n;
}

/* Never asks to be tried again: a record is in `out` as a whole or, when that cannot be, the connection is broken. */
static int bio_write(BIO *b, const char *bytes, int size)
{
    kt__tls *c = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    int rc = kt_buffer_append(&c->out, bytes, (size_t)size);
    if (rc < 0)
        c->out_error = rc;
    return rc < 0 ? -1 : size;
}

static long bio_control(BIO *b, int command, long number, void *pointer)
{
    const kt__tls *c = BIO_get_data(b);
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return c->in_over && c->in_start == c->in_end;
    return command == BIO_CTRL_FLUSH; /* all else is not there, or zero */
}

BIO_METHOD *kt__tls_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "kettle stream");
    if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
        BIO_meth_set_ctrl(m, bio_control))
        return m;
    BIO_meth_free(m);
    return NULL;
}

BIO *kt__tls_bio_new(kt__tls *c)
{
    BIO *b = BIO_new(c->set->method);
    if (!b)
        return NULL;
    BIO_set_data(b, c);
    BIO_set_init(b, 1);
    return b;
}
