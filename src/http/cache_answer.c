/* SPDX-License-Identifier: MIT */
/* An answer as one run of bytes: a mark, a checksum of all that follows, numbers of eight bytes, and texts with their
 * size in front. Whoever reads it trusts none of it: a file may have been cut by a crash. */
#include "http/cache_private.h"

#include <errno.h>
#include <kettle/memory.h>
#include <strings.h>

#include "http/parser_internal.h"

static const char mark[8] = {'K', 'T', 'C', 'A', 'C', 'H', 'E', '1'};
#define CHECKED_FROM (sizeof mark + sizeof(uint64_t))
#define COUNT_MAX 4096 /* fields; more than any head has */

/* Against accidents, not against enemies. */
uint64_t kt__cache_hash(uint64_t hash, kt_slice bytes)
{
    size_t i = 0;
    hash ^= bytes.size * UINT64_C(0x9e3779b97f4a7c15);
    for (; i + 8 <= bytes.size; i += 8) {
        uint64_t word;
        memcpy(&word, bytes.data + i, 8);
        hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 32;
    }
    for (; i < bytes.size; i++)
        hash = (hash ^ (unsigned char)bytes.data[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

/* The URL without its fragment. */
static kt_slice key_of(const kt_url *url)
{
    return (kt_slice){url->text.data, (size_t)(url->target.data + url->target.size - url->text.data)};
}

uint64_t kt__cache_url_hash(const kt_url *url)
{
    return kt__cache_hash(0, key_of(url));
}

/* ---- Writing --------------------------------------------------------------------------------- */

static int put_number(kt_buffer *b, uint64_t number)
{
    return kt_buffer_append(b, &number, sizeof number);
}

static int put_text(kt_buffer *b, kt_slice text)
{
    int rc = put_number(b, text.size);
    return rc < 0 ? rc : kt_buffer_append(b, text.data, text.size);
}

static bool same_name(kt_slice a, kt_slice b)
{
    return a.size == b.size && strncasecmp(a.data, b.data, a.size) == 0;
}

/* All fields of a name as one value (RFC 9110 section 5.3), behind '='; "-" if there is none. */
static int put_asked(const kt_http_cache_request *r, kt_slice name, kt_buffer *out)
{
    int rc = 0;
    size_t before = out->size;
    for (size_t i = 0; i < r->field_count && rc == 0; i++) {
        if (!same_name(r->fields[i].name, name))
            continue;
        rc = kt_buffer_append_string(out, out->size == before ? "=" : ", ");
        if (rc == 0)
            rc = kt_buffer_append(out, r->fields[i].value.data, r->fields[i].value.size);
    }
    return rc < 0 || out->size > before ? rc : kt_buffer_append(out, "-", 1);
}

/* The names in the answer's Vary, and what the request had. The names count in the variant's key by their bytes. */
static int put_vary(const kt_http_cache_request *r, const kt_http_cache_answer *a, kt_buffer *out, uint64_t *ret_hash)
{
    kt_auto(kt_buffer) asked = KT_BUFFER_INIT;
    uint64_t count = 0, hash = 0;
    size_t count_at = out->size;
    int rc = put_number(out, 0);
    for (size_t i = 0; i < a->field_count && rc == 0; i++) {
        kt_slice rest = a->fields[i].value, name;
        if (!same_name(a->fields[i].name, kt_slice_from("Vary")))
            continue;
        while (rc == 0 && kt__http_list_next(&rest, &name)) {
            kt_buffer_clear(&asked);
            rc = put_asked(r, name, &asked);
            if (rc == 0)
                rc = put_text(out, name);
            if (rc == 0)
                rc = put_text(out, kt_buffer_slice(&asked));
            hash = kt__cache_hash(kt__cache_hash(hash, name), kt_buffer_slice(&asked));
            count++;
        }
    }
    if (rc == 0)
        memcpy(out->data + count_at, &count, sizeof count);
    *ret_hash = hash;
    return rc < 0 || count <= COUNT_MAX ? rc : KT_ELIMIT;
}

static int put_fields(const kt_http_cache_answer *a, kt_buffer *out)
{
    uint64_t count = 0;
    size_t count_at = out->size;
    int rc = put_number(out, 0);
    for (size_t i = 0; i < a->field_count && rc == 0; i++) {
        if (kt__cache_hop_field(a->fields[i].name))
            continue;
        rc = put_text(out, a->fields[i].name);
        if (rc == 0)
            rc = put_text(out, a->fields[i].value);
        count++;
    }
    if (rc == 0)
        memcpy(out->data + count_at, &count, sizeof count);
    return rc < 0 || count <= COUNT_MAX ? rc : KT_ELIMIT;
}

int kt__cache_answer_put(const kt_http_cache_request *request, const kt_http_cache_answer *answer, kt_buffer *out,
                         kt__cache_key *ret_key)
{
    int rc = kt_buffer_append(out, mark, sizeof mark);
    if (rc == 0)
        rc = put_number(out, 0);
    if (rc == 0)
        rc = put_number(out, (uint64_t)answer->status);
    if (rc == 0)
        rc = put_number(out, (uint64_t)answer->asked);
    if (rc == 0)
        rc = put_number(out, (uint64_t)answer->answered);
    if (rc == 0)
        rc = put_text(out, key_of(request->url));
    if (rc == 0)
        rc = put_vary(request, answer, out, &ret_key->variant);
    if (rc == 0)
        rc = put_fields(answer, out);
    ret_key->url = kt__cache_url_hash(request->url);
    return rc < 0 ? rc : put_number(out, 0); /* the body's size */
}

void kt__cache_answer_end(kt_buffer *out, size_t head_size)
{
    uint64_t body = out->size - head_size;
    memcpy(out->data + head_size - sizeof body, &body, sizeof body);
    uint64_t sum = kt__cache_hash(1, (kt_slice){out->data + CHECKED_FROM, out->size - CHECKED_FROM});
    memcpy(out->data + sizeof mark, &sum, sizeof sum);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static bool take_number(kt_slice *rest, uint64_t *ret)
{
    if (rest->size < sizeof *ret)
        return false;
    memcpy(ret, rest->data, sizeof *ret);
    *rest = (kt_slice){rest->data + sizeof *ret, rest->size - sizeof *ret};
    return true;
}

static bool take_text(kt_slice *rest, kt_slice *ret)
{
    uint64_t size;
    if (!take_number(rest, &size) || size > rest->size)
        return false;
    *ret = (kt_slice){rest->data, size};
    *rest = (kt_slice){rest->data + size, rest->size - size};
    return true;
}

/* Reads as many pairs as it says into `to`, or with NULL only past them. */
static bool take_pairs(kt_slice *rest, kt_http_field *to, size_t *ret_count)
{
    uint64_t count;
    kt_http_field pair;
    if (!take_number(rest, &count) || count > COUNT_MAX)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!take_text(rest, &pair.name) || !take_text(rest, &pair.value))
            return false;
        if (to)
            to[i] = pair;
    }
    *ret_count = count;
    return true;
}

static bool take_head(kt_slice *rest, kt__cache_answer *a)
{
    uint64_t status, asked, answered;
    if (!take_number(rest, &status) || !take_number(rest, &asked) || !take_number(rest, &answered) ||
        !take_text(rest, &a->url) || status > 599)
        return false;
    a->status = (int)status;
    a->asked = (kt_time)asked;
    a->answered = (kt_time)answered;
    return true;
}

int kt__cache_answer_read(kt_slice bytes, kt__cache_answer *ret_answer)
{
    kt__cache_answer a = {.status = 0};
    uint64_t sum;
    if (bytes.size < CHECKED_FROM || memcmp(bytes.data, mark, sizeof mark) != 0)
        return -EINVAL;
    kt_slice rest = {bytes.data + CHECKED_FROM, bytes.size - CHECKED_FROM};
    memcpy(&sum, bytes.data + sizeof mark, sizeof sum);
    if (sum != kt__cache_hash(1, rest) || !take_head(&rest, &a))
        return -EINVAL;
    kt_slice again = rest;
    if (!take_pairs(&rest, NULL, &a.vary_count) || !take_pairs(&rest, NULL, &a.field_count) ||
        !take_text(&rest, &a.body) || rest.size > 0)
        return -EINVAL;
    a.vary = kt_calloc(a.vary_count + a.field_count + 1, sizeof *a.vary);
    if (!a.vary)
        return -ENOMEM;
    a.fields = a.vary + a.vary_count;
    (void)take_pairs(&again, a.vary, &a.vary_count);
    (void)take_pairs(&again, a.fields, &a.field_count);
    *ret_answer = a;
    return 0;
}

/* Is the request's value of this name the one that was kept? Compared piece by piece, as put_asked joins them. */
static bool same_asked(const kt_http_cache_request *r, const kt_http_field *kept)
{
    kt_slice rest = kept->value;
    bool first = true;
    for (size_t i = 0; i < r->field_count; i++) {
        kt_slice joint = kt_slice_from(first ? "=" : ", "), value = r->fields[i].value;
        if (!same_name(r->fields[i].name, kept->name))
            continue;
        if (rest.size < joint.size + value.size || memcmp(rest.data, joint.data, joint.size) != 0 ||
            (value.size > 0 && memcmp(rest.data + joint.size, value.data, value.size) != 0))
            return false;
        size_t used = joint.size + value.size;
        rest = (kt_slice){rest.data + used, rest.size - used};
        first = false;
    }
    return first ? kt_slice_is(rest, "-") : rest.size == 0;
}

bool kt__cache_answer_fits(const kt__cache_answer *answer, const kt_http_cache_request *request)
{
    if (!kt_slice_equal(answer->url, key_of(request->url)))
        return false;
    for (size_t i = 0; i < answer->vary_count; i++)
        if (!same_asked(request, &answer->vary[i]))
            return false;
    return true;
}
