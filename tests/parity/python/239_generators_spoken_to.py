# SPDX-License-Identifier: MIT
"""Generators that are spoken to: values sent, a failure told, two at once, closed before the start and at the end."""

import asyncio

from say import U, say


async def echo(name):
    say(name, 'begins')
    got = 'nothing'
    try:
        while got != 'stop':
            try:
                got = yield f'{name} heard {got}'
            except ValueError as e:
                got = f'failure {e}'
            await asyncio.sleep(0)
    finally:
        say(name, 'ends')


async def numbers(name, n, units):
    try:
        for i in range(n):
            await asyncio.sleep(units * U)
            yield i
    finally:
        say(name, 'closed')


async def consume(name, units):
    total = 0
    async for i in numbers(name, 3, units):
        say(name, i)
        total += i
    return total


async def main():
    g = echo('G')
    say(await anext(g))
    say(await g.asend('one'))
    say(await g.athrow(ValueError('two')))
    say(await g.asend('three'))
    try:
        await g.asend('stop')
    except StopAsyncIteration:
        say('G is over')
    say('next', await anext(g, 'none'))
    h = echo('H')
    await h.aclose()
    say('H never began')
    i = echo('I')
    await anext(i)
    await i.aclose()
    await i.aclose()
    say('next', await anext(i, 'none'))
    say('totals', await asyncio.gather(consume('J', 2), consume('K', 5)))
    say('listed', [i async for i in numbers('L', 3, 0)])
    say('some', [i * i async for i in numbers('M', 5, 0) if i % 2 == 0])
    t = asyncio.create_task(consume('N', 2))
    await asyncio.sleep(3 * U)
    t.cancel()
    await asyncio.wait([t])
    say('cancelled', t.cancelled())


asyncio.run(main())
