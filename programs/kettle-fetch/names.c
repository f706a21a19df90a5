/* SPDX-License-Identifier: MIT */

#include "names.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WORDS_MAX = 100, ENDING_MAX = 8 };

void name_hash_of(kt_slice url, char ret_hash[NAME_HASH_BYTES + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    unsigned size = 0;
    /* SHA-256 of OpenSSL's default provider fails only without memory; a name of zeros would still be safe. */
    if (EVP_Digest(url.data, url.size, digest, &size, EVP_sha256(), NULL) != 1)
        memset(digest, 0, sizeof digest);
    for (int i = 0; i < NAME_HASH_BYTES / 2; i++)
        snprintf(ret_hash + 2 * i, 3, "%02x", digest[i]);
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static const char *ending_of_type(kt_slice type)
{
    static const struct {
        const char *type, *ending;
    } known[] = {
        {"text/html", "html"},       {"application/xhtml+xml", "html"}, {"application/json", "json"},
        {"text/plain", "txt"},       {"text/css", "css"},               {"text/csv", "csv"},
        {"application/xml", "xml"},  {"text/xml", "xml"},               {"application/rss+xml", "xml"},
        {"application/atom+xml", "xml"}, {"text/javascript", "js"},     {"application/javascript", "js"},
        {"image/png", "png"},        {"image/jpeg", "jpg"},             {"image/gif", "gif"},
        {"image/svg+xml", "svg"},    {"image/webp", "webp"},            {"application/pdf", "pdf"},
        {"application/zip", "zip"},  {"application/gzip", "gz"},
    };
    size_t size = 0;
    while (size < type.size && type.data[size] != ';' && type.data[size] != ' ')
        size++;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].type) == size && strncasecmp(known[i].type, type.data, size) == 0)
            return known[i].ending;
    return "bin";
}

/* "html" of ".../tea.html". */
static bool ending_of_path(kt_slice path, char ret_ending[ENDING_MAX])
{
    size_t size = 0;
    while (size < path.size && is_plain(path.data[path.size - 1 - size]))
        size++;
    if (size == 0 || size >= ENDING_MAX || size + 1 >= path.size || path.data[path.size - 1 - size] != '.')
        return false;
    memcpy(ret_ending, path.data + path.size - size, size);
    ret_ending[size] = '\0';
    return true;
}

size_t name_of_url(kt_slice url, kt_slice content_type, const char *kind, char ret_name[NAME_BYTES])
{
    char hash[NAME_HASH_BYTES + 1], ending[ENDING_MAX];
    size_t size = 0, at = 0;
    name_hash_of(url, hash);
    const char *scheme = memmem(url.data, url.size, "://", 3);
    if (scheme)
        at = (size_t)(scheme - url.data) + 3;
    size_t host = at, slash = at, end = at;
    while (end < url.size && url.data[end] != '?' && url.data[end] != '#')
        end++;
    while (slash < end && url.data[slash] != '/')
        slash++;
    for (const char *user = memchr(url.data + host, '@', slash - host); user; user = NULL)
        at = (size_t)(user - url.data) + 1; /* no password in a file's name */
    bool by_path = ending_of_path((kt_slice){url.data + slash, end - slash}, ending);
    size_t words = by_path ? end - strlen(ending) - 1 : end;
    for (; at < words && size < WORDS_MAX; at++) {
        bool plain = is_plain(url.data[at]) || (size > 0 && strchr("-_.", url.data[at]));
        if (plain || (size > 0 && ret_name[size - 1] != '_'))
            ret_name[size++] = plain ? url.data[at] : '_';
    }
    while (size > 0 && strchr("-_.", ret_name[size - 1]))
        size--;
    const char *last = kind ? kind : by_path ? ending : ending_of_type(content_type);
    return size + (size_t)snprintf(ret_name + size, NAME_BYTES - size, "%s%s.%s", size > 0 ? "-" : "", hash, last);
}

kt_slice name_hash(kt_slice name)
{
    const char *dot = memrchr(name.data, '.', name.size);
    size_t size = dot ? (size_t)(dot - name.data) : 0;
    if (size < NAME_HASH_BYTES || (size > NAME_HASH_BYTES && name.data[size - NAME_HASH_BYTES - 1] != '-'))
        return (kt_slice){NULL, 0};
    kt_slice hash = {name.data + size - NAME_HASH_BYTES, NAME_HASH_BYTES};
    for (size_t i = 0; i < hash.size; i++)
        if (!strchr("0123456789abcdef", hash.data[i]))
            return (kt_slice){NULL, 0};
    return hash;
}
