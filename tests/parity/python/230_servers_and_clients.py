# SPDX-License-Identifier: MIT
# Needs: Python 3.12
"""A server's life: a handler that fails concerns its own client, serving is cancelled, closing waits for clients."""

import asyncio
import os
import tempfile

from say import U, say


async def serve(reader, writer):
    line = (await reader.readline()).decode().strip()
    say('server: got', line)
    if line == 'fail':
        raise ValueError('handler failed')
    if line == 'wait':
        await reader.read()
        say('server: client has left')
    writer.write(b'<' + line.encode() + b'>\n')
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def ask(port, line):
    reader, writer = await asyncio.open_connection('127.0.0.1', port)
    writer.write(line.encode() + b'\n')
    answer = (await reader.readline()).strip()
    writer.close()
    return answer


def on_error(loop, context):
    say('handler told:', context['exception'])
    context['transport'].close()


async def main():
    asyncio.get_running_loop().set_exception_handler(on_error)
    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    say('serving', server.is_serving(), 'sockets', len(server.sockets))
    say('client: answer', await ask(port, 'fail'))
    say('client: answers', await asyncio.gather(ask(port, 'one'), asyncio.sleep(U)))
    forever = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(U)
    say('client: answer', await ask(port, 'two'))
    forever.cancel()
    await asyncio.wait([forever])
    say('cancelled', forever.cancelled(), 'serving', server.is_serving(), 'sockets', len(server.sockets))


async def closing_waits():
    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b'wait\n')
    await asyncio.sleep(U)
    server.close()
    closed = asyncio.create_task(server.wait_closed())
    await asyncio.sleep(U)
    say('closed', closed.done())
    writer.close()
    await closed
    say('closed', closed.done())
    server.close()
    await server.wait_closed()


async def unix():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'socket')
        server = await asyncio.start_unix_server(serve, path)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'unix\n')
        say('client: answer', (await reader.readline()).strip(), 'rest', await reader.read())
        writer.close()
        server.close()
        await server.wait_closed()
        try:
            await asyncio.open_unix_connection(path)
        except (ConnectionRefusedError, FileNotFoundError):
            say('client: nobody there')
        try:
            await asyncio.open_unix_connection(os.path.join(folder, 'none'))
        except FileNotFoundError:
            say('client: no such path')


asyncio.run(main())
asyncio.run(closing_waits())
asyncio.run(unix())
