/* SPDX-License-Identifier: MIT */
/* Which addresses the world can reach: IANA's special-purpose address registries for IPv4 and IPv6 (RFC 6890). */
#include <arpa/inet.h>
#include <kettle/url.h>
#include <netinet/in.h>

typedef struct block4 {
    uint32_t address;
    unsigned bits;
} block4;

#define V4(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static const block4 special4[] = {
    {V4(0, 0, 0, 0), 8},      /* this network, RFC 791; Linux takes 0.0.0.0 for the machine itself */
    {V4(10, 0, 0, 0), 8},     /* private, RFC 1918 */
    {V4(100, 64, 0, 0), 10},  /* shared with a carrier's NAT, RFC 6598 */
    {V4(127, 0, 0, 0), 8},    /* loopback, RFC 1122 */
    {V4(169, 254, 0, 0), 16}, /* link-local, RFC 3927; clouds tell secrets at 169.254.169.254 */
    {V4(172, 16, 0, 0), 12},  /* private */
    {V4(192, 0, 0, 0), 24},   /* protocols, RFC 6890 */
    {V4(192, 0, 2, 0), 24},   /* documentation, RFC 5737 */
    {V4(192, 88, 99, 0), 24}, /* relays of 6to4, RFC 7526 */
    {V4(192, 168, 0, 0), 16}, /* private */
    {V4(198, 18, 0, 0), 15},  /* benchmarks, RFC 2544 */
    {V4(198, 51, 100, 0), 24},
    {V4(203, 0, 113, 0), 24},
    {V4(224, 0, 0, 0), 3}, /* multicast, RFC 5771; reserved, RFC 1112; and broadcast */
};

static bool is_global4(uint32_t address)
{
    for (size_t i = 0; i < sizeof special4 / sizeof *special4; i++)
        if ((address ^ special4[i].address) >> (32 - special4[i].bits) == 0)
            return false;
    return true;
}

typedef struct block6 {
    unsigned char prefix[12];
    unsigned bits;
} block6;

/* Within 2000::/3, which is all that is in use; the rest of IPv6 is refused without being named. */
static const block6 special6[] = {
    {{0x20, 0x01}, 23},             /* protocols: Teredo, ORCHID, benchmarks, RFC 2928 */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation, RFC 3849 */
    {{0x3f, 0xff}, 20},             /* documentation, RFC 9637 */
};

/* And those that carry an IPv4 address, which is then the one that counts. */
static const struct carrier6 {
    block6 block;
    size_t at;
} carriers6[] = {
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, 12}, /* mapped, RFC 4291 section 2.5.5.2 */
    {{{0, 0x64, 0xff, 0x9b}, 96}, 12},                      /* NAT64, RFC 6052 */
    {{{0x20, 0x02}, 16}, 2},                                /* 6to4, RFC 3056 */
};

static bool in_block6(const unsigned char *address, const block6 *b)
{
    size_t whole = b->bits / 8, rest = b->bits % 8;
    return memcmp(address, b->prefix, whole) == 0 &&
           (rest == 0 || (address[whole] ^ b->prefix[whole]) >> (8 - rest) == 0);
}

static bool is_global6(const unsigned char *a)
{
    for (size_t i = 0; i < sizeof carriers6 / sizeof *carriers6; i++) {
        const unsigned char *v4 = a + carriers6[i].at;
        if (in_block6(a, &carriers6[i].block))
            return is_global4(V4(v4[0], v4[1], v4[2], v4[3]));
    }
    for (size_t i = 0; i < sizeof special6 / sizeof *special6; i++)
        if (in_block6(a, &special6[i]))
            return false;
    return a[0] >> 5 == 1;
}

bool kt_address_is_global(const struct sockaddr *address)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (address->sa_family == AF_INET) {
        memcpy(&in, address, sizeof in);
        return is_global4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(&in6, address, sizeof in6);
    return is_global6(in6.sin6_addr.s6_addr);
}
