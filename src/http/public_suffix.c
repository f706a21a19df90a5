/* SPDX-License-Identifier: MIT */
/* The public suffix list, by libpsl: this is the only file that uses it. The list is the one built into the library. */
#include "http/cookie_private.h"

#include <libpsl.h>

#include "http/url_private.h"

/* More than a name can have (RFC 1035); longer ones have no suffix, so they are on their own. */
#define NAME_BYTES_MAX 256

static bool is_suffix(const char *name)
{
    const psl_ctx_t *list = psl_builtin();
    return list ? psl_is_public_suffix(list, name) != 0 : strchr(name, '.') == NULL;
}

static bool copy_name(kt_slice name, char to[NAME_BYTES_MAX])
{
    if (name.size >= NAME_BYTES_MAX)
        return false;
    memcpy(to, name.data, name.size);
    to[name.size] = '\0';
    return true;
}

bool kt__public_suffix(kt_slice domain)
{
    char name[NAME_BYTES_MAX];
    return copy_name(domain, name) && is_suffix(name);
}

kt_slice kt__site(kt_slice host)
{
    char name[NAME_BYTES_MAX];
    if (kt__url_host_is_address(host) || !copy_name(host, name) || is_suffix(name))
        return host;
    const char *at = name;
    for (const char *dot = strchr(at, '.'); dot && !is_suffix(dot + 1); dot = strchr(at, '.'))
        at = dot + 1;
    size_t before = (size_t)(at - name);
    return (kt_slice){host.data + before, host.size - before};
}
