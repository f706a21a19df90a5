/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TEMP_H
#define KETTLE_TEMP_H

/* Temporary files and directories, for the program's own user alone.
 *
 *     kt_auto(kt_temp_dir) *scratch = NULL;                  // removed with all that is in it on any way out
 *     kt_auto(kt_path) index = NULL;
 *     int rc = kt_temp_dir_make(NULL, "sort-", &scratch);
 *     if (rc == 0)
 *         rc = kt_path_join(kt_temp_dir_path(scratch), "index", &index);
 *
 * They are in the directory `dir`, NULL = the environment's TMPDIR or else "/tmp". Names are a prefix (NULL = "tmp-")
 * and 16 random digits. See path.h for what all of these calls have in common: one job on a pool thread each,
 * errors and their words, cancellation, threads. */

#include <kettle/path.h>

KT_BEGIN

/* Opens a file for reading and writing that has no name, and so vanishes with its last descriptor. The caller owns
 * *ret_fd. -ENOENT, -EACCES, -ENOSPC, -EMFILE, ... Suspends; after a cancellation nothing is open. Like
 * aiofiles.tempfile.TemporaryFile, O_TMPFILE of open(2). */
KT_API int kt_temp_file(const char *dir, int *ret_fd) KT_CHECKED;

/* Makes and opens a new file with a name, mode 0600. The caller owns *ret_fd, *ret_path and the file, which stays
 * until kt_path_remove. Errors and cancellation as kt_temp_file: nothing is left. Like
 * aiofiles.tempfile.NamedTemporaryFile(delete=False), mkstemp(3). */
KT_API int kt_temp_named(const char *dir, const char *prefix, kt_path *ret_path, int *ret_fd) KT_CHECKED;

typedef struct kt_temp_dir kt_temp_dir;

/* Makes a directory, mode 0700. The caller owns *ret_dir. Errors and cancellation as kt_temp_file. Like
 * aiofiles.tempfile.TemporaryDirectory, mkdtemp(3). */
KT_API int kt_temp_dir_make(const char *dir, const char *prefix, kt_temp_dir **ret_dir) KT_CHECKED;

/* Its path, which it owns. Does not suspend. */
KT_API const char *kt_temp_dir_path(const kt_temp_dir *d);

/* Removes the directory with all that is in it, as kt_dir_remove_all, and frees; NULL is allowed. What cannot be removed
 * stays. Suspends; a cancellation is held back. Outside a task it blocks. Like TemporaryDirectory.cleanup. */
KT_API void kt_temp_dir_remove(kt_temp_dir *d);

static inline void kt_temp_dir_cleanup(kt_temp_dir **d)
{
    kt_temp_dir_remove(*d);
}

KT_END

#endif
