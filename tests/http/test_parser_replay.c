/* SPDX-License-Identifier: MIT */
#include "test_parser_replay.h"

#include <stdlib.h>
#include <sys/mman.h>

#define HEADERS_MAX 256
#define GUARDED_BYTES ((size_t)64 * 1024)

typedef struct replay {
    const replay_setup *setup;
    replay_transcript *out;
    kt__http_parser parser;
    kt__http_header headers[HEADERS_MAX];
    const char *window;  /* the input of the current call */
    size_t consumed;     /* by that call */
    uint64_t body_bytes; /* of the message */
    bool in_body;
} replay;

static void put(replay_transcript *t, const char *data, size_t size)
{
    if (size > REPLAY_TRANSCRIPT_MAX - t->size) {
        t->broken = "transcript too long";
        return;
    }
    if (size > 0)
        memcpy(t->text + t->size, data, size);
    t->size += size;
    t->text[t->size] = '\0';
}

static void put_text(replay_transcript *t, const char *text)
{
    put(t, text, strlen(text));
}

static void put_word(replay_transcript *t, const char *text)
{
    if (t->size > 0)
        put_text(t, " ");
    put_text(t, text);
}

static void put_number(replay_transcript *t, uint64_t n)
{
    char digits[20];
    size_t i = sizeof(digits);
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    put(t, digits + i, sizeof(digits) - i);
}

static void require(replay *r, bool holds, const char *rule)
{
    if (!holds && !r->out->broken)
        r->out->broken = rule;
}

/* Slices of an event lie in the bytes that its call consumed. */
static void put_slice(replay *r, kt_slice s)
{
    uintptr_t from = (uintptr_t)r->window;
    uintptr_t at = (uintptr_t)s.data;
    bool inside = s.size == 0 || (at >= from && at - from <= r->consumed &&
                                  s.size <= r->consumed - (at - from));
    require(r, inside, "a slice lies outside the bytes consumed");
    if (inside)
        put(r->out, s.data, s.size);
}

static void put_headers(replay *r, const kt__http_header *headers, size_t count)
{
    put_text(r->out, "{");
    for (size_t i = 0; i < count; i++) {
        kt_slice value = headers[i].value;
        const char *edges = " \t";
        require(r, headers[i].name.size > 0, "a header has no name");
        require(r, value.size == 0 || (!strchr(edges, value.data[0]) &&
                                       !strchr(edges, value.data[value.size - 1])),
                "a value has white space around it");
        for (size_t j = 0; j < value.size; j++)
            require(r, !memchr("\r\n\0\x7f", value.data[j], 4), "a value holds a control byte");
        put_text(r->out, i > 0 ? "," : "");
        put_slice(r, headers[i].name);
        put_text(r->out, "=");
        put_slice(r, value);
    }
    put_text(r->out, "}");
}

static void put_framing(replay *r, const kt__http_head *h)
{
    static const char *const names[] = {" none", " length=", " chunked", " until-close"};
    put_text(r->out, names[h->framing]);
    if (h->framing == KT__HTTP_LENGTH) {
        put_number(r->out, h->content_length);
        require(r, h->content_length > 0, "a length of zero announces a body");
    }
    put_text(r->out, h->keep_alive ? " keep" : " close");
    put_text(r->out, h->expect_continue ? " expect" : "");
    put_text(r->out, h->upgrade ? " upgrade" : "");
}

static void put_head(replay *r, const kt__http_head *h)
{
    put_word(r->out, "");
    if (r->setup->role == KT__HTTP_REQUEST) {
        put_slice(r, h->method);
        put_text(r->out, " ");
        put_slice(r, h->target);
    } else {
        put_number(r->out, (uint64_t)h->status);
        put_text(r->out, " \"");
        put_slice(r, h->reason);
        put_text(r->out, "\"");
    }
    put_text(r->out, " 1.");
    put_number(r->out, (uint64_t)h->minor);
    if (r->setup->role == KT__HTTP_REQUEST) {
        put_text(r->out, " host=");
        put_slice(r, h->host);
        require(r, h->path.size + h->query.size <= h->target.size, "path is not in the target");
    }
    put_framing(r, h);
    put_text(r->out, " ");
    put_headers(r, h->headers, h->header_count);
    require(r, h->header_count <= r->parser.header_max, "more headers than room");
}

static void put_event(replay *r, const kt__http_event *e)
{
    if (r->in_body && e->type != KT__HTTP_BODY) {
        put_text(r->out, ")");
        r->in_body = false;
    }
    if (e->type == KT__HTTP_HEAD) {
        require(r, r->consumed > 0, "a head out of nothing");
        r->body_bytes = 0;
        put_head(r, e->head);
    } else if (e->type == KT__HTTP_BODY) {
        if (!r->in_body)
            put_word(r->out, "body(");
        r->in_body = true;
        require(r, e->body.size > 0, "an empty piece of body");
        put_slice(r, e->body);
        r->body_bytes += e->body.size;
        require(r, r->body_bytes <= r->parser.limits.body_bytes_max, "more body than the limit");
    } else if (e->type == KT__HTTP_END) {
        kt__http_framing f = e->head->framing;
        require(r, f != KT__HTTP_LENGTH || r->body_bytes == e->head->content_length,
                "a body is not as long as announced");
        require(r, f != KT__HTTP_NO_BODY || r->body_bytes == 0, "a body that was not announced");
        put_word(r->out, "end");
        if (e->trailer_count > 0)
            put_headers(r, e->trailers, e->trailer_count);
    }
}

static void put_error(replay *r, ssize_t rc)
{
    const kt__http_error *error = &r->parser.error;
    kt__http_event e;
    if (r->in_body)
        put_text(r->out, ")");
    r->in_body = false;
    require(r, rc == error->rc && (rc == KT_EPROTOCOL || rc == KT_ELIMIT), "unknown error code");
    require(r, kt__http_parser_feed(&r->parser, "x", 1, &e) == rc, "an error does not last");
    put_word(r->out, "");
    put_number(r->out, (uint64_t)error->status);
    put_text(r->out, "@");
    put_number(r->out, error->offset);
    put_text(r->out, " ");
    put_text(r->out, error->reason);
}

/* A caller's buffer of this size never fills up with what the parser will not consume. */
static void check_held_back(replay *r, size_t size)
{
    const kt__http_limits *l = &r->parser.limits;
    size_t head_max = (size_t)2 + l->start_line_bytes_max + l->header_bytes_max;
    size_t max = head_max > l->trailer_bytes_max ? head_max : l->trailer_bytes_max;
    require(r, size <= max, "more held back than the limits allow");
}

/* Feeds one growing window until the parser wants more; false when the stream is over. */
static bool drain(replay *r, const char *data, size_t *at, size_t fed, size_t total)
{
    for (;;) {
        kt__http_event e = {.type = KT__HTTP_NEED_MORE};
        size_t size = fed - *at;
        r->window = r->setup->place ? r->setup->place(data + *at, size) : data + *at;
        ssize_t n = kt__http_parser_feed(&r->parser, r->window, size, &e);
        if (n < 0) {
            put_error(r, n);
            return false;
        }
        require(r, (size_t)n <= size, "more consumed than there was");
        if (r->out->broken)
            return false;
        r->consumed = (size_t)n;
        *at += (size_t)n;
        if (e.type == KT__HTTP_NEED_MORE) {
            check_held_back(r, size - (size_t)n);
            return true;
        }
        put_event(r, &e);
        if (e.type != KT__HTTP_END)
            continue;
        if (!e.head->keep_alive || e.head->upgrade) {
            put_word(r->out, "rest=");
            put_number(r->out, total - *at);
            return false;
        }
        kt__http_parser_reset(&r->parser);
        kt__http_parser_answers(&r->parser, r->setup->answer_to);
    }
}

static void finish(replay *r)
{
    kt__http_event e = {.type = KT__HTTP_NEED_MORE};
    int rc = kt__http_parser_eof(&r->parser, &e);
    r->consumed = 0;
    if (rc == 1) {
        put_event(r, &e);
        put_text(r->out, "(eof)");
        return;
    }
    if (r->in_body)
        put_text(r->out, ")");
    require(r, rc == 0 || rc == KT_EINCOMPLETE, "unknown result at the end of the input");
    if (rc == KT_EINCOMPLETE)
        put_word(r->out, "cut");
}

void replay_run(const replay_setup *setup, const char *data, size_t size, replay_cut cut, void *arg,
                replay_transcript *ret_transcript)
{
    static replay r;
    size_t at = 0;
    size_t fed = 0;
    bool more = true;
    memset(&r, 0, sizeof(r));
    r.setup = setup;
    r.out = ret_transcript;
    r.out->size = 0;
    r.out->text[0] = '\0';
    r.out->broken = NULL;
    kt__http_parser_init(&r.parser, setup->role, r.headers,
                         setup->header_max ? setup->header_max : KT__HTTP_HEADERS_DEFAULT,
                         setup->limits);
    kt__http_parser_answers(&r.parser, setup->answer_to);
    while (more && fed < size) {
        size_t piece = cut(fed, arg);
        fed += piece < size - fed ? piece : size - fed;
        more = drain(&r, data, &at, fed, size);
    }
    if (more)
        finish(&r);
}

size_t replay_whole(size_t fed, void *arg)
{
    (void)fed;
    (void)arg;
    return SIZE_MAX;
}

size_t replay_bytes(size_t fed, void *arg)
{
    (void)fed;
    (void)arg;
    return 1;
}

size_t replay_two(size_t fed, void *arg)
{
    size_t first = *(size_t *)arg;
    return fed == 0 && first > 0 ? first : SIZE_MAX;
}

const char *replay_place_at_guard(const char *data, size_t size)
{
    static char *region;
    if (!region) {
        region = mmap(NULL, 2 * GUARDED_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (region == MAP_FAILED || mprotect(region + GUARDED_BYTES, GUARDED_BYTES, PROT_NONE) < 0)
            abort();
    }
    if (size > GUARDED_BYTES)
        abort();
    char *place = region + GUARDED_BYTES - size;
    if (size > 0)
        memcpy(place, data, size);
    return place;
}
