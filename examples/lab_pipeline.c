/* SPDX-License-Identifier: MIT */
/* Ten JSON documents through three stages of three workers each: fetched, transformed, stored in a file each. The one
 * that is broken is counted at the stage that finds out, and the others go on. No sentinels: the end of the input goes
 * from stage to stage. */
#include "lab_site.h"

#include <errno.h>
#include <jansson.h>
#include <kettle/http_client.h>
#include <kettle/pipeline.h>

enum { DOCUMENTS = 10, BROKEN = 6, WORKERS = 3, DOCUMENT_MAX = 256 };

typedef struct document {
    int number;
    char text[DOCUMENT_MAX];
} document;

typedef struct workshop {
    kt_http_session *web;
    kt_temp_dir *dir;
} workshop;

static int fetch(kt_stage *s, void *item, void *arg)
{
    const workshop *shop = arg;
    document d = {.number = *(int *)item};
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    char url[64];
    snprintf(url, sizeof url, d.number == BROKEN ? LAB_GOOD "/bad" : LAB_GOOD "/data/%d", d.number);
    int rc = kt_http_get(shop->web, url, &r);
    if (rc == 0)
        rc = kt_http_response_read_all(r, sizeof d.text - 1, &body);
    if (rc < 0)
        return rc;
    snprintf(d.text, sizeof d.text, "%s", body.data);
    return kt_stage_emit(s, &d);
}

/* Adds the field "square". */
static int transform(kt_stage *s, void *item, void *arg)
{
    document *d = item;
    json_error_t error;
    json_t *json = json_loads(d->text, JSON_REJECT_DUPLICATES, &error);
    (void)arg;
    if (!json)
        return kt_error_set(-EBADMSG, "document %d: %s", d->number, error.text);
    json_int_t value = json_integer_value(json_object_get(json, "value"));
    int rc = json_object_set_new(json, "square", json_integer(value * value)) < 0 ? -ENOMEM : 0;
    size_t size = rc == 0 ? json_dumpb(json, d->text, sizeof d->text - 1, 0) : 0;
    json_decref(json);
    if (rc == 0 && (size == 0 || size >= sizeof d->text))
        rc = -EMSGSIZE;
    d->text[rc == 0 ? size : 0] = '\0';
    return rc < 0 ? rc : kt_stage_emit(s, d);
}

static void path_of(const workshop *shop, int number, char *path, size_t size)
{
    snprintf(path, size, "%s/%d.json", kt_temp_dir_path(shop->dir), number);
}

static int store(kt_stage *s, void *item, void *arg)
{
    const document *d = item;
    char path[512];
    (void)s;
    path_of(arg, d->number, path, sizeof path);
    return kt_file_write_whole(path, d->text, strlen(d->text), NULL);
}

static int run_through(kt_stage *stages, size_t count)
{
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    int rc = kt_pipeline_start(&p, stages, count);
    for (int i = 1; rc == 0 && i <= DOCUMENTS; i++)
        rc = kt_pipeline_put(&p, &i);
    return kt_pipeline_join(&p, rc);
}

/* What is on the disk, which another JSON reader would see too. */
static int show_files(const workshop *shop)
{
    int rc = 0;
    for (int i = 1; rc >= 0 && i <= DOCUMENTS; i++) {
        kt_auto(kt_buffer) text = KT_BUFFER_INIT;
        char path[512];
        path_of(shop, i, path, sizeof path);
        rc = kt_file_read_text(path, DOCUMENT_MAX, &text);
        if (rc >= 0)
            printf("%d.json: %s\n", i, kt_buffer_string(&text));
        else if (rc == -ENOENT)
            rc = printf("%d.json is not there\n", i);
    }
    return rc < 0 ? rc : 0;
}

static int process(workshop *shop)
{
    kt_stage stages[] = {
        {.name = "fetch", .run = fetch, .arg = shop, .item_bytes = sizeof(int), .workers = WORKERS},
        {.name = "transform", .run = transform, .arg = shop, .item_bytes = sizeof(document), .workers = WORKERS},
        {.name = "store", .run = store, .arg = shop, .item_bytes = sizeof(document), .workers = WORKERS},
    };
    kt_time start = kt_now();
    int rc = run_through(stages, 3);
    if (rc < 0)
        return rc;
    double seconds = lab_seconds(start);
    for (size_t i = 0; i < 3; i++)
        printf("%s: %d taken, %d failed%s%s\n", stages[i].name, (int)stages[i].taken, (int)stages[i].failed,
               stages[i].failed ? ": " : "", stages[i].failed ? kt_strerror(stages[i].first_error) : "");
    printf("%.1f documents a second\n", (double)stages[0].taken / seconds);
    return show_files(shop);
}

static int lab(void *arg)
{
    (void)arg;
    lab_site site = LAB_SITE_INIT;
    workshop shop = {NULL, NULL};
    int rc = lab_site_open(&site);
    if (rc == 0)
        rc = kt_http_session_open(NULL, &shop.web);
    if (rc == 0)
        rc = kt_temp_dir_make(NULL, "lab-", &shop.dir);
    if (rc == 0)
        rc = process(&shop);
    kt_temp_dir_remove(shop.dir);
    kt_http_session_close(shop.web);
    return lab_site_close(&site, rc);
}

int main(void)
{
    int rc = kt_run(lab, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "lab_pipeline: %s\n", kt_strerror(rc));
    return rc < 0;
}
