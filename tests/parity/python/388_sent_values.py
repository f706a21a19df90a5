# SPDX-License-Identifier: MIT
"""A generator is sent values, waits between them, and cleans up when it is closed."""

import asyncio

from say import say


async def averager(name):
    total = n = value = 0
    try:
        while True:
            got = yield value
            await asyncio.sleep(0)
            if got < 0:
                say(name, 'has enough')
                return
            total += got
            n += 1
            value = total // n
    finally:
        say(name, 'closing')
        await asyncio.sleep(0)
        say(name, 'closed')


async def main():
    g = averager('G')
    say('first', await g.asend(None))
    for value in (10, 20, 60):
        say('sent', value, 'got', await g.asend(value))
    await g.aclose()
    say('main closed G')
    h = averager('H')
    say('first', await h.asend(None))
    try:
        await h.asend(-1)
    except StopAsyncIteration:
        say('H ended')
    i = averager('I')
    await i.aclose()
    say('main closed I')


asyncio.run(main())
