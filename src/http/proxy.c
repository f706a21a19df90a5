/* SPDX-License-Identifier: MIT */
/* Who the client is behind proxies. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <kettle/memory.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "http/multipart.h"
#include "http/parser_internal.h"
#include "http/server.h"

#include <kettle/http_proxy.h>

#define ENTRIES_MAX 32 /* nobody has more proxies; more ends the search */

/* An address of either family as IPv6, IPv4 mapped, so that "::ffff:10.0.0.1" is 10.0.0.1. */
typedef struct address {
    unsigned char bytes[16];
} address;

typedef struct network {
    address a;
    unsigned bits;
} network;

struct kt_http_proxies {
    kt_http_forwarding forwarding;
    bool local; /* "unix" */
    size_t count;
    network networks[];
};

static bool parse_address(kt_slice s, address *ret)
{
    char text[INET6_ADDRSTRLEN];
    if (s.size == 0 || s.size >= sizeof text)
        return false;
    memcpy(text, s.data, s.size);
    text[s.size] = '\0';
    if (inet_pton(AF_INET6, text, ret->bytes) == 1)
        return true;
    memset(ret->bytes, 0, 10);
    memset(ret->bytes + 10, 0xff, 2);
    return inet_pton(AF_INET, text, ret->bytes + 12) == 1;
}

static bool is_mapped(const address *a)
{
    static const unsigned char prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(a->bytes, prefix, sizeof prefix) == 0;
}

static bool parse_network(const char *text, network *n)
{
    const char *slash = strchr(text, '/');
    kt_slice name = {text, slash ? (size_t)(slash - text) : strlen(text)};
    if (!parse_address(name, &n->a))
        return false;
    unsigned most = is_mapped(&n->a) && memchr(name.data, '.', name.size) ? 32 : 128;
    char *end = NULL;
    unsigned long bits = slash ? strtoul(slash + 1, &end, 10) : most;
    if (slash && (!kt__is(slash[1], KT__C_DIGIT) || *end))
        return false;
    n->bits = (unsigned)bits + (128 - most);
    return bits <= most;
}

static bool is_within(const address *a, const network *n)
{
    size_t whole = n->bits / 8;
    unsigned rest = n->bits % 8;
    if (memcmp(a->bytes, n->a.bytes, whole) != 0)
        return false;
    return rest == 0 || (a->bytes[whole] ^ n->a.bytes[whole]) >> (8 - rest) == 0;
}

int kt_http_proxies_new(const char *const *networks, kt_http_forwarding forwarding, kt_http_proxies **ret_proxies)
{
    size_t count = 0;
    while (networks[count])
        count++;
    kt_http_proxies *p = kt_alloc(sizeof *p + count * sizeof p->networks[0]);
    if (!p)
        return -ENOMEM;
    *p = (kt_http_proxies){.forwarding = forwarding};
    for (size_t i = 0; i < count; i++) {
        if (strcmp(networks[i], "unix") == 0) {
            p->local = true;
        } else if (!parse_network(networks[i], &p->networks[p->count++])) {
            kt_free(p);
            return kt_error_set(-EINVAL, "'%.100s' is no network", networks[i]);
        }
    }
    *ret_proxies = p;
    return 0;
}

void kt_http_proxies_free(kt_http_proxies *proxies)
{
    kt_free(proxies);
}

/* ---- Addresses in headers ---------------------------------------------------------------------------- */

/* Takes port and brackets off "1.2.3.4:80", "[::1]:80", "::1". */
static kt_slice bare(kt_slice s)
{
    if (s.size > 0 && s.data[0] == '[') {
        const char *end = memchr(s.data, ']', s.size);
        return end ? (kt_slice){s.data + 1, (size_t)(end - s.data) - 1} : (kt_slice){NULL, 0};
    }
    const char *colon = s.size > 0 ? memchr(s.data, ':', s.size) : NULL;
    bool one = colon && !memchr(colon + 1, ':', s.size - (size_t)(colon + 1 - s.data));
    return one ? (kt_slice){s.data, (size_t)(colon - s.data)} : s;
}

static bool is_believed(const kt_http_proxies *p, kt_slice text)
{
    address a;
    if (text.size >= 5 && memcmp(text.data, "unix:", 5) == 0)
        return p->local;
    if (!parse_address(text, &a))
        return false;
    for (size_t i = 0; i < p->count; i++)
        if (is_within(&a, &p->networks[i]))
            return true;
    return false;
}

/* One proxy's word: whom it has seen, and how. */
typedef struct entry {
    kt_slice whom, proto, host; /* data NULL: not said */
} entry;

/* The elements of all headers of this name; a comma within quotes ends none. How many; -1 for too many. */
static int list_of(const kt_http_exchange *x, const char *lower, kt_slice items[ENTRIES_MAX])
{
    kt_slice name, value;
    int count = 0;
    for (size_t i = 0; kt_http_request_header_at(x, i, &name, &value); i++) {
        if (!kt__http_same(name.data, name.size, lower))
            continue;
        for (size_t at = 0; at <= value.size;) {
            size_t end = at;
            bool quoted = false;
            for (; end < value.size && (quoted || value.data[end] != ','); end++)
                quoted ^= value.data[end] == '"';
            kt_slice item = {value.data + at, end - at};
            while (item.size > 0 && (item.data[0] == ' ' || item.data[0] == '\t'))
                item = (kt_slice){item.data + 1, item.size - 1};
            while (item.size > 0 && (item.data[item.size - 1] == ' ' || item.data[item.size - 1] == '\t'))
                item.size--;
            if (count == ENTRIES_MAX)
                return -1;
            items[count++] = item;
            at = end + 1;
        }
    }
    return count;
}

static int read_forwarded(kt_http_exchange *x, entry entries[ENTRIES_MAX])
{
    static const char *const names[] = {"for", "proto", "host"};
    kt_slice items[ENTRIES_MAX];
    int count = list_of(x, "forwarded", items);
    for (int i = 0; i < count; i++) {
        entries[i] = (entry){.whom = {NULL, 0}};
        kt_slice *fields[] = {&entries[i].whom, &entries[i].proto, &entries[i].host};
        /* kt__parameter wants something in front of the first semicolon. */
        char *text = kt_http_alloc(x, items[i].size + 1), *out = kt_http_alloc(x, 6 * (items[i].size + 1));
        if (!text || !out)
            return -ENOMEM;
        text[0] = ';';
        memcpy(text + 1, items[i].data, items[i].size);
        kt_slice element = {text, items[i].size + 1};
        for (size_t k = 0; k < 3; k++)
            if (kt__parameter(element, names[k], out + 2 * k * element.size, fields[k]) < 0)
                entries[i] = (entry){.whom = {NULL, 0}};
    }
    return count;
}

/* Each list may have as many elements as that of addresses, or one, by the proxy that is nearest to the client. */
static kt_slice same_place(const kt_slice *items, int count, int at, int of)
{
    if (count <= 0)
        return (kt_slice){NULL, 0};
    int from_end = of - 1 - at;
    return items[from_end < count ? count - 1 - from_end : 0];
}

static int read_x_forwarded(kt_http_exchange *x, entry entries[ENTRIES_MAX])
{
    kt_slice whom[ENTRIES_MAX], protos[ENTRIES_MAX], hosts[ENTRIES_MAX];
    int count = list_of(x, "x-forwarded-for", whom);
    int proto_count = list_of(x, "x-forwarded-proto", protos), host_count = list_of(x, "x-forwarded-host", hosts);
    for (int i = 0; i < count; i++) {
        entries[i].whom = whom[i];
        entries[i].proto = same_place(protos, proto_count, i, count);
        entries[i].host = same_place(hosts, host_count, i, count);
    }
    return count;
}

/* ---- The client -------------------------------------------------------------------------------------- */

static const char *copy(kt_http_exchange *x, kt_slice s)
{
    char *text = kt_http_alloc(x, s.size + 1);
    if (!text)
        return NULL;
    memcpy(text, s.data, s.size);
    text[s.size] = '\0';
    return text;
}

static int peer_of(const kt_http_exchange *x, kt_slice *ret_peer)
{
    const char *text = NULL;
    int rc = kt__http_peer(x, &text);
    if (rc < 0)
        return rc;
    kt_slice peer = kt_slice_from(text);
    *ret_peer = peer.size >= 5 && memcmp(peer.data, "unix:", 5) == 0 ? peer : bare(peer);
    return 0;
}

/* Goes back from the peer as long as each is believed; what the last of them says of how it was reached holds. */
static void walk_back(const kt_http_proxies *p, const entry *entries, int count, kt_slice *whom, kt_http_client *c)
{
    for (int i = count - 1; i >= 0 && is_believed(p, *whom); i--) {
        const entry *e = &entries[i];
        kt_slice said = bare(e->whom);
        address a;
        c->proxies++;
        *whom = parse_address(said, &a) ? said : kt_slice_from("unknown");
        if (kt__http_same(e->proto.data, e->proto.size, "https"))
            c->scheme = "https";
        else if (kt__http_same(e->proto.data, e->proto.size, "http"))
            c->scheme = "http";
        if (e->host.size > 0 && kt__http_host_valid(e->host, KT__PORT_OPTIONAL))
            c->host = e->host;
    }
}

int kt_http_client_of(kt_http_exchange *x, const kt_http_proxies *proxies, kt_http_client *ret_client)
{
    kt_http_client c = {.scheme = kt_http_scheme(x), .host = kt_http_host(x)};
    kt_slice whom;
    entry entries[ENTRIES_MAX];
    int rc = peer_of(x, &whom);
    if (rc < 0)
        return rc;
    if (proxies && is_believed(proxies, whom)) {
        bool standard = proxies->forwarding == KT_HTTP_FORWARDED;
        int count = standard ? read_forwarded(x, entries) : read_x_forwarded(x, entries);
        if (count == -ENOMEM)
            return count;
        walk_back(proxies, entries, count, &whom, &c);
    }
    c.address = copy(x, whom);
    if (!c.address)
        return -ENOMEM;
    *ret_client = c;
    return 0;
}

/* ---- Request ids ------------------------------------------------------------------------------------- */

static bool is_id(kt_slice s)
{
    if (s.size == 0 || s.size > 128)
        return false;
    for (size_t i = 0; i < s.size; i++) {
        char lower = (char)(s.data[i] | 0x20);
        bool letter = lower >= 'a' && lower <= 'z' && !(s.data[i] & 0x80);
        if (!letter && !kt__is(s.data[i], KT__C_DIGIT) && (!s.data[i] || !strchr("-._=+/:@", s.data[i])))
            return false;
    }
    return true;
}

int kt_http_request_id(kt_http_exchange *x, const kt_http_proxies *proxies, const char **ret_id)
{
    kt_slice given = kt_http_request_header(x, "X-Request-Id"), peer = {NULL, 0};
    char made[33];
    bool proper = given.data && is_id(given) && proxies;
    int rc = proper ? peer_of(x, &peer) : 0;
    if (rc < 0)
        return rc;
    if (!proper || !is_believed(proxies, peer)) {
        uint64_t random[2];
        if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
            return kt_error_set(-EIO, "getrandom(2) gave no request id");
        snprintf(made, sizeof made, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
        given = kt_slice_from(made);
    }
    const char *id = copy(x, given);
    rc = id ? kt_http_header(x, "X-Request-Id", id) : -ENOMEM;
    if (rc == 0)
        *ret_id = id;
    return rc;
}
