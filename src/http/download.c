/* SPDX-License-Identifier: MIT */
/* Downloads to files: which bytes are asked for, and what an answer means for those that are there. */
#include <kettle/http_download.h>
#include <kettle/retry.h>
#include <strings.h>

#include "http/client.h"
#include "http/download_private.h"
#include "http/files.h"

#define BYTES_MAX ((uint64_t)16 * 1024 * 1024 * 1024)
#define ATTEMPTS_MAX 10
#define WAIT_MAX KT_S(60)
#define PIECE_BYTES ((size_t)64 * 1024)
#define OWN_HEADERS 6

typedef struct download {
    kt_http_session *s;
    const char *url;
    kt_http_download_options o;
    const char **headers; /* the caller's behind OWN_HEADERS places */
    size_t header_count;
    kt__part part;
    uint64_t resumed;
    unsigned attempts;
    bool passing;         /* the status that failed may be another the next time */
    kt_time wait;         /* that the server asked for; -1: it did not say */
    uint64_t last;        /* of the range that is coming, and one more; KT__HTTP_UNLIMITED: not known */
} download;

static void download_cleanup(download *d)
{
    kt_free(d->headers);
    kt__part_release(&d->part);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static int check_headers(const char *const *headers, size_t *ret_count)
{
    static const char *const own[] = {"Range", "If-Range", "Accept-Encoding"};
    size_t n = 0;
    int rc = kt__client_headers_check(headers);
    for (; rc == 0 && headers && headers[n]; n += 2)
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            if (strcasecmp(headers[n], own[i]) == 0)
                return kt_error_set(-EINVAL, "%s is for the download to say", own[i]);
    *ret_count = n;
    return rc;
}

static int restart(download *d, kt_slice validator, int64_t total)
{
    d->resumed = 0;
    return kt__part_restart(&d->part, validator, total);
}

static int restart_blank(download *d)
{
    return restart(d, (kt_slice){"", 0}, -1);
}

/* What cannot be recognised again is asked for from its beginning: only bytes that share a strong validator are of one
 * file (RFC 9110 section 15.3.7.3). */
static int ask(download *d, kt_http_response **ret_response)
{
    kt__part *p = &d->part;
    char range[48];
    size_t n = 0;
    int rc = p->at > 0 && p->validator.size == 0 ? restart_blank(d) : 0;
    if (rc == 0)
        rc = kt_buffer_reserve(&p->validator, 1);
    if (rc < 0)
        return rc;
    const char **h = d->headers;
    h[n++] = "Accept-Encoding";
    h[n++] = "identity";
    if (p->at > 0) {
        snprintf(range, sizeof range, "bytes=%llu-", (unsigned long long)p->at);
        p->validator.data[p->validator.size] = '\0';
        h[n++] = "Range";
        h[n++] = range;
        h[n++] = "If-Range";
        h[n++] = p->validator.data;
    }
    for (size_t i = 0; i < d->header_count; i++)
        h[n++] = d->o.headers[i];
    h[n] = NULL;
    const kt_http_request q = {.url = d->url, .headers = h, .timeouts = d->o.timeouts};
    d->attempts++;
    return kt_http_send(d->s, &q, ret_response);
}

/* ---- What an answer means -------------------------------------------------------------------- */

/* Two answers that share it have the same bytes (RFC 9110 section 8.8.2.2 and 8.8.3); empty: nothing says so. */
static kt_slice validator_of(const kt_http_response *r)
{
    time_t date, modified;
    kt_slice tag = kt_http_response_header(r, "ETag"), none = {"", 0};
    kt_slice last = kt_http_response_header(r, "Last-Modified"), now = kt_http_response_header(r, "Date");
    if (kt_http_response_header(r, "Content-Encoding").data)
        return none;
    if (tag.size > 0)
        return tag.data[0] == '"' ? tag : none;
    if (!last.data || !now.data || kt__http_date_parse(last, &modified) < 0 || kt__http_date_parse(now, &date) < 0)
        return none;
    return date > modified ? last : none;
}

/* "bytes 5-9/10", or with "*" for the length. */
static bool take_range(kt_slice value, uint64_t *ret_first, uint64_t *ret_last, int64_t *ret_total)
{
    unsigned long long first, last;
    long long total = -1;
    char text[80], star[2];
    int end = 0;
    if (value.size >= sizeof text || !value.data || memchr(value.data, '-', value.size) == NULL)
        return false;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    if (strspn(text, "bytesBYTES 0123456789-/*") != value.size)
        return false;
    bool known = sscanf(text, "bytes %19llu-%19llu/%18lld%n", &first, &last, &total, &end) == 3 && !text[end];
    if (!known && (sscanf(text, "bytes %19llu-%19llu/%1[*]%n", &first, &last, star, &end) != 3 || text[end]))
        return false;
    *ret_first = first;
    *ret_last = last;
    *ret_total = known ? (int64_t)total : -1;
    return first <= last && (!known || last < (unsigned long long)total);
}

static int too_long(const download *d, uint64_t bytes)
{
    return kt_error_set(KT_ELIMIT, "%s has %llu bytes or more, %llu are allowed", d->url, (unsigned long long)bytes,
                        (unsigned long long)d->o.bytes_max);
}

static int begin_whole(download *d, const kt_http_response *r)
{
    int64_t length = kt_http_response_length(r);
    if (length > 0 && (uint64_t)length > d->o.bytes_max)
        return too_long(d, (uint64_t)length);
    d->last = length >= 0 ? (uint64_t)length : KT__HTTP_UNLIMITED;
    return restart(d, validator_of(r), length);
}

/* 0: it is what follows on ours; 1: it is of another version, or of no known length: to be asked for again, whole. */
static int begin_rest(download *d, const kt_http_response *r)
{
    kt__part *p = &d->part;
    uint64_t first, last;
    int64_t total;
    kt_slice tag = kt_http_response_header(r, "ETag"), date = kt_http_response_header(r, "Last-Modified");
    kt_slice ours = kt_buffer_slice(&p->validator), theirs = ours.data[0] == '"' ? tag : date;
    kt_slice range = kt_http_response_header(r, "Content-Range");
    if (p->at == 0 || !take_range(range, &first, &last, &total) || first != p->at ||
        kt_http_response_header(r, "Content-Encoding").data)
        return kt_error_set(KT_EPROTOCOL, "%s answered with the range '%.*s', asked for from byte %llu on", d->url,
                            (int)range.size, range.data ? range.data : "", (unsigned long long)p->at);
    bool is_other = theirs.data && !kt_slice_equal(theirs, ours);
    bool other_size = total >= 0 && p->total >= 0 && total != p->total;
    bool endless = total < 0 && p->total < 0; /* nobody could tell whether it is the whole */
    if (is_other || other_size || endless) {
        int rc = restart_blank(d);
        return rc < 0 ? rc : 1;
    }
    if (last >= d->o.bytes_max || (total > 0 && (uint64_t)total > d->o.bytes_max))
        return too_long(d, last + 1);
    p->total = total >= 0 ? total : p->total;
    d->last = last + 1;
    return 0;
}

static int status_error(download *d, const kt_http_response *r)
{
    int status = kt_http_response_status(r);
    d->passing = status == 408 || status == 429 || (status >= 502 && status <= 504);
    d->wait = kt__client_retry_after(kt_http_response_header(r, "Retry-After"));
    int rc = status == 404 || status == 410                    ? -ENOENT
             : status == 401 || status == 403 || status == 407 ? -EACCES
                                                               : -EREMOTEIO;
    return kt_error_set(rc, "%s answered %d", d->url, status);
}

static int begin(download *d, const kt_http_response *r)
{
    switch (kt_http_response_status(r)) {
    case 200:
        return begin_whole(d, r);
    case 206:
        return begin_rest(d, r);
    case 416: /* there is less of it than we have */
        if (d->part.at > 0) {
            int rc = restart_blank(d);
            return rc < 0 ? rc : 1;
        }
    }
    return status_error(d, r);
}

/* ---- The bytes ------------------------------------------------------------------------------- */

static int tell(const download *d)
{
    const kt_http_download_progress p = {.bytes = d->part.at, .total = d->part.total, .attempt = d->attempts};
    int rc = d->o.progress ? d->o.progress(&p, d->o.arg) : 0;
    return rc < 0 ? rc : 0;
}

static int receive(download *d, kt_http_response *r)
{
    kt__part *p = &d->part;
    char *piece = kt_alloc(PIECE_BYTES);
    ssize_t n = piece ? 1 : -ENOMEM;
    while (n > 0) {
        n = kt_http_response_read(r, piece, PIECE_BYTES);
        int rc = 0;
        if (n > 0 && (uint64_t)n > d->o.bytes_max - p->at)
            rc = too_long(d, p->at + (uint64_t)n);
        else if (n > 0 && (uint64_t)n > d->last - p->at)
            rc = kt_error_set(KT_EPROTOCOL, "%s sent more than it had announced", d->url);
        else if (n > 0)
            rc = kt__part_write(p, piece, (size_t)n);
        if (rc == 0 && n > 0)
            rc = tell(d);
        n = rc < 0 ? rc : n;
    }
    kt_free(piece);
    return (int)n;
}

static bool is_whole(const download *d)
{
    uint64_t end = d->part.total >= 0 ? (uint64_t)d->part.total : d->last;
    return end == KT__HTTP_UNLIMITED || d->part.at == end;
}

/* 0: the part is the whole; 1: ask again at once, from the beginning. */
static int attempt(download *d)
{
    kt_auto(kt_http_response) *r = NULL;
    d->passing = false;
    d->wait = -1;
    int rc = ask(d, &r);
    if (rc == 0)
        rc = begin(d, r);
    if (rc == 0)
        rc = receive(d, r);
    if (rc == 0 && !is_whole(d))
        rc = kt_error_set(KT_EINCOMPLETE, "%s sent %llu bytes of %lld", d->url, (unsigned long long)d->part.at,
                          (long long)d->part.total);
    return rc;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static bool is_worth_another(const download *d, int rc)
{
    return d->passing || rc == KT_EINCOMPLETE || kt__client_is_unreachable(rc);
}

static bool wait_to_repeat(download *d, kt_retry *tries, int *rc)
{
    if (kt_is_cancel(*rc) || !is_worth_another(d, *rc) || d->wait > tries->wait_max)
        return false;
    if (d->wait < 0)
        return kt_retry_wait(tries, rc);
    if (++tries->failures >= tries->attempts)
        return false;
    int slept = kt_sleep(d->wait);
    *rc = slept < 0 ? slept : *rc;
    return slept == 0;
}

/* What is there already may be the whole: then its last call came to an end between two steps. */
static bool is_there(const download *d)
{
    return d->part.at > 0 && d->part.total >= 0 && d->part.at == (uint64_t)d->part.total;
}

static int fetch_all(download *d)
{
    const kt_http_download_options *o = &d->o;
    kt_retry tries = {
        .attempts = o->attempts, .first_wait = o->first_wait, .wait_max = o->wait_max, .jitter = 0.5};
    int rc = is_there(d) ? 0 : 1;
    while (rc > 0 || (rc < 0 && wait_to_repeat(d, &tries, &rc)))
        rc = attempt(d);
    return rc;
}

static int set_up(download *d, const char *path)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    int rc = check_headers(d->o.headers, &d->header_count);
    if (rc == 0)
        rc = kt_url_parse(d->url, d->s->o.base_url ? &d->s->base : NULL, &url);
    if (rc < 0)
        return rc;
    char *shown = kt__client_url_shown(&url);
    d->headers = kt_calloc(OWN_HEADERS + d->header_count + 1, sizeof *d->headers);
    rc = shown && d->headers ? kt__part_open(&d->part, path, shown, d->o.anew) : -ENOMEM;
    kt_free(shown);
    d->resumed = d->part.at;
    return rc == 0 && d->part.at > d->o.bytes_max ? too_long(d, d->part.at) : rc;
}

static void fill_defaults(kt_http_download_options *o)
{
    o->bytes_max = o->bytes_max ? o->bytes_max : BYTES_MAX;
    o->attempts = o->attempts ? o->attempts : ATTEMPTS_MAX;
    o->wait_max = o->wait_max ? o->wait_max : WAIT_MAX;
    o->timeouts.total = o->timeouts.total ? o->timeouts.total : KT_FOREVER;
}

int kt_http_download(kt_http_session *s, const char *url, const char *path, const kt_http_download_options *options,
                     kt_http_download_result *ret_result)
{
    __attribute__((cleanup(download_cleanup))) download d = {.s = s, .url = url};
    if (options)
        d.o = *options;
    fill_defaults(&d.o);
    int rc = set_up(&d, path);
    if (rc == 0)
        rc = fetch_all(&d);
    if (rc == 0)
        rc = tell(&d);
    if (rc == 0)
        rc = kt__part_finish(&d.part, path, d.o.mode, d.o.no_sync);
    if (rc < 0) {
        char *why = kt_strndup(kt_error_detail(), strlen(kt_error_detail())); /* the clean-up has failures of its own */
        kt__part_leave(&d.part, d.o.discard);
        rc = why ? kt_error_set(rc, "%s", why) : rc;
        kt_free(why);
        return rc;
    }
    if (ret_result)
        *ret_result = (kt_http_download_result){d.part.at, d.resumed, d.attempts};
    return 0;
}
