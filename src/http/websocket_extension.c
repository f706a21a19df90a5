/* SPDX-License-Identifier: MIT */
/* Which form of permessage-deflate both ends can do (RFC 7692 section 7.1). */
#include <errno.h>
#include <stdio.h>

#include "http/parser_internal.h"
#include "http/websocket_private.h"

#define DEFLATE "permessage-deflate"
#define BITS_MAX 15
#define BITS_MIN 8
#define BITS_NONE 0 /* no such parameter, or one without a value */
#define VALUE_BYTES 3 /* one more than the longest value that means something */

/* One element of the list, as far as it is permessage-deflate. */
typedef struct extension {
    bool is_deflate;
    bool sound;            /* all its parameters are known, once each, with values that may be */
    bool server_forgets, client_forgets, has_server_bits, has_client_bits;
    uint8_t server_bits, client_bits;
} extension;

/* ---- Parsing -------------------------------------------------------------------------------- */

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

static bool skip(cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    skip_space(c);
    return true;
}

static kt_slice token(cursor *c)
{
    const char *start = c->at;
    while (c->at < c->end && kt__is(*c->at, KT__C_TOKEN))
        c->at++;
    return (kt_slice){start, (size_t)(c->at - start)};
}

/* A value is a token, in quotes or not, also once its quoted pairs are resolved (RFC 6455 section 9.1). Of a quoted one
 * this gives the first bytes, in `room`. */
static kt_slice value(cursor *c, char room[VALUE_BYTES])
{
    size_t size = 0;
    if (c->at == c->end || *c->at != '"')
        return token(c);
    for (c->at++; c->at < c->end && *c->at != '"'; c->at++) {
        c->at += *c->at == '\\';
        if (c->at == c->end || !kt__is(*c->at, KT__C_TOKEN))
            return (kt_slice){NULL, 0};
        if (size < VALUE_BYTES)
            room[size++] = *c->at;
    }
    if (c->at == c->end)
        return (kt_slice){NULL, 0};
    c->at++;
    return (kt_slice){room, size};
}

/* "8" to "15", without zeros in front. */
static uint8_t bits_of(kt_slice v)
{
    unsigned n = 0;
    if (v.size == 0 || v.size > 2 || v.data[0] == '0')
        return BITS_NONE;
    for (size_t i = 0; i < v.size; i++) {
        if (v.data[i] < '0' || v.data[i] > '9')
            return BITS_NONE;
        n = n * 10 + (unsigned)(v.data[i] - '0');
    }
    return n >= BITS_MIN && n <= BITS_MAX ? (uint8_t)n : BITS_NONE;
}

static bool named(kt_slice name, const char *wanted)
{
    return kt__http_same(name.data, name.size, wanted);
}

/* Notes a parameter; false for one that is unknown, there twice, or has no such value. */
static bool note(extension *e, kt_slice name, bool has_value, kt_slice v)
{
    bool *seen = named(name, "server_no_context_takeover")   ? &e->server_forgets
                 : named(name, "client_no_context_takeover") ? &e->client_forgets
                 : named(name, "server_max_window_bits")     ? &e->has_server_bits
                 : named(name, "client_max_window_bits")     ? &e->has_client_bits
                                                             : NULL;
    if (!seen || *seen)
        return false;
    *seen = true;
    if (seen == &e->server_forgets || seen == &e->client_forgets)
        return !has_value;
    if (seen == &e->has_client_bits && !has_value)
        return true;
    uint8_t bits = bits_of(v);
    *(seen == &e->has_server_bits ? &e->server_bits : &e->client_bits) = bits;
    return bits != BITS_NONE;
}

/* Past empty elements, which count for nothing (RFC 9110 section 5.6.1.2). 1, 0 at the end, or -EPROTO. */
static int next(cursor *c, extension *e)
{
    char room[VALUE_BYTES];
    *e = (extension){.sound = true};
    while (skip(c, ','))
        ;
    if (c->at == c->end)
        return 0;
    kt_slice name = token(c);
    if (name.size == 0)
        return -EPROTO;
    e->is_deflate = named(name, DEFLATE);
    while (skip(c, ';')) {
        name = token(c);
        if (name.size == 0)
            return -EPROTO;
        bool has_value = skip(c, '=');
        kt_slice v = has_value ? value(c, room) : (kt_slice){NULL, 0};
        if (has_value && v.size == 0)
            return -EPROTO;
        e->sound = note(e, name, has_value, v) && e->sound;
    }
    return c->at == c->end || *c->at == ',' ? 1 : -EPROTO;
}

/* ---- Agreeing ------------------------------------------------------------------------------- */

static uint8_t least(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

static void say(char answer[KT__WS_EXTENSION_BYTES], const char *format, int bits)
{
    size_t size = strlen(answer);
    /* All that can be said together is shorter than the room. */
    (void)!snprintf(answer + size, KT__WS_EXTENSION_BYTES - size, format, bits);
}

/* What the server takes of an offer that is sound. */
static void agree(const extension *e, const kt_websocket_options *o, kt__ws_deflate *d,
                  char answer[KT__WS_EXTENSION_BYTES])
{
    uint8_t ours = o->deflate_window_bits;
    *d = (kt__ws_deflate){
        .on = true,
        .forget_out = e->server_forgets || o->deflate_forget,
        .forget_in = e->client_forgets || o->deflate_forget,
        .bits_out = least(ours, e->has_server_bits ? e->server_bits : BITS_MAX),
        .bits_in = BITS_MAX,
    };
    if (e->has_client_bits) /* only who says so can be told how many */
        d->bits_in = least(ours, e->client_bits ? e->client_bits : BITS_MAX);
    say(answer, DEFLATE, 0);
    if (d->forget_out)
        say(answer, "; server_no_context_takeover", 0);
    if (d->forget_in)
        say(answer, "; client_no_context_takeover", 0);
    if (e->has_server_bits || d->bits_out < BITS_MAX)
        say(answer, "; server_max_window_bits=%d", d->bits_out);
    if (e->has_client_bits && d->bits_in < BITS_MAX)
        say(answer, "; client_max_window_bits=%d", d->bits_in);
}

int kt__ws_extension_pick(kt_slice offers, const kt_websocket_options *o, kt__ws_deflate *ret,
                          char answer[KT__WS_EXTENSION_BYTES])
{
    extension e;
    int rc;
    *ret = (kt__ws_deflate){.on = false};
    answer[0] = '\0';
    if (offers.size == 0)
        return 0;
    cursor c = {offers.data, offers.data + offers.size};
    while ((rc = next(&c, &e)) > 0)
        if (e.is_deflate && e.sound && !o->no_deflate && !ret->on)
            agree(&e, o, ret, answer);
    return rc < 0 ? kt_error_set(rc, "Sec-WebSocket-Extensions is malformed") : 0;
}

void kt__ws_extension_offer(const kt_websocket_options *o, char offer[KT__WS_EXTENSION_BYTES])
{
    offer[0] = '\0';
    if (o->no_deflate)
        return;
    say(offer, DEFLATE, 0);
    if (o->deflate_forget)
        say(offer, "; server_no_context_takeover; client_no_context_takeover", 0);
    if (o->deflate_window_bits < BITS_MAX)
        say(offer, "; server_max_window_bits=%d", o->deflate_window_bits);
    say(offer, "; client_max_window_bits", 0); /* the server may choose ours */
}

static int refused(const char *why)
{
    return kt_error_set(KT_EPROTOCOL, "WebSocket: the server answered with %s", why);
}

/* RFC 7692 section 7.1: an answer may hold only what the offer leaves open. */
int kt__ws_extension_check(kt_slice answer, const kt_websocket_options *o, kt__ws_deflate *ret)
{
    extension e, other;
    *ret = (kt__ws_deflate){.on = false};
    if (answer.size == 0)
        return 0;
    cursor c = {answer.data, answer.data + answer.size};
    int rc = next(&c, &e);
    if (rc == 0)
        return 0;
    if (rc < 0 || next(&c, &other) != 0 || !e.is_deflate || o->no_deflate)
        return refused("extensions that were not offered");
    if (!e.sound || (e.has_client_bits && e.client_bits == BITS_NONE))
        return refused("bad parameters of permessage-deflate");
    uint8_t ours = o->deflate_window_bits;
    if (ours < BITS_MAX && (!e.has_server_bits || e.server_bits > ours))
        return refused("a larger window than was asked for");
    if (o->deflate_forget && !e.server_forgets)
        return refused("context takeover, which was not to be");
    *ret = (kt__ws_deflate){
        .on = true,
        .forget_out = e.client_forgets || o->deflate_forget,
        .forget_in = e.server_forgets,
        .bits_out = least(ours, e.has_client_bits ? e.client_bits : BITS_MAX),
        .bits_in = e.has_server_bits ? e.server_bits : BITS_MAX,
    };
    return 0;
}
