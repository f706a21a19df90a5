#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Both ends of our WebSockets with those of others: Python's websockets, and Node's where it has one.

usage: websocket_peers.py WEBSOCKET-ECHO WEBSOCKET-AGENT
"""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
import kit  # noqa: E402

try:
    import websockets
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Deflate
    from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory as ServerDeflate
except ImportError:
    websockets = None

ECHO = AGENT = None
PATIENCE = 20
NO_PEER = 'python3-websockets is not installed'


def some_bytes(size, seed):
    """Half of it can be compressed."""
    r = random.Random(seed)
    return bytes(r.randrange(256) if i % 200 < 100 else i % 7 for i in range(size))


class Server:
    def __enter__(self):
        self.process = subprocess.Popen([ECHO, '0'], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        self.url = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        assert status == 0, status


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


@unittest.skipUnless(websockets, NO_PEER)
class PythonsClient(unittest.TestCase):
    async def echoes(self, url, messages, **options):
        async with websockets.connect(url, max_size=None, **options) as ws:
            for message in messages:
                await ws.send(message)
                self.assertEqual(await ws.recv(), message)
            return ws.extensions

    def test_messages_come_back(self):
        messages = ['', 'x', 'h\u00e9llo \U0001f375', b'', b'\0\xff', some_bytes(70000, 1), 'k' * 200000]
        with Server() as s:
            self.assertTrue(run(self.echoes(s.url, messages)))
            self.assertFalse(run(self.echoes(s.url, messages, compression=None)))

    def test_all_forms_of_compression(self):
        messages = [some_bytes(size, size) for size in (1, 100, 5000, 100000)] * 3
        forms = [{'server_no_context_takeover': a, 'client_no_context_takeover': b, 'server_max_window_bits': c,
                  'client_max_window_bits': d}
                 for a in (False, True) for b in (False, True) for c in (None, 9, 15) for d in (None, True, 9, 12)]
        with Server() as s:
            for form in forms:
                with self.subTest(form):
                    self.assertTrue(run(self.echoes(s.url, messages, compression=None, extensions=[Deflate(**form)])))

    def test_fragments_and_pings(self):
        async def talk(url):
            async with websockets.connect(url) as ws:
                await ws.send(iter(['a ', 'message ', 'in ', 'pieces']))
                self.assertEqual(await ws.recv(), 'a message in pieces')
                await (await ws.ping(b'there?'))
        with Server() as s:
            run(talk(s.url))

    def test_closes_are_answered_with_their_code(self):
        async def close(url):
            async with websockets.connect(url) as ws:
                await ws.close(4321, 'over')
                return ws.close_code
        with Server() as s:
            self.assertEqual(run(close(s.url)), 4321)

    def test_what_is_no_utf_8_is_closed_with_1007(self):
        async def talk(url):
            async with websockets.connect(url, compression=None) as ws:
                await ws.write_frame(True, 1, b'\xff')
                try:
                    await ws.recv()
                except websockets.ConnectionClosedError as closed:
                    return closed.rcvd.code
        with Server() as s:
            self.assertEqual(run(talk(s.url)), 1007)


@unittest.skipUnless(websockets, NO_PEER)
class PythonsServer(unittest.TestCase):
    def talk(self, cases, **options):
        """A server with these cases: each sends messages and wants them back. How many it was asked for."""
        async def main():
            done = []

            async def serve(ws, path):
                if path == '/getCaseCount':
                    await ws.send(str(len(cases)))
                elif path.startswith('/runCase'):
                    messages = cases[int(path.split('case=')[1].split('&')[0]) - 1]
                    for message in messages:
                        await ws.send(message)
                        self.assertEqual(await ws.recv(), b''.join(message) if isinstance(message, list) else message)
                    done.append(path)
            async with websockets.serve(serve, '127.0.0.1', 0, max_size=None, **options) as server:
                port = server.sockets[0].getsockname()[1]
                agent = await asyncio.create_subprocess_exec(AGENT, f'ws://127.0.0.1:{port}',
                                                             stdout=subprocess.PIPE)
                out, _ = await agent.communicate()
                self.assertEqual((agent.returncode, out.decode()), (0, f'{len(cases)} cases\n'))
                return len(done)
        self.assertEqual(run(main()), len(cases))

    def test_messages_come_back(self):
        self.talk([['x', '', 'h\u00e9llo'], [b'\0', some_bytes(70000, 3)], [[b'pieces ', b'of ', b'one']]])
        self.talk([['x', '', 'k' * 3000]], compression=None)

    def test_all_forms_of_compression(self):
        messages = [some_bytes(size, size) for size in (1, 100, 5000, 100000)] * 2
        for server_forgets in (False, True):
            for client_forgets in (False, True):
                for bits in (9, 15):
                    with self.subTest((server_forgets, client_forgets, bits)):
                        form = ServerDeflate(server_no_context_takeover=server_forgets,
                                             client_no_context_takeover=client_forgets, server_max_window_bits=bits,
                                             client_max_window_bits=bits)
                        self.talk([messages], compression=None, extensions=[form])


NODE = '''
const ws = new WebSocket(process.argv[1]);
ws.onopen = () => ws.send('hi from Node');
ws.onmessage = (m) => { console.log(m.data); ws.close(3000, 'bye'); };
ws.onclose = (c) => { console.log(c.code, c.wasClean); };
'''


def node_has_one():
    if not shutil.which('node'):
        return False
    found = subprocess.run(['node', '-p', 'typeof WebSocket'], capture_output=True, text=True, check=False)
    return found.stdout.strip() == 'function'


@unittest.skipUnless(node_has_one(), 'this Node has no WebSocket')
class NodesClient(unittest.TestCase):
    def test_a_message_comes_back_and_the_close_is_clean(self):
        with Server() as s:
            out = subprocess.run(['node', '-e', NODE, s.url], capture_output=True, text=True, check=True,
                                 timeout=PATIENCE)
        self.assertEqual(out.stdout.split('\n')[:2], ['hi from Node', '3000 true'])


# Cases as those of PythonsServer, for a client that says everything back.
NODES_SERVER = '''
const crypto = require('crypto');
const http2 = require('http2');
const { WebSocket, WebSocketServer } = require('ws');
const text = 'line '.repeat(40000), bytes = crypto.randomBytes(70000);
const cases = [['x', '', 'h\\u00e9llo'], [bytes, Buffer.alloc(0)], [text, bytes, text, 'k'.repeat(200000)]];
const deflate = process.argv[1] && JSON.parse(process.argv[1]);
let good = 0, compressed = 0;

// RFC 8441, of which Node has the HTTP/2 and ws the frames.
function onStreams() {
    const server = http2.createServer({ settings: { enableConnectProtocol: true } });
    server.on('stream', (stream, headers) => {
        if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket')
            return stream.respond({ ':status': 400 }, { endStream: true });
        stream.respond({ ':status': 200 });
        stream.setNoDelay = () => stream;
        const ws = new WebSocket(null);
        ws.setSocket(stream, Buffer.alloc(0), { maxPayload: 1 << 24, skipUTF8Validation: false });
        connected(ws, { url: headers[':path'] });
    });
    return server.listen(0, '127.0.0.1', () => console.log(server.address().port));
}

function onConnections() {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: deflate }, () =>
        console.log(server.address().port));
    server.on('connection', connected);
}

function connected(ws, request) {
    const url = new URL(request.url, 'ws://a');
    if (url.pathname === '/getCaseCount')
        return ws.send(String(cases.length), () => ws.close(1000));
    if (url.pathname !== '/runCase') {
        console.log(good, compressed);
        return ws.close(1000);
    }
    compressed += ws.extensions !== '';
    const messages = cases[Number(url.searchParams.get('case')) - 1];
    let at = 0;
    messages.forEach((m) => ws.send(m));
    ws.ping('there?');
    ws.on('message', (data, binary) => {
        const m = messages[at];
        const same = Buffer.compare(data, Buffer.from(m)) === 0 && binary === (typeof m !== 'string');
        if (!same || ++at === messages.length)
            ws.close(same ? 1000 : 4000);
    });
    ws.on('pong', (data) => { ws.ponged = String(data) === 'there?'; });
    ws.on('close', (code) => { good += at === messages.length && code === 1000 && ws.ponged; });
}

process.argv[2] === 'http2' ? onStreams() : onConnections();
'''
NODE_ENVIRONMENT = dict(os.environ, NODE_PATH=':'.join(
    [p for p in (os.environ.get('NODE_PATH'), '/usr/share/nodejs', '/usr/lib/node_modules') if p]))


def node_has_ws():
    return shutil.which('node') and subprocess.run(['node', '-e', 'require("ws")'], env=NODE_ENVIRONMENT,
                                                   capture_output=True, check=False).returncode == 0


@unittest.skipUnless(node_has_ws(), 'ws for Node is not installed (Debian package node-ws)')
class NodesServer(unittest.TestCase):
    def take_part(self, form, compressed, *version):
        words = ['node', '-e', NODES_SERVER, form, *version]
        with self.subTest(form), subprocess.Popen(words, env=NODE_ENVIRONMENT, text=True, stdin=subprocess.DEVNULL,
                                                  stdout=subprocess.PIPE) as server:
            port = server.stdout.readline().strip()
            try:
                agent = subprocess.run([AGENT, f'ws://127.0.0.1:{port}', 'kettle', *version], capture_output=True,
                                       text=True, timeout=PATIENCE, check=False)
                self.assertEqual((agent.returncode, agent.stdout, agent.stderr), (0, '3 cases\n', ''))
                self.assertEqual(server.stdout.readline(), f'3 {compressed}\n')
            finally:
                server.terminate()

    def test_messages_come_back(self):
        for form, compressed in (('false', 0), ('true', 3), ('{"serverNoContextTakeover": true}', 3),
                                 ('{"clientNoContextTakeover": true, "serverMaxWindowBits": 9}', 3)):
            self.take_part(form, compressed)

    def test_messages_come_back_over_http_2(self):
        self.take_part('false', 0, 'http2')


if __name__ == '__main__':
    ECHO, AGENT = sys.argv[1:3]
    del sys.argv[1:3]
    kit.main()
