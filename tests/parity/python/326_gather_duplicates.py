# SPDX-License-Identifier: MIT
"""The same task twice in a gather runs once and has two slots."""

import asyncio

from say import U, say


async def work(name, units):
    say(name, 'runs')
    await asyncio.sleep(units * U)
    say(name, 'done')
    return name


async def fails():
    await asyncio.sleep(U)
    raise ValueError('boom')


async def main():
    a, b = asyncio.create_task(work('A', 2)), asyncio.create_task(work('B', 1))
    say('results', await asyncio.gather(a, b, a))
    f = asyncio.create_task(fails())
    say('errors', [str(e) for e in await asyncio.gather(f, f, return_exceptions=True)])
    c = asyncio.create_task(work('C', 9))
    g = asyncio.create_task(both(c))
    await asyncio.sleep(U)
    g.cancel()
    await asyncio.wait([g])
    say('cancelled', g.cancelled(), c.cancelled())


async def both(c):
    await asyncio.gather(c, c)


asyncio.run(main())
