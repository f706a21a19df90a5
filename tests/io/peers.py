#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our streams with socat, Python's asyncio, and dd at the other end.

usage: peers.py PEER-STREAM
"""

import asyncio
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
import kit  # noqa: E402

PEER = None
PATIENCE = 60
MUCH = os.urandom(1 << 20) * 20 + b'the end'


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as s:
        return s.getsockname()[1]


class Peers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = folder.name + '/socket'

    def start(self, *command):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate, timeout=PATIENCE)
        self.addCleanup(process.send_signal, signal.SIGTERM)
        return process

    def serve(self, *arguments):
        return int(self.start(PEER, 'serve', *arguments).stdout.readline().split()[-1])

    def check_echo(self, *command):
        done = subprocess.run(command, input=MUCH, stdout=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(len(done.stdout), len(MUCH))
        self.assertEqual(done.stdout, MUCH)


@unittest.skipUnless(shutil.which('socat'), 'socat is not installed')
class Socat(Peers):
    def wait_for_server(self, kind, address):
        for _ in range(500):
            s = socket.socket(kind)
            try:
                s.connect(address)
                return s.close()
            except OSError:
                s.close()
                subprocess.run(['sleep', '0.02'], check=True)
        self.fail('socat does not listen')

    def test_talks_to_our_server_over_tcp(self):
        self.check_echo('socat', '-t', '30', '-', f'TCP:127.0.0.1:{self.serve()}')

    def test_talks_to_our_server_over_a_unix_socket(self):
        self.serve(self.path)
        self.check_echo('socat', '-t', '30', '-', f'UNIX:{self.path}')

    def test_listens_to_our_client_over_tcp(self):
        port = free_port()
        self.start('socat', '-t', '30', f'TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork', 'EXEC:cat')
        self.wait_for_server(socket.AF_INET, ('127.0.0.1', port))
        self.check_echo(PEER, 'connect', 'localhost', str(port))

    def test_listens_to_our_client_over_a_unix_socket(self):
        self.start('socat', '-t', '30', f'UNIX-LISTEN:{self.path},fork', 'EXEC:cat')
        self.wait_for_server(socket.AF_UNIX, self.path)
        self.check_echo(PEER, 'connect', self.path)


class Asyncio(Peers):
    async def echo_lines(self, port, number):
        reader, writer = await asyncio.open_connection('127.0.0.1', port)
        for i in range(200):
            writer.write(b'line %d of %d\n' % (i, number))
            self.assertEqual(await reader.readline(), b'line %d of %d\n' % (i, number))
        writer.write(b'x' * 200000)
        writer.write_eof()
        self.assertEqual(await reader.read(), b'x' * 200000)
        writer.close()
        await writer.wait_closed()

    def test_fifty_clients_of_our_server(self):
        async def run(port):
            await asyncio.gather(*(self.echo_lines(port, n) for n in range(50)))
        asyncio.run(asyncio.wait_for(run(self.serve()), PATIENCE))

    def test_a_server_for_our_client(self):
        async def echo(reader, writer):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()

        async def run():
            server = await asyncio.start_server(echo, '127.0.0.1', 0)
            port = server.sockets[0].getsockname()[1]
            client = await asyncio.create_subprocess_exec(PEER, 'connect', '127.0.0.1', str(port),
                                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            out, _ = await client.communicate(MUCH)
            self.assertEqual(client.returncode, 0)
            self.assertEqual(out, MUCH)
            server.close()
        asyncio.run(asyncio.wait_for(run(), PATIENCE))


class Many(Peers):
    COUNT = 10000

    def test_ten_thousand_connections_are_held(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < self.COUNT + 100:
            self.skipTest(f'only {hard} descriptors are allowed')
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.COUNT + 100, hard))
        port = self.serve()
        clients = []
        try:
            for _ in range(self.COUNT):
                clients.append(socket.create_connection(('127.0.0.1', port), timeout=PATIENCE))
            for i, c in enumerate(clients):
                c.sendall(b'%d' % i)
            for i, c in enumerate(clients):
                self.assertEqual(c.recv(100), b'%d' % i)
        finally:
            for c in clients:
                c.close()


class Pipes(Peers):
    def relayed(self, count):
        dd = subprocess.Popen(['dd', 'if=/dev/zero', 'bs=1M', f'count={count}', 'status=none'],
                              stdout=subprocess.PIPE)
        relay = subprocess.Popen([PEER, 'relay'], stdin=dd.stdout, stdout=subprocess.PIPE)
        dd.stdout.close()
        wc = subprocess.run(['wc', '-c'], stdin=relay.stdout, stdout=subprocess.PIPE, timeout=PATIENCE, check=True)
        relay.stdout.close()
        self.assertEqual(relay.wait(timeout=PATIENCE), 0)
        self.assertEqual(dd.wait(timeout=PATIENCE), 0)
        return int(wc.stdout)

    def test_a_gigabyte_from_dd_to_wc(self):
        self.assertEqual(self.relayed(1024), 1 << 30)

    def test_a_reader_that_has_enough_ends_the_pipeline(self):
        dd = subprocess.Popen(['dd', 'if=/dev/zero', 'bs=1M', 'status=none'], stdout=subprocess.PIPE)
        relay = subprocess.Popen([PEER, 'relay'], stdin=dd.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        dd.stdout.close()
        self.assertEqual(len(relay.stdout.read(5000000)), 5000000)
        relay.stdout.close()
        self.assertIn(b'EPIPE', relay.stderr.read())
        relay.stderr.close()
        self.assertEqual(relay.wait(timeout=PATIENCE), 1)
        self.assertEqual(dd.wait(timeout=PATIENCE), -signal.SIGPIPE)

    def test_a_file_in_and_a_file_out(self):
        with open(self.path + '.in', 'wb') as f:
            f.write(MUCH)
        with open(self.path + '.in', 'rb') as source, open(self.path + '.out', 'wb') as target:
            subprocess.run([PEER, 'relay'], stdin=source, stdout=target, timeout=PATIENCE, check=True)
        with open(self.path + '.out', 'rb') as f:
            self.assertEqual(f.read(), MUCH)


if __name__ == '__main__':
    PEER = sys.argv.pop(1)
    kit.main()
