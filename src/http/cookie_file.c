/* SPDX-License-Identifier: MIT */
/* Netscape's cookies.txt: seven fields with tabs between. A line "#HttpOnly_" and the fields is a cookie all the same,
 * as for curl; a line "#Kettle<TAB>SameSite=Lax" is about the cookie in the next line, and a comment for everybody
 * else. */
#include "http/cookie_private.h"

#include <inttypes.h>
#include <kettle/file.h>
#include <stdlib.h>

#include "http/url_private.h"

#define FILE_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define HTTP_ONLY "#HttpOnly_"
#define OURS "#Kettle\tSameSite="

static const char *const same_site_names[] = {
    [KT_COOKIE_SAME_SITE_UNSET] = "",
    [KT_COOKIE_SAME_SITE_NONE] = "None",
    [KT_COOKIE_SAME_SITE_LAX] = "Lax",
    [KT_COOKIE_SAME_SITE_STRICT] = "Strict",
};

/* ---- Writing --------------------------------------------------------------------------------- */

static int put_field(kt_buffer *b, kt_slice field, char end)
{
    int rc = kt_buffer_append(b, field.data, field.size);
    return rc < 0 ? rc : kt_buffer_append(b, &end, 1);
}

static int put_cookie(kt_buffer *b, const kt_cookie *c)
{
    int rc = 0;
    if (c->same_site != KT_COOKIE_SAME_SITE_UNSET)
        rc = kt_buffer_printf(b, OURS "%s\n", same_site_names[c->same_site]);
    if (rc == 0)
        rc = kt_buffer_append_string(b, c->http_only ? HTTP_ONLY : "");
    if (rc == 0 && !c->host_only)
        rc = kt_buffer_append(b, ".", 1);
    if (rc == 0)
        rc = put_field(b, c->domain, '\t');
    if (rc == 0)
        rc = kt_buffer_append_string(b, c->host_only ? "FALSE\t" : "TRUE\t");
    if (rc == 0)
        rc = put_field(b, c->path, '\t');
    if (rc == 0)
        rc = kt_buffer_printf(b, "%s\t%" PRId64 "\t", c->secure ? "TRUE" : "FALSE", c->expires / KT_S(1));
    if (rc == 0)
        rc = put_field(b, c->name, '\t');
    return rc < 0 ? rc : put_field(b, c->value, '\n');
}

int kt_cookie_jar_save(kt_cookie_jar *jar, const char *path, unsigned flags)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    kt_cookie c;
    size_t cursor = 0;
    int rc = kt_buffer_append_string(&b, "# Netscape HTTP Cookie File\n");
    while (rc == 0 && kt_cookie_jar_next(jar, &cursor, &c))
        if (c.expires != 0 || flags & KT_COOKIES_SESSION)
            rc = put_cookie(&b, &c);
    kt_file_write_options options = {.mode = 0600};
    return rc < 0 ? rc : kt_file_replace(path, b.data, b.size, &options);
}

/* ---- Reading --------------------------------------------------------------------------------- */

enum { DOMAIN, SUBDOMAINS, PATH, SECURE, EXPIRES, NAME, VALUE, FIELDS };

/* Takes what stands before `mark` off the front, and the mark. */
static kt_slice cut(kt_slice *rest, char mark)
{
    const char *at = rest->size ? memchr(rest->data, mark, rest->size) : NULL;
    kt_slice front = {rest->data, at ? (size_t)(at - rest->data) : rest->size};
    size_t used = front.size + (at != NULL);
    *rest = (kt_slice){rest->data + used, rest->size - used};
    return front;
}

static bool take_prefix(kt_slice *s, const char *prefix)
{
    size_t size = strlen(prefix);
    if (s->size < size || memcmp(s->data, prefix, size) != 0)
        return false;
    *s = (kt_slice){s->data + size, s->size - size};
    return true;
}

static bool take_fields(kt_slice line, kt_slice fields[FIELDS])
{
    for (size_t i = 0; i < FIELDS; i++) {
        if (i > 0 && fields[i - 1].data + fields[i - 1].size == line.data + line.size)
            return false; /* no tab behind the one before */
        fields[i] = i == VALUE ? line : cut(&line, '\t');
    }
    return memchr(fields[VALUE].data, '\t', fields[VALUE].size) == NULL;
}

/* A number; nothing is 0: Python writes it so. */
static bool take_number(kt_slice s, int64_t *ret)
{
    int64_t value = 0;
    bool good = s.size <= 15;
    for (size_t i = 0; good && i < s.size; i++) {
        good = s.data[i] >= '0' && s.data[i] <= '9';
        value = value * 10 + (s.data[i] - '0');
    }
    *ret = value;
    return good;
}

static bool is_clean(kt_slice s)
{
    for (size_t i = 0; i < s.size; i++)
        if ((unsigned char)s.data[i] < ' ' || s.data[i] == 0x7f || s.data[i] == ';')
            return false;
    return true;
}

/* A line's cookie; false for one that is none, or that no server could have set. */
static bool take_cookie(const kt_cookie_jar *jar, kt_slice line, kt_cookie *c, int64_t *ret_expires)
{
    kt_slice f[FIELDS];
    c->http_only = take_prefix(&line, HTTP_ONLY);
    if (line.size == 0 || line.data[0] == '#' || !take_fields(line, f) || !take_number(f[EXPIRES], ret_expires))
        return false;
    (void)take_prefix(&f[DOMAIN], ".");
    c->domain = f[DOMAIN];
    c->host_only = kt_slice_is(f[SUBDOMAINS], "FALSE");
    c->path = f[PATH];
    c->secure = kt_slice_is(f[SECURE], "TRUE");
    c->name = f[NAME];
    c->value = f[VALUE];
    size_t size = c->name.size + c->value.size;
    return c->domain.size > 0 && c->path.size > 0 && c->path.data[0] == '/' && size > 0 &&
           size <= jar->options.cookie_bytes_max && is_clean(c->domain) && is_clean(c->path) && is_clean(c->name) &&
           is_clean(c->value) && (c->host_only || !kt__public_suffix(c->domain));
}

static uint8_t same_site_named(kt_slice name)
{
    uint8_t i = KT_COOKIE_SAME_SITE_STRICT;
    while (i > 0 && !kt_slice_is(name, same_site_names[i]))
        i--;
    return i;
}

static int take_lines(kt_cookie_jar *jar, kt_slice text)
{
    uint8_t same_site = KT_COOKIE_SAME_SITE_UNSET;
    int64_t now = kt__cookie_jar_now(jar), expires;
    int count = 0;
    while (text.size > 0) {
        kt_cookie c = {.same_site = same_site};
        kt_slice line = cut(&text, '\n');
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        same_site = KT_COOKIE_SAME_SITE_UNSET;
        if (take_prefix(&line, OURS)) {
            same_site = same_site_named(line);
            continue;
        }
        if (!take_cookie(jar, line, &c, &expires) || (expires != 0 && expires <= now))
            continue;
        int rc = kt__cookie_jar_put(jar, &c, expires != 0, expires);
        if (rc < 0)
            return rc;
        count++;
    }
    return count;
}

int kt_cookie_jar_load(kt_cookie_jar *jar, const char *path)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    int rc = kt_file_read_whole(path, FILE_BYTES_MAX, &b);
    return rc < 0 ? rc : take_lines(jar, kt_buffer_slice(&b));
}
