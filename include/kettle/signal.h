/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_SIGNAL_H
#define KETTLE_SIGNAL_H

/* Signals as callbacks of the loop, where anything may be called that does not suspend.
 *
 *     static void reload(void *arg) { kt_event_set(arg); }
 *
 *     kt_auto(kt_signal) hup = KT_SIGNAL_INIT;
 *     int rc = kt_signal_handle(&hup, SIGHUP, reload, &wanted);
 *
 * The signal's handler is taken while the kt_signal is in use and given back afterwards, at the loop's end
 * at the latest; it runs on the alternate stack and only notes the number. Signals that come in quick
 * succession may be delivered as one, as the system itself does. A handler for SIGINT or SIGTERM replaces
 * kt_run's cancelling. */

#include <kettle/callback.h>

KT_BEGIN

/* In the caller's storage; linked by address while in use. */
typedef struct kt_signal {
    kt__timer timer;
    kt_loop *loop; /* while it is in use */
    int number;
    void (*fn)(void *arg);
    void *arg;
    struct kt_signal *next;
    struct kt__setting *context; /* of whoever handles it; see context.h */
    uintptr_t reserved[1];
} kt_signal;

#define KT_SIGNAL_INIT \
    {{{NULL, NULL, NULL, 0}, 0, 0, NULL, NULL, NULL, 0}, NULL, 0, NULL, NULL, NULL, NULL, {0}}

/* Calls fn(arg) on the loop, outside any task but with the context values of the caller, whenever the signal comes,
 * until the release. 0; -EINVAL for a
 * number that cannot be caught; -EBUSY when some kt_signal of the process has this one; KT_ENOTSIM under the
 * simulated driver. On the loop's thread. Does not suspend. Like loop.add_signal_handler. */
KT_API int kt_signal_handle(kt_signal *s, int number, void (*fn)(void *arg), void *arg) KT_CHECKED;

/* Gives the signal back; one that is not in use is allowed. Like loop.remove_signal_handler. */
KT_API void kt_signal_release(kt_signal *s);

static inline void kt_signal_cleanup(kt_signal *s)
{
    kt_signal_release(s);
}

KT_END

#endif
