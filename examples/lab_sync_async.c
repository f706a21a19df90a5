/* SPDX-License-Identifier: MIT */
/* Ten addresses that take 200 ms each: one after the other, and all at once. */
#include "lab_site.h"

#include <kettle/http_client.h>

enum { URLS = 10 };

KT_FN(get, a, struct {
    kt_http_session *web;
    int number;
})
{
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    char url[64];
    snprintf(url, sizeof url, LAB_GOOD "/page/%d", a->number);
    int rc = kt_http_get(a->web, url, &r);
    return rc < 0 ? rc : kt_http_response_read_all(r, 64 * 1024, &body);
}

static int one_by_one(kt_http_session *web)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < URLS; i++)
        rc = kt_wait_for(KT_FOREVER, KT_WITH(get, web, i));
    return rc;
}

static int at_once(kt_http_session *web)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    for (int i = 0; rc == 0 && i < URLS; i++)
        rc = kt_group_spawn(&g, KT_WITH(get, web, i));
    return kt_group_join(&g, rc);
}

static int timed(kt_http_session *web, const char *name, int (*way)(kt_http_session *web), double *ret_seconds)
{
    kt_time start = kt_now();
    int rc = way(web);
    *ret_seconds = lab_seconds(start);
    if (rc == 0)
        printf("%s: %d addresses in %.1f s\n", name, URLS, *ret_seconds);
    return rc;
}

static int compare(void)
{
    kt_auto(kt_http_session) *web = NULL;
    double slow = 0, fast = 0;
    int rc = kt_http_session_open(NULL, &web);
    if (rc == 0)
        rc = timed(web, "sequential", one_by_one, &slow);
    if (rc == 0)
        rc = timed(web, "concurrent", at_once, &fast);
    if (rc == 0)
        printf("speed-up: %.1f\n", slow / fast);
    return rc;
}

static int lab(void *arg)
{
    (void)arg;
    lab_site site = LAB_SITE_INIT;
    int rc = lab_site_open(&site);
    return lab_site_close(&site, rc < 0 ? rc : compare());
}

int main(void)
{
    int rc = kt_run(lab, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "lab_sync_async: %s\n", kt_strerror(rc));
    return rc < 0;
}
