/* SPDX-License-Identifier: MIT */
/* The client's sessions and their options. */
#include "http/client.h"

#define CONNECTIONS_MAX 100
#define PER_HOST_MAX 20
#define IDLE_TIMEOUT KT_S(15)
#define REDIRECTS_MAX 10
#define HEADER_BYTES_MAX ((uint32_t)64 * 1024)
#define HEADER_BYTES_LIMIT ((uint32_t)16 * 1024 * 1024)
#define HEADERS_MAX 100
#define HEADERS_LIMIT 10000

static const kt_http_timeouts timeouts_default = {
    .pool = KT_S(60),
    .connect = KT_S(10),
    .tls = KT_S(10),
    .send = KT_S(30),
    .first_byte = KT_S(60),
    .between = KT_S(30),
    .total = KT_S(300),
};

/* ---- Options --------------------------------------------------------------------------------- */

static int check_timeouts(const kt_http_timeouts *t)
{
    const kt_time all[] = {t->pool, t->connect, t->tls, t->send, t->first_byte, t->between, t->total};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] < 0)
            return kt_error_set(-EINVAL, "a time limit below 0");
    return 0;
}

static int check_options(const kt_http_session_options *o)
{
    int rc = check_timeouts(&o->timeouts);
    if (rc < 0)
        return rc;
    if (o->idle_timeout < 0)
        return kt_error_set(-EINVAL, "a time limit below 0");
    if (o->header_bytes_max > HEADER_BYTES_LIMIT || o->headers_max > HEADERS_LIMIT)
        return kt_error_set(-EINVAL, "header limits over %u bytes or %d headers", HEADER_BYTES_LIMIT, HEADERS_LIMIT);
    if (o->rate_starts > 0 && o->rate_period <= 0)
        return kt_error_set(-EINVAL, "a rate without a period");
    return kt__client_headers_check(o->headers);
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

static void fill_defaults(kt_http_session_options *o)
{
    o->timeouts = kt__client_timeouts(&o->timeouts, &timeouts_default);
    o->connections_max = or_default(o->connections_max, CONNECTIONS_MAX);
    o->connections_per_host_max = or_default(o->connections_per_host_max, PER_HOST_MAX);
    o->idle_timeout = o->idle_timeout ? o->idle_timeout : IDLE_TIMEOUT;
    o->redirects_max = or_default(o->redirects_max, REDIRECTS_MAX);
    o->header_bytes_max = or_default(o->header_bytes_max, HEADER_BYTES_MAX);
    o->headers_max = or_default(o->headers_max, HEADERS_MAX);
}

/* ---- Copies ---------------------------------------------------------------------------------- */

/* A string that lives as long as the session; NULL stays NULL. */
static int keep(kt_http_session *s, const char **string)
{
    if (!*string)
        return 0;
    char **strings = kt_realloc(s->strings, (s->string_count + 1) * sizeof *strings);
    if (!strings)
        return -ENOMEM;
    s->strings = strings;
    char *copy = kt_strndup(*string, strlen(*string));
    if (!copy)
        return -ENOMEM;
    s->strings[s->string_count++] = copy;
    *string = copy;
    return 0;
}

/* The same for a list of strings. */
static int keep_list(kt_http_session *s, const char *const **list, const char ***ret_copy)
{
    size_t count = 0;
    if (!*list)
        return 0;
    while ((*list)[count])
        count++;
    const char **copy = kt_calloc(count + 1, sizeof *copy);
    if (!copy)
        return -ENOMEM;
    *ret_copy = copy;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        copy[i] = (*list)[i];
        rc = keep(s, &copy[i]);
    }
    *list = copy;
    return rc;
}

static int keep_user_agent(kt_http_session *s)
{
    char made[64];
    snprintf(made, sizeof made, "kettle/%s", kt_version());
    if (!s->o.user_agent)
        s->o.user_agent = made;
    const char *const field[] = {"User-Agent", s->o.user_agent, NULL};
    int rc = kt__client_headers_check(field);
    return rc < 0 ? rc : keep(s, &s->o.user_agent);
}

static int keep_base(kt_http_session *s)
{
    if (!s->o.base_url)
        return 0;
    int rc = kt_url_parse(s->o.base_url, NULL, &s->base);
    s->o.base_url = s->base.text.data;
    return rc;
}

/* Looks at each address between its look-up and the connect, so that no name can change its mind in between. */
static int guard(const kt_address *to, void *arg)
{
    const kt_http_session *s = arg;
    int rc = s->check ? s->check(to, s->check_arg) : 0;
    return rc < 0 || kt_address_is_global(&to->any) ? rc : KT_EGUARD;
}

static int keep_connect(kt_http_session *s)
{
    if (s->o.connect)
        s->connect = *s->o.connect;
    s->o.connect = &s->connect;
    if (s->o.guard) {
        s->check = s->connect.check;
        s->check_arg = s->connect.check_arg;
        s->connect.check = guard;
        s->connect.check_arg = s;
    }
    return keep(s, &s->connect.local_host);
}

static int keep_credentials(kt_http_session *s)
{
    int rc = keep(s, &s->o.user);
    if (rc == 0)
        rc = keep(s, &s->o.password);
    return rc < 0 ? rc : keep(s, &s->o.bearer);
}

static int set_up(kt_http_session *s, const kt_http_session_options *options)
{
    if (options)
        s->o = *options;
    int rc = check_options(&s->o);
    if (rc == 0)
        rc = keep_user_agent(s);
    if (rc == 0)
        rc = keep_base(s);
    if (rc == 0)
        rc = keep_connect(s);
    if (rc == 0)
        rc = keep_list(s, &s->o.headers, &s->headers);
    if (rc == 0)
        rc = keep_list(s, &s->o.no_proxy, &s->no_proxy);
    if (rc == 0)
        rc = kt__client_proxies_set(s);
    if (rc == 0)
        rc = keep(s, &s->no_proxy_text);
    if (rc == 0)
        rc = keep_credentials(s);
    fill_defaults(&s->o);
    return rc;
}

/* ---- Life ------------------------------------------------------------------------------------ */

void kt__client_session_unref(kt_http_session *s)
{
    if (--s->references > 0)
        return;
    kt__client_origins_free(s);
    kt_url_release(&s->base);
    kt__client_proxies_release(s);
    for (size_t i = 0; i < s->string_count; i++) {
        explicit_bzero(s->strings[i], strlen(s->strings[i])); /* some are secrets */
        kt_free(s->strings[i]);
    }
    kt_free(s->strings);
    kt_free(s->headers);
    kt_free(s->no_proxy);
    kt_tls_config_free(s->own_tls);
    kt_free(s);
}

int kt_http_session_open(const kt_http_session_options *options, kt_http_session **ret_session)
{
    kt_http_session *s = kt_calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->references = 1;
    int rc = set_up(s, options);
    if (rc < 0) {
        kt__client_session_unref(s);
        return rc;
    }
    *ret_session = s;
    return 0;
}

void kt_http_session_close(kt_http_session *s)
{
    if (!s)
        return;
    s->closed = true;
    kt_cancel_hold();
    if (s->keeper) {
        kt_task_cancel(s->keeper);
        (void)!kt_task_join(kt_steal(s->keeper)); /* it ends by the cancellation */
    }
    kt__client_refreshes_end(s);
    kt__client_pool_close(s);
    kt_cancel_unhold();
    kt__client_session_unref(s);
}

void kt_http_session_facts_get(const kt_http_session *s, kt_http_session_facts *ret_facts)
{
    *ret_facts = (kt_http_session_facts){
        .connections = s->open,
        .idle = s->idle,
        .waiting = s->waiting,
        .opened = s->opened,
        .reused = s->reused,
        .requests = s->requests,
        .retries = s->retries,
    };
}
