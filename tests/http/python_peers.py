#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Asks a server with clients for Python: aiohttp, httpx, h11, h2, websockets.

usage: python_peers.py PEER-SERVER
"""

import asyncio
import os
import socket
import ssl
import sys
import tempfile
import unittest

import peer
from peer import PATIENCE, Server
import kit


def module(name):
    try:
        return __import__(name)
    except ImportError:
        return None


aiohttp, httpx, h11, h2, websockets = map(module, ('aiohttp', 'httpx', 'h11', 'h2', 'websockets'))
if h2:
    import h2.config
    import h2.connection
    import h2.events
    import h2.exceptions

PEER_SERVER = None
TEXT = b''.join(b'line %d\n' % i for i in range(20000))


def needs(name):
    return unittest.skipUnless(module(name), f'python3-{name} is not installed')


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE * 2))


class PeerTest(unittest.TestCase):
    """One server in the clear and one over TLS."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        chain, key = peer.certificate(cls.folder.name)
        cls.trust = ssl.create_default_context(cafile=chain)
        cls.plain = Server(PEER_SERVER)
        cls.secure = Server(PEER_SERVER, chain, key, scheme='https')
        cls.body = os.urandom(700_001)

    @classmethod
    def tearDownClass(cls):
        ends = [cls.plain.stop(), cls.secure.stop()]
        cls.folder.cleanup()
        assert ends == [('ended: EINTR\n', 0)] * 2, ends


@needs('aiohttp')
class Aiohttp(PeerTest):
    def with_session(self, talk):
        async def main():
            for server in self.plain, self.secure:
                connector = aiohttp.TCPConnector(ssl=self.trust, limit=20)
                async with aiohttp.ClientSession(server.url(''), connector=connector) as session:
                    await talk(session)
        run(main())

    def test_bodies_both_ways_on_connections_that_are_kept(self):
        async def pieces():
            for i in range(0, len(self.body), 50000):
                yield self.body[i:i + 50000]

        async def talk(session):
            for path in '/echo', '/whole':
                for data in self.body, pieces():
                    async with session.post(path, data=data) as answer:
                        self.assertEqual((answer.status, await answer.read()), (200, self.body))
                async with session.post(path, data=self.body, expect100=True) as answer:
                    self.assertEqual(await answer.read(), self.body)
        self.with_session(talk)

    def test_many_at_once(self):
        async def one(session, i):
            async with session.get(f'/count?n={i}') as answer:
                return await answer.text()

        async def talk(session):
            said = await asyncio.gather(*(one(session, i) for i in range(300)))
            self.assertEqual([text.count('\n') for text in said], list(range(300)))
        self.with_session(talk)

    def test_compressed_answers_and_ranges(self):
        async def talk(session):
            for coding in 'gzip', 'gzip, deflate':
                async with session.get('/text', headers={'Accept-Encoding': coding}) as answer:
                    self.assertEqual(answer.headers['Content-Encoding'], 'gzip')
                    self.assertEqual(await answer.read(), TEXT)
            async with session.get('/program', headers={'Range': 'bytes=10-19'}) as answer:
                self.assertEqual((answer.status, len(await answer.read())), (206, 10))
        self.with_session(talk)

    def test_an_upload_that_is_refused(self):
        async def talk(session):
            async with session.post('/refuse', data=self.body, expect100=True) as answer:
                self.assertEqual((answer.status, await answer.read()), (401, b'no\n'))
            async with session.get('/hello') as answer:
                self.assertEqual(await answer.read(), b'hello\n')
        self.with_session(talk)

    def test_a_failing_handler_and_one_that_is_left(self):
        async def talk(session):
            async with session.get('/fail') as answer:
                self.assertEqual(answer.status, 500)
            for _ in range(5):
                async with session.get('/program') as answer:
                    await answer.content.readexactly(1000)  # and then the connection is dropped
            with self.assertRaises(asyncio.TimeoutError):
                async with session.get('/slow', timeout=aiohttp.ClientTimeout(total=0.05)) as answer:
                    await answer.read()
            async with session.get('/hello') as answer:
                self.assertEqual(await answer.read(), b'hello\n')
        self.with_session(talk)

    def test_websocket(self):
        async def talk(session):
            for compress in 0, 15:
                async with session.ws_connect('/websocket', compress=compress, max_msg_size=0) as ws:
                    for message in 'x', '', 'h\u00e9' * 100000:
                        await ws.send_str(message)
                        self.assertEqual(await ws.receive_str(), message)
                    await ws.send_bytes(self.body)
                    self.assertEqual(await ws.receive_bytes(), self.body)
                    await ws.ping(b'there?')
                    await ws.send_str('version')
                    self.assertEqual(await ws.receive_str(), 'HTTP/1.1')
                    await ws.close(code=4000)
                    self.assertEqual(ws.close_code, 4000)
        self.with_session(talk)


@needs('httpx')
class Httpx(PeerTest):
    def with_client(self, talk):
        async def main():
            for server, http1 in (self.plain, True), (self.plain, False), (self.secure, True), (self.secure, False):
                if not (http1 or h2):
                    continue
                async with httpx.AsyncClient(base_url=server.url(''), verify=self.trust, http1=http1,
                                             http2=not http1, timeout=PATIENCE) as client:
                    await talk(client, 'HTTP/1.1' if http1 else 'HTTP/2')
        run(main())

    def test_bodies_both_ways(self):
        async def pieces():
            for i in range(0, len(self.body), 50000):
                yield self.body[i:i + 50000]

        async def talk(client, version):
            for content in self.body, pieces():
                answer = await client.post('/whole', content=content)
                self.assertEqual((answer.http_version, answer.content), (version, self.body))
        self.with_client(talk)

    def test_many_at_once(self):
        async def talk(client, _):
            said = await asyncio.gather(*(client.get(f'/count?n={i}') for i in range(60)))
            self.assertEqual([answer.text.count('\n') for answer in said], list(range(60)))
        self.with_client(talk)

    def test_a_stream_that_is_left_in_the_middle(self):
        async def talk(client, _):
            for _ in range(5):
                async with client.stream('GET', '/program') as answer:
                    async for piece in answer.aiter_raw():
                        self.assertTrue(piece)
                        break
            self.assertEqual((await client.get('/hello')).text, 'hello\n')
        self.with_client(talk)

    def test_compressed_answers_and_refusals(self):
        async def talk(client, _):
            answer = await client.get('/text')
            self.assertIn(answer.headers['content-encoding'], ('gzip', 'br'))
            self.assertEqual(answer.content, TEXT)
            self.assertEqual((await client.post('/refuse', content=b'x' * 1000)).status_code, 401)
            self.assertEqual((await client.get('/fail')).status_code, 500)
        self.with_client(talk)


class Wire:
    """A plain socket that is read and written by a protocol's own library."""

    def __init__(self, server):
        self.socket = socket.create_connection(('127.0.0.1', server.port), timeout=PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@needs('h11')
class H11(PeerTest):
    """A strict reader of what we write, in whatever pieces it comes."""

    def answers(self, requests, size):
        connection, said = h11.Connection(h11.CLIENT), []
        with Wire(self.plain) as wire:
            for method, target, fields, body in requests:
                head = h11.Request(method=method, target=target, headers=[('Host', 'a'), *fields])
                wire.socket.sendall(connection.send(head))
                if body:
                    wire.socket.sendall(connection.send(h11.Data(data=body)))
                wire.socket.sendall(connection.send(h11.EndOfMessage()))
                said.append(self.read(connection, wire, size))
                connection.start_next_cycle()
        return said

    def read(self, connection, wire, size):
        status, body, trailers = 0, b'', []
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(wire.socket.recv(size))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                trailers = [(bytes(n), bytes(v)) for n, v in event.headers]
                return status, body, trailers

    def test_all_kinds_of_answers_in_small_and_large_pieces(self):
        chunked = [('Transfer-Encoding', 'chunked'), ('Trailer', 'X-Sum')]
        requests = [
            ('GET', '/hello', [], b''), ('HEAD', '/hello', [], b''), ('GET', '/count?n=5', [], b''),
            ('POST', '/echo', [('Content-Length', '3')], b'abc'), ('POST', '/whole', chunked, b'pieces'),
            ('GET', '/none', [], b''), ('GET', '/program', [('Range', 'bytes=0-9')], b''), ('GET', '/events', [], b''),
            ('POST', '/trailers', chunked, b'x')]
        for size in 1, 7, 65536:
            said = self.answers(requests, size)
            self.assertEqual([s[0] for s in said], [200, 200, 200, 200, 200, 404, 206, 200, 200])
            self.assertEqual([s[1] for s in said[:5]], [b'hello\n', b'', b'1\n2\n3\n4\n5\n', b'abc', b'pieces'])
            self.assertEqual(said[8][1:], (b'x', [(b'x-sum', b'')]))


@needs('h2')
class H2(PeerTest):
    """Frames and streams by a library that is not nghttp2."""

    def begin(self, wire, **settings):
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding='utf-8'))
        connection.initiate_connection()
        if settings:
            connection.update_settings({getattr(h2.settings.SettingCodes, name): v for name, v in settings.items()})
        wire.socket.sendall(connection.data_to_send())
        return connection

    def ask(self, connection, path, method='GET', end=True, **fields):
        number = connection.get_next_available_stream_id()
        head = [(':method', method), (':scheme', 'http'), (':authority', 'a'), (':path', path)]
        connection.send_headers(number, head + [(n.replace('_', '-'), v) for n, v in fields.items()], end_stream=end)
        return number

    def hear(self, connection, wire, until):
        """Events until one of this type; data is acknowledged."""
        events = []
        while not any(isinstance(e, until) for e in events):
            wire.socket.sendall(connection.data_to_send())
            data = wire.socket.recv(65536)
            if not data:
                raise AssertionError(f'the end, after {events}')
            for event in connection.receive_data(data):
                events.append(event)
                if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        wire.socket.sendall(connection.data_to_send())
        return events

    def hear_all(self, connection, wire, count):
        events, ends = [], 0
        while ends < count:
            events += self.hear(connection, wire, (h2.events.StreamEnded, h2.events.StreamReset))
            ends = sum(isinstance(e, (h2.events.StreamEnded, h2.events.StreamReset)) for e in events)
        return events

    def test_a_hundred_streams_at_once(self):
        with Wire(self.plain) as wire:
            c = self.begin(wire)
            numbers = [self.ask(c, f'/count?n={i}') for i in range(100)]
            events = self.hear_all(c, wire, 100)
        bodies = dict.fromkeys(numbers, b'')
        for event in events:
            self.assertNotIsInstance(event, h2.events.StreamReset)
            if isinstance(event, h2.events.DataReceived):
                bodies[event.stream_id] += event.data
        self.assertEqual([body.count(b'\n') for body in bodies.values()], list(range(100)))

    def test_thousands_of_streams_that_open_and_close(self):
        with Wire(self.plain) as wire:
            c = self.begin(wire)
            for _ in range(60):
                for _ in range(50):
                    self.ask(c, '/hello')
                self.assertFalse([e for e in self.hear_all(c, wire, 50) if isinstance(e, h2.events.StreamReset)])

    def test_streams_that_are_taken_back_now_and_then(self):
        with Wire(self.plain) as wire:
            c = self.begin(wire)
            for _ in range(50):
                c.reset_stream(self.ask(c, '/slow'), error_code=8)
                self.ask(c, '/hello')
                self.hear_all(c, wire, 1)

    def test_a_window_of_one_byte(self):
        with Wire(self.plain) as wire:
            c = self.begin(wire, INITIAL_WINDOW_SIZE=1)
            self.hear(c, wire, h2.events.SettingsAcknowledged)
            self.ask(c, '/hello')
            pieces = [e.data for e in self.hear_all(c, wire, 1) if isinstance(e, h2.events.DataReceived)]
        self.assertEqual([p for p in pieces if p], [b'h', b'e', b'l', b'l', b'o', b'\n'])

    def test_uploads_with_trailers_padding_and_expectation(self):
        with Wire(self.plain) as wire:
            c = self.begin(wire)
            number = self.ask(c, '/trailers', 'POST', end=False, expect='100-continue')
            self.hear(c, wire, h2.events.InformationalResponseReceived)
            for _ in range(50):
                c.send_data(number, b'x' * 100, pad_length=50)
            c.send_headers(number, [('x-sum', '5000')], end_stream=True)
            events = self.hear_all(c, wire, 1)
        self.assertEqual(sum(len(e.data) for e in events if isinstance(e, h2.events.DataReceived)), 5000)
        trailers = [e.headers for e in events if isinstance(e, h2.events.TrailersReceived)]
        self.assertEqual(trailers, [[('x-sum', '5000')]])

    def test_a_refusal_before_the_body_comes_whole(self):
        with Wire(self.plain) as wire:
            c = self.begin(wire)
            self.ask(c, '/refuse', 'POST', end=False, content_length='1000', expect='100-continue')
            events = self.hear(c, wire, h2.events.StreamReset)
        kinds = [type(e) for e in events if getattr(e, 'stream_id', 0)]
        self.assertEqual(kinds, [h2.events.ResponseReceived, h2.events.DataReceived, h2.events.StreamEnded,
                                 h2.events.StreamReset])
        self.assertEqual(events[-1].error_code, 0)

    def test_pings_are_answered(self):
        with Wire(self.plain) as wire:
            c = self.begin(wire)
            for i in range(100):
                c.ping(b'%08d' % i)
            answered = []
            while len(answered) < 100:
                answered += [e.ping_data for e in self.hear(c, wire, h2.events.PingAckReceived)
                             if isinstance(e, h2.events.PingAckReceived)]
        self.assertEqual(answered, [b'%08d' % i for i in range(100)])


@needs('websockets')
class WebsocketsOverTls(PeerTest):
    def test_messages_come_back(self):
        async def main():
            url = self.secure.url('/websocket', scheme='wss')
            async with websockets.connect(url, ssl=self.trust, max_size=None) as ws:
                for message in 'x', '', self.body, 'k' * 300000:
                    await ws.send(message)
                    self.assertEqual(await ws.recv(), message)
                await (await ws.ping())
        run(main())

    def test_fifty_at_once(self):
        async def one(i):
            async with websockets.connect(self.secure.url('/websocket', scheme='wss'), ssl=self.trust) as ws:
                for j in range(20):
                    await ws.send(f'{i}.{j}')
                    self.assertEqual(await ws.recv(), f'{i}.{j}')

        async def main():
            await asyncio.gather(*(one(i) for i in range(50)))
        run(main())


if __name__ == '__main__':
    PEER_SERVER = sys.argv.pop(1)
    kit.main()
