# SPDX-License-Identifier: MIT
"""A server of good and of hostile pages for the tests of kettle-fetch. One thread a connection; it counts.

    /ok/N            200, a page titled "Page N"
    /json/N          200, {"id": N, "items": [{"price": 1}, {"price": N}]}
    /delay/MS/N      the same page after so many milliseconds
    /status/CODE     that status
    /fail/K/N        503 for the first K times, then a page
    /hang            the head never comes
    /stall           the head and a byte, and then nothing
    /reset           the connection is reset
    /short           fewer bytes than Content-Length says
    /circle/N        redirects from 0 to 1 to 0
    /endless         a chunked body without end
    /huge            ten gigabytes, as its Content-Length says
    /badgzip         Content-Encoding: gzip, which it is not
    /bomb            gzip of 64 MiB of zeros
    /badutf8         a title that is not UTF-8
    /latin1          a title in ISO-8859-1
    /deep            300,000 nested <div>
    /badjson         application/json, which it is not
    /zerojson        the same with a zero byte between two values
    /deepjson        the same, 5000 levels deep
"""

import gzip
import socket
import struct
import threading
import time


def page(title, body=''):
    return f'<!DOCTYPE html><title>{title}</title><body>{body}'.encode()


class Server:
    def __init__(self, pages=None):
        self.pages = pages or {}   # path -> bytes, or (type, bytes)
        self.lock = threading.Lock()
        self.seen = []             # paths, in order
        self.heads = {}            # path -> the last request's head
        self.now = self.most = 0   # requests being answered
        self.fails = {}
        self.socket = socket.create_server(('127.0.0.1', 0), backlog=512)
        self.port = self.socket.getsockname()[1]
        self.closing = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path, host='127.0.0.1'):
        return f'http://{host}:{self.port}{path}'

    def close(self):
        self.closing.set()
        self.socket.shutdown(socket.SHUT_RDWR)  # a close alone would leave accept() listening
        self.socket.close()

    def accept(self):
        while not self.closing.is_set():
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b''
        try:
            while True:
                while b'\r\n\r\n' not in data:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                head, data = data.split(b'\r\n\r\n', 1)
                path = head.split(b' ')[1].decode()
                with self.lock:
                    self.seen.append(path)
                    self.heads[path] = head.decode('latin-1')
                    self.now += 1
                    self.most = max(self.most, self.now)
                try:
                    goes_on = self.answer(connection, path)
                finally:
                    with self.lock:
                        self.now -= 1
                if not goes_on:
                    return
        except OSError:
            pass
        finally:
            connection.close()

    def send(self, connection, status, kind, body, *headers):
        lines = [f'HTTP/1.1 {status} X', f'Content-Type: {kind}', f'Content-Length: {len(body)}', *headers, '', '']
        connection.sendall('\r\n'.join(lines).encode('latin-1') + body)
        return True

    def answer(self, connection, path):
        if path in self.pages:
            value = self.pages[path]
            kind, body, *headers = value if isinstance(value, tuple) else ('text/html', value)
            return self.send(connection, 200, kind, body, *headers)
        name, *rest = path[1:].split('?')[0].split('/')
        handler = getattr(self, 'on_' + name, None)
        if not handler:
            return self.send(connection, 404, 'text/plain', b'none')
        return handler(connection, *rest)

    def on_ok(self, c, n='0'):
        return self.send(c, 200, 'text/html; charset=utf-8', page(f'Page {n}'))

    def on_json(self, c, n):
        text = '{"id": %d, "items": [{"price": 1}, {"price": %d}]}' % (int(n), int(n))
        return self.send(c, 200, 'application/json', text.encode())

    def on_delay(self, c, ms, n='0'):
        time.sleep(int(ms) / 1000)
        return self.on_ok(c, n)

    def on_status(self, c, code, *after):
        return self.send(c, int(code), 'text/plain', b'x', *[f'Retry-After: {a}' for a in after])

    def on_fail(self, c, k, n):
        with self.lock:
            self.fails[k, n] = self.fails.get((k, n), 0) + 1
            count = self.fails[k, n]
        return self.send(c, 503, 'text/plain', b'x') if count <= int(k) else self.on_ok(c, n)

    def on_hang(self, c, *_):
        self.closing.wait(60)
        return False

    def on_stall(self, c):
        c.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx')
        return self.on_hang(c)

    def on_reset(self, c):
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        return False

    def on_short(self, c):
        c.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n<title>short')
        return False

    def on_circle(self, c, n):
        return self.send(c, 302, 'text/plain', b'', f'Location: /circle/{1 - int(n)}')

    def on_endless(self, c):
        c.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n')
        piece = b'10000\r\n' + b'x' * 65536 + b'\r\n'
        while not self.closing.is_set():
            c.sendall(piece)
        return False

    def on_huge(self, c):
        size = 10 << 30
        c.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n' % size)
        piece = b'x' * 65536
        while size > 0 and not self.closing.is_set():
            c.sendall(piece)
            size -= len(piece)
        return False

    def on_badgzip(self, c):
        return self.send(c, 200, 'text/html', b'this is no gzip at all', 'Content-Encoding: gzip')

    def on_bomb(self, c):
        return self.send(c, 200, 'text/html', gzip.compress(bytes(64 << 20)), 'Content-Encoding: gzip')

    def on_badutf8(self, c):
        return self.send(c, 200, 'text/html; charset=utf-8', b'<title>a\xff\xfeb</title>')

    def on_latin1(self, c):
        return self.send(c, 200, 'text/html; charset=iso-8859-1', b'<title>caf\xe9</title>')

    def on_deep(self, c):
        return self.send(c, 200, 'text/html', b'<title>deep</title>' + b'<div>' * 300000)

    def on_badjson(self, c):
        return self.send(c, 200, 'application/json', b'{"id": ')

    def on_zerojson(self, c):
        return self.send(c, 200, 'application/json', b'{"id": 1\0}')

    def on_deepjson(self, c):
        return self.send(c, 200, 'application/json', b'[' * 5000 + b']' * 5000)
