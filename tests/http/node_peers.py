#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Asks a server with clients for Node: its own, and those of packages where they are installed.

usage: node_peers.py PEER-SERVER

Packages are looked for where Debian puts them, and in NODE_PATH.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import peer
from peer import PATIENCE, Server
import kit

PEER_SERVER = None
SCRIPT = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'node_client.js')


def node_is_old():
    """Why Node's tests cannot run here, or None."""
    if not shutil.which('node'):
        return 'node is not installed'
    version = peer.output('node', '-p', 'process.versions.node').decode().strip()
    return None if int(version.split('.', maxsplit=1)[0]) >= 18 else f'node {version} has no fetch'


@unittest.skipIf(node_is_old(), node_is_old())
class Node(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.chain, key = peer.certificate(cls.folder.name)
        cls.plain = Server(PEER_SERVER)
        cls.secure = Server(PEER_SERVER, cls.chain, key, scheme='https')

    @classmethod
    def tearDownClass(cls):
        ends = [cls.plain.stop(), cls.secure.stop()]
        cls.folder.cleanup()
        assert ends == [('ended: EINTR\n', 0)] * 2, ends

    def run_script(self, name):
        paths = os.environ.get('NODE_PATH', '').split(':') + ['/usr/share/nodejs', '/usr/lib/node_modules']
        # Node 18, which is Debian's, warns of addresses as server names.
        environment = dict(os.environ, NODE_EXTRA_CA_CERTS=self.chain, NODE_NO_WARNINGS='1',
                           NODE_PATH=':'.join(filter(None, paths)))
        with open(self.chain, encoding='ascii') as f:
            environment['CA'] = f.read()
        result = subprocess.run(['node', SCRIPT, name, self.plain.url(''), self.secure.url('')], env=environment,
                                capture_output=True, text=True, timeout=PATIENCE * 2, check=False)
        if result.returncode == 77:
            self.skipTest(result.stdout)
        self.assertEqual((result.returncode, result.stderr), (0, ''))

    def test_fetch(self):
        self.run_script('fetch')

    def test_http(self):
        self.run_script('http')

    def test_http_refused(self):
        self.run_script('http_refused')

    def test_http2(self):
        self.run_script('http2')

    def test_ws(self):
        self.run_script('ws')

    def test_undici(self):
        self.run_script('undici')

    def test_autocannon(self):
        self.run_script('autocannon')


if __name__ == '__main__':
    PEER_SERVER = sys.argv.pop(1)
    kit.main()
