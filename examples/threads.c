/* SPDX-License-Identifier: MIT */
/* Work that would hold the loop up goes to a thread of its pool; other tasks run meanwhile. */
#include <kettle/kettle.h>
#include <stdio.h>

typedef struct span {
    int first, last;
    int primes; /* filled in */
} span;

static bool is_prime(int n)
{
    for (int d = 2; d * d <= n; d++)
        if (n % d == 0)
            return false;
    return n > 1;
}

/* On a pool thread: nothing here may call what suspends. */
static int count_primes(void *arg)
{
    span *s = arg;
    for (int n = s->first; n <= s->last; n++)
        s->primes += is_prime(n);
    return 0;
}

/* In a task. The span is the gatherer's, and stays where it is, since this waits for the job. */
static int count_in_thread(void *arg)
{
    return kt_thread_run(count_primes, arg, 0);
}

static int run(void *arg)
{
    (void)arg;
    span spans[] = {{1, 100000, 0}, {100001, 200000, 0}, {200001, 300000, 0}};
    kt_job jobs[3];
    for (int i = 0; i < 3; i++)
        jobs[i] = (kt_job){count_in_thread, &spans[i], 0};
    int rc = kt_gather(jobs, 3, NULL); /* on as many processors as there are */
    if (rc < 0)
        return rc;
    for (int i = 0; i < 3; i++)
        printf("%d primes from %d to %d\n", spans[i].primes, spans[i].first, spans[i].last);
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "threads: %s\n", kt_strerror(rc));
    return rc < 0;
}
