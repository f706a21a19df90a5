/* SPDX-License-Identifier: MIT */
/* The formats of notes under libFuzzer. The oracle: a note that can be read can be written in every
 * format, and what is read of that is the same note; and what is written of it once more is the same
 * text. So no text that a stranger sends in one format means another note in the next.
 *
 * Input: a byte for the format, then the text. It stands in memory of its own size, so that a byte
 * read behind it is an AddressSanitizer report. */
#include <kettle/memory.h>
#include <kettle/notes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* fuzz/prove builds without the runtime, in which details live. */
static char detail[256];

__attribute__((weak)) int kt_error_set(int rc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    return rc;
}

__attribute__((weak)) const char *kt_error_detail(void)
{
    return detail;
}

static void fail(const char *why, kt_note_format f, kt_slice text)
{
    fprintf(stderr, "whole: %s, as %s: %s\n", why, kt_note_format_name(f), kt_error_detail());
    fwrite(text.data, 1, text.size, stderr);
    fprintf(stderr, "\n=\n");
    abort();
}

/* Markdown leaves the time of the last change to the file. */
static bool same(const kt_note *a, const kt_note *b, kt_note_format f)
{
    bool times = a->created == b->created && (f == KT_NOTE_MD || a->changed == b->changed);
    return kt_note_equal(a, b) && times;
}

static void check_format(const kt_note *n, kt_note_format f)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    kt_auto(kt_buffer) again = KT_BUFFER_INIT;
    kt_auto(kt_note) back = KT_NOTE_INIT;
    if (kt_note_write(n, f, &text) < 0)
        fail("not written", f, n->body);
    if (kt_note_read(kt_buffer_slice(&text), f, &back) < 0)
        fail("not read", f, kt_buffer_slice(&text));
    if (!same(n, &back, f))
        fail("another note", f, kt_buffer_slice(&text));
    back.changed = n->changed;
    if (kt_note_write(&back, f, &again) < 0)
        fail("not written again", f, kt_buffer_slice(&text));
    if (!kt_slice_equal(kt_buffer_slice(&text), kt_buffer_slice(&again)))
        fail("another text", f, kt_buffer_slice(&again));
}

static int check_note(kt_note *n, void *arg)
{
    char slug[KT_NOTE_SLUG_BYTES];
    (void)arg;
    for (int f = 0; f < KT_NOTE_FORMATS; f++)
        check_format(n, (kt_note_format)f);
    size_t size = kt_note_slug(n->title, slug);
    if (size == 0 || size != strlen(slug) || slug[0] == '.' || strchr(slug, '/') || size > 105)
        fail("a slug", KT_NOTE_MD, n->title);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = kt_alloc(size - 1);
    if (size > 1)
        memcpy(text, data + 1, size - 1);
    ssize_t n = kt_note_read_each((kt_slice){text, size - 1}, (kt_note_format)(data[0] % KT_NOTE_FORMATS),
                                  check_note, NULL);
    (void)n;
    kt_free(text);
    return 0;
}
