/* SPDX-License-Identifier: MIT */

/* Plays a program of the small language that programs.py invents, and prints its trace: play.py plays
 * the same in asyncio. A program is a parenthesised list a task, the first one that of the main task; each
 * operation is a word, numbers, and up to two lists. What an operation does says its function below. */

#include "play.h"

node *scripts[TASKS];
kt_task *tasks[TASKS];
bool in_group[TASKS];
static bool spawned[TASKS];

const char *kind(int rc)
{
    if (rc >= 0)
        return "ok";
    if (kt_is_cancel(rc))
        return "cancelled";
    return rc == -EIO ? "error" : rc == TIMEOUT ? "timeout" : rc == KT_ESHUTDOWN ? "shut" :
           rc == KT_EBROKEN ? "broken" : kt_error_name(rc);
}

int play(const node *n, env *e)
{
    for (; n; n = n->next) {
        int rc = n->run(n, e);
        say("T%d %s%d %s", e->who, n->word, n->id, kind(rc));
        if (rc < 0)
            return rc;
    }
    return 0;
}

KT_FN(script, a, struct { int k; })
{
    env e = {.who = a->k};
    say("T%d starts", a->k);
    int rc = play(scripts[a->k], &e);
    say("T%d ends %s", a->k, kind(rc));
    return rc;
}

/* ---- Tasks ----------------------------------------------------------------------------------------- */

static int spawn_number(int k, bool eager)
{
    if (spawned[k])
        return 0;
    spawned[k] = true;
    kt_task *t;
    sure(kt_spawn_with(&(kt_spawn_options){.eager = eager}, KT_WITH(script, k), &t));
    tasks[k] = t;
    return 0;
}

static int op_spawn(const node *n, env *e)
{
    (void)e;
    return spawn_number(n->a[0], false);
}

static int op_spawn_eager(const node *n, env *e)
{
    (void)e;
    return spawn_number(n->a[0], true);
}

/* Tasks wait only for those with a higher number, so never for each other. */
static kt_task *to_wait_for(int k, const env *e)
{
    return in_group[k] || k <= e->who ? NULL : tasks[k];
}

static int op_await(const node *n, env *e)
{
    kt_task *t = to_wait_for(n->a[0], e);
    return t ? kt_task_await(t) : 0;
}

static int op_shield(const node *n, env *e)
{
    kt_task *t = to_wait_for(n->a[0], e);
    return t ? kt_shield(t) : 0;
}

static int op_cancel(const node *n, env *e)
{
    if (tasks[n->a[0]])
        say("T%d cancels %d %s", e->who, n->a[0], yes(kt_task_cancel(tasks[n->a[0]])));
    return 0;
}

/* The tasks with the numbers from `first` on, each once; returns how many. */
static size_t collect(const node *n, int first, const env *e, bool running, kt_task *ret_tasks[NUMBERS])
{
    size_t m = 0;
    for (int i = first; i < n->count; i++) {
        kt_task *t = to_wait_for(n->a[i], e);
        bool taken = !t || (running && kt_task_done(t));
        for (size_t j = 0; j < m; j++)
            taken = taken || ret_tasks[j] == t;
        if (!taken)
            ret_tasks[m++] = t;
    }
    return m;
}

static int op_wait(const node *n, env *e)
{
    static const kt_wait_mode modes[] = {KT_WAIT_ALL_COMPLETED, KT_WAIT_FIRST_COMPLETED, KT_WAIT_FIRST_FAILED};
    kt_task *ts[NUMBERS];
    char text[NUMBERS * 2 + 1] = "";
    size_t m = collect(n, 2, e, false, ts);
    if (m == 0)
        return 0;
    int rc = kt_wait(ts, m, modes[n->a[0]], n->a[1] < 0 ? KT_FOREVER : n->a[1] * U);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < m; i++)
        memcpy(text + 2 * i, kt_task_done(ts[i]) ? " 1" : " 0", 3);
    say("T%d wait%s", e->who, text);
    return 0;
}

static int op_as_completed(const node *n, env *e)
{
    kt_auto(kt_as_completed) next = KT_AS_COMPLETED_INIT;
    kt_task *ts[NUMBERS], *t;
    size_t m = collect(n, 0, e, true, ts);
    sure(kt_as_completed_start(&next, ts, m));
    int rc;
    while ((rc = kt_as_completed_next(&next, &t)) == 1) {
        int k = 0;
        while (tasks[k] != t)
            k++;
        say("T%d next %d %s", e->who, k, kind(kt_task_result(t)));
    }
    return rc;
}

static int op_gather(const node *n, env *e)
{
    int rcs[NUMBERS];
    script_args args[NUMBERS];
    kt_job jobs[NUMBERS];
    size_t m = 0;
    for (int i = 1; i < n->count; i++) {
        if (spawned[n->a[i]])
            continue;
        spawned[n->a[i]] = true;
        args[m] = (script_args){n->a[i]};
        jobs[m] = (kt_job){script, &args[m], sizeof args[m]};
        m++;
    }
    if (m == 0)
        return 0;
    int rc = kt_gather(jobs, m, n->a[0] ? rcs : NULL);
    for (size_t i = 0; i < m && rc >= 0 && n->a[0]; i++)
        say("T%d slot %zu %s", e->who, i, kind(rcs[i]));
    return rc;
}

static int op_gather_tasks(const node *n, env *e)
{
    int rcs[NUMBERS];
    kt_task *ts[NUMBERS];
    size_t m = collect(n, 1, e, false, ts);
    int rc = kt_gather_tasks(ts, m, n->a[0] ? rcs : NULL);
    for (size_t i = 0; i < m && rc >= 0 && n->a[0]; i++)
        say("T%d slot %zu %s", e->who, i, kind(rcs[i]));
    return rc;
}

/* ---- Groups and limits --------------------------------------------------------------------------- */

static int join_number(int k, env *e, bool eager)
{
    if (spawned[k] || !e->group)
        return 0;
    spawned[k] = in_group[k] = true;
    kt_task *t;
    int rc = kt_group_spawn_with(e->group, &(kt_spawn_options){.eager = eager}, KT_WITH(script, k), &t);
    if (rc < 0) {
        say("T%d join refused", e->who);
        return -EIO;
    }
    tasks[k] = t;
    return 0;
}

static int op_child(const node *n, env *e)
{
    return join_number(n->a[0], e, false);
}

static int op_child_eager(const node *n, env *e)
{
    return join_number(n->a[0], e, true);
}

/* Its numbers are those of its children. */
static int op_group(const node *n, env *e)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    env inside = {.who = e->who, .group = &g};
    int rc = kt_group_join(&g, play(n->body, &inside));
    for (int i = 0; i < n->count; i++)
        if (in_group[n->a[i]])
            tasks[n->a[i]] = NULL;
    bool failed = rc < 0 && !kt_is_cancel(rc);
    say("T%d group %s count %d", e->who, failed ? "error" : kind(rc), count());
    return failed ? -EIO : rc;
}

/* Whose time was over, the count tells: an outer scope that has fired too is still in it. */
static int of_limit(int rc, bool expired, int before)
{
    return rc == KT_ETIMEDOUT && expired && count() <= before ? TIMEOUT : rc;
}

static int op_timeout(const node *n, env *e)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    env inside = {.who = e->who, .group = e->group, .limit = &limit};
    int before = count();
    kt_timeout_start(&limit, n->a[0] < 0 ? KT_FOREVER : n->a[0] * U);
    int rc = kt_timeout_end(&limit, play(n->body, &inside));
    bool expired = kt_timeout_expired(&limit);
    say("T%d tmo expired %s count %d", e->who, yes(expired), count());
    return of_limit(rc, expired, before);
}

static int op_reschedule(const node *n, env *e)
{
    if (e->limit && !kt_timeout_expired(e->limit))
        kt_timeout_reschedule(e->limit, kt_now() + n->a[0] * U);
    return 0;
}

static int play_body(void *arg)
{
    const node *n = arg;
    env e = {.who = n->a[1]};
    return play(n->body, &e);
}

static int op_wait_for(const node *n, env *e)
{
    node copy = *n;
    copy.a[1] = e->who;
    int before = count();
    int rc = kt_wait_for(n->a[0] < 0 ? KT_FOREVER : n->a[0] * U, play_body, &copy, 0);
    return of_limit(rc, true, before);
}

/* ---- try ------------------------------------------------------------------------------------------- */

static int op_try(const node *n, env *e)
{
    int rc = play(n->body, e);
    if (rc >= 0)
        return rc;
    if (kt_is_cancel(rc))
        kt_cancel_catch();
    say("T%d caught %s", e->who, kind(rc));
    return play(n->handler, e);
}

static int op_finally(const node *n, env *e)
{
    int rc = play(n->body, e);
    if (kt_is_cancel(rc))
        kt_cancel_catch();
    int again = play(n->handler, e);
    return again < 0 ? again : rc;
}

static int op_on_cancel(const node *n, env *e)
{
    int rc = play(n->body, e);
    if (!kt_is_cancel(rc))
        return rc;
    kt_cancel_catch();
    int again = play(n->handler, e);
    return again < 0 ? again : rc;
}

/* ---- Reading --------------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    int (*run)(const node *n, env *e);
} operations[] = {
    {"tn", op_spawn}, {"te", op_spawn_eager}, {"ta", op_await}, {"ts", op_shield},
    {"tx", op_cancel}, {"wt", op_wait}, {"ac", op_as_completed}, {"ga", op_gather},
    {"gt", op_gather_tasks},    {"jn", op_child}, {"je", op_child_eager}, {"grp", op_group}, {"tmo", op_timeout},
    {"rs", op_reschedule}, {"wf", op_wait_for}, {"try", op_try}, {"fin", op_finally},
    {"cf", op_on_cancel},
};

static char text[1 << 16], *rest = text;
static char *word; /* the next one, NULL at the end */

static void advance(void)
{
    rest += strspn(rest, " \n");
    word = *rest ? rest : NULL;
    rest += strcspn(rest, " \n");
    if (*rest)
        *rest++ = 0;
}

static node *read_list(void);

static node *read_node(void)
{
    static int ids;
    node *n = calloc(1, sizeof *n);
    if (!n)
        abort();
    n->run = object_operation(word);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (strcmp(operations[i].word, word) == 0)
            n->run = operations[i].run;
    if (!n->run) {
        fprintf(stderr, "no operation: %s\n", word);
        exit(1);
    }
    n->word = word;
    n->id = ++ids;
    for (advance(); word && (*word == '-' || (*word >= '0' && *word <= '9')); advance())
        if (n->count < NUMBERS)
            n->a[n->count++] = (int)strtol(word, NULL, 10);
    if (word && *word == '(')
        n->body = read_list();
    if (word && *word == '(')
        n->handler = read_list();
    return n;
}

/* From an opening parenthesis past the closing one. */
static node *read_list(void)
{
    node *first = NULL, **link = &first;
    for (advance(); word && *word != ')'; link = &(*link)->next)
        *link = read_node();
    advance();
    return first;
}

/* ---- main ------------------------------------------------------------------------------------------ */

static int op_main(void *arg)
{
    (void)arg;
    env e = {.who = 0};
    int rc = play(scripts[0], &e);
    say("main %s", kind(rc));
    return 0;
}

/* What stands still is cancelled, again and again, until it has ended. */
static int body(void *arg)
{
    (void)arg;
    kt_task *t = spawn(op_main, NULL, 0);
    for (int i = 0; i < 9 && kt_wait(&t, 1, KT_WAIT_ALL_COMPLETED, 50 * U) == 0; i++)
        kt_task_cancel(t);
    int left = 1;
    for (int round = 0; round < 12 && left > 0; round++) {
        left = 0;
        units(20);
        for (int k = 1; k < TASKS; k++) {
            if (tasks[k] && !in_group[k] && !kt_task_done(tasks[k])) {
                left++;
                kt_task_cancel(tasks[k]);
            }
        }
        say("round %d left %d", round, left);
    }
    say_state(0);
    say("END"); /* what is left over may never end */
    _exit(0);
}

int main(void)
{
    if (read(0, text, sizeof text - 1) <= 0)
        return 2;
    advance();
    for (int k = 0; k < TASKS && word; k++)
        scripts[k] = read_list();
    return kt_run_with(&(kt_options){.virtual_time = true}, body, NULL, 0) < 0;
}
