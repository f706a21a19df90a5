// SPDX-License-Identifier: MIT
// Asks a server with Node's clients: fetch, http, https, http2, and ws and undici where they are installed.
// usage: node node_client.js TEST HTTP-URL HTTPS-URL; ends with 77 where a package is missing.
'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');
const http = require('node:http');
const http2 = require('node:http2');
const https = require('node:https');

const body = crypto.randomBytes(700001);
const text = Array.from({ length: 20000 }, (_, i) => `line ${i}\n`).join('');

// Debian puts packages where NODE_PATH has to point.
function needs(name) {
    try {
        return require(name);
    } catch (error) {
        if (error.code !== 'MODULE_NOT_FOUND')
            throw error;
        process.stdout.write(`${name} is not installed`);
        return process.exit(77);
    }
}

async function whole(stream) {
    const pieces = [];
    for await (const piece of stream)
        pieces.push(piece);
    return Buffer.concat(pieces);
}

function request(url, options = {}, data = null) {
    return new Promise((resolve, reject) => {
        const r = (url.startsWith('https') ? https : http).request(url, options, resolve);
        r.on('error', reject);
        if (options.onContinue)
            r.on('continue', () => r.end(options.onContinue()));
        else
            r.end(data);
    });
}

const tests = {
    async fetch(plain, secure) {
        for (const url of [plain, secure]) {
            const answers = Array.from({ length: 200 }, async (_, i) => (await fetch(`${url}/count?n=${i}`)).text());
            assert.deepStrictEqual((await Promise.all(answers)).map((t) => t.split('\n').length - 1),
                Array.from({ length: 200 }, (_, i) => i));
            const echo = await fetch(`${url}/whole`, { method: 'POST', body });
            assert.ok(Buffer.from(await echo.arrayBuffer()).equals(body));
            const compressed = await fetch(`${url}/text`);
            assert.match(compressed.headers.get('content-encoding'), /gzip|br/);
            assert.strictEqual(await compressed.text(), text);
            const streamed = await fetch(`${url}/echo`, {
                method: 'POST', duplex: 'half', body: new ReadableStream({
                    start(c) {
                        for (let i = 0; i < 100; i++)
                            c.enqueue(new TextEncoder().encode(`piece ${i}\n`));
                        c.close();
                    },
                }),
            });
            assert.strictEqual((await streamed.text()).split('\n').length, 101);
            const refused = await fetch(`${url}/refuse`, { method: 'POST', body: 'x' });
            assert.strictEqual(refused.status, 401);
            const aborted = new AbortController();
            const slow = fetch(`${url}/slow`, { signal: aborted.signal });
            setTimeout(() => aborted.abort(), 50);
            await assert.rejects(slow, { name: 'AbortError' });
            assert.strictEqual(await (await fetch(`${url}/hello`)).text(), 'hello\n');
        }
    },

    async http(plain, secure) {
        for (const url of [plain, secure]) {
            const agent = new (url === plain ? http : https).Agent({ keepAlive: true, maxSockets: 1 });
            for (let i = 0; i < 50; i++) {
                const said = await request(`${url}/echo`, { method: 'POST', agent }, body.subarray(0, i * 1000));
                assert.ok((await whole(said)).equals(body.subarray(0, i * 1000)));
            }
            assert.strictEqual(Object.values(agent.freeSockets).flat().length, 1);
            const expecting = { method: 'POST', agent, headers: { expect: '100-continue' }, onContinue: () => body };
            assert.ok((await whole(await request(`${url}/whole`, expecting))).equals(body));
            const trailers = await request(`${url}/trailers`, { method: 'POST', agent }, 'a');
            assert.strictEqual((await whole(trailers)).toString(), 'a');
            assert.deepStrictEqual(trailers.trailers, { 'x-sum': '' });
            agent.destroy();
        }
    },

    // What it expects 100 for is refused: it has sent nothing of the body.
    async http_refused(plain, secure) {
        for (const url of [plain, secure]) {
            const options = {
                method: 'POST', headers: { expect: '100-continue', 'content-length': '5' },
                onContinue: () => assert.fail('it was told to go on'),
            };
            const r = (url === plain ? http : https).request(`${url}/refuse`, options);
            r.flushHeaders();
            r.on('continue', options.onContinue);
            const answer = await new Promise((resolve, reject) => r.on('response', resolve).on('error', reject));
            assert.strictEqual(answer.statusCode, 401);
            assert.strictEqual((await whole(answer)).toString(), 'no\n');
            r.destroy();
        }
    },

    async http2(plain, secure) {
        for (const url of [plain, secure]) {
            const session = http2.connect(url);
            const ask = (path, more = {}, data = null) => {
                const s = session.request({ ':path': path, ...more });
                s.end(data);
                return whole(s);
            };
            const many = Array.from({ length: 100 }, (_, i) => ask(`/count?n=${i}`));
            assert.deepStrictEqual((await Promise.all(many)).map((b) => b.toString().split('\n').length - 1),
                Array.from({ length: 100 }, (_, i) => i));
            assert.ok((await ask('/echo', { ':method': 'POST' }, body)).equals(body));
            for (let i = 0; i < 2000; i += 50)
                await Promise.all(Array.from({ length: 50 }, () => ask('/hello')));
            const taken = session.request({ ':path': '/slow' });
            taken.close(http2.constants.NGHTTP2_CANCEL);
            const upload = session.request({ ':path': '/trailers', ':method': 'POST' }, { waitForTrailers: true });
            let trailers = null;
            upload.on('wantTrailers', () => upload.sendTrailers({ 'x-sum': '42' }));
            upload.on('trailers', (t) => { trailers = t; });
            upload.end('a');
            assert.strictEqual((await whole(upload)).toString(), 'a');
            assert.strictEqual(trailers['x-sum'], '42');
            const refused = session.request({ ':path': '/refuse', ':method': 'POST' });
            const status = new Promise((resolve) => { refused.on('response', (h) => resolve(h[':status'])); });
            assert.strictEqual(await status, 401);
            assert.strictEqual((await whole(refused)).toString(), 'no\n');
            assert.strictEqual((await ask('/hello')).toString(), 'hello\n');
            await new Promise((resolve, reject) => { session.ping((e) => (e ? reject(e) : resolve())); });
            await new Promise((resolve) => { session.close(resolve); });
        }
    },

    async ws(plain, secure) {
        const WebSocket = needs('ws');
        for (const url of [plain, secure]) {
            for (const perMessageDeflate of [true, false]) {
                const ws = new WebSocket(`${url.replace('http', 'ws')}/websocket`, { perMessageDeflate });
                const got = [];
                const closed = new Promise((resolve, reject) => { ws.on('close', resolve).on('error', reject); });
                ws.on('open', () => {
                    for (const message of ['', 'x', text, body, 'version'])
                        ws.send(message);
                    ws.ping('there?');
                });
                ws.on('pong', (data) => got.push(`pong ${data}`));
                ws.on('message', (data, binary) => {
                    got.push(binary ? data : data.toString());
                    if (data.toString() === 'HTTP/1.1')
                        ws.send('last');
                    if (data.toString() === 'last')
                        ws.close(4321);
                });
                assert.strictEqual(await closed, 4321);
                const pong = got.indexOf('pong there?');
                assert.notStrictEqual(pong, -1);
                got.splice(pong, 1);
                assert.deepStrictEqual(got, ['', 'x', text, body, 'HTTP/1.1', 'last']);
            }
        }
    },

    async undici(plain, secure) {
        const { Pool } = needs('undici');
        for (const url of [plain, secure]) {
            const pool = new Pool(url, { connections: 4, pipelining: 10, connect: { ca: process.env.CA } });
            const asks = Array.from({ length: 500 }, async (_, i) => {
                const { statusCode, body: said } = await pool.request({ path: `/count?n=${i % 40}`, method: 'GET' });
                assert.strictEqual(statusCode, 200);
                return (await said.text()).split('\n').length - 1;
            });
            assert.deepStrictEqual(await Promise.all(asks), Array.from({ length: 500 }, (_, i) => i % 40));
            const { body: said } = await pool.request({ path: '/whole', method: 'POST', body });
            assert.ok(Buffer.from(await said.arrayBuffer()).equals(body));
            await pool.close();
        }
    },

    async autocannon(plain, secure) {
        const autocannon = needs('autocannon');
        for (const url of [plain, secure])
            for (const pipelining of [1, 10]) {
                const result = await autocannon({ url: `${url}/hello`, amount: 5000, connections: 20, pipelining });
                // It does not count what comes behind a connection's last request, whoever serves.
                assert.strictEqual(result['2xx'], 5000 - 20 * (pipelining - 1));
                assert.strictEqual(result.errors + result.timeouts + result.non2xx, 0);
            }
    },
};

process.exitCode = 1; // if it ends without having come to its end
tests[process.argv[2]](process.argv[3], process.argv[4]).then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
});
