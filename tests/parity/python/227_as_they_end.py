# SPDX-License-Identifier: MIT
"""Tasks in the order in which they end: failures and cancellations among them, limits, and leaving early."""

import asyncio

from say import U, say


async def ends(name, units, fails=False):
    await asyncio.sleep(units * U)
    if fails:
        raise ValueError(name)
    return name


def start(*what):
    return [asyncio.create_task(ends(*w)) for w in what]


async def mixed():
    ts = start(('A', 3), ('B', 1, True), ('C', 2), ('D', 9))
    asyncio.get_running_loop().call_later(2.5 * U, ts[3].cancel)
    for nth in asyncio.as_completed(ts):
        try:
            say('got', await nth)
        except ValueError as e:
            say('failed', e)
        except asyncio.CancelledError:
            say('cancelled')


async def together():
    ts = start(('E', 1), ('F', 1), ('G', 1))
    await asyncio.sleep(2 * U)
    say('got', sorted([await nth for nth in asyncio.as_completed(ts)]))


async def limited():
    ts = start(('H', 1), ('I', 5), ('J', 5))
    try:
        for nth in asyncio.as_completed(ts, timeout=2 * U):
            say('got', await nth)
    except TimeoutError:
        say('timeout, done', [t.done() for t in ts])
    say('later', await asyncio.gather(*ts))


async def left_early():
    ts = start(('K', 1), ('L', 2))
    for nth in asyncio.as_completed(ts):
        say('first', await nth)
        break
    say('other', await ts[1])


async def waiter_cancelled():
    ts = start(('M', 3), ('N', 3))
    async def consumer():
        for nth in asyncio.as_completed(ts):
            say('got', await nth)
    t = asyncio.create_task(consumer())
    await asyncio.sleep(U)
    t.cancel()
    await asyncio.wait([t])
    say('consumer cancelled', t.cancelled(), 'done', [x.done() for x in ts])
    say('later', await asyncio.gather(*ts))


async def main():
    for part in (mixed, together, limited, left_early, waiter_cancelled):
        await part()


asyncio.run(main())
