/* SPDX-License-Identifier: MIT */
/* CPU-bound work in worker processes, like run_in_executor with a ProcessPoolExecutor: primes are counted by
 * all cores while the loop goes on, and a function that crashes harms nobody but its caller. */
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
KT_PROCESS_FN(count_primes, input, size, ret_output)
{
    const struct range *r = input;
    int count = 0;
    (void)size;
    for (int n = r->first; n <= r->last; n++)
        count += is_prime(n);
    return kt_buffer_append(ret_output, &count, sizeof(count));
}

KT_PROCESS_FN(crash, input, size, ret_output)
{
    (void)input, (void)size, (void)ret_output;
    signal(SIGSEGV, SIG_DFL);
    return raise(SIGSEGV);
}

KT_FN(count_part, a, struct { kt_process_pool *pool; struct range range; int *ret_count; })
{
    kt_auto(kt_buffer) answer = KT_BUFFER_INIT;
    int rc = kt_process_pool_run(a->pool, count_primes, &a->range, sizeof(a->range), &answer);
    if (rc == 0)
        memcpy(a->ret_count, answer.data, sizeof(*a->ret_count));
    return rc;
}

static int run(void *arg)
{
    enum { PARTS = 4, PART = 50000 };
    int counts[PARTS];
    (void)arg;
    kt_auto(kt_process_pool) *pool = NULL;
    int rc = kt_process_pool_open(NULL, &pool);
    if (rc < 0)
        return rc;
    kt_auto(kt_group) parts = KT_GROUP_INIT;
    for (int i = 0; i < PARTS && rc == 0; i++)
        rc = kt_group_spawn(&parts, KT_WITH(count_part, .pool = pool, .ret_count = &counts[i],
                                            .range = {i * PART + 1, (i + 1) * PART}));
    rc = kt_group_join(&parts, rc);
    if (rc < 0)
        return rc;
    for (int i = 0; i < PARTS; i++)
        printf("%d to %d: %d primes\n", i * PART + 1, (i + 1) * PART, counts[i]);

    rc = kt_process_pool_run(pool, crash, NULL, 0, NULL);
    printf("crash: %s\n", kt_strerror(rc));
    rc = count_part(&(count_part_args){pool, {1, 100}, &counts[0]}); /* by a new worker */
    if (rc == 0)
        printf("1 to 100: %d primes\n", counts[0]);
    return rc;
}

int main(int argc, char **argv)
{
    kt_process_pool_main(argc, argv); /* a pool starts this program again, for its workers */
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "process_pool: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}
