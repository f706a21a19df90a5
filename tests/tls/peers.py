#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Speaks to our TLS server with Python's ssl and with `openssl s_client`.

usage: peers.py PEER-ECHO
"""

import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
import kit  # noqa: E402

PEER_ECHO = None
PATIENCE = 20


class Peers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.chain, key = folder.name + '/chain.pem', folder.name + '/key.pem'
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                        '-keyout', key, '-out', self.chain, '-days', '1', '-subj', '/CN=localhost',
                        '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
                       check=True, capture_output=True, timeout=PATIENCE)
        self.server = subprocess.Popen([PEER_ECHO, self.chain, key], stdout=subprocess.PIPE, text=True,
                                       stdin=subprocess.DEVNULL)
        self.addCleanup(self.stop)
        self.port = int(self.server.stdout.readline().rsplit(':', 1)[-1])

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        self.server.communicate(timeout=PATIENCE)
        self.assertEqual(self.server.returncode, 0)

    def connect(self, context):
        plain = socket.create_connection(('127.0.0.1', self.port), timeout=PATIENCE)
        return context.wrap_socket(plain, server_hostname='localhost')

    def echo(self, context):
        with self.connect(context) as s:
            text = b'x' * 300000 + b'\n'
            s.sendall(text)
            heard = b''
            while len(heard) < len(text):
                heard += s.recv(65536)
            self.assertEqual(heard, text)
            s.unwrap().close()
            return s

    def test_python_by_either_version(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=self.chain)
            context.minimum_version = context.maximum_version = version
            self.echo(context)

    def test_a_python_that_does_not_trust_us_harms_nobody(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(ssl.create_default_context())
        self.echo(ssl.create_default_context(cafile=self.chain))

    def test_plain_http_and_garbage_harm_nobody(self):
        for text in (b'GET / HTTP/1.1\r\nHost: a\r\n\r\n', bytes(range(256)) * 8):
            with socket.create_connection(('127.0.0.1', self.port), timeout=PATIENCE) as s:
                s.sendall(text)
                try:
                    while s.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
        self.echo(ssl.create_default_context(cafile=self.chain))

    def test_s_client(self):
        result = subprocess.run(['openssl', 's_client', '-connect', f'127.0.0.1:{self.port}', '-CAfile', self.chain,
                                 '-verify_return_error', '-quiet', '-no_ign_eof'], input=b'hello\nQ\n',
                                capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == '__main__':
    PEER_ECHO = sys.argv.pop(1)
    kit.main()
