/* SPDX-License-Identifier: MIT */

/* Integers, sizes and durations as people write them. All arithmetic is exact. */

#include "io/settings_private.h"

typedef struct unit {
    const char *name;
    int64_t worth;
} unit;

/* Of several with the same worth the first is the one to write. */
static const unit sizes[] = {
    {"T", INT64_C(1) << 40},
    {"TiB", INT64_C(1) << 40},
    {"TB", INT64_C(1) << 40},
    {"G", 1 << 30},
    {"GiB", 1 << 30},
    {"GB", 1 << 30},
    {"M", 1 << 20},
    {"MiB", 1 << 20},
    {"MB", 1 << 20},
    {"K", 1 << 10},
    {"KiB", 1 << 10},
    {"KB", 1 << 10},
    {"B", 1},
    {NULL, 0},
};

static const unit spans[] = {
    {"w", KT_S(7 * 86400)}, {"d", KT_S(86400)}, {"h", KT_S(3600)}, {"m", KT_S(60)}, {"s", KT_S(1)},
    {"ms", KT_MS(1)},       {"us", KT_US(1)},   {"ns", 1},         {NULL, 0},
};

typedef __int128 wide;
#define WIDE_MAX \
    ((wide)INT64_MAX * 4) /* beyond it a number is too far anyway, and more digits do not matter */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* 12 or 1.5: the number times 10^9, which is exact to nine places; more places are no number. */
static bool take_decimal(const char **at, wide *ret_billionths)
{
    wide n = 0, place = 1000000000;
    const char *from = *at;
    for (; is_digit(**at); ++*at)
        n = n < WIDE_MAX ? n * 10 + (**at - '0') : n;
    if (*at == from)
        return false;
    n *= place;
    if (**at == '.') {
        if (!is_digit(*++*at))
            return false;
        for (; is_digit(**at); ++*at) {
            place /= 10;
            if (place == 0)
                return false;
            n += place * (**at - '0');
        }
    }
    *ret_billionths = n;
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The letters at *at as a unit, or NULL. Those of sizes in either case. */
static const unit *take_unit(const char **at, const unit *units)
{
    size_t size = 0;
    while ((lower((*at)[size]) >= 'a' && lower((*at)[size]) <= 'z'))
        size++;
    for (const unit *u = units; u->name; u++) {
        bool same = strlen(u->name) == size;
        for (size_t i = 0; same && i < size; i++)
            same = units == sizes ? lower((*at)[i]) == lower(u->name[i]) : (*at)[i] == u->name[i];
        if (same) {
            *at += size;
            return u;
        }
    }
    return NULL;
}

/* 1.5G, 1h30m: units after the first number only where several may follow each other. */
static bool parse_units(const char *text, const unit *units, int64_t alone, wide *ret_n)
{
    wide sum = 0, n;
    for (bool first = true; first || *text; first = false) {
        if (!take_decimal(&text, &n))
            return false;
        const unit *u = take_unit(&text, units);
        if (!u && (!first || *text))
            return false;
        wide worth = u ? u->worth : alone;
        bool far = n > WIDE_MAX * 1000000000 / worth;
        if (!far && n * worth % 1000000000 != 0)
            return false; /* half a byte */
        sum += far ? WIDE_MAX : n * worth / 1000000000;
        if (units == sizes && *text)
            return false;
        sum = sum < WIDE_MAX ? sum : WIDE_MAX;
    }
    *ret_n = sum;
    return true;
}

static int digit_of(char c, int base)
{
    int n = is_digit(c) ? c - '0' : lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : base;
    return n < base ? n : -1;
}

static bool parse_integer(const char *text, wide *ret_n)
{
    int base = text[0] == '0' && lower(text[1]) == 'x' ? 16 : 10;
    wide n = 0;
    text += base == 16 ? 2 : 0;
    if (digit_of(*text, base) < 0)
        return false;
    for (; *text; text++) {
        int digit = digit_of(*text, base);
        if (digit < 0)
            return false;
        n = n < WIDE_MAX ? n * base + digit : n;
    }
    *ret_n = n;
    return true;
}

bool kt__setting_number(kt_setting_type type, const char *text, int64_t *ret_n, bool *ret_far)
{
    wide n;
    bool negative = *text == '-', good;
    text += negative || *text == '+';
    if (type == KT_SETTING_IS_INTEGER)
        good = parse_integer(text, &n);
    else
        good = parse_units(text, type == KT_SETTING_IS_SIZE ? sizes : spans,
                           type == KT_SETTING_IS_SIZE ? 1 : KT_S(1), &n);
    if (!good)
        return false;
    n = negative ? -n : n;
    *ret_far = n > INT64_MAX || n < INT64_MIN;
    *ret_n = *ret_far ? (negative ? INT64_MIN : INT64_MAX) : (int64_t)n;
    return true;
}

int kt__setting_number_format(kt_setting_type type, int64_t n, kt_buffer *b)
{
    const unit *u = type == KT_SETTING_IS_SIZE ? sizes : spans;
    if (type == KT_SETTING_IS_INTEGER)
        return kt_buffer_printf(b, "%lld", (long long)n);
    if (n == 0)
        return kt_buffer_append_string(b, type == KT_SETTING_IS_SIZE ? "0" : "0s");
    while (u->name && n % u->worth != 0)
        u++;
    const char *name = u->worth == 1 && type == KT_SETTING_IS_SIZE ? "" : u->name;
    return kt_buffer_printf(b, "%lld%s", (long long)(n / u->worth), name);
}

/* ---- Ranges ---------------------------------------------------------------------------------- */

bool kt__setting_has_range(const kt_setting *row)
{
    return row->min != 0 || row->max != 0;
}

void kt__setting_range(const kt_setting *row, int64_t *ret_min, int64_t *ret_max)
{
    *ret_min = row->min;
    *ret_max = row->max;
    if (!kt__setting_has_range(row))
        *ret_max = row->size >= 8 ? INT64_MAX : (INT64_C(1) << (row->size * 8 - 1)) - 1;
}
