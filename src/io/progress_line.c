/* SPDX-License-Identifier: MIT */

/* The line of a progress bar: label, percent, bar, count, rate, time, as far as there is room. */

#include <inttypes.h>
#include <stdio.h>

#include "io/progress.h"

#define WINDOW KT_S(5)     /* over which the rate is taken */
#define BAR_COLUMNS_MIN 12 /* with its brackets and the space before it */
#define BAR_COLUMNS_MAX 42
#define LABEL_COLUMNS_MIN 8
#define HOURS_MAX 100      /* a longer time is no forecast */

#define FIELD_BYTES 64

/* ---- The rate -------------------------------------------------------------------------------- */

static double seconds(kt_time t)
{
    return (double)t / 1e9;
}

/* A mean over the whole time at first, then one in which what is long ago fades. */
void kt__progress_measure(kt_progress *p, kt_time now)
{
    kt_time span = now - p->drawn, age = now - p->started;
    uint64_t done = __atomic_load_n(&p->done, __ATOMIC_RELAXED);
    if (span > 0) {
        double recent = ((double)done - (double)p->drawn_done) / seconds(span);
        double weight = span >= WINDOW ? 1 : (double)span / (double)(age < WINDOW ? age : WINDOW);
        p->rate += (recent - p->rate) * weight;
        p->drawn = now;
    }
    p->drawn_done = done;
}

/* ---- Fields ---------------------------------------------------------------------------------- */

static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

/* The unit in which `bytes` is below 1024. */
static unsigned unit_of(double bytes)
{
    unsigned unit = 0;
    for (; bytes >= 1023.95 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1024;
    return unit;
}

static double in_unit(double bytes, unsigned unit)
{
    for (; unit > 0; unit--)
        bytes /= 1024;
    return bytes;
}

static void put_time(char field[FIELD_BYTES], const char *before, double time, const char *after)
{
    uint64_t s = (uint64_t)(time + 0.5);
    if (s < 3600)
        snprintf(field, FIELD_BYTES, "%s%" PRIu64 ":%02" PRIu64 "%s", before, s / 60, s % 60, after);
    else
        snprintf(field, FIELD_BYTES, "%s%" PRIu64 ":%02" PRIu64 ":%02" PRIu64 "%s", before, s / 3600,
                 s / 60 % 60, s % 60, after);
}

static void put_count(const kt_progress *p, char field[FIELD_BYTES])
{
    if (p->unit == KT_PROGRESS_BYTES) {
        unsigned unit = unit_of((double)(p->total ? p->total : p->drawn_done));
        int digits = unit > 0;
        if (p->total)
            snprintf(field, FIELD_BYTES, "%.*f/%.*f %s", digits, in_unit((double)p->drawn_done, unit), digits,
                     in_unit((double)p->total, unit), units[unit]);
        else
            snprintf(field, FIELD_BYTES, "%.*f %s", digits, in_unit((double)p->drawn_done, unit), units[unit]);
    } else if (p->total) {
        int width = snprintf(NULL, 0, "%" PRIu64, p->total);
        snprintf(field, FIELD_BYTES, "%*" PRIu64 "/%" PRIu64, width, p->drawn_done, p->total);
    } else {
        snprintf(field, FIELD_BYTES, "%" PRIu64, p->drawn_done);
    }
}

static void put_rate(const kt_progress *p, double rate, char field[FIELD_BYTES])
{
    if (p->unit == KT_PROGRESS_BYTES) {
        unsigned unit = unit_of(rate);
        snprintf(field, FIELD_BYTES, "%.1f %s/s", in_unit(rate, unit), units[unit]);
    } else {
        snprintf(field, FIELD_BYTES, rate < 1 ? "%.2f/s" : rate < 100 ? "%.1f/s" : "%.0f/s", rate);
    }
}

/* Not 100 before all is done. */
static unsigned percent(const kt_progress *p)
{
    if (p->drawn_done >= p->total)
        return 100;
    double part = (double)p->drawn_done / (double)p->total * 100;
    return part > 99 ? 99 : (unsigned)part;
}

static void put_state(const kt_progress *p, bool end, char field[FIELD_BYTES])
{
    if (p->total)
        snprintf(field, FIELD_BYTES, "%3u%%", percent(p));
    else
        snprintf(field, FIELD_BYTES, "%.*s", !end, &"|/-\\"[p->turns % 4]);
}

static void put_clock(const kt_progress *p, double speed, bool end, char field[FIELD_BYTES])
{
    double age = seconds(p->drawn - p->started);
    double left = speed > 0 ? (double)(p->total - p->drawn_done) / speed : 0;
    if (end)
        put_time(field, "in ", age, "");
    else if (!p->total)
        put_time(field, "", age, "");
    else if (speed > 0 && p->drawn_done < p->total && left < HOURS_MAX * 3600.0)
        put_time(field, "", left, " left");
}

/* Count, rate and time, each behind two spaces: as many of them, in this order, as fit. */
static void put_facts(const kt_progress *p, size_t columns, bool end, char facts[3 * FIELD_BYTES])
{
    char fields[3][FIELD_BYTES] = {"", "", ""};
    double age = seconds(p->drawn - p->started);
    double speed = !end ? p->rate : age > 0 ? (double)p->drawn_done / age : 0;
    size_t used = 0;
    put_count(p, fields[0]);
    if (speed > 0)
        put_rate(p, speed, fields[1]);
    put_clock(p, speed, end, fields[2]);
    facts[0] = '\0';
    for (int i = 0; i < 3 && used + strlen(fields[i]) + 2 <= columns; i++)
        if (*fields[i])
            used += (size_t)snprintf(facts + used, 3 * FIELD_BYTES - used, "  %s", fields[i]);
}

/* ---- The line -------------------------------------------------------------------------------- */

/* " [####------]", so many columns in all. */
static void put_bar(const kt_progress *p, size_t columns, char bar[BAR_COLUMNS_MAX + 1])
{
    size_t inner = columns - 3;
    double part = p->drawn_done >= p->total ? 1 : (double)p->drawn_done / (double)p->total;
    size_t full = (size_t)(part * (double)inner);
    memcpy(bar, " [", 2);
    memset(bar + 2, '#', full);
    memset(bar + 2 + full, '-', inner - full);
    memcpy(bar + 2 + inner, "]", 2);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What there is no room for goes in this order: length of the bar, the bar, what is behind, the end of the label. */
size_t kt__progress_line(const kt_progress *p, size_t columns, bool end, char line[KT__PROGRESS_LINE_BYTES])
{
    kt_slice label = kt_slice_from(p->shown_label);
    char state[FIELD_BYTES], facts[3 * FIELD_BYTES], bar[BAR_COLUMNS_MAX + 1] = "";
    put_state(p, end, state);
    size_t wide = kt_terminal_columns(label), gap = wide > 0 && *state;
    size_t least = smaller(wide, LABEL_COLUMNS_MIN) + gap + strlen(state);
    put_facts(p, columns - smaller(columns, least), end, facts);
    size_t room = columns - smaller(columns, strlen(state) + strlen(facts));
    size_t for_label = smaller(wide, room - smaller(room, gap));
    size_t for_bar = room - smaller(room, wide + gap);
    if (p->total && *facts && for_bar >= BAR_COLUMNS_MIN)
        put_bar(p, smaller(for_bar, BAR_COLUMNS_MAX), bar);
    int size = snprintf(line, KT__PROGRESS_LINE_BYTES, "%.*s%s%s%s%s", (int)kt_terminal_fit(label, for_label),
                        label.data, for_label > 0 && gap ? " " : "", state, bar, facts);
    size_t fit = kt_terminal_fit((kt_slice){line, (size_t)size}, columns);
    line[fit] = '\0';
    return fit;
}
