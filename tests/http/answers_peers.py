#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Asks examples/http_answers with clients that are not ours: curl, and Python's gzip, email and http.cookies.

usage: answers_peers.py HTTP-ANSWERS
"""

import email
import gzip
import http.cookies
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

from peer import PATIENCE, curl

PROGRAM = None


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.large = os.urandom(2_000_000)
        cls.text = b'to be or not to be\n' * 1000
        for name, content in (('large.bin', cls.large), ('text.txt', cls.text), ('.hidden', b'secret')):
            with open(os.path.join(cls.folder.name, name), 'wb') as file:
                file.write(content)
        cls.process = subprocess.Popen([PROGRAM, '0', cls.folder.name], stdout=subprocess.PIPE, text=True,
                                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.base = cls.process.stdout.readline().strip()

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.communicate(timeout=PATIENCE)
        cls.folder.cleanup()

    def url(self, path):
        return self.base + path

    def test_json(self):
        self.assertEqual(curl(self.url('/hello')), b'{"message": "Hello, World!"}')
        self.assertEqual(curl(self.url('/hello?name=Ann')), b'{"message": "Hello, Ann!"}')
        began = time.monotonic()
        said = json.loads(curl('-d', '{"a":1}', self.url('/process')))
        self.assertEqual(said, {'received': {'a': 1}, 'status': 'processed'})
        self.assertGreaterEqual(time.monotonic() - began, 1)
        self.assertEqual(curl('-o', os.devnull, '-w', '%{http_code}', '-d', '{"a":', self.url('/process')), b'400')

    def test_stream_arrives_as_it_is_made(self):
        result = subprocess.Popen(['curl', '-sSN', '--compressed', '--max-time', str(PATIENCE), '--noproxy', '*',
                                   self.url('/stream')], stdout=subprocess.PIPE)
        times = []
        for i, line in enumerate(result.stdout):
            self.assertEqual(line, b'Chunk %d\n' % i)
            times.append(time.monotonic())
        result.stdout.close()
        self.assertEqual(result.wait(timeout=PATIENCE), 0)
        self.assertEqual(len(times), 10)
        self.assertGreaterEqual(times[-1] - times[0], 4)

    def test_files_whole_and_in_parts(self):
        for protocol in ('--http1.1', '--http2-prior-knowledge', '--http1.0'):
            self.assertEqual(curl(protocol, self.url('/large.bin')), self.large, protocol)
            self.assertEqual(curl(protocol, '-r', '1000-999999', self.url('/large.bin')), self.large[1000:1000000])
            self.assertEqual(curl(protocol, '-r', '-5', self.url('/large.bin')), self.large[-5:])
        head = curl('-I', self.url('/large.bin')).decode()
        self.assertIn('Content-Length: 2000000', head)

    def test_several_parts_are_an_email(self):
        said = curl('-D', '-', '-r', '0-9,500000-799999', self.url('/large.bin'))
        head, _, body = said.partition(b'\r\n\r\n')
        kind = re.search(rb'Content-Type: [^\r]*', head).group()
        message = email.message_from_bytes(kind + b'\r\n\r\n' + body)
        parts = [part.get_payload(decode=True) for part in message.get_payload()]
        self.assertEqual(parts, [self.large[:10], self.large[500000:800000]])

    def test_a_download_goes_on(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.large[:1234567])
            file.flush()
            curl('-C', '-', '-o', file.name, self.url('/large.bin'))
            with open(file.name, 'rb') as whole:
                self.assertEqual(whole.read(), self.large)

    def test_a_tag_saves_the_content(self):
        with tempfile.TemporaryDirectory() as folder:
            tag = os.path.join(folder, 'tag')
            code = ('-o', os.devnull, '-w', '%{http_code}')
            self.assertEqual(curl('--etag-save', tag, *code, self.url('/text.txt')), b'200')
            self.assertEqual(curl('--etag-compare', tag, *code, self.url('/text.txt')), b'304')
            self.assertEqual(curl('--compressed', '--etag-compare', tag, *code, self.url('/text.txt')), b'304')

    def test_compression(self):
        for protocol in ('--http1.1', '--http2-prior-knowledge'):
            said = curl(protocol, '-H', 'Accept-Encoding: gzip', self.url('/text.txt'))
            self.assertLess(len(said), 1000)
            self.assertEqual(gzip.decompress(said), self.text)
            self.assertEqual(curl(protocol, '--compressed', self.url('/text.txt')), self.text)
        self.assertEqual(curl(self.url('/text.txt')), self.text)

    def test_nothing_else_is_served(self):
        for path in ('/.hidden', '/../etc/passwd', '/%2e%2e/etc/passwd', '/none'):
            code = curl('--path-as-is', '-o', os.devnull, '-w', '%{http_code}', self.url(path))
            self.assertEqual(code, b'404', path)

    def test_uploads(self):
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, 'a "b" é.bin')
            with open(name, 'wb') as file:
                file.write(self.large[:700000])
            said = curl('-F', 'text=one', '-F', f'file=@"{name}"'.replace('"b"', '\\"b\\"'), self.url('/upload'))
            self.assertEqual(said.decode(), 'text\nfile: a__22b_22_é.bin, 700000 bytes\n')
            self.assertEqual(curl('-o', os.devnull, '-w', '%{http_code}', '-d', 'a=1', self.url('/upload')), b'415')
        saved = [n for n in os.listdir(self.folder.name) if n.startswith('upload-')]
        self.assertEqual(len(saved), 1)
        with open(os.path.join(self.folder.name, saved[0]), 'rb') as file:
            self.assertEqual(file.read(), self.large[:700000])

    def test_cookies(self):
        with tempfile.NamedTemporaryFile() as jar:
            for i in range(1, 4):
                self.assertEqual(curl('-b', jar.name, '-c', jar.name, self.url('/visits')), b'%d' % i)
        head = curl('-D', '-', '-o', os.devnull, self.url('/visits')).decode()
        cookie = http.cookies.SimpleCookie(re.search('Set-Cookie: ([^\r]*)', head).group(1))
        self.assertEqual((cookie['visits'].value, cookie['visits']['samesite']), ('1', 'Lax'))

    def test_metrics(self):
        curl(self.url('/hello'))
        said = curl(self.url('/metrics')).decode()
        self.assertRegex(said, r'http_requests_total\{method="GET",status="2xx"\} [1-9]')
        self.assertIn('http_requests_in_flight 1\n', said)


if __name__ == '__main__':
    PROGRAM = sys.argv.pop(1)
    unittest.main(verbosity=0)
