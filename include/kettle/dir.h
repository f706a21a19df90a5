/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_DIR_H
#define KETTLE_DIR_H

/* Directories: made, listed, walked through, searched and removed.
 *
 *     kt_auto(kt_walk) *w = NULL;                            // closed on any way out of this scope
 *     kt_walk_options o = {.sorted = true, .files_only = true};
 *     kt_walk_entry e;
 *     int rc = kt_dir_make_all("out/notes", 0);
 *     if (rc == 0)
 *         rc = kt_walk_open("notes", &o, &w);
 *     while (rc == 0 && (rc = kt_walk_next(w, &e)) == 1)
 *         rc = export(e.path);                               // "tea/green.md", from "notes" on
 *
 * The work is done by jobs on a thread of the loop's pool, each of a bounded number of system calls: see path.h for
 * what they have in common (errors and their words, names, cancellation, threads). Names are bytes in no particular
 * encoding; "." and ".." are never told. What others change in a directory while it is read may be seen or not. */

#include <kettle/path.h>

KT_BEGIN

/* ---- Making and removing ------------------------------------------------------------------- */

enum {
    KT_DIR_EXIST_OK = 1, /* that it exists already is no error */
};

/* Makes a directory, with this mode less the umask; 0 = 0777. -EEXIST; with KT_DIR_EXIST_OK only when what is there
 * is no directory. -ENOENT without its parent, -EACCES, -ENOSPC, ... Like aiofiles.os.mkdir, mkdir(2). */
KT_API int kt_dir_make(const char *path, mode_t mode, unsigned flags) KT_CHECKED;

/* Makes a directory and the parents that are missing (those with mode 0777 less the umask); one that exists is no
 * error, and others may make or remove the same ones meanwhile. -EEXIST or -ENOTDIR when something on the
 * way is no directory. A failure leaves the parents that were made. Like aiofiles.os.makedirs(exist_ok=True),
 * mkdir -p. */
KT_API int kt_dir_make_all(const char *path, mode_t mode) KT_CHECKED;

/* Removes an empty directory. -ENOTEMPTY, -ENOTDIR, -ENOENT, -EBUSY. Like aiofiles.os.rmdir, rmdir(2). */
KT_API int kt_dir_remove(const char *path) KT_CHECKED;

/* Removes a directory and all that is in it, of any depth. Links are removed, not followed: what they lead to stays,
 * even if somebody puts links where directories were meanwhile. -ENOTDIR when path is no directory or a link
 * to one; otherwise the first failure, named in the detail, with the rest left as it is. What vanishes meanwhile
 * is no error. Keeps at most 20 descriptors, and memory for one name a level. Suspends after some hundred files
 * each; a cancellation ends it there, with the rest left. Like shutil.rmtree, rm -r. */
KT_API int kt_dir_remove_all(const char *path) KT_CHECKED;

/* Copies a directory with all that is in it: files, permissions and links as in kt_path_copy, links as they are. `to` must
 * not exist; it gets the whole copy in one step, which is made beside it, as ".kettle-..." with random digits, and
 * renamed. NULL options mean the defaults; progress counts the bytes of files alone and the total is what is known
 * so far. -EEXIST, -ENOENT, -ENOTDIR, -ENOSPC, ...; -EINVAL for a pipe, socket or device in the tree, or a target
 * within it, -ENAMETOOLONG for a copy whose path is beyond 4,095 bytes: the first failure, which the detail names. It
 * leaves nothing, nor does a cancellation. Suspends every few MiB or hundred files. Like shutil.copytree(symlinks=True). */
KT_API int kt_dir_copy_all(const char *from, const char *to, const kt_path_copy_options *options) KT_CHECKED;

/* ---- Entries, one by one ------------------------------------------------------------------- */

typedef enum kt_path_type {
    KT_PATH_FILE, /* a regular one */
    KT_PATH_DIR,
    KT_PATH_LINK,
    KT_PATH_OTHER, /* a pipe, a socket, a device */
} kt_path_type;

typedef struct kt_dir_entry {
    const char *name; /* until the next call on that directory */
    kt_path_type type;
    uint64_t inode;
} kt_dir_entry;

typedef struct kt_dir kt_dir;

/* Opens a directory for reading its entries, in the file system's order. The caller owns *ret_dir. -ENOENT, -ENOTDIR,
 * -EACCES, -EMFILE, -ENOMEM. Suspends. Like aiofiles.os.scandir, opendir(3). */
KT_API int kt_dir_open(const char *path, kt_dir **ret_dir) KT_CHECKED;

/* The next entry: 1, or 0 at the end, or an error. Suspends only when some hundred entries have been told and more must
 * be read; a cancellation loses none. In one task at a time. Like readdir(3). */
KT_API int kt_dir_next(kt_dir *d, kt_dir_entry *ret_entry) KT_CHECKED;

/* Closes and frees; NULL is allowed. Suspends if it has not been read to the end; a cancellation is held back. */
KT_API void kt_dir_close(kt_dir *d);

static inline void kt_dir_cleanup(kt_dir **d)
{
    kt_dir_close(*d);
}

/* ---- All names of a directory -------------------------------------------------------------- */

/* Sorted by their bytes, as strcmp(3) does. */
typedef struct kt_path_list {
    size_t count;
    const char *const *paths;
} kt_path_list;

/* Frees it; NULL is allowed. */
KT_API void kt_path_list_free(kt_path_list *l);

static inline void kt_path_list_cleanup(kt_path_list **l)
{
    kt_path_list_free(*l);
}

/* The names of all entries of a directory. The caller frees *ret_names. KT_ELIMIT when there are more than count_max,
 * 0 = 1,000,000; -ENOENT, -ENOTDIR, -EACCES, -ENOMEM. Suspends; a cancellation leaves nothing. Like
 * sorted(aiofiles.os.listdir). */
KT_API int kt_dir_list(const char *path, size_t count_max, kt_path_list **ret_names) KT_CHECKED;

/* ---- Walking through a tree ---------------------------------------------------------------- */

/* All zero means the defaults. */
typedef struct kt_walk_options {
    bool sorted;          /* each directory's entries by their names' bytes, as strcmp(3) does; a directory is read
                           * as a whole first, of at most 1,000,000 entries */
    bool files_only;      /* tells regular files alone */
    bool skip_hidden;     /* passes over what begins with a dot */
    bool follow_links;    /* a link counts as what it leads to; a directory within itself is -ELOOP */
    bool one_file_system; /* tells of directories on others, and does not go into them */
    bool skip_errors;     /* passes over directories that cannot be read, without a word */
    unsigned depth_max;   /* goes no deeper; 1 = the directory's own entries, 0 = no such limit */
    uintptr_t reserved[2];
} kt_walk_options;

typedef struct kt_walk_entry {
    const char *path; /* from the root on, "a/b.md"; until the next call on that walk */
    const char *name; /* its last part */
    kt_path_type type;
    unsigned depth;   /* of the root's own entries: 1 */
    uint64_t inode;
} kt_walk_entry;

typedef struct kt_walk kt_walk;

/* Begins to walk through the tree beneath `root`, which itself is not told. NULL options mean the defaults. The caller
 * owns *ret_walk. -ENOENT, -ENOTDIR, -EACCES, -EMFILE, -ENOMEM. Suspends. */
KT_API int kt_walk_open(const char *root, const kt_walk_options *options, kt_walk **ret_walk) KT_CHECKED;

/* The next entry: 1, or 0 at the end. A directory comes before what is in it. Trees of any depth and paths up to 1 MiB
 * are walked, with at most 20 descriptors and, unless sorted, memory in the order of the path's length.
 *
 * An error other than a cancellation and -ENOMEM is that of one directory, which the detail names: -EACCES,
 * -ENOENT when it vanished meanwhile, -ELOOP, KT_ELIMIT beyond the limits. The next call goes on behind it: a
 * caller that wants the rest calls again. A cancellation, and -ENOMEM, lose nothing. Suspends only when some hundred
 * entries have been told. In one task at a time. Like os.walk(topdown=True), find(1). */
KT_API int kt_walk_next(kt_walk *w, kt_walk_entry *ret_entry) KT_CHECKED;

/* The directory that was told last is not gone into. Does not suspend. Like `del dirnames[:]` in os.walk. */
KT_API void kt_walk_skip(kt_walk *w);

/* Closes and frees; NULL is allowed. Suspends if the walk has not come to its end; a cancellation is held back. */
KT_API void kt_walk_close(kt_walk *w);

static inline void kt_walk_cleanup(kt_walk **w)
{
    kt_walk_close(*w);
}

/* ---- Searching by pattern ------------------------------------------------------------------ */

/* All zero means the defaults. */
typedef struct kt_glob_options {
    bool files_only;   /* as in kt_walk_options */
    bool hidden;       /* '*', '?' and "**" stand for names that begin with a dot, too */
    bool follow_links;
    bool skip_errors;  /* passes over directories that cannot be read; otherwise the first is the result */
    size_t count_max;  /* more matches are KT_ELIMIT; 0 = 1,000,000 */
    uintptr_t reserved[2];
} kt_glob_options;

/* All paths beneath `root`, seen from there and sorted by their bytes, that match a pattern as of kt_path_match.
 * Only directories that can lead to a match are read. NULL options mean the
 * defaults. The caller frees *ret_paths, which is empty when nothing matches. -EINVAL for an absolute pattern or
 * an empty one; otherwise as kt_walk_open and kt_walk_next. Suspends; a cancellation leaves nothing. Like
 * glob.glob(pattern, root_dir=root, recursive=True). */
KT_API int kt_glob(const char *root, const char *pattern, const kt_glob_options *options,
                   kt_path_list **ret_paths) KT_CHECKED;

KT_END

#endif
