# SPDX-License-Identifier: MIT
"""WebSocket by websockets: /echo says each message back, /broadcast says it to all.

usage: websocket_python.py PORT
"""

import asyncio
import sys

import websockets

everybody = set()


async def talk(socket, path):
    if path == '/broadcast':
        everybody.add(socket)
    try:
        async for message in socket:
            if path == '/broadcast':
                websockets.broadcast(everybody, message)
            else:
                await socket.send(message)
    finally:
        everybody.discard(socket)


async def main():
    async with websockets.serve(talk, '127.0.0.1', int(sys.argv[1]), compression=None, ping_interval=None,
                                backlog=4096):
        await asyncio.Future()


asyncio.run(main())
