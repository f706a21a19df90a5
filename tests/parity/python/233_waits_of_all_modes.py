# SPDX-License-Identifier: MIT
"""Waiting for several: each mode with ends, failures and cancellations, limits that pass, and waiting again."""

import asyncio

from say import U, say

MODES = {'all': asyncio.ALL_COMPLETED, 'first': asyncio.FIRST_COMPLETED, 'failure': asyncio.FIRST_EXCEPTION}


async def ends(units, how='ok'):
    await asyncio.sleep(units * U)
    if how == 'fails':
        raise ValueError
    if how == 'cancelled':
        raise asyncio.CancelledError


def start(*what):
    return [asyncio.create_task(ends(*w)) for w in what]


async def wait(label, ts, mode, units=None):
    done, pending = await asyncio.wait(ts, return_when=MODES[mode], timeout=None if units is None else units * U)
    say(label, mode, [t.done() for t in ts], len(done), len(pending))


async def finish(ts):
    await asyncio.wait(ts)
    for t in ts:
        if not t.cancelled():
            t.exception()


async def main():
    for mode in MODES:
        ts = start((1,), (2, 'fails'), (3, 'cancelled'))
        await wait('mixed', ts, mode)
        await finish(ts)
    for mode in MODES:
        ts = start((1, 'cancelled'), (2,), (3,))
        await wait('cancelled first', ts, mode)
        await finish(ts)
    for mode in MODES:
        ts = start((1,), (4,))
        await wait('limited', ts, mode, 2.5)
        await wait('again', ts, mode, 0)
        await wait('again', ts, mode)
        await finish(ts)
    ts = start((0,), (0, 'fails'))
    await finish(ts)
    for mode in MODES:
        asyncio.get_running_loop().call_soon(say, 'a turn for others')
        await wait('over', ts, mode)
    ts = start((9,), (9,))
    t = asyncio.create_task(wait('never', ts, 'all'))
    await asyncio.sleep(U)
    t.cancel()
    await asyncio.wait([t])
    say('waiter cancelled', t.cancelled(), [x.done() for x in ts])
    ts[0].cancel()
    await wait('after a cancel', ts, 'first')
    ts[1].cancel()
    await wait('after both', ts, 'all')


asyncio.run(main())
