/* SPDX-License-Identifier: MIT */

/* How a URL can end, in words. */

#include "engine.h"

static const struct {
    const char *name, *words;
} causes[CAUSES] = {
    [CAUSE_OK] = {"ok", "ok"},
    [CAUSE_STATUS] = {"status", "refused by status"},
    [CAUSE_TIMEOUT] = {"timeout", "timed out"},
    [CAUSE_NAME] = {"name", "no such host"},
    [CAUSE_CONNECT] = {"connect", "no connection"},
    [CAUSE_LOST] = {"lost", "connection lost"},
    [CAUSE_TLS] = {"tls", "TLS failed"},
    [CAUSE_PROTOCOL] = {"protocol", "broken HTTP"},
    [CAUSE_CONTENT] = {"content", "broken content"},
    [CAUSE_SIZE] = {"size", "too large"},
    [CAUSE_REDIRECTS] = {"redirects", "redirects without end"},
    [CAUSE_GUARD] = {"guard", "not a public address"},
    [CAUSE_ROBOTS] = {"robots", "forbidden by robots.txt"},
    [CAUSE_URL] = {"url", "no URL"},
    [CAUSE_STORE] = {"store", "not stored"},
    [CAUSE_DEADLINE] = {"deadline", "not fetched in time"},
    [CAUSE_OTHER] = {"other", "failed otherwise"},
};

const char *cause_words(enum cause c)
{
    return causes[c].words;
}

const char *cause_name(enum cause c)
{
    return causes[c].name;
}
