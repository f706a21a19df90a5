/* SPDX-License-Identifier: MIT */
/* kettle-fetch, in each form that its options give it, is cancelled in every moment, reaches its --deadline in every
 * moment, and lacks memory for each of its allocations in turn. Whatever happens to a run: it leaves neither memory nor
 * descriptors nor half a file; what it has told is true, and in its records; a lack of memory costs one entry, or the
 * run, which says so; and a run with --resume gets what is missing. */
#include "../http/client_site.h"
#include "../sweep/jansson_faults.h"
#include "faults.h"

#include <kettle/temp.h>
#include <fcntl.h>
#include <limits.h>
#include <program.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/kit.h"

static const char *const way_names[] = {"undisturbed", "cancelled", "at its deadline", "without memory"};

enum {
    POINTS_MAX = 3000,
    STEP = 3, /* on a real driver, and with a sanitizer, every third point is tried */
};

/* ---- The site --------------------------------------------------------------------------------- */

#define PAGE(title, rest) "<!DOCTYPE html><title>" title "</title><meta name=author content=me><body>" rest

static const struct {
    const char *path, *type, *body;
} pages[] = {
    {"/", "text/html", PAGE("Home", "<a href=/a>a</a><a href=b#x>b</a><a href=/private/x>p</a><a href=/to>2</a>")},
    {"/a", "text/html", PAGE("A", "<p class=x>one<p class=x>two<a href=/>up</a>")},
    {"/b", "text/html", PAGE("B", "<base href=/deep/><a href=../a>a</a>")},
    {"/1", "text/html", PAGE("One", "<a rel=next href=/2>on</a>")},
    {"/2", "text/html", PAGE("Two", "<a rel=next href=/3>on</a>")},
    {"/3", "text/html", PAGE("Three", "the end")},
    {"/d", "application/json", "{\"items\": [{\"price\": 1}, {\"price\": 2}], \"n\": 18446744073709551616}"},
    {"/robots.txt", "text/plain", "User-agent: *\nDisallow: /private/\n"},
    {"/map.xml", "application/xml", "<urlset><url><loc>/a</loc></url><url><loc>/b</loc></url></urlset>"},
    {"/rss", "application/rss+xml", "<rss><channel><item><link>/a</link></item><item><guid>/b</guid></item>"
                                    "</channel></rss>"},
};

static int answer(kt_http_exchange *x, void *arg)
{
    (void)arg;
    kt_slice path = kt_http_path(x);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (kt_slice_is(path, pages[i].path))
            return kt_http_respond(x, 200, pages[i].type, pages[i].body, strlen(pages[i].body));
    if (kt_slice_is(path, "/to")) {
        int rc = kt_http_header(x, "Location", "/3");
        return rc < 0 ? rc : kt_http_respond(x, 302, "text/plain", "there", 5);
    }
    return kt_http_respond(x, 404, "text/plain", "none", 4);
}

/* ---- The forms -------------------------------------------------------------------------------- */

typedef struct form {
    const char *urls[5]; /* paths */
    const char *extracts[6];
    const char *out;     /* in the folder */
    bool save, pipeline, paginate, compare;
    bool half, deeper;   /* an earlier run has done the first two URLs; and crawled one click less deep, or no series */
    unsigned crawl;
    const char *sitemap, *feed;
} form;

#define FIELDS {"title", "links", "meta", "text", "x=css:.x", "json:sum(items[*].price)"}

typedef struct place {
    const form *f;
    site s;
    const char *folder;
    char out[128], save[128], base[64];
} place;

static char *text_of(const char *format, ...) KT_PRINTF(1, 2);

static char *text_of(const char *format, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, format);
    CHECK(vasprintf(&text, format, args) >= 0);
    va_end(args);
    return text;
}

/* ---- A run and what it tells ------------------------------------------------------------------ */

typedef struct outcome {
    int rc;
    json_t *told;    /* URL, as a path -> its result */
    json_t *summary; /* NULL: there was none */
} outcome;

static void outcome_release(outcome *o)
{
    json_decref(o->told);
    json_decref(o->summary);
    *o = (outcome){0};
}

/* What two runs have in common of a result. */
static json_t *comparable(json_t *result)
{
    static const char *const differ[] = {"seconds", "attempts", "worker"};
    for (size_t i = 0; i < sizeof differ / sizeof differ[0]; i++)
        json_object_del(result, differ[i]);
    return result;
}

/* The server's port is another one in each run, and so are the names that come from it. */
static char *without_port(const place *p, char *text)
{
    size_t size = strlen(p->base);
    for (char *at; (at = strstr(text, p->base)) != NULL;)
        memmove(at, at + size, strlen(at + size) + 1);
    return text;
}

static outcome read_output(const place *p, int fd)
{
    outcome o = {.told = json_object()};
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1); /* tidy: calloc: the test's own */
    CHECK(text && pread(fd, text, (size_t)size, 0) == size);
    char *rest = without_port(p, text);
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line;) {
        json_t *value = json_loads(line, 0, NULL);
        if (!value)
            kt_test_fail("told something that is no JSON: %s", line);
        json_t *summary = json_object_get(value, "summary");
        const char *url = json_string_value(json_object_get(value, "url"));
        if (summary) {
            CHECK(!o.summary);
            o.summary = json_incref(summary);
        } else if (json_object_get(o.told, url)) {
            kt_test_fail("%s was told twice", url);
        } else {
            json_object_set(o.told, url, comparable(value));
        }
        json_decref(value);
    }
    free(text); /* tidy: free: the test's own */
    return o;
}

KT_FN(program, a, struct { const options *o; char **arguments; })
{
    CHECK_OK(kt_context_set(&fault_reaches, &fault_reaches));
    kt_auto(plan) p = {.o = a->o, .arguments = a->arguments};
    int rc = plan_make(&p);
    if (rc == 0)
        rc = plan_run(&p);
    fault.program = NULL;
    return rc;
}

/* The program, with its standard output in a file. */
static outcome run_with(const place *p, const options *o, char **arguments)
{
    int fd = memfd_create("output", MFD_CLOEXEC), terminal = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    CHECK(fflush(stdout) == 0 && fd >= 0 && terminal >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
    CHECK_OK(kt_spawn(KT_WITH(program, .o = o, .arguments = arguments), &fault.program));
    int rc = kt_task_join(fault.program);
    fault.program = NULL;
    CHECK(fflush(stdout) == 0 && dup2(terminal, STDOUT_FILENO) >= 0);
    close(terminal);
    outcome got = read_output(p, fd);
    close(fd);
    got.rc = rc;
    return got;
}

static outcome run_form(const place *p, unsigned first_urls, bool resume)
{
    const form *f = p->f;
    bool before = f->deeper && !resume;
    char *arguments[6] = {NULL};
    size_t count = 0;
    for (; count < first_urls && f->urls[count]; count++)
        arguments[count] = text_of("%s%s", p->base, f->urls[count]);
    char *sitemap = f->sitemap ? text_of("%s%s", p->base, f->sitemap) : NULL;
    char *feed = f->feed ? text_of("%s%s", p->base, f->feed) : NULL;
    options o = {.limit = 3, .per_host = 3, .workers = f->pipeline ? 2 : 0, .urls_max = 1000, .size_max = 1 << 20,
                 .crawl = f->crawl - (f->crawl && before), .compare = f->compare, .pipeline = f->pipeline,
                 .paginate = f->paginate && !before, .json = true, .timeout = KT_S(30), .user_agent = "test",
                 .deadline = fault.way == DEADLINE ? DEADLINE_OF_ALL : 0, .sitemap = sitemap, .feed = feed,
                 .out = f->out ? p->out : NULL, .save = f->save ? p->save : NULL, .extracts.items = f->extracts,
                 .resume = resume && (f->out || f->save)};
    while (o.extracts.count < 6 && f->extracts[o.extracts.count])
        o.extracts.count++;
    outcome got = run_with(p, &o, arguments);
    for (size_t i = 0; i < count; i++)
        free(arguments[i]); /* tidy: free: the test's own */
    free(sitemap);          /* tidy: free: the test's own */
    free(feed);             /* tidy: free: the test's own */
    return got;
}

/* ---- What it has kept ------------------------------------------------------------------------- */

static json_t *read_text(const place *p)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int rc = kt_file_read_whole(p->out, 0, &text);
    if (rc == -ENOENT)
        return json_array();
    CHECK_OK(rc);
    if (strstr(p->out, ".jsonl") == NULL)
        return json_loadb(text.data, text.size, 0, NULL);
    json_t *list = json_array();
    for (char *at = text.size ? text.data : NULL, *end; at && at < text.data + text.size; at = end + 1) {
        end = memchr(at, '\n', (size_t)(text.data + text.size - at));
        CHECK(end != NULL);
        CHECK_EQ(json_array_append_new(list, json_loadb(at, (size_t)(end - at), 0, NULL)), 0);
    }
    return list;
}

/* Without quotes in it, a URL and its "true" are the first and fourth cell. */
static json_t *read_csv(const place *p)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int rc = kt_file_read_whole(p->out, 0, &text);
    json_t *list = json_array();
    if (rc == -ENOENT)
        return list;
    CHECK_OK(rc);
    CHECK(text.size > 2 && text.data[text.size - 1] == '\n');
    char *rest = (char *)kt_buffer_string(&text);
    CHECK(strncmp(strsep(&rest, "\n"), "url,final_url,", 14) == 0);
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line;) {
        const char *url = strsep(&line, ","), *ok = (strsep(&line, ","), strsep(&line, ","), strsep(&line, ","));
        CHECK(ok != NULL);
        CHECK_EQ(json_array_append_new(list, json_pack("{s:s, s:b}", "url", url, "ok", strcmp(ok, "true") == 0)), 0);
    }
    return list;
}

static json_t *read_database(const place *p)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    json_t *list = json_array();
    if (access(p->out, F_OK) == 0) {
        CHECK_EQ(sqlite3_open_v2(p->out, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        if (sqlite3_prepare_v2(db, "SELECT url, ok FROM results", -1, &s, NULL) == SQLITE_OK)
            while (sqlite3_step(s) == SQLITE_ROW)
                CHECK_EQ(json_array_append_new(list, json_pack("{s:s, s:b}", "url", sqlite3_column_text(s, 0), "ok",
                                                               sqlite3_column_int(s, 1))), 0);
        sqlite3_finalize(s);
        CHECK_EQ(sqlite3_close(db), SQLITE_OK);
    }
    return list;
}

static json_t *read_folder(const place *p)
{
    kt_path_list *names = NULL;
    json_t *list = json_array();
    int rc = kt_dir_list(p->out, 0, &names);
    if (rc == -ENOENT)
        return list;
    CHECK_OK(rc);
    for (size_t i = 0; i < names->count; i++) {
        char *path = text_of("%s%s", p->out, names->paths[i]);
        json_t *record = json_load_file(path, 0, NULL);
        if (!record)
            kt_test_fail("%s holds no record", path);
        CHECK_EQ(json_array_append_new(list, record), 0);
        free(path); /* tidy: free: the test's own */
    }
    kt_path_list_free(names);
    return list;
}

/* URL, as a path -> was it ok? */
static json_t *kept_of(const place *p)
{
    size_t index;
    json_t *record, *kept = json_object();
    const char *out = p->f->out;
    json_t *list = strstr(out, ".csv") ? read_csv(p) : strstr(out, ".sqlite") ? read_database(p)
                   : strchr(out, '/') ? read_folder(p) : read_text(p);
    if (!json_is_array(list))
        kt_test_fail("%s is no list", p->out);
    json_array_foreach(list, index, record) {
        const char *url = json_string_value(json_object_get(record, "url"));
        CHECK(url && strncmp(url, p->base, strlen(p->base)) == 0);
        if (json_object_get(kept, url + strlen(p->base)))
            kt_test_fail("%s was recorded twice", url);
        json_object_set(kept, url + strlen(p->base), json_object_get(record, "ok"));
    }
    json_decref(list);
    return kept;
}

static const char *body_of(const char *path)
{
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (strcmp(pages[i].path, path) == 0)
            return pages[i].body;
    kt_test_fail("%s was saved", path);
}

/* Every file in the folder is the whole body of a page; how many there are. */
static size_t check_saved(const place *p, const outcome *o)
{
    kt_path_list *names = NULL;
    int rc = kt_dir_list(p->save, 0, &names);
    if (rc == -ENOENT)
        return 0;
    CHECK_OK(rc);
    size_t count = names->count, found = 0;
    for (size_t i = 0; i < count; i++)
        if (names->paths[i][0] == '.')
            kt_test_fail("left %s", names->paths[i]);
    const char *url;
    json_t *result;
    json_object_foreach(o->told, url, result) {
        const char *name = json_string_value(json_object_get(result, "saved"));
        kt_auto(kt_buffer) text = KT_BUFFER_INIT;
        if (!name)
            continue;
        char *path = text_of("%s/%s", p->save, name);
        CHECK_OK(kt_file_read_whole(path, 0, &text));
        CHECK_SLICE(kt_buffer_slice(&text), body_of(url));
        free(path); /* tidy: free: the test's own */
        found++;
    }
    CHECK_GE(count, found);
    kt_path_list_free(names);
    return count;
}

/* Beside records and bodies nothing has been made. */
static void check_folder(const place *p)
{
    kt_path_list *names = NULL;
    CHECK_OK(kt_dir_list(p->folder, 0, &names));
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->paths[i];
        size_t size = strlen(name);
        if (strcmp(name, "bodies") != 0 && (!p->f->out || strncmp(name, p->f->out, size) != 0))
            kt_test_fail("left %s", name);
    }
    kt_path_list_free(names);
}

/* ---- Judgement -------------------------------------------------------------------------------- */

static outcome usual; /* of the form, undisturbed */

static bool is_usual(const char *url, json_t *result)
{
    json_t *other = json_object_get(usual.told, url);
    json_t *a = json_copy(result), *b = json_copy(other);
    json_object_del(a, "saved"); /* has a hash in it of the port, too */
    json_object_del(b, "saved");
    if (json_is_false(json_object_get(b, "ok"))) {
        json_object_del(a, "error"); /* for want of memory, less is said of the same */
        json_object_del(b, "error");
    }
    bool same = json_equal(a, b);
    json_decref(a);
    json_decref(b);
    return same;
}

/* How many results are not as ever. Those may be so for want of memory or time only. */
static unsigned count_unusual(const outcome *o)
{
    unsigned count = 0;
    const char *url;
    json_t *result;
    json_object_foreach(o->told, url, result) {
        if (is_usual(url, result))
            continue;
        const char *why = json_string_value(json_object_get(result, "error"));
        const char *cause = json_string_value(json_object_get(result, "cause"));
        if (fault.way == CANCELLED || !why ||
            (fault.way == DEADLINE ? strcmp(cause, "deadline") != 0 : strstr(why, "memory") == NULL))
            kt_test_fail("told of %s: %s", url, json_dumps(result, 0));
        count++;
    }
    return count;
}

static void check_told(const form *f, const outcome *o)
{
    unsigned unusual = count_unusual(o);
    size_t told = json_object_size(o->told), all = json_object_size(usual.told);
    bool leads = f->crawl || f->paginate; /* one page's failure costs what lies behind it */
    if (!fault.struck)
        CHECK_EQ(unusual, 0);
    if (fault.way == NO_MEMORY)
        CHECK_LE(unusual, 1);
    if (o->rc >= 0 && !(leads && unusual))
        CHECK_EQ(told, all);
    if (o->rc >= 0)
        CHECK_EQ(o->rc, unusual > 0 ? 1 : usual.rc);
    else if (fault.way == CANCELLED)
        CHECK_ERR(o->rc, KT_ECANCELED);
    else if (fault.way == NO_MEMORY)
        CHECK_ERR(o->rc, -ENOMEM);
    else
        CHECK_OK(o->rc);
    if (o->rc >= 0 || fault.way == CANCELLED)
        CHECK(o->rc < 0 || o->summary);
    if (o->summary)
        CHECK_LE(json_integer_value(json_object_get(o->summary, "total")) - told,
                 o->rc == -ENOMEM); /* there was no memory to tell it */
}

/* What was told is in the records, unless it was for them that there was no memory. */
static void check_kept(const place *p, const outcome *o)
{
    const char *url;
    json_t *result, *kept = kept_of(p);
    bool whole = strchr(p->f->out, '/') != NULL; /* which has what went well only */
    json_object_foreach(o->told, url, result) {
        json_t *ok = json_object_get(kept, url), *told = json_object_get(result, "ok");
        if (!ok && !(whole && !json_is_true(told)) && o->rc != -ENOMEM)
            kt_test_fail("%s was told and not recorded", url);
        if (ok && !(p->f->deeper && json_is_true(ok))) /* what was known of the border is better than a failure */
            CHECK_EQ(json_is_true(ok), json_is_true(told));
    }
    json_decref(kept);
}

/* The run that goes on gets the rest. */
static void check_resumed(const place *p, bool leads)
{
    const form *f = p->f;
    fault.way = CALM;
    outcome o = run_form(p, UINT_MAX, true);
    CHECK_EQ(o.rc, usual.rc);
    if (f->out) {
        json_t *kept = kept_of(p), *ok;
        const char *url;
        size_t all = 0;
        json_object_foreach(usual.told, url, ok) {
            if (strchr(f->out, '/') && !json_is_true(json_object_get(ok, "ok")))
                continue;
            if (!json_object_get(kept, url))
                kt_test_fail("%s is missing from the records", url);
            all++;
        }
        if (!leads && !f->half)
            CHECK_EQ(json_object_size(kept), all);
        json_decref(kept);
    }
    (void)check_saved(p, &o);
    check_folder(p);
    outcome_release(&o);
}

/* ---- One run ---------------------------------------------------------------------------------- */

static void scenario(const form *f, way w, unsigned nth)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    kt_auto(kt_temp_dir) *dir = NULL;
    (void)n;
    place p = {.f = f};
    CHECK_OK(kt_temp_dir_make(access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : NULL, "fetch-", &dir));
    p.folder = kt_temp_dir_path(dir);
    site_open(&p.s, NULL, answer, NULL);
    snprintf(p.base, sizeof p.base, "http://127.0.0.1:%u", kt_listener_port(p.s.l));
    snprintf(p.out, sizeof p.out, "%s/%s", p.folder, f->out ? f->out : "");
    snprintf(p.save, sizeof p.save, "%s/bodies", p.folder);
    memset(&fault, 0, sizeof fault);
    if (f->half) {
        outcome first = run_form(&p, 2, false);
        CHECK_EQ(first.rc, 0);
        outcome_release(&first);
    }
    fault.way = w;
    fault.nth = nth;
    outcome o = run_form(&p, UINT_MAX, f->half);
    bool struck = fault.struck;
    if (w == CALM) {
        usual = o;
    } else {
        check_told(f, &o);
        if (f->out && (o.rc >= 0 || w != NO_MEMORY))
            check_kept(&p, &o);
        check_folder(&p);
    }
    size_t saved = check_saved(&p, &o);
    if (w == CANCELLED && f->save && !f->half)
        CHECK_EQ(saved, json_object_size(o.told) - (json_object_get(o.told, "/none") != NULL));
    if (w != CALM && (f->out || f->save))
        check_resumed(&p, f->crawl || f->paginate);
    if (w != CALM)
        outcome_release(&o);
    site_close(&p.s);
    fault.struck = struck;
}

KT_FN(in_loop, a, struct { const form *f; way w; unsigned nth; })
{
    scenario(a->f, a->w, a->nth);
    kt__test_check_tasks();
    return 0;
}

static bool is_real(void)
{
    const char *driver = getenv("KETTLE_DRIVER");
    return driver && strcmp(driver, "sim") != 0;
}

/* Whether there was such a point. */
static bool run_once(const form *f, way w, unsigned nth)
{
    kt__descriptors before = {NULL, 0}, after = {NULL, 0};
    bool real = is_real();
    kt__test_trace_clear();
    kt_test_say("%s, point %u", way_names[w], nth);
    kt__test_files_read(&before);
    size_t live = kt_test_blocks(), objects = jansson_alive();
    const kt_options o = {.driver = real ? KT_DRIVER_AUTO : KT_DRIVER_SIM, .virtual_time = !real};
    int rc = kt_run_with(&o, KT_WITH(in_loop, .f = f, .w = w, .nth = nth));
    if (w == CALM && real && (rc == -ENOSYS || rc == -EPERM || rc == -EACCES))
        kt_test_skip("this machine forbids io_uring (%s)", kt_error_name(rc));
    CHECK_OK(rc);
    kt__test_files_read(&after);
    if (kt__test_files_new(&before, &after, false) > 0) {
        kt__test_fail_begin();
        kt__test_say_failure("left descriptors open:\n");
        kt__test_files_new(&before, &after, true);
        kt__test_fail_end();
    }
    if (kt_test_blocks() > live) {
        kt__test_fail_begin();
        kt__test_say_failure("left memory of kt_alloc:\n");
        kt__test_memory_report();
        kt__test_fail_end();
    }
    kt__test_files_release(&before);
    kt__test_files_release(&after);
    CHECK(w == CALM || jansson_alive() == objects);
    return fault.struck;
}

static void sweep(const form *f)
{
    jansson_counts();
    json_object_seed(1);
    run_once(f, CALM, 0);
    for (way w = CANCELLED; w <= NO_MEMORY; w++) {
        unsigned nth = 1;
        for (; run_once(f, w, nth); nth += is_real() || SANITIZED ? STEP : 1)
            CHECK_LT(nth, POINTS_MAX);
        CHECK_GT(nth, 1);
        printf("%s up to point %u\n", way_names[w], nth - 1); /* shown with --no-fork */
    }
    outcome_release(&usual);
}

#define FAULTS(name, ...) \
    TEST_WITH(name, KT_TEST_NO_LOOP) \
    { \
        const form f = {__VA_ARGS__}; \
        sweep(&f); \
    }

#define URLS .urls = {"/a", "/b", "/d", "/none"}

FAULTS(urls, URLS)
FAULTS(extracts, URLS, .extracts = FIELDS)
FAULTS(saved_bodies, URLS, .save = true)
FAULTS(saved_bodies_that_were_looked_into, URLS, .extracts = {"title"}, .save = true)
FAULTS(lines, URLS, .extracts = FIELDS, .out = "r.jsonl")
FAULTS(cells, URLS, .extracts = FIELDS, .out = "r.csv")
FAULTS(a_list, URLS, .extracts = FIELDS, .out = "r.json")
FAULTS(a_database, URLS, .extracts = FIELDS, .out = "r.sqlite")
FAULTS(a_folder_of_records, URLS, .extracts = FIELDS, .out = "r/")
FAULTS(a_crawl, .urls = {"/", "/none"}, .crawl = 2, .out = "r.jsonl")
FAULTS(pages_of_a_series, .urls = {"/1"}, .paginate = true, .out = "r.sqlite")
FAULTS(a_sitemap, .sitemap = "/map.xml", .out = "r.json")
FAULTS(a_feed, .feed = "/rss", .out = "r.csv")
FAULTS(a_pipeline, URLS, .pipeline = true, .extracts = {"title"}, .save = true, .out = "r.jsonl")
FAULTS(a_comparison, URLS, .compare = true)
FAULTS(resumed_lines, URLS, .half = true, .out = "r.jsonl")
FAULTS(resumed_cells, URLS, .half = true, .out = "r.csv")
FAULTS(a_resumed_list, URLS, .half = true, .out = "r.json")
FAULTS(a_resumed_database, URLS, .half = true, .out = "r.sqlite")
FAULTS(a_deeper_crawl_of_a_list, .urls = {"/"}, .half = true, .deeper = true, .crawl = 1, .out = "r.json")
FAULTS(a_deeper_crawl_of_a_database, .urls = {"/"}, .half = true, .deeper = true, .crawl = 1, .out = "r.sqlite")
FAULTS(a_series_of_what_was_none, .urls = {"/1"}, .half = true, .deeper = true, .paginate = true, .out = "r.jsonl")
FAULTS(resumed_bodies, URLS, .half = true, .save = true)
