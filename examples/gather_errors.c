/* SPDX-License-Identifier: MIT */
/* An error is a negative result, with words for people beside it. Where all results of a gather are
 * asked for, one that failed does not keep the others' away. */
#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(risky_operation, a, struct {
    bool fail;
    char *ret_words; /* 32 bytes: what came of it */
})
{
    int rc = kt_sleep(KT_S(1));
    if (rc == 0 && a->fail)
        rc = kt_error_set(-EIO, "Operation failed");
    snprintf(a->ret_words, 32, "%s", rc < 0 ? kt_error_detail() : "Success");
    return rc;
}

static int run(void *arg)
{
    (void)arg;
    kt_time start = kt_now();
    char words[3][32];
    int rc = risky_operation(&(risky_operation_args){true, words[0]}); /* in this very task */
    if (kt_is_cancel(rc))
        return rc;
    if (rc < 0)
        printf("Caught error: %s\n", kt_error_detail());

    kt_job jobs[] = {
        KT_JOB_OF(KT_WITH(risky_operation, .fail = false, words[0])),
        KT_JOB_OF(KT_WITH(risky_operation, .fail = true, words[1])),
        KT_JOB_OF(KT_WITH(risky_operation, .fail = false, words[2])),
    };
    int results[3];
    rc = kt_gather(jobs, 3, results);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 3; i++)
        printf("Task %d %s: %s\n", i, results[i] < 0 ? "failed" : "succeeded", words[i]);
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "gather_errors: %s\n", kt_strerror(rc));
    return rc < 0;
}
