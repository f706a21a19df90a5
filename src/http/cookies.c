/* SPDX-License-Identifier: MIT */
/* Cookies at the server (RFC 6265bis sections 4 and 5.4). */
#include <errno.h>
#include <inttypes.h>
#include <strings.h>

#include "http/files.h"
#include "http/parser_internal.h"

#include <kettle/http_forms.h>

#define COOKIE_BYTES_MAX 4096
#define ATTRIBUTE_BYTES_MAX 1024

/* ---- Of the request ---------------------------------------------------------------------------------- */

static kt_slice trim(kt_slice s)
{
    while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = (kt_slice){s.data + 1, s.size - 1};
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t'))
        s.size--;
    return s;
}

static bool find_in(kt_slice rest, const char *name, kt_slice *ret_value)
{
    while (rest.size > 0) {
        const char *end = memchr(rest.data, ';', rest.size);
        kt_slice pair = {rest.data, end ? (size_t)(end - rest.data) : rest.size};
        size_t gone = pair.size + (end != NULL);
        const char *equals = pair.size > 0 ? memchr(pair.data, '=', pair.size) : NULL;
        if (equals) {
            size_t at = (size_t)(equals - pair.data);
            if (kt_slice_is(trim((kt_slice){pair.data, at}), name)) {
                *ret_value = trim((kt_slice){equals + 1, pair.size - at - 1});
                return true;
            }
        }
        rest = (kt_slice){rest.data + gone, rest.size - gone};
    }
    return false;
}

bool kt_http_cookie(const kt_http_exchange *x, const char *name, kt_slice *ret_value)
{
    kt_slice header, value;
    for (size_t i = 0; kt_http_request_header_at(x, i, &header, &value); i++)
        if (kt__http_same(header.data, header.size, "cookie") && find_in(value, name, ret_value))
            return true; /* HTTP/2 may send several fields */
    return false;
}

/* ---- Of the answer ----------------------------------------------------------------------------------- */

static bool is_name(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if (!kt__is(*s, KT__C_TOKEN))
            return false;
    return true;
}

/* cookie-octet of RFC 6265bis section 4.1.1. */
static bool is_value(const char *s)
{
    for (; *s; s++)
        if (*s <= ' ' || *s >= 0x7f || strchr("\",;\\", *s))
            return false;
    return true;
}

static bool is_path(const char *s)
{
    if (*s != '/' || strlen(s) > ATTRIBUTE_BYTES_MAX)
        return false;
    for (; *s; s++)
        if (*s < ' ' || *s >= 0x7f || *s == ';')
            return false;
    return true;
}

static bool is_domain(const char *s)
{
    if (*s == '.')
        s++;
    if (!*s || strlen(s) > 253)
        return false;
    for (; *s; s++) {
        char lower = (char)(*s | 0x20);
        if (!(lower >= 'a' && lower <= 'z') && !kt__is(*s, KT__C_DIGIT) && *s != '-' && *s != '.')
            return false;
    }
    return true;
}

/* Section 4.1.3; browsers compare the prefixes without case. */
static const char *broken_promise(const char *name, const kt_http_cookie_options *o)
{
    bool host = strncasecmp(name, "__Host-", 7) == 0;
    if ((host || strncasecmp(name, "__Secure-", 9) == 0) && !o->secure)
        return "its name promises Secure";
    if (host && (o->domain || !o->path || strcmp(o->path, "/") != 0))
        return "its name promises no Domain, and \"/\" for its Path";
    if (o->same_site == KT_HTTP_SAME_SITE_NONE && !o->secure)
        return "SameSite=None wants Secure";
    if (o->partitioned && !o->secure)
        return "Partitioned wants Secure";
    return NULL;
}

static int check(const char *name, const char *value, const kt_http_cookie_options *o)
{
    if (!is_name(name))
        return kt_error_set(-EINVAL, "'%.100s' is no name of a cookie", name);
    if (!is_value(value))
        return kt_error_set(-EINVAL, "the value of cookie '%.100s' holds what must be encoded", name);
    if (strlen(name) + strlen(value) > COOKIE_BYTES_MAX)
        return kt_error_set(KT_ELIMIT, "cookie '%.100s' has more than %d bytes", name, COOKIE_BYTES_MAX);
    if (o->path && !is_path(o->path))
        return kt_error_set(-EINVAL, "the path of cookie '%.100s' is none", name);
    if (o->domain && !is_domain(o->domain))
        return kt_error_set(-EINVAL, "the domain of cookie '%.100s' is none", name);
    const char *why = broken_promise(name, o);
    return why ? kt_error_set(-EINVAL, "cookie '%.100s': %s", name, why) : 0;
}

static int put_times(kt_buffer *b, const kt_http_cookie_options *o)
{
    char date[32];
    int rc = 0;
    if (o->max_age != 0) {
        int64_t seconds = o->max_age < 0 ? 0 : o->max_age / KT_S(1);
        rc = kt_buffer_printf(b, "; Max-Age=%" PRId64, seconds);
    }
    if (rc == 0 && (o->expires != 0 || o->max_age < 0)) {
        kt__http_date_text(o->max_age < 0 ? 0 : o->expires, date);
        rc = kt_buffer_printf(b, "; Expires=%s", date);
    }
    return rc;
}

static int put(kt_buffer *b, const char *name, const char *value, const kt_http_cookie_options *o)
{
    static const char *const same_site[] = {"", "; SameSite=Lax", "; SameSite=Strict", "; SameSite=None"};
    int rc = kt_buffer_printf(b, "%s=%s", name, value);
    if (rc == 0 && o->path)
        rc = kt_buffer_printf(b, "; Path=%s", o->path);
    if (rc == 0 && o->domain)
        rc = kt_buffer_printf(b, "; Domain=%s", o->domain);
    if (rc == 0)
        rc = put_times(b, o);
    if (rc == 0)
        rc = kt_buffer_printf(b, "%s%s%s%s", o->secure ? "; Secure" : "", o->http_only ? "; HttpOnly" : "",
                              same_site[o->same_site & 3], o->partitioned ? "; Partitioned" : "");
    return rc;
}

int kt_http_cookie_set(kt_http_exchange *x, const char *name, const char *value, const kt_http_cookie_options *options)
{
    static const kt_http_cookie_options none;
    const kt_http_cookie_options *o = options ? options : &none;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    int rc = check(name, value, o);
    if (rc == 0)
        rc = put(&b, name, value, o);
    if (rc < 0)
        return rc;
    const char *text = kt_buffer_string(&b);
    return text ? kt_http_header(x, "Set-Cookie", text) : -ENOMEM;
}
