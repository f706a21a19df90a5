# SPDX-License-Identifier: MIT
"""Scopes entered at run time are left in reverse, told how the body ended, may wait and may swallow."""

import asyncio
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from say import U, say


def kind(e):
    return 'none' if e is None else 'cancelled' if isinstance(e, asyncio.CancelledError) else str(e)


async def told(name, swallow, e):
    say(name, 'told', kind(e))
    await asyncio.sleep(0)
    say(name, 'left')
    return swallow


def push(stack, name, swallow=False):
    async def on_exit(_type, e, _trace):
        return await told(name, swallow, e)
    stack.push_async_exit(on_exit)


async def plain():
    async with AsyncExitStack() as stack:
        push(stack, 'A')
        stack.push_async_callback(told, 'B', False, None)
        say('body')
    say('after')


async def failing(swallow):
    async with AsyncExitStack() as stack:
        push(stack, 'C')
        push(stack, 'D', swallow)
        push(stack, 'E')
        raise ValueError('boom')
    say('swallowed')


async def handed_on():
    async with AsyncExitStack() as stack:
        push(stack, 'F')
        kept = stack.pop_all()
        push(stack, 'G')
    say('F is kept')
    await kept.aclose()


async def cancelled():
    async with AsyncExitStack() as stack:
        push(stack, 'H')
        push(stack, 'I')
        await asyncio.sleep(50 * U)


@asynccontextmanager
async def resource(name):
    say(name, 'acquired')
    try:
        yield name
    except ValueError as e:
        say(name, 'sees', e)
        raise
    finally:
        await asyncio.sleep(0)
        say(name, 'released')


async def managers():
    try:
        async with resource('J') as j, resource('K') as k:
            say('using', j, k)
            raise ValueError('broken')
    except ValueError as e:
        say('caught', e)


async def items():
    try:
        for i in range(3):
            yield i
    finally:
        await asyncio.sleep(0)
        say('items closed')


async def broken_off():
    async with aclosing(items()) as it:
        async for i in it:
            say('item', i)
            if i == 1:
                break
    say('after the loop')


async def main():
    await plain()
    try:
        await failing(False)
    except ValueError as e:
        say('raised', e)
    await failing(True)
    await handed_on()
    t = asyncio.create_task(cancelled())
    await asyncio.sleep(U)
    t.cancel()
    await asyncio.wait([t])
    say('cancelled', t.cancelled())
    await managers()
    await broken_off()


asyncio.run(main())
