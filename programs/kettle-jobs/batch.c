/* SPDX-License-Identifier: MIT */

/* Many jobs from a file, for submit --batch. */

#include <errno.h>
#include <inttypes.h>
#include <kettle/buffer.h>

#include "program.h"

/* What one request carries: the server takes these many, all or none. */
#define JOBS_MAX 10000
#define BYTES_MAX ((size_t)8 << 20)

static int complain(const char *path, const char *what)
{
    fprintf(stderr, "kettle-jobs submit: %s: %s\n",
            strcmp(path, "-") == 0 ? "standard input" : path, what);
    return -1;
}

static int read_file(const char *path, kt_buffer *text)
{
    char piece[64 << 10];
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file)
        return complain(path, strerror(errno));
    int rc = 0;
    for (size_t n; rc == 0 && (n = fread(piece, 1, sizeof piece, file)) > 0;)
        if (kt_buffer_append(text, piece, n) < 0)
            rc = complain(path, "is too large");
    if (rc == 0 && ferror(file))
        rc = complain(path, strerror(errno));
    if (file != stdin)
        fclose(file);
    return rc;
}

static bool is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!strchr(" \t\r\n", text[i]) || text[i] == '\0')
            return false;
    return true;
}

/* Not re-made silently: what the server would refuse in the text, a duplicate name, is refused here; and a zero byte,
 * which jansson reads over where white space may stand. */
static json_t *parse(const char *path, kt_slice text, size_t line)
{
    json_error_t error;
    char what[256];
    const char *zero = memchr(text.data, '\0', text.size);
    if (zero) {
        for (const char *c = text.data; c < zero; c++)
            line += *c == '\n';
        snprintf(what, sizeof what, "line %zu: no valid JSON: a zero byte", line);
        complain(path, what);
        return NULL;
    }
    json_t *json = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, &error);
    if (json)
        return json;
    snprintf(what, sizeof what, "line %zu: no valid JSON: %s", line + (size_t)error.line - 1,
             error.text);
    complain(path, what);
    return NULL;
}

static json_t *parse_lines(const char *path, kt_slice text)
{
    json_t *jobs = json_array();
    for (size_t line = 1, at = 0; at < text.size; line++) {
        const char *start = text.data + at, *end = memchr(start, '\n', text.size - at);
        size_t size = end ? (size_t)(end - start) : text.size - at;
        at += size + 1;
        if (is_blank(start, size))
            continue;
        json_t *job = parse(path, (kt_slice){start, size}, line);
        if (!job || json_array_append_new(jobs, job) < 0) {
            json_decref(jobs);
            return NULL;
        }
    }
    return jobs;
}

json_t *batch_read(const char *path)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    if (read_file(path, &text) < 0)
        return NULL;
    size_t start = 0;
    while (start < text.size && is_blank(text.data + start, 1))
        start++;
    if (start == text.size) {
        complain(path, "holds no jobs");
        return NULL;
    }
    json_t *jobs = text.data[start] == '[' ? parse(path, kt_buffer_slice(&text), 1)
                                           : parse_lines(path, kt_buffer_slice(&text));
    if (jobs && json_array_size(jobs) == 0) {
        complain(path, "holds no jobs");
        json_decref(jobs);
        return NULL;
    }
    return jobs;
}

/* The jobs from `first` on that one request can carry; a job that is too large by itself goes alone, and the
 * server says so. */
static json_t *take_piece(const json_t *jobs, size_t first)
{
    json_t *piece = json_array();
    size_t bytes = 0;
    for (size_t i = first; i < json_array_size(jobs) && i - first < JOBS_MAX; i++) {
        json_t *job = json_array_get(jobs, i);
        bytes += json_dumpb(job, NULL, 0, JSON_COMPACT) + 1;
        if ((bytes > BYTES_MAX && i > first) || json_array_append(piece, job) < 0)
            break;
    }
    return piece;
}

static void tell(const client_options *o, const json_t *reply)
{
    size_t i;
    json_t *id;
    if (o->json)
        print_json(reply);
    else
        json_array_foreach(json_object_get(reply, "ids"), i, id)
            printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(id));
    fflush(stdout);
}

int batch_submit(const client_options *o, json_t *jobs, json_t **ret_ids)
{
    json_t *ids = json_array();
    for (size_t first = 0; first < json_array_size(jobs);) {
        answer a;
        json_t *piece = take_piece(jobs, first);
        client_batch_offset = (int64_t)first;
        int status = client_ask(o, "/v1/jobs", piece, &a);
        first += json_array_size(piece);
        json_decref(piece);
        if (status != EXIT_DONE) {
            if (client_batch_offset > 0)
                fprintf(stderr,
                        "The first %" PRId64 " jobs were taken in; the rest was not tried.\n",
                        client_batch_offset);
            json_decref(ids);
            return status;
        }
        tell(o, a.json);
        json_array_extend(ids, json_object_get(a.json, "ids"));
        json_decref(a.json);
    }
    *ret_ids = ids;
    return EXIT_DONE;
}
