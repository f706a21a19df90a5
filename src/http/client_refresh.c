/* SPDX-License-Identifier: MIT */
/* Old answers that may be used at once are confirmed by the server meanwhile (RFC 5861 section 3), each by a task of
 * the session's that asks as its caller did. */
#include "http/client.h"

#include <kettle/task.h>

/* At a time; beyond, whoever asks waits for the server. */
#define REFRESHES_MAX 16u

struct kt__client_refresh {
    struct kt__client_refresh *next, **link;
    kt_http_session *session;
    kt_task *task;
    kt_http_request request;
    size_t count;
    char *strings[]; /* what the request is made of */
};

static void refresh_free(struct kt__client_refresh *f)
{
    for (size_t i = 0; i < f->count; i++) {
        explicit_bzero(f->strings[i], strlen(f->strings[i])); /* some are secrets */
        kt_free(f->strings[i]);
    }
    kt_free((void *)(uintptr_t)f->request.headers);
    kt_free(f);
}

static int keep(struct kt__client_refresh *f, const char **text)
{
    char *copy = *text ? kt_strndup(*text, strlen(*text)) : NULL;
    if (!*text)
        return 0;
    *text = copy;
    if (!copy)
        return -ENOMEM;
    f->strings[f->count++] = copy;
    return 0;
}

static size_t count_of(const char *const *headers)
{
    size_t n = 0;
    while (headers && headers[n])
        n++;
    return n;
}

/* Replaces what belongs to the caller by copies. */
static int keep_request(struct kt__client_refresh *f, size_t headers)
{
    kt_http_request *q = &f->request;
    const char **list = kt_calloc(headers + 1, sizeof *list);
    int rc = list ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < headers; i++) {
        list[i] = q->headers[i];
        rc = keep(f, &list[i]);
    }
    q->headers = list;
    const char **texts[] = {&q->url, &q->user, &q->password, &q->bearer};
    for (size_t i = 0; rc == 0 && i < sizeof texts / sizeof texts[0]; i++)
        rc = keep(f, texts[i]);
    return rc;
}

static struct kt__client_refresh *refresh_new(const kt__http_call *c)
{
    const kt_http_request *q = c->request;
    size_t headers = count_of(q->headers);
    struct kt__client_refresh *f = kt_calloc(1, sizeof *f + (headers + 4) * sizeof f->strings[0]);
    if (!f)
        return NULL;
    f->session = c->session;
    f->request = (kt_http_request){
        .url = c->url.text.data,
        .headers = q->headers,
        .no_redirects = true,
        .no_cookies = q->no_cookies,
        .user = q->user,
        .password = q->password,
        .bearer = q->bearer,
        .timeouts = q->timeouts,
    };
    if (keep_request(f, headers) == 0)
        return f;
    refresh_free(f);
    return NULL;
}

/* The answer goes into the cache as it is read, and is read no further than that. Whether it can be had is nobody's
 * affair: the old one stays. */
static int refresh_run(void *arg)
{
    struct kt__client_refresh *f = *(struct kt__client_refresh **)arg;
    kt_auto(kt_http_response) *r = NULL;
    char bytes[2048];
    int rc = kt__client_send_refresh(f->session, &f->request, &r);
    ssize_t n = rc < 0 ? rc : 1;
    while (n > 0 && r->store)
        n = kt_http_response_read(r, bytes, sizeof bytes);
    return kt_is_cancel((int)n) ? (int)n : 0;
}

static void refresh_over(void *arg)
{
    struct kt__client_refresh *f = *(struct kt__client_refresh **)arg;
    kt_http_session *s = f->session;
    *f->link = f->next;
    if (f->next)
        f->next->link = f->link;
    s->refresh_count--;
    kt_event_set(&s->refreshed);
    refresh_free(f);
}

/* One for a URL, whatever the request's fields: another variant of it waits for the next who asks. */
static bool is_under_way(const kt__http_call *c)
{
    for (const struct kt__client_refresh *f = c->session->refreshes; f; f = f->next)
        if (strcmp(f->request.url, c->url.text.data) == 0)
            return true;
    return false;
}

bool kt__client_refresh(const kt__http_call *c)
{
    kt_http_session *s = c->session;
    if (s->closed) /* while the caller looked into the cache */
        return false;
    if (c->redirects > 0) /* what the caller has shown the first server is not for others */
        return false;
    if (is_under_way(c))
        return true;
    struct kt__client_refresh *f = s->refresh_count < REFRESHES_MAX ? refresh_new(c) : NULL;
    if (!f)
        return false;
    const kt_spawn_options o = {.name = "http refresh", .drop = refresh_over};
    if (kt_spawn_with(&o, refresh_run, &f, sizeof f, &f->task) < 0) {
        refresh_free(f);
        return false;
    }
    kt_task_detach(f->task); /* it is good until `drop` */
    f->next = s->refreshes;
    f->link = &s->refreshes;
    if (f->next)
        f->next->link = &f->next;
    s->refreshes = f;
    s->refresh_count++;
    return true;
}

void kt__client_refreshes_end(kt_http_session *s)
{
    for (struct kt__client_refresh *f = s->refreshes; f; f = f->next)
        kt_task_cancel(f->task);
    while (s->refreshes) {
        kt_event_clear(&s->refreshed);
        (void)!kt_event_wait(&s->refreshed); /* 0: a cancellation is held back */
    }
}
