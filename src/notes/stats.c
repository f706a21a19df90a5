/* SPDX-License-Identifier: MIT */

/* Figures of a notebook. */

#include <errno.h>
#include <kettle/memory.h>
#include <stdlib.h>

#include "notes/notes.h"

/* Runs of what is not blank, as wc(1) counts. */
static uint64_t words_in(kt_slice text)
{
    uint64_t words = 0;
    bool inside = false;
    for (size_t i = 0; i < text.size; i++) {
        bool blank = strchr(" \t\r\n\f\v", text.data[i]) != NULL;
        words += !blank && !inside;
        inside = !blank;
    }
    return words;
}

static int count_note(kt_notebook_stats *s, kt__names *tags, const kt_note *n)
{
    s->notes++;
    s->words += words_in(n->title) + words_in(n->body);
    s->bytes += n->title.size + n->body.size;
    s->oldest = s->notes == 1 || n->changed < s->oldest ? n->changed : s->oldest;
    s->newest = s->notes == 1 || n->changed > s->newest ? n->changed : s->newest;
    s->untagged += n->tags_count == 0;
    for (size_t i = 0; i < n->tags_count; i++) {
        kt__name *tag;
        bool again = false;
        for (size_t j = 0; j < i; j++)
            again = again || kt_slice_equal(n->tags[i], n->tags[j]);
        int rc = again ? 1 : kt__names_enter(tags, n->tags[i], &tag);
        if (rc < 0)
            return rc;
        if (!again && rc == 0)
            tag->number++;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const kt_note_tag_count *x = a, *y = b;
    if (x->notes != y->notes)
        return x->notes > y->notes ? -1 : 1;
    return strcmp(x->tag, y->tag);
}

/* The tags lie behind their list. */
static int make_list(kt_notebook_stats *s, const kt__names *tags)
{
    size_t bytes = tags->count * sizeof(kt_note_tag_count), cursor = 0, i = 0;
    for (kt__name *n = NULL; (n = kt__names_each(tags, &cursor, n));)
        bytes += strlen(n->text) + 1;
    kt_note_tag_count *list = kt_alloc(bytes);
    if (!list)
        return -ENOMEM;
    char *at = (char *)(list + tags->count);
    cursor = 0;
    for (kt__name *n = NULL; (n = kt__names_each(tags, &cursor, n)); i++) {
        size_t size = strlen(n->text) + 1;
        memcpy(at, n->text, size);
        list[i] = (kt_note_tag_count){at, n->number};
        at += size;
    }
    if (tags->count > 0)
        qsort(list, tags->count, sizeof *list, compare);
    s->tags = s->storage = list;
    s->tags_count = tags->count;
    return 0;
}

int kt_notebook_stats_get(kt_notebook *b, const kt_note_filter *filter,
                          kt_notebook_stats *ret_stats)
{
    kt_auto(kt__names) tags = {.exact = true};
    kt_auto(kt_note_reader) *r = NULL;
    kt_notebook_stats s = KT_NOTEBOOK_STATS_INIT;
    kt_note_entry e;
    int rc = kt_note_reader_open(b, filter, &r);
    while (rc >= 0 && (rc = kt_note_reader_next(r, &e)) == 1) {
        s.unreadable += e.rc < 0;
        rc = e.rc < 0 ? 0 : count_note(&s, &tags, &e.note);
    }
    if (rc == 0)
        rc = make_list(&s, &tags);
    if (rc == 0)
        *ret_stats = s;
    return rc;
}

void kt_notebook_stats_release(kt_notebook_stats *s)
{
    kt_free(s->storage);
    *s = (kt_notebook_stats)KT_NOTEBOOK_STATS_INIT;
}
