/* SPDX-License-Identifier: MIT */
/* Hosts in their canonical form (WHATWG URL section 3): names, IPv4 in all its ways of writing, IPv6. */
#include "http/url_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "http/parser_internal.h"

/* ---- IPv4 ------------------------------------------------------------------------------------ */

/* One number of an IPv4 address: decimal, 0x hexadecimal, 0 octal. -1 for none; too large ones come out as 2^32. */
static int64_t ipv4_number(kt_slice s)
{
    unsigned base = 10;
    size_t i = 0;
    if (s.size == 0)
        return -1;
    if (s.size >= 2 && s.data[0] == '0' && (s.data[1] | 0x20) == 'x') {
        base = 16;
        i = 2;
    } else if (s.size >= 2 && s.data[0] == '0') {
        base = 8;
        i = 1;
    }
    int64_t value = 0;
    for (; i < s.size; i++) {
        if (!kt__is(s.data[i], KT__C_HEX) || kt__hex_value(s.data[i]) >= base)
            return -1;
        value = value * base + kt__hex_value(s.data[i]);
        if (value > INT64_C(1) << 32)
            value = INT64_C(1) << 32;
    }
    return value;
}

static kt_slice without_last_dot(kt_slice name)
{
    if (name.size > 0 && name.data[name.size - 1] == '.')
        name.size--;
    return name;
}

/* Section 3.5, "ends in a number": only an address may, so that nobody takes a name for one. */
static bool ends_in_number(kt_slice name)
{
    name = without_last_dot(name);
    const char *dot = memrchr(name.data, '.', name.size);
    kt_slice last = name;
    if (dot)
        last = (kt_slice){dot + 1, (size_t)(name.data + name.size - dot) - 1};
    size_t digits = 0;
    while (digits < last.size && kt__is(last.data[digits], KT__C_DIGIT))
        digits++;
    return last.size > 0 && (digits == last.size || ipv4_number(last) >= 0);
}

static int put_ipv4(kt_slice name, kt_buffer *out, const char **ret_why)
{
    int64_t numbers[4];
    size_t count = 0;
    kt_slice rest = without_last_dot(name);
    *ret_why = "the host ends in a number but is no IPv4 address";
    for (bool more = true; more; count++) {
        const char *dot = memchr(rest.data, '.', rest.size);
        kt_slice part = {rest.data, dot ? (size_t)(dot - rest.data) : rest.size};
        if (count == 4 || (numbers[count] = ipv4_number(part)) < 0)
            return -EINVAL;
        more = dot != NULL;
        rest = (kt_slice){part.data + part.size + more, rest.size - part.size - more};
    }
    int64_t address = numbers[count - 1];
    if (address >= INT64_C(1) << (8 * (5 - count)))
        return -EINVAL;
    for (size_t i = 0; i + 1 < count; i++) {
        if (numbers[i] > 255)
            return -EINVAL;
        address |= numbers[i] << (8 * (3 - i));
    }
    return kt_buffer_printf(out, "%d.%d.%d.%d", (int)(address >> 24), (int)(address >> 16 & 255),
                            (int)(address >> 8 & 255), (int)(address & 255));
}

/* ---- IPv6 ------------------------------------------------------------------------------------ */

/* Where the longest run of at least two zeros begins; 8 for none. */
static size_t longest_zeros(const uint16_t pieces[8], size_t *ret_size)
{
    size_t best = 8, best_size = 1;
    for (size_t i = 0; i < 8; i++) {
        size_t n = 0;
        while (i + n < 8 && pieces[i + n] == 0)
            n++;
        if (n > best_size) {
            best = i;
            best_size = n;
        }
    }
    *ret_size = best_size;
    return best;
}

/* RFC 5952, without its exception for embedded IPv4 addresses, as browsers write it. */
static int put_ipv6(const unsigned char bytes[16], kt_buffer *out)
{
    char text[48];
    uint16_t pieces[8];
    size_t n = 0, zeros;
    for (size_t i = 0; i < 8; i++)
        pieces[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    size_t from = longest_zeros(pieces, &zeros);
    text[n++] = '[';
    for (size_t i = 0; i < 8; i++) {
        if (i == from) {
            n += (size_t)snprintf(text + n, sizeof text - n, i == 0 ? "::" : ":");
            i += zeros - 1;
            continue;
        }
        n += (size_t)snprintf(text + n, sizeof text - n, i == 7 ? "%x" : "%x:", pieces[i]);
    }
    text[n++] = ']';
    return kt_buffer_append(out, text, n);
}

static int parse_ipv6(kt_slice host, kt_buffer *out, const char **ret_why)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    *ret_why = "no IPv6 address in the brackets";
    if (host.data[host.size - 1] != ']') {
        *ret_why = "the bracket is not closed";
        return -EINVAL;
    }
    if (memchr(host.data, '%', host.size))
        *ret_why = "an IPv6 zone has no place in a URL";
    kt_slice inner = {host.data + 1, host.size - 2};
    if (host.size < 2 || inner.size >= sizeof text || memchr(inner.data, '\0', inner.size))
        return -EINVAL;
    memcpy(text, inner.data, inner.size);
    text[inner.size] = '\0';
    if (inet_pton(AF_INET6, text, bytes) != 1)
        return -EINVAL;
    return put_ipv6(bytes, out);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static bool has_ace_label(kt_slice name)
{
    for (size_t i = 0; i + 4 <= name.size; i++)
        if ((i == 0 || name.data[i - 1] == '.') && strncasecmp(name.data + i, "xn--", 4) == 0)
            return true;
    return false;
}

static bool is_ascii(kt_slice s)
{
    for (size_t i = 0; i < s.size; i++)
        if ((unsigned char)s.data[i] >= 0x80)
            return false;
    return true;
}

/* A name that was percent-decoded, into `out`. */
static int put_name(kt_slice name, kt_buffer *out, const char **ret_why)
{
    size_t before = out->size;
    if (!is_ascii(name) || has_ace_label(name)) {
        int rc = kt__idna_to_ascii(name, out, ret_why);
        if (rc < 0)
            return rc;
    } else {
        int rc = kt_buffer_append(out, name.data, name.size);
        if (rc < 0)
            return rc;
        for (size_t i = before; i < out->size; i++)
            if (out->data[i] >= 'A' && out->data[i] <= 'Z')
                out->data[i] |= 0x20;
    }
    *ret_why = out->size == before ? "the host is empty" : "a byte that no host may have";
    for (size_t i = before; i < out->size; i++)
        if (kt__url_is(out->data[i], KT__U_NO_HOST))
            return -EINVAL;
    return out->size == before ? -EINVAL : 0;
}

static int put_domain(kt_slice host, kt_buffer *out, const char **ret_why)
{
    size_t before = out->size;
    kt_auto(kt_buffer) decoded = KT_BUFFER_INIT;
    int rc = kt_percent_decode(host, &decoded);
    if (rc == 0)
        rc = put_name(kt_buffer_slice(&decoded), out, ret_why);
    if (rc < 0)
        return rc;
    kt_auto(kt_buffer) address = KT_BUFFER_INIT;
    kt_slice name = {out->data + before, out->size - before};
    if (!ends_in_number(name))
        return 0;
    rc = put_ipv4(name, &address, ret_why);
    out->size = before;
    return rc < 0 ? rc : kt_buffer_append(out, address.data, address.size);
}

/* Where the first byte stands that is plainly wrong; 0 if none is, and it is the whole that is wrong. */
static size_t first_bad(kt_slice host)
{
    for (size_t i = 0; i < host.size; i++)
        if (host.data[i] != '%' && kt__url_is(host.data[i], KT__U_NO_HOST))
            return i;
    return 0;
}

int kt__url_host(kt_slice host, kt_buffer *out, const char **ret_why, size_t *ret_at)
{
    size_t before = out->size;
    bool v6 = host.size > 0 && host.data[0] == '[';
    int rc = v6 ? parse_ipv6(host, out, ret_why) : put_domain(host, out, ret_why);
    if (rc < 0)
        out->size = before;
    if (rc == -EINVAL)
        *ret_at = v6 ? 0 : first_bad(host);
    return rc;
}

bool kt__url_host_is_address(kt_slice host)
{
    return host.size > 0 && (host.data[0] == '[' || ends_in_number(host));
}
