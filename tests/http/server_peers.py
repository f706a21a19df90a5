#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Drives a server with clients that are not ours: curl, nghttp, h2load, wrk, Python's http.client, raw sockets.

usage: server_peers.py PEER-SERVER HTTP-HELLO HTTP-EVENTS
"""

import concurrent.futures
import email
import gzip
import hashlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import peer
from peer import PATIENCE, Server, curl
import kit

PEER_SERVER = HELLO = EVENTS = None


def until_close(port, *pieces, pause=0.0):
    """Sends the pieces over a raw socket and returns all that comes."""
    with socket.create_connection(('127.0.0.1', port), timeout=PATIENCE) as s:
        for piece in pieces:
            s.sendall(piece)
            time.sleep(pause)
        heard = b''
        while True:
            try:
                part = s.recv(65536)
            except ConnectionResetError:
                raise AssertionError(f'reset after {heard!r}') from None
            if not part:
                return heard
            heard += part


class PeerTest(unittest.TestCase):
    def setUp(self):
        self.server = Server(PEER_SERVER)
        self.addCleanup(self.finish)

    def finish(self):
        rest, status = self.server.stop()
        self.assertEqual((rest, status), ('ended: EINTR\n', 0))


class Curl(PeerTest):
    def test_get_head_and_http_1_0(self):
        url = self.server.url('/hello')
        self.assertEqual(curl(url), b'hello\n')
        self.assertEqual(curl('--http1.0', url), b'hello\n')
        self.assertEqual(curl('--http1.0', self.server.url('/count?n=3')), b'1\n2\n3\n')
        head = curl('-I', url)
        self.assertTrue(head.startswith(b'HTTP/1.1 200 OK\r\n'), head)
        self.assertIn(b'\r\nContent-Length: 6\r\n', head)
        self.assertTrue(head.endswith(b'\r\n\r\n'))

    def test_one_connection_for_several_requests(self):
        said = curl('-w', '%{num_connects}\\n', self.server.url('/hello'), self.server.url('/count?n=2'),
                    self.server.url('/hello'))
        self.assertEqual(said, b'hello\n1\n1\n2\n0\nhello\n0\n')

    def test_uploads_with_expect_and_chunked(self):
        data = os.urandom(8 * 1024 * 1024 + 3)
        with tempfile.NamedTemporaryFile() as f:
            f.write(data)
            f.flush()
            for path in '/echo', '/whole':
                for more in [], ['-H', 'Expect: 100-continue'], ['-H', 'Transfer-Encoding: chunked']:
                    with self.subTest(path=path, more=more):
                        heard = curl('-X', 'POST', '-T', f.name, *more, self.server.url(path))
                        self.assertEqual(hashlib.sha256(heard).digest(),
                                         hashlib.sha256(data).digest())

    def test_http_2(self):
        h2 = '--http2-prior-knowledge'
        self.assertEqual(curl(h2, '-w', '%{http_version}', self.server.url('/hello')), b'hello\n2')
        self.assertEqual(curl(h2, self.server.url('/count?n=3')), b'1\n2\n3\n')
        self.assertEqual(curl(h2, '-o', '/dev/null', '-w', '%{http_code}', self.server.url('/none')), b'404')
        data = os.urandom(8 * 1024 * 1024 + 3)
        with tempfile.NamedTemporaryFile() as f:
            f.write(data)
            f.flush()
            for path in '/echo', '/whole':
                with self.subTest(path=path):
                    heard = curl(h2, '-X', 'POST', '-T', f.name, self.server.url(path))
                    self.assertEqual(hashlib.sha256(heard).digest(), hashlib.sha256(data).digest())

    def test_a_refused_upload_is_heard(self):
        with tempfile.NamedTemporaryFile() as f:
            f.truncate(65 * 1024 * 1024)
            status = curl('-o', '/dev/null', '-w', '%{http_code}', '-T', f.name,
                          self.server.url('/whole'))
        self.assertEqual(status, b'413')

    def test_failures_and_files(self):
        code = ['-o', '/dev/null', '-w', '%{http_code}']
        self.assertEqual(curl(*code, self.server.url('/fail')), b'500')
        self.assertEqual(curl(*code, self.server.url('/none')), b'404')
        self.assertEqual(curl(*code, '-d', 'x', self.server.url('/page')), b'405')
        with tempfile.NamedTemporaryFile() as tag:
            keep = ['--etag-save', tag.name, '--etag-compare', tag.name]
            self.assertEqual(curl(*code, *keep, self.server.url('/page')), b'200')
            self.assertEqual(curl(*code, *keep, self.server.url('/page')), b'304')

    def test_events(self):
        self.assertEqual(curl('-N', self.server.url('/events')),
                         b'event: tick\ndata: a\ndata: b\n\n' * 3)


class Versions(unittest.TestCase):
    """One server in the clear and one over TLS, asked by HTTP/1.1 and HTTP/2."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.plain = Server(PEER_SERVER)
        cls.chain, key = peer.certificate(cls.folder.name)
        cls.secure = Server(PEER_SERVER, cls.chain, key, scheme='https')
        cls.ways = [(cls.plain, '--http1.1'), (cls.plain, '--http2-prior-knowledge'),
                    (cls.secure, '--http1.1'), (cls.secure, '--http2')]
        with open(PEER_SERVER, 'rb') as f:
            cls.program = f.read()
        cls.upload = os.path.join(cls.folder.name, 'upload')
        with open(cls.upload, 'wb') as f:
            f.write(os.urandom(3_000_000))

    @classmethod
    def tearDownClass(cls):
        ends = [cls.plain.stop(), cls.secure.stop()]
        cls.folder.cleanup()
        assert ends == [('ended: EINTR\n', 0)] * 2, ends

    def each_way(self, path, *arguments):
        """What curl gets from a path by each way."""
        for server, version in self.ways:
            with self.subTest(scheme=server.scheme, version=version):
                yield curl(version, '--cacert', self.chain, *arguments, server.url(path))


class CurlByEachVersion(Versions):
    def test_the_version_is_agreed_on(self):
        said = list(self.each_way('/hello', '-w', '%{http_version} %{ssl_verify_result}'))
        self.assertEqual(said, [b'hello\n1.1 0', b'hello\n2 0', b'hello\n1.1 0', b'hello\n2 0'])

    def test_one_connection_serves_many_requests(self):
        for server, version in self.ways:
            if version == '--http2-prior-knowledge':
                continue  # curl 7.88 cannot: https://github.com/curl/curl/issues/10634
            urls = [server.url(f'/count?n={i}') for i in range(20)]
            said = curl(version, '--cacert', self.chain, '-o', os.devnull, '-w', '%{num_connects}',
                        *[word for url in urls for word in ('-o', os.devnull, url)][2:])
            self.assertEqual(said, b'1' + b'0' * 19)

    def test_requests_side_by_side(self):
        for server, version in self.ways:
            if version == '--http2-prior-knowledge':
                continue  # as above
            urls = [word for i in range(60) for word in ('-o', os.path.join(self.folder.name, f'{i}'),
                                                          server.url(f'/count?n={i * 20}'))]
            curl(version, '--cacert', self.chain, '--no-progress-meter', '--parallel', *urls)
            for i in range(60):
                with open(os.path.join(self.folder.name, f'{i}'), 'rb') as f:
                    self.assertEqual(f.read(), b''.join(b'%d\n' % j for j in range(1, i * 20 + 1)))

    def test_files_whole_and_in_parts(self):
        for said in self.each_way('/program'):
            self.assertEqual(hashlib.sha256(said).digest(), hashlib.sha256(self.program).digest())
        for said in self.each_way('/program', '-r', '70000-'):
            self.assertEqual(said, self.program[70000:])
        for said in self.each_way('/program', '-D', '-', '-r', '0-99,-1000'):
            head, _, body = said.partition(b'\r\n\r\n')
            kind = re.search(rb'content-type: [^\r]*', head, re.I).group()
            parts = email.message_from_bytes(kind + b'\r\n\r\n' + body).get_payload()
            self.assertEqual([part.get_payload(decode=True) for part in parts],
                             [self.program[:100], self.program[-1000:]])
        size = len(self.program)
        for said in self.each_way('/program', '-r', f'{size}-', '-o', os.devnull, '-w',
                                  '%{http_code} %header{content-range}'):
            self.assertEqual(said.decode(), f'416 bytes */{size}')

    def test_compression(self):
        text = b''.join(b'line %d\n' % i for i in range(20000))
        for coding in 'gzip', 'br', 'gzip;q=0, br;q=0', '*':
            for said in self.each_way('/text', '-H', f'Accept-Encoding: {coding}', '-w', '%header{content-encoding}'):
                with self.subTest(coding=coding):
                    if coding == 'gzip':
                        self.assertEqual((gzip.decompress(said[:-4]), said[-4:]), (text, b'gzip'))
                    elif coding.startswith('gzip;'):
                        self.assertEqual(said, text)
                    else:
                        self.assertLess(len(said), len(text) / 2)
        for said in self.each_way('/text', '--compressed'):
            self.assertEqual(said, text)

    def test_uploads(self):
        with open(self.upload, 'rb') as f:
            data = f.read()
        for path in '/echo', '/whole':
            for more in 'Expect: 100-continue', 'Expect:', 'Transfer-Encoding: chunked':
                for said in self.each_way(path, '-X', 'POST', '-T', self.upload, '-H', more):
                    self.assertEqual(hashlib.sha256(said).digest(), hashlib.sha256(data).digest())

    def test_an_upload_that_is_refused_hears_why(self):
        for expect in 'Expect: 100-continue', 'Expect:':
            for said in self.each_way('/refuse', '-T', self.upload, '-H', expect, '-w', '%{http_code} %{size_upload}'):
                with self.subTest(expect=expect):
                    self.assertEqual(said[:7], b'no\n401 ')
                    if expect != 'Expect:':
                        self.assertLess(int(said[7:]), 3_000_000)

    def test_trailers(self):
        for said in self.each_way('/trailers', '-d', 'a body', '-D', '-'):
            self.assertRegex(said, rb'(?is)^HTTP/.*\r\n\r\n.*a body.*')
            self.assertRegex(said, rb'(?im)x-sum: *\r\n')

    def test_events(self):
        for said in self.each_way('/events', '-N'):
            self.assertEqual(said, b'event: tick\ndata: a\ndata: b\n\n' * 3)

    def test_a_client_that_leaves_in_the_middle_harms_nobody(self):
        for server, version in self.ways:
            for _ in range(10):
                with subprocess.Popen(['curl', '-sN', version, '--cacert', self.chain, '--noproxy', '*',
                                       server.url('/program')], stdout=subprocess.PIPE) as client:
                    self.assertEqual(client.stdout.read(1000), self.program[:1000])
                    client.kill()
            self.assertEqual(curl(version, '--cacert', self.chain, server.url('/hello')), b'hello\n')


@unittest.skipUnless(shutil.which('h2load'), 'h2load is not installed (Debian package nghttp2-client)')
class H2load(Versions):
    def load(self, *arguments, good=None, seconds=PATIENCE * 3):
        count = int(arguments[arguments.index('-n') + 1])
        said = peer.output('h2load', *arguments, seconds=seconds).decode()
        self.assertIn(f'{count} done, {count if good is None else good} succeeded', said)
        self.assertIn(' 0 errored, 0 timeout', said)

    def test_streams_that_open_and_close_fast(self):
        for server in self.plain, self.secure:
            for clients, streams in (20, 50), (1, 100), (100, 1):
                self.load('-n', '10000', '-c', f'{clients}', '-m', f'{streams}', server.url('/hello'))

    def test_small_windows_and_large_ones(self):
        for bits in 12, 24:
            windows = ['-c', '4', '-m', '10', '-w', f'{bits}', '-W', f'{bits}']
            self.load('-n', '200', *windows, self.plain.url('/text'))
            self.load('-n', '50', *windows, self.secure.url('/count?n=500'))

    def test_answers_of_large_files(self):
        self.load('-n', '40', '-c', '4', '-m', '5', self.secure.url('/program'))

    def test_uploads_read_unread_and_refused(self):
        for path, good in ('/echo', 100), ('/hello', 100), ('/refuse', 0), ('/none', 0):
            self.load('-n', '100', '-c', '5', '-m', '10', '-d', self.upload, self.plain.url(path), good=good)

    def test_http_1_1(self):
        for server in self.plain, self.secure:
            self.load('-n', '10000', '-c', '20', '--h1', server.url('/hello'))
        self.load('-n', '2000', '-c', '20', '-m', '4', '--h1', self.plain.url('/count?n=3'))


@unittest.skipUnless(shutil.which('nghttp'), 'nghttp is not installed (Debian package nghttp2-client)')
class Nghttp(Versions):
    def test_several_paths_of_one_connection(self):
        for server in self.plain, self.secure:
            said = peer.output('nghttp', server.url('/hello'), server.url('/count?n=2'))
            self.assertIn(b'hello\n', said)
            self.assertIn(b'1\n2\n', said)

    def test_a_large_head_comes_in_continuations_with_padding(self):
        fields = [word for i in range(20) for word in ('-H', f'x-{i}: {os.urandom(500).hex()}')]
        self.assertEqual(peer.output('nghttp', '-b', '200', *fields, self.plain.url('/hello')), b'hello\n')

    def test_a_head_beyond_the_limit_is_answered(self):
        fields = [word for i in range(20) for word in ('-H', f'x-{i}: {os.urandom(500).hex()}')]
        said = peer.output('nghttp', '--continuation', *fields, self.plain.url('/hello'))  # 32 KiB more
        self.assertTrue(said.startswith(b'431 '), said)

    def test_trailers_both_ways(self):
        said = peer.output('nghttp', '-v', '-d', self.upload, '--trailer', 'x-sum: 42', '--no-content-length',
                           self.secure.url('/trailers'))
        self.assertRegex(said, rb'recv \(stream_id=\d+\) x-sum: 42')

    def test_the_upgrade_from_http_1_1_is_not_taken(self):
        said = curl('--http2', '-w', '%{http_version}', self.plain.url('/hello'))
        self.assertEqual(said, b'hello\n1.1')

    def test_small_windows(self):
        said = peer.output('nghttp', '-w', '10', '-W', '10', self.plain.url('/program'))
        self.assertEqual(hashlib.sha256(said).digest(), hashlib.sha256(self.program).digest())


@unittest.skipUnless(shutil.which('wrk'), 'wrk is not installed')
class Wrk(Versions):
    def test_no_request_fails(self):
        for server, path in (self.plain, '/count?n=20'), (self.secure, '/hello'):
            said = peer.output('wrk', '-t2', '-c40', '-d1', server.url(path)).decode()
            self.assertNotIn('Non-2xx', said)
            self.assertNotIn('Socket errors', said)
            self.assertGreater(int(re.search(r'(\d+) requests in', said)[1]), 40)


class HttpClient(PeerTest):
    def test_keep_alive_with_bodies_both_ways(self):
        c = http.client.HTTPConnection('127.0.0.1', self.server.port, timeout=PATIENCE)
        for i in range(50):
            body = bytes([i]) * (i * 997)
            c.request('POST', '/echo' if i % 2 else '/whole', body)
            r = c.getresponse()
            self.assertEqual((r.status, r.read()), (200, body))
        socket_before = c.sock
        c.request('POST', '/echo', iter([b'a' * 1000, b'b' * 70000, b'c']), encode_chunked=True,
                  headers={'Transfer-Encoding': 'chunked'})
        r = c.getresponse()
        self.assertEqual(r.read(), b'a' * 1000 + b'b' * 70000 + b'c')
        self.assertIs(c.sock, socket_before)
        self.assertIsNotNone(r.getheader('Date'))
        c.close()

    def test_many_clients_at_once_leave_no_descriptor(self):
        before = self.server.descriptors()

        def one(i):
            c = http.client.HTTPConnection('127.0.0.1', self.server.port, timeout=PATIENCE)
            for j in range(10):
                c.request('POST', '/whole', b'%d,%d' % (i, j))
                if c.getresponse().read() != b'%d,%d' % (i, j):
                    return False
            c.close()
            return True

        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            self.assertEqual(list(pool.map(one, range(300))), [True] * 300)
        deadline = time.monotonic() + PATIENCE
        while self.server.descriptors() > before and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertLessEqual(self.server.descriptors(), before)


class RawSocket(PeerTest):
    def test_pipelining_in_order(self):
        requests = b''.join(b'GET /count?n=%d HTTP/1.1\r\nHost: a\r\n\r\n' % n for n in range(50))
        heard = until_close(self.server.port, requests,
                            b'GET /hello HTTP/1.0\r\n\r\n')
        answers = heard.split(b'HTTP/1.1 200 OK\r\n')[1:]
        self.assertEqual(len(answers), 51)
        for n, answer in enumerate(answers[:50]):
            self.assertEqual(answer.count(b'\n\r\n'), n + 2, answer)

    def test_smuggling_is_refused_with_one_answer(self):
        follow = b'GET /hello HTTP/1.1\r\nHost: a\r\n\r\n'
        for fields in (b'Content-Length: 4\r\nTransfer-Encoding: chunked',
                       b'Content-Length: 4\r\nContent-Length: 5',
                       b'Transfer-Encoding: xchunked', b'Transfer-Encoding : chunked',
                       b'X: a\r\n\tTransfer-Encoding: chunked', b'Content-Length: 4 4'):
            with self.subTest(fields=fields):
                heard = until_close(self.server.port, b'POST /whole HTTP/1.1\r\nHost: a\r\n' + fields +
                                    b'\r\n\r\n0\r\n\r\n' + follow)
                self.assertTrue(heard.startswith(b'HTTP/1.1 400 '), heard)
                self.assertEqual(heard.count(b'\r\nContent-Length: '), 1)
                self.assertNotIn(b'hello', heard)

    def test_slow_heads_are_cut_off_while_others_are_served(self):
        start = time.monotonic()
        slow = [socket.create_connection(('127.0.0.1', self.server.port)) for _ in range(100)]
        for s in slow:
            s.sendall(b'GET /hello HTTP/1.1\r\nHost: a\r\nX')
        self.assertEqual(curl(self.server.url('/hello')), b'hello\n')
        for s in slow:
            s.settimeout(PATIENCE)
            self.assertTrue(s.recv(1000).startswith(b'HTTP/1.1 408 '))
            s.close()
        self.assertGreater(time.monotonic() - start, 1.5)

    def test_a_stop_lets_a_running_request_finish(self):
        with socket.create_connection(('127.0.0.1', self.server.port), timeout=PATIENCE) as s:
            s.sendall(b'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
            time.sleep(0.1)
            self.server.process.send_signal(signal.SIGTERM)
            heard = b''
            while part := s.recv(1000):
                heard += part
        self.assertTrue(heard.endswith(b'\r\nConnection: close\r\n\r\nslow\n'), heard)
        self.server.process.wait(PATIENCE)

    def finish(self):
        if self.server.process.poll() is None:
            super().finish()
        else:
            self.assertEqual(self.server.process.communicate()[0], 'ended: EINTR\n')


class Examples(unittest.TestCase):
    def test_hello(self):
        server = Server(HELLO, '0')
        try:
            self.assertEqual(curl(server.url('/?name=Ada+L%C3%A9vy')), 'Hello, Ada Lévy!\n'.encode())
            self.assertEqual(curl(server.url('/')), b'Hello, world!\n')
            self.assertEqual(curl(server.url('/other')), b'not here\n')
        finally:
            self.assertEqual(server.stop(), ('', 0))

    def test_events(self):
        server = Server(EVENTS, '0')
        try:
            self.assertIn(b'/clock.js', curl(server.url('/')))
            self.assertIn(b'EventSource', curl(server.url('/clock.js')))
            c = http.client.HTTPConnection('127.0.0.1', server.port, timeout=PATIENCE)
            c.request('GET', '/events')
            r = c.getresponse()
            self.assertEqual(r.getheader('Content-Type'), 'text/event-stream')
            self.assertEqual([r.readline() for _ in range(2)], [b'event: tick\n', b'id: 1\n'])
            self.assertRegex(r.readline(), rb'^data: \d\d:\d\d:\d\d\n$')
        finally:
            self.assertEqual(server.stop(), ('', 0))  # an open stream does not hold it up
            c.close()


if __name__ == '__main__':
    PEER_SERVER, HELLO, EVENTS = sys.argv[1:4]
    del sys.argv[1:4]
    kit.main()
