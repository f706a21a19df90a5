# SPDX-License-Identifier: MIT
"""Connections that stay: what they cost while they are idle, and what WebSocket messages cost."""

import json
import os
import socket
import struct
import time

import kit
import parts
import web

CLIENTS = 1000       # of a broadcast
CONNECTIONS_MAX = 15000
PER_ADDRESS = 5000   # the loopback network is a /8, and each source address has its own ports
SPARE = 500          # descriptors for all else
SETTLE_SECONDS = 2
TIMEOUT_SECONDS = 20
REPETITIONS_MAX = 2  # memory is the same each time

WEBSOCKET = {
    'Go gorilla': web.built('websocket_go'),
    'node ws': web.node('websocket.js', 'ws'),
    'Python websockets': web.Peer(*web.python(
        'websockets', os.path.join(web.HERE, 'peers/websocket_python.py'), '{port}')),
}

# What the tables would have as well, were it to be had from the system's packages.
NOT_PACKAGED = {'bun': 'Debian has no package of it'}

GET = (b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', b'world!\n')


def upgrade(path):
    return (f'GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
            'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'.encode(), b'\r\n\r\n')


def opened(port, index, asked, end):
    """A connection that has had its answer and says no more; its end is a reset, which leaves no port waiting."""
    s = socket.socket()
    s.settimeout(TIMEOUT_SECONDS)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.setsockopt(socket.IPPROTO_IP, getattr(socket, 'IP_BIND_ADDRESS_NO_PORT', 24), 1)
    s.bind((f'127.0.0.{2 + index // PER_ADDRESS}', 0))
    try:
        s.connect(('127.0.0.1', port))
        s.sendall(asked)
        answer = b''
        while not answer.endswith(end):
            piece = s.recv(65536)
            if not piece:
                raise kit.Failed(f'connection {index} was closed after {answer!r}')
            answer += piece
    except OSError as error:
        raise kit.Failed(f'connection {index}: {error}') from None
    if b' 200 ' not in answer[:16] and b' 101 ' not in answer[:16]:
        raise kit.Failed(f'connection {index} got {answer!r}')
    return s


def held(process, port, count, exchange):
    """(resident, page tables) that `count` connections add, in bytes each."""
    sockets = [opened(port, index, *exchange) for index in range(10)]  # what the first one makes is no cost of each
    try:
        time.sleep(0.2)
        before = kit.memory(process.pid)
        sockets += [opened(port, index, *exchange) for index in range(10, count + 10)]
        time.sleep(SETTLE_SECONDS)
        return [(b - a) / count for a, b in zip(before, kit.memory(process.pid))]
    finally:
        for s in sockets:
            s.close()


def idle(settings):
    count = min(CONNECTIONS_MAX, kit.descriptors() - SPARE) // settings.scale
    ours = {f'{name}, {what}': (peer, exchange) for name, peer in web.OURS.items()
            for what, exchange in (('HTTP', GET), ('WebSocket in a task', upgrade('/echo')),
                                   ('WebSocket in a hub', upgrade('/kept')))}
    others = {f'{name}, HTTP': (peer, GET) for name, peer in web.HTTP.items() if name not in web.OURS}
    ways = {**ours, **others, **{f'{name}, WebSocket': (peer, upgrade('/echo')) for name, peer in WEBSOCKET.items()}}

    def measure(process, port, name, add):
        resident, tables = held(process, port, count, ways[name][1])
        add('resident', resident)
        add('tables', tables)
        add('connections', count)

    few = settings._replace(repetitions=min(settings.repetitions, REPETITIONS_MAX))
    return web.served(few, {name: way[0] for name, way in ways.items()}, measure)


# ---- Messages -------------------------------------------------------------------------------

def messages(settings, peers, connections, path, *to_all):
    def measure(process, port, _name, add):
        before = kit.cpu_seconds(process.pid)
        result = json.loads(kit.run([os.path.join(settings.build, 'echo_load'), str(port), str(connections),
                                     str(parts.BYTES), str(settings.seconds), path, *to_all], kit.cores()[1]))
        add('messages/s', result['rate'])
        add('CPU us/message', (kit.cpu_seconds(process.pid) - before) / result['messages'] * 1e6)
        add('p50 us', result['p50_us'])
        add('p99 us', result['p99_us'])

    samples = web.served(settings, peers, measure)
    samples.absent.update(NOT_PACKAGED)
    return samples


def websocket(settings):
    return messages(settings, {**web.OURS, **WEBSOCKET}, parts.CONNECTIONS, '/echo')


def broadcast(settings):
    return messages(settings, {**web.OURS, **WEBSOCKET}, CLIENTS, '/broadcast', 'all')
