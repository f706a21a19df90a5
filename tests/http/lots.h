/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_LOTS_H
#define TESTS_HTTP_LOTS_H

/* What the tests by lot share: lots, and the bodies, networks and worlds that are drawn by them. */

#include <kettle/kettle.h>
#include <kettle/test.h>
#include <kettle/test_network.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Lots (SplitMix64) ------------------------------------------------------------------------- */

static inline uint64_t draw(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline size_t below(uint64_t *random, size_t limit)
{
    return (size_t)(draw(random) % limit);
}

/* Never, if n is 0. */
static inline bool one_in(uint64_t *random, unsigned n)
{
    return n > 0 && below(random, n) == 0;
}

static inline size_t one_of(uint64_t *random, const size_t *values, size_t count)
{
    return values[below(random, count)];
}

#define ONE_OF(random, ...) \
    one_of((random), (const size_t[]){__VA_ARGS__}, sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t))

/* Mostly little, sometimes much. */
static inline size_t some_bytes(uint64_t *random, size_t max)
{
    return below(random, 1 + (size_t)ONE_OF(random, 0, 1, 130, max / 16, max / 4, max)) % (max + 1);
}

static inline kt_time some_time(uint64_t *random, kt_time max)
{
    return below(random, 3) == 0 ? 0 : (kt_time)below(random, (size_t)max + 1);
}

static inline int rests(uint64_t *random, kt_time max)
{
    kt_time t = some_time(random, max);
    return t > 0 ? kt_sleep(t) : 0;
}

/* ---- Bodies ------------------------------------------------------------------------------------ */

/* The byte of a body that belongs to this number and nobody else's. */
static inline char letter(unsigned number, size_t at)
{
    return (char)('A' + (number * 7 + at % 1021 + at / 1021) % 57);
}

static inline void fill(char *bytes, size_t size, unsigned number, size_t at)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = letter(number, at + i);
}

static inline bool is_filled(const void *bytes, size_t size, unsigned number, size_t at)
{
    for (size_t i = 0; i < size; i++)
        if (((const char *)bytes)[i] != letter(number, at + i))
            return false;
    return true;
}

/* ---- Networks ---------------------------------------------------------------------------------- */

/* One after the other, since compilers differ in the order in which they fill a struct. */
static inline kt_test_network_options some_network(uint64_t *random)
{
    kt_test_network_options o = {.seed = 1 + below(random, 1000000)};
    o.latency = (kt_time)ONE_OF(random, 0, KT_US(50), KT_MS(2), KT_MS(50));
    o.jitter = (kt_time)ONE_OF(random, 0, 0, KT_US(30), KT_MS(10));
    o.segment_max = ONE_OF(random, 1, 7, 100, 1460, 1460, 16384);
    o.window = ONE_OF(random, 100, 5000, 65536, 131072);
    return o;
}

/* ---- Worlds ------------------------------------------------------------------------------------ */

/* How many there are: as KETTLE_TEST_SEEDS says, or so many. */
static inline uint64_t worlds(uint64_t standard)
{
    const char *text = getenv("KETTLE_TEST_SEEDS");
    return text ? strtoull(text, NULL, 10) : standard;
}

KT_FN(in_world, a, struct { int (*world)(uint64_t seed, void *arg); uint64_t seed; void *arg; })
{
    return a->world(a->seed, a->arg);
}

static inline void run_world(uint64_t seed, int (*world)(uint64_t seed, void *arg), void *arg)
{
    const kt_options o = {.driver = KT_DRIVER_SIM, .virtual_time = true, .seed = seed};
    printf("seed %llu\n", (unsigned long long)seed);
    CHECK_OK(kt_run_with(&o, KT_WITH(in_world, .world = world, .seed = seed, .arg = arg)));
}

/* Runs one for each seed up to that, from 1 or KETTLE_TEST_SEED on. Not twice each, as kt_test_seeds does: with the
 * date in answers over HTTP/2, with keys and signatures, some of which are longer, twice is not the same. */
static inline void each_world(uint64_t last, int (*world)(uint64_t seed, void *arg), void *arg)
{
    const char *first = getenv("KETTLE_TEST_SEED");
    setenv("KETTLE_DRIVER", "sim", 1);
    for (uint64_t seed = first ? strtoull(first, NULL, 10) : 1; seed <= last; seed++)
        run_world(seed, world, arg);
}

#endif
