/* SPDX-License-Identifier: MIT */

/* Configs: a set that can be exchanged while connections use it. */

#include <errno.h>
#include <kettle/memory.h>

#include "tls/tls.h"

kt__tls_set *kt__tls_config_set(const kt_tls_config *config)
{
    kt_tls_config *c = (kt_tls_config *)(uintptr_t)config; /* only its lock changes */
    pthread_mutex_lock(&c->lock);
    kt__tls_set *set = c->set;
    atomic_fetch_add(&set->references, 1);
    pthread_mutex_unlock(&c->lock);
    return set;
}

static int config_new(kt__tls_set *set, kt_tls_config **ret_config)
{
    kt_tls_config *c = kt_calloc(1, sizeof *c);
    if (!c) {
        kt__tls_set_unref(set);
        return -ENOMEM;
    }
    pthread_mutex_init(&c->lock, NULL); /* with default attributes it cannot fail here */
    c->set = set;
    *ret_config = c;
    return 0;
}

int kt_tls_client_new(const kt_tls_client_options *options, kt_tls_config **ret_config)
{
    kt__tls_set *set;
    int rc = kt__tls_client_set(options, &set);
    return rc < 0 ? rc : config_new(set, ret_config);
}

int kt_tls_server_new(const kt_tls_server_options *options, kt_tls_config **ret_config)
{
    kt__tls_set *set;
    int rc = kt__tls_server_set(options, &set);
    return rc < 0 ? rc : config_new(set, ret_config);
}

/* The two sides' sets do not mix: whoever starts TLS relies on what the config was made for. */
static int exchange(kt_tls_config *c, kt__tls_set *set)
{
    pthread_mutex_lock(&c->lock);
    kt__tls_set *old = c->set;
    bool same = old->server == set->server;
    if (same)
        c->set = set;
    pthread_mutex_unlock(&c->lock);
    kt__tls_set_unref(same ? old : set);
    return same ? 0 : kt_error_set(-EINVAL, "a config of the other side");
}

int kt_tls_client_reload(kt_tls_config *c, const kt_tls_client_options *options)
{
    kt__tls_set *set;
    int rc = kt__tls_client_set(options, &set);
    return rc < 0 ? rc : exchange(c, set);
}

int kt_tls_server_reload(kt_tls_config *c, const kt_tls_server_options *options)
{
    kt__tls_set *set;
    int rc = kt__tls_server_set(options, &set);
    return rc < 0 ? rc : exchange(c, set);
}

void kt_tls_config_free(kt_tls_config *c)
{
    if (!c)
        return;
    kt__tls_set_unref(c->set);
    pthread_mutex_destroy(&c->lock);
    kt_free(c);
}
