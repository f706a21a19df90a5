/* SPDX-License-Identifier: MIT */

/* Temporary files and directories. The caller gets what a job has made even if a cancellation came meanwhile, so none
 * is ever left behind. */

#include <errno.h>
#include <inttypes.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <kettle/temp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/core.h"
#include "core/eyes.h"
#include "io/paths.h"

/* ---- Names --------------------------------------------------------------------------------- */

/* No secret: O_EXCL is what protects. */
uint64_t kt__temp_number(void)
{
    uint64_t number = 0;
    if (kt__loop && kt__loop->simulated)
        return kt__random(kt__loop);
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = (uint64_t)kt_now();
    return number;
}

int kt__temp_path(const char *dir, const char *prefix, uint64_t *number, char path[PATH_MAX])
{
    const char *slash = *dir && dir[strlen(dir) - 1] == '/' ? "" : "/";
    int size = snprintf(path, PATH_MAX, "%s%s%s%016" PRIx64, dir, slash, prefix, (*number)++);
    return size < PATH_MAX ? 0 : -ENAMETOOLONG;
}

typedef struct making {
    kt__path_request request; /* its text is the path that was made */
    const char *prefix;
    uint64_t number;
    int fd;
} making;

static making making_of(const char *verb, const char *dir, const char *prefix,
                        int (*call)(kt__disk *d, kt__path_request *r))
{
    const char *usual = getenv("TMPDIR");
    making m = {.prefix = prefix ? prefix : "tmp-", .number = kt__temp_number(), .fd = -1};
    if (!usual || !*usual)
        usual = "/tmp";
    m.request.call = call;
    m.request.verb = verb;
    m.request.path = dir ? dir : usual;
    return m;
}

/* ---- Files --------------------------------------------------------------------------------- */

static int call_named(kt__disk *d, kt__path_request *r)
{
    making *m = KT__OWNER(r, making, request);
    int rc = -EEXIST;
    for (int tries = 0; rc == -EEXIST && tries < KT__TEMP_TRIES; tries++) {
        rc = kt__temp_path(r->path, m->prefix, &m->number, r->text);
        if (rc == 0)
            rc = m->fd = d->open(d, AT_FDCWD, r->text, O_RDWR | O_CREAT | O_EXCL, 0600, 0);
    }
    return rc < 0 ? rc : 0;
}

/* Not every file system has files without a name, nor does every kernel know the flag, which it then takes for
 * O_DIRECTORY. */
static int call_file(kt__disk *d, kt__path_request *r)
{
    making *m = KT__OWNER(r, making, request);
    int rc = m->fd = d->open(d, AT_FDCWD, r->path, O_RDWR | O_TMPFILE, 0600, 0);
    if (rc != -EOPNOTSUPP && rc != -EISDIR && rc != -EINVAL && rc != -ENOSYS)
        return rc < 0 ? rc : 0;
    rc = call_named(d, r);
    if (rc == 0)
        rc = d->unlink(d, AT_FDCWD, r->text, 0);
    if (rc < 0 && m->fd >= 0)
        (void)d->close(d, m->fd); /* nothing has been written */
    return rc;
}

int kt_temp_file(const char *dir, int *ret_fd)
{
    making m = making_of("make a temporary file in", dir, NULL, call_file);
    int rc = kt__path_run(&m.request);
    if (rc == 0)
        *ret_fd = m.fd;
    return rc;
}

static int undo_named(void *arg)
{
    const making *m = arg;
    kt__disk *d = m->request.disk;
    (void)d->close(d, m->fd);
    (void)d->unlink(d, AT_FDCWD, m->request.text, 0);
    return 0;
}

int kt_temp_named(const char *dir, const char *prefix, kt_path *ret_path, int *ret_fd)
{
    making m = making_of("make a temporary file in", dir, prefix, call_named);
    int rc = kt__path_run(&m.request);
    if (rc < 0)
        return rc;
    char *path = kt_strndup(m.request.text, strlen(m.request.text));
    if (!path) {
        (void)kt__disk_release(undo_named, &m);
        return -ENOMEM;
    }
    *ret_path = path;
    *ret_fd = m.fd;
    return 0;
}

/* ---- Directories --------------------------------------------------------------------------- */

struct kt_temp_dir {
    kt__disk *disk;
    char path[];
};

static int call_dir(kt__disk *d, kt__path_request *r)
{
    making *m = KT__OWNER(r, making, request);
    int rc = -EEXIST;
    for (int tries = 0; rc == -EEXIST && tries < KT__TEMP_TRIES; tries++) {
        rc = kt__temp_path(r->path, m->prefix, &m->number, r->text);
        if (rc == 0)
            rc = d->mkdir(d, AT_FDCWD, r->text, 0700);
    }
    return rc;
}

/* Room for the object comes first. */
int kt_temp_dir_make(const char *dir, const char *prefix, kt_temp_dir **ret_dir)
{
    making m = making_of("make a temporary directory in", dir, prefix, call_dir);
    kt_temp_dir *t = kt_alloc(sizeof *t + PATH_MAX);
    if (!t)
        return -ENOMEM;
    int rc = kt__path_run(&m.request);
    if (rc < 0) {
        kt_free(t);
        return rc;
    }
    t->disk = m.request.disk;
    memcpy(t->path, m.request.text, strlen(m.request.text) + 1);
    kt__opened(t, "a temporary directory", KT__SITE, NULL);
    *ret_dir = t;
    return 0;
}

const char *kt_temp_dir_path(const kt_temp_dir *d)
{
    return d->path;
}

static int remove_dir(void *arg)
{
    const kt_temp_dir *t = arg;
    return kt__disk_remove_all(t->disk, t->path);
}

void kt_temp_dir_remove(kt_temp_dir *d)
{
    if (!d)
        return;
    kt__closed(d, "a temporary directory");
    (void)kt__disk_release(remove_dir, d);
    kt_free(d);
}
