/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_PATH_H
#define KETTLE_PATH_H

/* Files by their names: what they are, and to rename, link, remove, copy and move them.
 *
 *     kt_auto(kt_path) target = NULL;                        // freed on any way out of this scope
 *     int rc = kt_path_join(folder, "tea.md", &target);
 *     if (rc == 0)
 *         rc = kt_path_copy("draft.md", target, NULL);       // all of it, or nothing
 *     if (rc == 0 && kt_path_is_file("old.md") == 1)
 *         rc = kt_path_rename("old.md", "attic/old.md", KT_PATH_DURABLE);
 *
 * Each call that touches the disk runs as one job on a thread of the loop's pool (thread.h), so none
 * blocks the loop. It suspends; a job that has not begun when the task is cancelled is taken back and has no
 * effect, one that has begun ends first: its result is returned, and the cancellation shows at the next
 * call. Strings are read during the call only. In a task. Errors are those of the system call, and
 * kt_error_detail() names the path: "rename a to b: Permission denied". -ENOMEM and -EAGAIN also when no
 * thread can be made.
 *
 * Names are bytes without '/' and NUL, in no particular encoding. Relative paths count from the process's
 * working directory. */

#include <kettle/base.h>
#include <kettle/memory.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

KT_BEGIN

/* A path in memory of kt_alloc's, or NULL. */
typedef char *kt_path;

static inline void kt_path_cleanup(kt_path *p)
{
    kt_free(*p);
}

/* ---- Parts and joins ------------------------------------------------------------------------
 * Pure functions of the text: nothing is looked up, none suspends, any thread. The slices point into `path`. */

/* The last name: "b.md" of "a/b.md" and of "a/b.md/", "" of "/". Like PurePath.name. */
KT_API kt_slice kt_path_name(const char *path);

/* The last suffix of the name, with its dot: ".gz" of "a.tar.gz"; "" of "a", ".profile" and "a.". Like
 * PurePath.suffix. */
KT_API kt_slice kt_path_suffix(const char *path);

/* The name without its suffix. Like PurePath.stem. */
KT_API kt_slice kt_path_stem(const char *path);

/* What comes before the last name: "a" of "a/b", "/" of "/a" and "/", "." of "a". Like PurePath.parent. */
KT_API kt_slice kt_path_parent(const char *path);

/* `path` as seen from `base`, with one '/' between; an absolute path alone. An empty part adds nothing. The caller
 * frees *ret_path. -ENOMEM. Like os.path.join. */
KT_API int kt_path_join(const char *base, const char *path, kt_path *ret_path) KT_CHECKED;

/* Without "//", "." and "x/..", by the text alone: where x is a link, the result leads elsewhere, see
 * kt_path_realpath. "" becomes ".". The caller frees *ret_path. -ENOMEM. Like os.path.normpath. */
KT_API int kt_path_normalise(const char *path, kt_path *ret_path) KT_CHECKED;

/* Joins what a stranger asks for (a request's path, a name in an archive) to `root`, and refuses what would leave it:
 * an absolute path or one with ".." (-EXDEV, as openat2(2) says), or with NUL (-EINVAL). "." and "//" are
 * dropped; an empty path is the root itself. The caller frees *ret_path. -ENOMEM. This knows the text only: a link
 * beneath root may lead out of it. To open such a file, kt_file_open_beneath (file.h) has the kernel see to that. */
KT_API int kt_path_join_beneath(const char *root, kt_slice path, kt_path *ret_path) KT_CHECKED;

/* Does a path match a pattern, name by name? In a pattern '*' stands for any bytes of a name, '?' for one character
 * (of UTF-8; a byte that is none counts as one), [a-z] and [!a-z] for one of a set, and a name that is "**" for any
 * names, or none. '\\' takes the meaning from the next character. A name that begins with a dot is matched
 * only where the pattern has that dot, too. Like glob(7), and PurePath.full_match for "**". */
KT_API bool kt_path_match(const char *pattern, const char *path);

/* ---- What is there ------------------------------------------------------------------------- */

/* What a path leads to; of a symbolic link itself. 0; -ENOENT, -ENOTDIR, -EACCES, -ELOOP, ... Like aiofiles.os.stat,
 * stat(2). */
KT_API int kt_path_stat(const char *path, struct stat *ret_stat) KT_CHECKED;
KT_API int kt_path_lstat(const char *path, struct stat *ret_stat) KT_CHECKED;

/* Does the path lead to something; to a regular file; to a directory? Is it a symbolic link? 1 or 0, which is also
 * said of paths that lead nowhere (-ENOENT, -ENOTDIR); an error when it cannot be told: -EACCES, -ELOOP, ... Like
 * aiofiles.os.path.exists, isfile, isdir, islink. */
KT_API int kt_path_exists(const char *path) KT_CHECKED;
KT_API int kt_path_is_file(const char *path) KT_CHECKED;
KT_API int kt_path_is_dir(const char *path) KT_CHECKED;
KT_API int kt_path_is_link(const char *path) KT_CHECKED;

/* The size in bytes of what a path leads to. Like aiofiles.os.path.getsize. */
KT_API int64_t kt_path_size(const char *path) KT_CHECKED;

/* May the process's real user do that? `mode` is F_OK, or R_OK, W_OK and X_OK together. 0, -EACCES, -ENOENT, -EROFS,
 * ... The answer may be old when it comes: to open a file, open it. Like aiofiles.os.access, access(2). */
KT_API int kt_path_access(const char *path, int mode) KT_CHECKED;

/* Do both lead to one and the same file? 1, 0, or an error of either. Like aiofiles.os.path.samefile. */
KT_API int kt_path_same_file(const char *path, const char *other) KT_CHECKED;

/* What a symbolic link says; the caller frees *ret_target. -EINVAL when it is no link. Like aiofiles.os.readlink. */
KT_API int kt_path_readlink(const char *path, kt_path *ret_target) KT_CHECKED;

/* The absolute path without links, "." and "..", of something that exists; the caller frees *ret_path. -ENOENT,
 * -ENOTDIR, -EACCES, -ELOOP after 40 links, -ENAMETOOLONG beyond 4,095 bytes. Like os.path.realpath(strict=True),
 * realpath(3). */
KT_API int kt_path_realpath(const char *path, kt_path *ret_path) KT_CHECKED;

/* Sizes and free space of the file system on which the path lies. Like aiofiles.os.statvfs, statvfs(3). */
KT_API int kt_path_statvfs(const char *path, struct statvfs *ret_statvfs) KT_CHECKED;

/* ---- Changes ------------------------------------------------------------------------------- */

/* Flags of those below that take some. */
enum {
    KT_PATH_NO_REPLACE = 1, /* -EEXIST when there is something at the target */
    KT_PATH_DURABLE = 2,    /* and wait until it is on the disk, so that it outlives a crash */
    KT_PATH_KEEP_TIMES = 4, /* copies get the times of the original, as shutil.copy2 gives them */
};

/* Renames a file or directory, and replaces what is at `to` in one step: whoever looks sees the old or the new.
 * Flags: the first two. KT_PATH_DURABLE is about the names only (fsync(2) of the directories, the target's first):
 * contents are the file's affair. Where that fails the error is returned though the name has changed, for how long
 * nobody knows. -ENOENT, -EXDEV on another file system (see kt_path_move), -EISDIR, -ENOTDIR, -ENOTEMPTY, -EACCES;
 * -EINVAL for a directory into itself, and for KT_PATH_NO_REPLACE where the file system cannot do it. Like
 * aiofiles.os.replace, renameat2(2). */
KT_API int kt_path_rename(const char *from, const char *to, unsigned flags) KT_CHECKED;

/* Removes a file, or a link itself; -EISDIR for a directory, see kt_dir_remove. Like aiofiles.os.remove,
 * unlink(2). */
KT_API int kt_path_remove(const char *path) KT_CHECKED;

/* Gives the file at `path` one more name. -EEXIST, -EXDEV, -EPERM for a directory. Like aiofiles.os.link, link(2). */
KT_API int kt_path_link(const char *path, const char *new_path) KT_CHECKED;

/* Makes a symbolic link at `path` that says `target`, which need not exist. -EEXIST. Like aiofiles.os.symlink,
 * symlink(2). */
KT_API int kt_path_symlink(const char *target, const char *path) KT_CHECKED;

/* Sets the permissions of what the path leads to. Like os.chmod, chmod(2). */
KT_API int kt_path_chmod(const char *path, mode_t mode) KT_CHECKED;

/* Sets when it was read and changed last; NULL: now, both. tv_nsec may be UTIME_NOW or UTIME_OMIT. Like os.utime,
 * utimensat(2). */
KT_API int kt_path_utimes(const char *path, const struct timespec times[2]) KT_CHECKED;

/* Waits until the names in a directory are on the disk. Like fsync(2) of the directory. */
KT_API int kt_path_sync_dir(const char *path) KT_CHECKED;

/* ---- Copies -------------------------------------------------------------------------------- */

/* All zero means the defaults. */
typedef struct kt_path_copy_options {
    unsigned flags; /* KT_PATH_NO_REPLACE, KT_PATH_DURABLE (the contents, too), KT_PATH_KEEP_TIMES */

    /* Called on the loop, in the task, now and then and at the end: so many of `total` bytes, which may change
     * meanwhile, are done. Below 0, unless that was the end: the copy stops with this code and leaves nothing.
     * Must not suspend. */
    int (*progress)(int64_t bytes_done, int64_t bytes_total, void *arg);
    void *progress_arg;
    uintptr_t reserved[2];
} kt_path_copy_options;

/* Copies a file's bytes and permissions (not set-user-ID and its like) to the name `to`, which gets the whole copy
 * in one step: it is written beside it, as ".kettle-..." with random digits, and renamed. A link at `to` is
 * replaced, not followed; one at `from` is followed. The file systems share the bytes where they can (FICLONE), or
 * else the kernel copies them; holes stay holes. NULL options mean the defaults. -ENOENT, -EACCES, -ENOSPC, -EIO,
 * ...; -EISDIR or -EINVAL when one of them is neither a regular file nor, as target, a link. Suspends every few
 * MiB; an error or a cancellation leaves what was at `to`, and nothing beside it (a failure to make the name last
 * comes too late for that, see kt_path_rename). Like shutil.copy. */
KT_API int kt_path_copy(const char *from, const char *to, const kt_path_copy_options *options) KT_CHECKED;

/* Renames, or where that would cross file systems copies (files, links, trees), with their times but owned by the
 * process's user, and removes the original. A file or link at `to` is replaced, a directory only by
 * kt_path_rename's rules, on one file system. A failure before the removal leaves the original alone and nothing
 * at `to`; one of the removal leaves both, the original perhaps in part, and names what could not be removed.
 * -EEXIST, and otherwise as kt_path_rename, kt_path_copy and kt_dir_copy_all. Suspends; a cancellation is an error
 * like others. Like shutil.move. */
KT_API int kt_path_move(const char *from, const char *to, const kt_path_copy_options *options) KT_CHECKED;

KT_END

#endif
