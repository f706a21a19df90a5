/* SPDX-License-Identifier: MIT */

/* Watches of directories as tasks see them: what the kernel says becomes events, one at a time. An event of the
 * kernel's is taken when everything that telling it needs is there. */

#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <kettle/thread.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "core/core.h"
#include "core/eyes.h"
#include "io/dir_watch.h"

/* The two halves of a move are queued one right after the other; this is for the moment between. So the descriptor is
 * read by hand, without waiting: to look for a mate is no reason to wait for an event. */
#define MATE_WAIT_MS 5

enum { NOTHING_TO_TELL = 2 };

/* ---- Life ---------------------------------------------------------------------------------- */

static int take_in(kt_dir_watch *w, kt__place *parent, const char *name, bool tell)
{
    w->take_name.size = 0;
    if (kt_buffer_append(&w->take_name, name, strlen(name) + 1) < 0)
        return -ENOMEM;
    w->take_parent = parent;
    w->take_unless = -1;
    w->taking = true;
    w->tell = tell;
    return 0;
}

static int explain(const kt_dir_watch *w, int rc)
{
    const char *inside = w->text.size > 0 ? w->text.data : "";
    return kt_error_set(rc, "watch %s%s%s: %s", w->path, *inside ? "/" : "", inside, kt_strerror(rc));
}

static int take_root(kt_dir_watch *w, const char *path)
{
    w->path = kt_strndup(path, strlen(path));
    if (!w->path)
        return -ENOMEM;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    int rc = w->fd < 0 ? explain(w, -errno) : take_in(w, NULL, "", false);
    while (rc == 0 && w->taking) {
        rc = kt_thread_run(kt__watch_take, w, 0);
        if (rc == 0 && w->rc < 0)
            rc = explain(w, w->rc);
    }
    if (rc == 0 && w->rc < 0)
        rc = explain(w, w->rc);
    return rc;
}

int kt_dir_watch_open(const char *path, const kt_dir_watch_options *options, kt_dir_watch **ret_watch)
{
    if (kt__loop && (kt__loop->simulated || !kt__disk_here()->is_system))
        return kt_error_set(KT_ENOTSIM, "watch %s", path);
    kt_dir_watch *w = kt_calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    w->fd = -1;
    w->round = 1;
    if (options)
        w->options = *options;
    int rc = take_root(w, path);
    if (rc < 0) {
        (void)kt__disk_release(kt__watch_end, w);
        kt_free(w);
        return rc;
    }
    kt__opened(w, "a watch of a directory", KT__SITE, NULL);
    *ret_watch = w;
    return 0;
}

void kt_dir_watch_close(kt_dir_watch *w)
{
    if (!w)
        return;
    if (w->busy)
        kt__misuse("kt_dir_watch_close: a task waits in the watch of %s", w->path);
    kt__closed(w, "a watch of a directory");
    (void)kt__disk_release(kt__watch_end, w);
    kt_free(w);
}

/* ---- The kernel's events ---------------------------------------------------------------------- */

typedef struct inotify_event kernel_event;

static const kernel_event *event_at(const kt_dir_watch *w, size_t at)
{
    return at < w->raw_size ? (const kernel_event *)(const void *)(w->raw + at) : NULL;
}

static size_t size_of(const kernel_event *e)
{
    return sizeof *e + e->len;
}

static void event_take(kt_dir_watch *w, const kernel_event *e)
{
    w->raw_at += size_of(e);
}

/* What has not been taken moves to the front, for more behind it. 1 when there is more, else 0. */
static int read_more(kt_dir_watch *w)
{
    memmove(w->raw, w->raw + w->raw_at, w->raw_size - w->raw_at);
    w->raw_size -= w->raw_at;
    w->raw_at = 0;
    ssize_t n = TEMP_FAILURE_RETRY(read(w->fd, w->raw + w->raw_size, sizeof w->raw - w->raw_size));
    if (n < 0 && errno != EAGAIN && errno != EINVAL) /* EINVAL: no room for the next one */
        return -errno;
    w->raw_size += n > 0 ? (size_t)n : 0;
    return n > 0;
}

static int await_mate(void *arg)
{
    const kt_dir_watch *w = arg;
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    (void)poll(&p, 1, MATE_WAIT_MS);
    return 0;
}

static kernel_event *find_mate(kt_dir_watch *w, const kernel_event *from)
{
    size_t at = w->raw_at + size_of(from);
    for (const kernel_event *e; (e = event_at(w, at)); at += size_of(e))
        if (e->mask & IN_MOVED_TO && e->cookie == from->cookie)
            return (kernel_event *)(uintptr_t)e;
    return NULL;
}

/* The other half of the move that comes next, which is in the buffer, or about to come. 0 with NULL: it has left what
 * is watched. */
static int mate_of(kt_dir_watch *w, kernel_event **ret_mate)
{
    bool alone = w->raw_at + size_of(event_at(w, w->raw_at)) == w->raw_size;
    int rc = alone ? read_more(w) : 0;
    if (rc == 0 && alone) {
        rc = kt_thread_run(await_mate, w, 0);
        if (rc == 0)
            rc = read_more(w);
    }
    if (rc < 0)
        return rc;
    *ret_mate = find_mate(w, event_at(w, w->raw_at));
    return 0;
}

/* ---- Telling ------------------------------------------------------------------------------- */

static int tell(kt_dir_event *ret_event, kt_dir_change change, const char *path, bool is_dir)
{
    *ret_event = (kt_dir_event){.change = change, .path = path, .is_dir = is_dir};
    return 1;
}

static int tell_gone(kt_dir_watch *w, kt_dir_event *ret_event)
{
    w->over = true;
    return tell(ret_event, KT_DIR_GONE, "", true);
}

static int begin_rescan(kt_dir_watch *w, const kernel_event *e)
{
    if (take_in(w, NULL, "", false) < 0)
        return -ENOMEM;
    w->round++;
    w->rescan = true;
    event_take(w, e);
    return NOTHING_TO_TELL;
}

static kt_dir_change change_of(uint32_t mask)
{
    if (mask & (IN_CREATE | IN_MOVED_TO))
        return KT_DIR_CREATED;
    if (mask & IN_DELETE)
        return KT_DIR_REMOVED;
    if (mask & IN_CLOSE_WRITE)
        return KT_DIR_WRITTEN;
    return mask & IN_MODIFY ? KT_DIR_MODIFIED : KT_DIR_ATTRIBUTES;
}

/* A directory that is known as it is made was found, and told, when its parent was taken in. What is moved here may
 * stand where another one was, whose end is yet to be heard of. */
static int tell_change(kt_dir_watch *w, kt__place *p, const kernel_event *e, kt_dir_event *ret_event)
{
    bool is_dir = e->mask & IN_ISDIR, new_dir = is_dir && e->mask & (IN_CREATE | IN_MOVED_TO) && w->options.recursive;
    if (new_dir && e->mask & IN_CREATE && kt__place_in(w, p, e->name)) {
        event_take(w, e);
        return NOTHING_TO_TELL;
    }
    int rc = kt__place_path(p, e->name, &w->text);
    if (rc == 0 && new_dir)
        rc = take_in(w, p, e->name, true);
    if (rc < 0)
        return rc;
    kt__place *removed = is_dir && e->mask & IN_DELETE ? kt__place_in(w, p, e->name) : NULL;
    if (removed)
        kt__place_drop(w, removed); /* perhaps a new one of that name, whose making is yet to be told */
    event_take(w, e);
    return tell(ret_event, change_of(e->mask), w->text.data, is_dir);
}

static int tell_departure(kt_dir_watch *w, kt__place *p, const kernel_event *e, kt_dir_event *ret_event)
{
    bool is_dir = e->mask & IN_ISDIR;
    kt__place *moved = is_dir ? kt__place_in(w, p, e->name) : NULL;
    if (kt__place_path(p, e->name, &w->text) < 0)
        return -ENOMEM;
    if (moved)
        kt__place_drop(w, moved);
    event_take(w, e);
    return tell(ret_event, KT_DIR_REMOVED, w->text.data, is_dir);
}

/* A directory takes those that are watched in it along, if it is the one that is known by its name; what is told may
 * lag behind what was found. Any other is taken in, and one in which not all was found. What it replaces is told no
 * more. */
static int tell_move(kt_dir_watch *w, kt__place *p, const kernel_event *e, kernel_event *mate, kt_dir_event *ret_event)
{
    kt__place *to = kt__place_by_wd(w, mate->wd);
    bool is_dir = e->mask & IN_ISDIR, known = is_dir && w->options.recursive;
    kt__place *moved = known ? kt__place_in(w, p, e->name) : NULL;
    kt__place *replaced = known ? kt__place_in(w, to, mate->name) : NULL;
    int rc = kt__place_path(p, e->name, &w->old_text);
    if (rc == 0)
        rc = kt__place_path(to, mate->name, &w->text);
    if (rc == 0 && moved)
        rc = kt__place_move(moved, to, mate->name);
    if (rc == 0 && known)
        rc = take_in(w, to, mate->name, true);
    if (rc < 0)
        return rc;
    w->take_unless = moved && !kt__place_has_missed(w, moved) ? moved->wd : -1;
    if (replaced && replaced != moved)
        kt__place_drop(w, replaced);
    mate->mask = 0;
    event_take(w, e);
    (void)tell(ret_event, KT_DIR_MOVED, w->text.data, is_dir);
    ret_event->old_path = w->old_text.data;
    return 1;
}

/* The wait for the mate may move the events. */
static int tell_from(kt_dir_watch *w, kt_dir_event *ret_event)
{
    kernel_event *mate = NULL;
    int rc = mate_of(w, &mate);
    if (rc < 0)
        return rc;
    const kernel_event *e = event_at(w, w->raw_at);
    kt__place *p = kt__place_by_wd(w, e->wd), *moved = kt__place_in(w, p, e->name);
    kt__place *to = mate ? kt__place_by_wd(w, mate->wd) : NULL;
    if (to && !(moved && kt__place_is_within(to, moved)))
        return tell_move(w, p, e, mate, ret_event);
    return tell_departure(w, p, e, ret_event);
}

static int tell_event(kt_dir_watch *w, const kernel_event *e, kt_dir_event *ret_event)
{
    if (e->mask & IN_Q_OVERFLOW)
        return begin_rescan(w, e);
    kt__place *p = kt__place_by_wd(w, e->wd);
    if (p && p == w->root && e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
        return tell_gone(w, ret_event);
    if (p && e->mask & IN_IGNORED)
        kt__place_drop(w, p);
    if (!p || e->len == 0 || e->mask == 0) {
        event_take(w, e);
        return NOTHING_TO_TELL;
    }
    return e->mask & IN_MOVED_FROM ? tell_from(w, ret_event) : tell_change(w, p, e, ret_event);
}

static int tell_found(kt_dir_watch *w, kt_dir_event *ret_event)
{
    const char *kind = w->found.data + w->found_at;
    w->found_at += 1 + strlen(kind + 1) + 1;
    return tell(ret_event, KT_DIR_CREATED, kind + 1, *kind == 'd');
}

/* ---- Waiting ------------------------------------------------------------------------------- */

static int take_on(kt_dir_watch *w, kt_dir_event *ret_event)
{
    int rc = kt_thread_run(kt__watch_take, w, 0);
    if (rc < 0)
        return rc;
    if (w->rc < 0 && w->rc != -ENOMEM && !w->taking && !w->take_parent)
        return tell_gone(w, ret_event); /* there is nothing at its path to be looked at again */
    return w->rc < 0 ? explain(w, w->rc) : NOTHING_TO_TELL;
}

static int await_more(kt_dir_watch *w)
{
    int rc = read_more(w);
    if (rc == 0)
        rc = kt_fd_wait(w->fd, KT_READABLE);
    return rc < 0 ? rc : NOTHING_TO_TELL;
}

static int next(kt_dir_watch *w, kt_dir_event *ret_event)
{
    const kernel_event *e = event_at(w, w->raw_at);
    if (w->over)
        return 0;
    if (w->found_at < w->found.size)
        return tell_found(w, ret_event);
    if (w->taking)
        return take_on(w, ret_event);
    if (w->rescan) {
        w->rescan = false;
        return tell(ret_event, KT_DIR_RESCAN, "", true);
    }
    return e ? tell_event(w, e, ret_event) : await_more(w);
}

int kt_dir_watch_next(kt_dir_watch *w, kt_dir_event *ret_event)
{
    int rc;
    if (w->busy)
        kt__misuse("kt_dir_watch_next: another task waits in the watch of %s", w->path);
    w->busy = true;
    while ((rc = next(w, ret_event)) == NOTHING_TO_TELL)
        continue;
    w->busy = false;
    return rc;
}
