/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_H2_CLIENT_H
#define TESTS_HTTP_H2_CLIENT_H

/* A client of HTTP/2 that sends whatever frames a test wants. */

#include "serve.h"

#include <nghttp2/nghttp2.h>

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8 };

typedef struct frame {
    unsigned type, flags;
    uint32_t id;
    size_t size;
    uint8_t bytes[16384];
} frame;

typedef struct peer {
    kt_stream *c;
    nghttp2_hd_inflater *inflater;
    uint8_t block[8192]; /* of headers, being put together */
    size_t block_size;
    char head[4096]; /* of the last HEADERS: "name: value\n" */
    frame f;
} peer;

/* Fails when the server has ended the connection, which some tests make it do. */
static inline int try_frame(peer *p, unsigned type, unsigned flags, uint32_t id, const void *bytes, size_t size)
{
    uint8_t head[9] = {(uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, (uint8_t)type, (uint8_t)flags,
                       (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    struct iovec pieces[] = {{head, sizeof head}, {(void *)(uintptr_t)bytes, size}};
    return kt_stream_writev(p->c, pieces, size > 0 ? 2 : 1);
}

static inline void send_frame(peer *p, unsigned type, unsigned flags, uint32_t id, const void *bytes, size_t size)
{
    CHECK_OK(try_frame(p, type, flags, id, bytes, size));
}

static inline void send_number(peer *p, unsigned type, uint32_t id, uint32_t n)
{
    uint8_t b[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    send_frame(p, type, 0, id, b, sizeof b);
}

/* A peer that has said nothing yet. */
static inline void meet(peer *p, kt_stream *c)
{
    memset(p, 0, sizeof *p);
    p->c = c;
    CHECK_EQ(nghttp2_hd_inflate_new(&p->inflater), 0);
}

static inline void greet(peer *p, kt_stream *c)
{
    meet(p, c);
    say(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    send_frame(p, SETTINGS, 0, 0, NULL, 0);
}

static inline void leave(peer *p)
{
    nghttp2_hd_inflate_del(p->inflater);
    kt_stream_close(p->c);
}

/* Adds a field, literal, without an index (RFC 7541 section 6.2.2). */
static inline void field(peer *p, const char *name, const char *value)
{
    size_t n = strlen(name), v = strlen(value);
    CHECK(n < 127 && v < 127 && p->block_size + n + v + 3 < sizeof p->block);
    uint8_t *b = p->block + p->block_size;
    *b++ = 0;
    *b++ = (uint8_t)n;
    memcpy(b, name, n);
    b += n;
    *b++ = (uint8_t)v;
    memcpy(b, value, v);
    p->block_size += n + v + 3;
}

static inline void request(peer *p, const char *method, const char *path)
{
    field(p, ":method", method);
    field(p, ":scheme", "http");
    field(p, ":authority", "a");
    field(p, ":path", path);
}

static inline void send_head(peer *p, uint32_t id, unsigned flags)
{
    send_frame(p, HEADERS, flags, id, p->block, p->block_size);
    p->block_size = 0;
}

static inline void get(peer *p, uint32_t id, const char *path)
{
    request(p, "GET", path);
    send_head(p, id, END_STREAM | END_HEADERS);
}

static inline void inflate(peer *p)
{
    size_t at = 0, out = 0;
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(p->inflater, &nv, &flags, p->f.bytes + at, p->f.size - at, 1);
        CHECK_GE(n, 0);
        at += (size_t)n;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            out += (size_t)snprintf(p->head + out, sizeof p->head - out, "%.*s: %.*s\n", (int)nv.namelen,
                                    (const char *)nv.name, (int)nv.valuelen, (const char *)nv.value);
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
    }
    nghttp2_hd_inflate_end_headers(p->inflater);
}

/* The next frame. False at the end of the connection. */
static inline bool next(peer *p)
{
    uint8_t h[9];
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, PATIENCE);
    int rc = kt_stream_read_exactly(p->c, h, sizeof h);
    p->f = (frame){.type = h[3], .flags = h[4], .size = (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2],
                   .id = (uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8]};
    if (rc == 0)
        rc = kt_stream_read_exactly(p->c, p->f.bytes, p->f.size);
    rc = kt_timeout_end(&limit, rc);
    if (rc == KT_ETIMEDOUT)
        kt_test_fail("no more frames");
    if (rc < 0)
        return false;
    if (p->f.type == HEADERS)
        inflate(p);
    return true;
}

/* Skips to a frame of this type, of any stream if id is 0. */
static inline const frame *expect(peer *p, unsigned type, uint32_t id)
{
    while (next(p))
        if (p->f.type == type && (id == 0 || p->f.id == id))
            return &p->f;
    kt_test_fail("the connection has ended");
    return NULL;
}

static inline uint32_t number_at(const frame *f, size_t at)
{
    const uint8_t *b = f->bytes + at;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The connection ends with this error. */
static inline void expect_goaway(peer *p, uint32_t error)
{
    CHECK_EQ(number_at(expect(p, GOAWAY, 0), 4), error);
    while (next(p))
        ;
}

static inline void expect_reset(peer *p, uint32_t id, uint32_t error)
{
    CHECK_EQ(number_at(expect(p, RST_STREAM, id), 0), error);
}

static inline void expect_status(peer *p, uint32_t id, const char *status)
{
    char line[40];
    expect(p, HEADERS, id);
    snprintf(line, sizeof line, ":status: %s\n", status);
    CHECK_EQ(strncmp(p->head, line, strlen(line)), 0);
}

#endif
