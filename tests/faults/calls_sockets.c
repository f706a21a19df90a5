/* SPDX-License-Identifier: MIT */

/* Sockets: their calls, with the errors of socket(7), ip(7), tcp(7), udp(7) and unix(7). */
#include "calls.h"

#include <netdb.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define OF_SENDING \
    EACCES, EAGAIN, EALREADY, EBADF, ECONNRESET, EDESTADDRREQ, EFAULT, EINTR, EINVAL, EISCONN, EMSGSIZE, ENOBUFS, \
        ENOMEM, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE, EHOSTUNREACH, ENETUNREACH, EPERM, ETIMEDOUT
#define OF_RECEIVING \
    EAGAIN, EBADF, ECONNREFUSED, ECONNRESET, EFAULT, EINTR, EINVAL, ENOMEM, ENOTCONN, ENOTSOCK, ETIMEDOUT, EHOSTUNREACH

CALL(int, socket, "socket(2)", (int family, int type, int protocol), (family, type, protocol), EACCES, EAFNOSUPPORT,
     EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTONOSUPPORT)
CALL(int, socketpair, "socketpair(2)", (int family, int type, int protocol, int fds[2]), (family, type, protocol, fds),
     EAFNOSUPPORT, EFAULT, EMFILE, ENFILE, EOPNOTSUPP, EPROTONOSUPPORT)
CALL(int, bind, "bind(2)", (int fd, const struct sockaddr *a, socklen_t size), (fd, a, size), EACCES, EADDRINUSE, EBADF,
     EINVAL, ENOTSOCK, EADDRNOTAVAIL, EFAULT, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EROFS)
CALL(int, listen, "listen(2)", (int fd, int backlog), (fd, backlog), EADDRINUSE, EBADF, ENOTSOCK, EOPNOTSUPP)
CALL(int, connect, "connect(2)", (int fd, const struct sockaddr *a, socklen_t size), (fd, a, size), EACCES, EPERM,
     EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, ECONNREFUSED, EFAULT, EISCONN,
     ENETUNREACH, EHOSTUNREACH, ENOTSOCK, EPROTOTYPE, ETIMEDOUT)
CALL(int, getsockname, "getsockname(2)", (int fd, struct sockaddr *a, socklen_t *size), (fd, a, size), EBADF, EFAULT,
     EINVAL, ENOBUFS, ENOTSOCK)
CALL(int, getpeername, "getpeername(2)", (int fd, struct sockaddr *a, socklen_t *size), (fd, a, size), EBADF, EFAULT,
     EINVAL, ENOBUFS, ENOTCONN, ENOTSOCK)
CALL(int, getsockopt, "getsockopt(2)", (int fd, int level, int name, void *value, socklen_t *size),
     (fd, level, name, value, size), EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK)
CALL(int, setsockopt, "setsockopt(2)", (int fd, int level, int name, const void *value, socklen_t size),
     (fd, level, name, value, size), EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK)
CALL(int, shutdown, "shutdown(2)", (int fd, int how), (fd, how), EBADF, EINVAL, ENOTCONN, ENOTSOCK)

/* accept(2): the errors of the new connection come before it is there, so none is taken. */
CALL_ENTRY(accept4, "accept4", "accept(2)", false, EAGAIN, EBADF, ECONNABORTED, EFAULT, EINTR, EINVAL, EMFILE, ENFILE,
           ENOBUFS, ENOMEM, ENOTSOCK, EOPNOTSUPP, EPERM, EPROTO, ENETDOWN, EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH)
CALL_FACE(int, accept4, (int fd, struct sockaddr *a, socklen_t *size, int flags))
int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *size, int flags)
{
    int error = call_made(&call_accept4);
    if (error == 0)
        return __real_accept4(fd, a, size, flags);
    call_refused(fd, error);
    errno = error;
    return -1;
}

/* ---- Bytes and messages ---------------------------------------------------------------------- */

CALL_OF_BYTES(ssize_t, recv, "recv(2)", (int fd, void *b, size_t size, int flags), (fd, b, size, flags),
              size = size > 0, OF_RECEIVING)
CALL_OF_BYTES(ssize_t, send, "send(2)", (int fd, const void *b, size_t size, int flags), (fd, b, size, flags), ,
              OF_SENDING)

/* Only a stream is cut: a message arrives whole or not at all. */
static bool is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
    return __real_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

CALL_ENTRY(sendmsg, "sendmsg", "sendmsg(2)", true, OF_SENDING)
CALL_FACE(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags))
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
    int error = call_made(&call_sendmsg);
    if (error == CALLS_SHORT && m->msg_iovlen > 0 && is_stream(fd)) {
        struct msghdr cut = *m;
        struct iovec first = {m->msg_iov->iov_base, m->msg_iov->iov_len > 0};
        cut.msg_iov = &first;
        cut.msg_iovlen = 1;
        return __real_sendmsg(fd, &cut, flags);
    }
    if (error <= 0)
        return __real_sendmsg(fd, m, flags);
    call_refused(fd, error);
    errno = error;
    return -1;
}

CALL_ENTRY(recvmsg, "recvmsg", "recvmsg(2)", false, OF_RECEIVING)
CALL_FACE(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags))
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
    int error = call_made(&call_recvmsg);
    if (error <= 0)
        return __real_recvmsg(fd, m, flags);
    call_refused(fd, error);
    errno = error;
    return -1;
}

CALL_OF_BYTES(int, recvmmsg, "recvmmsg(2)", (int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t),
              (fd, m, n, flags, t), n = n > 0, OF_RECEIVING)
CALL_OF_BYTES(int, sendmmsg, "sendmmsg(2)", (int fd, struct mmsghdr *m, unsigned n, int flags), (fd, m, n, flags),
              n = n > 0, OF_SENDING)

/* ---- Names ------------------------------------------------------------------------------------- */

CALL_RETURNING(getaddrinfo, "getaddrinfo(3)",
               (const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list),
               (host, service, hints, list), EAI_ADDRFAMILY, EAI_AGAIN, EAI_BADFLAGS, EAI_FAIL, EAI_FAMILY, EAI_MEMORY,
               EAI_NODATA, EAI_NONAME, EAI_SERVICE, EAI_SOCKTYPE)
CALL_RETURNING(getnameinfo, "getnameinfo(3)",
               (const struct sockaddr *a, socklen_t size, char *host, socklen_t host_size, char *service,
                socklen_t service_size, int flags),
               (a, size, host, host_size, service, service_size, flags), EAI_AGAIN, EAI_BADFLAGS, EAI_FAIL, EAI_FAMILY,
               EAI_MEMORY, EAI_NONAME, EAI_OVERFLOW)

CALL_ENTRY(if_nametoindex, "if_nametoindex", "if_nametoindex(3)", false, ENODEV, ENXIO, EMFILE, ENFILE, ENOMEM)
CALL_FACE(unsigned, if_nametoindex, (const char *name))
unsigned __wrap_if_nametoindex(const char *name)
{
    int error = call_made(&call_if_nametoindex);
    if (error == 0)
        return __real_if_nametoindex(name);
    errno = error;
    return 0;
}
