/* SPDX-License-Identifier: MIT */
/* Stands in for URLs until their parser is there: absolute http and https only, nothing is normalised. */
#include <kettle/url.h>
#include <stdlib.h>

#include "http/client.h"

__attribute__((weak)) void kt_url_release(kt_url *url)
{
    kt_free((void *)(uintptr_t)url->text.data);
    *url = (kt_url)KT_URL_INIT;
}

__attribute__((weak)) int kt_url_parse(const char *text, const kt_url *base, kt_url *ret_url)
{
    char *t = NULL;
    size_t n = text[0] == '/' && base ? (size_t)(base->path.data - base->text.data) : 0;
    t = kt_calloc(1, n + strlen(text) + 2);
    if (!t)
        return -ENOMEM;
    if (n > 0)
        memcpy(t, base->text.data, n);
    memcpy(t + n, text, strlen(text));
    char *host = strstr(t, "://");
    size_t scheme = host ? (size_t)(host - t) : 0;
    if (!host || !host[3] || ((scheme != 4 || strncmp(t, "http", 4) != 0) && (scheme != 5 || strncmp(t, "https", 5) != 0))) {
        kt_free(t);
        return kt_error_set(-EINVAL, "not a URL");
    }
    const char *authority = host + 3, *path = strchr(authority, '/');
    if (!path) {
        t[strlen(t)] = '/';
        path = strchr(authority, '/');
    }
    const char *colon = NULL, *hash = strchr(path, '#');
    for (const char *p = authority; p < path; p++)
        if (*p == ':' && (authority[0] != '[' || p[-1] == ']'))
            colon = p;
    *ret_url = (kt_url){
        .text = {t, strlen(t)},
        .scheme = {t, scheme},
        .host = {authority, (size_t)((colon ? colon : path) - authority)},
        .authority = {authority, (size_t)(path - authority)},
        .path = {path, strcspn(path, "?#")},
        .target = {path, hash ? (size_t)(hash - path) : strlen(path)},
        .port = colon ? (uint16_t)atoi(colon + 1) : scheme == 5 ? 443 : 80,
    };
    return 0;
}
