/* SPDX-License-Identifier: MIT */

/* Five queries over a pool of at most two connections. */

#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>

static int connect_db(void **ret_resource, void *arg)
{
    int *made = arg;
    int rc = kt_sleep(KT_S(1));
    if (rc < 0)
        return rc;
    int *connection = kt_alloc(sizeof *connection);
    if (!connection)
        return -ENOMEM;
    *connection = ++*made;
    *ret_resource = connection;
    return 0;
}

static void close_db(void *resource, void *arg)
{
    (void)arg;
    printf("connection %d closed\n", *(int *)resource);
    kt_free(resource);
}

KT_FN(query, a, struct {
    kt_resource_pool *db;
    kt_time start;
    int number;
})
{
    kt_auto(kt_lease) lease = KT_LEASE_INIT;
    int rc = kt_resource_pool_acquire(a->db, &lease);
    if (rc < 0)
        return rc;
    printf("%lld s: query %d on connection %d\n", (long long)((kt_now() - a->start) / KT_S(1)), a->number,
           *(int *)lease.resource);
    return kt_sleep(KT_S(2)); /* the lease ends with the scope, whatever happens */
}

static int program(void *arg)
{
    int made = 0;
    kt_time start = kt_now();
    (void)arg;
    kt_auto(kt_resource_pool) db = {
        .create = connect_db, .destroy = close_db, .arg = &made, .max = 2};
    int rc = kt_resource_pool_open(&db);
    if (rc < 0)
        return rc;
    kt_auto(kt_group) queries = KT_GROUP_INIT;
    for (int i = 1; rc == 0 && i <= 5; i++)
        rc = kt_group_spawn(&queries, KT_WITH(query, .db = &db, .start = start, .number = i));
    return kt_group_join(&queries, rc);
}

int main(void)
{
    int rc = kt_run(program, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "pattern_pool: %s\n", kt_strerror(rc));
    return rc < 0;
}
