/* SPDX-License-Identifier: MIT */

/* Lists of paths: the names of a directory, and what matches a pattern. A walk in trips, of which only the paths
 * are kept. */

#include <errno.h>
#include <kettle/error.h>
#include <kettle/thread.h>
#include <stdlib.h>

#include "core/core.h"
#include "io/paths.h"
#include "io/walker.h"

#define COUNT_MAX 1000000
#define TRIP_STEPS 1024

typedef struct search {
    kt__disk *disk;
    const char *root;
    kt_walk_options walk;
    const char *pattern; /* NULL: all */
    bool files_only, hidden, skip_errors;
    size_t count_max;

    bool begun;
    kt__walker walker; /* once begun */
    kt_buffer text;    /* the paths, each terminated */
    size_t count;
    kt_path_list *list; /* the result */
    int rc;
} search;

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Struct, pointers and text in one block. */
static int make_list(search *s)
{
    kt_path_list *l = kt_alloc(sizeof *l + s->count * sizeof(char *) + s->text.size);
    if (!l)
        return -ENOMEM;
    const char **paths = (const char **)(l + 1);
    char *text = (char *)(paths + s->count);
    if (s->count > 0)
        memcpy(text, s->text.data, s->text.size);
    for (size_t i = 0; i < s->count; i++, text += strlen(text) + 1)
        paths[i] = text;
    qsort(paths, s->count, sizeof *paths, by_bytes);
    *l = (kt_path_list){.count = s->count, .paths = paths};
    s->list = l;
    return KT__WALK_END;
}

void kt_path_list_free(kt_path_list *l)
{
    kt_free(l);
}

static int consider(search *s, kt_path_type type)
{
    const kt_buffer *path = &s->walker.path;
    unsigned how = s->hidden ? KT__MATCH_HIDDEN : 0;
    if (s->pattern && type == KT_PATH_DIR && !kt__path_match(s->pattern, path->data, how | KT__MATCH_LEADS))
        s->walker.enter = false;
    if (s->pattern && !kt__path_match(s->pattern, path->data, how))
        return KT__WALK_ON;
    if (s->files_only && type != KT_PATH_FILE)
        return KT__WALK_ON;
    if (s->count == s->count_max)
        return KT_ELIMIT;
    s->count++;
    int rc = kt_buffer_append(&s->text, path->data, path->size + 1);
    return rc < 0 ? rc : KT__WALK_ON;
}

static int step(search *s)
{
    kt__walk_found found;
    int rc = kt__walker_step(&s->walker, &found);
    if (rc == KT__WALK_FOUND)
        return consider(s, found.type);
    if (rc == KT__WALK_END)
        return make_list(s);
    return rc < 0 && rc != -ENOMEM && s->skip_errors ? KT__WALK_ON : rc;
}

static int begin(search *s)
{
    int rc = s->begun ? 0 : kt__walker_open(&s->walker, s->disk, s->root, 0, &s->walk);
    s->begun = rc == 0;
    return rc < 0 ? rc : KT__WALK_ON;
}

static int search_some(void *arg)
{
    search *s = arg;
    int rc = begin(s);
    for (unsigned steps = 0; steps < TRIP_STEPS && rc == KT__WALK_ON; steps++)
        rc = step(s);
    s->rc = rc;
    return 0;
}

static int end_search(void *arg)
{
    search *s = arg;
    kt__walker_close(&s->walker);
    return 0;
}

static int explain(const search *s)
{
    const char *path = s->walker.path.data ? s->walker.path.data : "";
    if (s->rc == KT_ELIMIT && s->count == s->count_max)
        return kt_error_set(s->rc, "%s: more than %zu names", s->root, s->count_max);
    return kt_error_set(s->rc, "read %s%s%s: %s", s->root, *path ? "/" : "", path, kt_strerror(s->rc));
}

static int run(search *s, kt_path_list **ret_list)
{
    int rc = 0;
    s->rc = KT__WALK_ON;
    while (rc == 0 && s->rc == KT__WALK_ON)
        rc = kt_thread_run(search_some, s, 0);
    if (rc == 0 && s->rc < 0)
        rc = explain(s);
    if (s->walker.depth > 0)
        (void)kt__disk_release(end_search, s);
    else
        kt__walker_close(&s->walker);
    kt_buffer_release(&s->text);
    if (rc == 0)
        *ret_list = s->list;
    return rc;
}

int kt_dir_list(const char *path, size_t count_max, kt_path_list **ret_names)
{
    search s = {
        .disk = kt__disk_here(),
        .root = path,
        .walk = {.depth_max = 1},
        .count_max = count_max ? count_max : COUNT_MAX,
    };
    return run(&s, ret_names);
}

int kt_glob(const char *root, const char *pattern, const kt_glob_options *options, kt_path_list **ret_paths)
{
    const kt_glob_options defaults = {.count_max = 0}, *o = options ? options : &defaults;
    if (*pattern == '/' || *pattern == '\0')
        return kt_error_set(-EINVAL, "the pattern \"%s\" is empty or absolute", pattern);
    search s = {
        .disk = kt__disk_here(),
        .root = root,
        .walk = {.follow_links = o->follow_links},
        .pattern = pattern,
        .files_only = o->files_only,
        .hidden = o->hidden,
        .skip_errors = o->skip_errors,
        .count_max = o->count_max ? o->count_max : COUNT_MAX,
    };
    return run(&s, ret_paths);
}
