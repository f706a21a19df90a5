/* SPDX-License-Identifier: MIT */
#include "test/kit.h"

#include <kettle/process_pool.h>

#include <fnmatch.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    STATUS_SKIPPED = 77, /* of a program of which nothing ran; automake's and Meson's number */
};

typedef struct settings {
    bool list, no_fork;
    char **names; /* of the tests; none = all */
    int names_count;
} settings;

static kt__test *first, **end = &first; /* in the order of registration: that of the source */

/* Of this run. */
static struct {
    unsigned selected, passed, failed, skipped;
    const kt__test *current;
} run;

void kt__test_register(kt__test *t)
{
    *end = t;
    end = &t->next;
}

/* ---- Output ---------------------------------------------------------------------------- */

static const char *paint(const char *colour)
{
    static int on = -1;
    if (on < 0)
        on = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    return on ? colour : "";
}

#define GREEN paint("\033[32m")
#define RED paint("\033[1;31m")
#define YELLOW paint("\033[33m")
#define PLAIN paint("\033[0m")

static void print_indented(const char *bytes, size_t size)
{
    while (size > 0) {
        const char *line_end = memchr(bytes, '\n', size);
        size_t line = line_end ? (size_t)(line_end - bytes) : size;
        printf("    %.*s\n", (int)line, bytes);
        line += line_end != NULL;
        bytes += line;
        size -= line;
    }
}

static void print_failure(const kt__test *t, const kt__outcome *o)
{
    unsigned long long seed = atomic_load(&kt__test_status->seed);
    printf("%sFAIL%s %s\n    %s:%d", RED, PLAIN, t->name, t->file, t->line);
    if (seed > 0)
        printf(", seed %llu", seed);
    printf("%s%s\n", *o->reason ? ": " : "", o->reason);
    print_indented(o->output, o->output_size);
    if (o->output_dropped > 0)
        printf("    and %zu bytes more\n", o->output_dropped);
}

static void print_outcome(const kt__test *t, const kt__outcome *o, int64_t took_ms)
{
    switch (o->verdict) {
    case KT__PASSED:
        run.passed++;
        printf("%sok%s %s (%lld ms)\n", GREEN, PLAIN, t->name, (long long)took_ms);
        break;
    case KT__SKIPPED:
        run.skipped++;
        printf("%sskip%s %s: %s\n", YELLOW, PLAIN, t->name, o->reason);
        break;
    default:
        run.failed++;
        print_failure(t, o);
    }
    fflush(stdout);
}

/* Prints the last line and returns the exit status. A test that did not start has failed. */
static int sum_up(void)
{
    unsigned counted = run.passed + run.failed + run.skipped;
    if (counted < run.selected) {
        printf("%u did not start\n", run.selected - counted);
        run.failed += run.selected - counted;
    }
    printf("%u passed, %u failed, %u skipped\n", run.passed, run.failed, run.skipped);
    fflush(stdout);
    if (run.failed > 0)
        return 1;
    return run.passed > 0 ? 0 : STATUS_SKIPPED;
}

void kt__test_end_early(void)
{
    kt__outcome o = {.verdict = KT__SKIPPED};
    memcpy(o.reason, kt__test_status->reason, sizeof o.reason);
    print_outcome(run.current, &o, 0);
    kt__test_leave(sum_up());
}

/* ---- Running --------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static void run_here(const kt__test *t, kt__outcome *ret_outcome)
{
    kt__outcome o = {.verdict = KT__PASSED};
    if (t->dies_with) {
        o.verdict = KT__SKIPPED;
        snprintf(o.reason, sizeof o.reason, "it dies, for which it needs a process of its own");
    } else {
        kt__test_perform(t);
    }
    *ret_outcome = o;
}

static void run_test(const kt__test *t)
{
    kt__outcome o = {.verdict = KT__SKIPPED};
    int64_t start = now_ms();
    run.current = t;
    atomic_store(&kt__test_status->verdict, KT__RUNNING);
    atomic_store(&kt__test_status->checks, 0);
    atomic_store(&kt__test_status->seed, 0);
    if (*kt__test_unfit(t))
        snprintf(o.reason, sizeof o.reason, "%s", kt__test_unfit(t));
    else if (kt__test_forked)
        kt__test_run_forked(t, &o);
    else
        run_here(t, &o);
    print_outcome(t, &o, now_ms() - start);
    kt__test_disown(o.output);
}

/* ---- Arguments ------------------------------------------------------------------------- */

static bool is_selected(const settings *s, const kt__test *t)
{
    for (int i = 0; i < s->names_count; i++)
        if (fnmatch(s->names[i], t->name, 0) == 0)
            return true;
    return s->names_count == 0;
}

/* A name that selects nothing is a failure, or a mistyped one would pass for ever. */
static void count_unknown(const settings *s)
{
    for (int i = 0; i < s->names_count; i++) {
        bool known = false;
        for (const kt__test *t = first; t; t = t->next)
            known = known || fnmatch(s->names[i], t->name, 0) == 0;
        if (!known) {
            run.failed++;
            run.selected++;
            printf("%sFAIL%s %s: no such test\n", RED, PLAIN, s->names[i]);
        }
    }
    if (!first) {
        run.failed++;
        run.selected++;
        printf("%sFAIL%s there are no tests\n", RED, PLAIN);
    }
}

static bool parse(int argc, char **argv, settings *ret_settings)
{
    settings s = {.names = argv + 1}; /* names move to the front, behind the program's */
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0)
            s.list = true;
        else if (strcmp(argv[i], "--no-fork") == 0)
            s.no_fork = true;
        else if (argv[i][0] == '-')
            return false;
        else
            s.names[s.names_count++] = argv[i];
    }
    *ret_settings = s;
    return true;
}

/* Weak: a program with a main of its own may use the kit's simulated network and disk. */
KT_API __attribute__((weak)) int main(int argc, char **argv)
{
    kt_process_pool_main(argc, argv); /* so that tests can open pools of processes */
    settings s;
    if (!parse(argc, argv, &s)) {
        fprintf(stderr, "usage: %s [--list] [--no-fork] [NAME]...\n", argv[0]);
        return 1;
    }
    if (s.list) {
        for (const kt__test *t = first; t; t = t->next)
            if (is_selected(&s, t))
                puts(t->name);
        return 0;
    }
    kt__test_forked = !s.no_fork;
    kt__test_status = mmap(NULL, sizeof *kt__test_status, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (kt__test_status == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    kt__test_memory_prepare();
    count_unknown(&s);
    for (const kt__test *t = first; t; t = t->next)
        run.selected += is_selected(&s, t);
    for (const kt__test *t = first; t; t = t->next)
        if (is_selected(&s, t))
            run_test(t);
    return sum_up();
}
