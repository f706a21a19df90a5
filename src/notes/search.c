/* SPDX-License-Identifier: MIT */

/* Search by words, ranked by BM25F. What a score needs of all notes (how many have a word, how
 * long fields are) is known only at the end, so for each note that matches its counts are kept
 * until then; nothing else is. */

#include <errno.h>
#include <kettle/memory.h>
#include <math.h>
#include <stdlib.h>

#include "notes/notes.h"

#define TERMS_MAX 16
#define LIMIT_DEFAULT 20
#define K1 1.2
#define B 0.75
#define BEGINNING_WEIGHT 0.5f

enum { TITLE, TAGS, BODY, FIELDS };

static const double weights[FIELDS] = {4, 3, 1};

typedef struct term {
    char text[64]; /* lower case */
    size_t size;
    size_t notes; /* that have it */
} term;

/* A note that matches. */
typedef struct match {
    char *name, *title;
    kt_time changed;
    double score;
    uint32_t lengths[FIELDS]; /* in words */
    float counts[]; /* [term][field] */
} match;

typedef struct search {
    term terms[TERMS_MAX];
    size_t terms_count;
    size_t notes, unreadable;
    double lengths[FIELDS]; /* of all notes */
    match **matches;
    size_t matches_count, matches_capacity;
} search;

static void search_cleanup(search *s)
{
    for (size_t i = 0; i < s->matches_count; i++) {
        kt_free(s->matches[i]->name);
        kt_free(s->matches[i]->title);
        kt_free(s->matches[i]);
    }
    kt_free(s->matches);
}

/* ---- Words -------------------------------------------------------------------------------- */

/* Scripts that write no blanks between words: each character is taken for one. */
static bool stands_alone(uint32_t c)
{
    return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x9fff) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x20000 && c <= 0x3ffff);
}

static bool is_word_char(uint32_t c)
{
    if (c >= 0x80)
        return !kt__char_is_unseen(c) && !(c >= 0x3001 && c <= 0x303f) && c != 0xd7 && c != 0xf7;
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The next word from *at on, in lower case and cut to the size of a term's text; false at the end. */
static bool next_word(kt_slice text, size_t *at, char word[64], size_t *ret_size)
{
    size_t used = 0, step;
    for (; *at < text.size; *at += step) {
        uint32_t c = kt__text_char(text, *at, &step);
        bool alone = stands_alone(c);
        if (used > 0 && (alone || !is_word_char(c)))
            break;
        if (is_word_char(c) && used + 4 < 64)
            used += kt__char_encode(kt__char_lower(c), word + used);
        if (alone) {
            *at += step;
            break;
        }
    }
    *ret_size = used;
    return used > 0;
}

static int read_query(search *s, const char *query)
{
    kt_slice text = kt_slice_from(query);
    size_t at = 0;
    while (s->terms_count < TERMS_MAX) {
        term *t = &s->terms[s->terms_count];
        if (!next_word(text, &at, t->text, &t->size))
            break;
        bool again = false;
        for (size_t i = 0; i < s->terms_count; i++)
            again = again || (s->terms[i].size == t->size &&
                              memcmp(s->terms[i].text, t->text, t->size) == 0);
        s->terms_count += !again;
    }
    return s->terms_count > 0 ? 0 : kt_error_set(KT_EVALIDATION, "the search needs a word");
}

/* ---- Counting ----------------------------------------------------------------------------- */

typedef struct tally {
    float counts[TERMS_MAX][FIELDS];
    uint32_t lengths[FIELDS];
} tally;

static void count_words(const search *s, kt_slice text, int field, tally *t)
{
    char word[64];
    size_t at = 0, size;
    while (next_word(text, &at, word, &size)) {
        t->lengths[field]++;
        for (size_t i = 0; i < s->terms_count; i++) {
            const term *q = &s->terms[i];
            if (size >= q->size && memcmp(word, q->text, q->size) == 0)
                t->counts[i][field] += size == q->size ? 1 : BEGINNING_WEIGHT;
        }
    }
}

static int keep(search *s, const kt_note_entry *e, const tally *t)
{
    if (s->matches_count == s->matches_capacity) {
        size_t capacity = s->matches_capacity ? 2 * s->matches_capacity : 64;
        match **matches = kt_realloc(s->matches, capacity * sizeof *matches);
        if (!matches)
            return -ENOMEM;
        s->matches = matches;
        s->matches_capacity = capacity;
    }
    size_t counts_bytes = s->terms_count * sizeof t->counts[0];
    match *m = kt_calloc(1, sizeof *m + counts_bytes);
    if (!m)
        return -ENOMEM;
    s->matches[s->matches_count++] = m;
    m->name = kt_strndup(e->name, strlen(e->name));
    m->title = kt_strndup(e->note.title.data, e->note.title.size);
    m->changed = e->note.changed;
    memcpy(m->lengths, t->lengths, sizeof m->lengths);
    memcpy(m->counts, t->counts, counts_bytes);
    return m->name && m->title ? 0 : -ENOMEM;
}

static int look_at(search *s, const kt_note_entry *e)
{
    tally t;
    bool any = false;
    memset(&t, 0, sizeof t);
    if (e->rc < 0) {
        s->unreadable++;
        return 0;
    }
    count_words(s, e->note.title, TITLE, &t);
    for (size_t i = 0; i < e->note.tags_count; i++)
        count_words(s, e->note.tags[i], TAGS, &t);
    count_words(s, e->note.body, BODY, &t);
    s->notes++;
    for (int f = 0; f < FIELDS; f++)
        s->lengths[f] += t.lengths[f];
    for (size_t i = 0; i < s->terms_count; i++) {
        bool has = t.counts[i][TITLE] + t.counts[i][TAGS] + t.counts[i][BODY] > 0;
        s->terms[i].notes += has;
        any = any || has;
    }
    return any ? keep(s, e, &t) : 0;
}

/* ---- Ranking ------------------------------------------------------------------------------ */

static double score_of(const search *s, const match *m)
{
    double score = 0, n = (double)s->notes;
    for (size_t i = 0; i < s->terms_count; i++) {
        double has = (double)s->terms[i].notes, tf = 0;
        for (int f = 0; f < FIELDS; f++) {
            double mean = s->lengths[f] / n;
            double length = mean > 0 ? 1 - B + B * m->lengths[f] / mean : 1;
            tf += weights[f] * (double)m->counts[i * FIELDS + (size_t)f] / length;
        }
        score += log(1 + (n - has + 0.5) / (has + 0.5)) * tf / (K1 + tf);
    }
    return score;
}

static int compare(const void *a, const void *b)
{
    const match *x = *(match *const *)a, *y = *(match *const *)b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int make_hits(const search *s, size_t limit, kt_note_hits **ret_hits)
{
    size_t count = s->matches_count < limit ? s->matches_count : limit;
    size_t bytes = sizeof(kt_note_hits) + count * sizeof(kt_note_hit);
    for (size_t i = 0; i < count; i++)
        bytes += strlen(s->matches[i]->name) + strlen(s->matches[i]->title) + 2;
    kt_note_hits *h = kt_alloc(bytes);
    if (!h)
        return -ENOMEM;
    *h = (kt_note_hits){.count = count, .found = s->matches_count, .unreadable = s->unreadable};
    char *at = (char *)&h->items[count];
    for (size_t i = 0; i < count; i++) {
        const match *m = s->matches[i];
        size_t name = strlen(m->name) + 1, title = strlen(m->title) + 1;
        memcpy(at, m->name, name);
        memcpy(at + name, m->title, title);
        h->items[i] = (kt_note_hit){at, at + name, m->score, m->changed};
        at += name + title;
    }
    *ret_hits = h;
    return 0;
}

int kt_notebook_search(kt_notebook *b, const char *query, size_t limit,
                       const kt_note_filter *filter, kt_note_hits **ret_hits)
{
    kt_auto(search) s = {.terms_count = 0};
    kt_auto(kt_note_reader) *r = NULL;
    kt_note_entry e;
    int rc = read_query(&s, query);
    if (rc == 0)
        rc = kt_note_reader_open(b, filter, &r);
    while (rc >= 0 && (rc = kt_note_reader_next(r, &e)) == 1)
        rc = look_at(&s, &e);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < s.matches_count; i++)
        s.matches[i]->score = score_of(&s, s.matches[i]);
    if (s.matches_count > 0)
        qsort(s.matches, s.matches_count, sizeof s.matches[0], compare);
    return make_hits(&s, limit ? limit : LIMIT_DEFAULT, ret_hits);
}

void kt_note_hits_free(kt_note_hits *h)
{
    kt_free(h);
}
