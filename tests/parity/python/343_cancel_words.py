# SPDX-License-Identifier: MIT
"""The words of a cancellation: seen by the task itself and by who waits for it, through chains, groups and limits."""

import asyncio

from say import U, say


def words(e):
    return e.args[0] if e.args else None


async def sleeper(name):
    try:
        await asyncio.sleep(50 * U)
    except asyncio.CancelledError as e:
        say(name, 'cancelled', words(e))
        raise


async def waiter(name, t):
    try:
        await t
    except asyncio.CancelledError as e:
        say(name, 'cancelled', words(e))
        raise


async def outcome(name, t):
    await asyncio.wait([t])
    try:
        t.result()
    except asyncio.CancelledError as e:
        say(name, 'ended', words(e))


async def plain():
    for text in ('enough', None):
        t = asyncio.create_task(sleeper('A'))
        await asyncio.sleep(U)
        t.cancel(text)
        try:
            await t
        except asyncio.CancelledError as e:
            say('main', words(e))


async def through_a_chain():
    leaf = asyncio.create_task(sleeper('leaf'))
    mid = asyncio.create_task(waiter('mid', leaf))
    top = asyncio.create_task(waiter('top', mid))
    await asyncio.sleep(U)
    top.cancel('from above')
    await outcome('top', top)
    say('all', leaf.cancelled(), mid.cancelled(), top.cancelled())


async def of_the_leaf():
    leaf = asyncio.create_task(sleeper('leaf'))
    top = asyncio.create_task(waiter('top', leaf))
    await asyncio.sleep(U)
    leaf.cancel('only me')
    await outcome('top', top)


async def never_begun():
    t = asyncio.create_task(sleeper('B'))
    t.cancel('too soon')
    t.cancel('still too soon')
    await outcome('B', t)


async def twice():
    t = asyncio.create_task(sleeper('C'))
    await asyncio.sleep(U)
    t.cancel('first')
    t.cancel('second')
    await outcome('C', t)


async def twice_through_a_chain():
    leaf = asyncio.create_task(sleeper('leaf'))
    top = asyncio.create_task(waiter('top', leaf))
    await asyncio.sleep(U)
    top.cancel('first')
    top.cancel('second')
    await outcome('top', top)


async def caught_and_again():
    async def stubborn():
        for _ in range(2):
            try:
                await asyncio.sleep(50 * U)
            except asyncio.CancelledError as e:
                say('D swallows', words(e))
        await asyncio.sleep(0)
        return 1
    t = asyncio.create_task(stubborn())
    await asyncio.sleep(U)
    t.cancel('one')
    await asyncio.sleep(U)
    t.cancel('two')
    say('D gave', await t, 'count', t.cancelling())


async def itself():
    async def body():
        asyncio.current_task().cancel('my own')
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as e:
            say('E', words(e))
            raise
    await outcome('E', asyncio.create_task(body()))


async def limited():
    async def body():
        try:
            async with asyncio.timeout(50 * U):
                await asyncio.sleep(60 * U)
        except asyncio.CancelledError as e:
            say('F', words(e))
            raise
    t = asyncio.create_task(body())
    await asyncio.sleep(U)
    t.cancel('stop F')
    await outcome('F', t)


async def gathered():
    t = asyncio.create_task(sleeper('H'))
    g = asyncio.create_task(waiter('gatherer', asyncio.gather(t, sleeper('I'))))
    await asyncio.sleep(U)
    g.cancel('all of you')
    await outcome('gatherer', g)


async def main():
    for part in (plain, through_a_chain, of_the_leaf, never_begun, twice,
                 twice_through_a_chain, caught_and_again, itself, limited, gathered):
        await part()


asyncio.run(main())
