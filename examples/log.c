/* SPDX-License-Identifier: MIT */
/* A program's log: levels, named loggers, fields, a task's name and an error on a line. With a file's name as its
 * argument it writes the same there as JSON. */
#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>

static kt_logger shop = KT_LOGGER("shop"), kitchen = KT_LOGGER("shop.kitchen");

static int brew(void *arg)
{
    const char *drink = arg;
    kt_log_debug(&kitchen, "water for %s", drink);
    int rc = kt_sleep(KT_MS(20));
    if (rc < 0)
        return rc;
    rc = kt_error_set(KT_ENOTFOUND, "no %s in the cupboard", drink);
    kt_log_failure(&kitchen, rc, "cannot brew");
    return 0;
}

static int open_shop(void *arg)
{
    (void)arg;
    const kt_log_field fields[] = {kt_log_integer("port", 8000), kt_log_text("host", "127.0.0.1")};
    kt_log_at(&shop, KT_LOG_INFO, (&(kt_log_extra){.fields = fields, .fields_count = 2}), "open");
    kt_log_debug(&shop, "nobody sees this: %d", 1); /* nor is it formatted */
    kt_task *t = NULL;
    int rc = kt_spawn_with(&(kt_spawn_options){.name = "brew"}, brew, "tea", 0, &t);
    return rc < 0 ? rc : kt_task_join(t);
}

int main(int argc, char **argv)
{
    const kt_log_sink sinks[] = {
        {.kind = KT_LOG_STDERR, .tasks = true},
        {.kind = KT_LOG_FILE, .path = argv[1], .form = KT_LOG_JSON, .rotate_bytes = 10 << 20},
    };
    int rc = kt_log_open(&(kt_log_options){.sinks = sinks, .sinks_count = argc > 1 ? 2 : 1});
    if (rc == 0)
        rc = kt_log_levels_set("info,shop.kitchen=debug");
    if (rc < 0) {
        fprintf(stderr, "log: %s\n", kt_error_detail());
        return 1;
    }
    rc = kt_run(open_shop, NULL, 0);
    kt_log_close();
    printf("%s\n", rc < 0 ? kt_strerror(rc) : "closed");
    return rc < 0;
}
