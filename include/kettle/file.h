/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FILE_H
#define KETTLE_FILE_H

/* Files: whole ones, many at once, and handles to read and write in pieces.
 *
 *     kt_auto(kt_buffer) text = KT_BUFFER_INIT;
 *     int rc = kt_file_read_text("notes/tea.md", 1 << 20, &text);          // whole, checked as UTF-8
 *     if (rc == 0)
 *         rc = kt_file_replace("notes/tea.md", "hot\n", 4, NULL);          // atomic, and on the disk
 *
 *     kt_auto(kt_file) *log = NULL;
 *     kt_slice line;
 *     rc = kt_file_open("huge.log", O_RDONLY, 0, &log);
 *     while (rc == 0 && (rc = kt_file_read_line(log, 64 * 1024, &line)) > 0)
 *         rc = count(line);                                                // bounded memory, any size
 *
 * Nothing here blocks the loop: what the system does not have in memory is done on the loop's thread pool
 * (thread.h), open and close included, or by io_uring where that is the driver. What is large goes in trips
 * of at most 4 MiB, so that a cancellation waits for the end of one trip at most. Files work under every
 * driver, the simulated one included.
 *
 * Unless said otherwise: a function suspends and is a cancellation point; errors are the system's,
 * with a detail such as "open notes/tea.md: No such file or directory", -ENOMEM, -EAGAIN where no pool
 * thread could be made, and the cancellation's code. Calls are made on the loop's thread. Paths are
 * relative to the process's working directory. Pipes, FIFOs and sockets are not for files (-ESPIPE), but
 * for streams (stream.h), and so are terminals, on which nothing here waits (-EAGAIN). */

#include <fcntl.h>
#include <kettle/buffer.h>
#include <kettle/task.h>
#include <sys/stat.h>
#include <sys/uio.h>

KT_BEGIN

/* ---- Whole files ----------------------------------------------------------------------- */

/* Appends all of the file to the buffer. 0; KT_ELIMIT when it has more than size_max bytes (0 = what the
 * buffer takes); -EISDIR, -ESPIPE, open(2) and read(2). On failure and cancellation the buffer's bytes are as
 * they were. Like pathlib.Path.read_bytes. */
KT_API int kt_file_read_whole(const char *path, size_t size_max, kt_buffer *buffer) KT_CHECKED;

/* The same for text: -EILSEQ, with "PATH:LINE: not UTF-8 (byte OFFSET)" as its detail, unless it is valid
 * UTF-8 (utf8.h). Bytes are not changed: line ends and a byte order mark stay. Like Path.read_text. */
KT_API int kt_file_read_text(const char *path, size_t size_max, kt_buffer *buffer) KT_CHECKED;

/* All zero means the defaults. */
typedef struct kt_file_write_options {
    mode_t mode;      /* permissions; 0 = those of the file that is replaced, or, of a new one, 0666 less the umask.
                       * kt_file_replace gives exactly these, kt_file_write_whole a new file these less the umask */
    bool exclusive;   /* -EEXIST when the name is taken, and nothing is changed */
    kt_time changed;  /* kt_file_replace: the time of the file's last change, since 1970; 0 = now */
    bool no_sync;     /* kt_file_replace: the system may keep it in memory for a while. Then a crash of the system
                       * (not of the program) can lose it, or on some file systems leave it empty */
} kt_file_write_options;

/* Writes a file: makes it, or cuts and overwrites the one that is there (through symbolic links). NULL options
 * mean the defaults. The bytes stay the caller's. 0; open(2), write(2). After a failure or a cancellation
 * a part may be there. Like Path.write_bytes. */
KT_API int kt_file_write_whole(const char *path, const void *bytes, size_t size,
                               const kt_file_write_options *options) KT_CHECKED;

/* Replaces a file, or makes it, all or nothing: whoever opens the path, at any time, also after a crash,
 * finds the old file whole or the new one whole. The bytes go to a neighbour in the same directory
 * (".kettle-" and 16 digits), are forced to the disk, take the name, and then the directory is forced to
 * the disk. It is the name that is replaced: a symbolic link there gives way, other hard links keep the
 * old bytes. The mode is kept; owner and extended attributes are the new file's own. NULL options mean
 * the defaults. 0; -EISDIR; open(2), write(2), fsync(2), rename(2). On any failure or cancellation the
 * neighbour is gone and the old file is untouched; one exception: when forcing the directory fails, the
 * last step, the new file is in place and may not survive a crash. Once begun, the last trip (from
 * forcing to the disk on) wins over a cancellation. */
KT_API int kt_file_replace(const char *path, const void *bytes, size_t size,
                           const kt_file_write_options *options) KT_CHECKED;

/* ---- Many files at once ---------------------------------------------------------------- */

/* A file to read; set path, leave the rest zero. */
typedef struct kt_file_read_item {
    const char *path;     /* the caller's */
    size_t size_max;      /* KT_ELIMIT beyond; 0 = 1 GiB */
    kt_buffer content;    /* the bytes are appended; the caller releases it */
    kt_time changed;      /* once it was opened: the time of its last change, since 1970 */
    int rc;               /* as of kt_file_read_whole; a cancellation's code: not done */
    const char *failed_at; /* "open", "read", ...; static; NULL: nothing failed */
} kt_file_read_item;

/* A file to write. */
typedef struct kt_file_write_item {
    const char *path;  /* the caller's */
    kt_slice content;  /* the caller's */
    kt_time changed;   /* unless 0: instead of kt_file_write_options.changed */
    int rc;            /* as of kt_file_write_whole or kt_file_replace; a cancellation's code: not done */
    const char *failed_at; /* "open", "write", ...; static; NULL: nothing failed */
} kt_file_write_item;

/* All zero means the defaults. */
typedef struct kt_file_batch_options {
    unsigned workers; /* pool threads at a time, each with one file open (and its directory, to replace it); 0 = one
                       * a CPU, at least 2, or 4 where each waits for the disk */
    bool text;        /* reading: as kt_file_read_text */
    bool replace;     /* writing: as kt_file_replace; else as kt_file_write_whole */
    kt_file_write_options write;
    void (*on_item)(size_t index, void *arg); /* called on the loop soon after an item has ended, well or not, in the
                                               * order of their ends; must not suspend; NULL = nobody is told */
    void *arg;
} kt_file_batch_options;

/* Reads or writes all of them, a few at a time, many in one trip to the pool: several times faster than one call
 * each where files are small. Every item is tried, whatever becomes of the others, and says what came of it. 0
 * when all went well; else the error of the first in the list that failed, with its detail. Cancelled: what is
 * begun is finished or undone, within a trip; items that are not done have the cancellation's code, which
 * is returned. The same holds for -ENOMEM and -EAGAIN when nothing could be begun. */
KT_API int kt_file_read_batch(kt_file_read_item *items, size_t count,
                              const kt_file_batch_options *options) KT_CHECKED;
KT_API int kt_file_write_batch(kt_file_write_item *items, size_t count,
                               const kt_file_batch_options *options) KT_CHECKED;

/* ---- Handles --------------------------------------------------------------------------- */

/* An open file with a position and one buffer, which holds bytes read ahead or bytes not yet written, as stdio's
 * does. Several tasks may use it: calls take turns, each whole; kt_file_pread and its kin do not wait
 * for each other. */
typedef struct kt_file kt_file;

/* Opens with the flags of open(2) (O_CLOEXEC is added) and, with O_CREAT, the mode less the umask. The caller owns
 * *ret_file. A directory may be opened, for kt_file_open_beneath and kt_file_sync. O_DIRECT is for those who
 * bring aligned memory to kt_file_pread and kt_file_pwrite: the file's own buffer is not aligned. 0;
 * -ESPIPE for FIFOs and sockets (-ENXIO where that is what open(2) says); open(2). Like open,
 * aiofiles.open. */
KT_API int kt_file_open(const char *path, int flags, mode_t mode, kt_file **ret_file) KT_CHECKED;

/* Opens a path that others have chosen, which must stay beneath the directory `root`: neither "..", nor an
 * absolute path, nor a symbolic link leads out of it, whoever renames what meanwhile. -EXDEV when it would;
 * -ELOOP for the links in /proc; -ENOSYS before Linux 5.6, or where a filter forbids openat2. Otherwise
 * as kt_file_open. Like openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS. */
KT_API int kt_file_open_beneath(kt_file *root, const char *path, int flags, mode_t mode,
                                kt_file **ret_file) KT_CHECKED;

/* Makes a file of an open descriptor, which it owns on success only. -EBADF, -ESPIPE, -ENOMEM. In a loop;
 * does not suspend. Like os.fdopen. */
KT_API int kt_file_adopt(int fd, kt_file **ret_file) KT_CHECKED;

/* Writes what is buffered, closes, and frees; NULL is allowed. 0, or the first error of the writing and closing: then
 * bytes may be lost, so a program that wrote looks at it:
 *
 *     rc = kt_file_close(kt_steal(f));
 *
 * The file is gone in every case. Waits for other tasks that are inside a call on it: those that wait for their
 * turn get KT_ECLOSED. Not in two tasks at once. A cancellation is held back. Outside a task, also after the
 * loop's end, it does not suspend, and no task may be inside. Like close. */
KT_API int kt_file_close(kt_file *f) KT_CHECKED;

/* Writes what is buffered, moves the system's position to the file's, and gives the descriptor back to the
 * caller: the file is gone on success only. 0; write(2), lseek(2); KT_ECLOSED when another task closes it meanwhile.
 * No other task may be inside, else misuse. Like detach. */
KT_API int kt_file_detach(kt_file *f, int *ret_fd) KT_CHECKED;

/* Reads size bytes, fewer only at the end of the file. How many, 0 at its end. On failure and cancellation nothing
 * was taken. Suspends unless buffered or in the system's memory. Like fread(3), readinto; and readv(2) for
 * several pieces, filled one after the other. */
KT_API ssize_t kt_file_read(kt_file *f, void *buffer, size_t size) KT_CHECKED;
KT_API ssize_t kt_file_readv(kt_file *f, const struct iovec *pieces, size_t count) KT_CHECKED;

/* Appends all from the position to the end of the file to the buffer. 0; KT_ELIMIT when that is more than size_max
 * bytes (0 = what the buffer takes). On failure and cancellation nothing was taken, and the buffer's bytes are as
 * they were. Like read without a size, readall. */
KT_API int kt_file_read_rest(kt_file *f, size_t size_max, kt_buffer *buffer) KT_CHECKED;

/* Reads a line. *ret_line is without its "\n" or "\r\n", lies in the buffer and is valid until the next call on
 * the file; a last line without an end counts. 1; 0 at the end of the file; KT_ELIMIT when none ends within
 * size_max bytes, which stay readable. A cancellation takes nothing. Like readline, and iteration:
 * while ((rc = kt_file_read_line(f, 4096, &line)) > 0). */
KT_API int kt_file_read_line(kt_file *f, size_t size_max, kt_slice *ret_line) KT_CHECKED;

/* Reads the next 1 to size_max bytes, as many as are at hand, without copying: *ret_bytes lies in the buffer and
 * is valid until the next call on the file. 1; 0 at the end of the file. -EINVAL for size_max 0. A cancellation
 * takes nothing. */
KT_API int kt_file_read_chunk(kt_file *f, size_t size_max, kt_slice *ret_bytes) KT_CHECKED;

/* Looks at the next bytes, as many as are at hand, at least one, without taking them: *ret_bytes as of
 * kt_file_read_chunk. 1; 0 at the end of the file. Like peek. */
KT_API int kt_file_peek(kt_file *f, kt_slice *ret_bytes) KT_CHECKED;

/* Writes all bytes: into the buffer while they fit (128 KiB), else to the system. 0; after a failure or cancellation
 * the bytes of earlier calls that are not written are still buffered, and of these none were taken, unless
 * there are more than the buffer holds: then a part may be written (see kt_file_tell). Suspends when the
 * buffer is full. Like fwrite(3), write; and writelines for several pieces, which no other task's bytes come
 * between, each as if written alone. */
KT_API int kt_file_write(kt_file *f, const void *bytes, size_t size) KT_CHECKED;
KT_API int kt_file_writev(kt_file *f, const struct iovec *pieces, size_t count) KT_CHECKED;

/* Hands what is buffered to the system. What it does not take stays buffered, so that this may be called again. Nothing
 * to do: does not suspend. Like fflush(3), flush. */
KT_API int kt_file_flush(kt_file *f) KT_CHECKED;

/* Reads size bytes at an offset, fewer only at the end of the file; the position stays. What is buffered is written
 * first. How many; on failure and cancellation what is in the caller's buffer is undefined. Any number of tasks
 * at once. Like pread(2), and preadv(2) for at most 1024 pieces (-EINVAL). */
KT_API ssize_t kt_file_pread(kt_file *f, void *buffer, size_t size, int64_t offset) KT_CHECKED;
KT_API ssize_t kt_file_preadv(kt_file *f, const struct iovec *pieces, size_t count,
                              int64_t offset) KT_CHECKED;

/* Writes all bytes at an offset; the position stays. What is buffered is written first, what was read ahead is
 * forgotten. 0; on failure and cancellation a part may be written. With O_APPEND Linux appends whatever the
 * offset. Any number of tasks at once. Like pwrite(2), and pwritev(2) for at most 1024 pieces. */
KT_API int kt_file_pwrite(kt_file *f, const void *bytes, size_t size, int64_t offset) KT_CHECKED;
KT_API int kt_file_pwritev(kt_file *f, const struct iovec *pieces, size_t count, int64_t offset) KT_CHECKED;

/* Moves the position, after writing what is buffered. The new one from the file's start; -EINVAL, -ESPIPE, -ENXIO as
 * of lseek(2), all of whose `whence` are allowed. Suspends at most for SEEK_END and its like, or to write.
 * Like seek. */
KT_API int64_t kt_file_seek(kt_file *f, int64_t offset, int whence) KT_CHECKED;

/* The position, bytes that are buffered counted. -ESPIPE. Suspends at most to write what is buffered with O_APPEND,
 * whose place is not known before. Like tell. */
KT_API int64_t kt_file_tell(kt_file *f) KT_CHECKED;

/* Cuts or extends the file, after writing what is buffered; the position stays. Like ftruncate(2), truncate. */
KT_API int kt_file_truncate(kt_file *f, int64_t size) KT_CHECKED;

/* Writes what is buffered and forces it to the disk; datasync without times and the like that reading does not need.
 * A failure is for good: the system forgets which bytes it has lost and would report success the next time,
 * so every further call gives the same error. Like fsync(2), fdatasync(2), os.fsync. */
KT_API int kt_file_sync(kt_file *f) KT_CHECKED;
KT_API int kt_file_datasync(kt_file *f) KT_CHECKED;

/* What the system knows of it, after writing what is buffered. Like fstat(2). */
KT_API int kt_file_stat(kt_file *f, struct stat *ret_stat) KT_CHECKED;

/* The size in bytes, after writing what is buffered. */
KT_API int64_t kt_file_size(kt_file *f) KT_CHECKED;

/* ---- Advisory locks -------------------------------------------------------------------- */

enum {
    KT_FILE_SHARED = 1,    /* with other shared ones */
    KT_FILE_EXCLUSIVE = 2, /* alone */
};

/* Locks the whole file against other handles and processes that ask, until kt_file_unlock or close. One that is
 * held already is changed: the system gives it up first, so that none is held after a failure or cancellation. Waits
 * while another has it, by asking again after 1 ms, then twice as long each time, up to 100 ms: no thread is
 * kept, but who asks later may be served sooner. 0; -EINVAL for another kind; -ENOLCK. Cancelled: none is
 * held. Like flock(2), whose rules hold. */
KT_API int kt_file_lock(kt_file *f, int kind) KT_CHECKED;

/* The same without waiting for others: -EWOULDBLOCK. Suspends all the same. */
KT_API int kt_file_try_lock(kt_file *f, int kind) KT_CHECKED;

/* Gives it back, after writing what is buffered; not held is no error. When the writing fails it is given back all
 * the same, and the error returned. Cancelled: it may be held still. */
KT_API int kt_file_unlock(kt_file *f) KT_CHECKED;

/* ---- Facts ----------------------------------------------------------------------------- */

/* The descriptor, still the file's; its position is ahead of, or behind, the file's by what is buffered. Any
 * thread; does not suspend. Like fileno. */
KT_API int kt_file_fd(const kt_file *f);

/* The path that it was opened with, or "descriptor N"; valid as long as the file is. */
KT_API const char *kt_file_name(const kt_file *f);

/* Closes without looking at the result: for files that were read, and for the way out after an error. */
static inline void kt_file_cleanup(kt_file **f)
{
    int rc = kt_file_close(*f);
    (void)rc;
}

KT_END

#endif
