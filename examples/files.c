/* SPDX-License-Identifier: MIT */
/* Files, without stopping anybody: many at once, one replaced so that nobody ever sees half of it, one of any
 * size line by line, and a log that several tasks write. */
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int write_notes(void)
{
    kt_file_write_item notes[] = {
        {.path = "tea.md", .content = kt_slice_from("# Tea\nboil\nsteep\npour\n")},
        {.path = "coffee.md", .content = kt_slice_from("# Coffee\ngrind\nbrew\n")},
        {.path = "no/where.md", .content = kt_slice_from("# Lost\n")},
    };
    int rc = kt_file_write_batch(notes, 3, NULL);
    if (rc < 0)
        printf("one failed: %s\n", kt_error_detail());
    for (size_t i = 0; i < 3; i++)
        printf("%s: %s\n", notes[i].path, notes[i].rc == 0 ? "written" : kt_strerror(notes[i].rc));
    return kt_is_cancel(rc) ? rc : 0;
}

static int add_a_step(void)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int rc = kt_file_read_text("tea.md", 1 << 20, &text);
    if (rc == 0)
        rc = kt_buffer_append_string(&text, "drink\n");
    return rc < 0 ? rc : kt_file_replace("tea.md", text.data, text.size, NULL);
}

static int print_lines(void)
{
    kt_auto(kt_file) *f = NULL;
    kt_slice line;
    int rc = kt_file_open("tea.md", O_RDONLY, 0, &f);
    while (rc >= 0 && (rc = kt_file_read_line(f, 4096, &line)) > 0)
        printf("  %.*s\n", (int)line.size, line.data);
    return rc;
}

static int log_twice(void *log)
{
    int rc = kt_file_write(log, "begin\n", 6);
    if (rc == 0)
        rc = kt_sleep(KT_MS(10));
    return rc < 0 ? rc : kt_file_write(log, "end\n", 4);
}

/* A file that was written is closed by hand: the last bytes may be refused then. */
static int keep_a_log(void)
{
    kt_auto(kt_file) *log = NULL;
    kt_auto(kt_group) writers = KT_GROUP_INIT;
    int rc = kt_file_open("log", O_WRONLY | O_CREAT | O_APPEND, 0666, &log);
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = kt_group_spawn(&writers, log_twice, log, 0);
    rc = kt_group_join(&writers, rc);
    if (rc == 0)
        printf("the log has %lld bytes\n", (long long)kt_file_size(log));
    return rc < 0 ? rc : kt_file_close(kt_steal(log));
}

static int run(void *arg)
{
    (void)arg;
    int rc = write_notes();
    if (rc == 0)
        rc = add_a_step();
    if (rc == 0)
        rc = print_lines();
    return rc < 0 ? rc : keep_a_log();
}

int main(void)
{
    char folder[] = "/tmp/kettle-files-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) < 0)
        return 1;
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "files: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    const char *made[] = {"tea.md", "coffee.md", "log"};
    for (size_t i = 0; i < 3; i++)
        (void)unlink(made[i]);
    return rmdir(folder) < 0 || rc < 0;
}
