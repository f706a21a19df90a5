/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TEST_NETWORK_H
#define KETTLE_TEST_NETWORK_H

/* A simulated network for tests: hosts, and connections between them, in one loop and in its virtual time, with the
 * delays, small segments, resets, silences and partitions of real ones, by a seed. In libkettle-test.
 *
 *     TEST(a_client_gives_up_on_a_server_that_is_cut_off)
 *     {
 *         const kt_test_network_options options = {.latency = KT_MS(20)};
 *         kt_test_network *n = kt_test_network_open(&options);
 *         kt_test_network_use(n);
 *         kt_auto(kt_listener) *l = NULL;
 *         CHECK_OK(kt_listen("10.0.0.2", 80, NULL, &l));      // makes that host
 *         kt_test_network_cut(n, "10.0.0.2", NULL);
 *         CHECK_ERR(fetch_within(KT_S(5), "10.0.0.2"), KT_ETIMEDOUT);
 *         kt_listener_close(kt_steal(l));
 *         kt_test_network_close(n);
 *     }
 *
 * While it is in use, kt_stream_connect and its kin, kt_listen, kt_listen_unix, kt_resolve and all that stands on
 * them (kt_server, HTTP, TLS) work under the simulated driver too. Not so what needs a descriptor: kt_stream_fd is -1,
 * and UDP and balancers stay real. Of TLS on top, kt_server_close_clients and kt_server_abort_clients do not reach
 * the connection.
 *
 * Connections are as TCP's: bytes arrive in order or not at all; a host that answers nothing is noticed after minutes,
 * or never by who only reads; closing with bytes unread resets; who writes to a peer that has closed learns of it
 * a round trip later. Hosts are addresses. Whoever is not told otherwise is on 127.0.0.1, which stands for the task's
 * own host, as do ::1, "localhost", 0.0.0.0 and "".
 *
 * On the loop's thread; functions here do not suspend. Their own memory is not kt_alloc's. */

#include <kettle/base.h>

KT_BEGIN

typedef struct kt_test_network kt_test_network;

/* All zero are the defaults. */
typedef struct kt_test_network_options {
    uint64_t seed;          /* 0: the run's of kt_test_seeds, otherwise 1 */
    kt_time latency;        /* of each segment, one way */
    kt_time jitter;         /* and up to this much more; order is kept */
    size_t segment_max;     /* bytes that arrive, and are read, at a time at most: 0 = 1460. 1: byte by byte. Above that,
                             * the seed makes some of them shorter */
    size_t window;          /* bytes that were written and not yet read, in each direction; 0 = 64 KiB */
    kt_time patience;       /* how long a host that does not answer is tried, connecting and writing: -ETIMEDOUT
                             * then. 0 = 127 s, about what Linux takes to connect */
    uint64_t reserved[4];
} kt_test_network_options;

/* A new network; NULL: with the defaults. The test closes it. */
KT_API kt_test_network *kt_test_network_open(const kt_test_network_options *options);

/* Ends it, and puts the system's back if it is in use on the running loop. The test fails if a stream or listener is
 * still open on it. NULL is nothing. */
KT_API void kt_test_network_close(kt_test_network *n);

/* From now on the running loop's connections are on this network; NULL: on the system's. What is open stays. */
KT_API void kt_test_network_use(kt_test_network *n);

/* ---- Hosts -------------------------------------------------------------------------------------- */

/* The running task, and those that it spawns from now on, are on this host ("10.0.0.1", "fd00::1"): what they connect and
 * listen from. NULL: on 127.0.0.1 again. */
KT_API void kt_test_network_be(kt_test_network *n, const char *host);

/* One address more for a name; at most 16. A name without an address is KT_ENAME. */
KT_API void kt_test_network_name(kt_test_network *n, const char *name, const char *host);

/* ---- Troubles ----------------------------------------------------------------------------------- */

/* Cuts two hosts off from each other; NULL stands for all others. What is under way and what is sent waits, as segments do
 * that are sent again and again; then -ETIMEDOUT on the sender's side. Nobody else is told. */
KT_API void kt_test_network_cut(kt_test_network *n, const char *host, const char *other);

/* Takes a cut with the same two back: what waits is on its way again. Without such a cut, nothing. */
KT_API void kt_test_network_heal(kt_test_network *n, const char *host, const char *other);

/* Resets all connections between two hosts, on both sides at once (-ECONNRESET); NULL stands for all. How many. */
KT_API size_t kt_test_network_reset(kt_test_network *n, const char *host, const char *other);

/* The host dies without a word: its connections end with -ENETDOWN on its own side, its listeners accept no more
 * (KT_ECLOSED), and others hear nothing: half-open connections. */
KT_API void kt_test_network_down(kt_test_network *n, const char *host);

/* It is back, and knows nothing of its connections: who sends on them is reset. */
KT_API void kt_test_network_up(kt_test_network *n, const char *host);

/* Connections that are open on at least one side. */
KT_API size_t kt_test_network_connections(kt_test_network *n);

static inline void kt_test_network_cleanup(kt_test_network **n)
{
    kt_test_network_close(*n);
}

KT_END

#endif
