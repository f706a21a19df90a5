// SPDX-License-Identifier: MIT
// Servers of Node for client_peers.py, which tell their ports: http, https, http2 in the clear and over TLS, and one
// that hangs up on the second request of a connection.
// usage: node node_server.js CHAIN KEY
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const https = require('node:https');
const zlib = require('node:zlib');

const text = Array.from({ length: 20000 }, (_, i) => `line ${i}\n`).join('');

// For all of them: /echo, /chunks?n, /gzip, /early (refuses before the body), anything else is greeted.
function answer(q, r) {
    const [path, n] = q.url.split('?');
    r.setHeader('x-seen', q.headers['x-say'] ?? '');
    if (path === '/echo') {
        r.writeHead(200, { 'content-type': 'application/octet-stream' });
        q.pipe(r);
    } else if (path === '/chunks') {
        r.writeHead(200, { trailer: 'x-end' });
        for (let i = 0; i < Number(n); i++)
            r.write(`chunk ${i}\n`);
        r.addTrailers({ 'x-end': `${n} chunks` });
        r.end();
    } else if (path === '/gzip') {
        r.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/plain' });
        r.end(zlib.gzipSync(text));
    } else if (path === '/early') {
        r.writeHead(413);
        r.end('too much\n');
    } else {
        r.end('hello\n');
    }
}

function refuse(q, r) {
    r.writeHead(417);
    r.end('no\n');
}

const tls = { cert: fs.readFileSync(process.argv[2]), key: fs.readFileSync(process.argv[3]) };
const plain = http.createServer(answer);
plain.on('checkContinue', (q, r) => {
    if (q.url === '/early')
        return refuse(q, r);
    r.writeContinue();
    return answer(q, r);
});
const fickle = http.createServer((q, r) => {
    if (q.socket.asked)
        return q.socket.destroy();
    q.socket.asked = true;
    return answer(q, r);
});
const all = {
    http: plain, fickle, https: https.createServer(tls, answer), http2: http2.createServer(answer),
    https2: http2.createSecureServer({ ...tls, allowHTTP1: true }, answer),
};
Promise.all(Object.entries(all).map(([name, server]) => new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve([name, server.address().port]));
}))).then((ports) => console.log(JSON.stringify(Object.fromEntries(ports))));
process.stdin.resume().on('end', () => process.exit(0)); // with who has started it
