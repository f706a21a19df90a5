/* SPDX-License-Identifier: MIT */
/* A notebook takes no more memory for all that was done to its notes. */
#include "../growth.h"
#include "note_kit.h"

static void use_notebook(void *book)
{
    char name[KT_NOTE_NAME_BYTES], other[KT_NOTE_NAME_BYTES];
    const kt_note n = NOTE("Green Tea", "At 80 degrees.", S("tea"));
    kt_auto(kt_note) back = KT_NOTE_INIT;
    kt_auto(kt_note_hits) *hits = NULL;
    kt_auto(kt_note_reader) *reader = NULL;
    kt_notebook_stats stats = KT_NOTEBOOK_STATS_INIT;
    kt_note_entry e;
    sure(kt_notebook_add(book, &n, name));
    sure(kt_notebook_get(book, name, &back));
    sure(kt_notebook_put(book, name, &back, 0));
    sure(kt_notebook_rename(book, name, S("Black Tea"), other));
    sure(kt_notebook_search(book, "tea", 10, NULL, &hits));
    sure(kt_notebook_stats_get(book, NULL, &stats));
    kt_notebook_stats_release(&stats);
    sure(kt_note_reader_open(book, NULL, &reader));
    CHECK_EQ(kt_note_reader_next(reader, &e), 1); /* and leaves it with what is read ahead */
    sure(kt_notebook_remove(book, other));
    CHECK_ERR(kt_notebook_get(book, other, &back), KT_ENOTFOUND);
}

TEST(notes_that_came_and_went_take_no_memory_of_their_notebook)
{
    kt_test_disk *d = disk_open(NULL);
    kt_notebook *b = NULL;
    sure(kt_notebook_open("notes", KT_NOTEBOOK_MAKE, &b));
    put(d, "/notes/milk.md", "# Milk\n\nCold.\n");
    put(d, "/notes/coffee.md", "# Coffee\n\nHot.\n");
    check_no_growth(20, use_notebook, b);
    kt_notebook_close(b);
    kt_test_disk_close(d);
}
