/* SPDX-License-Identifier: MIT */
/* RFC 9111 as functions of fields and times. */
#include <strings.h>

#include "http/cache_private.h"
#include "http/cookie_private.h"
#include "http/parser_internal.h"

#define SECONDS_MAX INT32_MAX /* section 1.2.2: enough for "for ever" */
#define HEURISTIC_DEFAULT KT_S(24 * 3600)

static bool is_named(kt_slice name, const char *other)
{
    return name.size == strlen(other) && strncasecmp(name.data, other, name.size) == 0;
}

kt_slice kt__cache_field(const kt_http_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (is_named(fields[i].name, name))
            return fields[i].value;
    return (kt_slice){NULL, 0};
}

/* ---- Cache-Control --------------------------------------------------------------------------- */

/* Seconds; what is no number counts as none at all, so that the answer is stale. */
static int64_t take_seconds(kt_slice text)
{
    int64_t value = 0;
    if (text.size >= 2 && text.data[0] == '"' && text.data[text.size - 1] == '"')
        text = (kt_slice){text.data + 1, text.size - 2};
    if (text.size == 0)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (!kt__is(text.data[i], KT__C_DIGIT))
            return 0;
        value = value * 10 + (text.data[i] - '0');
        if (value > SECONDS_MAX)
            value = SECONDS_MAX;
    }
    return value;
}

/* Of several the shortest counts. */
static void set_seconds(int64_t *to, kt_slice text)
{
    int64_t value = take_seconds(text);
    if (*to < 0 || value < *to)
        *to = value;
}

static void read_directive(kt_slice name, kt_slice value, kt__cache_control *c)
{
    struct {
        const char *name;
        bool *flag;
        int64_t *seconds;
    } const known[] = {
        {"no-store", &c->no_store, NULL},
        {"no-cache", &c->no_cache, NULL}, /* with names of fields, too: more careful than asked */
        {"must-revalidate", &c->must_revalidate, NULL},
        {"proxy-revalidate", &c->proxy_revalidate, NULL},
        {"public", &c->is_public, NULL},
        {"private", &c->is_private, NULL},
        {"only-if-cached", &c->only_if_cached, NULL},
        {"max-age", NULL, &c->max_age},
        {"s-maxage", NULL, &c->s_maxage},
        {"min-fresh", NULL, &c->min_fresh},
        {"stale-if-error", NULL, &c->stale_if_error},
        {"stale-while-revalidate", NULL, &c->stale_while_revalidate},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!is_named(name, known[i].name))
            continue;
        if (known[i].flag)
            *known[i].flag = true;
        else
            set_seconds(known[i].seconds, value);
    }
    if (is_named(name, "max-stale")) /* alone: however stale */
        c->max_stale = value.data ? take_seconds(value) : SECONDS_MAX;
}

/* Takes the next directive off a list, in which quotes may hold commas. */
static bool next_directive(kt_slice *rest, kt_slice *ret_name, kt_slice *ret_value)
{
    size_t i = 0, from;
    while (i < rest->size && (rest->data[i] == ' ' || rest->data[i] == '\t' || rest->data[i] == ','))
        i++;
    if (i == rest->size)
        return false;
    from = i;
    while (i < rest->size && kt__is(rest->data[i], KT__C_TOKEN))
        i++;
    *ret_name = (kt_slice){rest->data + from, i - from};
    *ret_value = (kt_slice){NULL, 0};
    bool has_value = i < rest->size && rest->data[i] == '=';
    from = i + has_value;
    bool quoted = false;
    for (; i < rest->size && (quoted || rest->data[i] != ','); i++) {
        if (rest->data[i] == '"')
            quoted = !quoted;
        i += quoted && rest->data[i] == '\\' && i + 1 < rest->size;
    }
    if (has_value) {
        size_t end = i;
        while (end > from && (rest->data[end - 1] == ' ' || rest->data[end - 1] == '\t'))
            end--;
        *ret_value = (kt_slice){rest->data + from, end - from};
    }
    *rest = (kt_slice){rest->data + i, rest->size - i};
    return true;
}

void kt__cache_control_read(const kt_http_field *fields, size_t count, kt__cache_control *ret_control)
{
    kt__cache_control c = {.max_age = -1, .s_maxage = -1, .min_fresh = -1, .max_stale = -1, .stale_if_error = -1,
                           .stale_while_revalidate = -1};
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        kt_slice rest = fields[i].value, name, value;
        if (!is_named(fields[i].name, "Cache-Control"))
            continue;
        any = true;
        while (next_directive(&rest, &name, &value))
            read_directive(name, value, &c);
    }
    if (!any) { /* section 5.4; in answers it means nothing, and asks for nothing either */
        kt_slice pragma = kt__cache_field(fields, count, "Pragma");
        c.no_cache = pragma.data && kt__http_list_has(pragma, "no-cache");
    }
    *ret_control = c;
}

/* ---- Freshness ------------------------------------------------------------------------------- */

/* RFC 9110 section 15.1: may be kept without being told for how long. */
static bool is_heuristic(int status)
{
    static const int good[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (good[i] == status)
            return true;
    return false;
}

static int64_t heuristic(const kt_http_cache_options *o, int64_t date, kt_slice modified)
{
    int64_t since, most = (o->heuristic_max ? o->heuristic_max : HEURISTIC_DEFAULT) / KT_S(1);
    if (o->heuristic_max < 0 || !modified.data || !kt__cookie_date(modified, &since) || since > date)
        return 0;
    int64_t tenth = (date - since) / 10;
    return tenth < most ? tenth : most;
}

/* Section 4.2.1. */
static int64_t lifetime_of(const kt_http_cache_options *o, const kt__cache_control *c, int status,
                           const kt_http_field *fields, size_t count, int64_t date)
{
    int64_t until;
    if (o->shared && c->s_maxage >= 0)
        return c->s_maxage;
    if (c->max_age >= 0)
        return c->max_age;
    kt_slice expires = kt__cache_field(fields, count, "Expires");
    if (expires.data) /* "0", and whatever else is no date, is in the past */
        return kt__cookie_date(expires, &until) && until > date ? until - date : 0;
    if (!is_heuristic(status) && !c->is_public)
        return 0;
    return heuristic(o, date, kt__cache_field(fields, count, "Last-Modified"));
}

void kt__cache_judge(const kt_http_cache_options *options, int status, const kt_http_field *fields, size_t count,
                     kt_time asked, kt_time answered, kt_time now, kt__cache_facts *ret_facts)
{
    kt__cache_control_read(fields, count, &ret_facts->control);
    int64_t came = answered / KT_S(1), date = came;
    kt_slice text = kt__cache_field(fields, count, "Date"), age = kt__cache_field(fields, count, "Age");
    if (text.data && !kt__cookie_date(text, &date))
        date = came;
    ret_facts->lifetime = lifetime_of(options, &ret_facts->control, status, fields, count, date);
    /* Section 4.2.3. A clock that was set back makes nothing younger. */
    int64_t apparent = came > date ? came - date : 0;
    int64_t delay = answered > asked ? (answered - asked) / KT_S(1) : 0;
    int64_t corrected = (age.data ? take_seconds(age) : 0) + delay;
    int64_t resident = now > answered ? (now - answered) / KT_S(1) : 0;
    ret_facts->age = (apparent > corrected ? apparent : corrected) + resident;
}

int kt__cache_verdict(const kt_http_cache_options *options, const kt__cache_control *request,
                      const kt__cache_facts *answer)
{
    const kt__cache_control *c = &answer->control;
    int64_t left = answer->lifetime - answer->age;
    if (request->no_cache || c->no_cache)
        return KT_HTTP_CACHE_STALE;
    if (request->max_age >= 0 && answer->age > request->max_age)
        return KT_HTTP_CACHE_STALE;
    if (left > 0 && left >= request->min_fresh)
        return KT_HTTP_CACHE_FRESH;
    if (c->must_revalidate || (options->shared && (c->proxy_revalidate || c->s_maxage >= 0)) ||
        request->min_fresh >= 0)
        return KT_HTTP_CACHE_STALE;
    if (request->max_stale >= 0 && -left <= request->max_stale)
        return KT_HTTP_CACHE_FRESH;
    return c->stale_while_revalidate >= 0 && -left <= c->stale_while_revalidate ? KT_HTTP_CACHE_STALE_GOOD
                                                                                : KT_HTTP_CACHE_STALE;
}

/* ---- What may be kept ------------------------------------------------------------------------ */

bool kt__cache_unsafe(const char *method)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        if (strcmp(method, safe[i]) == 0)
            return false;
    return true;
}

bool kt__cache_answerable(const kt_http_cache_request *request)
{
    static const char *const own[] = {"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since",
                                      "If-Unmodified-Since"};
    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
        return false;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (kt__cache_field(request->fields, request->field_count, own[i]).data)
            return false;
    return true;
}

/* Section 3.5: what a shared cache may keep although the request named its user. */
static bool is_for_all(const kt__cache_control *c)
{
    return c->must_revalidate || c->is_public || c->s_maxage >= 0;
}

static bool varies_by_all(const kt_http_cache_answer *a)
{
    for (size_t i = 0; i < a->field_count; i++)
        if (is_named(a->fields[i].name, "Vary") && kt__http_list_has(a->fields[i].value, "*"))
            return true;
    return false;
}

bool kt__cache_storable(const kt_http_cache_options *options, const kt_http_cache_request *request,
                        const kt_http_cache_answer *answer, kt_time now)
{
    kt__cache_control asked;
    kt__cache_facts facts;
    kt__cache_control_read(request->fields, request->field_count, &asked);
    kt__cache_judge(options, answer->status, answer->fields, answer->field_count, now, now, now, &facts);
    const kt__cache_control *c = &facts.control;
    bool told = c->max_age >= 0 || c->is_public || (options->shared ? c->s_maxage >= 0 : c->is_private) ||
                kt__cache_field(answer->fields, answer->field_count, "Expires").data;
    if (strcmp(request->method, "GET") != 0 || !kt__cache_answerable(request) || answer->status < 200 ||
        answer->status > 599 || answer->status == 206 || answer->status == 304 || asked.no_store || c->no_store ||
        varies_by_all(answer) || (!told && !is_heuristic(answer->status)))
        return false;
    if (options->shared && (c->is_private || (kt__cache_field(request->fields, request->field_count,
                                                              "Authorization").data && !is_for_all(c))))
        return false;
    /* Of use only while it is fresh, or as long as it can be recognised. */
    return facts.lifetime > facts.age || c->stale_if_error > 0 || c->stale_while_revalidate > 0 ||
           kt__cache_field(answer->fields, answer->field_count, "ETag").data ||
           kt__cache_field(answer->fields, answer->field_count, "Last-Modified").data;
}

bool kt__cache_hop_field(kt_slice name)
{
    static const char *const hop[] = {"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info",
                                      "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"};
    for (size_t i = 0; i < sizeof hop / sizeof *hop; i++)
        if (is_named(name, hop[i]))
            return true;
    return false;
}
