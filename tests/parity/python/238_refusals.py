# SPDX-License-Identifier: MIT
"""What a program must not do is refused, and says why."""

import asyncio

from say import say


async def refused(label, what):
    try:
        result = what()
        if asyncio.iscoroutine(result):
            await result
        say(label, 'allowed')
    except (RuntimeError, ValueError, asyncio.InvalidStateError):
        say(label, 'refused')


async def idle():
    await asyncio.sleep(0)


def nested():
    inner = idle()
    try:
        asyncio.run(inner)
    finally:
        inner.close()




async def reuses_timeout():
    limit = asyncio.timeout(None)
    async with limit:
        pass
    limit.reschedule(1)


async def main():
    await refused('release of a free lock', asyncio.Lock().release)
    permits = asyncio.BoundedSemaphore(1)
    await permits.acquire()
    permits.release()
    await refused('one release too many', permits.release)
    plain = asyncio.Semaphore(1)
    await refused('one of a plain semaphore', plain.release)
    q = asyncio.Queue()
    q.put_nowait(1)
    q.task_done()
    await refused('one report too many', q.task_done)
    c = asyncio.Condition()
    await refused('wait without the lock', c.wait)
    await refused('notify without the lock', c.notify)
    f = asyncio.get_running_loop().create_future()
    await refused('a result too early', f.result)
    f.set_result(1)
    await refused('a second result', lambda: f.set_result(2))
    t = asyncio.create_task(idle())
    await refused('a running task\'s result', t.result)
    await t
    await refused('its result afterwards', t.result)
    await refused('a loop in a loop', nested)
    await refused('a limit that is over', reuses_timeout)
    await refused('nobody at a barrier', lambda: asyncio.Barrier(0))


asyncio.run(main())
