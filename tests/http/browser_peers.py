#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Asks a server with Chromium: fetch, EventSource, WebSocket, in the clear and by HTTP/2 over TLS.

usage: browser_peers.py PEER-SERVER
"""

import os
import sys
import tempfile
import unittest

import peer
from peer import Server
import kit

sys.path.append(os.path.join(kit.ROOT, 'tests', 'jobs'))
import webdriver  # noqa: E402

PEER_SERVER = None

FETCHES = '''
    const counts = await Promise.all(Array.from({length: 200}, async (_, i) =>
        (await (await fetch(`/count?n=${i % 50}`)).text()).split('\\n').length - 1));
    const body = new Uint8Array(700001).map((_, i) => i % 251);
    const echoed = new Uint8Array(await (await fetch('/echo', {method: 'POST', body})).arrayBuffer());
    const text = await fetch('/text');
    const lines = (await text.text()).split('\\n').length;
    const part = await fetch('/program', {headers: {Range: 'bytes=5-14'}});
    const refused = await fetch('/refuse', {method: 'POST', body, credentials: 'omit'}); // else it asks the user
    const failed = await fetch('/fail');
    const left = new AbortController();
    const slow = fetch('/slow', {signal: left.signal}).catch((e) => e.name);
    setTimeout(() => left.abort(), 50);
    const protocols = performance.getEntriesByType('resource').map((e) => e.nextHopProtocol);
    return {
        counts: counts.every((n, i) => n === i % 50), echoed: echoed.every((b, i) => b === i % 251) && echoed.length,
        coding: text.headers.get('content-encoding'), lines, part: [part.status, (await part.arrayBuffer()).byteLength],
        statuses: [refused.status, failed.status], slow: await slow, protocols: [...new Set(protocols)].filter(Boolean),
    };'''

STREAMED_UPLOAD = '''
    let rest = 500;
    const body = new ReadableStream({pull(c) {
        if (rest-- > 0) c.enqueue(new Uint8Array(1000).fill(7)); else c.close();
    }});
    const said = await fetch('/echo', {method: 'POST', body, duplex: 'half'});
    return (await said.arrayBuffer()).byteLength;'''

TICKS = '''
    const source = new EventSource('/ticks');
    return await new Promise((resolve) => {
        const seen = [];
        source.onmessage = (m) => {
            seen.push([m.data, m.lastEventId]);
            if (seen.length === 4) { source.close(); resolve(seen); }
        };
    });'''

TICK_EVENTS = '''
    const source = new EventSource('/events');
    return await new Promise((resolve) => {
        const seen = [];
        source.addEventListener('tick', (m) => {
            seen.push(m.data);
            if (seen.length === 3) { source.close(); resolve(seen); }
        });
    });'''

SOCKETS = '''
    const talk = (n) => new Promise((resolve, reject) => {
        const ws = new WebSocket(location.origin.replace('http', 'ws') + '/websocket');
        const said = [], messages = ['x', '', 'h\\u00e9'.repeat(100000), new Uint8Array(70000).fill(n), 'version'];
        ws.binaryType = 'arraybuffer';
        ws.onopen = () => messages.forEach((m) => ws.send(m));
        ws.onerror = () => reject(new Error('the socket failed'));
        ws.onmessage = (m) => {
            const expected = messages[said.length];
            said.push(m.data);
            if (typeof m.data === 'string' ? m.data !== expected && expected !== 'version'
                                           : !new Uint8Array(m.data).every((b) => b === n))
                reject(new Error(`number ${said.length} is another`));
            if (said.length === messages.length)
                ws.close(4321);
        };
        ws.onclose = (c) => resolve([said.at(-1), c.code, c.wasClean]);
    });
    return await Promise.all(Array.from({length: 5}, (_, i) => talk(i)));'''


@unittest.skipIf(webdriver.missing(), webdriver.missing())
class Chromium(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.plain = Server(PEER_SERVER)
        cls.secure = Server(PEER_SERVER, *peer.certificate(cls.folder.name), scheme='https')
        cls.driver = webdriver.Driver()
        cls.browser = webdriver.Browser(cls.driver, '--ignore-certificate-errors')

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.driver.close()
        ends = [cls.plain.stop(), cls.secure.stop()]
        cls.folder.cleanup()
        assert ends == [('ended: EINTR\n', 0)] * 2, ends

    def in_page(self, server, script):
        self.browser.get(server.url('/page'))
        return self.browser.run(f'return (async () => {{{script}}})()')

    def test_fetch(self):
        for server, protocol in (self.plain, 'http/1.1'), (self.secure, 'h2'):
            with self.subTest(protocol=protocol):
                said = self.in_page(server, FETCHES)
                self.assertEqual(said, {
                    'counts': True, 'echoed': 700001, 'coding': 'br',
                    'lines': 20001, 'part': [206, 10], 'statuses': [401, 500], 'slow': 'AbortError',
                    'protocols': [protocol]})

    def test_an_upload_that_is_made_as_it_is_sent(self):
        self.assertEqual(self.in_page(self.secure, STREAMED_UPLOAD), 500000)  # browsers do that by HTTP/2 only

    def test_event_source(self):
        for server in self.plain, self.secure:
            self.assertEqual(self.in_page(server, TICK_EVENTS), ['a\nb'] * 3)

    def test_an_event_source_comes_back_where_it_was(self):
        self.assertEqual(self.in_page(self.secure, TICKS), [[f'{i}', f'{i}'] for i in range(1, 5)])

    def test_websockets(self):
        for server, version in (self.plain, 'HTTP/1.1'), (self.secure, 'HTTP/2'):
            self.assertEqual(self.in_page(server, SOCKETS), [[version, 4321, True]] * 5)


if __name__ == '__main__':
    PEER_SERVER = sys.argv.pop(1)
    kit.main()
