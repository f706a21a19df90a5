/* SPDX-License-Identifier: MIT */
#include "test/kit.h"

#include <inttypes.h>
#include <stdarg.h>

enum {
    BYTES_SHOWN = 72,  /* of a string or a run of bytes */
    BYTES_BEFORE = 16, /* of these, before the first difference */
};

static bool passes(bool ok)
{
    atomic_fetch_add_explicit(&kt__test_status->checks, 1, memory_order_relaxed);
    return __builtin_expect(ok, 1);
}

static void begin(const char *text, const char *file, int line)
{
    kt__test_fail_begin();
    kt__test_say_failure("%s:%d: check failed: %s\n", file, line, text);
}

static void KT_NORETURN end(void)
{
    kt_task *t = kt_task_current();
    if (t)
        kt__test_say_failure("    in task %s\n", kt_task_name(t));
    kt__test_fail_end();
}

void kt__check_true(bool ok, const char *text, const char *file, int line)
{
    if (passes(ok))
        return;
    begin(text, file, line);
    end();
}

/* A number, and its name if it can be nothing but an error code of ours. */
static void say_int(const char *side, int64_t value)
{
    kt__test_say_failure("    %s %" PRId64, side, value);
    if (value < -KT__ERROR_BASE && value > -2 * KT__ERROR_BASE && *kt_error_name((int)value) != '?')
        kt__test_say_failure(" (%s)", kt_error_name((int)value));
    kt__test_say_bytes("\n", 1);
}

void kt__check_int(bool ok, const char *text, int64_t a, int64_t b, const char *file, int line)
{
    if (passes(ok))
        return;
    begin(text, file, line);
    say_int("left: ", a);
    say_int("right:", b);
    end();
}

static void say_escaped(unsigned char byte)
{
    static const char names[] = "\"\"\\\\\nn\rr\tt";
    for (const char *name = names; *name; name += 2) {
        if ((unsigned char)name[0] == byte) {
            kt__test_say_failure("\\%c", name[1]);
            return;
        }
    }
    if (byte >= 0x20 && byte < 0x7f)
        kt__test_say_bytes(&byte, 1);
    else
        kt__test_say_failure("\\x%02x", byte);
}

/* A window of the bytes that begins a little before `from`. */
static void say_slice(const char *side, kt_slice s, size_t from)
{
    size_t first = from > BYTES_BEFORE ? from - BYTES_BEFORE : 0;
    size_t last = s.size - first > BYTES_SHOWN ? first + BYTES_SHOWN : s.size;
    kt__test_say_failure("    %s %s\"", side, first > 0 ? "..." : "");
    for (size_t i = first; i < last; i++)
        say_escaped((unsigned char)s.data[i]);
    kt__test_say_failure("\"%s\n", last < s.size ? "..." : "");
}

static void say_slices(kt_slice a, kt_slice b)
{
    size_t from = 0;
    while (from < a.size && from < b.size && a.data[from] == b.data[from])
        from++;
    kt__test_say_failure("    %zu and %zu bytes, which differ from byte %zu on\n", a.size, b.size,
                         from);
    say_slice("left: ", a, from);
    say_slice("right:", b, from);
}

void kt__check_slice(const char *text, kt_slice a, kt_slice b, const char *file, int line)
{
    if (passes(kt_slice_equal(a, b)))
        return;
    begin(text, file, line);
    say_slices(a, b);
    end();
}

void kt__check_string(const char *text, const char *a, const char *b, const char *file, int line)
{
    if (passes(a && b ? strcmp(a, b) == 0 : a == b))
        return;
    begin(text, file, line);
    if (a && b) {
        say_slices(kt_slice_from(a), kt_slice_from(b));
    } else {
        kt_slice some = kt_slice_from(a ? a : b);
        if (!a)
            kt__test_say_failure("    left:  NULL\n");
        say_slice(a ? "left: " : "right:", some, 0);
        if (!b)
            kt__test_say_failure("    right: NULL\n");
    }
    end();
}

static void say_rc(const char *side, int64_t rc)
{
    kt__test_say_failure("    %s %" PRId64, side, rc);
    if (rc < 0 && rc >= INT32_MIN)
        kt__test_say_failure(" (%s: %s)", kt_error_name((int)rc), kt_strerror((int)rc));
    kt__test_say_bytes("\n", 1);
}

void kt__check_rc(bool ok, const char *text, int64_t rc, int64_t expected, const char *file,
                  int line)
{
    if (passes(ok))
        return;
    begin(text, file, line);
    say_rc("gave:    ", rc);
    if (rc < 0 && expected == 0)
        kt__test_say_failure("    expected: success\n");
    else
        say_rc("expected:", expected);
    if (rc < 0 && *kt_error_detail())
        kt__test_say_failure("    detail:   %s\n", kt_error_detail());
    end();
}

void kt_test_fail(const char *reason, ...)
{
    char line[2048];
    va_list args;
    va_start(args, reason);
    vsnprintf(line, sizeof line, reason, args);
    va_end(args);
    kt__test_fail_begin();
    kt__test_say_failure("%s\n", line);
    end();
}

void kt_test_skip(const char *reason, ...)
{
    va_list args;
    va_start(args, reason);
    vsnprintf(kt__test_status->reason, sizeof kt__test_status->reason, reason, args);
    va_end(args);
    int running = KT__RUNNING;
    atomic_compare_exchange_strong(&kt__test_status->verdict, &running, KT__SKIPPED);
    if (!kt__test_forked)
        kt__test_end_early();
    kt__test_leave(0);
}
