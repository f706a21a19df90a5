/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_H2_TRIALS_H
#define TESTS_HTTP_H2_TRIALS_H

/* Trials of a server by the letter of RFC 9113 and RFC 7541: frames that a client sends, and all that may come of them.
 *
 * What is not said in a trial must not happen: no GOAWAY, no RST_STREAM, no ACK of a PING or of SETTINGS that was not
 * asked for. Two PINGs end each trial: what they find unsaid is not said any more. Each trial is run thrice: its frames
 * whole; in segments of one byte; and each after a while, to a server that answers before it has read the body. With
 * real sockets it is run once, whole: the system cuts the segments there, and virtual time stands still. */

#include "client_site.h"

#include "h2_steps.h"

typedef struct trial {
    const char *section, *what;
    step steps[12]; /* as many as have a type, or bytes */
    bool bare;      /* the steps begin with the preface */
    bool closes;    /* the connection, without a word */
    uint32_t goaway, reset; /* bits of the errors that may come, if any is set one must */
    uint32_t id;            /* of the stream that is reset or answered */
    const char *status;     /* of the answer */
    int pongs;              /* PINGs that are answered */
    bool holds;             /* the stream has got so much of its answer, and waits for its window */
    size_t data;
} trial;

#define ENDS(error) .goaway = 1u << NGHTTP2_##error
#define RESETS(stream, error) .reset = 1u << NGHTTP2_##error, .id = (stream)
#define FAILS(stream, error) ENDS(error), RESETS(stream, error)
#define ANSWERS(stream) .status = ":status: 200\n", .id = (stream)
#define HOLDS(stream, n) .holds = true, .data = (n), .id = (stream)
#define LIVES .pongs = 0

/* What a trial's connection has heard. */
typedef struct outcome {
    uint32_t goaway, reset, other_resets;
    int pongs, settings_acks, barriers;
    bool ended, answered;
    char head[sizeof(((peer *)0)->head)];
    size_t data;
} outcome;

/* ---- The server --------------------------------------------------------------------------------------------- */

enum manner { AT_ONCE, BYTE_BY_BYTE, EAGER };

/* Reads the body and answers; with "/stay", only when it is cancelled. An eager one reads it with "/read" only. */
static inline int takes_part(kt_http_exchange *x, void *arg)
{
    const enum manner *manner = arg;
    kt_slice body;
    int rc = 0;
    if (*manner != EAGER || kt_slice_is(kt_http_path(x), "/read"))
        rc = kt_http_read_all(x, 1024 * 1024, &body);
    if (rc == 0 && kt_slice_is(kt_http_path(x), "/stay"))
        rc = kt_sleep(KT_FOREVER);
    return rc < 0 ? rc : hello(x, NULL);
}

/* ---- The client --------------------------------------------------------------------------------------------- */

static inline void note(outcome *o, const trial *t, const peer *p)
{
    const frame *f = &p->f;
    bool is_ours = f->id == t->id;
    if (f->type == GOAWAY)
        o->goaway |= 1u << (number_at(f, 4) & 31);
    if (f->type == RST_STREAM && is_ours)
        o->reset |= 1u << (number_at(f, 0) & 31);
    else if (f->type == RST_STREAM)
        o->other_resets |= 1u << (number_at(f, 0) & 31);
    if (f->type == SETTINGS && f->flags & ACK)
        o->settings_acks++;
    if (f->type == PING && f->flags & ACK)
        memcmp(f->bytes, "barrier", 7) == 0 ? o->barriers++ : o->pongs++;
    if (f->type == HEADERS && is_ours)
        memcpy(o->head, p->head, sizeof o->head);
    if (f->type == DATA && is_ours)
        o->data += f->size;
    if ((f->type == HEADERS || f->type == DATA) && f->flags & END_STREAM && is_ours)
        o->answered = true;
}

static inline bool hears(outcome *o, const trial *t, peer *p)
{
    if (o->ended || !next(p)) {
        o->ended = true;
        return false;
    }
    note(o, t, p);
    return true;
}

/* What fails is that the connection has ended, as it may: what was heard says whether it should have. */
static inline int take_step(outcome *o, const trial *t, peer *p, const step *s)
{
    if (s->type == ANSWERED) {
        while (hears(o, t, p))
            if (p->f.id == s->id && p->f.flags & END_STREAM && (p->f.type == DATA || p->f.type == HEADERS))
                return 0;
        return -EPIPE;
    }
    return say_step(p, s);
}

/* Sends all; returns the number of SETTINGS that want an acknowledgement. */
static inline int take_steps(outcome *o, const trial *t, peer *p, enum manner manner)
{
    int rc = 0, settings = 0;
    for (const step *s = t->steps; rc == 0 && s < t->steps + 12 && is_step(s); s++) {
        rc = take_step(o, t, p, s);
        settings += s->type == SETTINGS && !(s->flags & ACK);
        if (manner == EAGER)
            CHECK_OK(kt_sleep(KT_MS(1)));
    }
    return settings;
}

/* A PING and all that comes before its answer. */
static inline void bar(outcome *o, const trial *t, peer *p)
{
    int before = o->barriers;
    if (try_frame(p, PING, 0, 0, "barrier", 8) < 0)
        return; /* what was said before is still to be heard */
    while (o->barriers == before && hears(o, t, p))
        ;
}

/* What differs, or NULL. */
static inline const char *error_differs(const trial *t, const outcome *o)
{
    if (o->goaway & ~t->goaway)
        return "another GOAWAY";
    if (o->reset & ~t->reset || o->other_resets)
        return "another RST_STREAM";
    if ((t->goaway | t->reset) && !(o->goaway | o->reset))
        return "no error";
    if (o->ended != (t->closes || o->goaway)) /* RFC 9113 section 5.4.1: it ends after a GOAWAY */
        return o->ended ? "an end" : "no end";
    return NULL;
}

static inline const char *differs(const trial *t, const outcome *o, int settings)
{
    const char *error = error_differs(t, o);
    if (!error && t->status && strncmp(o->head, t->status, strlen(t->status)) != 0)
        error = "another answer";
    if (error || o->ended)
        return error;
    if (o->barriers != 2 || o->pongs != t->pongs)
        return "acknowledgements of PINGs";
    if (o->settings_acks != settings)
        return "acknowledgements of SETTINGS";
    if (t->holds && (o->answered || o->data != t->data))
        return "so much data";
    return NULL;
}

/* Whether it came out as it should. */
static inline bool run_trial(const site *s, const trial *t, enum manner manner)
{
    peer p;
    outcome o = {0};
    int settings = 0;
    if (t->bare) {
        meet(&p, dial(s));
    } else {
        greet(&p, dial(s));
        while (hears(&o, t, &p) && p.f.type != SETTINGS)
            ;
        send_frame(&p, SETTINGS, ACK, 0, NULL, 0);
        settings = 1;
    }
    settings += take_steps(&o, t, &p, manner);
    bar(&o, t, &p);
    bar(&o, t, &p);
    while (t->status && !o.answered && hears(&o, t, &p))
        ;
    while (o.goaway && hears(&o, t, &p))
        ;
    while (t->closes && hears(&o, t, &p))
        ;
    leave(&p);
    const char *what = differs(t, &o, settings);
    if (what)
        fprintf(stderr, "%s: %s: %s: GOAWAY %#x, RST_STREAM %#x and %#x, %zu bytes, %s\n", t->section, t->what, what,
                o.goaway, o.reset, o.other_resets, o.data, o.ended ? "ended" : "alive");
    return !what;
}

static inline void run_trials(const trial *trials, size_t count, enum manner manner)
{
    site s;
    size_t wrong = 0;
    kt_auto(net) n = net_open((kt_test_network_options){.segment_max = manner == BYTE_BY_BYTE});
    (void)n;
    site_open(&s, NULL, takes_part, &manner);
    for (size_t i = 0; i < count; i++) {
        static const char *const manners[] = {"at once", "byte by byte", "to an eager server"};
        kt_test_say("%s: %s, %s", trials[i].section, trials[i].what, manners[manner]);
        wrong += !run_trial(&s, &trials[i], manner);
    }
    site_close(&s);
    if (wrong > 0)
        kt_test_fail("%zu trials of %zu came out wrong", wrong, count);
}

/* In all manners that there are. */
#define TRIALS(name, ...) \
    static const trial trials_of_##name[] = {__VA_ARGS__}; \
    TEST(name) \
    { \
        size_t count = sizeof trials_of_##name / sizeof trials_of_##name[0]; \
        run_trials(trials_of_##name, count, AT_ONCE); \
        if (!is_simulated()) \
            return; \
        run_trials(trials_of_##name, count, BYTE_BY_BYTE); \
        run_trials(trials_of_##name, count, EAGER); \
    }

#endif
