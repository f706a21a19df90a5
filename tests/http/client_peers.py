#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Our client with servers and proxies of others: nginx, Node, Go, aiohttp, Python's http.server, tinyproxy, microsocks.

usage: client_peers.py CLIENT-AGENT
"""

import asyncio
import collections
import contextlib
import functools
import hashlib
import http.server
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import peer
from peer import PATIENCE
import kit

try:
    import aiohttp
    from aiohttp import web
except ImportError:
    aiohttp = None

AGENT = None
HERE = os.path.dirname(os.path.realpath(__file__))
TEXT = b''.join(b'line %d\n' % i for i in range(20000))


def digest(data):
    return hashlib.sha256(data).hexdigest()


def ask(*words):
    """What the agent says of each request, as (status, version, size, digest, rest), and of its connections."""
    lines = peer.output(AGENT, *map(str, words), seconds=PATIENCE * 2).decode().splitlines()
    answers = []
    for line in lines[:-1]:
        parts = line.split(' ', 4)
        answers.append(tuple(parts) if parts[0] == 'ERROR' else
                       (int(parts[0]), int(parts[1]), int(parts[2]), parts[3], ''.join(parts[4:])))
    made, reused = lines[-1].split(', ')
    return answers, int(made.split()[0]), int(reused.split()[0])


class PeerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.chain, cls.key = peer.certificate(cls.folder)
        cls.body = os.urandom(700_001)
        cls.upload = os.path.join(cls.folder, 'upload')
        with open(cls.upload, 'wb') as f:
            f.write(cls.body)

    @classmethod
    def start(cls, *command, **options):
        """Starts a program that ends with us: with its standard input, and by its pid."""
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   text=True, **options)
        cls.addClassCleanup(process.stdout.close)
        cls.addClassCleanup(process.wait, PATIENCE)
        cls.addClassCleanup(process.terminate)
        cls.addClassCleanup(process.stdin.close)
        return process

    def same(self, words, answers, connections=None):
        """The agent's answers are these (status, version, body), in any order; over so many connections at most."""
        said, made, _ = ask(*words)
        expected = collections.Counter((status, version, len(body), digest(body)) for status, version, body in answers)
        self.assertEqual(collections.Counter(s[:4] for s in said), expected)
        if connections:
            self.assertLessEqual(made, connections)
        return said


# ---- nginx ---------------------------------------------------------------------------------------

NGINX = '''{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 500; }}
http {{
    access_log off; root {folder}/www; types {{ text/plain txt; }} default_type application/octet-stream;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    gzip on; gzip_types text/plain; client_max_body_size 1k; keepalive_requests {requests}; keepalive_timeout {idle};
    ssl_certificate {chain}; ssl_certificate_key {key};
    server {{ listen 127.0.0.1:{ports[0]}; }}
    server {{ listen 127.0.0.1:{ports[1]} http2; }}
    server {{ listen 127.0.0.1:{ports[2]} ssl http2; }}
    server {{ listen 127.0.0.1:{ports[3]} ssl; location /x {{ return 200 ""; }} }}
}}
'''


NGINX_PROGRAM = shutil.which('nginx') or shutil.which('nginx', path='/usr/sbin')
NO_NGINX = 'nginx is not installed (Debian package nginx-light)'


class NginxTest(PeerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.mkdir(os.path.join(cls.folder, 'www'))
        for name, data in ('file', cls.body), ('text.txt', TEXT), ('short', b'short\n'):
            with open(os.path.join(cls.folder, 'www', name), 'wb') as f:
                f.write(data)

    def serve(self, requests=1000, idle='60s'):
        """Starts one, on ports that we have taken and hand on; URLs of the four servers."""
        sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(4)]
        ports = [s.getsockname()[1] for s in sockets]
        numbers = [s.fileno() for s in sockets]
        path = os.path.join(self.folder, 'nginx.conf')
        with open(path, 'w', encoding='ascii') as f:
            f.write(NGINX.format(folder=self.folder, chain=self.chain, key=self.key, ports=ports, requests=requests,
                                 idle=idle, user='user root;' if os.geteuid() == 0 else ''))
        environment = dict(os.environ, NGINX=''.join(f'{n};' for n in numbers))  # as it hands them to its successor
        self.process = subprocess.Popen([NGINX_PROGRAM, '-p', self.folder, '-c', path], pass_fds=numbers,
                                        env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.process.wait, PATIENCE)
        self.addCleanup(self.process.terminate)
        for s in sockets:
            s.close()
        urls = [f'{scheme}://127.0.0.1:{port}' for scheme, port in zip(('http', 'http', 'https', 'https'), ports)]
        peer.curl(urls[0] + '/short')  # it forgets a SIGTERM that comes while it starts
        return urls

    def ways(self, **options):
        plain, plain2, secure2, secure = self.serve(**options)
        trust = ['ca', self.chain]
        return [(plain, [], 11), (plain2, ['version', 2], 20), (secure2, trust, 20), (secure, trust, 11),
                (secure2, [*trust, 'version', 1], 11)]


@unittest.skipUnless(NGINX_PROGRAM, NO_NGINX)
class Nginx(NginxTest):
    def test_files_one_after_the_other_on_one_connection(self):
        for url, words, version in self.ways():
            with self.subTest(url=url, version=version):
                self.same([*words, 'times', 20, url + '/file'], [(200, version, self.body)] * 20, connections=1)

    def test_many_at_once(self):
        for url, words, version in self.ways():
            with self.subTest(url=url, version=version):
                self.same([*words, 'times', 120, 'at-once', 30, url + '/file'], [(200, version, self.body)] * 120,
                          connections=20 if version == 11 else 1)

    def test_ranges_and_compression(self):
        for url, words, version in self.ways():
            with self.subTest(url=url, version=version):
                said = self.same([*words, 'header', 'Range:bytes=1000-1999', url + '/file'],
                                 [(206, version, self.body[1000:2000])])
                self.assertIn(f'content-range: bytes 1000-1999/{len(self.body)}', said[0][4])
                self.same([*words, url + '/text.txt'], [(200, version, TEXT)])
                said, _, _ = ask(*words, 'header', 'Accept-Encoding:gzip', url + '/text.txt')
                self.assertIn('content-encoding: gzip', said[0][4])

    def test_servers_that_end_connections_after_some_requests(self):
        for url, words, version in self.ways(requests=5):
            for at_once in 1, 20:
                with self.subTest(url=url, version=version, at_once=at_once):
                    self.same([*words, 'times', 100, 'at-once', at_once, url + '/short'],
                              [(200, version, b'short\n')] * 100)

    def test_connections_that_end_while_they_are_idle(self):
        for url, words, version in self.ways(idle='25ms'):
            with self.subTest(url=url, version=version):
                self.same([*words, 'times', 20, 'at-once', 2, 'pause', 25, url + '/short'],
                          [(200, version, b'short\n')] * 20)

    def test_an_upload_that_is_too_large_hears_why(self):
        for url, words, version in self.ways():
            for more in [], ['expect', 'yes'], ['chunked', 'yes']:
                with self.subTest(url=url, version=version, more=more):
                    said, _, _ = ask(*words, *more, 'body', self.upload, 'times', 5, url + '/file')
                    # Without a length it does not look, and refuses the method.
                    self.assertEqual([s[0] for s in said], [405 if 'chunked' in more else 413] * 5)

    def test_a_server_that_is_reloaded_under_load_loses_no_request(self):
        for url, words, version in self.ways():
            with self.subTest(url=url, version=version):
                reloads = threading.Timer(0.1, self.process.send_signal, [1])
                reloads.start()
                self.same([*words, 'times', 150, 'at-once', 10, 'pause', 5, 'attempts', 2, url + '/file'],
                          [(200, version, self.body)] * 150)
                reloads.join()


# ---- Servers that answer alike -------------------------------------------------------------------

class Alike:
    """Tests of a server's `ways`: a list of (URL, words for the agent, version)."""

    trailer = '100 chunks'

    def test_all_kinds_of_answers(self):
        for url, words, version in self.ways:
            with self.subTest(url=url, version=version):
                chunks = b''.join(b'chunk %d\n' % i for i in range(100))
                self.same([*words, 'times', 20, url + '/'], [(200, version, b'hello\n')] * 20, connections=1)
                said = self.same([*words, 'trailer', 'X-End', url + '/chunks?100'], [(200, version, chunks)])
                self.assertTrue(said[0][4].endswith(f'trailer: {self.trailer}'), said)
                self.same([*words, url + '/gzip'], [(200, version, TEXT)])
                said = self.same([*words, 'header', 'X-Say:a word', url + '/'], [(200, version, b'hello\n')])
                self.assertIn('x-seen: a word', said[0][4])
                said = self.same([*words, 'method', 'HEAD', url + '/'], [(200, version, b'')])

    def test_uploads_come_back(self):
        for url, words, version in self.ways:
            for more in [], ['expect', 'yes'], ['chunked', 'yes'], ['chunked', 'yes', 'expect', 'yes']:
                with self.subTest(url=url, version=version, more=more):
                    self.same([*words, *more, 'body', self.upload, 'times', 4, 'at-once', 2, url + '/echo'],
                              [(200, version, self.body)] * 4)

    def test_many_at_once(self):
        for url, words, version in self.ways:
            with self.subTest(url=url, version=version):
                self.same([*words, 'times', 500, 'at-once', 50, url + '/'], [(200, version, b'hello\n')] * 500,
                          connections=20 if version == 11 else 1)

    def test_an_upload_that_is_refused_early(self):
        for url, words, version in self.ways:
            for more in [], ['expect', 'yes']:
                with self.subTest(url=url, version=version, more=more):
                    said, _, _ = ask(*words, *more, 'body', self.upload, 'times', 5, url + '/early')
                    self.assertLessEqual({s[0] for s in said}, {413, 417})
                    self.assertEqual(len(said), 5)


@unittest.skipUnless(shutil.which('node'), 'node is not installed')
class Node(Alike, PeerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        process = cls.start('node', os.path.join(HERE, 'node_server.js'), cls.chain, cls.key)
        cls.ports = json.loads(process.stdout.readline())
        trust = ['ca', cls.chain]
        cls.ways = [(f'http://127.0.0.1:{cls.ports["http"]}', [], 11),
                    (f'https://127.0.0.1:{cls.ports["https"]}', trust, 11),
                    (f'http://127.0.0.1:{cls.ports["http2"]}', ['version', 2], 20),
                    (f'https://127.0.0.1:{cls.ports["https2"]}', trust, 20),
                    (f'https://127.0.0.1:{cls.ports["https2"]}', [*trust, 'version', 1], 11)]

    def test_a_get_on_a_connection_that_hangs_up_is_repeated_and_a_post_is_not(self):
        url = f'http://127.0.0.1:{self.ports["fickle"]}/'
        self.same(['times', 10, url], [(200, 11, b'hello\n')] * 10)
        said, _, _ = ask('times', 4, 'method', 'POST', url)
        self.assertEqual([s[0] for s in said], [200, 'ERROR'] * 2)


@unittest.skipUnless(shutil.which('go'), 'go is not installed (Debian package golang-go)')
class Go(Alike, PeerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        program = os.path.join(cls.folder, 'server')
        environment = dict(os.environ, GOFLAGS='-mod=mod', GO111MODULE='off', HOME=cls.folder)
        peer.output('go', 'build', '-o', program, os.path.join(HERE, 'go_server.go'), env=environment, seconds=100)
        ports = json.loads(cls.start(program, cls.chain, cls.key).stdout.readline())
        trust = ['ca', cls.chain]
        cls.ways = [(f'http://127.0.0.1:{ports["http"]}', [], 11),
                    (f'https://127.0.0.1:{ports["https2"]}', trust, 20),
                    (f'https://127.0.0.1:{ports["https2"]}', [*trust, 'version', 1], 11)]


@unittest.skipUnless(aiohttp, 'python3-aiohttp is not installed')
class Aiohttp(Alike, PeerTest):
    """Its server runs in a thread of this program."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.loop = asyncio.new_event_loop()
        thread = threading.Thread(target=cls.loop.run_forever)
        thread.start()
        port = asyncio.run_coroutine_threadsafe(cls.serve(), cls.loop).result(PATIENCE)
        cls.addClassCleanup(cls.loop.close)
        cls.addClassCleanup(thread.join)
        cls.addClassCleanup(cls.loop.call_soon_threadsafe, cls.loop.stop)
        cls.addClassCleanup(lambda: asyncio.run_coroutine_threadsafe(cls.end(), cls.loop).result(PATIENCE))
        cls.ways = [(f'http://127.0.0.1:{port}', [], 11)]

    @classmethod
    async def serve(cls):
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route('*', '/{path:.*}', cls.answer)
        cls.runner = web.AppRunner(app, access_log=None)
        await cls.runner.setup()
        site = web.TCPSite(cls.runner, '127.0.0.1', 0)
        await site.start()
        return cls.runner.addresses[0][1]

    @classmethod
    async def end(cls):
        await cls.runner.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    @staticmethod
    async def answer(request):
        fields = {'X-Seen': request.headers.get('X-Say', '')}
        if request.path == '/echo':
            return web.Response(body=await request.read())
        if request.path == '/early':
            return web.Response(status=413, text='too much')
        if request.path == '/gzip':
            answer = web.Response(body=TEXT, content_type='text/plain')
            answer.enable_compression()
            return answer
        if request.path != '/chunks':
            return web.Response(text='hello\n', headers=fields)
        answer = web.StreamResponse()
        await answer.prepare(request)
        for i in range(100):
            await answer.write(b'chunk %d\n' % i)
        return answer

    trailer = ''  # it has none


# ---- Servers that are simple, or rude --------------------------------------------------------------

class Threads(PeerTest):
    """Servers in threads of this program."""

    def serve(self, talk):
        """A server that calls talk(socket) for each connection; its URL."""
        listener = socket.create_server(('127.0.0.1', 0))
        ended = threading.Event()

        def accept():
            while True:
                s, _ = listener.accept()
                if ended.is_set():
                    s.close()
                    return
                with s, contextlib.suppress(OSError):  # the client may have gone
                    s.settimeout(PATIENCE)
                    talk(s)

        def end():
            ended.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join()
            listener.close()
        thread = threading.Thread(target=accept)
        thread.start()
        self.addCleanup(end)
        return f'http://127.0.0.1:{listener.getsockname()[1]}/'

    def test_pythons_http_server(self):
        for version in 'HTTP/1.0', 'HTTP/1.1':
            class Quiet(http.server.SimpleHTTPRequestHandler):
                protocol_version = version

                def log_message(self, *_):  # pylint: disable=arguments-differ
                    pass
            with http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(
                    Quiet, directory=self.folder)) as server:
                thread = threading.Thread(target=server.serve_forever)
                thread.start()
                number = 10 if version == 'HTTP/1.0' else 11
                url = f'http://127.0.0.1:{server.server_address[1]}'
                self.same(['times', 30, 'at-once', 5, url + '/upload'], [(200, number, self.body)] * 30)
                said, _, _ = ask('times', 4, url + '/none')
                self.assertEqual([s[0] for s in said], [404] * 4)
                server.shutdown()
                thread.join()

    @staticmethod
    def reset(s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        s.close()

    def test_an_answer_that_is_whole_counts_though_the_connection_is_reset(self):
        def talk_with(more):
            def talk(s):
                s.recv(65536)
                s.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n' + more + b'\r\nhello\n')
                self.reset(s)
            return talk
        self.same(['times', 50, self.serve(talk_with(b''))], [(200, 11, b'hello\n')] * 50)
        # A POST that is on its way when the reset comes is not repeated, so no connection is used again.
        url = self.serve(talk_with(b'Connection: close\r\n'))
        self.same(['times', 50, 'method', 'POST', url], [(200, 11, b'hello\n')] * 50)

    def test_a_refusal_counts_though_the_upload_is_reset(self):
        def talk(s):
            heard = b''
            while b'\r\n\r\n' not in heard:
                part = s.recv(65536)
                if not part:
                    return
                heard += part
            s.sendall(b'HTTP/1.1 413 Too Much\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n')
            s.shutdown(socket.SHUT_WR)
            time.sleep(0.01)  # what is not read makes the close a reset
        url = self.serve(talk)
        for more in [], ['chunked', 'yes'], ['expect', 'yes']:
            with self.subTest(more=more):
                self.same([*more, 'body', self.upload, 'times', 10, url], [(413, 11, b'no\n')] * 10)

    def test_an_answer_that_is_cut_is_none(self):
        def talk(s):
            s.recv(65536)
            s.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhello\n')
        said, _, _ = ask('times', 3, self.serve(talk))
        self.assertEqual([s[:2] for s in said], [('ERROR', 'KT_EINCOMPLETE:')] * 3)


# ---- Proxies ---------------------------------------------------------------------------------------

def free_port():
    with socket.create_server(('127.0.0.1', 0)) as s:
        return s.getsockname()[1]


@unittest.skipUnless(NGINX_PROGRAM, NO_NGINX)
class Proxies(NginxTest):
    """Through proxies to nginx."""

    def start_proxy(self, command):
        """`command` makes a command line for a port; somebody else may take that before the proxy does."""
        for _ in range(10):
            port = free_port()
            process = subprocess.Popen(command(port), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            self.addCleanup(process.wait, PATIENCE)
            self.addCleanup(process.terminate)
            end = time.monotonic() + PATIENCE
            while process.poll() is None and time.monotonic() < end:
                try:
                    socket.create_connection(('127.0.0.1', port)).close()
                    return port
                except ConnectionRefusedError:
                    time.sleep(0.01)
        raise AssertionError(f'{command(0)} does not start')

    def through(self, proxy):
        # microsocks tries the first address of a name alone, and nginx listens on that of IPv4.
        first = socket.getaddrinfo('localhost', 80, type=socket.SOCK_STREAM)[0][4][0]
        for url, words, version in self.ways():
            for host in ['127.0.0.1'] + ['localhost'] * (first == '127.0.0.1'):
                with self.subTest(url=url, host=host, version=version):
                    self.same([*words, 'proxy', proxy, 'times', 8, 'at-once', 4,
                               url.replace('127.0.0.1', host) + '/file'], [(200, version, self.body)] * 8)

    def refused(self, proxy):
        for url, words, _ in self.ways()[::2]:
            said, _, _ = ask(*words, 'proxy', proxy, url + '/file')
            self.assertIn(said[0][0], ('ERROR', 401, 407))  # tinyproxy says 401

    @unittest.skipUnless(shutil.which('tinyproxy'), 'tinyproxy is not installed (Debian package tinyproxy-bin)')
    def test_tinyproxy(self):
        def command(port):
            path = os.path.join(self.folder, 'tinyproxy.conf')
            with open(path, 'w', encoding='ascii') as f:
                f.write(f'Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\n{login}')
            return ['tinyproxy', '-d', '-c', path]
        login = ''
        self.through(f'http://127.0.0.1:{self.start_proxy(command)}')
        login = 'BasicAuth user secret\n'
        port = self.start_proxy(command)
        self.through(f'http://user:secret@127.0.0.1:{port}')
        self.refused(f'http://user:wrong@127.0.0.1:{port}')

    @unittest.skipUnless(shutil.which('microsocks'), 'microsocks is not installed')
    def test_microsocks(self):
        port = self.start_proxy(lambda port: ['microsocks', '-i', '127.0.0.1', '-p', f'{port}'])
        self.through(f'socks5://127.0.0.1:{port}')
        port = self.start_proxy(lambda port: ['microsocks', '-i', '127.0.0.1', '-p', f'{port}', '-u', 'user', '-P',
                                              'secret'])
        self.through(f'socks5://user:secret@127.0.0.1:{port}')
        self.refused(f'socks5://user:wrong@127.0.0.1:{port}')


if __name__ == '__main__':
    AGENT = os.path.abspath(sys.argv.pop(1))
    kit.main()
