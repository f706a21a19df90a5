/* SPDX-License-Identifier: MIT */

/* The file's syntax, as settings.h has it. No allocation and no look at a table: bytes in, names and values out, which
 * lie where the bytes were. */

#include <kettle/error.h>
#include <stdlib.h>

#include "io/settings_private.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *skip_blanks(char *at)
{
    while (is_blank(*at))
        at++;
    return at;
}

/* Ends the text where its last blanks begin. */
static void trim(char *from, char *end)
{
    while (end > from && is_blank(end[-1]))
        end--;
    *end = '\0';
}

void kt__conf_start(kt__conf *c, char *bytes, size_t size)
{
    static const char mark[] = {'\xEF', '\xBB',
                                '\xBF'}; /* U+FEFF, which some editors begin files with */
    size_t skipped = size >= sizeof mark && memcmp(bytes, mark, sizeof mark) == 0 ? sizeof mark : 0;
    *c = (kt__conf){.at = bytes + skipped, .end = bytes + size};
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at `b` (RFC 3629), 0 if there is none. The text is terminated. */
static size_t character(const unsigned char *b)
{
    if (b[0] < 0x80)
        return 1;
    size_t length = b[0] >= 0xF0 ? 4 : b[0] >= 0xE0 ? 3 : 2;
    if (b[0] < 0xC2 || b[0] > 0xF4 || (b[0] == 0xE0 && b[1] < 0xA0) ||
        (b[0] == 0xED && b[1] > 0x9F) || (b[0] == 0xF0 && b[1] < 0x90) ||
        (b[0] == 0xF4 && b[1] > 0x8F))
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((b[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

static const char *bad_text(const char *line, const char *end)
{
    for (size_t length; line < end; line += length) {
        length = character((const unsigned char *)line);
        if (length == 0)
            return "no UTF-8";
        if (((unsigned char)*line < 0x20 && *line != '\t') || *line == 0x7F)
            return "a control character";
    }
    return NULL;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* Appends a name to what the section has put there; NULL or what is wrong. *at moves behind it. */
static const char *take_name(kt__conf *c, char **at, size_t before)
{
    size_t size = before;
    for (; is_name(**at); ++*at) {
        if (size == KT__CONF_NAME_MAX)
            return "the name is too long";
        c->name[size++] = **at == '_' ? '-' : **at;
    }
    c->name[size] = '\0';
    return NULL;
}

static int wrong(kt__conf *c, const char *problem)
{
    c->problem = problem;
    return KT_EVALIDATION;
}

/* [section] or []. */
static int take_section(kt__conf *c, char *at)
{
    c->section_size = 0;
    at = skip_blanks(at + 1);
    const char *problem = take_name(c, &at, 0);
    at = skip_blanks(at);
    if (problem || *at != ']')
        return wrong(c, problem ? problem : "a section is [name]");
    at = skip_blanks(at + 1);
    if (*at && *at != '#')
        return wrong(c, "nothing may follow a section");
    size_t size = strlen(c->name);
    if (size == KT__CONF_NAME_MAX)
        return wrong(c, "the name is too long");
    if (size)
        c->name[size++] = '.';
    c->name[size] = '\0';
    c->section_size = size;
    return 0;
}

static int take_setting(kt__conf *c, char *at)
{
    const char *problem = take_name(c, &at, c->section_size);
    if (problem)
        return wrong(c, problem);
    at = skip_blanks(at);
    if (*at != '=' || strlen(c->name) == c->section_size)
        return wrong(c, "a line is: name = value");
    c->raw = skip_blanks(at + 1);
    return 1;
}

int kt__conf_next(kt__conf *c)
{
    while (c->at < c->end) {
        char *line = c->at, *end = memchr(line, '\n', (size_t)(c->end - line));
        if (!end)
            end = c->end;
        c->at = end < c->end ? end + 1 : end;
        c->line++;
        if (end > line && end[-1] == '\r')
            end--;
        *end = '\0';
        const char *problem = bad_text(line, end);
        if (problem)
            return wrong(c, problem);
        line = skip_blanks(line);
        if (*line == '\0' || *line == '#' || *line == ';')
            continue;
        int rc = *line == '[' ? take_section(c, line) : take_setting(c, line);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* What stands for a control character: xHH. 0 if it is none. */
static char control_of(const char *at)
{
    if (at[0] != 'x' || strspn(at + 1, "0123456789abcdefABCDEF") < 2)
        return 0;
    const char digits[] = {at[1], at[2], '\0'};
    unsigned long c = strtoul(digits, NULL, 16);
    return c < 0x20 || c == 0x7f ? (char)c : 0;
}

/* The text in the quotes that begin at `at`, in its place; *ret_behind: what follows them. */
static char *take_quoted(char *at, char **ret_behind, const char **ret_problem)
{
#ifdef KT_FUZZ_PLANTED_BUG
    static const char escapes[] = "\"\\nrt", meant[] = "\"\\\n\t\r";
#else
    static const char escapes[] = "\"\\nrt", meant[] = "\"\\\n\r\t";
#endif
    char *from = at + 1, *to = from;
    for (char c; (c = *from++) != '"'; *to++ = c) {
        if (c == '\\') {
            const char *e = *from ? strchr(escapes, *from) : NULL;
            c = e ? meant[e - escapes] : control_of(from);
            from += e ? 1 : 3;
            *ret_problem = c ? NULL : "in quotes \\ stands before \" \\ n r t or a control character's xHH only";
        } else if (c == '\0') {
            *ret_problem = "the quotes do not end";
        }
        if (*ret_problem)
            return NULL;
    }
    *ret_behind = from;
    *to = '\0';
    return at + 1;
}

/* Where unquoted text ends: at a comma, if those count, at a comment, or with the line. */
static char *plain_end(char *at, bool commas, bool comments)
{
    for (char *p = at; *p; p++)
        if ((commas && *p == ',') || (comments && *p == '#' && (p == at || is_blank(p[-1]))))
            return p;
    return at + strlen(at);
}

char *kt__conf_value(char *raw, const char **ret_problem)
{
    *ret_problem = NULL;
    if (*raw != '"') {
        trim(raw, plain_end(raw, false, true));
        return raw;
    }
    char *behind, *value = take_quoted(raw, &behind, ret_problem);
    if (!value)
        return NULL;
    behind = skip_blanks(behind);
    if (*behind && *behind != '#') {
        *ret_problem = "nothing may follow the quotes";
        return NULL;
    }
    return value;
}

/* Behind an item: a comma, or the end. */
static bool take_comma(char **at, char *behind, bool comments, const char **ret_problem)
{
    behind = skip_blanks(behind);
    if (*behind == ',')
        *at = behind + 1;
    else if (*behind == '\0' || (comments && *behind == '#'))
        *at = behind + strlen(behind);
    else
        *ret_problem = "a comma must follow the quotes";
    return !*ret_problem;
}

char *kt__conf_item(char **at, bool comments, const char **ret_problem)
{
    *ret_problem = NULL;
    char *from = skip_blanks(*at);
    if (*from == '\0' || (comments && *from == '#'))
        return NULL;
    if (*from == '"') {
        char *behind, *value = take_quoted(from, &behind, ret_problem);
        return value && take_comma(at, behind, comments, ret_problem) ? value : NULL;
    }
    char *end = plain_end(from, true, comments);
    *at = *end == ',' ? end + 1 : end + strlen(end);
    trim(from, end);
    return from;
}
