/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <kettle/cookies.h>
#include <kettle/test_disk.h>

static kt_cookie_jar *jar_of(int count)
{
    kt_cookie_jar *jar = NULL;
    kt_auto(kt_url) url = KT_URL_INIT;
    sure(kt_cookie_jar_new(NULL, &jar));
    sure(kt_url_parse("https://h/", NULL, &url));
    for (int i = 0; i < count; i++) {
        char text[60];
        snprintf(text, sizeof text, "c%d=x; Max-Age=1000; SameSite=Lax", i);
        sure(kt_cookie_jar_set(jar, &url, NULL, kt_slice_from(text)));
    }
    return jar;
}

static size_t count(kt_cookie_jar *jar)
{
    kt_cookie c;
    size_t cursor = 0, n = 0;
    while (kt_cookie_jar_next(jar, &cursor, &c))
        n++;
    return n;
}

static int makes(void *arg)
{
    kt_auto(kt_cookie_jar) *jar = NULL;
    (void)arg;
    int rc = SWEPT(kt_cookie_jar_new, (NULL, &jar));
    CHECK_EQ(jar != NULL, rc == 0);
    return rc;
}

SWEEP(kt_cookie_jar_new, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(makes, NULL);
}

SWEEP(kt_cookie_jar_free, PLAIN | NO_LOOP)
{
    kt_cookie_jar *jar = jar_of(2);
    SWEPT(kt_cookie_jar_free, (jar));
    SWEPT(kt_cookie_jar_free, (NULL));
}

static int sets(void *arg)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    sure(kt_url_parse("https://h/", NULL, &url));
    int rc = SWEPT(kt_cookie_jar_set, (arg, &url, NULL, kt_slice_from("new=1")));
    CHECK_EQ(count(arg), rc < 0 ? 16 : 17);
    return rc;
}

SWEEP(kt_cookie_jar_set, ALLOCATES | NO_LOOP)
{
    kt_auto(kt_cookie_jar) *jar = jar_of(16); /* no room for one more */
    (void)sweep_subject(sets, jar);
}

static int sends(void *arg)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    sure(kt_url_parse("https://h/", NULL, &url));
    int rc = SWEPT(kt_cookie_jar_header, (arg, &url, NULL, &out));
    CHECK_EQ(out.size > 0, rc >= 0);
    return rc;
}

SWEEP(kt_cookie_jar_header, ALLOCATES | NO_LOOP)
{
    kt_auto(kt_cookie_jar) *jar = jar_of(40);
    (void)sweep_subject(sends, jar);
}

SWEEP(kt_cookie_jar_next, PLAIN | NO_LOOP)
{
    kt_auto(kt_cookie_jar) *jar = jar_of(2);
    kt_cookie c;
    size_t cursor = 0;
    CHECK(SWEPT(kt_cookie_jar_next, (jar, &cursor, &c)));
    CHECK_SLICE(c.name, "c0");
}

SWEEP(kt_cookie_jar_clear, PLAIN | NO_LOOP)
{
    kt_auto(kt_cookie_jar) *jar = jar_of(2);
    SWEPT(kt_cookie_jar_clear, (jar, "h"));
    CHECK_EQ(count(jar), 0);
}

SWEEP(kt_cookie_jar_end_session, PLAIN | NO_LOOP)
{
    kt_auto(kt_cookie_jar) *jar = jar_of(2);
    SWEPT(kt_cookie_jar_end_session, (jar));
    CHECK_EQ(count(jar), 2);
}

/* ---- Files: on a simulated disk ------------------------------------------------------------------ */

static int saves(void *arg)
{
    return SWEPT(kt_cookie_jar_save, (arg, "/cookies", 0));
}

SWEEP(kt_cookie_jar_save, SUSPENDS | ALLOCATES | WINS)
{
    kt_auto(kt_cookie_jar) *jar = jar_of(3);
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    kt_test_disk *disk = kt_test_disk_open(&(kt_test_disk_options){.whole = true});
    kt_test_disk_use(disk);
    sure(kt_test_disk_put(disk, "/cookies", kt_slice_from("old")));
    sure(kt_thread_run(nothing, NULL, 0)); /* the pool is there */
    sweep_begin(saves, jar);
    bool saved = sweep_end() >= 0;
    sure(kt_test_disk_get(disk, "/cookies", &found));
    CHECK(saved ? found.size > 100 : found.size == 3 || found.size > 100);
    kt_test_disk_close(disk);
}

static int loads(void *arg)
{
    int rc = SWEPT(kt_cookie_jar_load, (arg, "/cookies"));
    CHECK_EQ(rc < 0 || count(arg) == 3, true);
    return rc;
}

SWEEP(kt_cookie_jar_load, SUSPENDS | ALLOCATES | WINS)
{
    kt_auto(kt_cookie_jar) *full = jar_of(3), *jar = jar_of(0);
    kt_test_disk *disk = kt_test_disk_open(&(kt_test_disk_options){.whole = true});
    kt_test_disk_use(disk);
    sure(kt_thread_run(nothing, NULL, 0));
    sure(kt_cookie_jar_save(full, "/cookies", 0));
    sweep_begin(loads, jar);
    (void)sweep_end();
    kt_test_disk_close(disk);
}
