/* SPDX-License-Identifier: MIT */

/* Bodies in a folder. */

#include <errno.h>
#include <kettle/memory.h>

#include "engine.h"
#include "names.h"

/* A body that was streamed lies there under another name already; one in memory is written now. Both come into sight
 * whole. */
static int save(item *it, const char *path)
{
    const kt_file_write_options quick = {.no_sync = true};
    if (!it->part)
        return kt_file_replace(path, it->body.data ? it->body.data : "", it->body.size, &quick);
    int rc = kt_path_rename(it->part, path, 0);
    if (rc == 0) {
        kt_free(it->part);
        it->part = NULL;
    }
    return rc;
}

int store_item(engine *e, item *it)
{
    kt_auto(kt_buffer) path = KT_BUFFER_INIT;
    char name[NAME_BYTES];
    if (!e->o.save)
        return 0;
    kt_slice type = {it->content_type, it->content_type ? strlen(it->content_type) : 0};
    size_t size = name_of_url(kt_slice_from(it->url), type, NULL, name);
    int rc = kt_buffer_printf(&path, "%s/%s", e->o.save, name);
    const char *at = rc == 0 ? kt_buffer_string(&path) : NULL;
    char *saved = at ? kt_strndup(name, size) : NULL;
    kt_cancel_hold(); /* a file in the folder has a result and a record */
    rc = saved ? save(it, at) : -ENOMEM;
    kt_cancel_unhold();
    if (rc == 0)
        it->saved = saved;
    else
        kt_free(saved);
    return rc < 0 && !kt_is_cancel(rc) ? item_fail(it, CAUSE_STORE, rc, NULL) : rc;
}
