# SPDX-License-Identifier: MIT
"""Readiness is told again until the bytes are taken; an end of file is readable; a removed one is not told."""

import asyncio
import socket

from say import U, say


async def main():
    loop = asyncio.get_running_loop()
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    over = loop.create_future()
    seen = 0

    def readable():
        nonlocal seen
        seen += 1
        say('readable', seen)
        if seen == 3:
            say('took', b.recv(10))
            loop.remove_reader(b)
            over.set_result(None)

    loop.add_reader(b, readable)
    await asyncio.sleep(U)
    say('nothing so far')
    a.send(b'xy')
    await over
    a.send(b'z')
    await asyncio.sleep(U)
    say('not told, took', b.recv(10))

    written = loop.create_future()

    def writable():
        say('writable')
        loop.remove_writer(a)
        written.set_result(None)

    loop.add_writer(a, writable)
    await written
    ended = loop.create_future()

    def at_end():
        say('end of file', b.recv(10))
        loop.remove_reader(b)
        ended.set_result(None)

    loop.add_reader(b, at_end)
    a.close()
    await ended
    say('removed again', loop.remove_reader(b))
    b.close()


asyncio.run(main())
