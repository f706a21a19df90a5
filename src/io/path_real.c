/* SPDX-License-Identifier: MIT */

/* realpath(3) on any disk, as POSIX describes it. */

#include <errno.h>
#include <unistd.h>

#include "io/paths.h"

#define LINKS_MAX 40 /* as the kernel's, path_resolution(7) */

typedef struct walk {
    kt__disk *disk;
    char done[PATH_MAX]; /* without links; "" is the root */
    char rest[PATH_MAX]; /* to be resolved from there */
    char link[PATH_MAX];
    int links;
} walk;

static int begin(walk *w, const char *path)
{
    if (*path == '\0')
        return -ENOENT;
    if (strlen(path) >= sizeof w->rest)
        return -ENAMETOOLONG;
    memcpy(w->rest, path, strlen(path) + 1);
    w->done[0] = '\0';
    if (*path == '/' || !w->disk->is_system)
        return 0;
    if (!getcwd(w->done, sizeof w->done))
        return errno == ERANGE ? -ENAMETOOLONG : -errno;
    if (w->done[1] == '\0')
        w->done[0] = '\0';
    return 0;
}

/* What the link says comes before the rest. */
static int follow(walk *w, size_t size)
{
    size_t rest = strlen(w->rest);
    if (++w->links > LINKS_MAX)
        return -ELOOP;
    if (size + rest >= sizeof w->rest)
        return -ENAMETOOLONG;
    memmove(w->rest + size, w->rest, rest + 1);
    memcpy(w->rest, w->link, size);
    if (w->link[0] == '/')
        w->done[0] = '\0';
    return 0;
}

static void up(walk *w)
{
    char *slash = strrchr(w->done, '/');
    if (slash)
        *slash = '\0';
}

/* What stands before a '/' is a directory. */
static int check_dir(const walk *w)
{
    struct stat st;
    int rc = w->disk->stat(w->disk, AT_FDCWD, w->done, AT_SYMLINK_NOFOLLOW, &st);
    if (rc < 0)
        return rc;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* Goes on by one name, which is neither "." nor "..". */
static int down(walk *w, const char *name, size_t size)
{
    size_t at = strlen(w->done);
    if (at + 1 + size >= sizeof w->done)
        return -ENAMETOOLONG;
    w->done[at] = '/';
    memcpy(w->done + at + 1, name, size);
    w->done[at + 1 + size] = '\0';
    memmove(w->rest, name + size, strlen(name + size) + 1);
    ssize_t n = w->disk->readlink(w->disk, AT_FDCWD, w->done, w->link, sizeof w->link);
    if (n >= 0) {
        w->done[at] = '\0';
        return follow(w, (size_t)n);
    }
    if (n != -EINVAL)
        return (int)n;
    return *w->rest ? check_dir(w) : 0;
}

static int go_on(walk *w)
{
    char *name = w->rest + strspn(w->rest, "/");
    size_t size = strcspn(name, "/");
    bool dots = size <= 2 && memcmp(name, "..", size) == 0; /* or no name at all */
    if (!dots)
        return down(w, name, size);
    if (size == 2)
        up(w);
    memmove(w->rest, name + size, strlen(name + size) + 1);
    return 0;
}

static int call_real(kt__disk *d, kt__path_request *r)
{
    walk w = {.disk = d};
    int rc = begin(&w, r->path);
    while (rc == 0 && *w.rest)
        rc = go_on(&w);
    if (rc == 0)
        memcpy(r->text, *w.done ? w.done : "/", *w.done ? strlen(w.done) + 1 : 2);
    return rc;
}

int kt_path_realpath(const char *path, kt_path *ret_path)
{
    kt__path_request r = {.call = call_real, .verb = "realpath", .path = path};
    int rc = kt__path_run(&r);
    if (rc < 0)
        return rc;
    char *text = kt_strndup(r.text, strlen(r.text));
    if (!text)
        return -ENOMEM;
    *ret_path = text;
    return 0;
}
