/* SPDX-License-Identifier: MIT */

/* Whole files, with their time of change. */

#include <errno.h>
#include <kettle/file.h>
#include <kettle/memory.h>
#include <kettle/path.h>
#include <stdio.h>
#include <time.h>

#include "notes/notes.h"

#define LOADS_MAX 64

/* ---- Reading ------------------------------------------------------------------------------ */

int kt__files_load(kt__load *loads, size_t count)
{
    kt_file_read_item items[LOADS_MAX];
    for (size_t i = 0; i < count; i++)
        items[i] = (kt_file_read_item){.path = loads[i].path, .size_max = KT_NOTE_BYTES_MAX};
    int rc = kt_file_read_batch(items, count, NULL);
    for (size_t i = 0; i < count; i++) {
        kt_buffer_release(&loads[i].text);
        loads[i].text = items[i].content;
        loads[i].rc = items[i].rc;
        loads[i].changed = items[i].changed;
    }
    if (kt_is_cancel(rc) || rc == -ENOMEM || rc == -EAGAIN)
        return rc;
    return 0;
}

/* ---- Writing ------------------------------------------------------------------------------ */

int kt__file_save(const char *path, kt_slice text, kt_time changed, unsigned flags)
{
    const kt_file_write_options o = {
        .exclusive = (flags & KT__SAVE_NEW) != 0,
        .changed = changed,
        .no_sync = !(flags & KT__SAVE_DURABLE),
    };
    return kt_file_replace(path, text.data, text.size, &o);
}

/* ---- Paths, clocks and words -------------------------------------------------------------- */

int kt__path_of(const char *folder, const char *name, const char *ending, char **ret_path)
{
    size_t size = strlen(folder) + 1 + strlen(name) + strlen(ending) + 1;
    char *path = kt_alloc(size);
    if (!path)
        return -ENOMEM;
    const char *slash = *folder && folder[strlen(folder) - 1] == '/' ? "" : "/";
    snprintf(path, size, "%s%s%s%s", folder, *folder ? slash : "", name, ending);
    *ret_path = path;
    return 0;
}

kt_time kt__wall_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return KT_S(now.tv_sec) + now.tv_nsec / 1000000 * 1000000;
}

void kt__why(int rc, const char *path, char *ret_why, size_t size)
{
    const char *detail = kt_error_detail();
    if (!*detail)
        snprintf(ret_why, size, "%.300s: %s", path, kt_strerror(rc));
    else if (strstr(detail, path))
        snprintf(ret_why, size, "%s", detail);
    else
        snprintf(ret_why, size, "%.300s: %s", path, detail);
}
