/* SPDX-License-Identifier: MIT */

/* The same files as notes_export's, in plain C: open, write, close, one after the other, under their final names.
 *
 * usage: notes_sequential FOLDER NOTES */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int write_file(const char *folder, size_t i, const char *format, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s/note-%zu.%s", folder, format, i, format);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    size_t size = strlen(text);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, text, size);
    return close(fd) < 0 || n != (ssize_t)size ? -1 : 0;
}

static int write_note(const char *folder, size_t i)
{
    char text[512];
    snprintf(text, sizeof text, "# Note %zu\n\nBody for note %zu\n\nTags: test\n", i, i);
    if (write_file(folder, i, "md", text) < 0)
        return -1;
    snprintf(text, sizeof text,
             "{\n  \"title\": \"Note %zu\",\n  \"body\": \"Body for note %zu\",\n  \"tags\": [\n   "
             " \"test\"\n  ],\n"
             "  \"created\": null,\n  \"changed\": null\n}\n",
             i, i);
    if (write_file(folder, i, "json", text) < 0)
        return -1;
    snprintf(text, sizeof text,
             "title,body,tags,created,changed\r\nNote %zu,Body for note %zu,test,,\r\n", i, i);
    return write_file(folder, i, "csv", text);
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static const char *const formats[] = {"md", "json", "csv"};
    if (argc != 3)
        return 2;
    size_t count = strtoul(argv[2], NULL, 10);
    double began = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    mkdir(argv[1], 0777);
    for (size_t f = 0; f < 3; f++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", argv[1], formats[f]);
        mkdir(path, 0777);
    }
    for (size_t i = 0; i < count; i++)
        if (write_note(argv[1], i) < 0)
            return 1;
    printf("{\"files\": %zu, \"seconds\": %.9f, \"cpu\": %.9f}\n", 3 * count,
           seconds(CLOCK_MONOTONIC) - began, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    return 0;
}
