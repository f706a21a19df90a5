/* SPDX-License-Identifier: MIT */

/* Lines: what they look like, and which are written. */

#include "log_kit.h"

#include <locale.h>

static kt_logger shop = KT_LOGGER("shop"), web = KT_LOGGER("shop.web"), everything = KT_LOGGER("");

/* ---- The form -------------------------------------------------------------------------------- */

TEST_WITH(a_line_has_time_name_level_and_message, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    open_file(s.file);
    kt_log_info(&web, "port %d is %s", 8000, "open");
    kt_log_close();
    CHECK_STR(behind_time(contents(s.file)), "shop.web - INFO - port 8000 is open\n");
    scratch_remove(&s);
}

TEST_WITH(the_time_is_local_as_strftime_says, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    char before[32], after[32];
    CHECK_EQ(setenv("TZ", "Asia/Kathmandu", 1), 0); /* +05:45 */
    tzset();
    time_t now = time(NULL);
    open_file(s.file);
    kt_log_info(&shop, "now");
    kt_log_close();
    strftime(before, sizeof before, "%Y-%m-%d %H:%M:%S", localtime(&now));
    now = time(NULL);
    strftime(after, sizeof after, "%Y-%m-%d %H:%M:%S", localtime(&now));
    const char *line = contents(s.file);
    CHECK(strncmp(line, before, 19) >= 0 && strncmp(line, after, 19) <= 0);
    scratch_remove(&s);
}

TEST_WITH(utc_is_marked_as_such, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    CHECK_EQ(setenv("TZ", "Asia/Kathmandu", 1), 0);
    tzset();
    char hour[32];
    time_t now = time(NULL);
    open_one(&(kt_log_sink){.kind = KT_LOG_FILE, .path = s.file, .utc = true});
    kt_log_info(&shop, "now");
    kt_log_close();
    strftime(hour, sizeof hour, "%Y-%m-%dT%H:", gmtime(&now));
    const char *line = contents(s.file);
    if (time(NULL) / 3600 == now / 3600)
        CHECK_MEM(line, hour, strlen(hour));
    CHECK_STR(line + strlen("2026-11-25T17:14:48.123"), "Z - shop - INFO - now\n");
    scratch_remove(&s);
}

TEST_WITH(a_failure_tells_code_reason_and_detail, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    open_file(s.file);
    int rc = kt_error_set(KT_ENOTFOUND, "no such queue: tea");
    kt_log_failure(&shop, rc, "cannot start");
    kt_log_close();
    CHECK_STR(behind_time(contents(s.file)),
              "shop - ERROR - cannot start: not found (KT_ENOTFOUND: no such queue: tea)\n");
    scratch_remove(&s);
}

TEST_WITH(fields_stand_behind_the_message, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    const kt_log_field fields[] = {
        kt_log_text("peer", "::1"),     kt_log_text("agent", "a \"b\"\n"),
        kt_log_integer("n", INT64_MIN), kt_log_real("share", 0.1),
        kt_log_bool("good", true),      kt_log_text("none", NULL)};
    const kt_log_extra extra = {.fields = fields, .fields_count = 6};
    open_file(s.file);
    kt_log_at(&shop, KT_LOG_WARNING, &extra, "odd");
    kt_log_close();
    CHECK_STR(behind_time(contents(s.file)),
              "shop - WARNING - odd peer=::1 agent=\"a \\\"b\\\"\\n\" "
              "n=-9223372036854775808 share=0.1 good=true none=null\n");
    scratch_remove(&s);
}

TEST_WITH(a_strangers_text_can_neither_pose_as_a_line_nor_steer_the_terminal, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    open_file(s.file);
    kt_log_info(&shop, "a\n2026-01-01 - root - INFO - b\r\x1b[2J\x07\xff\xc0\xaf\xed\xa0\x80\xe0\x80\xaf "
                       "\xe2\x80\xae \xc2\x85 \xe2\x82\xac");
    kt_log_close();
    CHECK_STR(behind_time(contents(s.file)),
              "shop - INFO - a\n    2026-01-01 - root - INFO - b\\x0d\\x1b[2J\\x07"
              "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
              "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
              "\xef\xbf\xbd \\x85 \xe2\x82\xac\n");
    scratch_remove(&s);
}

TEST_WITH(the_root_logger_is_called_root, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    open_file(s.file);
    kt_log_critical(&everything, "on fire");
    kt_log_close();
    CHECK_STR(behind_time(contents(s.file)), "root - CRITICAL - on fire\n");
    scratch_remove(&s);
}

TEST_WITH(a_long_message_is_whole_up_to_its_limit, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    const kt_log_sink sink = {.kind = KT_LOG_FILE, .path = s.file};
    CHECK_OK(kt_log_open(
        &(kt_log_options){.sinks = &sink, .sinks_count = 1, .message_bytes_max = 3000}));
    kt_log_info(&shop, "%02999d", 7);
    kt_log_info(&shop, "%03000d", 7);
    kt_log_info(&shop, "%03001d", 7);
    kt_log_info(&shop, "%0511d", 7);
    kt_log_info(&shop, "%0512d", 7);
    kt_log_close();
    static const size_t sizes[] = {2999, 3000, 3000, 511, 512};
    const char *line = contents(s.file);
    for (int i = 0; i < 5; i++) {
        const char *message = behind_time(line) + strlen("shop - INFO - ");
        CHECK_EQ(strcspn(message, "\n"), sizes[i]);
        CHECK_EQ(message[sizes[i] - 1], i == 2 ? '0' : '7');
        line = strchr(message, '\n') + 1;
    }
    CHECK_STR(line, "");
    scratch_remove(&s);
}

TEST_WITH(fields_beyond_the_limit_are_left_out, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    const kt_log_sink sink = {.kind = KT_LOG_FILE, .path = s.file};
    static char much[5000];
    memset(much, 'x', sizeof much - 1);
    const kt_log_field fields[] = {kt_log_integer("n", 12345), kt_log_text("much", much),
                                   kt_log_integer("m", 1)};
    const kt_log_extra extra = {.fields = fields, .fields_count = 3};
    CHECK_OK(
        kt_log_open(&(kt_log_options){.sinks = &sink, .sinks_count = 1, .message_bytes_max = 100}));
    kt_log_at(&shop, KT_LOG_INFO, &extra, "m");
    kt_log_close();
    const char *line = behind_time(contents(s.file));
    CHECK_MEM(line, "shop - INFO - m n=12345 much=xxx", 32);
    CHECK_LT(strlen(line), 150);
    CHECK(strstr(line, " m=") == NULL);
    scratch_remove(&s);
}

TEST_WITH(logging_leaves_errno_alone, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    open_file(s.file);
    errno = EBADMSG;
    kt_log_info(&shop, "%s", "text");
    CHECK_EQ(errno, EBADMSG);
    kt_log_close();
    scratch_remove(&s);
}

/* ---- Which are written ----------------------------------------------------------------------- */

static int evaluated;

static int evaluate(void)
{
    return ++evaluated;
}

TEST_WITH(a_level_that_is_off_evaluates_nothing, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    kt_log_info(&shop, "%d", evaluate()); /* not open */
    open_file(s.file);
    kt_log_debug(&shop, "%d", evaluate());
    CHECK_EQ(evaluated, 0);
    kt_log_info(&shop, "%d", evaluate());
    CHECK_EQ(evaluated, 1);
    kt_log_close();
    kt_log_critical(&shop, "%d", evaluate());
    CHECK_EQ(evaluated, 1);
    CHECK_STR(behind_time(contents(s.file)), "shop - INFO - 1\n");
    scratch_remove(&s);
}

TEST_WITH(a_logger_has_the_level_of_the_nearest_one_above, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    kt_logger webber = KT_LOGGER("shop.webber"), deep = KT_LOGGER("shop.web.a.b");
    open_file(s.file);
    CHECK(!kt_log_enabled(&web, KT_LOG_DEBUG));
    CHECK_OK(kt_log_level_set("shop.web", KT_LOG_DEBUG));
    CHECK(kt_log_enabled(&web, KT_LOG_DEBUG) && kt_log_enabled(&deep, KT_LOG_DEBUG));
    CHECK(!kt_log_enabled(&shop, KT_LOG_DEBUG) && !kt_log_enabled(&webber, KT_LOG_DEBUG));
    CHECK_OK(kt_log_level_set("shop", KT_LOG_ERROR));
    CHECK(!kt_log_enabled(&webber, KT_LOG_WARNING) && kt_log_enabled(&webber, KT_LOG_ERROR));
    CHECK_OK(kt_log_level_set("shop.web", KT_LOG_DEFAULT));
    CHECK(!kt_log_enabled(&deep, KT_LOG_WARNING));
    CHECK_OK(kt_log_level_set("", KT_LOG_OFF));
    CHECK(!kt_log_enabled(&everything, KT_LOG_CRITICAL) && kt_log_enabled(&shop, KT_LOG_ERROR));
    CHECK_OK(kt_log_level_set("", KT_LOG_DEFAULT));
    CHECK_OK(kt_log_level_set("shop", KT_LOG_DEFAULT));
    CHECK(kt_log_enabled(&shop, KT_LOG_INFO));
    kt_logger_release(&webber);
    kt_logger_release(&deep);
    kt_log_close();
    scratch_remove(&s);
}

TEST_WITH(levels_as_users_write_them_are_all_taken_or_none, KT_TEST_NO_LOOP)
{
    CHECK_OK(kt_log_levels_set(" Warning , shop.web=DEBUG,shop.db = off"));
    CHECK_EQ(kt_log_level(""), KT_LOG_WARNING);
    CHECK_EQ(kt_log_level("shop.web"), KT_LOG_DEBUG);
    CHECK_EQ(kt_log_level("shop.db.x"), KT_LOG_OFF);
    CHECK_ERR(kt_log_levels_set("shop.db=info,shop.web=loud"), KT_EVALIDATION);
    CHECK(strstr(kt_error_detail(), "'loud' is no level") != NULL);
    CHECK_EQ(kt_log_level("shop.db"), KT_LOG_OFF);
    CHECK_ERR(kt_log_levels_set(""), KT_EVALIDATION);
    CHECK_ERR(kt_log_level_set("x", -1), -EINVAL);
    CHECK_OK(kt_log_level_set("", KT_LOG_DEFAULT));
    CHECK_OK(kt_log_level_set("shop.web", KT_LOG_DEFAULT));
    CHECK_OK(kt_log_level_set("shop.db", KT_LOG_DEFAULT));
    CHECK_EQ(kt_log_level("shop.db"), KT_LOG_INFO);
}

TEST_WITH(a_sink_has_a_level_of_its_own, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    char errors[128];
    snprintf(errors, sizeof errors, "%s.errors", s.file);
    const kt_log_sink sinks[] = {{.kind = KT_LOG_FILE, .path = s.file},
                                 {.kind = KT_LOG_FILE, .path = errors, .level = KT_LOG_ERROR}};
    CHECK_OK(
        kt_log_open(&(kt_log_options){.level = KT_LOG_DEBUG, .sinks = sinks, .sinks_count = 2}));
    kt_log_debug(&shop, "small");
    kt_log_error(&shop, "large");
    kt_log_close();
    CHECK_STR(behind_time(contents(errors)), "shop - ERROR - large\n");
    const char *line = behind_time(contents(s.file));
    CHECK_MEM(line, "shop - DEBUG - small\n", 21);
    CHECK_STR(behind_time(line + 21), "shop - ERROR - large\n");
    scratch_remove(&s);
}

TEST_WITH(names_of_levels_are_pythons, KT_TEST_NO_LOOP)
{
    CHECK_STR(kt_log_level_name(KT_LOG_CRITICAL + 5), "CRITICAL");
    CHECK_STR(kt_log_level_name(KT_LOG_INFO + 9), "INFO");
    CHECK_STR(kt_log_level_name(KT_LOG_DEBUG), "DEBUG");
    CHECK_STR(kt_log_level_name(KT_LOG_DEBUG - 1), "NOTSET");
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void check_refused(const kt_log_options *o, int rc, const char *words)
{
    CHECK_ERR(kt_log_open(o), rc);
    CHECK(strstr(kt_error_detail(), words) != NULL);
}

TEST_WITH(an_option_out_of_range_is_named, KT_TEST_NO_LOOP)
{
    const kt_log_sink unnamed = {.kind = KT_LOG_FILE}, kept = {.keep = 1000},
                      quick = {.rotate_every = 1},
                      closed = {.kind = KT_LOG_DESCRIPTOR, .descriptor = 1000},
                      missing = {.kind = KT_LOG_FILE, .path = "/nonexistent/log"};
    check_refused(&(kt_log_options){.level = -1}, -EINVAL, "level");
    check_refused(&(kt_log_options){.sinks_count = 9}, -EINVAL, "sinks");
    check_refused(&(kt_log_options){.buffer_bytes = 100}, -EINVAL, "buffer_bytes");
    check_refused(&(kt_log_options){.message_bytes_max = 65537}, -EINVAL, "message_bytes_max");
    check_refused(&(kt_log_options){.flush_limit = -1}, -EINVAL, "flush_limit");
    check_refused(&(kt_log_options){.sinks = &unnamed, .sinks_count = 1}, -EINVAL, "path");
    check_refused(&(kt_log_options){.sinks = &kept, .sinks_count = 1}, -EINVAL, "keep");
    check_refused(&(kt_log_options){.sinks = &quick, .sinks_count = 1}, -EINVAL, "rotate_every");
    check_refused(&(kt_log_options){.sinks = &closed, .sinks_count = 1}, -EBADF, "descriptor 1000");
    check_refused(&(kt_log_options){.sinks = &missing, .sinks_count = 1}, -ENOENT,
                  "/nonexistent/log");
}

TEST_WITH(there_is_one_log_a_process, KT_TEST_NO_LOOP)
{
    scratch s = scratch_make();
    kt_log_counts counts;
    open_file(s.file);
    CHECK_ERR(kt_log_open(NULL), KT_EINVALIDSTATE);
    kt_log_info(&shop, "one");
    kt_log_counts_get(&counts);
    CHECK_EQ(counts.logged, 1);
    kt_log_close();
    kt_log_close();
    open_file(s.file); /* and again: the file is appended to */
    kt_log_info(&shop, "two");
    CHECK_OK(kt_log_flush(KT_S(60)));
    CHECK(strstr(contents(s.file), "one\n") && strstr(contents(s.file), "two\n"));
    kt_log_close();
    scratch_remove(&s);
}

TEST(a_line_of_a_task_carries_its_name)
{
    scratch s = scratch_make();
    open_one(&(kt_log_sink){.kind = KT_LOG_FILE, .path = s.file, .tasks = true});
    CHECK_OK(kt_task_name_set(kt_task_current(), "brew"));
    kt_log_info(&shop, "tea");
    kt_log_close();
    CHECK_STR(behind_time(contents(s.file)), "shop - INFO - [brew] tea\n");
    scratch_remove(&s);
}

static int logs_much(void *arg)
{
    const kt_log_field fields[] = {kt_log_real("share", 1e300 / 3), kt_log_text("peer", "::1")};
    const kt_log_extra extra = {.rc = -ENOENT, .fields = fields, .fields_count = 2};
    kt_log_at(&shop, KT_LOG_INFO, &extra, "%s %.300f %4000d", (const char *)arg, 1e300 / 3, 1);
    return 0;
}

TEST(the_smallest_stack_suffices_for_any_line)
{
    scratch s = scratch_make();
    kt_task *t = NULL;
    char *text = kt_alloc(3000);
    CHECK(text != NULL);
    memset(text, 'x', 2999);
    text[2999] = '\0';
    open_file(s.file);
    CHECK_OK(kt_spawn_with(&(kt_spawn_options){.stack_bytes = 16384}, logs_much, text, 0, &t));
    CHECK_OK(kt_task_join(t));
    kt_log_close();
    CHECK_GT(strlen(contents(s.file)), 7000);
    kt_free(text);
    scratch_remove(&s);
}

TEST(a_flush_waits_for_the_lines_before_it)
{
    scratch s = scratch_make();
    open_file(s.file);
    kt_log_info(&shop, "tea");
    CHECK_OK(kt_log_flush(KT_S(60)));
    CHECK_STR(behind_time(contents(s.file)), "shop - INFO - tea\n");
    kt_log_close();
    scratch_remove(&s);
}
