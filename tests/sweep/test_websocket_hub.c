/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <kettle/stream.h>
#include <kettle/websocket_hub.h>

enum { ROOM = 1000, LONG = 5000 };

static const char much[LONG];

typedef struct place {
    kt_websocket_hub *hub;
    kt_websocket *near, *far;
} place;

static place place_open(kt_websocket_slow slow)
{
    const kt_websocket_hub_options o = {.slow = slow, .queue_bytes_max = LONG};
    kt_stream *two[2];
    place p = {NULL, NULL, NULL};
    sure(kt_websocket_hub_new(&o, &p.hub));
    sure(kt_stream_memory_pair(ROOM, two));
    sure(kt_websocket_over(two[0], false, NULL, &p.near));
    sure(kt_websocket_over(two[1], true, NULL, &p.far));
    return p;
}

static int drinks(void *arg)
{
    kt_websocket_message m;
    int rc;
    while ((rc = kt_websocket_read(arg, &m)) > 0)
        ;
    return rc;
}

static void place_close(place *p)
{
    kt_task *drinker = spawn(drinks, p->far, 0);
    kt_websocket_close(kt_steal(p->near));
    (void)!kt_task_join(drinker); /* a frame may have been cut */
    kt_websocket_close(kt_steal(p->far));
    kt_websocket_hub_free(kt_steal(p->hub));
}

SWEEP(kt_websocket_hub_new, ALLOCATES)
{
    kt_websocket_hub *hub = NULL;
    int rc = SWEPT(kt_websocket_hub_new, (NULL, &hub));
    CHECK_EQ(!hub, rc < 0);
    kt_websocket_hub_free(hub);
}

static int frees(void *arg)
{
    SWEPT(kt_websocket_hub_free, (arg));
    return 0;
}

SWEEP(kt_websocket_hub_free, SUSPENDS | HOLDS)
{
    place p = place_open(KT_WEBSOCKET_DROP_OLDEST);
    sure(kt_websocket_hub_subscribe(p.hub, p.near, "a"));
    CHECK_EQ(kt_websocket_hub_publish(p.hub, "a", KT_WEBSOCKET_BINARY, much, LONG), 1);
    settle();
    sweep_begin(frees, kt_steal(p.hub));
    (void)!sweep_end();
    place_close(&p);
}

SWEEP(kt_websocket_hub_subscribe, ALLOCATES)
{
    place p = place_open(KT_WEBSOCKET_DROP_OLDEST);
    int rc = SWEPT(kt_websocket_hub_subscribe, (p.hub, p.near, "a"));
    CHECK_EQ(kt_websocket_hub_count(p.hub, "a"), rc == 0);
    place_close(&p);
}

SWEEP(kt_websocket_hub_unsubscribe, PLAIN)
{
    place p = place_open(KT_WEBSOCKET_DROP_OLDEST);
    sure(kt_websocket_hub_subscribe(p.hub, p.near, "a"));
    SWEPT(kt_websocket_hub_unsubscribe, (p.hub, p.near, "a"));
    CHECK_EQ(kt_websocket_hub_count(p.hub, NULL), 0);
    place_close(&p);
}

SWEEP(kt_websocket_hub_count, PLAIN)
{
    place p = place_open(KT_WEBSOCKET_DROP_OLDEST);
    CHECK_EQ(SWEPT(kt_websocket_hub_count, (p.hub, "a")), 0);
    place_close(&p);
}

static int publishes(void *arg)
{
    int rc = SWEPT(kt_websocket_hub_publish, (arg, "a", KT_WEBSOCKET_BINARY, much, LONG));
    return rc < 0 ? rc : 0;
}

/* The queue is full; who has no memory for it, or is cut, is not counted. */
SWEEP(kt_websocket_hub_publish, SUSPENDS | ALLOCATES | SPARES)
{
    place p = place_open(KT_WEBSOCKET_WAIT);
    sure(kt_websocket_hub_subscribe(p.hub, p.near, "a"));
    CHECK_EQ(kt_websocket_hub_publish(p.hub, "a", KT_WEBSOCKET_BINARY, much, LONG), 1);
    sweep_begin(publishes, p.hub);
    settle();
    kt_task *drinker = spawn(drinks, p.far, 0);
    (void)!sweep_end();
    kt_websocket_close(kt_steal(p.near));
    (void)!kt_task_join(drinker);
    kt_websocket_close(kt_steal(p.far));
    kt_websocket_hub_free(kt_steal(p.hub));
}
