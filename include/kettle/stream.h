/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_STREAM_H
#define KETTLE_STREAM_H

/* Byte streams: TCP and Unix sockets, the ends of pipes, and pairs in memory; TLS (tls.h) is one more.
 *
 *     kt_auto(kt_stream) *s = NULL;
 *     int rc = kt_stream_connect("127.0.0.1", 7, &s);
 *     if (rc == 0)
 *         rc = kt_stream_write(s, "hello\n", 6);
 *     kt_slice line;
 *     if (rc == 0)
 *         rc = kt_stream_read_line(s, 1024, &line);
 *
 * A stream has a read buffer; what a failed or cancelled read has received stays there for the next
 * one. One task may read while another writes; two readers, or two writers, at once are misuse.
 * Unless said otherwise, errors are the system's (-ECONNRESET, -EPIPE, ...), KT_ENOTSIM for
 * descriptors under the simulated driver, and the cancellation's code. Every call with an I/O in it is a
 * cancellation point, and lets others run now and then even if it never has to wait. */

#include <kettle/address.h>
#include <kettle/task.h>
#include <sys/socket.h>
#include <sys/uio.h>

KT_BEGIN

typedef struct kt_stream kt_stream;
typedef struct kt_listener kt_listener;

/* ---- Connecting ------------------------------------------------------------------------ */

/* Connects over TCP to a host name or address. Names are looked up off the loop. Of several addresses
 * IPv6 and IPv4 are tried in turns, the next when one has failed or after a delay, while the others go
 * on; the first that answers is taken, and the others are closed (RFC 8305, "happy eyeballs"). The
 * caller owns *ret_stream. KT_ENAME (the detail says why), or the error of the address that failed last.
 * Cancelled: nothing is left open. Suspends. Like asyncio.open_connection. */
KT_API int kt_stream_connect(const char *host, uint16_t port, kt_stream **ret_stream) KT_CHECKED;

/* All zero means the defaults. */
typedef struct kt_connect_options {
    kt_time attempt_delay;  /* before the next address is tried too; 0 = 250 ms, KT_FOREVER = only when
                             * one has failed, below 0 = all at once */
    int family;             /* AF_INET or AF_INET6; 0 = both */
    const char *local_host; /* to connect from; NULL = the system's choice */
    uint16_t local_port;    /* 0 = any */

    /* Called with each address before it is tried: negative, and it is not, as though it had failed with that. Must not
     * suspend. NULL = all are good. */
    int (*check)(const kt_address *to, void *arg);
    void *check_arg;
} kt_connect_options;

/* The same with options; NULL options mean the defaults. -EADDRINUSE, -EADDRNOTAVAIL: of the local
 * address (the detail names it). Like loop.create_connection. */
KT_API int kt_stream_connect_with(const char *host, uint16_t port, const kt_connect_options *options,
                                  kt_stream **ret_stream) KT_CHECKED;

/* Connects to a Unix socket; a path that begins with '@' is in the abstract namespace.
 * -ENAMETOOLONG over 107 bytes. Suspends. Like asyncio.open_unix_connection, unix(7). */
KT_API int kt_stream_connect_unix(const char *path, kt_stream **ret_stream) KT_CHECKED;

/* Makes a stream of an open socket or pipe end, whose O_NONBLOCK is set or cleared as the driver needs it
 * (other processes that share the open file see that). The stream owns fd on success only. -EBADF; -EINVAL for
 * a file or folder, or a socket that is no SOCK_STREAM; KT_ENOTSIM; -ENOMEM. Does not suspend. In a loop. */
KT_API int kt_stream_from_fd(int fd, kt_stream **ret_stream) KT_CHECKED;

/* Makes a stream of standard input (0), output (1) or error (2), whatever it is: a terminal, a pipe, a socket, a
 * file, /dev/null. The number stays open and the program's; printf and the like go on to work beside, but for a
 * socket, or another user's pipe, whose O_NONBLOCK is set until the close. Files are read and written on a thread
 * of the pool. -EINVAL for another number, -EBADF where it is not open, -EISDIR, -EMFILE, -ENOMEM, KT_ENOTSIM. In a
 * task; does not suspend. Like loop.connect_read_pipe and connect_write_pipe. */
KT_API int kt_stream_standard(int number, kt_stream **ret_stream) KT_CHECKED;

/* Two connected streams in one process, both the caller's. -EMFILE, -ENFILE, -ENOMEM, KT_ENOTSIM. In a task;
 * does not suspend. Like socketpair(2). */
KT_API int kt_stream_pair(kt_stream *ret_streams[2]) KT_CHECKED;

/* ---- In memory ------------------------------------------------------------------------- */

/* Two connected streams without descriptors, both the caller's, for tests and for protocols that have
 * no socket; they work under every driver and behave as a socket pair does. At most capacity bytes (0 = 64
 * KiB) wait in each direction; a writer that has filled it waits until half of it is free. Both ends belong to one
 * loop. -ENOMEM. Does not suspend. */
KT_API int kt_stream_memory_pair(size_t capacity, kt_stream *ret_streams[2]) KT_CHECKED;

/* Feeds s, an end of a memory pair (any other stream is misuse), by hand: the bytes arrive as though its peer
 * had written them. 0; KT_EFULL when there is no room for all of them, and then none was taken;
 * KT_EINVALIDSTATE after an end or error. Does not suspend. In a task or a callback of
 * the loop. Like StreamReader.feed_data. */
KT_API int kt_stream_feed(kt_stream *s, const void *bytes, size_t size) KT_CHECKED;

/* The peer has ended: s reads what is there, then 0. Again is allowed. Otherwise as kt_stream_feed. Like
 * StreamReader.feed_eof. */
KT_API void kt_stream_feed_end(kt_stream *s);

/* The connection has broken with the error rc (negative): s reads what is there, then rc every
 * time; writing to s fails with rc at once, and its peer's writes with -EPIPE. The first error counts. Otherwise as
 * kt_stream_feed. Like StreamReader.set_exception, which outranks the bytes, however. */
KT_API void kt_stream_feed_error(kt_stream *s, int rc);

/* ---- Listening ------------------------------------------------------------------------- */

typedef struct kt_listen_options {
    int backlog;       /* 0 = 4096, cut by the system to net.core.somaxconn */
    bool reuse_port;   /* SO_REUSEPORT: several listeners share the port */
    mode_t unix_mode;  /* of the socket's file; 0 = 0600 */
    bool keep_alive;   /* SO_KEEPALIVE on connections: peers that vanished are noticed, see tcp(7) */
} kt_listen_options;

/* Listens on an address ("127.0.0.1", "::1"), on every address that a name has, at most 32, or on all
 * interfaces of both families (NULL or ""); always one port. Port 0 picks one that is free on all (see
 * kt_listener_port). Addresses that this machine has not are left out, unless it has none. NULL options
 * mean the defaults. KT_ENAME, -EADDRINUSE (the detail names the address), ... Suspends only to
 * look a name up. Like asyncio.start_server. */
KT_API int kt_listen(const char *host, uint16_t port, const kt_listen_options *options,
                     kt_listener **ret_listener) KT_CHECKED;

/* Listens on a Unix socket. A file left by a dead server is replaced, one that still answers is
 * -EADDRINUSE; removed at close. */
KT_API int kt_listen_unix(const char *path, const kt_listen_options *options,
                          kt_listener **ret_listener) KT_CHECKED;

/* Makes a listener of a socket that listens already, TCP or Unix, whose O_NONBLOCK is set or cleared as the
 * driver needs it. Owns fd on success only; the file of a Unix socket stays at close. -EBADF, -ENOTSOCK,
 * -EINVAL for a socket that does not listen or is no SOCK_STREAM; -ENOMEM. In a loop; does not suspend. Like
 * asyncio.start_server(sock=...). */
KT_API int kt_listener_from_fd(int fd, kt_listener **ret_listener) KT_CHECKED;

/* Takes over a socket that systemd has opened for this process, or whoever else sets LISTEN_PID, LISTEN_FDS,
 * and LISTEN_FDNAMES as it does: the first that has this name (FileDescriptorName= in the .socket unit;
 * otherwise the unit's name), or NULL: the first at all, of those that listen and have not been taken before.
 * So nobody is refused while the program starts or is replaced. KT_ENOTFOUND when there is none (then
 * kt_listen, usually); otherwise as kt_listener_from_fd. To be called before the program opens descriptors
 * elsewhere that children shall inherit. Like sd_listen_fds_with_names(3). */
KT_API int kt_listen_activated(const char *name, kt_listener **ret_listener) KT_CHECKED;

/* Waits for a connection. TCP_NODELAY is set. Without descriptors (-EMFILE, -ENFILE) it waits and
 * tries again, so that an accept loop neither spins nor ends. A connection that raced
 * with a cancellation is returned, and the cancellation shows at the next call. The caller owns
 * *ret_stream. KT_ECLOSED when another task closes the listener, -ENOMEM. One task at a time, else misuse.
 * Suspends. Like accept(2). */
KT_API int kt_listener_accept(kt_listener *l, kt_stream **ret_stream) KT_CHECKED;

/* The bound TCP port, 0 for Unix sockets. */
KT_API uint16_t kt_listener_port(const kt_listener *l);

/* How many addresses it listens on, and what they are: 0, or -EINVAL for an index beyond. Like
 * Server.sockets. */
KT_API size_t kt_listener_count(const kt_listener *l);
KT_API int kt_listener_address(const kt_listener *l, size_t index, kt_address *ret_address) KT_CHECKED;

/* Stops listening and frees it; NULL is allowed. A task that waits in accept gets KT_ECLOSED; one that is
 * elsewhere must not touch it again, unless it has called kt_listener_ref.
 * Suspends at most to end that accept; a cancellation is held back. */
KT_API void kt_listener_close(kt_listener *l);

/* For a task that waits for other things between two accepts, while another may close the listener: from ref
 * to unref it may call kt_listener_accept, which says KT_ECLOSED once it is closed (and nothing else
 * then). Keeps some memory, and no socket. On the listener's loop; neither suspends. */
KT_API void kt_listener_ref(kt_listener *l);
KT_API void kt_listener_unref(kt_listener *l);

/* ---- Reading --------------------------------------------------------------------------- */

/* Reads at least one byte and at most size. The number of bytes, 0 at the end of file. -EINVAL for size 0,
 * -ECONNRESET and its like, KT_ECLOSED when another task has closed the stream. Cancelled: nothing was
 * taken. Suspends unless bytes are buffered. One reader at a time, else misuse. Like recv(2),
 * StreamReader.read. These errors and rules hold for all that read. */
KT_API ssize_t kt_stream_read(kt_stream *s, void *buffer, size_t size) KT_CHECKED;

/* Reads exactly size bytes; 0, or KT_EINCOMPLETE if the end of file comes first (what came stays
 * readable). size may exceed the stream's buffer. Suspends. Like StreamReader.readexactly. */
KT_API int kt_stream_read_exactly(kt_stream *s, void *buffer, size_t size) KT_CHECKED;

/* Reads up to and including the separator (1 to 16 bytes). *ret_bytes lies in the stream's buffer,
 * separator included, and is valid until the next read or close. 1, or 0 at a clean end of file (then
 * *ret_bytes is untouched), KT_EINCOMPLETE when bytes without a separator stand before the end,
 * KT_ELIMIT when none is found within size_max bytes; in both cases the bytes stay readable.
 * Suspends. Like StreamReader.readuntil. */
KT_API int kt_stream_read_until(kt_stream *s, kt_slice separator, size_t size_max,
                                kt_slice *ret_bytes) KT_CHECKED;

/* The same for whichever of 1 to 8 separators ends first; of two that end at the same byte, the shorter. Returns
 * which one, counted from 1. Otherwise as kt_stream_read_until. Like StreamReader.readuntil with a tuple (3.13). */
KT_API int kt_stream_read_until_any(kt_stream *s, const kt_slice *separators, size_t count,
                                    size_t size_max, kt_slice *ret_bytes) KT_CHECKED;

/* Reads a line. *ret_line is without its "\n" or "\r\n"; a last line without an end counts. Otherwise as
 * kt_stream_read_until. Suspends. Like StreamReader.readline, and iteration:
 * while ((rc = kt_stream_read_line(s, 4096, &line)) > 0). */
KT_API int kt_stream_read_line(kt_stream *s, size_t size_max, kt_slice *ret_line) KT_CHECKED;

/* The layer below, for parsers that work in place: waits until the buffer holds more than `have`
 * bytes (at most size_max) and returns how many; the same number as `have` at the end of file. *ret_bytes is all
 * that is buffered, valid until the next read. KT_ELIMIT if it already holds size_max.
 * Suspends. */
KT_API ssize_t kt_stream_fill(kt_stream *s, size_t have, size_t size_max, kt_slice *ret_bytes) KT_CHECKED;

/* Takes size bytes (at most all) out of the buffer's front. Does not suspend. */
KT_API void kt_stream_consume(kt_stream *s, size_t size);

/* What is buffered, maybe nothing, valid until the next read. Does not suspend. */
KT_API kt_slice kt_stream_buffered(const kt_stream *s);

/* True when nothing is buffered and a read has met the end of file, so that every read to come returns 0.
 * Does not suspend. Like StreamReader.at_eof. */
KT_API bool kt_stream_at_eof(const kt_stream *s);

/* ---- Writing --------------------------------------------------------------------------- */

/* Writes all bytes, waiting while the peer does not read: that is the back-pressure; nothing is
 * copied. 0, -EPIPE, -ECONNRESET, ... After a failure, or a cancellation in the middle, an unknown
 * part was written, and every further write fails with KT_EINVALIDSTATE; a cancellation before the first byte
 * leaves the stream as it was. KT_ECLOSED: another task has closed it. Suspends; always a cancellation point, even
 * with nothing to write. One writer at a time, else misuse. Like StreamWriter.write and drain, writev(2). */
KT_API int kt_stream_write(kt_stream *s, const void *bytes, size_t size) KT_CHECKED;

/* The same for several pieces, in one system call where they fit. The array is left as it was.
 * At most 1024 pieces (-EINVAL). */
KT_API int kt_stream_writev(kt_stream *s, const struct iovec *pieces, size_t count) KT_CHECKED;

/* Writes at least one byte and at most size: the number. -EINVAL for size 0. Cancelled: nothing was
 * written, and the stream is as it was. Otherwise as kt_stream_write. Like send(2). */
KT_API ssize_t kt_stream_write_some(kt_stream *s, const void *bytes, size_t size) KT_CHECKED;

/* Writes what can be written without waiting: the number of bytes, 0 when there is no room. Otherwise as
 * kt_stream_write_some. Does not suspend. */
KT_API ssize_t kt_stream_write_nowait(kt_stream *s, const void *bytes, size_t size) KT_CHECKED;

enum {
    KT_SENDFILE_NO_FALLBACK = 1, /* fail where the system cannot do it, instead of copying */
    KT_SENDFILE_SOME = 2, /* what fits is enough, at least one byte, as with kt_stream_write_some: for who wants to see
                           * how fast the peer takes it. Then 0 is the end of the file */
};

/* Sends `count` bytes of a file from `offset` on, or what there is up to its end if that is less (count
 * -1: all of it), without copying them through the program where the system can do that. The file
 * stays the caller's, its own position is not touched; reading it is done on the pool, so that a slow
 * disk stops nobody. How many bytes were sent; -EINVAL for a negative offset, -EBADF, -EISDIR, -ESPIPE for
 * what is no regular file, -EIO, ...; -EOPNOTSUPP with KT_SENDFILE_NO_FALLBACK; otherwise as
 * kt_stream_write, also after a cancellation, which waits for the read under way. Suspends. Like
 * loop.sendfile, sendfile(2). */
KT_API ssize_t kt_stream_sendfile(kt_stream *s, int fd, int64_t offset, int64_t count,
                                  unsigned flags) KT_CHECKED;

/* ---- Ending ---------------------------------------------------------------------------- */

/* Tells the peer that no more bytes come; reading goes on. Does not suspend, TLS excepted, where it
 * is a write. Like StreamWriter.write_eof, shutdown(2). */
KT_API int kt_stream_shutdown_write(kt_stream *s) KT_CHECKED;

/* Closes and frees; NULL is allowed. A task that still reads or writes on it gets KT_ECLOSED.
 * Suspends at most to end those operations, or under TLS to part in order; a cancellation is held back: it shows
 * at the next call. Outside a task, also after the loop's end, no task may be at it, and not under TLS. */
KT_API void kt_stream_close(kt_stream *s);

/* ---- Facts ----------------------------------------------------------------------------- */

/* The descriptor, still the stream's; under TLS that of the connection beneath; -1 in memory. */
KT_API int kt_stream_fd(const kt_stream *s);

/* The peer's address; 0 or the error of getpeername(2), -EBADF in memory. */
KT_API int kt_stream_peer(const kt_stream *s, struct sockaddr_storage *ret_address,
                          socklen_t *ret_size) KT_CHECKED;

/* The own address; 0 or the error of getsockname(2), -EBADF in memory. Like get_extra_info("sockname"). */
KT_API int kt_stream_local(const kt_stream *s, kt_address *ret_address) KT_CHECKED;

/* ---- Options of TCP -------------------------------------------------------------------------
 * Also under TLS. -EOPNOTSUPP for other sockets, -ENOTSOCK, -EBADF in memory. Neither suspends. */

/* Small writes leave at once, which is the default here, or (false) wait for the answer to those before
 * (Nagle). TCP_NODELAY, tcp(7). */
KT_API int kt_stream_nodelay_set(kt_stream *s, bool on) KT_CHECKED;

/* All zero means the system's defaults (net.ipv4.tcp_keepalive_*). In whole seconds, rounded up. */
typedef struct kt_keep_alive {
    kt_time idle;     /* without a word from the peer, until it is asked */
    kt_time interval; /* between questions that it does not answer */
    unsigned probes;  /* so many of which, and it counts as vanished: -ETIMEDOUT */
} kt_keep_alive;

/* Notices peers that have vanished; NULL: no longer. -EINVAL for a time below 0 or above the system's limit
 * (32767 s). SO_KEEPALIVE, tcp(7). */
KT_API int kt_stream_keep_alive_set(kt_stream *s, const kt_keep_alive *k) KT_CHECKED;

/* ---- Descriptors over Unix sockets ----------------------------------------------------------- */

/* Writes all bytes, at least one, and gives the peer copies of 1 to 253 descriptors, which travel with the
 * first of them; ours stay ours. -EOPNOTSUPP for a stream that is not a Unix socket itself; -EINVAL; -EBADF;
 * -ETOOMANYREFS when too many are on their way. Otherwise as kt_stream_write. Like socket.send_fds, SCM_RIGHTS
 * in unix(7). */
KT_API int kt_stream_send_fds(kt_stream *s, const void *bytes, size_t size, const int *fds,
                              size_t count) KT_CHECKED;

/* Reads at least one byte and at most size, with the descriptors that travel with them. The number of bytes; 0
 * at the end of file. *ret_count descriptors have come; the first fds_max are in fds, are the caller's to
 * close, and close on exec; any others are closed. So are those on whose bytes another kind of read has come:
 * tell from your protocol when to expect some. What such a read has buffered comes first, without any.
 * -EOPNOTSUPP as above; otherwise as kt_stream_read. Like socket.recv_fds. */
KT_API ssize_t kt_stream_receive_fds(kt_stream *s, void *bytes, size_t size, int *fds, size_t fds_max,
                                     size_t *ret_count) KT_CHECKED;

static inline void kt_stream_cleanup(kt_stream **s)
{
    kt_stream_close(*s);
}

static inline void kt_listener_cleanup(kt_listener **l)
{
    kt_listener_close(*l);
}

KT_END

#endif
