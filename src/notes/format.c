/* SPDX-License-Identifier: MIT */

/* The table of formats, and what they have in common. */

#include <errno.h>

#include "notes/notes.h"

static const kt__note_codec codecs[KT_NOTE_FORMATS] = {
    [KT_NOTE_MD] = {"md", kt__markdown_write, kt__markdown_read},
    [KT_NOTE_JSON] = {"json", kt__note_json_write, kt__note_json_read},
    [KT_NOTE_CSV] = {"csv", kt__csv_write, kt__csv_read},
    [KT_NOTE_HTML] = {"html", kt__html_write, kt__html_read},
};

static bool is_format(kt_note_format f)
{
    return (unsigned)f < KT_NOTE_FORMATS;
}

const char *kt_note_format_name(kt_note_format f)
{
    return is_format(f) ? codecs[f].name : "?";
}

int kt_note_format_parse(kt_slice name, kt_note_format *ret_format)
{
    for (int f = 0; f < KT_NOTE_FORMATS; f++)
        if (kt_slice_is(name, codecs[f].name)) {
            *ret_format = (kt_note_format)f;
            return 0;
        }
    return kt_error_set(KT_ENOTFOUND, "no format '%.*s'; there are md, json, csv, html",
                        (int)(name.size < 40 ? name.size : 40), name.data ? name.data : "");
}

int kt_note_write(const kt_note *n, kt_note_format f, kt_buffer *out)
{
    int rc = is_format(f) ? kt_note_check(n) : -EINVAL;
    return rc < 0 ? rc : codecs[f].write(n, out);
}

/* ---- Reading ------------------------------------------------------------------------------ */

int kt__note_sink_take(kt__note_sink *s, const kt_note *n)
{
    int rc = kt_note_check(n);
    if (rc == 0)
        rc = s->take(n, s->arg);
    if (rc >= 0)
        s->count++;
    return rc < 0 ? rc : 0;
}

typedef struct call {
    int (*fn)(kt_note *n, void *arg);
    void *arg;
} call;

static int copy_and_call(const kt_note *n, void *arg)
{
    const call *c = arg;
    kt_auto(kt_note) copy = KT_NOTE_INIT;
    int rc = kt_note_copy(n, &copy);
    return rc < 0 ? rc : c->fn(&copy, c->arg);
}

ssize_t kt_note_read_each(kt_slice text, kt_note_format f, int (*fn)(kt_note *n, void *arg),
                          void *arg)
{
    call c = {fn, arg};
    kt__note_sink sink = {copy_and_call, &c, 0};
    int rc = is_format(f) ? kt__text_check(text) : -EINVAL;
    if (kt__text_begins(text, "\xef\xbb\xbf")) {
        text.data += 3;
        text.size -= 3;
    }
    if (rc == 0)
        rc = codecs[f].read(text, &sink);
    return rc < 0 ? rc : (ssize_t)sink.count;
}

static int keep_first(kt_note *n, void *arg)
{
    kt_note *first = arg;
    if (first->storage)
        return kt_error_set(KT_EVALIDATION, "more than one note");
    *first = *n;
    *n = (kt_note)KT_NOTE_INIT;
    return 0;
}

int kt_note_read(kt_slice text, kt_note_format f, kt_note *ret_note)
{
    kt_auto(kt_note) note = KT_NOTE_INIT;
    ssize_t n = kt_note_read_each(text, f, keep_first, &note);
    if (n < 0)
        return (int)n;
    if (n == 0)
        return kt_error_set(KT_EVALIDATION, "no note in it");
    *ret_note = note;
    note = (kt_note)KT_NOTE_INIT;
    return 0;
}
