/* SPDX-License-Identifier: MIT */
#include "sweep.h"

static kt_logger shop = KT_LOGGER("shop");

static const kt_log_sink nowhere[] = {{.kind = KT_LOG_FILE, .path = "/dev/null"},
                                      {.kind = KT_LOG_SYSLOG, .path = "/nonexistent/log"}};
static const kt_log_options to_nowhere = {.sinks = nowhere, .sinks_count = 2, .crash_flush = true};

static int opens(void *arg)
{
    return SWEPT(kt_log_open, (arg));
}

SWEEP(kt_log_open, ALLOCATES | NO_LOOP)
{
    sure(sweep_subject(opens, (void *)&to_nowhere) >= 0 || sweep_struck() ? 0 : -1);
    kt_log_close();
}

SWEEP(kt_log_close, PLAIN | NO_LOOP)
{
    SWEPT(kt_log_close, ());
    sure(kt_log_open(&to_nowhere));
    kt_log_info(&shop, "a line");
    SWEPT(kt_log_close, ());
}

SWEEP(kt_log_write, PLAIN)
{
    const kt_log_field fields[] = {kt_log_text("peer", "1.2.3.4"), kt_log_real("share", 0.5)};
    const kt_log_extra extra = {.rc = -ENOENT, .fields = fields, .fields_count = 2};
    kt_log_counts counts;
    sure(kt_log_open(&to_nowhere));
    SWEPT(kt_log_write, (&shop, KT_LOG_INFO, &extra, "%s", "a line"));
    SWEPT(kt_log_write, (&shop, KT_LOG_INFO, NULL, "%2000s", "a long line"));
    kt_log_counts_get(&counts);
    CHECK_EQ(counts.logged, 2);
    kt_log_close();
}

SWEEP(kt_log_flush, PLAIN | NO_LOOP)
{
    CHECK_ERR(SWEPT(kt_log_flush, (KT_S(1))), KT_ENOTRUNNING);
    sure(kt_log_open(&to_nowhere));
    kt_log_info(&shop, "a line");
    sure(SWEPT(kt_log_flush, (KT_S(60))));
    kt_log_close();
}

SWEEP(kt_log_reopen, PLAIN | NO_LOOP)
{
    SWEPT(kt_log_reopen, ());
    sure(kt_log_open(&to_nowhere));
    SWEPT(kt_log_reopen, ());
    kt_log_info(&shop, "a line");
    sure(kt_log_flush(KT_S(60)));
    kt_log_close();
}

SWEEP(kt_log_counts_get, PLAIN | NO_LOOP)
{
    kt_log_counts counts;
    SWEPT(kt_log_counts_get, (&counts));
    CHECK_EQ(counts.logged, 0);
}

SWEEP(kt_log_hook_bridge, PLAIN)
{
    kt_log_counts counts;
    sure(kt_log_open(&to_nowhere));
    SWEPT(kt_log_hook_bridge, ("kettle: something"));
    kt_log_counts_get(&counts);
    CHECK_EQ(counts.logged, 1);
    kt_log_close();
}

static void draws(void *arg)
{
    (void)arg;
}

SWEEP(kt_log_around, PLAIN | NO_LOOP)
{
    SWEPT(kt_log_around, (draws, draws, NULL));
    SWEPT(kt_log_around, (NULL, NULL, NULL));
    CHECK_EQ(kt_log_level(""), KT_LOG_INFO);
}

static int sets(void *arg)
{
    return SWEPT(kt_log_level_set, (arg, KT_LOG_DEBUG));
}

SWEEP(kt_log_level_set, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(sets, "shop.web");
    CHECK_EQ(kt_log_level("shop.web"), KT_LOG_DEBUG);
    sure(kt_log_level_set("shop.web", KT_LOG_DEFAULT));
}

static int sets_several(void *arg)
{
    return SWEPT(kt_log_levels_set, (arg));
}

SWEEP(kt_log_levels_set, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(sets_several, "warning, shop.web = debug");
    CHECK_EQ(kt_log_level("shop"), KT_LOG_WARNING);
    CHECK_EQ(kt_log_level("shop.web"), KT_LOG_DEBUG);
    sure(kt_log_level_set("shop.web", KT_LOG_DEFAULT));
    sure(kt_log_level_set("", KT_LOG_DEFAULT));
}

SWEEP(kt_log_level, PLAIN | NO_LOOP)
{
    CHECK_EQ(SWEPT(kt_log_level, ("shop")), KT_LOG_INFO);
}

SWEEP(kt_log_level_name, PLAIN | NO_LOOP)
{
    CHECK_STR(SWEPT(kt_log_level_name, (KT_LOG_ERROR)), "ERROR");
}

SWEEP(kt_logger_release, PLAIN | NO_LOOP)
{
    kt_logger l = KT_LOGGER("mine");
    SWEPT(kt_logger_release, (&l));
    CHECK(!kt_log_enabled(&l, KT_LOG_CRITICAL));
    SWEPT(kt_logger_release, (&l));
}
