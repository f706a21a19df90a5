# SPDX-License-Identifier: MIT
"""Callbacks of a connection: made, data, end of file, lost; reading paused and resumed, protocols swapped, aborted."""

import asyncio

from say import U, say


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        say('server: made')

    def data_received(self, data):
        say('server: data', data)
        self.transport.write(data.upper())

    def eof_received(self):
        say('server: eof')
        self.transport.write(b'bye')
        return False

    def connection_lost(self, exc):
        say('server: lost', exc)


class Client(asyncio.Protocol):
    def __init__(self, name, lost):
        self.name, self.lost = name, lost

    def connection_made(self, transport):
        say(self.name, 'made, closing', transport.is_closing())

    def data_received(self, data):
        say(self.name, 'data', data)

    def eof_received(self):
        say(self.name, 'eof')

    def connection_lost(self, exc):
        say(self.name, 'lost', exc)
        self.lost.set()


async def connect(port, name):
    loop, lost = asyncio.get_running_loop(), asyncio.Event()
    transport, _ = await loop.create_connection(lambda: Client(name, lost), '127.0.0.1', port)
    return transport, lost


async def half_closed(port):
    transport, lost = await connect(port, 'A')
    transport.write(b'one')
    await asyncio.sleep(U)
    transport.pause_reading()
    say('reading', transport.is_reading())
    transport.write(b'two')
    await asyncio.sleep(U)
    say('resumes')
    transport.resume_reading()
    await asyncio.sleep(U)
    say('can write eof', transport.can_write_eof())
    transport.write_eof()
    await lost.wait()


async def swapped(port):
    transport, lost = await connect(port, 'B')
    transport.write(b'three')
    await asyncio.sleep(U)
    transport.set_protocol(Client('C', lost))
    transport.write(b'four')
    await asyncio.sleep(U)
    transport.close()
    say('closing', transport.is_closing())
    await lost.wait()
    await asyncio.sleep(U)


async def aborted(port):
    transport, lost = await connect(port, 'D')
    await asyncio.sleep(U)
    transport.write(bytes(8_000_000))
    say('buffered', transport.get_write_buffer_size() > 0)
    transport.abort()
    say('closing', transport.is_closing(), 'buffered', transport.get_write_buffer_size() > 0)
    await lost.wait()


class Silent(asyncio.Protocol):
    def connection_made(self, transport):
        transport.pause_reading()


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    await half_closed(port)
    await swapped(port)
    server.close()
    server = await loop.create_server(Silent, '127.0.0.1', 0)
    await aborted(server.sockets[0].getsockname()[1])
    server.close()


asyncio.run(main())
