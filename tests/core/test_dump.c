/* SPDX-License-Identifier: MIT */
/* What a dump says of each task, word by word; in virtual time it is always the same. */
#include "sure.h"

#include <dlfcn.h>

#include "core/symbol.h"

static char text[32768];

/* The lines about tasks, without those of their stacks. */
static const char *dumped(void)
{
    size_t used = 0;
    FILE *file = tmpfile();
    CHECK(file != NULL);
    kt_task_dump(fileno(file));
    rewind(file);
    while (fgets(text + used, (int)(sizeof text - used), file)) {
        CHECK(!strstr(text + used, "(nil)")); /* a frame that is none */
        if (strstr(text + used, "task '") && !strchr(text + used, '#'))
            used += strlen(text + used);
    }
    text[used] = '\0';
    fclose(file);
    return text;
}

static kt_task *spawn_named(const char *name, kt_fn fn, void *arg)
{
    const kt_spawn_options options = {.name = name};
    kt_task *t;
    sure(kt_spawn_with(&options, fn, arg, 0, &t));
    return t;
}

static int sleeps(void *seconds)
{
    return kt_sleep(KT_S(*(int *)seconds));
}

static int sleeps_for_ever(void *arg)
{
    (void)arg;
    return kt_sleep(KT_FOREVER);
}

static void end(kt_task *t)
{
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

/* ---- The tree --------------------------------------------------------------------------- */

/* Spawns a task for each letter, and by each those in the brackets behind it. */
static int spawns(void *letters)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (const char *s = letters; *s && *s != ')'; s++) {
        char name[2] = {*s, '\0'};
        const kt_spawn_options options = {.name = name};
        bool inner = s[1] == '(';
        const char *below = inner ? s + 2 : "";
        sure(kt_group_spawn_with(&g, &options, spawns, below, 0, NULL));
        for (int depth = 0; inner; inner = depth > 0) {
            s++;
            depth += (*s == '(') - (*s == ')');
        }
    }
    int rc = kt_sleep(KT_S(60));
    return kt_group_join(&g, rc);
}

TEST(tasks_stand_below_those_that_spawned_them)
{
    kt_task *t = spawn_named("root", spawns, "a(c(e)d)b(f)g");
    sure(kt_sleep(KT_S(1)));
    CHECK_STR(dumped(), "  task 'main' runs; 1.000 s old\n"
                        "    task 'root' waits for sleep, 59.000 s left; 1.000 s old\n"
                        "      task 'a' waits for sleep, 59.000 s left; 1.000 s old\n"
                        "        task 'c' waits for sleep, 59.000 s left; 1.000 s old\n"
                        "          task 'e' waits for sleep, 59.000 s left; 1.000 s old\n"
                        "        task 'd' waits for sleep, 59.000 s left; 1.000 s old\n"
                        "      task 'b' waits for sleep, 59.000 s left; 1.000 s old\n"
                        "        task 'f' waits for sleep, 59.000 s left; 1.000 s old\n"
                        "      task 'g' waits for sleep, 59.000 s left; 1.000 s old\n");
    end(t);
}

static int is_deep(void *arg)
{
    int depth = *(int *)arg + 1;
    kt_task *t = depth < 24 ? spawn(is_deep, &depth, sizeof depth) : NULL;
    int rc = kt_sleep(KT_S(60));
    if (t)
        end(t);
    return rc;
}

TEST(deep_ones_stand_no_further_right_than_the_twentieth)
{
    kt_task *t = spawn(is_deep, &(int){0}, sizeof(int));
    yield_times(30);
    dumped();
    for (int number = 2; number <= 25; number++) {
        char name[32];
        snprintf(name, sizeof name, "  task 'Task-%d'", number);
        const char *line = strstr(text, name);
        CHECK(line != NULL);
        int indent = 0;
        for (; line > text && line[-1] == ' '; line--)
            indent++;
        CHECK_EQ(indent, 2 * (number - 1 < 20 ? number - 1 : 20));
    }
    end(t);
}

/* ---- What they wait for -------------------------------------------------------------------------- */

typedef struct stage {
    kt_event event;
    kt_lock lock;
    kt_task *other;
} stage;

static int waits_with_limits(void *arg)
{
    stage *s = arg;
    kt_auto(kt_timeout) outer = KT_TIMEOUT_INIT, inner = KT_TIMEOUT_INIT, never = KT_TIMEOUT_INIT;
    kt_timeout_start(&outer, KT_S(9));
    kt_timeout_start(&inner, KT_MS(500));
    kt_timeout_start(&never, KT_FOREVER);
    CHECK_ERR(kt_sleep(KT_S(5)), KT_ETIMEDOUT);
    CHECK_ERR(kt_cancel_catch(), KT_ETIMEDOUT);
    return kt_event_wait(&s->event);
}

static int holds_back(void *arg)
{
    stage *s = arg;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_cancel_hold();
    int rc = kt_event_wait(&s->event);
    kt_cancel_unhold();
    return kt_group_join(&g, rc);
}

static int locks(void *arg)
{
    stage *s = arg;
    return kt_lock_acquire(&s->lock);
}

static int awaits(void *arg)
{
    stage *s = arg;
    return kt_task_await(s->other);
}

TEST(each_says_what_it_waits_for_and_its_limits)
{
    stage s = {.event = KT_EVENT_INIT, .lock = KT_LOCK_INIT};
    sure(kt_lock_acquire(&s.lock));
    kt_task *tasks[] = {
        s.other = spawn_named("a", sleeps, &(int){5}), spawn_named("b", sleeps_for_ever, NULL),
        spawn_named("c", waits_with_limits, &s),       spawn_named("d", holds_back, &s),
        spawn_named("e", locks, &s),                   spawn_named("f", awaits, &s),
    };
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(tasks[3]);
    kt_task *fresh = spawn_named("g", sleeps, &(int){1}), *ready = tasks[0];
    kt_lock_release(&s.lock);
    CHECK_STR(dumped(), "  task 'main' runs; 1.000 s old\n"
                        "    task 'a' waits for sleep, 4.000 s left; 1.000 s old\n"
                        "    task 'b' waits for sleep, for ever; 1.000 s old\n"
                        "    task 'c' waits for an event; timeout, for ever"
                        "; timeout, fired; timeout, 8.000 s left; being cancelled; 1.000 s old\n"
                        "    task 'd' waits for an event; being cancelled; 1.000 s old\n"
                        "    task 'e' is ready; 1.000 s old\n"
                        "    task 'f' waits for task 'a'; 1.000 s old\n"
                        "    task 'g' has not started; 0.000 s old\n");
    kt_event_set(&s.event);
    for (int i = 5; i > 0; i--) {
        kt_task_cancel(tasks[i]);
        (void)!kt_task_join(tasks[i]);
    }
    end(fresh);
    (void)!kt_task_join(ready);
}

static int waits_for_children(void *count)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < *(int *)count; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        const kt_spawn_options options = {.name = name};
        sure(kt_group_spawn_with(&g, &options, sleeps_for_ever, NULL, 0, NULL));
    }
    return kt_group_join(&g, 0);
}

TEST(three_of_those_that_a_task_waits_for_are_named)
{
    kt_task *tasks[6];
    for (int i = 1; i < 6; i++)
        tasks[i] = spawn(waits_for_children, &i, sizeof i);
    yield_times(2);
    dumped();
    CHECK(strstr(text, "waits for its group's children ('a');"));
    CHECK(strstr(text, "waits for its group's children ('a', 'b');"));
    CHECK(strstr(text, "waits for its group's children ('a', 'b', 'c');"));
    CHECK(strstr(text, "waits for its group's children ('a', 'b', 'c', ...);"));
    CHECK(!strstr(text, "..., "));
    const char *first = strstr(text, ", ...)");
    CHECK(first && strstr(first + 1, ", ...)"));
    for (int i = 1; i < 6; i++)
        end(tasks[i]);
}

TEST(a_line_that_is_too_long_is_cut)
{
    char name[2000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    kt_task *t = spawn_named(name, sleeps_for_ever, NULL);
    yield_times(1);
    CHECK(strstr(dumped(), "xxxxxxxx"));
    const char *line = strchr(text, '\n') + 1;
    CHECK_EQ(strcspn(line, "\n"), 639);
    end(t);
}

/* ---- Names of places --------------------------------------------------------------------- */

int is_exported(int n);

__attribute__((noinline)) int is_exported(int n)
{
    return n * 7 + (int)strlen(text);
}

/* Without debug information: only what the dynamic linker knows. */
TEST(an_address_is_told_by_the_nearest_name_or_the_object_or_as_it_is)
{
    const char *function = (const char *)(uintptr_t)is_exported;
    char words[400];
    CHECK_EQ(is_exported(0), (int)strlen(text));
    kt__symbols_describe(NULL, function + 4, words, sizeof words);
    CHECK(strncmp(words, "is_exported+0x4 (", 17) == 0);
    kt__symbols_describe(NULL, NULL, words, sizeof words);
    CHECK_STR(words, "(nil)");
    kt__symbols_describe(NULL, (void *)0x1000, words, sizeof words);
    CHECK_STR(words, "0x1000");
}

/* The file by the last two parts of its path, which are the same wherever it was built. */
TEST_WITH(with_debug_information_a_place_has_its_file, KT_TEST_NO_LOOP)
{
    const char *function = (const char *)(uintptr_t)is_exported;
    char words[400];
    struct kt__symbols *symbols = kt__symbols_open();
    if (!symbols)
        kt_test_skip("libdw is not installed");
    kt__symbols_describe(symbols, function + 4, words, sizeof words);
    kt__symbols_close(symbols);
    CHECK(strncmp(words, "is_exported+0x4 at core/test_dump.c:", 36) == 0);
}

/* It is large, and there for reports only. */
TEST(what_reads_debug_information_is_unloaded_afterwards)
{
    char words[400];
    for (int i = 0; i < 2; i++) {
        CHECK(!dlopen("libdw.so.1", RTLD_LAZY | RTLD_NOLOAD));
        kt_site_format((const char *)(uintptr_t)is_exported + 4, words, sizeof words);
        CHECK(strstr(words, "is_exported+0x4"));
    }
}
