/* SPDX-License-Identifier: MIT */
/* How many tasks can wait at once, each with a guard below its stack. */
#include "sure.h"

#include <sys/mman.h>
#include <unistd.h>

#include "core/core.h"
#include "core/switch.h"
#include "under_valgrind.h"

#define RUNNING_SLOWLY (KT__ASAN || KT__TSAN || UNDER_VALGRIND)

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* A parked task: the page of its stack, its kt_task, a share of the page tables. Measured below. */
#define BYTES_PER_TASK 5200ul

/* The driver has no part in this, so one of them will do. */
static void once(void)
{
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") != 0)
        kt_test_skip("once is enough: under sim");
    if (RUNNING_SLOWLY)
        kt_test_skip("sanitizers and Valgrind keep books and maps for every stack");
}

static bool has_guard_install(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    bool works = madvise(page, size, MADV_GUARD_INSTALL) == 0;
    munmap(page, size);
    return works;
}

/* A figure of a file like /proc/meminfo, by its first word; 0 if there is none. */
static unsigned long figure(const char *path, const char *name)
{
    char line[256];
    unsigned long value = 0;
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtoul(line + strlen(name), NULL, 10);
    fclose(file);
    return value;
}

static unsigned long maps_max(void)
{
    return figure("/proc/sys/vm/max_map_count", "");
}

static size_t maps_now(void)
{
    size_t count = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    CHECK(file != NULL);
    for (int c; (c = getc(file)) != EOF;)
        count += c == '\n';
    fclose(file);
    return count;
}

typedef struct crowd {
    size_t wanted, parked;
    kt_event go;
    int failure; /* of the first that could not be parked */
} crowd;

static int parks(void *arg)
{
    crowd *c = arg;
    c->parked++;
    return kt_event_wait(&c->go);
}

static int assembles(void *arg)
{
    crowd *c = arg;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    for (size_t i = 0; i < c->wanted && rc == 0; i++)
        rc = kt_group_spawn(&g, parks, c, 0);
    for (size_t before = c->parked + 1; rc == 0 && before != c->parked;) {
        before = c->parked;
        rc = kt_sleep(0);
    }
    if (rc == 0 && c->parked == c->wanted) {
        printf("%zu parked: %lu KiB resident, %lu KiB of page tables, %zu of %lu maps\n", c->parked,
               figure("/proc/self/status", "VmRSS:"), figure("/proc/self/status", "VmPTE:"),
               maps_now(), maps_max());
        CHECK_LT(maps_now(), maps_max());
    }
    kt_event_set(&c->go);
    return c->failure = kt_group_join(&g, rc);
}

static int run_crowd(crowd *c)
{
    const kt_options sim = {.driver = KT_DRIVER_SIM};
    setenv("KETTLE_DRIVER", "sim", 1);
    kt_allocator_set(NULL); /* the kit's own book-keeping would cost as much again */
    return kt_run_with(&sim, assembles, c, 0);
}

TEST_WITH(a_million_tasks_wait_each_with_its_guard, KT_TEST_NO_LOOP)
{
    crowd c = {.wanted = 1000000, .go = KT_EVENT_INIT};
    once();
    unsigned long available = figure("/proc/meminfo", "MemAvailable:") * 1024;
    if (!has_guard_install())
        kt_test_skip("this kernel has no MADV_GUARD_INSTALL (Linux 6.13)");
    if (available < c.wanted * BYTES_PER_TASK + (512ul << 20))
        kt_test_skip("a million stacks need %lu MiB, %lu are available",
                     (c.wanted * BYTES_PER_TASK + (512ul << 20)) >> 20, available >> 20);
    CHECK_OK(run_crowd(&c));
    CHECK_EQ(c.parked, c.wanted);
}

TEST_WITH(thirty_thousand_tasks_wait_with_guards_by_map, KT_TEST_NO_LOOP)
{
    crowd c = {.wanted = 30000, .go = KT_EVENT_INIT};
    once();
    if (maps_max() < 65530)
        kt_test_skip("vm.max_map_count is %lu, below the system's default", maps_max());
    setenv("KETTLE_GUARD", "map", 1);
    CHECK_OK(run_crowd(&c));
    CHECK_EQ(c.parked, c.wanted);
}

TEST_WITH(beyond_the_limit_of_maps_the_error_names_it, KT_TEST_NO_LOOP)
{
    crowd c = {.wanted = maps_max() / 2 + 2000, .go = KT_EVENT_INIT};
    once();
    if (maps_max() > 70000)
        kt_test_skip("vm.max_map_count is %lu: too many tasks to reach it", maps_max());
    setenv("KETTLE_GUARD", "map", 1);
    CHECK_ERR(run_crowd(&c), KT_ENOSTACK);
    CHECK(strstr(kt_error_detail(), "raise vm.max_map_count (or run Linux 6.13 or later) or lower"));
    CHECK_LT(c.parked, c.wanted);
    CHECK_GT(c.parked, maps_max() / 2 - 2000);
}

/* ---- What it holds ---------------------------------------------------------------------------- */

/* Bytes down to the lowest page that is in memory. */
static size_t resident(const kt__stack *stack)
{
    return kt__stack_touched(stack, stack->limit + kt__stack_usable(stack));
}

static __attribute__((noinline)) void use_much(void)
{
    char bytes[40000];
    memset(bytes, 1, sizeof bytes);
    __asm__ volatile("" : : "r"(bytes) : "memory"); /* somebody might look */
}

static int notes_its_stack(void *arg)
{
    *(const kt__stack **)arg = kt__stacks_holding(&kt_loop_current()->stacks, __builtin_frame_address(0));
    return kt_sleep(KT_S(1));
}

TEST(a_task_that_waits_needs_one_page_whatever_its_stack_s_colour)
{
    enum { TASKS = 24 };
    const kt__stack *stacks[TASKS];
    kt_auto(kt_group) g = KT_GROUP_INIT;
    if (RUNNING_SLOWLY)
        kt_test_skip("frames are larger");
    for (int i = 0; i < TASKS; i++)
        CHECK_OK(kt_group_spawn(&g, notes_its_stack, &stacks[i], 0));
    CHECK_OK(kt_sleep(KT_MS(500)));
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(resident(stacks[i]), 4096u);
    CHECK_OK(kt_group_join(&g, 0));
}

TEST(a_trim_gives_back_what_lies_below_the_caller)
{
    const kt__stack *mine = kt__stacks_holding(&kt_loop_current()->stacks, __builtin_frame_address(0));
    char above[64] = "stays";
    use_much();
    if (!RUNNING_SLOWLY)
        CHECK_GT(resident(mine), 40000u);
    kt_task_trim();
    CHECK_EQ(strcmp(above, "stays"), 0);
    if (!RUNNING_SLOWLY)
        CHECK_LT(resident(mine), 40000u);
    use_much(); /* and it grows again */
}

static int trims(void *arg)
{
    const kt__stack *mine = kt__stacks_holding(&kt_loop_current()->stacks, __builtin_frame_address(0));
    const kt__stack *caller = arg;
    CHECK(mine != NULL && mine != caller);
    use_much();
    kt_task_trim();
    CHECK(RUNNING_SLOWLY || (resident(mine) < 40000 && resident(caller) > 40000));
    return 0;
}

TEST(a_trim_in_a_coroutine_is_of_the_coroutine_s_stack)
{
    const kt__stack *mine = kt__stacks_holding(&kt_loop_current()->stacks, __builtin_frame_address(0));
    kt_auto(kt_coroutine) *c = NULL;
    use_much();
    CHECK_OK(kt_coroutine_new(trims, mine, 0, &c));
    CHECK_OK(kt_coroutine_resume(c, NULL, NULL));
}

TEST_WITH(outside_a_task_a_trim_does_nothing, KT_TEST_NO_LOOP)
{
    kt_task_trim();
    CHECK(kt_task_current() == NULL);
}

/* ---- Whose an address is --------------------------------------------------------------------- */

TEST(a_stack_is_found_by_each_of_its_addresses_and_a_guard_by_its_own)
{
    const kt__stacks *s = &kt_loop_current()->stacks;
    const kt__stack *mine = kt__stacks_holding(s, __builtin_frame_address(0));
    CHECK(mine != NULL);
    CHECK(kt__stacks_holding(s, mine->low) == mine);
    CHECK(kt__stacks_holding(s, mine->low - 1) != mine);
    CHECK(kt__stacks_holding(s, mine->top - 1) == mine);
    CHECK(kt__stacks_guarding(s, mine->low) == mine);
    CHECK(kt__stacks_guarding(s, mine->limit - 1) == mine);
    CHECK(kt__stacks_guarding(s, mine->limit) == NULL);
    CHECK(kt__stacks_guarding(s, __builtin_frame_address(0)) == NULL);
    CHECK(kt__stacks_holding(s, s) == NULL);
}

/* The tests' first task has the first stack of a slab, in which others are not used yet. */
TEST(a_stack_that_was_never_taken_is_nobodys)
{
    const kt__stacks *s = &kt_loop_current()->stacks;
    const kt__stack *last = kt__stacks_holding(s, __builtin_frame_address(0)), *next;
    CHECK(last != NULL);
    const size_t slot = (size_t)(last->limit - last->low) + s->standard.usable;
    while ((next = kt__stacks_holding(s, last->low + slot)))
        last = next;
    CHECK(last->limit > last->low);
}

/* In a stack's neighbourhood others begin and end, of its own slab and of the next. */
TEST(each_of_many_stacks_is_found_by_its_first_byte_and_its_last)
{
    enum { MANY = 300 };
    static kt__stack *stacks[MANY];
    kt__stacks s = {.in_use = 0};
    kt__stacks_open(&s, 16 << 10);
    for (int i = 0; i < MANY; i++)
        CHECK_OK(kt__stack_take(&s, 0, &stacks[i]));
    for (int i = 0; i < MANY; i++) {
        CHECK(kt__stacks_holding(&s, stacks[i]->low) == stacks[i]);
        CHECK(kt__stacks_holding(&s, stacks[i]->limit + kt__stack_usable(stacks[i]) - 1) == stacks[i]);
    }
    for (int i = 0; i < MANY; i++)
        kt__stack_give(&s, stacks[i]);
    kt__stacks_close(&s);
}
