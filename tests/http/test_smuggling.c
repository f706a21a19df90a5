/* SPDX-License-Identifier: MIT */

/* Request smuggling: requests about whose end two readers might disagree. Each case is sent to a server with one more
 * request behind it, the probe, and says what became of both:
 *
 *     400          one answer with this status, the handler was not called, the probe was not read, the server closed
 *     0 probe      the handler got a body of 0 bytes, and then the probe as a request of its own
 *     3 close      the handler got a body of 3 bytes; the server closed without reading the probe
 *     broken 400   the handler was called, its read of the body failed; one answer, closed, the probe was not read
 *
 * Whoever forwards what this server accepts, or sends it what another accepted, must come to the same end of each
 * message: hence what has two readings is refused, also where the standard lets a recipient mend it. "section" names
 * the text that forbids the case, or that says how it is to be read. All cases are sent whole and byte by byte. */
#include "smuggling.h"

#include <kettle/test_network.h>

typedef struct seen {
    char verdict[64];
} seen;

static void add(seen *s, const char *text)
{
    size_t size = strlen(s->verdict);
    snprintf(s->verdict + size, sizeof s->verdict - size, "%s%s", size ? " " : "", text);
}

static int notes(kt_http_exchange *x, void *arg)
{
    seen *s = arg;
    kt_slice body;
    char text[24];
    if (kt_slice_is(kt_http_path(x), "/probe")) {
        add(s, "probe");
        return kt_http_respond(x, 204, NULL, NULL, 0);
    }
    int rc = kt_http_read_all(x, 1024 * 1024, &body);
    if (rc < 0) {
        add(s, "broken");
        return rc;
    }
    snprintf(text, sizeof text, "%zu", body.size);
    add(s, text);
    return kt_http_respond(x, 200, "text/plain", NULL, 0);
}

/* The one refusal, if there is one, or that the server closed in place of answering the probe. */
static void conclude(seen *s, const char *answers)
{
    size_t count = count_of(answers, "HTTP/1.1 2") + count_of(answers, "HTTP/1.1 4") + count_of(answers, "HTTP/1.1 5");
    bool closed = strstr(answers, "\r\nConnection: close\r\n");
    char status[4] = "";
    if (count > 0)
        memcpy(status, answers + 9, 3);
    if (count == 1 && closed)
        add(s, strcmp(status, "200") == 0 ? "close" : status);
    else if (count != 2 || strcmp(status, "200") != 0 || !strstr(answers, "\r\n\r\nHTTP/1.1 204 "))
        add(s, "?");
}

static void try_case(const site *s, seen *what, const smuggled *c)
{
    static heard h;
    h = (heard){.size = 0};
    *what = (seen){.verdict = ""};
    kt_stream *near = dial(s);
    CHECK_OK(kt_stream_write(near, c->bytes, c->size));
    CHECK_OK(kt_stream_write(near, PROBE, strlen(PROBE)));
    CHECK_OK(kt_stream_shutdown_write(near));
    hear(near, &h, NULL);
    kt_stream_close(near);
    conclude(what, h.text);
    if (strcmp(what->verdict, c->verdict) != 0)
        kt_test_fail("%s: wanted '%s', got '%s'\nfor: %.*s\nanswers: %s", c->section, c->verdict, what->verdict,
                     (int)c->size, c->bytes, h.text);
}

static void try_all(const smuggled *cases, size_t count, size_t segment)
{
    const kt_test_network_options options = {.segment_max = segment};
    kt_test_network *n = kt_test_network_open(&options);
    kt_test_network_use(n);
    seen what;
    site s;
    site_open(&s, NULL, notes, &what);
    for (size_t i = 0; i < count; i++)
        try_case(&s, &what, &cases[i]);
    site_close(&s);
    kt_test_network_close(n);
}

static void try_both(const smuggled *cases, size_t count)
{
    try_all(cases, count, 0);
    try_all(cases, count, 1);
}

#define TRY(cases) try_both(cases, sizeof(cases) / sizeof((cases)[0]))

TEST(a_content_length_has_one_reading_or_none)
{
    TRY(lengths);
}

TEST(a_transfer_coding_has_one_reading_or_none)
{
    TRY(codings);
}

TEST(a_chunk_ends_where_every_reader_ends_it)
{
    TRY(chunks);
}

TEST(a_trailer_section_ends_where_every_reader_ends_it)
{
    TRY(trailers);
}

TEST(a_field_line_has_one_reading_or_none)
{
    TRY(fields);
}

TEST(a_request_line_has_one_reading_or_none)
{
    TRY(starts);
}

TEST(a_request_is_for_one_host_and_one_target)
{
    TRY(targets);
}
