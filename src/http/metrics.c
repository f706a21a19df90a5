/* SPDX-License-Identifier: MIT */
/* Numbers for Prometheus. */
#include <errno.h>
#include <inttypes.h>
#include <kettle/memory.h>

#include <kettle/http_metrics.h>

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"};
static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
static const struct {
    kt_time most;
    const char *text;
} bounds[] = {
    {KT_MS(1), "0.001"},  {KT_MS(5), "0.005"},   {KT_MS(10), "0.01"},  {KT_MS(25), "0.025"}, {KT_MS(50), "0.05"},
    {KT_MS(100), "0.1"},  {KT_MS(250), "0.25"},  {KT_MS(500), "0.5"},  {KT_S(1), "1"},       {KT_MS(2500), "2.5"},
    {KT_S(5), "5"},       {KT_S(10), "10"},      {KT_S(60), "60"},
};

enum {
    METHODS = sizeof methods / sizeof methods[0],
    CLASSES = sizeof classes / sizeof classes[0],
    BOUNDS = sizeof bounds / sizeof bounds[0],
};

struct kt_http_metrics {
    uint64_t requests[METHODS][CLASSES];
    uint64_t latencies[BOUNDS + 1]; /* the last one: beyond all bounds */
    uint64_t count, bytes, errors;
    double seconds;
    uint64_t in_flight;
};

int kt_http_metrics_new(kt_http_metrics **ret_metrics)
{
    kt_http_metrics *m = kt_calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    *ret_metrics = m;
    return 0;
}

void kt_http_metrics_free(kt_http_metrics *m)
{
    kt_free(m);
}

void kt_http_metrics_record(kt_http_metrics *m, const kt_http_record *record)
{
    size_t method = 0, bound = 0, class = record->status >= 100 && record->status < 600 ? record->status / 100u : 0;
    while (method < METHODS - 1 && !kt_slice_is(record->method, methods[method]))
        method++;
    while (bound < BOUNDS && record->duration > bounds[bound].most)
        bound++;
    m->requests[method][class]++;
    m->latencies[bound]++;
    m->count++;
    m->seconds += (double)record->duration / 1e9;
    m->bytes += record->bytes_sent;
    m->errors += record->rc < 0;
}

int kt_http_metrics_handle(kt_http_metrics *m, kt_http_exchange *x, kt_http_handler handler, void *arg)
{
    m->in_flight++;
    int rc = handler(x, arg);
    m->in_flight--;
    return rc;
}

static int put_requests(const kt_http_metrics *m, kt_buffer *out)
{
    int rc = kt_buffer_append_string(out, "# HELP http_requests_total Requests that are over.\n"
                                          "# TYPE http_requests_total counter\n");
    for (size_t i = 0; i < METHODS; i++)
        for (size_t k = 0; rc == 0 && k < CLASSES; k++)
            if (m->requests[i][k] > 0)
                rc = kt_buffer_printf(out, "http_requests_total{method=\"%s\",status=\"%s\"} %" PRIu64 "\n", methods[i],
                                      classes[k], m->requests[i][k]);
    return rc;
}

static int put_latencies(const kt_http_metrics *m, kt_buffer *out)
{
    uint64_t sum = 0;
    int rc = kt_buffer_append_string(out, "# HELP http_request_duration_seconds From the head to the handler's end.\n"
                                          "# TYPE http_request_duration_seconds histogram\n");
    for (size_t i = 0; rc == 0 && i <= BOUNDS; i++) {
        sum += m->latencies[i];
        rc = kt_buffer_printf(out, "http_request_duration_seconds_bucket{le=\"%s\"} %" PRIu64 "\n",
                              i < BOUNDS ? bounds[i].text : "+Inf", sum);
    }
    return rc < 0 ? rc : kt_buffer_printf(out, "http_request_duration_seconds_sum %.9f\n"
                                               "http_request_duration_seconds_count %" PRIu64 "\n",
                                          m->seconds, m->count);
}

static int put_one(kt_buffer *out, const char *name, const char *type, const char *help, uint64_t value)
{
    return kt_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type, name, value);
}

int kt_http_metrics_write(const kt_http_metrics *m, kt_buffer *out)
{
    size_t before = out->size;
    int rc = put_requests(m, out);
    if (rc == 0)
        rc = put_latencies(m, out);
    if (rc == 0)
        rc = put_one(out, "http_requests_in_flight", "gauge", "Handlers that are running.", m->in_flight);
    if (rc == 0)
        rc = put_one(out, "http_response_bytes_total", "counter", "Bytes of content sent.", m->bytes);
    if (rc == 0)
        rc = put_one(out, "http_request_errors_total", "counter", "Requests that failed or were refused.", m->errors);
    if (rc < 0)
        out->size = before;
    return rc;
}

int kt_http_metrics_respond(const kt_http_metrics *m, kt_http_exchange *x)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int rc = kt_http_metrics_write(m, &out);
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.size);
}
