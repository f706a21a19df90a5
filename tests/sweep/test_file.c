/* SPDX-License-Identifier: MIT */
#include "sweep.h"
#include "../io/scratch.h"

/* More than two trips to the pool. */
#define LARGE ((size_t)9 * 1024 * 1024)

static const char *large(void)
{
    static char bytes[LARGE];
    memset(bytes, 'x', sizeof bytes);
    return bytes;
}

/* Another may open, write and close a file; and nothing is there that should not be. */
static void check_folder(const scratch *s, int names)
{
    sure(kt_file_write_whole("other", "1", 1, NULL));
    CHECK_STR(got("other"), "1");
    CHECK_EQ(unlink("other"), 0);
    CHECK_EQ(scratch_count(s), names);
}

/* ---- Whole files ----------------------------------------------------------------------------- */

static int reads_whole(void *arg)
{
    (void)arg;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    int rc = SWEPT(kt_file_read_whole, ("a", 0, &b));
    CHECK_EQ(b.size, rc < 0 ? 0 : LARGE);
    return rc;
}

SWEEP(kt_file_read_whole, SUSPENDS | ALLOCATES | WHOLE | SPARES | WINS)
{
    IN_SCRATCH;
    sure(kt_file_write_whole("a", large(), LARGE, NULL));
    sweep_begin(reads_whole, NULL);
    (void)sweep_end();
    check_folder(&here, 1);
}

static int reads_text(void *arg)
{
    (void)arg;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    int rc = SWEPT(kt_file_read_text, ("a", 0, &b));
    CHECK_EQ(b.size, rc < 0 ? 0 : 4);
    return rc;
}

SWEEP(kt_file_read_text, SUSPENDS | ALLOCATES | WHOLE | SPARES | WINS)
{
    IN_SCRATCH;
    put("a", "text");
    sweep_begin(reads_text, NULL);
    (void)sweep_end();
    check_folder(&here, 1);
}

static int writes_whole(void *arg)
{
    (void)arg;
    return SWEPT(kt_file_write_whole, ("a", large(), LARGE, NULL));
}

SWEEP(kt_file_write_whole, SUSPENDS | ALLOCATES | SPARES | WINS)
{
    IN_SCRATCH;
    put("a", "old");
    sweep_begin(writes_whole, NULL);
    (void)sweep_end();
    check_folder(&here, 1);
}

static int replaces(void *arg)
{
    (void)arg;
    return SWEPT(kt_file_replace, ("a", large(), LARGE, &(kt_file_write_options){.no_sync = true}));
}

/* All or nothing. */
SWEEP(kt_file_replace, SUSPENDS | ALLOCATES | SPARES | WINS)
{
    IN_SCRATCH;
    put("a", "old");
    sweep_begin(replaces, NULL);
    int rc = sweep_end();
    struct stat st;
    CHECK_EQ(stat("a", &st), 0);
    CHECK_EQ(st.st_size, rc < 0 ? 3 : LARGE);
    check_folder(&here, 1);
}

/* ---- Batches --------------------------------------------------------------------------------- */

enum { MANY = 200 };

static int reads_batch(void *arg)
{
    (void)arg;
    static kt_file_read_item items[MANY];
    for (int i = 0; i < MANY; i++)
        items[i] = (kt_file_read_item){.path = "a"};
    int rc = SWEPT(kt_file_read_batch, (items, MANY, NULL));
    for (int i = 0; i < MANY; i++) {
        CHECK(rc < 0 || items[i].rc == 0);
        CHECK_EQ(items[i].content.size, items[i].rc < 0 ? 0 : 4);
        kt_buffer_release(&items[i].content);
    }
    return rc;
}

SWEEP(kt_file_read_batch, SUSPENDS | ALLOCATES | SPARES | WINS)
{
    IN_SCRATCH;
    put("a", "text");
    sweep_begin(reads_batch, NULL);
    (void)sweep_end();
    check_folder(&here, 1);
}

static int writes_batch(void *arg)
{
    (void)arg;
    static kt_file_write_item items[MANY];
    for (int i = 0; i < MANY; i++)
        items[i] = (kt_file_write_item){.path = "a", .content = {"1", 1}};
    int rc = SWEPT(kt_file_write_batch,
                   (items, MANY, &(kt_file_batch_options){.replace = true, .write = {.no_sync = true}}));
    CHECK(rc < 0 || items[MANY - 1].rc == 0);
    return rc;
}

SWEEP(kt_file_write_batch, SUSPENDS | ALLOCATES | SPARES | WINS)
{
    IN_SCRATCH;
    put("a", "old");
    sweep_begin(writes_batch, NULL);
    (void)sweep_end();
    check_folder(&here, 1);
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static int opens(void *arg)
{
    (void)arg;
    kt_auto(kt_file) *f = NULL;
    int rc = SWEPT(kt_file_open, ("a", O_RDWR | O_CREAT, 0600, &f));
    CHECK((rc < 0) == !f);
    return rc;
}

SWEEP(kt_file_open, SUSPENDS | ALLOCATES | SPARES | WINS)
{
    IN_SCRATCH;
    put("a", "text");
    sweep_begin(opens, NULL);
    (void)sweep_end();
    check_folder(&here, 1);
}

static kt_file *opened(const char *path)
{
    kt_file *f = NULL;
    sure(kt_file_open(path, O_RDWR | O_CREAT, 0600, &f));
    return f;
}

static int opens_beneath(void *arg)
{
    kt_auto(kt_file) *f = NULL;
    int rc = SWEPT(kt_file_open_beneath, (arg, "a", O_RDONLY, 0, &f));
    CHECK((rc < 0) == !f);
    return rc;
}

SWEEP(kt_file_open_beneath, SUSPENDS | ALLOCATES | SPARES | WINS)
{
    IN_SCRATCH;
    put("a", "text");
    kt_auto(kt_file) *root = NULL;
    sure(kt_file_open(".", O_RDONLY | O_DIRECTORY, 0, &root));
    sweep_begin(opens_beneath, root);
    (void)sweep_end();
}

static int adopts(void *arg)
{
    kt_auto(kt_file) *f = NULL;
    int *fd = arg;
    int rc = SWEPT(kt_file_adopt, (*fd, &f));
    CHECK((rc < 0) == !f);
    return rc;
}

SWEEP(kt_file_adopt, ALLOCATES | SPARES)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK_GE(fd, 0);
    sure(sweep_subject(adopts, &fd));
}

static int closes(void *arg)
{
    (void)arg;
    kt_file *f = opened("a");
    sure(kt_file_write(f, "bye", 3));
    int rc = SWEPT(kt_file_close, (f));
    CHECK_STR(got("a"), "bye");
    return rc;
}

SWEEP(kt_file_close, SUSPENDS | HOLDS)
{
    IN_SCRATCH;
    put("a", "old");
    sweep_begin(closes, NULL);
    (void)sweep_end();
    check_folder(&here, 1);
}

SWEEP(kt_file_fd, PLAIN)
{
    kt_auto(kt_file) *f = opened("/dev/null");
    CHECK_GE(SWEPT(kt_file_fd, (f)), 0);
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* A file in the middle of the scenario; what the subject did not take is there for the next. */
#define READING(name, call, next) \
    static int name##_reads(void *arg) \
    { \
        kt_file *f = arg; \
        char bytes[16]; \
        kt_slice slice; \
        (void)bytes, (void)slice; \
        return (int)(call); \
    } \
    SWEEP(name, SUSPENDS | WINS) \
    { \
        IN_SCRATCH; \
        char bytes[16] = ""; \
        put("a", "abc\ndef\n"); \
        kt_auto(kt_file) *f = opened("a"); \
        sure(kt_file_write(f, "A", 1)); /* to be written first */ \
        sweep_begin(name##_reads, f); \
        const char *left = sweep_end() < 0 ? "bc\ndef\n" : (next); \
        CHECK_EQ(kt_file_read(f, bytes, sizeof bytes), (ssize_t)strlen(left)); \
        CHECK_STR(bytes, left); \
    }

READING(kt_file_read, SWEPT(kt_file_read, (f, bytes, 2)), "\ndef\n")
READING(kt_file_read_line, SWEPT(kt_file_read_line, (f, 10, &slice)), "def\n")
READING(kt_file_read_chunk, SWEPT(kt_file_read_chunk, (f, 4, &slice)), "ef\n")
READING(kt_file_pread, SWEPT(kt_file_pread, (f, bytes, 4, 4)), "bc\ndef\n")
READING(kt_file_preadv, SWEPT(kt_file_preadv, (f, (struct iovec[]){{bytes, 2}, {bytes + 2, 2}}, 2, 4)), "bc\ndef\n")

static int reads_device(void *arg)
{
    char byte = 'x';
    int rc = (int)SWEPT(kt_file_read, (arg, &byte, 1));
    CHECK_EQ(byte, rc < 0 ? 'x' : 0);
    return rc;
}

/* Which is never read on the loop. */
SWEEP_AS(kt_file_read, of_a_device, SUSPENDS | ALLOCATES | WINS)
{
    kt_auto(kt_file) *f = NULL;
    sure(kt_file_open("/dev/zero", O_RDONLY, 0, &f));
    sweep_begin(reads_device, f);
    (void)sweep_end();
}

static int writes_little(void *arg)
{
    return SWEPT(kt_file_write, (arg, "x", 1));
}

SWEEP_AS(kt_file_write, little, ALLOCATES)
{
    kt_auto(kt_file) *f = opened("/dev/null");
    sure(sweep_subject(writes_little, f));
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Whatever happens, what was buffered before is written at last. */
#define CHANGING(name, extra, call, after) \
    static int name##_changes(void *arg) \
    { \
        kt_file *f = arg; \
        struct stat st; \
        (void)st; \
        return (int)(call); \
    } \
    SWEEP(name, SUSPENDS | WINS | (extra)) \
    { \
        IN_SCRATCH; \
        put("a", "old text"); \
        kt_auto(kt_file) *f = opened("a"); \
        sure(kt_file_write(f, "new", 3)); \
        sweep_begin(name##_changes, f); \
        const char *expected = sweep_end() < 0 ? "new text" : (after); \
        sure(kt_file_flush(f)); \
        CHECK_STR(got("a"), expected); \
    }

static int writes(void *arg)
{
    return SWEPT(kt_file_write, (arg, large(), LARGE));
}

SWEEP(kt_file_write, SUSPENDS | WINS)
{
    IN_SCRATCH;
    kt_auto(kt_file) *f = opened("a");
    sure(kt_file_write(f, "new", 3));
    sweep_begin(writes, f);
    if (sweep_end() >= 0)
        CHECK_GE(kt_file_size(f), LARGE + 3);
    sure(kt_file_write(f, "end", 3));
    CHECK_EQ(kt_file_tell(f), kt_file_size(f));
}

CHANGING(kt_file_flush, 0, SWEPT(kt_file_flush, (f)), "new text")
CHANGING(kt_file_pwrite, 0, SWEPT(kt_file_pwrite, (f, "TEXT", 4, 4)), "new TEXT")
CHANGING(kt_file_pwritev, 0, SWEPT(kt_file_pwritev, (f, (struct iovec[]){{(char *)"TE", 2}, {(char *)"XT", 2}}, 2, 4)),
         "new TEXT")
CHANGING(kt_file_truncate, 0, SWEPT(kt_file_truncate, (f, 5)), "new t")
CHANGING(kt_file_seek, 0, SWEPT(kt_file_seek, (f, 0, SEEK_END)), "new text")
CHANGING(kt_file_sync, 0, SWEPT(kt_file_sync, (f)), "new text")
CHANGING(kt_file_datasync, 0, SWEPT(kt_file_datasync, (f)), "new text")
CHANGING(kt_file_stat, 0, SWEPT(kt_file_stat, (f, &st)), "new text")
CHANGING(kt_file_size, 0, SWEPT(kt_file_size, (f)), "new text")
CHANGING(kt_file_unlock, 0, SWEPT(kt_file_unlock, (f)), "new text")

static int tells(void *arg)
{
    return (int)SWEPT(kt_file_tell, (arg));
}

/* Where appended bytes come to lie is not known before. */
SWEEP(kt_file_tell, SUSPENDS | WINS)
{
    IN_SCRATCH;
    kt_auto(kt_file) *f = NULL;
    sure(kt_file_open("a", O_WRONLY | O_CREAT | O_APPEND, 0600, &f));
    sure(kt_file_write(f, "new", 3));
    sweep_begin(tells, f);
    (void)sweep_end();
    CHECK_EQ(kt_file_tell(f), 3);
}

/* ---- Locks ----------------------------------------------------------------------------------- */

typedef struct locked {
    kt_file *holder, *asker;
} locked;

static int locks(void *arg)
{
    return SWEPT(kt_file_lock, (((locked *)arg)->asker, KT_FILE_EXCLUSIVE));
}

SWEEP(kt_file_lock, SUSPENDS | ALLOCATES | SPARES | WINS)
{
    IN_SCRATCH;
    locked l = {opened("a"), opened("a")};
    sure(kt_file_lock(l.holder, KT_FILE_EXCLUSIVE));
    sweep_begin(locks, &l);
    sure(kt_sleep(KT_MS(20)));
    sure(kt_file_unlock(l.holder));
    if (sweep_end() >= 0)
        sure(kt_file_unlock(l.asker));
    sure(kt_file_try_lock(l.holder, KT_FILE_EXCLUSIVE)); /* nobody has it */
    sure(kt_file_close(l.holder));
    sure(kt_file_close(l.asker));
}

static int tries(void *arg)
{
    return SWEPT(kt_file_try_lock, (((locked *)arg)->asker, KT_FILE_SHARED));
}

SWEEP(kt_file_try_lock, SUSPENDS | WINS)
{
    IN_SCRATCH;
    locked l = {opened("a"), opened("a")};
    sweep_begin(tries, &l);
    if (sweep_end() >= 0)
        sure(kt_file_unlock(l.asker));
    sure(kt_file_try_lock(l.holder, KT_FILE_EXCLUSIVE));
    sure(kt_file_close(l.holder));
    sure(kt_file_close(l.asker));
}

/* ---- Text ------------------------------------------------------------------------------------ */

SWEEP(kt_utf8_check, PLAIN)
{
    CHECK_EQ(SWEPT(kt_utf8_check, (kt_slice_from("tea \xf0\x9f\x8d\xb5"))), 8);
}
