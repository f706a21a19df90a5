/* SPDX-License-Identifier: MIT */

/* Patterns of names, glob(7). Within a name only the last '*' is ever tried again, and within a path only the last
 * "**": that is enough, and keeps the time within the product of the lengths. */

#include "io/paths.h"

/* The size of the character at `text`: a byte that begins none of UTF-8 is one by itself. */
static size_t character(const char *text, size_t size)
{
    const unsigned char *b = (const unsigned char *)text;
    size_t whole = b[0] < 0xc2 ? 1 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 1;
    for (size_t i = 1; i < whole; i++)
        if (i >= size || (b[i] & 0xc0) != 0x80)
            return 1;
    return whole;
}

/* Big endian, so that characters compare as their bytes do; UTF-8 keeps the order of code points. */
static uint32_t value(const char *text, size_t size)
{
    uint32_t v = 0;
    for (size_t i = 0; i < size; i++)
        v = v << 8 | (unsigned char)text[i];
    return v;
}

static uint32_t take(kt_slice *s)
{
    size_t size = character(s->data, s->size);
    uint32_t v = value(s->data, size);
    *s = (kt_slice){s->data + size, s->size - size};
    return v;
}

static uint32_t take_unescaped(kt_slice *pattern)
{
    if (pattern->size > 1 && pattern->data[0] == '\\')
        *pattern = (kt_slice){pattern->data + 1, pattern->size - 1};
    return take(pattern);
}

/* A set, from behind its '['. 1 or 0, and *pattern stands behind it; -1: it has no end, so the '[' means itself. */
static int in_set(kt_slice *pattern, uint32_t c)
{
    kt_slice p = *pattern;
    bool found = false, first = true;
    bool inverted = p.size > 0 && (p.data[0] == '!' || p.data[0] == '^');
    if (inverted)
        (void)take(&p);
    for (; p.size > 0 && (first || p.data[0] != ']'); first = false) {
        uint32_t low = take_unescaped(&p), high = low;
        if (p.size > 1 && p.data[0] == '-' && p.data[1] != ']') {
            (void)take(&p);
            high = take_unescaped(&p);
        }
        found = found || (c >= low && c <= high);
    }
    if (p.size == 0)
        return -1;
    (void)take(&p);
    *pattern = p;
    return found != inverted;
}

/* One item of the pattern, not '*', against the next character; both are taken. */
static bool match_one(kt_slice *pattern, kt_slice *name)
{
    uint32_t c = take(name);
    char kind = pattern->data[0];
    if (kind != '?' && kind != '[')
        return take_unescaped(pattern) == c;
    (void)take(pattern);
    if (kind == '?')
        return true;
    int in = in_set(pattern, c);
    return in < 0 ? c == '[' : in;
}

static bool match_name(kt_slice pattern, kt_slice name, bool hidden)
{
    kt_slice star = {NULL, 0}, behind = {NULL, 0}; /* the last '*', and where the name goes on if it stands for more */
    bool dot = pattern.size > 0 && pattern.data[pattern.data[0] == '\\'] == '.';
    if (name.size > 0 && name.data[0] == '.' && !dot && !hidden)
        return false;
    while (name.size > 0 || pattern.size > 0) {
        if (pattern.size > 0 && pattern.data[0] == '*') {
            star = pattern = (kt_slice){pattern.data + 1, pattern.size - 1};
            behind = name;
        } else if (pattern.size == 0 || name.size == 0 || !match_one(&pattern, &name)) {
            if (!star.data || behind.size == 0)
                return false;
            (void)take(&behind);
            pattern = star;
            name = behind;
        }
    }
    return true;
}

/* Takes the first name off a path; slashes around it go with it. */
static kt_slice take_name(kt_slice *path)
{
    size_t at = 0, begin;
    while (at < path->size && path->data[at] == '/')
        at++;
    for (begin = at; at < path->size && path->data[at] != '/';)
        at++;
    kt_slice name = {path->data + begin, at - begin};
    while (at < path->size && path->data[at] == '/')
        at++;
    *path = (kt_slice){path->data + at, path->size - at};
    return name;
}

/* A name that begins with a dot is fixed by the pattern alone, so that no other choice of an earlier "**" could do
 * better where the last one meets it. */
bool kt__path_match(const char *pattern_text, const char *path_text, unsigned how)
{
    kt_slice pattern = kt_slice_from(pattern_text), path = kt_slice_from(path_text);
    kt_slice any = {NULL, 0}, behind = {NULL, 0}; /* the last "**", as in match_name */
    bool hidden = how & KT__MATCH_HIDDEN, leads = how & KT__MATCH_LEADS;
    while (path.size > 0 || pattern.size > 0 || leads) {
        if (path.size == 0 && leads && (pattern.size > 0 || pattern.data == any.data))
            return true;
        kt_slice rest = pattern, name = take_name(&rest);
        if (kt_slice_is(name, "**")) {
            any = pattern = rest;
            behind = path;
            continue;
        }
        if (pattern.size > 0 && path.size > 0 && match_name(name, take_name(&path), hidden)) {
            pattern = rest;
            continue;
        }
        if (!any.data || behind.size == 0)
            return false;
        if (take_name(&behind).data[0] == '.' && !hidden)
            return false;
        pattern = any;
        path = behind;
    }
    return true;
}

bool kt_path_match(const char *pattern, const char *path)
{
    return (*pattern == '/') == (*path == '/') && kt__path_match(pattern, path, 0);
}
