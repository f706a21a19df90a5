/* SPDX-License-Identifier: MIT */
/* The parser of multipart bodies. */
#include "http/multipart.h"

#include <errno.h>

#include "http/parser_internal.h"

#define BLANKS_MAX 64 /* behind a delimiter, where nobody sends any */

enum {
    AT_START,
    IN_PREAMBLE,
    BEHIND_DELIMITER,
    IN_BLANKS,
    IN_HEADERS,
    IN_CONTENT,
    AT_END,
};

static bool is_boundary(kt_slice b)
{
    static const char others[] = "'()+_,-./:=? ";
    if (b.size == 0 || b.size > KT__BOUNDARY_MAX || b.data[b.size - 1] == ' ')
        return false;
    for (size_t i = 0; i < b.size; i++) {
        char c = b.data[i], lower = (char)(c | 0x20);
        bool letter = lower >= 'a' && lower <= 'z' && !(c & 0x80);
        if (!letter && !kt__is(c, KT__C_DIGIT) && !memchr(others, c, sizeof others - 1))
            return false;
    }
    return true;
}

int kt__multipart_init(kt__multipart *m, kt_slice boundary, size_t header_bytes_max)
{
    if (!is_boundary(boundary))
        return kt_error_set(-EINVAL, "no boundary of RFC 2046");
    *m = (kt__multipart){.header_bytes_max = header_bytes_max, .delimiter_size = 4 + boundary.size, .state = AT_START};
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary.data, boundary.size);
    return 0;
}

/* ---- Steps: each returns 1 with an event, 0 to go on in another state, or an error -------------------- */

static int event(kt__multipart_event *e, kt__multipart_type type, kt_slice bytes, size_t consumed)
{
    *e = (kt__multipart_event){type, bytes, consumed};
    return 1;
}

static int more(kt__multipart_event *e, size_t consumed)
{
    return event(e, KT__MULTIPART_MORE, (kt_slice){NULL, 0}, consumed);
}

/* Where the delimiter begins in the input; else how much is before what may be its beginning, with *ret_found false. */
static size_t find_delimiter(const kt__multipart *m, kt_slice in, bool *ret_found)
{
    const char *found = in.size >= m->delimiter_size ? memmem(in.data, in.size, m->delimiter, m->delimiter_size) : NULL;
    *ret_found = found != NULL;
    if (found)
        return (size_t)(found - in.data);
    size_t at = in.size >= m->delimiter_size ? in.size - m->delimiter_size + 1 : 0;
    while (at < in.size) {
        const char *cr = memchr(in.data + at, '\r', in.size - at);
        if (!cr)
            return in.size;
        at = (size_t)(cr - in.data);
        if (memcmp(cr, m->delimiter, in.size - at) == 0)
            return at;
        at++;
    }
    return in.size;
}

/* The first delimiter needs no line end before it. */
static int start(kt__multipart *m, kt_slice in, kt__multipart_event *e)
{
    size_t size = m->delimiter_size - 2;
    if (memcmp(in.data, m->delimiter + 2, in.size < size ? in.size : size) != 0) {
        m->state = IN_PREAMBLE;
        return 0;
    }
    if (in.size < size)
        return more(e, 0);
    m->state = BEHIND_DELIMITER;
    return more(e, size);
}

static int preamble(kt__multipart *m, kt_slice in, kt__multipart_event *e)
{
    bool found;
    size_t before = find_delimiter(m, in, &found);
    m->skipped += before;
    if (m->skipped > m->header_bytes_max) {
        m->too_long = "what is in front of the form's first part is too long";
        return kt_error_set(KT_ELIMIT, "more than %zu bytes before the first part", m->header_bytes_max);
    }
    if (!found)
        return more(e, before);
    m->state = BEHIND_DELIMITER;
    return more(e, before + m->delimiter_size);
}

static int behind_delimiter(kt__multipart *m, kt_slice in, kt__multipart_event *e)
{
    if (in.data[0] == '-') {
        if (in.size < 2)
            return more(e, 0);
        if (in.data[1] != '-')
            return kt_error_set(KT_EPROTOCOL, "a line begins with the boundary and goes on");
        m->state = AT_END;
        return event(e, KT__MULTIPART_END, (kt_slice){NULL, 0}, 2);
    }
    m->skipped = 0;
    m->state = IN_BLANKS;
    return 0;
}

static int blanks(kt__multipart *m, kt_slice in, kt__multipart_event *e)
{
    char c = in.data[0];
    if ((c == ' ' || c == '\t') && m->skipped++ < BLANKS_MAX)
        return more(e, 1);
    if (c == '\r' && in.size < 2)
        return more(e, 0);
    if (c != '\r' || in.data[1] != '\n')
        return kt_error_set(KT_EPROTOCOL, "a line begins with the boundary and goes on");
    m->state = IN_HEADERS;
    return more(e, 2);
}

static int headers(kt__multipart *m, kt_slice in, kt__multipart_event *e)
{
    if (in.size >= 2 && memcmp(in.data, "\r\n", 2) == 0) {
        m->state = IN_CONTENT;
        return event(e, KT__MULTIPART_PART, (kt_slice){in.data, 0}, 2);
    }
    const char *end = memmem(in.data, in.size, "\r\n\r\n", 4);
    size_t size = end ? (size_t)(end - in.data) + 4 : in.size;
    if (size > m->header_bytes_max || (!end && size == m->header_bytes_max)) {
        m->too_long = "the headers of a part of the form are too long";
        return kt_error_set(KT_ELIMIT, "more than %zu bytes of headers in a part", m->header_bytes_max);
    }
    if (!end)
        return more(e, 0);
    m->state = IN_CONTENT;
    return event(e, KT__MULTIPART_PART, (kt_slice){in.data, size - 2}, size);
}

static int content(kt__multipart *m, kt_slice in, kt__multipart_event *e)
{
    bool found;
    size_t before = find_delimiter(m, in, &found);
    if (before > 0)
        return event(e, KT__MULTIPART_DATA, (kt_slice){in.data, before}, before);
    if (!found)
        return more(e, 0);
    m->state = BEHIND_DELIMITER;
    return event(e, KT__MULTIPART_DONE, (kt_slice){NULL, 0}, m->delimiter_size);
}

int kt__multipart_feed(kt__multipart *m, kt_slice input, kt__multipart_event *ret_event)
{
    static int (*const steps[])(kt__multipart *, kt_slice, kt__multipart_event *) = {
        [AT_START] = start, [IN_PREAMBLE] = preamble, [BEHIND_DELIMITER] = behind_delimiter,
        [IN_BLANKS] = blanks, [IN_HEADERS] = headers, [IN_CONTENT] = content,
    };
    size_t consumed = 0;
    for (;;) {
        kt_slice in = {input.data + consumed, input.size - consumed};
        int rc = 0;
        *ret_event = (kt__multipart_event){.type = KT__MULTIPART_MORE};
        if (m->state == AT_END)
            rc = event(ret_event, KT__MULTIPART_END, (kt_slice){NULL, 0}, in.size);
        else if (in.size == 0)
            rc = more(ret_event, 0);
        else
            rc = steps[m->state](m, in, ret_event);
        if (rc < 0)
            return rc;
        consumed += ret_event->consumed;
        bool goes_on = rc == 0 || (ret_event->type == KT__MULTIPART_MORE && ret_event->consumed > 0);
        ret_event->consumed = consumed;
        if (!goes_on)
            return 0;
    }
}

/* ---- Header lines ------------------------------------------------------------------------------------ */

static kt_slice trim(kt_slice s)
{
    while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = (kt_slice){s.data + 1, s.size - 1};
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t'))
        s.size--;
    return s;
}

static size_t token_size(kt_slice s)
{
    size_t n = 0;
    while (n < s.size && kt__is(s.data[n], KT__C_TOKEN))
        n++;
    return n;
}

int kt__multipart_header(kt_slice lines, const char *lower, kt_slice *ret_value)
{
    int found = 0;
    while (lines.size > 0) {
        const char *end = memmem(lines.data, lines.size, "\r\n", 2);
        kt_slice line = {lines.data, end ? (size_t)(end - lines.data) : lines.size};
        size_t name = token_size(line), gone = line.size + (end ? 2 : 0);
        if (name == 0 || name == line.size || line.data[name] != ':')
            return kt_error_set(KT_EPROTOCOL, "a part's header line is malformed");
        kt_slice value = trim((kt_slice){line.data + name + 1, line.size - name - 1});
        for (size_t i = 0; i < value.size; i++)
            if (!kt__is(value.data[i], KT__C_VALUE))
                return kt_error_set(KT_EPROTOCOL, "control character in a part's header");
        if (kt__http_same(line.data, name, lower)) {
            if (found++) /* which one counts? */
                return kt_error_set(KT_EPROTOCOL, "a part has %s twice", lower);
            *ret_value = value;
        }
        lines = (kt_slice){lines.data + gone, lines.size - gone};
    }
    return found;
}

/* RFC 9110 section 5.6.4; "\" escapes '"' and itself alone, since browsers of old sent paths with it as they were.
 * Returns how much of `s`, which begins with the quote, it takes; 0: there is no end. */
static size_t unquote(kt_slice s, char *out, size_t *ret_size)
{
    size_t n = 0;
    for (size_t i = 1; i < s.size; i++) {
        if (s.data[i] == '"') {
            *ret_size = n;
            return i + 1;
        }
        if (s.data[i] == '\\' && i + 1 < s.size && (s.data[i + 1] == '"' || s.data[i + 1] == '\\'))
            i++;
        out[n++] = s.data[i];
    }
    return 0;
}

kt_slice kt__parameter_main(kt_slice value)
{
    const char *semicolon = value.size > 0 ? memchr(value.data, ';', value.size) : NULL;
    return trim((kt_slice){value.data, semicolon ? (size_t)(semicolon - value.data) : value.size});
}

int kt__parameter(kt_slice value, const char *lower, char *out, kt_slice *ret_value)
{
    const char *semicolon = value.size > 0 ? memchr(value.data, ';', value.size) : NULL;
    kt_slice rest = {semicolon, semicolon ? value.size - (size_t)(semicolon - value.data) : 0};
    int found = 0;
    while (rest.size > 0) {
        if (rest.data[0] != ';')
            return -EINVAL;
        rest = trim((kt_slice){rest.data + 1, rest.size - 1});
        size_t name_size = token_size(rest), gone, size = 0;
        if (rest.size == 0 || rest.data[0] == ';') /* nothing between two */
            continue;
        if (name_size == 0 || name_size == rest.size || rest.data[name_size] != '=')
            return -EINVAL;
        bool wanted = kt__http_same(rest.data, name_size, lower);
        if (wanted && found++)
            return -EINVAL;
        rest = (kt_slice){rest.data + name_size + 1, rest.size - name_size - 1};
        char *to = out + (wanted ? 0 : value.size); /* others go behind it */
        if (rest.size > 0 && rest.data[0] == '"') {
            gone = unquote(rest, to, &size);
        } else {
            gone = size = token_size(rest);
            memcpy(to, rest.data, size);
        }
        if (gone == 0)
            return -EINVAL;
        if (wanted)
            *ret_value = (kt_slice){to, size};
        rest = trim((kt_slice){rest.data + gone, rest.size - gone});
    }
    return found;
}
