// SPDX-License-Identifier: MIT

// Hello, world by node's own server.
//
// usage: node web.js PORT
'use strict';

const hello = Buffer.from('Hello, world!\n');
require('http').createServer((request, response) => {
    response.writeHead(200, {'Content-Type': 'text/plain', 'Content-Length': hello.length});
    response.end(hello);
}).listen({port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096});
