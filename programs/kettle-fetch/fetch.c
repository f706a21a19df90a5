/* SPDX-License-Identifier: MIT */

/* One URL: may it be asked for, its attempts, its body. */

#include <errno.h>
#include <fcntl.h>
#include <kettle/http.h>
#include <kettle/memory.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "engine.h"
#include "names.h"

static const char agent[] = "kettle-fetch";

/* ---- What went wrong -------------------------------------------------------------------------- */

/* Of a failure before the answer's head was there. */
static enum cause cause_of(int rc)
{
    switch (rc) {
    case -ETIMEDOUT:
    case KT_ETIMEDOUT:
        return CAUSE_TIMEOUT;
    case KT_ENAME:
        return CAUSE_NAME;
    case -ECONNREFUSED:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -EADDRNOTAVAIL:
    case -EACCES:
        return CAUSE_CONNECT;
    case -ECONNRESET:
    case -EPIPE:
    case KT_EINCOMPLETE:
    case KT_ETRUNCATED:
        return CAUSE_LOST;
    case KT_ETLS:
    case KT_ECERTIFICATE:
        return CAUSE_TLS;
    case KT_EPROTOCOL:
        return CAUSE_PROTOCOL;
    case -ELOOP:
        return CAUSE_REDIRECTS;
    case KT_ELIMIT:
        return strstr(kt_error_detail(), "redirect") ? CAUSE_REDIRECTS : CAUSE_PROTOCOL;
    case KT_EGUARD:
        return strstr(kt_error_detail(), "robots.txt") ? CAUSE_ROBOTS : CAUSE_GUARD;
    case -EINVAL:
    case -EPROTONOSUPPORT:
        return CAUSE_URL;
    default:
        return CAUSE_OTHER;
    }
}

/* Of one while the body was read. */
static enum cause cause_of_body(int rc, bool coded)
{
    if (rc == KT_ELIMIT)
        return CAUSE_SIZE;
    return rc == KT_EPROTOCOL && coded ? CAUSE_CONTENT : cause_of(rc);
}

static bool worth_repeating(const item *it)
{
    switch (it->cause) {
    case CAUSE_TIMEOUT:
    case CAUSE_CONNECT:
    case CAUSE_LOST:
        return true;
    case CAUSE_STATUS:
        return it->status == 408 || it->status == 429 || it->status == 502 || it->status == 503 || it->status == 504;
    default:
        return false;
    }
}

/* ---- The body --------------------------------------------------------------------------------- */

/* Where a body goes: into memory, into a file, or nowhere. */
typedef struct sink {
    item *item;
    bool memory;
    kt_file *file;
} sink;

static int sink_take(sink *s, const char *bytes, size_t size, uint64_t size_max)
{
    s->item->bytes += size;
    if (s->item->bytes > size_max)
        return kt_error_set(KT_ELIMIT, "more than %llu bytes", (unsigned long long)size_max);
    if (s->memory)
        return kt_buffer_append(&s->item->body, bytes, size);
    return s->file ? kt_file_write(s->file, bytes, size) : 0;
}

static int read_body(engine *e, kt_http_response *r, sink *s)
{
    enum { PIECE = 16 * 1024 };
    char *piece = kt_alloc(PIECE);
    if (!piece)
        return -ENOMEM;
    bool coded = kt_http_response_header(r, "Content-Encoding").size > 0;
    ssize_t n;
    int rc = 0;
    while ((n = kt_http_response_read(r, piece, PIECE)) > 0 &&
           (rc = sink_take(s, piece, (size_t)n, e->o.size_max)) == 0)
        ;
    kt_free(piece);
    if (n < 0)
        return kt_is_cancel((int)n) ? (int)n : item_fail(s->item, cause_of_body((int)n, coded), (int)n, NULL);
    if (rc < 0 && !kt_is_cancel(rc))
        return item_fail(s->item, rc == KT_ELIMIT ? CAUSE_SIZE : rc == -ENOMEM ? CAUSE_OTHER : CAUSE_STORE, rc, NULL);
    return rc;
}

static int copy(kt_slice s, char **ret_text)
{
    if (s.data && !(*ret_text = kt_strndup(s.data, s.size)))
        return -ENOMEM;
    return 0;
}

/* <https://example.org/?page=2>; rel="next" (RFC 8288); the first of the header that says so. */
static kt_slice next_of_link(kt_slice link)
{
    const kt_slice none = {NULL, 0};
    const char *at = link.data, *end = link.data + link.size;
    while (at && (at = memchr(at, '<', (size_t)(end - at))) != NULL) {
        const char *close = memchr(at, '>', (size_t)(end - at));
        if (!close)
            return none;
        const char *more = memchr(close, '<', (size_t)(end - close));
        kt_slice parameters = {close + 1, (size_t)((more ? more : end) - close - 1)};
        if (memmem(parameters.data, parameters.size, "rel=\"next\"", 10) ||
            memmem(parameters.data, parameters.size, "rel=next", 8))
            return (kt_slice){at + 1, (size_t)(close - at - 1)};
        at = close;
    }
    return none;
}

/* There may be several headers Link. */
static kt_slice next_of_links(const kt_http_response *r)
{
    kt_slice name, value, next = {NULL, 0};
    for (size_t i = 0; !next.data && kt_http_response_header_at(r, i, &name, &value); i++)
        if (name.size == 4 && strncasecmp(name.data, "Link", 4) == 0)
            next = next_of_link(value);
    return next;
}

static int take_head(item *it, const kt_http_response *r)
{
    it->status = kt_http_response_status(r);
    int rc = copy(kt_slice_from(kt_http_response_url(r)), &it->final_url);
    if (rc == 0)
        rc = copy(kt_http_response_header(r, "Content-Type"), &it->content_type);
    if (rc == 0)
        rc = copy(next_of_links(r), &it->next_link);
    return rc == 0 ? 0 : item_fail(it, CAUSE_OTHER, rc, NULL);
}

static int fail_by_status(item *it)
{
    char why[64];
    const char *reason = kt_http_reason(it->status);
    snprintf(why, sizeof why, "HTTP %d%s%s", it->status, *reason ? " " : "", reason);
    return item_fail(it, CAUSE_STATUS, KT_ENOTFOUND, why);
}

/* ---- Requests --------------------------------------------------------------------------------- */

/* Sends one within its time. Secrets go to hosts that the user has named, and to no others that a page, a list or a
 * robots.txt may name. */
static int send_request(engine *e, const char *url, const host *h, asker *me, kt_http_response **ret_response)
{
    const kt_http_request q = {.url = url, .headers = h && h->named ? e->o.secrets : NULL};
    asker **at = &e->askers;
    me->next = e->askers;
    me->task = kt_task_current();
    e->askers = me;
    int rc = kt_http_send(e->session, &q, ret_response);
    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
    return rc;
}

static asker *who_asks(const engine *e)
{
    asker *me = e->askers;
    while (me->task != kt_task_current())
        me = me->next;
    return me;
}

/* ---- Attempts --------------------------------------------------------------------------------- */

static void forget_attempt(item *it)
{
    it->cause = CAUSE_OK;
    it->rc = it->status = 0;
    it->bytes = 0;
    char **texts[] = {&it->why, &it->final_url, &it->content_type, &it->next_link};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        kt_free(*texts[i]);
        *texts[i] = NULL;
    }
    kt_buffer_clear(&it->body);
}

/* The three forms of a date (RFC 9110 section 5.6.7), as the time until then; 0: it is none, or over. */
static kt_time until_date(kt_slice text)
{
    enum { SECONDS_MAX = 999999 }; /* as many as retry_after reads */
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y"};
    char date[48];
    snprintf(date, sizeof date, "%.*s", (int)text.size, text.data);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm parts = {.tm_sec = 0};
        const char *end = strptime(date, forms[i], &parts);
        int64_t left = end && !*end ? (int64_t)timegm(&parts) - (int64_t)time(NULL) : 0;
        if (left > 0)
            return KT_S(left < SECONDS_MAX ? left : SECONDS_MAX);
    }
    return 0;
}

/* Retry-After: seconds, or a date; 0: none that is understood, which means our own patience. */
static kt_time retry_after(const kt_http_response *r)
{
    kt_slice text = kt_http_response_header(r, "Retry-After");
    kt_time seconds = 0;
    for (size_t i = 0; i < text.size && i < 6; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return until_date(text);
        seconds = 10 * seconds + (text.data[i] - '0');
    }
    return KT_S(seconds);
}

static int ask(engine *e, sink *s, asker *me, kt_time *asked_wait)
{
    kt_auto(kt_http_response) *r = NULL;
    item *it = s->item;
    int rc = send_request(e, it->url, it->host, me, &r);
    if (rc < 0)
        return kt_is_cancel(rc) ? rc : item_fail(it, cause_of(rc), rc, NULL);
    rc = take_head(it, r);
    if (rc == 0 && (it->status < 200 || it->status > 299)) {
        *asked_wait = retry_after(r);
        return fail_by_status(it);
    }
    if (rc == 0 && it->part) {
        rc = kt_file_open(it->part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0666, &s->file);
        if (rc < 0 && !kt_is_cancel(rc))
            item_fail(it, CAUSE_STORE, rc, NULL);
    }
    if (rc == 0)
        rc = read_body(e, r, s);
    return rc;
}

static int end_file(sink *s, int rc)
{
    int closed = kt_file_close(s->file);
    s->file = NULL;
    if (rc == 0 && closed < 0)
        rc = kt_is_cancel(closed) ? closed : item_fail(s->item, CAUSE_STORE, closed, NULL);
    return rc;
}

static int obey_robots(engine *e, item *it);

/* One attempt within its time. */
static int attempt(engine *e, sink *s, kt_time *asked_wait)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    asker me = {.limit = &limit};
    forget_attempt(s->item);
    s->item->attempts++;
    int rc = e->o.crawl > 0 && !e->o.no_robots ? obey_robots(e, s->item) : 0;
    if (rc == 0)
        rc = kt_semaphore_acquire(&e->permits);
    if (rc < 0)
        return rc;
    e->at_once++;
    e->figures.at_once = e->at_once > e->figures.at_once ? e->at_once : e->figures.at_once;
    kt_time began = kt_now();
    kt_timeout_start(&limit, e->o.timeout);
    rc = ask(e, s, &me, asked_wait);
    rc = kt_timeout_end(&limit, rc);
    s->item->took += kt_now() - began - me.waited;
    e->at_once--;
    kt_semaphore_release(&e->permits);
    rc = end_file(s, rc);
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        rc = item_fail(s->item, CAUSE_TIMEOUT, -ETIMEDOUT, "no answer, or not all of it, in time");
    return rc;
}

static int attempts(engine *e, sink *s)
{
    item *it = s->item;
    kt_time wait = e->o.retry_wait, asked = 0;
    for (unsigned number = 1;; number++, wait *= 2) {
        int rc = attempt(e, s, &asked);
        if (rc == 0 || it->cause == CAUSE_OK)
            return rc; /* done, or cancelled */
        bool again = number < e->o.attempts && worth_repeating(it);
        kt_time pause = asked > wait ? asked : wait < KT_S(60) ? wait : KT_S(60);
        if (asked > KT_S(300))
            again = false; /* a server that wants to be left alone */
        if (e->o.on_attempt)
            e->o.on_attempt(it, number, it->why ? it->why : cause_words(it->cause), again ? pause : -1, e->o.arg);
        if (!again)
            return rc;
        asked = 0;
        rc = kt_sleep(pause);
        if (rc < 0) {
            it->cause = CAUSE_OK;
            return rc;
        }
    }
}

/* ---- robots.txt ------------------------------------------------------------------------------- */

static int read_document(kt_http_response *r, size_t size_max, bool cut, kt_buffer *body)
{
    char piece[4096];
    ssize_t n;
    int rc = 0;
    while (rc == 0 && (n = kt_http_response_read(r, piece, sizeof piece)) != 0) {
        size_t room = size_max - body->size;
        if (n < 0)
            return (int)n;
        if ((size_t)n > room && !cut)
            return kt_error_set(KT_ELIMIT, "more than %zu bytes", size_max);
        rc = kt_buffer_append(body, piece, (size_t)n < room ? (size_t)n : room);
        if ((size_t)n > room)
            break;
    }
    return rc;
}

int fetch_document(engine *e, const char *url, size_t size_max, bool cut, int *ret_status, kt_buffer *body)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_auto(kt_http_response) *r = NULL;
    kt_auto(kt_url) parsed = KT_URL_INIT;
    asker me = {.limit = &limit, .is_document = true};
    host *h = NULL;
    int rc = kt_url_parse(url, NULL, &parsed);
    if (rc == 0)
        rc = frontier_host(&e->frontier, &parsed, &h);
    if (rc < 0)
        return rc;
    kt_timeout_start(&limit, e->o.timeout);
    rc = send_request(e, url, h, &me, &r);
    if (rc == 0)
        rc = read_document(r, size_max, cut, body);
    rc = kt_timeout_end(&limit, rc);
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        rc = kt_error_set(-ETIMEDOUT, "%s: timed out", url);
    if (rc == 0)
        *ret_status = kt_http_response_status(r);
    return rc;
}

/* Is the failure one of a moment, or of the host as a whole? */
static bool is_unreachable(int rc)
{
    enum cause c = rc < 0 ? cause_of(rc) : CAUSE_OK;
    return c == CAUSE_TIMEOUT || c == CAUSE_NAME || c == CAUSE_CONNECT || c == CAUSE_LOST || c == CAUSE_TLS;
}

/* RFC 9309 section 2.3.1: none there (4xx) allows everything; one that cannot be had forbids everything. Where the host
 * cannot be had at all that is the URL's own failure, and the next attempt asks again. */
static int read_robots(engine *e, host *h)
{
    kt_auto(kt_buffer) url = KT_BUFFER_INIT, body = KT_BUFFER_INIT;
    int status = 0;
    int rc = kt_buffer_printf(&url, "%s/robots.txt", h->origin);
    if (rc == 0)
        rc = fetch_document(e, kt_buffer_string(&url), ROBOTS_BYTES_MAX, true, &status, &body);
    if (kt_is_cancel(rc) || rc == -ENOMEM || is_unreachable(rc))
        return rc;
    if (rc == 0 && status >= 200 && status <= 299) {
        rc = robots_parse(kt_buffer_slice(&body), agent, &h->robots);
        if (rc == -ENOMEM)
            return rc; /* which costs this URL only: the next one asks again */
    } else if (rc == 0 && (status < 400 || status > 499))
        rc = KT_ENOTFOUND;
    h->robots_rc = rc;
    h->asked = true;
    return 0;
}

/* KT_EGUARD, with words: this URL of the host may not be had. Or another failure. */
static int ask_robots(engine *e, host *h, const char *url)
{
    int rc = kt_lock_acquire(&h->asking);
    if (rc < 0)
        return rc;
    if (!h->asked)
        rc = read_robots(e, h);
    kt_lock_release(&h->asking);
    if (rc < 0)
        return rc;
    if (h->robots_rc < 0)
        return kt_error_set(KT_EGUARD, "robots.txt cannot be had");
    if (!robots_allow(h->robots, kt_slice_from(url + strlen(h->origin))))
        return kt_error_set(KT_EGUARD, "forbidden by robots.txt");
    return 0;
}

/* Time in line is no part of the attempt's. */
static int wait_for_rate(host *h, asker *me)
{
    kt_time began = kt_now(), when = kt_timeout_when(me->limit);
    if (kt_timeout_expired(me->limit))
        return 0; /* which shows at the next wait */
    kt_timeout_reschedule(me->limit, KT_FOREVER);
    int rc = kt_rate_acquire(&h->rate);
    me->waited += kt_now() - began;
    kt_timeout_reschedule(me->limit, when + kt_now() - began);
    return rc;
}

/* The program's own documents are not crawled: robots.txt may be elsewhere (RFC 9309 section 2.3.1.2). */
int fetch_before(kt_http_attempt *a, void *arg)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    engine *e = arg;
    asker *me = who_asks(e);
    host *h;
    int rc = kt_url_parse(a->url, NULL, &url);
    if (rc == 0)
        rc = frontier_host(&e->frontier, &url, &h);
    if (rc == 0 && h->rate.starts_max > 0)
        rc = wait_for_rate(h, me);
    if (rc == 0 && a->number > 1 && !me->is_document && e->o.crawl > 0 && !e->o.no_robots)
        rc = ask_robots(e, h, url.text.data);
    return rc;
}

static int obey_robots(engine *e, item *it)
{
    host *h = it->host;
    int rc = ask_robots(e, h, it->url);
    if (rc < 0)
        return kt_is_cancel(rc) ? rc : item_fail(it, rc == KT_EGUARD ? CAUSE_ROBOTS : cause_of(rc), rc, NULL);
    kt_time delay = robots_delay(h->robots), now = kt_now();
    kt_time begin = h->begin_next > now ? h->begin_next : now;
    h->begin_next = begin + delay;
    return begin > now ? kt_sleep(begin - now) : 0;
}

/* ---- The whole -------------------------------------------------------------------------------- */

int fetch_item(engine *e, item *it)
{
    sink s = {.item = it, .memory = transform_wanted(&e->o)};
    char hash[NAME_HASH_BYTES + 1];
    int rc = 0;
    if (e->o.save && !s.memory) {
        kt_auto(kt_buffer) path = KT_BUFFER_INIT;
        name_hash_of(kt_slice_from(it->url), hash);
        rc = kt_buffer_printf(&path, "%s/.kettle-%s.part", e->o.save, hash);
        it->part = rc == 0 ? kt_strndup(path.data, path.size) : NULL;
        if (!it->part)
            return item_fail(it, CAUSE_OTHER, -ENOMEM, NULL);
    }
    rc = attempts(e, &s);
    if (it->cause == CAUSE_OK && rc < 0 && !kt_is_cancel(rc))
        item_fail(it, CAUSE_OTHER, rc, NULL);
    return rc;
}
