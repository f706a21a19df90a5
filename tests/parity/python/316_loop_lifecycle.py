# SPDX-License-Identifier: MIT
"""A loop exists while it runs: none outside, none inside another, one after the other; what main does is the result."""

import asyncio

from say import say


async def gives(n):
    await asyncio.sleep(0)
    return n


async def nested():
    inner = gives(3)
    try:
        asyncio.run(inner)
    except RuntimeError:
        inner.close()
        say('nested refused')


async def fails():
    raise ValueError('boom')


async def cancels_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(0)


def has_loop():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def inside():
    say('inside', has_loop())


say('outside', has_loop())
asyncio.run(inside())
say('afterwards', has_loop())
asyncio.run(nested())
say('run gave', asyncio.run(gives(1)))
say('run gave', asyncio.run(gives(2)))
try:
    asyncio.run(fails())
except ValueError as e:
    say('run raised', e)
try:
    asyncio.run(cancels_itself())
except asyncio.CancelledError:
    say('run cancelled')
