/* SPDX-License-Identifier: MIT */
/* The labs' web ends with the lab, whatever it is doing. */
#include "../../examples/lab_site.h"

#include <errno.h>
#include <kettle/http_client.h>
#include <kettle/test.h>

static int get(const char *url, kt_time limit)
{
    const kt_http_session_options options = {.timeouts.total = limit};
    kt_auto(kt_http_session) *web = NULL;
    kt_auto(kt_http_response) *r = NULL;
    int rc = kt_http_session_open(&options, &web);
    return rc == 0 ? kt_http_get(web, url, &r) : rc;
}

TEST(a_lab_does_not_wait_at_its_end_for_a_page_that_hangs)
{
    lab_site site = LAB_SITE_INIT;
    CHECK_OK(lab_site_open(&site));
    kt_time began = kt_now();
    CHECK_ERR(get(LAB_GOOD "/hang", KT_S(5)), -ETIMEDOUT);
    CHECK_OK(lab_site_close(&site, 0));
    CHECK_EQ(kt_now() - began, KT_S(5));
}
