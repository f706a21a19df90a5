/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <kettle/settings.h>

typedef struct config {
    const char *host, *store;
    uint16_t port;
    kt_settings_list allow;
} config;

static const kt_setting table[] = {
    {KT_SETTING_TEXT(config, host), "host", .standard = "::1", .help = "address"},
    {KT_SETTING_PATH(config, store), "store", .help = "folder"},
    {KT_SETTING_INTEGER(config, port, 1, 65535), "port", .letter = 'p', .standard = "80", .help = "port"},
    {KT_SETTING_LIST(config, allow), "allow", .help = "names"},
    {.name = NULL},
};

static const kt_settings_spec spec = {
    .program = "shop",
    .version = "1",
    .table = table,
    .environment = "SHOP",
    .file = "/dev/null",
    .arguments = "FILE...",
};

static char *words[] = {"shop", "--port=81", "--allow", "a,b", "file", NULL};

typedef struct made {
    config c;
    kt_settings *s;
} made;

static int makes(void *arg)
{
    made *m = arg;
    return SWEPT(kt_settings_new, (&spec, &m->c, NULL, &m->s));
}

SWEEP(kt_settings_new, ALLOCATES | NO_LOOP)
{
    made m = {.s = NULL};
    (void)sweep_subject(makes, &m);
    CHECK_EQ(m.c.port, 80);
    kt_settings_free(m.s);
}

SWEEP(kt_settings_free, PLAIN | NO_LOOP)
{
    made m;
    sure(kt_settings_new(&spec, &m.c, NULL, &m.s));
    SWEPT(kt_settings_free, (m.s));
    SWEPT(kt_settings_free, (NULL));
}

/* What fails for want of memory has no second try with the same object: a fresh one is what a program makes. */
static int loads(void *arg)
{
    made *m = arg;
    kt_settings_free(kt_steal(m->s));
    int rc = kt_settings_new(&spec, &m->c, NULL, &m->s);
    return rc < 0 ? rc : SWEPT(kt_settings_load, (m->s, 5, words));
}

SWEEP(kt_settings_load, ALLOCATES | NO_LOOP)
{
    made m = {.s = NULL};
    (void)sweep_subject(loads, &m);
    CHECK_EQ(m.c.port, 81);
    CHECK_EQ(m.c.allow.count, 2);
    kt_settings_free(m.s);
}

static int takes_arguments(void *arg)
{
    made *m = arg;
    kt_settings_free(kt_steal(m->s));
    sure(kt_settings_new(&spec, &m->c, NULL, &m->s));
    return SWEPT(kt_settings_arguments, (m->s, 5, words));
}

SWEEP(kt_settings_arguments, ALLOCATES | NO_LOOP)
{
    made m = {.s = NULL};
    (void)sweep_subject(takes_arguments, &m);
    sure(kt_settings_apply(m.s));
    CHECK_EQ(m.c.port, 81);
    kt_settings_free(m.s);
}

static int takes_bytes(void *arg)
{
    made *m = arg;
    kt_settings_free(kt_steal(m->s));
    sure(kt_settings_new(&spec, &m->c, NULL, &m->s));
    return SWEPT(kt_settings_bytes,
                 (m->s, "/etc/shop.conf", kt_slice_from("store = x\nallow = a, \"b, c\"\nport = many\nprot = 1\n")));
}

SWEEP(kt_settings_bytes, ALLOCATES | NO_LOOP)
{
    made m = {.s = NULL};
    (void)sweep_subject(takes_bytes, &m);
    CHECK_ERR(kt_settings_apply(m.s), KT_EVALIDATION);
    kt_settings_free(m.s);
}

static int reads_file(void *arg)
{
    made *m = arg;
    kt_settings_free(kt_steal(m->s));
    sure(kt_settings_new(&spec, &m->c, NULL, &m->s));
    return SWEPT(kt_settings_file, (m->s, "/dev/null"));
}

SWEEP(kt_settings_file, ALLOCATES | NO_LOOP)
{
    made m = {.s = NULL};
    (void)sweep_subject(reads_file, &m);
    sure(kt_settings_apply(m.s));
    kt_settings_free(m.s);
}

static int takes_environment(void *arg)
{
    made *m = arg;
    static char *variables[] = {"SHOP_PORT=82", "SHOP_ALLOW=x", NULL};
    kt_settings_free(kt_steal(m->s));
    sure(kt_settings_new(&spec, &m->c, NULL, &m->s));
    return SWEPT(kt_settings_environment, (m->s, variables));
}

SWEEP(kt_settings_environment, ALLOCATES | NO_LOOP)
{
    made m = {.s = NULL};
    (void)sweep_subject(takes_environment, &m);
    sure(kt_settings_apply(m.s));
    CHECK_EQ(m.c.port, 82);
    kt_settings_free(m.s);
}

static int applies(void *arg)
{
    made *m = arg;
    int rc = SWEPT(kt_settings_apply, (m->s));
    return rc == KT_EVALIDATION ? 0 : rc;
}

SWEEP(kt_settings_apply, ALLOCATES | NO_LOOP)
{
    made m;
    sure(kt_settings_new(&spec, &m.c, NULL, &m.s));
    sure(kt_settings_bytes(m.s, "shop.conf", kt_slice_from("port = many\n")));
    (void)sweep_subject(applies, &m);
    CHECK_STR(kt_settings_text(m.s), "shop: shop.conf:1: port = \"many\": not a number (1 to 65535)\n"
                                     "Try 'shop --help'.\n");
    kt_settings_free(m.s);
}

static int helps(void *arg)
{
    made *m = arg;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    return SWEPT(kt_settings_help, (m->s, 80, &b));
}

SWEEP(kt_settings_help, ALLOCATES | NO_LOOP)
{
    made m;
    sure(kt_settings_new(&spec, &m.c, NULL, &m.s));
    (void)sweep_subject(helps, &m);
    kt_settings_free(m.s);
}

static int shows(void *arg)
{
    made *m = arg;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    return SWEPT(kt_settings_show, (m->s, &b));
}

SWEEP(kt_settings_show, ALLOCATES | NO_LOOP)
{
    made m;
    sure(kt_settings_new(&spec, &m.c, NULL, &m.s));
    (void)sweep_subject(shows, &m);
    kt_settings_free(m.s);
}

SWEEP(kt_settings_text, PLAIN | NO_LOOP)
{
    made m;
    sure(kt_settings_new(&spec, &m.c, NULL, &m.s));
    CHECK_STR(SWEPT(kt_settings_text, (m.s)), "");
    CHECK_STR(SWEPT(kt_settings_text, (NULL)), "out of memory\n");
    kt_settings_free(m.s);
}

SWEEP(kt_settings_rest, PLAIN | NO_LOOP)
{
    made m;
    int n;
    sure(kt_settings_new(&spec, &m.c, NULL, &m.s));
    CHECK(SWEPT(kt_settings_rest, (m.s, &n))[0] == NULL);
    sure(kt_settings_load(m.s, 5, words));
    CHECK_STR(SWEPT(kt_settings_rest, (m.s, &n))[0], "file");
    CHECK_EQ(n, 1);
    kt_settings_free(m.s);
}

SWEEP(kt_settings_source, PLAIN | NO_LOOP)
{
    made m;
    sure(kt_settings_new(&spec, &m.c, NULL, &m.s));
    sure(kt_settings_load(m.s, 5, words));
    CHECK_STR(SWEPT(kt_settings_source, (m.s, "port")), "--port");
    CHECK_STR(SWEPT(kt_settings_source, (m.s, "host")), "default");
    kt_settings_free(m.s);
}

SWEEP(kt_settings_command_index, PLAIN | NO_LOOP)
{
    made m;
    sure(kt_settings_new(&spec, &m.c, NULL, &m.s));
    CHECK_EQ(SWEPT(kt_settings_command_index, (m.s)), -1);
    kt_settings_free(m.s);
}
