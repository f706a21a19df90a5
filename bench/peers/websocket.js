// SPDX-License-Identifier: MIT

// WebSocket by ws on node: /echo says each message back, /broadcast says it to all.
//
// usage: node websocket.js PORT
'use strict';

const {WebSocketServer} = require('ws');
const server = new WebSocketServer({
    host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096, perMessageDeflate: false, clientTracking: false,
});
const everybody = new Set();
server.on('connection', (socket, request) => {
    socket.on('error', () => socket.terminate());
    if (request.url !== '/broadcast') {
        socket.on('message', (data, binary) => socket.send(data, {binary}));
        return;
    }
    everybody.add(socket);
    socket.on('close', () => everybody.delete(socket));
    socket.on('message', (data, binary) => {
        for (const one of everybody)
            one.send(data, {binary});
    });
});
