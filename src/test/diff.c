/* SPDX-License-Identifier: MIT */
#include "test/kit.h"

/* The unified difference of two short texts, as diff(1) -u prints it. */

enum {
    CONTEXT = 3,
    CELLS_MAX = 4000000, /* of the table; beyond, everything between the common ends differs */
};

typedef struct lines {
    kt_slice *line; /* owned */
    size_t count;
} lines;

typedef struct edit {
    char mark; /* ' ', '-' expected only, '+' found only */
    kt_slice line;
} edit;

typedef struct script {
    edit *edits; /* owned */
    size_t count;
} script;

/* An empty text has no lines. */
static lines split(kt_slice text)
{
    lines l = {NULL, 0};
    size_t at = 0;
    for (size_t i = 0; i < text.size; i++)
        l.count += text.data[i] == '\n';
    l.count += text.size > 0;
    l.line = kt__test_own(NULL, l.count * sizeof *l.line);
    for (size_t i = 0; i < l.count; i++) {
        const char *start = text.data + at, *end = memchr(start, '\n', text.size - at);
        l.line[i].data = start;
        l.line[i].size = end ? (size_t)(end - start) : text.size - at;
        at += l.line[i].size + 1;
    }
    return l;
}

static void add(script *s, char mark, kt_slice line)
{
    s->edits[s->count].mark = mark;
    s->edits[s->count++].line = line;
}

/* cell[i * (b.count + 1) + j] = length of the longest common subsequence of a[i..] and b[j..]. */
static uint32_t *table(lines a, lines b)
{
    size_t width = b.count + 1;
    if ((a.count + 1) > CELLS_MAX / width)
        return NULL;
    uint32_t *cell = kt__test_own(NULL, (a.count + 1) * width * sizeof *cell);
    memset(cell, 0, (a.count + 1) * width * sizeof *cell);
    for (size_t i = a.count; i-- > 0;) {
        for (size_t j = b.count; j-- > 0;) {
            uint32_t down = cell[(i + 1) * width + j], right = cell[i * width + j + 1];
            cell[i * width + j] = kt_slice_equal(a.line[i], b.line[j])
                                      ? cell[(i + 1) * width + j + 1] + 1
                                      : (down > right ? down : right);
        }
    }
    return cell;
}

/* The part where neither the first nor the last lines are equal. */
static void add_middle(script *s, lines a, lines b)
{
    uint32_t *cell = table(a, b);
    size_t i = 0, j = 0, width = b.count + 1;
    while (cell && i < a.count && j < b.count) {
        if (kt_slice_equal(a.line[i], b.line[j])) {
            add(s, ' ', a.line[i++]);
            j++;
        } else if (cell[(i + 1) * width + j] >= cell[i * width + j + 1]) {
            add(s, '-', a.line[i++]);
        } else {
            add(s, '+', b.line[j++]);
        }
    }
    while (i < a.count)
        add(s, '-', a.line[i++]);
    while (j < b.count)
        add(s, '+', b.line[j++]);
    kt__test_disown(cell);
}

static script compare(lines a, lines b)
{
    size_t head = 0, tail = 0, shorter = a.count < b.count ? a.count : b.count;
    script s = {kt__test_own(NULL, (a.count + b.count) * sizeof(edit)), 0};
    while (head < shorter && kt_slice_equal(a.line[head], b.line[head]))
        head++;
    while (tail < shorter - head &&
           kt_slice_equal(a.line[a.count - 1 - tail], b.line[b.count - 1 - tail]))
        tail++;
    for (size_t i = 0; i < head; i++)
        add(&s, ' ', a.line[i]);
    lines a_middle = {a.line + head, a.count - head - tail};
    lines b_middle = {b.line + head, b.count - head - tail};
    add_middle(&s, a_middle, b_middle);
    for (size_t i = tail; i > 0; i--)
        add(&s, ' ', a.line[a.count - i]);
    return s;
}

/* Where the hunk that begins with the change at `first` ends: CONTEXT lines after a change from
 * which the next one is further away than both contexts. */
static size_t hunk_end(const script *s, size_t first)
{
    size_t last = first;
    for (size_t i = first; i < s->count && i - last <= 2 * CONTEXT; i++)
        if (s->edits[i].mark != ' ')
            last = i;
    return last + CONTEXT + 1 < s->count ? last + CONTEXT + 1 : s->count;
}

/* Lines of edits [from, to) that are in the text without `mark`. */
static size_t count_lines(const script *s, size_t from, size_t to, char without)
{
    size_t n = 0;
    for (size_t i = from; i < to; i++)
        n += s->edits[i].mark != without;
    return n;
}

static void report_hunk(const script *s, size_t from, size_t to)
{
    size_t expected = count_lines(s, from, to, '+'), found = count_lines(s, from, to, '-');
    kt__test_say_failure("    @@ -%zu,%zu +%zu,%zu @@\n",
                         count_lines(s, 0, from, '+') + (expected > 0), expected,
                         count_lines(s, 0, from, '-') + (found > 0), found);
    for (size_t i = from; i < to; i++) {
        kt__test_say_failure("    %c", s->edits[i].mark);
        kt__test_say_bytes(s->edits[i].line.data, s->edits[i].line.size);
        kt__test_say_bytes("\n", 1);
    }
}

void kt__test_diff_report(kt_slice expected, kt_slice actual)
{
    lines a = split(expected), b = split(actual);
    script s = compare(a, b);
    kt__test_say_failure("    --- expected\n    +++ found\n");
    for (size_t i = 0; i < s.count; i++) {
        if (s.edits[i].mark == ' ')
            continue;
        size_t end = hunk_end(&s, i);
        report_hunk(&s, i > CONTEXT ? i - CONTEXT : 0, end);
        i = end - 1;
    }
    kt__test_disown(s.edits);
    kt__test_disown(a.line);
    kt__test_disown(b.line);
}
