# SPDX-License-Identifier: MIT
# Needs: Python 3.13
"""A reader that is fed by hand: units that come in pieces, several separators, limits, ends and errors."""

import asyncio

from say import say


async def line(r):
    say('line', await r.readline())


async def pieces():
    r = asyncio.StreamReader()
    t = asyncio.create_task(line(r))
    for piece in (b'on', b'e', b'\ntwo\nthr'):
        await asyncio.sleep(0)
        say('done', t.done())
        r.feed_data(piece)
    await t
    await line(r)
    r.feed_data(b'ee\n')
    await line(r)
    t = asyncio.create_task(r.readexactly(6))
    r.feed_data(b'abc')
    await asyncio.sleep(0)
    say('done', t.done(), 'at end', r.at_eof())
    r.feed_data(b'defg')
    say('exactly', await t, 'then', await r.read(10))
    r.feed_eof()
    say('end', await r.read(10), 'at end', r.at_eof())


async def separators():
    r = asyncio.StreamReader()
    r.feed_data(b'a=1;b=2\nc')
    for _ in range(4):
        say('until', await r.readuntil((b'=', b';', b'\n')))
    r.feed_eof()
    try:
        await r.readuntil((b'=', b';'))
    except asyncio.IncompleteReadError as e:
        say('incomplete', e.partial)


async def limits():
    r = asyncio.StreamReader(limit=8)
    r.feed_data(b'short\n0123456789abc')
    await line(r)
    try:
        await r.readuntil(b'\n')
    except asyncio.LimitOverrunError:
        say('too long')
    say('still there', await r.readexactly(10))
    t = asyncio.create_task(r.readuntil(b'\n'))
    await asyncio.sleep(0)
    t.cancel()
    await asyncio.wait([t])
    r.feed_data(b'd\n')
    say('nothing lost', await r.readuntil(b'\n'))


async def broken():
    r = asyncio.StreamReader()
    t = asyncio.create_task(r.read(10))
    await asyncio.sleep(0)
    r.set_exception(ConnectionResetError())
    try:
        await t
    except ConnectionResetError:
        say('reset')
    try:
        await r.read(10)
    except ConnectionResetError:
        say('reset again')


async def main():
    for part in (pieces, separators, limits, broken):
        await part()


asyncio.run(main())
