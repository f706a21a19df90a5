#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Has our TLS client speak to `openssl s_server` and to Python's asyncio.

usage: client_peers.py PEER-CLIENT
"""

import asyncio
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
import kit  # noqa: E402

PEER_CLIENT = None
PATIENCE = 30
LINES = ['one', 'two', 'three']


def make_certificate(folder, name):
    """A certificate for localhost that signs itself: the files of its chain and key."""
    chain, key = f'{folder}/{name}.pem', f'{folder}/{name}.key'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                    '-keyout', key, '-out', chain, '-days', '1', '-subj', f'/CN={name}',
                    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
                   check=True, capture_output=True, timeout=PATIENCE)
    return chain, key


def arguments(mode, port, settings):
    return [PEER_CLIENT, mode, str(port)] + [f'{name}={value}' for name, value in settings.items()]


@unittest.skipUnless(shutil.which('openssl'), "the command openssl is missing (tools/install-deps test)")
class WithCertificates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.chain, cls.key = make_certificate(folder.name, 'server')
        cls.client_chain, cls.client_key = make_certificate(folder.name, 'client')


class OpensslServer(WithCertificates):
    def start(self, command, stdin):
        """A process that ends with the test, or when its time is over."""
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        limit = threading.Timer(PATIENCE, process.kill)
        limit.start()

        def end():
            limit.cancel()
            process.kill()
            process.communicate(timeout=PATIENCE)
        self.addCleanup(end)
        return process

    def serve(self, *options, keep_input=False):
        """Starts `openssl s_server` on a port that the system chooses: the process."""
        server = self.start(['stdbuf', '-oL', 'openssl', 's_server', '-accept', '127.0.0.1:0', '-cert', self.chain,
                             '-key', self.key, *options], subprocess.PIPE if keep_input else subprocess.DEVNULL)
        self.port = int(self.await_line(server, 'ACCEPT').rsplit(':', 1)[-1])
        return server

    def await_line(self, process, pattern):
        for line in process.stdout:
            if re.match(pattern, line):
                return line
        return self.fail(f'{process.args} ended before saying "{pattern}"')

    @staticmethod
    def tell(server, text):
        """What s_server sends to its client, or obeys, if it is one of its letters."""
        server.stdin.write(text + '\n')
        server.stdin.flush()

    def talk(self, mode, **settings):
        """What our client prints, line by line."""
        result = subprocess.run(arguments(mode, self.port, {'ca': self.chain, **settings}), timeout=PATIENCE,
                                check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        return [line.strip() for line in result.stdout.splitlines()]

    REVERSED = [line[::-1] for line in LINES]

    def test_either_version(self):
        for option, version in (('-tls1_2', 'TLSv1.2'), ('-tls1_3', 'TLSv1.3')):
            with self.subTest(version):
                self.serve('-rev', option)
                self.assertEqual(self.talk('lines'),
                                 [f'shaken {version} alpn= resumed=0'] + self.REVERSED + ['ended well'])

    def test_a_version_that_is_too_old_is_refused(self):
        self.serve('-rev', '-tls1_2')
        self.assertRegex(self.talk('lines', version='1.3')[-1], 'ended KT_ETLS .*protocol version')

    def test_a_protocol_is_agreed_on(self):
        self.serve('-rev', '-alpn', 'h2,http/1.1')
        self.assertEqual(self.talk('lines', alpn='http/1.1')[0], 'shaken TLSv1.3 alpn=http/1.1 resumed=0')

    def test_sessions_are_resumed(self):
        for option in ('-tls1_2', '-tls1_3'):
            with self.subTest(option):
                self.serve('-rev', option)
                said = [line for line in self.talk('lines', resumes=1) if line.startswith('shaken')]
                self.assertEqual([line[-1] for line in said], ['0', '1'])

    def test_a_client_shows_its_certificate(self):
        for option in ('-tls1_2', '-tls1_3'):
            with self.subTest(option):
                self.serve('-rev', option, '-Verify', '1', '-verify_return_error', '-CAfile', self.client_chain,
                           '-max_send_frag', '512')
                shown = self.talk('lines', certificate=self.client_chain, key=self.client_key)
                self.assertEqual(shown[1:], self.REVERSED + ['ended well'])
                self.assertRegex(self.talk('lines')[-1], 'ended KT_ETLS .*peer objects')

    def test_who_is_not_trusted_is_refused(self):
        self.serve('-rev')
        self.assertRegex(self.talk('lines', ca=self.client_chain)[-1], 'ended KT_ECERTIFICATE .*self-signed')
        self.assertRegex(self.talk('lines', name='example.org')[-1], 'ended KT_ECERTIFICATE .*hostname mismatch')
        self.assertEqual(self.talk('lines')[-1], 'ended well')

    def start_client(self, mode, **settings):
        return self.start(arguments(mode, self.port, {'ca': self.chain, **settings}), subprocess.DEVNULL)

    def test_an_abrupt_end_is_no_end_of_file(self):
        for option in ('-tls1_2', '-tls1_3'):
            with self.subTest(option):
                server = self.serve(option, keep_input=True)
                client = self.start_client('drink')
                self.assertRegex(client.stdout.readline(), 'shaken')
                self.tell(server, 'some bytes')
                self.assertEqual(client.stdout.readline(), 'heard some bytes\n')
                server.kill()
                self.assertRegex(client.communicate(timeout=PATIENCE)[0], 'ended KT_ETRUNCATED .*without close_notify')

    def test_an_end_in_order_is_one(self):
        for option in ('-tls1_2', '-tls1_3'):
            with self.subTest(option):
                self.serve('-rev', option)
                self.assertEqual(self.talk('drink', say='CLOSE')[1:], ['ended well'])

    def test_keys_change(self):
        server = self.serve('-tls1_3', '-msg', keep_input=True)
        client = self.start_client('drink', answers=1)
        self.assertRegex(client.stdout.readline(), 'shaken')
        for command in ('k', 'K', 'K', 'k'):
            self.tell(server, command)
            self.await_line(server, '>>> .*KeyUpdate')
            self.tell(server, f'after {command}')
            self.assertEqual(client.stdout.readline(), f'heard after {command}\n')
            if command == 'K': # ours change, too, ahead of the next bytes
                self.await_line(server, '<<< .*KeyUpdate')
            self.await_line(server, f'after {command}')


class AsyncioServer(WithCertificates):
    async def run_client(self, handler, mode, settings, tls):
        server = await asyncio.start_server(handler, '127.0.0.1', 0, ssl=tls)
        async with server:
            port = server.sockets[0].getsockname()[1]
            client = await asyncio.create_subprocess_exec(*arguments(mode, port, {'ca': self.chain, **settings}),
                                                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            try:
                text, _ = await asyncio.wait_for(client.communicate(), PATIENCE)
            finally:
                if client.returncode is None:
                    client.kill()
                    await client.wait()
        return text.decode()

    def context(self):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.chain, self.key)
        return context

    def talk(self, handler, mode, in_the_open=False, **settings):
        return asyncio.run(self.run_client(handler, mode, settings, None if in_the_open else self.context()))

    @staticmethod
    async def echo(reader, writer):
        while data := await reader.read(100000):
            writer.write(data)
            await writer.drain()
        writer.close()

    def test_much_goes_both_ways(self):
        size = 20 * 1000 * 1000
        self.assertRegex(self.talk(self.echo, 'echo', size=size), f'echoed {size} bytes\nended well')

    def test_lines(self):
        self.assertRegex(self.talk(self.echo, 'lines'), 'one\ntwo\nthree\nended well')

    def test_an_abrupt_end_is_no_end_of_file(self):
        async def abort(reader, writer):
            writer.write(b'some bytes\n')
            await writer.drain()
            await asyncio.sleep(0.1)
            writer.transport.abort()
        self.assertRegex(self.talk(abort, 'drink'), 'heard some bytes\nended KT_ETRUNCATED')

    def test_an_end_in_order_is_one(self):
        async def close(reader, writer):
            writer.write(b'some bytes\n')
            writer.close()
        self.assertRegex(self.talk(close, 'drink'), 'heard some bytes\nended well')

    @unittest.skipUnless(hasattr(asyncio.StreamWriter, 'start_tls'), 'Python before 3.11 has no StreamWriter.start_tls')
    def test_a_stream_is_upgraded(self):
        async def upgrade(reader, writer):
            self.assertEqual(await reader.readline(), b'STARTTLS\n')
            writer.write(b'go ahead\n')
            await writer.drain()
            await writer.start_tls(self.context())
            await self.echo(reader, writer)
        self.assertRegex(self.talk(upgrade, 'upgrade', in_the_open=True),
                         'go ahead\nshaken TLSv1.3 alpn= resumed=0\none\ntwo\nthree\nended well')


if __name__ == '__main__':
    PEER_CLIENT = sys.argv.pop(1)
    kit.main()
