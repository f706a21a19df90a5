/* SPDX-License-Identifier: MIT */
/* What OpenSSL needs of a task's stack. */
#include <kettle/debug.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <unistd.h>

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

static void shake_and_measure(tls_pair *p)
{
    kt_debug_set(true);
    kt_task *a = spawn(KT_WITH(shakes_and_measures, p->server, p->server_config));
    kt_task *b = spawn(KT_WITH(shakes_and_measures, p->client, p->client_config));
    CHECK_OK(kt_task_join(a));
    CHECK_OK(kt_task_join(b));
}

TEST(a_handshake_fits_into_64_kilobytes_of_stack)
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    shake_and_measure(&p);
}

/* The file by which OpenSSL finds the authority in a folder (openssl-rehash(1)). */
static void write_root(const char *folder, size_t size, char *ret_path)
{
    BIO *b = BIO_new_mem_buf(authority()->certificate, -1);
    X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
    snprintf(ret_path, size, "%s/%08lx.0", folder, X509_subject_name_hash(x));
    FILE *f = fopen(ret_path, "w");
    CHECK(f && fputs(authority()->certificate, f) >= 0 && fclose(f) == 0);
    X509_free(x);
    BIO_free(b);
}

/* A system's roots may lie in a folder, each in a file that the first handshake to need it reads. */
TEST(so_does_one_that_reads_a_root_from_a_folder)
{
    char folder[] = "/tmp/kettle-roots-XXXXXX", path[100];
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    CHECK(mkdtemp(folder) != NULL);
    write_root(folder, sizeof path, path);
    CHECK(setenv("SSL_CERT_DIR", folder, 1) == 0 && setenv("SSL_CERT_FILE", "/nowhere", 1) == 0);
    CHECK_OK(kt_tls_client_reload(p.client_config, NULL));
    shake_and_measure(&p);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
}
