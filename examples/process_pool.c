/* SPDX-License-Identifier: MIT */
/* Work in processes of its own: primes are counted by all cores at once, and a function that crashes harms
 * nobody but the one who called it. */
#include <kettle/kettle.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct range {
    int first, last;
};

static bool is_prime(int n)
{
    for (int d = 2; d * d <= n; d++)
        if (n % d == 0)
            return false;
    return n >= 2;
}

/* In a worker process: its memory is its own, so the answer travels back as bytes. */
KT_PROCESS_FN(count_primes, input, ret_output)
{
    struct range r;
    int count = 0;
    memcpy(&r, input.data, sizeof(r));
    for (int n = r.first; n <= r.last; n++)
        count += is_prime(n);
    return kt_buffer_printf(ret_output, "%d", count);
}

KT_PROCESS_FN(crash, input, ret_output)
{
    (void)input, (void)ret_output;
    signal(SIGABRT, SIG_DFL);
    return raise(SIGABRT);
}

struct part {
    kt_process_pool *pool;
    struct range range;
    kt_buffer answer;
};

/* In a task of the program, which waits for the worker. */
static int count_part(void *arg)
{
    struct part *p = arg;
    return kt_process_pool_run(p->pool, count_primes, (kt_slice){(const char *)&p->range, sizeof(p->range)},
                               &p->answer);
}

static int run(void *arg)
{
    (void)arg;
    kt_auto(kt_process_pool) *pool = NULL;
    int rc = kt_process_pool_open(NULL, &pool);
    if (rc < 0)
        return rc;
    struct part parts[] = {{pool, {1, 100000}, KT_BUFFER_INIT},
                           {pool, {100001, 200000}, KT_BUFFER_INIT},
                           {pool, {200001, 300000}, KT_BUFFER_INIT}};
    const kt_job jobs[] = {{count_part, &parts[0], 0}, {count_part, &parts[1], 0}, {count_part, &parts[2], 0}};
    rc = kt_gather(jobs, 3, NULL);
    for (int i = 0; i < 3; i++) {
        if (rc >= 0)
            printf("%d to %d: %.*s primes\n", parts[i].range.first, parts[i].range.last,
                   (int)parts[i].answer.size, parts[i].answer.data);
        kt_buffer_release(&parts[i].answer);
    }
    if (rc < 0)
        return rc;
    rc = kt_process_pool_run(pool, crash, (kt_slice){"", 0}, NULL);
    printf("crash: %s\n", kt_strerror(rc));
    return 0;
}

int main(int argc, char **argv)
{
    kt_process_pool_main(argc, argv); /* a pool starts this program again, for its workers */
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "process_pool: %s\n", kt_strerror(rc));
    return rc < 0;
}
