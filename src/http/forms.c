/* SPDX-License-Identifier: MIT */
/* Forms without files. */
#include <errno.h>

#include "http/multipart.h"
#include "http/parser_internal.h"
#include "http/server.h"

#include <kettle/http_forms.h>

#define FIELDS_MAX 1000

static kt_slice cut_at(kt_slice *rest, char c)
{
    const char *found = rest->size ? memchr(rest->data, c, rest->size) : NULL;
    kt_slice part = {rest->data, found ? (size_t)(found - rest->data) : rest->size};
    size_t gone = part.size + (found != NULL);
    *rest = (kt_slice){gone ? rest->data + gone : rest->data, rest->size - gone};
    return part;
}

static size_t count_fields(kt_slice body)
{
    size_t n = 0;
    while (body.size > 0)
        n += cut_at(&body, '&').size > 0;
    return n;
}

static int decode(kt_http_exchange *x, kt_slice raw, char **out, kt_slice *ret_text)
{
    ssize_t n = kt__http_unescape(raw, KT__HTTP_PLUS, *out);
    if (n < 0) {
        kt__http_fault(x, 400, "bad percent escape in the form");
        return kt_error_set(KT_EPROTOCOL, "bad percent escape in the form");
    }
    *ret_text = (kt_slice){*out, (size_t)n};
    *out += n;
    return 0;
}

int kt_http_urlencoded_read(kt_http_exchange *x, size_t size_max, kt_http_urlencoded *ret_form)
{
    static const char type[] = "application/x-www-form-urlencoded";
    kt_slice body, said = kt__parameter_main(kt_http_request_header(x, "Content-Type"));
    if (!kt__http_same(said.data, said.size, type)) {
        kt__http_fault(x, 415, "the body is no form");
        return kt_error_set(KT_EPROTOCOL, "the body is not %s", type);
    }
    int rc = kt_http_read_all(x, size_max, &body);
    if (rc < 0)
        return rc;
    size_t count = count_fields(body), at = 0;
    if (count > FIELDS_MAX) {
        kt__http_fault(x, 413, "too many fields in the form");
        return kt_error_set(KT_ELIMIT, "more than %d fields", FIELDS_MAX);
    }
    kt_http_urlencoded_field *fields = kt_http_alloc(x, (count + 1) * sizeof *fields);
    char *text = kt_http_alloc(x, body.size + 1);
    if (!fields || !text)
        return -ENOMEM;
    while (rc == 0 && body.size > 0) {
        kt_slice value = cut_at(&body, '&');
        if (value.size == 0)
            continue;
        kt_slice name = cut_at(&value, '=');
        rc = decode(x, name, &text, &fields[at].name);
        if (rc == 0)
            rc = decode(x, value, &text, &fields[at].value);
        at++;
    }
    if (rc == 0)
        *ret_form = (kt_http_urlencoded){fields, count};
    return rc;
}

bool kt_http_urlencoded_value(const kt_http_urlencoded *form, const char *name, kt_slice *ret_value)
{
    for (size_t i = 0; i < form->count; i++) {
        if (!kt_slice_is(form->fields[i].name, name))
            continue;
        *ret_value = form->fields[i].value;
        return true;
    }
    return false;
}
