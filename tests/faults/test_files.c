/* SPDX-License-Identifier: MIT */

/* Files and directories on the real disk. */
#include "calls.h"
#include "faults.h"

#include <sys/statvfs.h>

#define TEXT "first line\nsecond line\nthird line\n"
#define SIZE ((int64_t)(sizeof TEXT - 1))

static void two_files(void)
{
    put("file", TEXT);
    put("other", "other");
}

/* ---- Whole files ------------------------------------------------------------------------------- */

static void reads_whole(void)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    if (ok(kt_file_read_whole("file", 0, &b)))
        MUST(kt_buffer_slice(&b).size == (size_t)SIZE);
}

SCENARIO(reading_a_whole_file, two_files, reads_whole, NULL)

static void writes_whole(void)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    ok(kt_file_write_whole("new", TEXT, (size_t)SIZE, NULL));
    ok(kt_file_replace("file", "new", 3, NULL));
    if (ok(kt_file_read_whole("file", 0, &b)))
        MUST(strcmp(kt_buffer_string(&b), "new") == 0);
}

static const spared of_writing[] = {
    {"fstatat64", ENOENT, 0, "there is no such file yet: there is no mode to keep"},
    {"fsync", EINVAL, 0, "a directory of a file system that syncs none"},
    {"openat64", EEXIST, 0, "another name for the temporary file"},
    {NULL, 0, 0, NULL},
};

SCENARIO(writing_and_replacing_a_whole_file, two_files, writes_whole, of_writing)

static void batches(void)
{
    kt_file_read_item in[2] = {{.path = "file"}, {.path = "other"}};
    kt_file_write_item out[2] = {{.path = "a", .content = kt_slice_from("a")},
                                 {.path = "b", .content = kt_slice_from("b")}};
    const kt_file_batch_options options = {.workers = 1};
    if (ok(kt_file_read_batch(in, 2, &options)))
        MUST(kt_buffer_slice(&in[1].content).size == 5);
    ok(kt_file_write_batch(out, 2, &options));
    for (int i = 0; i < 2; i++)
        kt_buffer_release(&in[i].content);
}

SCENARIO(batches_of_files, two_files, batches, NULL)

/* ---- An open file ------------------------------------------------------------------------------ */

static void works_with(kt_file *f)
{
    char bytes[8] = "";
    struct stat st;
    kt_slice line;
    if (ok(kt_file_read_line(f, 100, &line)))
        MUST(line.size > 0 && *line.data == 'f');
    ok(kt_file_lock(f, KT_FILE_EXCLUSIVE));
    ok(kt_file_pwrite(f, "0123456789", 10, 5));
    if (ok(kt_file_pread(f, bytes, 4, 7)))
        MUST(memcmp(bytes, "2345", 4) == 0);
    ok(kt_file_seek(f, 0, SEEK_END));
    ok(kt_file_write(f, "end", 3));
    ok(kt_file_sync(f));
    ok(kt_file_datasync(f));
    ok(kt_file_truncate(f, 20));
    if (ok(kt_file_stat(f, &st)))
        MUST(st.st_size == 20);
    ok(kt_file_unlock(f));
}

static void opens(void)
{
    kt_auto(kt_file) *f = NULL;
    if (!ok(kt_file_open("file", O_RDWR, 0, &f)))
        return;
    works_with(f);
    ok(kt_file_close(kt_steal(f)));
}

SCENARIO(working_with_an_open_file, two_files, opens, NULL)

static void opens_beneath(void)
{
    kt_auto(kt_file) *root = NULL, *f = NULL;
    char bytes[5];
    if (!ok(kt_file_open(".", O_RDONLY | O_DIRECTORY, 0, &root)))
        return;
    if (!ok(kt_file_open_beneath(root, "other", O_RDONLY, 0, &f)))
        return;
    if (ok(kt_file_pread(f, bytes, sizeof bytes, 0)))
        MUST(memcmp(bytes, "other", 5) == 0);
    ok(kt_file_close(kt_steal(f)));
}

SCENARIO(opening_a_file_beneath_a_directory, two_files, opens_beneath, NULL)

/* ---- Names ------------------------------------------------------------------------------------- */

static void names(void)
{
    struct stat st;
    struct statvfs vfs;
    kt_auto(kt_path) target = NULL, real = NULL;
    const struct timespec times[2] = {{1, 0}, {2, 0}};
    ok(kt_path_stat("file", &st));
    ok(kt_path_statvfs(".", &vfs));
    ok(kt_path_access("file", R_OK));
    ok(kt_path_chmod("file", 0640));
    ok(kt_path_utimes("file", times));
    ok(kt_path_link("file", "hard"));
    ok(kt_path_symlink("file", "soft"));
    if (ok(kt_path_readlink("soft", &target)))
        MUST(strcmp(target, "file") == 0);
    ok(kt_path_realpath("soft", &real));
    ok(kt_path_rename("hard", "moved", KT_PATH_DURABLE));
    ok(kt_path_remove("soft"));
    ok(kt_path_remove("moved"));
}

static const spared of_names[] = {
    {"readlinkat", EINVAL, 0, "no link: the name as it is"},
    {"getcwd", ERANGE, -ENAMETOOLONG, "the path is longer than one may be"},
    {NULL, 0, 0, NULL},
};

SCENARIO(names_of_files, two_files, names, of_names)

static void copies(void)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    const kt_path_copy_options options = {.flags = KT_PATH_KEEP_TIMES};
    ok(kt_path_copy("file", "copy", &options));
    if (ok(kt_file_read_whole("copy", 0, &b)))
        MUST(kt_buffer_slice(&b).size == (size_t)SIZE);
    ok(kt_path_move("copy", "moved", NULL));
    ok(kt_path_remove("moved"));
}

static const spared of_copies[] = {
    {"fstatat64", ENOENT, 0, "there is no such file yet"},
    {"openat64", EEXIST, 0, "another name for the temporary file"},
    {"renameat2", EXDEV, 0, "another file system: copied, and removed"},
    {NULL, 0, 0, NULL},
};

SCENARIO(copying_and_moving_a_file, two_files, copies, of_copies)

/* ---- Directories ------------------------------------------------------------------------------- */

static void tree(void)
{
    make_dir("tree");
    make_dir("tree/sub");
    put("tree/file", TEXT);
    put("tree/sub/deep", "deep");
}

static void walks(void)
{
    kt_auto(kt_walk) *w = NULL;
    kt_walk_entry e;
    int rc, count = 0;
    if (!ok(kt_walk_open("tree", NULL, &w)))
        return;
    while ((rc = kt_walk_next(w, &e)) > 0)
        count++;
    if (ok(rc))
        MUST(count >= 3);
}

SCENARIO(walking_a_directory, tree, walks, NULL)

static void lists(void)
{
    kt_auto(kt_path_list) *l = NULL;
    if (ok(kt_dir_list("tree", 0, &l)))
        MUST(l->count == 2);
}

SCENARIO(listing_a_directory, tree, lists, NULL)

static void makes_and_copies(void)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    ok(kt_dir_make_all("a/b/c", 0755));
    if (ok(kt_dir_copy_all("tree", "copy", NULL)) && ok(kt_file_read_whole("copy/sub/deep", 0, &b)))
        MUST(strcmp(kt_buffer_string(&b), "deep") == 0);
}

static const spared of_making[] = {
    {"mkdirat", ENOENT, 0, "another has removed what is above: made again"},
    {"mkdirat", EEXIST, 0, "another has made it"},
    {"fstatat64", ENOENT, 0, "it is not there yet"},
    {"openat64", EEXIST, 0, "another name for the temporary file"},
    {NULL, 0, 0, NULL},
};

SCENARIO(making_and_copying_directories, tree, makes_and_copies, of_making)

static void removes(void)
{
    ok(kt_dir_remove_all("tree"));
}

#define GONE "another has removed it, from under us"
#define FULL "what is said to be gone is there, and so what is above it is not empty"
static const spared of_removing[] = {
    {"unlinkat", ENOENT, 0, GONE},
    {"unlinkat", ENOENT, -ENOTEMPTY, FULL},
    {"unlinkat", ENOTEMPTY, 0, "another has put something there: emptied again"},
    {"syscall getdents64", ENOENT, 0, GONE},
    {"syscall getdents64", ENOENT, -ENOTEMPTY, FULL},
    {"fstatat64", ENOENT, 0, GONE},
    {"fstatat64", ENOENT, -ENOTEMPTY, FULL},
    {"openat64", ENOENT, 0, GONE},
    {"openat64", ENOENT, -ENOTEMPTY, FULL},
    {NULL, 0, 0, NULL},
};

SCENARIO(removing_a_directory, tree, removes, of_removing)

static void temporary(void)
{
    int fd = -1;
    kt_auto(kt_temp_dir) *d = NULL;
    if (ok(kt_temp_file(".", &fd))) {
        kt_file *f = NULL;
        if (ok(kt_file_adopt(fd, &f)))
            ok(kt_file_close(f));
        else
            close(fd);
    }
    ok(kt_temp_dir_make(".", "temp", &d));
}

#define NOT_TOLD "removing a temporary directory tells nobody"
static const spared of_temporaries[] = {
    {"mkdirat", EEXIST, 0, "another name"},
    {"openat64", 0, 0, NOT_TOLD},
    {"syscall getdents64", 0, 0, NOT_TOLD},
    {"unlinkat", 0, 0, NOT_TOLD},
    {"fchmodat", 0, 0, NOT_TOLD},
    {"fstatat64", 0, 0, NOT_TOLD},
    {NULL, 0, 0, NULL},
};

SCENARIO(temporary_files_and_directories, NULL, temporary, of_temporaries)

static void watches(void)
{
    kt_auto(kt_dir_watch) *w = NULL;
    kt_dir_event e = {0};
    const kt_dir_watch_options options = {.recursive = true};
    if (!ok(kt_dir_watch_open("tree", &options, &w)))
        return;
    if (ok(kt_file_write_whole("tree/new", "new", 3, NULL)) && ok(kt_dir_watch_next(w, &e)))
        MUST(e.path != NULL);
    if (!ok(kt_path_rename("tree/sub", "wood", 0)) || !ok(kt_path_rename("tree", "forest", 0)))
        return;
    int rc;
    while ((rc = kt_dir_watch_next(w, &e)) > 0)
        ; /* until it is gone */
    ok(rc);
}

static const spared of_watching[] = {
    {"syscall getdents64", ENOENT, 0, GONE},
    {"syscall getdents64", ENOTDIR, 0, GONE},
    {"inotify_add_watch", ENOENT, 0, GONE},
    {"inotify_add_watch", ENOTDIR, 0, GONE},
    {"fstatat64", ENOENT, 0, GONE},
    {"fstatat64", ENOTDIR, 0, GONE},
    {"fstatat64", ELOOP, 0, GONE},
    {"openat64", ENOENT, 0, GONE},
    {"openat64", ENOTDIR, 0, GONE},
    {"openat64", ELOOP, 0, GONE},
    {"inotify_rm_watch", 0, 0, "what is told of it is of nothing that is known"},
    {"read of events", EINVAL, 0, "no room for the next event: asked again when some are taken"},
    {"read of events", EINVAL, KT_ETIMEDOUT, "for good: waited for as long as the caller likes"},
    {NULL, 0, 0, NULL},
};

SCENARIO(watching_a_directory, tree, watches, of_watching)
