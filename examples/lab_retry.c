/* SPDX-License-Identifier: MIT */
/* An address where nobody listens, tried three times with waits of 1 s and 2 s; and one where somebody begins to listen
 * while the client waits. */
#include "lab_site.h"

#include <kettle/http_client.h>

static int get(kt_http_session *web, const char *url)
{
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    int rc = kt_http_get(web, url, &r);
    if (rc == 0)
        rc = kt_http_response_read_all(r, 64 * 1024, &body);
    if (rc == 0)
        printf("data: %.*s\n", (int)body.size, body.data);
    return rc;
}

static int get_patiently(kt_http_session *web, const char *url)
{
    kt_retry tries = {.attempts = 3};
    kt_time start = kt_now();
    bool again;
    int rc;
    do {
        rc = get(web, url);
        if (rc < 0)
            printf("Attempt %u failed: %s\n", tries.failures + 1, kt_strerror(rc));
        again = kt_retry_wait(&tries, &rc);
        if (again)
            printf("waited %.0f s\n", (double)tries.waited / KT_S(1));
    } while (again);
    if (!kt_is_cancel(rc))
        printf("%s after %.1f s\n", rc < 0 ? kt_strerror(rc) : "good", lab_seconds(start));
    return rc;
}

KT_FN(open_late, site, lab_site)
{
    kt_auto(kt_listener) *l = NULL;
    int rc = kt_sleep(KT_MS(2500));
    if (rc == 0)
        rc = kt_listen("10.0.0.2", 82, NULL, &l);
    return rc < 0 ? rc : kt_http_serve(l, NULL, lab_answer, site);
}

static int try_both(kt_http_session *web, lab_site *site)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = get_patiently(web, LAB_GOOD ":81/");
    if (kt_is_cancel(rc))
        return rc;
    rc = kt_group_spawn(&g, open_late, site, 0);
    if (rc == 0)
        rc = get_patiently(web, LAB_GOOD ":82/data/7");
    kt_group_cancel(&g);
    return kt_group_join(&g, rc);
}

static int lab(void *arg)
{
    (void)arg;
    lab_site site = LAB_SITE_INIT;
    kt_http_session *web = NULL;
    int rc = lab_site_open(&site);
    if (rc == 0)
        rc = kt_http_session_open(NULL, &web);
    if (rc == 0)
        rc = try_both(web, &site);
    kt_http_session_close(web);
    return lab_site_close(&site, rc);
}

int main(void)
{
    int rc = kt_run(lab, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "lab_retry: %s\n", kt_strerror(rc));
    return rc < 0;
}
