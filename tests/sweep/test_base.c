/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include "test/kit.h"

/* ---- Memory -------------------------------------------------------------------------------- */

static int from_pointer(void *block)
{
    kt_free(block);
    return block ? 0 : -ENOMEM;
}

static int allocs(void *arg)
{
    (void)arg;
    return from_pointer(SWEPT(kt_alloc, (10)));
}

SWEEP(kt_alloc, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(allocs, NULL);
}

static int callocs(void *arg)
{
    (void)arg;
    return from_pointer(SWEPT(kt_calloc, (2, 10)));
}

SWEEP(kt_calloc, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(callocs, NULL);
}

static int grows(void *arg)
{
    char **block = arg, *moved = SWEPT(kt_realloc, (*block, 1000));
    if (!moved)
        return -ENOMEM;
    *block = moved;
    return 0;
}

SWEEP(kt_realloc, ALLOCATES | NO_LOOP)
{
    char *block = kt_strndup("kettle", 6);
    CHECK(block != NULL);
    (void)sweep_subject(grows, &block);
    CHECK_STR(block, "kettle"); /* untouched by a failure */
    kt_free(block);
}

static int copies(void *arg)
{
    return from_pointer(SWEPT(kt_strndup, (arg, 3)));
}

SWEEP(kt_strndup, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(copies, "tea");
}

SWEEP(kt_free, PLAIN | NO_LOOP)
{
    void *block = kt_alloc(1);
    CHECK(block != NULL);
    SWEPT(kt_free, (block));
    SWEPT(kt_free, (NULL));
}

SWEEP(kt_allocator_set, PLAIN | NO_LOOP)
{
    SWEPT(kt_allocator_set, (NULL));
    kt__test_memory_start(); /* the kit's own, again */
}

/* ---- Buffer -------------------------------------------------------------------------------- */

static int reserves(void *arg)
{
    return SWEPT(kt_buffer_reserve, (arg, 5000));
}

static int appends(void *arg)
{
    static const char many[5000];
    return SWEPT(kt_buffer_append, (arg, many, sizeof many));
}

static int appends_string(void *arg)
{
    static char many[5001];
    memset(many, 'x', sizeof many - 1);
    return SWEPT(kt_buffer_append_string, (arg, many));
}

static int prints(void *arg)
{
    return SWEPT(kt_buffer_printf, (arg, "%5000d", 1));
}

static int vprints(kt_buffer *b, const char *format, ...) KT_PRINTF(2, 3);

static int vprints(kt_buffer *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = SWEPT(kt_buffer_vprintf, (b, format, args));
    va_end(args);
    return rc;
}

static int prints_by_list(void *arg)
{
    return vprints(arg, "%5000d", 1);
}

static void sweep_append(kt_fn fn, size_t size)
{
    kt_buffer b = KT_BUFFER_INIT;
    sure(kt_buffer_append_string(&b, "tea"));
    (void)sweep_subject(fn, &b);
    CHECK_EQ(b.size, 3 + size); /* nothing of the failed attempt */
    CHECK_MEM(b.data, "tea", 3);
    kt_buffer_release(&b);
}

SWEEP(kt_buffer_reserve, ALLOCATES | NO_LOOP)
{
    sweep_append(reserves, 0);
}

SWEEP(kt_buffer_append, ALLOCATES | NO_LOOP)
{
    sweep_append(appends, 5000);
}

SWEEP(kt_buffer_append_string, ALLOCATES | NO_LOOP)
{
    sweep_append(appends_string, 5000);
}

SWEEP(kt_buffer_printf, ALLOCATES | NO_LOOP)
{
    sweep_append(prints, 5000);
}

SWEEP(kt_buffer_vprintf, ALLOCATES | NO_LOOP)
{
    sweep_append(prints_by_list, 5000);
}

static int terminates(void *arg)
{
    const char *text = SWEPT(kt_buffer_string, (arg));
    if (!text)
        return -ENOMEM;
    CHECK_STR(text, "");
    return 0;
}

SWEEP(kt_buffer_string, ALLOCATES | NO_LOOP)
{
    kt_buffer b = KT_BUFFER_INIT;
    (void)sweep_subject(terminates, &b);
    kt_buffer_release(&b);
}

SWEEP(kt_buffer_consume, PLAIN | NO_LOOP)
{
    kt_buffer b = KT_BUFFER_INIT;
    sure(kt_buffer_append_string(&b, "tea"));
    SWEPT(kt_buffer_consume, (&b, 2));
    CHECK_SLICE(kt_buffer_slice(&b), "a");
    kt_buffer_release(&b);
}

SWEEP(kt_buffer_release, PLAIN | NO_LOOP)
{
    kt_buffer b = KT_BUFFER_INIT;
    sure(kt_buffer_append_string(&b, "tea"));
    SWEPT(kt_buffer_release, (&b));
    CHECK_EQ(b.size, 0);
}

/* ---- Errors and the version ------------------------------------------------------------------ */

static int sets_error(void *arg)
{
    (void)arg;
    CHECK_ERR(SWEPT(kt_error_set, (-EIO, "the %s leaks", "kettle")), -EIO);
    return 0;
}

SWEEP(kt_error_set, ALLOCATES | SPARES)
{
    (void)sweep_subject(sets_error, NULL);
    CHECK_STR(kt_error_detail(), sweep_struck() ? "" : "the kettle leaks");
}

SWEEP(kt_error_detail, PLAIN)
{
    kt_error_set(-EIO, "words");
    CHECK_STR(SWEPT(kt_error_detail, ()), "words");
}

SWEEP(kt_error_name, PLAIN | NO_LOOP)
{
    CHECK_STR(SWEPT(kt_error_name, (-ENOENT)), "ENOENT");
}

SWEEP(kt_strerror, PLAIN | NO_LOOP)
{
    CHECK_STR(SWEPT(kt_strerror, (KT_EFULL)), "queue is full");
}

static void hook(const char *message)
{
    (void)message;
}

SWEEP(kt_log_hook_set, PLAIN | NO_LOOP)
{
    SWEPT(kt_log_hook_set, (hook));
    SWEPT(kt_log_hook_set, (NULL));
    CHECK(true);
}

SWEEP(kt_version, PLAIN | NO_LOOP)
{
    CHECK(SWEPT(kt_version, ()) != NULL);
}
