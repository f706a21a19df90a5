# SPDX-License-Identifier: MIT
"""A kettle-jobs server of its own for a test, and what to ask it."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

TERMINAL = ('succeeded', 'dead', 'cancelled')
JSON = {'Content-Type': 'application/json'}
PATIENCE = 60 if os.environ.get('KETTLE_SLOW') else 30


def until(condition, what, seconds=PATIENCE):
    """Calls condition until it says something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f'not within {seconds} s: {what}'
        time.sleep(0.01)


def alive(pid):
    """Does it run? A zombie, whom its parent may fetch late, does not."""
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as f:
            return f.read().rpartition(')')[2].split()[0] not in 'ZX'
    except OSError:
        return False


def words(path):
    """What a program has written into a file by now."""
    if not os.path.exists(path):
        return []
    with open(path, encoding='utf-8') as f:
        return f.read().split()


def processes_with(marker):
    """Pids of the processes whose environment or command line holds the text. A zombie has neither."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        for name in ('environ', 'cmdline'):
            try:
                with open(f'/proc/{pid}/{name}', 'rb') as f:
                    if marker.encode() in f.read():
                        found.append(int(pid))
                        break
            except OSError:
                pass
    return found


class Server:
    """Listens on a free port of 127.0.0.1, in a folder that goes with it unless one is given."""

    def __init__(self, program, *options, folder=None, environment=None, start=True):
        self.program, self.options = program, options
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix='kettle-jobs-')
        self.environment = {**os.environ, **(environment or {})}
        self.port, self.process = 0, None
        if start:
            try:
                self.start()
            except BaseException:
                self.__exit__()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self):
        return f'http://127.0.0.1:{self.port}'

    @property
    def db(self):
        return os.path.join(self.folder, 'jobs.db')

    @property
    def log(self):
        with open(os.path.join(self.folder, 'log'), encoding='utf-8', errors='replace') as f:
            return f.read()

    def spawn(self, *more):
        """Starts without waiting; standard output is a pipe."""
        with open(os.path.join(self.folder, 'log'), 'ab') as log:
            return subprocess.Popen(
                [self.program, 'serve', '--listen', f'127.0.0.1:{self.port}', '--db', self.db,
                 *self.options, *more],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd=self.folder,
                env=self.environment, text=True)

    def start(self):
        self.process = self.spawn()
        line = self.process.stdout.readline()
        match = re.match(r'kettle-jobs: http://127\.0\.0\.1:(\d+) \(store ', line)
        assert match, f'no server: {line!r} {self.log}'
        self.port = int(match.group(1))
        return line

    def stop(self, number=signal.SIGTERM, seconds=PATIENCE):
        """The exit status of a graceful stop."""
        self.process.send_signal(number)
        status = self.process.wait(seconds)
        self.process.stdout.close()
        return status

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process:
            self.process.stdout.close()

    def ask(self, method, path, body=None, headers=None, seconds=PATIENCE):
        """(status, headers, JSON or bytes); a body that is not bytes is sent as JSON."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=seconds)
        try:
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            given = dict(JSON) if body is not None else {}
            given.update(headers or {})
            connection.request(method, path, body, {k: v for k, v in given.items() if v is not None})
            reply = connection.getresponse()
            data = reply.read()
            if reply.headers.get_content_type() == 'application/json':
                data = json.loads(data)
            return reply.status, reply.headers, data
        finally:
            connection.close()

    def submit(self, type='command', **fields):
        status, _, reply = self.ask('POST', '/v1/jobs', {'type': type, **fields})
        assert status == 201, (status, reply)
        return reply['id']

    def shell(self, command, **fields):
        return self.submit(args={'shell': command}, **fields)

    def sleep(self, seconds, **fields):
        return self.submit('sleep', args={'seconds': seconds}, **fields)

    def job(self, id):
        status, _, reply = self.ask('GET', f'/v1/jobs/{id}')
        assert status == 200, (status, reply)
        return reply

    def cancel(self, id):
        return self.ask('POST', f'/v1/jobs/{id}/cancel', {})

    def wait(self, id, *states, seconds=PATIENCE):
        """The job, once it is in one of the states; in a terminal one if none is named."""
        wanted = states or TERMINAL

        def arrived():
            job = self.job(id)
            assert job['state'] in wanted or job['state'] not in TERMINAL, f'{job}'
            return job['state'] in wanted and job

        return until(arrived, f'job {id} {wanted}', seconds)

    def list(self, query=''):
        status, _, reply = self.ask('GET', '/v1/jobs' + query)
        assert status == 200, (status, reply)
        return reply

    def ids(self, query=''):
        return [job['id'] for job in self.list(query)['jobs']]
