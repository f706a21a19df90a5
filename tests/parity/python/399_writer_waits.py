# SPDX-License-Identifier: MIT
"""Writing: small pieces do not wait, many bytes wait for a reader, and the writer is told of a lost connection."""

import asyncio
import socket
import struct

from say import U, say

MANY = 16_000_000
gate = asyncio.Event()


async def serve(reader, writer):
    say('server: line', (await reader.readline()).strip())
    await gate.wait()
    n = 0
    while data := await reader.read(65536):
        n += len(data)
    say('server: read', n)
    writer.write(b'thanks\n')
    writer.close()
    await writer.wait_closed()


async def resets(reader, writer):
    await reader.readexactly(1)
    sock = writer.get_extra_info('socket')
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    writer.close()


async def connect(handler):
    server = await asyncio.start_server(handler, '127.0.0.1', 0)
    return server, *await asyncio.open_connection(*server.sockets[0].getsockname())


async def back_pressure():
    server, reader, writer = await connect(serve)
    writer.writelines([b'he', b'', b'llo', b'\n'])
    await writer.drain()
    say('client: written')
    await asyncio.sleep(U)
    writer.write(bytes(MANY))
    t = asyncio.create_task(writer.drain())
    await asyncio.sleep(2 * U)
    say('client: drained', t.done())
    gate.set()
    await t
    say('client: drained', t.done())
    writer.write_eof()
    say('client: reply', (await reader.readline()).strip(), 'rest', await reader.read())
    writer.close()
    await writer.wait_closed()
    server.close()


async def lost():
    server, reader, writer = await connect(resets)
    writer.write(b'x')
    await writer.drain()
    await asyncio.sleep(U)
    try:
        await reader.read()
    except ConnectionResetError:
        say('client: read reset')
    try:
        for _ in range(3):
            writer.write(b'y')
            await writer.drain()
    except (ConnectionResetError, BrokenPipeError):
        say('client: write lost')
    writer.close()
    server.close()


async def main():
    await back_pressure()
    await lost()


asyncio.run(main())
