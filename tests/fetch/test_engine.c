/* SPDX-License-Identifier: MIT */
/* The engine in the simulated network, where time is exact: overlap, limits, waits, causes; cancellation; no memory. */
#include "../http/client_site.h"

#include <engine.h>
#include <kettle/temp.h>

/* ---- A site that takes its time --------------------------------------------------------------- */

typedef struct slow {
    site s;
    int now, most, asked;
} slow;

/* /MS/STATUS/text: the text, after so many milliseconds; /0/503/K: 503 for the first K times, then 200. */
static int answer(kt_http_exchange *x, void *arg)
{
    slow *w = arg;
    kt_slice path = kt_http_path(x);
    char *end, copied[128];
    snprintf(copied, sizeof copied, "%.*s", (int)path.size, path.data);
    long ms = strtol(copied + 1, &end, 10), status = strtol(*end ? end + 1 : end, &end, 10);
    w->asked++;
    w->most = ++w->now > w->most ? w->now : w->most;
    int rc = ms > 0 ? kt_sleep(KT_MS(ms)) : 0;
    w->now--;
    if (rc < 0)
        return rc;
    if (status == 503 && w->asked > strtol(end + 1, NULL, 10)) /* as often as its text says */
        status = 200;
    const char *type = *end && strstr(end, "json") ? "application/json" : "text/html";
    return kt_http_respond(x, (int)status, type, end + 1, strlen(end + 1));
}

typedef struct told {
    int count, attempts;
    kt_time waits[8];
    char ends[32][80]; /* "200 ok body-size" in the order of the ends */
    kt_time when[32];
} told;

static void on_result(const item *it, void *arg)
{
    told *t = arg;
    if (t->count < 32) {
        snprintf(t->ends[t->count], sizeof t->ends[0], "%d %s %llu", it->status, cause_name(it->cause),
                 (unsigned long long)it->bytes);
        t->when[t->count] = kt_now();
    }
    t->count++;
}

static void on_attempt(const item *it, unsigned number, const char *why, kt_time wait, void *arg)
{
    told *t = arg;
    CHECK(why[0] != '\0');
    CHECK_EQ(number, it->attempts);
    if (t->attempts < 8)
        t->waits[t->attempts++] = wait;
}

static engine_options usual(told *t)
{
    return (engine_options){.limit = 50, .per_host = 50, .attempts = 1, .retry_wait = KT_S(1), .timeout = KT_S(10),
                            .size_max = 1 << 20, .urls_max = 1000, .user_agent = "test", .on_result = on_result,
                            .on_attempt = on_attempt, .arg = t};
}

static void add(engine *e, const slow *w, const char *path)
{
    char url[160];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", kt_listener_port(w->s.l), path);
    CHECK_OK(engine_add(e, url, true));
}

static void add_many(engine *e, const slow *w, int count, const char *format)
{
    for (int i = 0; i < count; i++) {
        char path[80];
        snprintf(path, sizeof path, format, i);
        add(e, w, path);
    }
}

/* ---- Time ------------------------------------------------------------------------------------- */

static kt_time time_of_ten(unsigned limit)
{
    slow w = {.now = 0};
    told t = {.count = 0};
    site_open(&w.s, NULL, answer, &w);
    engine *e = NULL;
    engine_options o = usual(&t);
    o.limit = limit;
    CHECK_OK(engine_open(&o, &e));
    add_many(e, &w, 10, "/200/200/%d");
    CHECK_OK(engine_run(e));
    CHECK_EQ(e->figures.by_cause[CAUSE_OK], 10);
    CHECK_EQ(w.most, limit < 10 ? limit : 10);
    kt_time elapsed = e->figures.elapsed;
    engine_close(e);
    site_close(&w.s);
    return elapsed;
}

TEST(ten_addresses_take_the_time_of_one)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    CHECK_EQ(time_of_ten(1), KT_S(2));
    CHECK_EQ(time_of_ten(10), KT_MS(200));
    CHECK_EQ(time_of_ten(5), KT_MS(400));
}

TEST(twelve_pages_wait_for_the_limit_once)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    slow w = {.now = 0};
    parrot p = {.script = {{"!"}}};
    told t = {.count = 0};
    site_open(&w.s, NULL, answer, &w);
    parrot_open(&p);
    engine *e = NULL;
    engine_options o = usual(&t);
    CHECK_OK(engine_open(&o, &e));
    add_many(e, &w, 8, "/100/200/%d");
    add(e, &w, "/100/404/x");
    add(e, &w, "/100/500/x");
    add(e, &w, "/3600000/200/x");
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", p.port);
    CHECK_OK(engine_add(e, url, true));
    CHECK_OK(engine_run(e));
    CHECK_EQ(e->figures.total, 12);
    CHECK_EQ(e->figures.by_cause[CAUSE_OK], 8);
    CHECK_EQ(e->figures.by_cause[CAUSE_STATUS], 2);
    CHECK_EQ(e->figures.by_cause[CAUSE_TIMEOUT], 1);
    CHECK_EQ(e->figures.by_cause[CAUSE_LOST], 1);
    CHECK_EQ(e->figures.elapsed, KT_S(10));
    CHECK_STR(t.ends[11], "0 timeout 0");
    engine_close(e);
    parrot_close(&p);
    site_close(&w.s);
}

/* Attempts of one URL that answers 503 `failures` times: their number; the time in *elapsed. */
static int attempts_of(int failures, told *t, kt_time *elapsed, enum cause *cause)
{
    slow w = {.now = 0};
    site_open(&w.s, NULL, answer, &w);
    engine *e = NULL;
    engine_options o = usual(t);
    o.attempts = 3;
    CHECK_OK(engine_open(&o, &e));
    char path[32];
    snprintf(path, sizeof path, "/0/503/%d", failures);
    add(e, &w, path);
    CHECK_OK(engine_run(e));
    *elapsed = e->figures.elapsed;
    *cause = e->figures.by_cause[CAUSE_OK] ? CAUSE_OK : CAUSE_STATUS;
    int attempts = (int)e->figures.attempts;
    engine_close(e);
    site_close(&w.s);
    return attempts;
}

TEST(retries_wait_one_second_and_two)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    told t = {.count = 0};
    kt_time elapsed;
    enum cause cause;
    CHECK_EQ(attempts_of(2, &t, &elapsed, &cause), 3);
    CHECK_EQ(cause, CAUSE_OK);
    CHECK_EQ(elapsed, KT_S(3));
    t = (told){.count = 0};
    CHECK_EQ(attempts_of(99, &t, &elapsed, &cause), 3);
    CHECK_EQ(cause, CAUSE_STATUS);
    CHECK_EQ(elapsed, KT_S(3));
    CHECK_EQ(t.attempts, 3);
    CHECK_EQ(t.waits[0], KT_S(1));
    CHECK_EQ(t.waits[1], KT_S(2));
    CHECK_EQ(t.waits[2], -1);
}

TEST(results_are_told_as_they_end)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    slow w = {.now = 0};
    told t = {.count = 0};
    site_open(&w.s, NULL, answer, &w);
    engine *e = NULL;
    engine_options o = usual(&t);
    CHECK_OK(engine_open(&o, &e));
    kt_time began = kt_now();
    add(e, &w, "/3000/200/ccc");
    add(e, &w, "/1000/200/a");
    add(e, &w, "/2000/200/bb");
    CHECK_OK(engine_run(e));
    CHECK_STR(t.ends[0], "200 ok 1");
    CHECK_STR(t.ends[1], "200 ok 2");
    CHECK_STR(t.ends[2], "200 ok 3");
    CHECK_EQ(t.when[1] - began, KT_S(2));
    engine_close(e);
    site_close(&w.s);
}

/* ---- Limits ----------------------------------------------------------------------------------- */

TEST(workers_share_permits)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    slow w = {.now = 0};
    told t = {.count = 0};
    site_open(&w.s, NULL, answer, &w);
    engine *e = NULL;
    engine_options o = usual(&t);
    o.workers = 5;
    o.limit = 3;
    CHECK_OK(engine_open(&o, &e));
    add_many(e, &w, 30, "/5/200/%d");
    CHECK_OK(engine_run(e));
    uint64_t sum = 0;
    for (unsigned i = 0; i < 5; i++)
        sum += e->workers[0][i].ok;
    CHECK_EQ(sum, 30);
    CHECK_EQ(w.most, 3);
    CHECK_EQ(e->figures.at_once, 3);
    engine_close(e);
    site_close(&w.s);
}

TEST(one_host_gets_no_more_than_its_share)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    slow a = {.now = 0}, b = {.now = 0};
    told t = {.count = 0};
    site_open(&a.s, NULL, answer, &a);
    site_open(&b.s, NULL, answer, &b);
    engine *e = NULL;
    engine_options o = usual(&t);
    o.per_host = 2;
    CHECK_OK(engine_open(&o, &e));
    add_many(e, &a, 10, "/5/200/%d");
    add_many(e, &b, 10, "/5/200/%d");
    CHECK_OK(engine_run(e));
    CHECK_EQ(a.most, 2);
    CHECK_EQ(b.most, 2);
    CHECK_EQ(e->figures.at_once, 4);
    engine_close(e);
    site_close(&a.s);
    site_close(&b.s);
}

TEST(a_pipeline_counts_failures_at_their_stage)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    slow w = {.now = 0};
    told t = {.count = 0};
    extract x;
    CHECK_OK(extract_parse("n=json:x.json", &x));
    site_open(&w.s, NULL, answer, &w);
    engine *e = NULL;
    engine_options o = usual(&t);
    o.pipeline = true;
    o.workers = 3;
    o.extracts = &x;
    o.extracts_count = 1;
    CHECK_OK(engine_open(&o, &e));
    add_many(e, &w, 9, "/0/200/{\"json\": %d}");
    add(e, &w, "/0/200/json{");
    add(e, &w, "/0/404/json");
    CHECK_OK(engine_run(e));
    CHECK_EQ(e->stages[0].taken, 11);
    CHECK_EQ(e->stages[0].failed, 1);
    CHECK_EQ(e->stages[1].taken, 10);
    CHECK_EQ(e->stages[1].failed, 1);
    CHECK_EQ(e->stages[2].taken, 9);
    CHECK_EQ(e->figures.by_cause[CAUSE_CONTENT], 1);
    engine_close(e);
    extract_release(&x);
    site_close(&w.s);
}

/* ---- Ends ------------------------------------------------------------------------------------- */

TEST(a_deadline_tells_of_what_was_not_done)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    slow w = {.now = 0};
    told t = {.count = 0};
    site_open(&w.s, NULL, answer, &w);
    engine *e = NULL;
    engine_options o = usual(&t);
    o.limit = 2;
    o.deadline = KT_S(2);
    CHECK_OK(engine_open(&o, &e));
    add_many(e, &w, 10, "/900/200/%d");
    CHECK_OK(engine_run(e));
    CHECK_EQ(e->figures.elapsed, KT_S(2));
    CHECK_EQ(e->figures.by_cause[CAUSE_OK], 4);
    CHECK_EQ(e->figures.by_cause[CAUSE_DEADLINE], 6);
    engine_close(e);
    site_close(&w.s);
}

KT_FN(runs, a, struct { const engine_options *o; const slow *w; })
{
    kt_auto(engine) *e = NULL;
    int rc = engine_open(a->o, &e);
    if (rc < 0)
        return rc;
    add_many(e, a->w, 6, "/50/200/%d");
    return engine_run(e);
}

static void cancel_after(kt_time after, bool pipeline)
{
    kt_auto(net) n = net_open((kt_test_network_options){.latency = KT_MS(1)});
    (void)n;
    kt_auto(kt_temp_dir) *dir = NULL;
    slow w = {.now = 0};
    told t = {.count = 0};
    kt_task *task;
    kt_path_list *left = NULL;
    CHECK_OK(kt_temp_dir_make(NULL, "fetch-", &dir));
    site_open(&w.s, NULL, answer, &w);
    engine_options o = usual(&t);
    o.limit = 3;
    o.pipeline = pipeline;
    o.workers = pipeline ? 2 : 0;
    o.save = kt_temp_dir_path(dir);
    CHECK_OK(kt_spawn(KT_WITH(runs, .o = &o, .w = &w), &task));
    CHECK_OK(kt_sleep(after));
    kt_task_cancel(task);
    int rc = kt_task_join(task);
    CHECK(rc == KT_ECANCELED || rc == 0);
    CHECK_OK(kt_dir_list(o.save, 0, &left));
    CHECK_EQ(left->count, t.count); /* what was told is there, and nothing else */
    for (size_t i = 0; i < left->count; i++)
        CHECK(strstr(left->paths[i], ".part") == NULL);
    kt_path_list_free(left);
    site_close(&w.s);
}

TEST(a_cancellation_leaves_whole_files_only)
{
    sim_only();
    for (int ms = 0; ms < 130; ms += 3) {
        cancel_after(KT_MS(ms), false);
        cancel_after(KT_MS(ms), true);
    }
}

/* ---- No memory -------------------------------------------------------------------------------- */

/* One page with a title, with the nth allocation failing: at the engine or at the site, which share
 * the loop. Whether it did. */
static bool run_without(uint64_t nth, bool pipeline)
{
    slow w = {.now = 0};
    told t = {.count = 0};
    engine *e = NULL;
    extract title;
    CHECK_OK(extract_parse("title", &title));
    site_open(&w.s, NULL, answer, &w);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/0/200/<title>x</title>", kt_listener_port(w.s.l));
    engine_options o = usual(&t);
    o.extracts = &title;
    o.extracts_count = 1;
    o.pipeline = pipeline;
    o.workers = 2;
    kt_test_fail_allocation(nth);
    int rc = engine_open(&o, &e);
    if (rc == 0)
        rc = engine_add(e, url, true);
    if (rc == 0)
        rc = engine_run(e);
    bool failed = kt_test_allocation_failed();
    kt_test_fail_allocation(0);
    CHECK(rc == 0 || (failed && rc == -ENOMEM));
    if (rc == 0)
        CHECK_EQ(t.count, 1); /* it has an entry, whatever became of it */
    if (!failed)
        CHECK_EQ(e->figures.by_cause[CAUSE_OK], 1);
    engine_close(e);
    site_close(&w.s);
    extract_release(&title);
    return failed;
}

TEST(every_allocation_of_a_run_may_fail)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    for (int pipeline = 0; pipeline < 2; pipeline++)
        for (uint64_t nth = 1; run_without(nth, pipeline); nth++)
            CHECK_LT(nth, 2000);
}
