/* SPDX-License-Identifier: MIT */

/* Resource pool. A permit of the semaphore is the right to have one resource, idle or new; its
 * line is the pool's. Who holds a permit has at most one resource, one that is being destroyed
 * counted in, so there are never more than `max`. A keeper task destroys what has been idle for
 * too long. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/pool.h>

#include "core/eyes.h"
#include "core/wait_until.h"

#define MAX 10
#define IDLE_MAX KT_S(300)

static unsigned pool_max(const kt_resource_pool *p)
{
    return p->max ? p->max : MAX;
}

static void destroy(kt_resource_pool *p, void *resource)
{
    kt_cancel_hold();
    if (p->destroy)
        p->destroy(resource, p->arg);
    kt_cancel_unhold();
    p->alive--;
    p->destroyed++;
}

/* ---- Idle resources ------------------------------------------------------------------------ */

static void idle_push(kt_resource_pool *p, void *resource)
{
    p->stack[p->idle++] = (kt__idle){resource, kt_now()};
    kt_event_set(&p->changed);
}

static void *idle_take_oldest(kt_resource_pool *p)
{
    void *resource = p->stack[0].resource;
    p->idle--;
    memmove(p->stack, p->stack + 1, p->idle * sizeof *p->stack);
    return resource;
}

/* When the keeper has to destroy the oldest; KT_FOREVER while there is none too many. */
static kt_time oldest_due(const kt_resource_pool *p)
{
    if (p->idle == 0 || p->alive <= p->min)
        return KT_FOREVER;
    return kt__deadline(p->stack[0].since, p->idle_max > 0 ? p->idle_max : IDLE_MAX);
}

/* It takes a permit while it destroys, as everybody who has a resource does. Without one at hand it
 * leaves the matter for a turn: who has been given the last ones takes the idle ones at once. */
static void destroy_old(kt_resource_pool *p)
{
    while (oldest_due(p) <= kt_now() && kt_semaphore_acquire_nowait(&p->permits) == 0) {
        destroy(p, idle_take_oldest(p));
        kt_semaphore_release(&p->permits);
    }
}

static int keep_house(void *arg)
{
    kt_resource_pool *p = arg;
    int rc = 0;
    while (rc >= 0) {
        kt_event_clear(&p->changed);
        destroy_old(p);
        rc = kt__event_wait_until(&p->changed, oldest_due(p));
    }
    return rc;
}

/* ---- Acquire and release ------------------------------------------------------------------- */

static void user_leaves(kt_resource_pool *p)
{
    if (--p->users == 0)
        kt_event_set(&p->unused);
}

static int create(kt_resource_pool *p, void **ret_resource)
{
    void *resource = NULL;
    p->alive++;
    int rc = p->create(&resource, p->arg);
    if (rc < 0) {
        p->alive--;
        return rc;
    }
    p->created++;
    *ret_resource = resource;
    return 0;
}

static bool needs_check(const kt_resource_pool *p, kt__idle idle)
{
    return p->check && (p->check_after <= 0 || kt_now() - idle.since >= p->check_after);
}

/* With a permit in hand. A task that is being cancelled must not check: each check would fail,
 * and the whole pool be destroyed for it. */
static int get_resource(kt_resource_pool *p, void **ret_resource)
{
    const kt_task *self = kt__self("kt_resource_pool_acquire");
    while (p->idle > 0) {
        kt__idle idle = p->stack[p->idle - 1];
        bool unsure = needs_check(p, idle);
        if (unsure && self->code)
            return kt_sleep(0);
        p->idle--;
        if (!unsure || p->check(idle.resource, p->arg) >= 0) {
            *ret_resource = idle.resource;
            return 0;
        }
        destroy(p, idle.resource);
    }
    return create(p, ret_resource);
}

static int wait_for_permit(kt_resource_pool *p)
{
    p->waiting++;
    int rc = kt_semaphore_acquire(&p->permits);
    p->waiting--;
    if (rc == 0 && p->closing) {
        kt_semaphore_release(&p->permits); /* the next in line is to go, too */
        rc = KT_ESHUTDOWN;
    }
    return rc;
}

int kt_resource_pool_acquire(kt_resource_pool *p, kt_lease *ret_lease)
{
    void *resource = NULL;
    if (!p->stack || p->opening || p->closing)
        return KT_ESHUTDOWN;
    p->users++;
    int rc = wait_for_permit(p);
    if (rc == 0) {
        rc = get_resource(p, &resource);
        if (rc < 0)
            kt_semaphore_release(&p->permits);
    }
    if (rc < 0) {
        user_leaves(p);
        return rc;
    }
    p->acquired++;
    *ret_lease = (kt_lease){resource, p};
    return 0;
}

void kt_lease_release(kt_lease *l)
{
    kt_resource_pool *p = kt_steal(l->pool);
    if (!p)
        return;
    idle_push(p, kt_steal(l->resource));
    kt_semaphore_release(&p->permits);
    user_leaves(p);
}

void kt_lease_discard(kt_lease *l)
{
    kt_resource_pool *p = kt_steal(l->pool);
    if (!p)
        return;
    destroy(p, kt_steal(l->resource));
    kt_semaphore_release(&p->permits);
    user_leaves(p);
}

/* ---- Open and close ------------------------------------------------------------------------ */

static void end_keeper(kt_resource_pool *p)
{
    if (!p->keeper)
        return;
    kt_task_cancel(p->keeper);
    kt_cancel_hold();
    int rc = kt_task_join(kt_steal(p->keeper));
    (void)rc; /* ends by its cancellation */
    kt_cancel_unhold();
}

static void destroy_all(kt_resource_pool *p)
{
    end_keeper(p);
    while (p->idle > 0)
        destroy(p, p->stack[--p->idle].resource);
    kt_free(kt_steal(p->stack));
    p->closing = false;
}

static int make_min(kt_resource_pool *p)
{
    int rc = 0;
    void *resource;
    while (rc == 0 && p->alive < p->min) {
        rc = create(p, &resource);
        if (rc == 0)
            idle_push(p, resource);
        if (rc == 0 && p->closing)
            rc = KT_ESHUTDOWN;
    }
    return rc;
}

int kt_resource_pool_open(kt_resource_pool *p)
{
    if (p->stack)
        kt__misuse("kt_resource_pool_open: the pool is open");
    if (!p->create || p->min > pool_max(p))
        kt__misuse("kt_resource_pool_open: needs a create function, and min <= max");
    p->stack = kt_calloc(pool_max(p), sizeof *p->stack);
    if (!p->stack)
        return -ENOMEM;
    p->permits = (kt_semaphore)KT_SEMAPHORE_INIT(pool_max(p));
    p->opening = true; /* nobody borrows before it is complete */
    p->users++;
    int rc = make_min(p);
    if (rc == 0)
        rc = kt_spawn_with(&(kt_spawn_options){.name = "pool keeper", .stack_now = true}, keep_house, p, 0, &p->keeper);
    if (rc < 0)
        destroy_all(p);
    else
        kt__opened(p, "a resource pool", KT__SITE, NULL);
    p->opening = false;
    user_leaves(p);
    return rc;
}

int kt_resource_pool_close(kt_resource_pool *p)
{
    if (!p->stack)
        return 0;
    if (!p->closing && p->waiting > 0)
        kt_semaphore_release(&p->permits); /* one too many, which runs through the line */
    p->closing = true;
    while (p->users > 0) {
        kt_event_clear(&p->unused);
        int rc = kt_event_wait(&p->unused);
        if (rc < 0)
            return rc;
    }
    if (!p->stack)
        return 0; /* what was being opened has been given up */
    destroy_all(p);
    kt__closed(p, "a resource pool");
    return 0;
}

void kt_resource_pool_cleanup(kt_resource_pool *p)
{
    kt_cancel_hold();
    int rc = kt_resource_pool_close(p);
    (void)rc; /* held back */
    kt_cancel_unhold();
}
