/* SPDX-License-Identifier: MIT */
#include "sweep.h"

/* ---- Addresses as values -------------------------------------------------------------------- */

static kt_address parsed(const char *host, uint16_t port)
{
    kt_address a;
    sure(kt_address_parse(host, port, &a));
    return a;
}

SWEEP(kt_address_parse, PLAIN | NO_LOOP)
{
    kt_address a = {.size = 0};
    sure(SWEPT(kt_address_parse, ("127.0.0.1", 80, &a)));
    CHECK_EQ(a.any.sa_family, AF_INET);
    CHECK_EQ(ntohl(a.in.sin_addr.s_addr), INADDR_LOOPBACK);
    CHECK_ERR(SWEPT(kt_address_parse, ("localhost", 80, &a)), -EINVAL);
}

SWEEP(kt_address_port, PLAIN | NO_LOOP)
{
    kt_address four = parsed("127.0.0.1", 80), six = parsed("::1", 443);
    CHECK_EQ(SWEPT(kt_address_port, (&four)), 80);
    CHECK_EQ(SWEPT(kt_address_port, (&six)), 443);
}

SWEEP(kt_address_equal, PLAIN | NO_LOOP)
{
    kt_address a = parsed("::1", 80), same = parsed("0:0::1", 80), other = parsed("::1", 81);
    CHECK(SWEPT(kt_address_equal, (&a, &same)));
    CHECK(!SWEPT(kt_address_equal, (&a, &other)));
}

SWEEP(kt_address_unix, PLAIN | NO_LOOP)
{
    kt_address a = {.size = 0};
    sure(SWEPT(kt_address_unix, ("@kettle", &a)));
    CHECK_EQ(a.size, offsetof(struct sockaddr_un, sun_path) + 7);
    CHECK_MEM(a.un.sun_path, "\0kettle", 7);
}

/* ---- Names ---------------------------------------------------------------------------------- */

static int resolves_number(void *arg)
{
    kt_auto(kt_addresses) *found = NULL;
    int rc = SWEPT(kt_resolve, ("127.0.0.1", arg, NULL, &found));
    CHECK((rc < 0) == !found);
    CHECK(rc < 0 || kt_address_port(&found->items[0]) == 80);
    return rc;
}

SWEEP_AS(kt_resolve, number, ALLOCATES)
{
    (void)sweep_subject(resolves_number, "80");
}

static int resolves(void *arg)
{
    kt_auto(kt_addresses) *found = NULL;
    const kt_resolve_options options = {.flags = AI_CANONNAME};
    int rc = SWEPT(kt_resolve, (arg, "80", &options, &found));
    CHECK((rc < 0) == !found);
    CHECK(rc < 0 || (found->count > 0 && found->canonical_name));
    return rc;
}

/* The look-up that a cancelled one has left behind harms no other. */
SWEEP(kt_resolve, SUSPENDS | ALLOCATES | REAL)
{
    kt_auto(kt_addresses) *found = NULL;
    sweep_begin(resolves, "localhost");
    (void)sweep_end();
    sure(kt_resolve("localhost", "81", NULL, &found));
    CHECK_EQ(kt_address_port(&found->items[0]), 81);
}

SWEEP(kt_addresses_free, PLAIN)
{
    kt_addresses *found = NULL;
    sure(kt_resolve("127.0.0.1", NULL, NULL, &found));
    SWEPT(kt_addresses_free, (found));
    SWEPT(kt_addresses_free, (NULL));
}

static int names_number(void *arg)
{
    kt_host_name name = {.host = "untouched"};
    int rc = SWEPT(kt_resolve_name, (arg, NI_NUMERICHOST | NI_NUMERICSERV, &name));
    CHECK_STR(name.host, rc < 0 ? "untouched" : "127.0.0.1");
    return rc;
}

SWEEP_AS(kt_resolve_name, number, ALLOCATES)
{
    kt_address a = parsed("127.0.0.1", 80);
    (void)sweep_subject(names_number, &a);
}

static int names(void *arg)
{
    kt_host_name name = {.host = "untouched"};
    int rc = SWEPT(kt_resolve_name, (arg, NI_NUMERICSERV, &name));
    CHECK_EQ(strcmp(name.host, "untouched") == 0, rc < 0);
    CHECK_STR(name.service, rc < 0 ? "" : "80");
    return rc;
}

SWEEP(kt_resolve_name, SUSPENDS | ALLOCATES | REAL)
{
    kt_address a = parsed("127.0.0.1", 80);
    kt_host_name name;
    sweep_begin(names, &a);
    (void)sweep_end();
    sure(kt_resolve_name(&a, NI_NUMERICSERV, &name));
    CHECK_STR(name.service, "80");
}

static int sets_cache(void *arg)
{
    (void)arg;
    return SWEPT(kt_resolve_cache_set, (KT_S(5), KT_S(1)));
}

SWEEP(kt_resolve_cache_set, ALLOCATES)
{
    (void)sweep_subject(sets_cache, NULL);
}

SWEEP(kt_resolve_cache_clear, PLAIN)
{
    sure(kt_resolve_cache_set(0, 0));
    SWEPT(kt_resolve_cache_clear, ());
}
