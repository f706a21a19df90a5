/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_METRICS_H
#define KETTLE_HTTP_METRICS_H

/* What a server has done: lines for an access log, and numbers for Prometheus. Library: libkettle-net.
 *
 *     static void tell(const kt_http_record *r, void *arg)          // kt_http_options.log
 *     {
 *         kt_auto(kt_buffer) line = KT_BUFFER_INIT;
 *         kt_http_metrics_record(arg, r);
 *         if (kt_http_log_line(r, KT_HTTP_LOG_COMBINED, NULL, &line) == 0)
 *             keep(line.data, line.size);
 *     }
 *
 *     static int handler(kt_http_exchange *x, void *arg)
 *     {
 *         if (kt_slice_is(kt_http_path(x), "/metrics"))
 *             return kt_http_metrics_respond(arg, x);
 *         return kt_http_metrics_handle(arg, x, shop, NULL);        // counts those in flight
 *     }
 *
 * Thread rule: a kt_http_metrics is one loop's; kt_http_log_line may be called in any thread. */

#include <kettle/buffer.h>
#include <kettle/http.h>

KT_BEGIN

/* ---- Access log ------------------------------------------------------------------------------ */

typedef enum kt_http_log_style {
    KT_HTTP_LOG_COMMON,   /* NCSA: host - - [time] "request" status bytes */
    KT_HTTP_LOG_COMBINED, /* the same with "referer" "user agent" */
    KT_HTTP_LOG_JSON,     /* an object a line, which also tells duration and error */
} kt_http_log_style;

/* What the record does not say; all zero: nothing more. */
typedef struct kt_http_log_extra {
    const char *client;     /* in place of the peer: see kt_http_client_of */
    const char *request_id; /* in JSON */
    kt_time now;            /* since 1970; 0: the system's clock */
    uintptr_t reserved[2];
} kt_http_log_extra;

/* Appends a line with its end. Quotes, backslashes, control characters and what is not ASCII are written as \xHH, in
 * JSON as \u00HH (there UTF-8 stays), so that nobody can forge lines or escape sequences. NULL extra: nothing more. 0;
 * -ENOMEM, KT_ELIMIT of the buffer, and then nothing was appended. Does not suspend. Like aiohttp's AccessLogger. */
KT_API int kt_http_log_line(const kt_http_record *record, kt_http_log_style style, const kt_http_log_extra *extra,
                            kt_buffer *out) KT_CHECKED;

/* ---- Metrics --------------------------------------------------------------------------------- */

typedef struct kt_http_metrics kt_http_metrics;

/* Makes counters, all at zero. The caller owns *ret_metrics. -ENOMEM. Does not suspend. */
KT_API int kt_http_metrics_new(kt_http_metrics **ret_metrics) KT_CHECKED;

/* Frees them; NULL is allowed. */
KT_API void kt_http_metrics_free(kt_http_metrics *m);

static inline void kt_http_metrics_cleanup(kt_http_metrics **m)
{
    kt_http_metrics_free(*m);
}

/* Counts a request that is over. Does not suspend. */
KT_API void kt_http_metrics_record(kt_http_metrics *m, const kt_http_record *record);

/* Calls the handler and counts it as in flight meanwhile. Returns what it returns. Suspends as the handler does. */
KT_API int kt_http_metrics_handle(kt_http_metrics *m, kt_http_exchange *x, kt_http_handler handler,
                                  void *arg) KT_CHECKED;

/* Appends all in Prometheus' text format 0.0.4: http_requests_total by method and class of status, a histogram
 * http_request_duration_seconds, http_requests_in_flight, http_response_bytes_total, http_request_errors_total. Methods
 * that are not the usual ones count as "other", so that strangers cannot make up series. -ENOMEM, KT_ELIMIT. Does not
 * suspend. */
KT_API int kt_http_metrics_write(const kt_http_metrics *m, kt_buffer *out) KT_CHECKED;

/* Answers with that. Errors as kt_http_respond. Suspends. */
KT_API int kt_http_metrics_respond(const kt_http_metrics *m, kt_http_exchange *x) KT_CHECKED;

KT_END

#endif
