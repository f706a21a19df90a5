/* SPDX-License-Identifier: MIT */

#include "robots.h"

#include <errno.h>
#include <kettle/memory.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct rule {
    bool allow;
    uint32_t at, size; /* of the pattern, in the text */
    uint32_t weight;
} rule;

struct robots {
    rule *rules;
    size_t count, capacity;
    kt_time delay;
    char text[];
};

static kt_slice trimmed(kt_slice s)
{
    while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = (kt_slice){s.data + 1, s.size - 1};
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t' || s.data[s.size - 1] == '\r'))
        s.size--;
    return s;
}

static bool is(kt_slice s, const char *word)
{
    return s.size == strlen(word) && strncasecmp(s.data, word, s.size) == 0;
}

/* The next line that says something, as its name and value. */
static bool take_line(kt_slice *text, kt_slice *ret_name, kt_slice *ret_value)
{
    while (text->size > 0) {
        size_t size = 0;
        while (size < text->size && text->data[size] != '\n' && text->data[size] != '\r')
            size++;
        kt_slice line = {text->data, size};
        size += size < text->size;
#ifdef KT_FUZZ_PLANTED_BUG /* a line feed behind a carriage return takes the next byte along */
        size += size + 2 <= text->size && text->data[size - 1] == '\r' ? 2 : 0;
#endif
        *text = (kt_slice){text->data + size, text->size - size};
        const char *hash = memchr(line.data, '#', line.size);
        line.size = hash ? (size_t)(hash - line.data) : line.size;
        const char *colon = memchr(line.data, ':', line.size);
        if (!colon)
            continue;
        *ret_name = trimmed((kt_slice){line.data, (size_t)(colon - line.data)});
        *ret_value = trimmed((kt_slice){colon + 1, line.size - (size_t)(colon + 1 - line.data)});
        return true;
    }
    return false;
}

/* Does a group's name mean this agent? Its product token only is compared, without case (section 2.2.1). */
static bool means(kt_slice name, const char *agent)
{
    size_t size = 0;
    while (size < name.size && name.data[size] != '/' && name.data[size] != ' ')
        size++;
    return is((kt_slice){name.data, size}, agent);
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static bool is_unreserved(int c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || strchr("-._~", c);
}

/* A character, as a code that is the same however it is written (RFC 9309 section 2.2.2): what has to be encoded, or is
 * although it need not, has one of 256 and above; so have the two that a pattern encodes to take their meaning away. */
static int take_code(kt_slice text, size_t *at)
{
    int c = (unsigned char)text.data[(*at)++];
    if (c == '%' && text.size - *at >= 2 && hex(text.data[*at]) >= 0 && hex(text.data[*at + 1]) >= 0) {
        c = 16 * hex(text.data[*at]) + hex(text.data[*at + 1]);
        *at += 2;
        return is_unreserved(c) && c ? c : 256 + c;
    }
    return c >= 128 || c == '*' || c == '$' ? 256 + c : c;
}

/* How long it is, as a rule that decides: of two that match the one with more octets does. */
static uint32_t weight_of(kt_slice pattern)
{
    uint32_t octets = 0;
    for (size_t at = 0; at < pattern.size;) {
        bool plain = pattern.data[at] == '*' || pattern.data[at] == '$';
        octets += take_code(pattern, &at) < 256 || plain ? 1 : 3;
    }
    return octets;
}

static int add_rule(robots *r, bool allow, kt_slice pattern)
{
    if (pattern.size == 0 || r->count == ROBOTS_RULES_MAX)
        return 0; /* "Disallow:" forbids nothing */
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 16;
        rule *rules = kt_realloc(r->rules, capacity * sizeof *rules);
        if (!rules)
            return -ENOMEM;
        r->rules = rules;
        r->capacity = capacity;
    }
    r->rules[r->count++] =
        (rule){allow, (uint32_t)(pattern.data - r->text), (uint32_t)pattern.size, weight_of(pattern)};
    return 0;
}

static void set_delay(robots *r, kt_slice value)
{
    char digits[32];
    if (value.size == 0 || value.size >= sizeof digits)
        return;
    memcpy(digits, value.data, value.size);
    digits[value.size] = '\0';
    double seconds = strtod(digits, NULL);
    if (seconds > 0)
        r->delay = seconds > 60 ? KT_S(60) : (kt_time)(seconds * 1e9);
}

/* Keeps the rules of the groups that name `agent`; several groups of one name count as one. True if there was any. */
static int read_groups(robots *r, kt_slice text, const char *agent, bool *ret_any)
{
    bool naming = false, mine = false;
    kt_slice name, value;
    int rc = 0;
    while (rc == 0 && take_line(&text, &name, &value)) {
        if (is(name, "user-agent")) {
            mine = (naming && mine) || means(value, agent);
            naming = true;
            *ret_any = *ret_any || mine;
            continue;
        }
        bool allow = is(name, "allow");
        if (allow || is(name, "disallow") || is(name, "crawl-delay"))
            naming = false;
        if (mine && (allow || is(name, "disallow")))
            rc = add_rule(r, allow, value);
        else if (mine && is(name, "crawl-delay"))
            set_delay(r, value);
    }
    return rc;
}

int robots_parse(kt_slice text, const char *agent, robots **ret_robots)
{
    bool any = false;
    if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        text = (kt_slice){text.data + 3, text.size - 3};
    text.size = text.size < ROBOTS_BYTES_MAX ? text.size : ROBOTS_BYTES_MAX;
    robots *r = kt_calloc(1, sizeof *r + text.size + 1);
    if (!r)
        return -ENOMEM;
    if (text.size > 0)
        memcpy(r->text, text.data, text.size);
    kt_slice copy = {r->text, text.size};
    int rc = read_groups(r, copy, agent, &any);
    if (rc == 0 && !any)
        rc = read_groups(r, copy, "*", &any);
    if (rc < 0) {
        robots_free(r);
        return rc;
    }
    *ret_robots = r;
    return 0;
}

void robots_free(robots *r)
{
    if (r)
        kt_free(r->rules);
    kt_free(r);
}

/* '*' stands for anything, '$' at the end for the end. Of two stars only the last one needs to be tried again, so it
 * takes time by the product of both sizes, and no stack. */
static bool pattern_matches(kt_slice pattern, kt_slice target)
{
    bool whole = pattern.size > 0 && pattern.data[pattern.size - 1] == '$';
    pattern.size -= whole;
    size_t i = 0, t = 0, star = SIZE_MAX, from = 0;
    for (;;) {
        if (i == pattern.size && (!whole || t == target.size))
            return true;
        size_t next = i, then = t;
        if (i < pattern.size && pattern.data[i] == '*') {
            star = ++i;
            from = t;
        } else if (i < pattern.size && t < target.size &&
                   take_code(pattern, &next) == take_code(target, &then)) {
            i = next;
            t = then;
        } else if (star != SIZE_MAX && from < target.size) {
            (void)take_code(target, &from);
            i = star;
            t = from;
        } else {
            return false;
        }
    }
}

bool robots_allow(const robots *r, kt_slice target)
{
    uint32_t longest = 0;
    bool allow = true;
    if (!r || kt_slice_is(target, "/robots.txt"))
        return true;
    for (size_t i = 0; i < r->count; i++) {
        const rule *at = &r->rules[i];
        bool decides = at->weight > longest || (at->weight == longest && at->allow);
        if (decides && pattern_matches((kt_slice){r->text + at->at, at->size}, target)) {
            longest = at->weight;
            allow = at->allow;
        }
    }
    return allow;
}

kt_time robots_delay(const robots *r)
{
    return r ? r->delay : 0;
}
