/* SPDX-License-Identifier: MIT */
/* What OpenSSL needs of a task's stack. */
#include <kettle/debug.h>

#include "tls_pair.h"

KT_FN(shakes_and_measures, a, struct {
    kt_stream *s;
    const kt_tls_config *config;
})
{
    kt_task_stats stats;
    int rc = kt_stream_start_tls(a->s, a->config, for_localhost());
    kt_task_stats_get(kt_task_current(), &stats);
    CHECK_GT(stats.stack_bytes, 4096);
    CHECK_LT(stats.stack_bytes, 48 * 1024); /* so 64 KiB do, as tls.h says */
    return rc;
}

TEST(a_handshake_fits_into_64_kilobytes_of_stack)
{
    kt_debug_set(true);
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    kt_task *a = spawn(KT_WITH(shakes_and_measures, p.server, p.server_config));
    kt_task *b = spawn(KT_WITH(shakes_and_measures, p.client, p.client_config));
    CHECK_OK(kt_task_join(a));
    CHECK_OK(kt_task_join(b));
}
