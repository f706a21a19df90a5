# SPDX-License-Identifier: MIT
# Needs: Python 3.12
"""Limits that are moved, taken away, set for a point in time, nested, caught inside; and timers of equal times."""

import asyncio

from say import U, say


async def main():
    loop = asyncio.get_running_loop()
    begin = loop.time()

    def at():
        return int((loop.time() - begin) / U + .1)  # what is late, is late by less than a unit

    async with asyncio.timeout(None) as limit:
        say('when', limit.when())
        limit.reschedule(begin + 2 * U)
        await asyncio.sleep(U)
        limit.reschedule(begin + 4 * U)
        await asyncio.sleep(2 * U)
        limit.reschedule(None)
        await asyncio.sleep(2 * U)
    say('expired', limit.expired(), 'at', at())
    begin = loop.time()
    try:
        async with asyncio.timeout_at(begin + U) as limit:
            try:
                await asyncio.sleep(5 * U)
            finally:
                say('body ends at', at(), 'expired', limit.expired())
                await asyncio.sleep(U)
    except TimeoutError:
        say('timeout at', at())
    begin = loop.time()
    try:
        async with asyncio.timeout(3 * U) as outer:
            try:
                async with asyncio.timeout(U) as inner:
                    await asyncio.sleep(9 * U)
            except TimeoutError:
                say('inner', inner.expired(), outer.expired(), 'at', at())
            await asyncio.sleep(9 * U)
    except TimeoutError:
        say('outer', outer.expired(), 'at', at())
    begin = loop.time()
    try:
        async with asyncio.timeout(U) as outer:
            async with asyncio.timeout(3 * U) as inner:
                await asyncio.sleep(9 * U)
    except TimeoutError:
        say('outer alone', inner.expired(), outer.expired(), 'at', at())
    begin = loop.time()
    async with asyncio.timeout(U) as limit:
        try:
            await asyncio.sleep(9 * U)
        except asyncio.CancelledError:
            say('swallowed, count', asyncio.current_task().cancelling(), asyncio.current_task().uncancel())
        await asyncio.sleep(U)
    say('went on', limit.expired(), 'at', at(), 'count', asyncio.current_task().cancelling())
    try:
        await asyncio.wait_for(asyncio.sleep(9 * U), 0)
    except TimeoutError:
        say('no time at all')
    say('in time', await asyncio.wait_for(asyncio.sleep(0, 'value'), None))
    for name, units in (('c', 2), ('a', 1), ('d', 3), ('b', 1.5)):
        loop.call_later(units * U, say, name)
    h = loop.call_later(2.5 * U, say, 'never')
    say('cancelled', h.cancelled())
    h.cancel()
    say('cancelled', h.cancelled())
    await asyncio.sleep(4 * U)


asyncio.run(main())
