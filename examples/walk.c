/* SPDX-License-Identifier: MIT */
/* Makes a small tree in a temporary directory, lists, searches and walks it, and removes it on any way out. */
#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <unistd.h>

static const char *const notes[] = {
    "python-basics.md", "async-intro.md", "cli-tools.md", "shopping.txt", "recipes/tea/green.md", "recipes/coffee.md",
};

/* One empty file under many names, with the folders above them. */
static int make_notes(const char *root)
{
    kt_auto(kt_path) first = NULL, folders = NULL;
    int fd = -1, rc = kt_temp_named(root, ".first-", &first, &fd);
    if (rc < 0)
        return rc;
    close(fd);
    rc = kt_path_join(root, "recipes/tea", &folders);
    if (rc == 0)
        rc = kt_dir_make_all(folders, 0);
    for (size_t i = 0; rc == 0 && i < sizeof notes / sizeof notes[0]; i++) {
        kt_auto(kt_path) path = NULL;
        rc = kt_path_join(root, notes[i], &path);
        if (rc == 0)
            rc = kt_path_link(first, path);
    }
    return rc < 0 ? rc : kt_path_remove(first);
}

static int print_found(const char *root, const char *pattern)
{
    kt_auto(kt_path_list) *found = NULL;
    int rc = kt_glob(root, pattern, NULL, &found);
    printf("%s:\n", pattern);
    for (size_t i = 0; rc == 0 && i < found->count; i++)
        printf("  %s\n", found->paths[i]);
    return rc;
}

/* A directory that cannot be read is told and passed over; anything else ends the walk. */
static int count(const char *root)
{
    kt_auto(kt_walk) *w = NULL;
    kt_walk_options options = {.sorted = true};
    kt_walk_entry e;
    int files = 0, folders = 0, rc = kt_walk_open(root, &options, &w);
    while (rc >= 0 && (rc = kt_walk_next(w, &e)) != 0) {
        if (rc < 0 && (kt_is_cancel(rc) || rc == -ENOMEM))
            break;
        if (rc < 0) {
            fprintf(stderr, "%s\n", kt_error_detail());
            rc = 0;
            continue;
        }
        files += e.type == KT_PATH_FILE;
        folders += e.type == KT_PATH_DIR;
    }
    printf("%d files, %d folders\n", files, folders);
    return rc;
}

static int run(void *arg)
{
    (void)arg;
    kt_auto(kt_temp_dir) *scratch = NULL; /* removed with all that is in it */
    int rc = kt_temp_dir_make(NULL, "notes-", &scratch);
    if (rc < 0)
        return rc;
    const char *root = kt_temp_dir_path(scratch);
    rc = make_notes(root);
    if (rc == 0)
        rc = print_found(root, "*.md");
    if (rc == 0)
        rc = print_found(root, "**/*e*.md");
    return rc < 0 ? rc : count(root);
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "%s\n", kt_strerror(rc));
    return rc < 0;
}
