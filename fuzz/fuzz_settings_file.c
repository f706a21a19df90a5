/* SPDX-License-Identifier: MIT */
/* The syntax of settings files under libFuzzer. The oracles: every line means the same alone, behind nothing but
 * the section that is open, as in its file; and a value that is written again in quotes reads back the same.
 * The bytes stand in memory of their exact size, so that one read outside is an AddressSanitizer report.
 *
 * Input: the file. Each value is read both as one and as a list. */
#include "io/settings_private.h"

#include <kettle/error.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct reading {
    kt__conf conf;
    char *bytes;
    int rc;
} reading;

/* Starts to read a copy that has nothing behind it but the byte to spare. */
static reading start(const char *bytes, size_t size)
{
    reading r = {.bytes = malloc(size + 1)};
    if (!r.bytes)
        abort();
    if (size)
        memcpy(r.bytes, bytes, size);
    kt__conf_start(&r.conf, r.bytes, size);
    return r;
}

static void fail(const char *what, const char *a, const char *b)
{
    fprintf(stderr, "whole: %s: '%s', '%s'\n", what, a ? a : "(none)", b ? b : "(none)");
    abort();
}

static void same(const char *what, const char *a, const char *b)
{
    if ((a == NULL) != (b == NULL) || (a && strcmp(a, b) != 0))
        fail(what, a, b);
}

/* `name = "value"`, with what is special escaped: as --show-settings writes it. */
static size_t quote(const char *name, const char *value, char *to, size_t size)
{
    static const char special[] = "\"\\\n\r\t", written[] = "\"\\nrt";
    char *at = to + snprintf(to, size, "%s = \"", name);
    for (; *value; value++) {
        const char *s = strchr(special, *value);
        if (s)
            *at++ = '\\';
        *at++ = s ? written[s - special] : *value;
    }
    *at++ = '"';
    *at = '\0';
    return (size_t)(at - to);
}

static void check_again(const char *name, const char *value, bool item)
{
    const char *problem;
    size_t size = 2 * strlen(value) + KT__CONF_NAME_MAX + 16;
    char *file = malloc(size);
    if (!file)
        abort();
    reading r = start(file, quote(name, value, file, size));
    if (kt__conf_next(&r.conf) != 1)
        fail("a line is refused that was written by rule", file, r.conf.problem);
    same("name", name, r.conf.name);
    char *at = r.conf.raw;
    same("value", value, item ? kt__conf_item(&at, true, &problem) : kt__conf_value(at, &problem));
    if (kt__conf_next(&r.conf) != 0)
        fail("there is more behind it", file, NULL);
    free(r.bytes);
    free(file);
}

static void check_value(const char *name, const char *raw)
{
    const char *problem;
    char *copy = strdup(raw), *value = copy ? kt__conf_value(copy, &problem) : NULL;
    if (copy && !value && !problem)
        fail("a value is refused without a reason", raw, NULL);
    if (value)
        check_again(name, value, false);
    free(copy);
}

static void check_list(const char *name, const char *raw)
{
    const char *problem;
    char *copy = strdup(raw), *at = copy;
    size_t count = 0;
    for (char *item; at && (item = kt__conf_item(&at, true, &problem)); count++) {
        if (count > strlen(raw))
            fail("a list has more items than bytes", raw, item);
        check_again(name, item, true);
    }
    free(copy);
}

/* The line that `whole` has read just now, alone behind the section that was open before it. */
static void check_alone(const reading *whole, const kt__conf *before, const char *line, size_t size)
{
    reading alone = start(line, size);
    alone.conf.at = alone.bytes; /* a mark of UTF-8 is one only where a file begins */
    memcpy(alone.conf.name, before->name, sizeof before->name);
    alone.conf.section_size = before->section_size;
    alone.conf.name[alone.conf.section_size] = '\0';
    int rc = kt__conf_next(&alone.conf);
    if (rc != whole->rc)
        fail("a line alone", whole->conf.problem, alone.conf.problem);
    if (rc < 0)
        same("problem", whole->conf.problem, alone.conf.problem);
    if (rc > 0) {
        same("name", whole->conf.name, alone.conf.name);
        same("raw", whole->conf.raw, alone.conf.raw);
    }
    free(alone.bytes);
}

/* The bytes of the line with that number, from 1. */
static kt_slice line_of(const char *bytes, size_t size, unsigned number)
{
    const char *from = bytes, *end = bytes + size;
    for (; number > 1; number--)
        from = (const char *)memchr(from, '\n', (size_t)(end - from)) + 1;
    const char *to = memchr(from, '\n', (size_t)(end - from));
    return (kt_slice){from, (size_t)((to ? to : end) - from)};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > FILE_MAX)
        return -1;
    reading whole = start((const char *)data, size);
    bool marked = size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0;
    for (unsigned lines = 0;; lines = whole.conf.line) {
        kt__conf before = whole.conf;
        whole.rc = kt__conf_next(&whole.conf);
        if (whole.rc == 0)
            break;
        kt_slice line = line_of((const char *)data, size, whole.conf.line);
        /* Sections between two lines that are told are read in between: only neighbours are compared. */
        if (whole.conf.line == lines + 1 && !(marked && lines == 0))
            check_alone(&whole, &before, line.data, line.size);
        if (whole.rc < 0)
            continue;
        check_value(whole.conf.name, whole.conf.raw);
        check_list(whole.conf.name, whole.conf.raw);
    }
    free(whole.bytes);
    return 0;
}
