# SPDX-License-Identifier: MIT
"""A cancelled read loses nothing, nor one that times out; a line beyond the limit is told, its bytes stay."""

import asyncio

from say import U, say


async def line(reader, name):
    try:
        say(name, 'got', await reader.readuntil())
    except asyncio.CancelledError:
        say(name, 'cancelled')
        raise


async def main():
    reader = asyncio.StreamReader(limit=8)
    reader.feed_data(b'ab')
    t = asyncio.create_task(line(reader, 'A'))
    await asyncio.sleep(U)
    t.cancel()
    await asyncio.wait([t])
    try:
        await asyncio.wait_for(reader.readuntil(), U)
    except asyncio.TimeoutError:
        say('timeout')
    reader.feed_data(b'c\nd')
    await line(reader, 'main')
    t = asyncio.create_task(line(reader, 'B'))
    await asyncio.sleep(U)
    reader.feed_data(b'e\n')
    await t
    reader.feed_data(b'0123456789\n')
    try:
        await reader.readuntil()
    except asyncio.LimitOverrunError:
        say('too long')
    say('read', await reader.readexactly(11))
    reader.feed_data(b'rest')
    reader.feed_eof()
    try:
        await reader.readuntil()
    except asyncio.IncompleteReadError as e:
        say('incomplete', e.partial)
    say('at the end', await reader.read(5))


asyncio.run(main())
