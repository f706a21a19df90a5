# SPDX-License-Identifier: MIT
"""A kettle-notes server of its own for a test, and what to ask it."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE = 60 if os.environ.get('KETTLE_SLOW') else 30


def until(condition, what='a condition', seconds=PATIENCE):
    """Calls condition until it says something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f'not within {seconds} s: {what}'
        time.sleep(0.01)


class Server:
    """Listens on a free port of 127.0.0.1; its notes are in a folder that goes with it."""

    def __init__(self, program, *options):
        self.folder = tempfile.mkdtemp(prefix='kettle-notes-')
        with open(os.path.join(self.folder, 'log'), 'wb') as log:
            self.process = subprocess.Popen(
                [program, 'serve', '--listen', '127.0.0.1:0', *options], cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        match = re.match(r'kettle-notes: http://127\.0\.0\.1:(\d+) \(notes in notes\)', line)
        assert match, f'no server: {line!r} {self.log}'
        self.port = int(match.group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self):
        return f'http://127.0.0.1:{self.port}'

    @property
    def log(self):
        with open(os.path.join(self.folder, 'log'), encoding='utf-8', errors='replace') as f:
            return f.read()

    def stop(self, number=signal.SIGTERM):
        """The exit status of a graceful stop."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def path(self, name):
        return os.path.join(self.folder, 'notes', name)

    def write(self, name, data):
        with open(self.path(name), 'wb') as f:
            f.write(data if isinstance(data, bytes) else data.encode())

    def read(self, name):
        with open(self.path(name), encoding='utf-8', newline='') as f:
            return f.read()

    def files(self):
        return sorted(os.listdir(os.path.join(self.folder, 'notes')))

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, JSON or bytes); what is not bytes is sent as JSON."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=PATIENCE)
        try:
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            given = {'Content-Type': 'application/json'} if method not in ('GET', 'HEAD') else {}
            given.update(headers or {})
            connection.request(method, path, body, {k: v for k, v in given.items() if v is not None})
            reply = connection.getresponse()
            data = reply.read()
            if reply.headers.get_content_type() == 'application/json' and data:
                data = json.loads(data)
            return reply.status, reply.headers, data
        finally:
            connection.close()

    def good(self, method, path, body=None, status=200):
        got, _, data = self.ask(method, path, body)
        assert got == status, (got, data)
        return data

    def add(self, title, body='', tags=()):
        return self.good('POST', '/api/notes', {'title': title, 'body': body, 'tags': list(tags)}, 201)['name']

    def names(self, query=''):
        return [note['name'] for note in self.good('GET', '/api/notes' + query)['notes']]
