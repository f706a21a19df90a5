# SPDX-License-Identifier: MIT
# Needs: Python 3.12
"""Tasks that begin in the call that makes them: done at once, waiting, failing, in limits, and in each other."""

import asyncio

from say import U, say


def eager(coro, name=None):
    loop = asyncio.get_running_loop()
    return asyncio.Task(coro, loop=loop, eager_start=True, name=name)


async def at_once(n):
    say('runs', n, asyncio.current_task().get_name())
    return n


async def waits(name):
    say(name, 'begins')
    try:
        await asyncio.sleep(U)
    except asyncio.CancelledError:
        say(name, 'cancelled')
        raise
    say(name, 'ends')


async def fails():
    raise ValueError('at once')


async def nests():
    say('outer begins')
    t = eager(waits('inner'))
    say('outer goes on', t.done())
    await t
    say('outer ends')


async def limited():
    async with asyncio.timeout(U / 2):
        await asyncio.sleep(U)


async def main():
    asyncio.current_task().set_name('main')
    t = eager(at_once(1), 'one')
    say('done', t.done(), t.result(), asyncio.current_task().get_name())
    t = eager(waits('A'))
    say('done', t.done())
    t.cancel()
    await asyncio.wait([t])
    say('cancelled', t.cancelled())
    t = eager(fails())
    say('done', t.done(), 'failed', isinstance(t.exception(), ValueError))
    await eager(nests())
    t = eager(limited())
    try:
        await t
    except TimeoutError:
        say('timeout')
    ts = [eager(at_once(n), f'n{n}') for n in (2, 3)] + [eager(waits('B'))]
    done, pending = await asyncio.wait(ts, return_when=asyncio.FIRST_COMPLETED)
    say('wait', len(done), len(pending))
    say('gathered', await asyncio.gather(*ts[:2]))
    await ts[2]
    lock = asyncio.Lock()
    await lock.acquire()
    async def locked():
        async with lock:
            say('locked')
    t = eager(locked())
    say('before the release')
    lock.release()
    await t


asyncio.run(main())
