/* SPDX-License-Identifier: MIT */
/* What a session knows of the servers that it asks. */
#include "http/client.h"

/* Records of servers without connections are kept up to this number. */
#define ORIGINS_KEPT 64

/* ws and wss are upgrades of what these mean for HTTP. */
static kt_slice scheme_of(const kt_url *url)
{
    return kt_slice_from(kt_url_is_secure(url) ? "https" : "http");
}

/* The URL's text up to its path, without user and password. */
static char *origin_name(const kt_url *url, size_t extra, size_t at)
{
    kt_slice scheme = scheme_of(url);
    char *block = kt_calloc(1, extra + scheme.size + 3 + url->authority.size + 1);
    if (!block)
        return NULL;
    char *p = block + at;
    memcpy(p, scheme.data, scheme.size);
    memcpy(p + scheme.size, "://", 3);
    memcpy(p + scheme.size + 3, url->authority.data, url->authority.size);
    return block;
}

static bool is_of(const kt__client_origin *o, const kt_url *url)
{
    const char *p = o->host;
    kt_slice scheme = scheme_of(url);
    size_t n = scheme.size;
    return strncmp(p, scheme.data, n) == 0 && strncmp(p + n, "://", 3) == 0 &&
           strncmp(p + n + 3, url->authority.data, url->authority.size) == 0 && !p[n + 3 + url->authority.size];
}

static bool is_unused(const kt_http_session *s, const kt__client_origin *o)
{
    return o->users == 0 && o->open == 0 && !o->first &&
           (!s->o.rate_starts || kt_now() - o->rate_used >= s->o.rate_period);
}

static void origin_free(kt_http_session *s, kt__client_origin *o)
{
    s->origin_count--;
    kt_rate_release(&o->rate);
    kt__client_origin_forget_auths(o);
    kt_free(o);
}

static void forget_unused(kt_http_session *s)
{
    for (kt__client_origin **link = &s->origins; *link;) {
        kt__client_origin *o = *link;
        if (!is_unused(s, o)) {
            link = &o->next;
            continue;
        }
        *link = o->next;
        origin_free(s, o);
    }
}

void kt__client_origins_free(kt_http_session *s)
{
    while (s->origins) {
        kt__client_origin *o = s->origins;
        s->origins = o->next;
        origin_free(s, o);
    }
}

int kt__client_origin_hold(kt__http_call *c)
{
    kt_http_session *s = c->session;
    for (kt__client_origin *o = s->origins; o; o = o->next) {
        if (!is_of(o, &c->url))
            continue;
        o->users++;
        c->origin = o;
        return 0;
    }
    if (s->origin_count >= ORIGINS_KEPT)
        forget_unused(s);
    size_t at = offsetof(kt__client_origin, host);
    kt__client_origin *o = (kt__client_origin *)(void *)origin_name(&c->url, sizeof *o, at);
    if (!o)
        return -ENOMEM;
    o->rate = (kt_rate)KT_RATE_INIT(s->o.rate_starts ? s->o.rate_starts : 1, s->o.rate_period ? s->o.rate_period : 1);
    o->users = 1;
    o->next = s->origins;
    s->origins = o;
    s->origin_count++;
    c->origin = o;
    return 0;
}

void kt__client_origin_release(kt__http_call *c)
{
    if (c->origin)
        c->origin->users--;
    c->origin = NULL;
}
