/* SPDX-License-Identifier: MIT */

/* Datagrams to systemd's journal and to syslog. Either may come, go, and come again while the program runs. */

#include <errno.h>
#include <unistd.h>

#include "io/log_private.h"

#define JOURNAL "/run/systemd/journal/socket"
#define SYSLOG "/dev/log"

/* Where the system's log listens; KT_LOG_SYSTEM becomes what is there. */
const char *kt__log_system_path(kt_log_kind *kind)
{
    if (*kind == KT_LOG_SYSTEM)
        *kind = access(JOURNAL, W_OK) == 0 ? KT_LOG_JOURNAL : KT_LOG_SYSLOG;
    return *kind == KT_LOG_JOURNAL ? JOURNAL : SYSLOG;
}

static int dial(kt__log_sink *s)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (s->path_size >= sizeof name.sun_path)
        return -ENAMETOOLONG;
    memcpy(name.sun_path, s->path, s->path_size);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&name, sizeof name) < 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    s->descriptor = fd;
    return 0;
}

static void hang_up(kt__log_sink *s)
{
    if (s->descriptor >= 0)
        close(s->descriptor);
    s->descriptor = -1;
}

static int send_once(kt__log_sink *s, const char *bytes, size_t size, bool crash)
{
    int rc = s->descriptor < 0 ? dial(s) : 0;
    while (rc == 0) {
        if (send(s->descriptor, bytes, size, MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno == EAGAIN)
            rc = kt__log_wait_writable(s, crash) ? 0 : KT_ETIMEDOUT;
        else if (errno != EINTR)
            rc = -errno;
    }
    return rc;
}

int kt__log_socket_send(kt__log_sink *s, const char *bytes, size_t size, bool crash)
{
    bool fresh = s->descriptor < 0;
    int rc = send_once(s, bytes, size, crash);
    if (rc == 0 || rc == KT_ETIMEDOUT || rc == -EMSGSIZE)
        return rc;
    hang_up(s);
    if (fresh)
        return rc;
    rc = send_once(s, bytes, size, crash); /* whoever listened may have started over */
    if (rc < 0 && rc != KT_ETIMEDOUT)
        hang_up(s);
    return rc;
}
