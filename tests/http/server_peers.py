#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Drives a server with clients that are not ours: curl, Python's http.client, raw sockets.

usage: server_peers.py PEER-SERVER HTTP-HELLO HTTP-EVENTS
"""

import concurrent.futures
import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
import kit  # noqa: E402

PEER_SERVER = HELLO = EVENTS = None
PATIENCE = 20


class Server:
    """A program that prints where it listens."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        stdin=subprocess.DEVNULL)
        self.port = int(self.process.stdout.readline().rsplit(':', 1)[-1])

    def url(self, path):
        return f'http://127.0.0.1:{self.port}{path}'

    def stop(self):
        """The rest of the output, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        rest = self.process.communicate(timeout=PATIENCE)[0]
        return rest, self.process.returncode

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))


def curl(*arguments, data=None):
    result = subprocess.run(['curl', '-sS', '--max-time', str(PATIENCE), '--noproxy', '*', *arguments],
                            input=data, capture_output=True, check=False)
    if result.returncode:
        raise AssertionError(f'curl: {result.returncode} {result.stderr.decode()}')
    return result.stdout


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

    @unittest.skipUnless(shutil.which('h2load'), 'h2load is missing')
    def test_http_2_under_load(self):
        for arguments in ['-n', '20000', '-c', '20', '-m', '50'], ['-n', '2000', '-c', '100', '-m', '1']:
            said = subprocess.run(['h2load', *arguments, self.server.url('/hello')], capture_output=True, text=True,
                                  timeout=PATIENCE * 3, check=True).stdout
            self.assertIn(f'{arguments[1]} succeeded, 0 failed, 0 errored', said)

    @unittest.skipUnless(shutil.which('nghttp'), 'nghttp is missing')
    def test_http_2_by_nghttp(self):
        said = subprocess.run(['nghttp', self.server.url('/hello'), self.server.url('/count?n=2')],
                              capture_output=True, timeout=PATIENCE, check=True).stdout
        self.assertIn(b'hello\n', said)
        self.assertIn(b'1\n2\n', said)

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
