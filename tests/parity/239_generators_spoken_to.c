/* SPDX-License-Identifier: MIT */
#include "say.h"

/* What is said to a generator: a word, or in Python's athrow a failure. */
typedef struct said {
    const char *word;
    bool failure;
} said;

static int echo(void *name)
{
    static char answer[2][64];
    static int turn;
    char got[32] = "nothing";
    int rc = 0;
    say("%s begins", (const char *)name);
    while (rc == 0 && strcmp(got, "stop") != 0) {
        void *sent;
        turn = !turn;
        snprintf(answer[turn], sizeof answer[turn], "%s heard %s", (const char *)name, got);
        rc = kt_coroutine_yield(answer[turn], &sent);
        if (rc < 0)
            break;
        const said *s = sent;
        snprintf(got, sizeof got, "%s%s", s->failure ? "failure " : "", s->word);
        rc = kt_sleep(0);
    }
    say("%s ends", (const char *)name);
    return rc == KT_ECLOSED ? 0 : rc;
}

KT_FN(numbers, a, struct {
    const char *name;
    int n, units;
})
{
    int rc = 0;
    for (int i = 0; i < a->n && rc == 0; i++) {
        rc = kt_sleep(a->units * U);
        if (rc == 0)
            rc = kt_yield(&i);
    }
    say("%s closed", a->name);
    return rc;
}

KT_FN(consume, a, struct {
    const char *name;
    int units;
})
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    int i, total = 0, rc;
    sure(kt_generator_start(&g, KT_WITH(numbers, a->name, 3, a->units)));
    while ((rc = kt_next(&g, &i)) == 1) {
        say("%s %d", a->name, i);
        total += i;
    }
    return rc < 0 ? rc : total;
}

static void next(kt_coroutine *c)
{
    void *value;
    if (kt_coroutine_resume(c, NULL, &value) == KT_EINVALIDSTATE)
        say("next none");
}

static void tell(kt_coroutine *c, said s)
{
    void *value;
    int rc = sure(kt_coroutine_resume(c, &s, &value));
    if (rc == 1)
        say("%s", (const char *)value);
    else
        say("G is over");
}

static kt_coroutine *new_echo(const char *name)
{
    kt_coroutine *c = NULL;
    sure(kt_coroutine_new(echo, name, 0, &c));
    return c;
}

static void spoken_to(void)
{
    kt_auto(kt_coroutine) *g = new_echo("G"), *i = new_echo("I");
    void *value;
    tell(g, (said){NULL, false}); /* nobody hears what the first resume says */
    tell(g, (said){"one", false});
    tell(g, (said){"two", true});
    tell(g, (said){"three", false});
    tell(g, (said){"stop", false});
    next(g);
    kt_coroutine_close(new_echo("H"));
    say("H never began");
    sure(kt_coroutine_resume(i, NULL, &value));
    kt_coroutine_close(kt_steal(i));
    kt_coroutine_close(i);
    say("next %s", i ? "?" : "none");
}

static void say_all(const char *label, const char *name, int n, bool squares)
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    char text[64] = "";
    int i;
    sure(kt_generator_start(&g, KT_WITH(numbers, name, n, 0)));
    while (sure(kt_next(&g, &i)) == 1)
        if (!squares || i % 2 == 0)
            snprintf(text + strlen(text), sizeof text - strlen(text), " %d", squares ? i * i : i);
    say("%s [%s]", label, text + 1);
}

static int body(void *arg)
{
    int totals[2];
    (void)arg;
    spoken_to();
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(consume, "J", 2)), KT_JOB_OF(KT_WITH(consume, "K", 5))};
    sure(kt_gather(jobs, 2, totals));
    say("totals [%d %d]", totals[0], totals[1]);
    say_all("listed", "L", 3, false);
    say_all("some", "M", 5, true);
    kt_task *t = spawn(KT_WITH(consume, "N", 2));
    units(3);
    kt_task_cancel(t);
    wait_end(t);
    say("cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
    return 0;
}

int main(void)
{
    return run(body);
}
