# SPDX-License-Identifier: MIT
"""Sockets by hand: a receive that is cancelled takes nothing; datagrams keep their bounds, and errors come back."""

import asyncio
import socket

from say import U, say


def made(*kind):
    s = socket.socket(*kind)
    s.setblocking(False)
    return s


async def receive(name, s, n):
    data = await asyncio.get_running_loop().sock_recv(s, n)
    say(name, 'got', data)
    return data


async def streams():
    loop = asyncio.get_running_loop()
    listener, client = made(), made()
    listener.bind(('127.0.0.1', 0))
    listener.listen()
    t = asyncio.create_task(loop.sock_accept(listener))
    await asyncio.sleep(U)
    say('accepted', t.done())
    await loop.sock_connect(client, listener.getsockname())
    server, peer = await t
    say('accepted', t.done(), 'peer', peer == client.getsockname())
    t = asyncio.create_task(receive('A', server, 10))
    await asyncio.sleep(U)
    t.cancel()
    await asyncio.wait([t])
    say('A cancelled', t.cancelled())
    await loop.sock_sendall(client, b'hello')
    await receive('B', server, 2)
    await receive('B', server, 10)
    buffer = bytearray(4)
    await loop.sock_sendall(client, b'into')
    say('into', await loop.sock_recv_into(server, buffer), bytes(buffer))
    try:
        await asyncio.wait_for(loop.sock_recv(server, 10), U)
    except TimeoutError:
        say('timeout')
    client.close()
    await receive('C', server, 10)
    server.close()
    listener.close()
    late = made()
    try:
        await loop.sock_connect(late, listener_name)
    except ConnectionRefusedError:
        say('refused')
    late.close()


class Answers(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        say('server got', data)
        self.transport.sendto(b'<' + data + b'>', addr)


class Hears(asyncio.DatagramProtocol):
    def datagram_received(self, data, addr):
        say('client got', data)

    def error_received(self, exc):
        say('client error', exc.strerror)

    def connection_lost(self, exc):
        say('client lost', exc)


async def datagrams():
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Answers, ('127.0.0.1', 0))
    name = server.get_extra_info('sockname')
    client, _ = await loop.create_datagram_endpoint(Hears, remote_addr=name)
    for data in (b'one', b'two'):
        client.sendto(data)
        await asyncio.sleep(U)
    server.close()
    await asyncio.sleep(U)
    client.sendto(b'nobody')
    await asyncio.sleep(U)
    client.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def by_hand():
    loop = asyncio.get_running_loop()
    a, b = made(socket.AF_INET, socket.SOCK_DGRAM), made(socket.AF_INET, socket.SOCK_DGRAM)
    a.bind(('127.0.0.1', 0))
    b.bind(('127.0.0.1', 0))
    t = asyncio.create_task(loop.sock_recvfrom(b, 100))
    await asyncio.sleep(U)
    t.cancel()
    await asyncio.wait([t])
    say('sent', await loop.sock_sendto(a, b'abcdef', b.getsockname()))
    data, sender = await loop.sock_recvfrom(b, 3)
    say('got', data, 'from a', sender == a.getsockname())
    a.close()
    b.close()


with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    listener_name = free.getsockname()


async def main():
    await streams()
    await datagrams()
    await by_hand()


asyncio.run(main())
