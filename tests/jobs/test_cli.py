#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The commands of kettle-jobs for operators: what they print, and their exit statuses.

usage: test_cli.py KETTLE_JOBS [TEST]...
"""

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import kit  # noqa: E402
from served import Server, until  # noqa: E402

PROGRAM = None
COMMANDS = ('serve', 'submit', 'list', 'show', 'cancel')
MAN_PAGE = os.path.join(kit.ROOT, 'docs', 'man', 'kettle-jobs.1')
MANUAL = os.path.join(kit.ROOT, 'docs', 'kettle-jobs.md')


def run(*arguments, server=None, stdin='', environment=None, seconds=60):
    """(status, standard output, standard error)"""
    env = {k: v for k, v in os.environ.items() if k != 'KETTLE_JOBS_SERVER'}
    if server:
        env['KETTLE_JOBS_SERVER'] = server.url
    done = subprocess.run([PROGRAM, *arguments], input=stdin, capture_output=True, text=True, errors='replace',
                          timeout=seconds, env={**env, **(environment or {})})
    return done.returncode, done.stdout, done.stderr


class Usage(unittest.TestCase):
    def test_help_is_there_for_the_program_and_each_command(self):
        for arguments in (['--help'], *([c, '--help'] for c in COMMANDS)):
            status, out, err = run(*arguments)
            self.assertEqual((status, err), (0, ''))
            self.assertIn('usage: kettle-jobs', out)
            self.assertLessEqual(max(map(len, out.splitlines())), 100)

    def test_help_tells_of_the_commands_and_exit_statuses(self):
        out = run('--help')[1]
        for command in COMMANDS:
            self.assertRegex(out, rf'(?m)^  {command}\b')
        self.assertIn('kettle-jobs submit -- echo hi', out)
        self.assertIn('Exit status', out)

    def test_version(self):
        self.assertRegex(run('--version')[1], r'^kettle-jobs \d+\.\d+\.\d+\n$')

    def test_wrong_usage_is_two_and_says_where_help_is(self):
        for arguments in (['nonsense'], ['--bogus'], ['list', '--bogus'], ['list', 'x'], ['list', '--limit', '0'],
                          ['list', '--after', 'x'], ['show'], ['show', 'x'], ['show', '0'], ['cancel'],
                          ['cancel', '1', 'x'], ['submit'], ['submit', '--priority', 'x', 'true'],
                          ['submit', '--attempts', '1.5', 'true'], ['submit', '--timeout', 'x', 'true'],
                          ['submit', '--shell', 'ls', 'true'], ['submit', '--args', '{}', '--shell', 'x'],
                          ['submit', '--args', '{'], ['submit', '--args', '[]'],
                          ['submit', '--type', 'sleep', 'true'], ['submit', '--batch', '-', 'true'],
                          ['submit', '--batch', '-', '--queue', 'x'], ['submit', '--queue'],
                          ['submit', b'\xff'], ['list', '--time-limit', '0'], ['submit', '--delay', 'nan', 'true']):
            with self.subTest(arguments=arguments):
                status, out, err = run(*arguments)
                self.assertEqual((status, out), (2, ''), err)
                self.assertIn('--help', err)
        self.assertEqual(run()[0], 2)

    def test_a_wrong_url_is_usage(self):
        for url in ('https://127.0.0.1:1', 'ftp://x', 'http://', 'http://a:b', 'http://x/path', 'http://::1:80'):
            status, _, err = run('list', '--server', url)
            self.assertEqual(status, 2, err)
            self.assertIn('http://127.0.0.1:8000', err)


class Unreachable(unittest.TestCase):
    def test_no_server_is_three_and_says_what_to_do(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            url = f'http://127.0.0.1:{s.getsockname()[1]}'
        for arguments in (['list'], ['show', '1'], ['cancel', '1'], ['submit', 'true']):
            status, out, err = run(*arguments, '--server', url) if arguments[0] != 'submit' else \
                run('submit', '--server', url, 'true')
            self.assertEqual((status, out), (3, ''), err)
            self.assertIn('kettle-jobs serve', err)
            self.assertIn(url, err)

    def test_an_unknown_name_is_three(self):
        self.assertEqual(run('list', '--server', 'http://no-such-host.invalid:1')[0], 3)

    def test_a_server_that_says_nothing_is_given_up_in_time(self):
        with socket.socket() as silent:
            silent.bind(('127.0.0.1', 0))
            silent.listen()
            url = f'http://127.0.0.1:{silent.getsockname()[1]}'
            began = time.monotonic()
            status, _, err = run('submit', '--server', url, '--time-limit', '0.3', 'true')
            self.assertEqual(status, 3)
            self.assertTrue(0.3 <= time.monotonic() - began < 10)
            self.assertIn('--time-limit', err)
            self.assertIn('may have taken', err)

    def answered(self, answer):
        """What list says to a server that answers with these bytes."""
        with socket.socket() as other:
            other.bind(('127.0.0.1', 0))
            other.listen()

            def reply():
                peer, _ = other.accept()
                with peer:
                    peer.recv(4096)
                    peer.sendall(answer)

            thread = threading.Thread(target=reply)
            thread.start()
            result = run('list', '--server', f'http://127.0.0.1:{other.getsockname()[1]}')
            thread.join()
            return result

    def test_another_kind_of_server_is_told_apart(self):
        for answer, wanted in ((b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 1),
                               (b'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\noops!', 1),
                               (b'HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n', 1),
                               (b'SSH-2.0-OpenSSH_9.2\r\n', 3), (b'', 3)):
            with self.subTest(answer=answer):
                status, out, err = self.answered(answer)
                self.assertEqual((status, out), (wanted, ''), err)
                self.assertIn('kettle-jobs: ', err)

    def test_errors_from_a_server_cannot_command_the_terminal(self):
        body = json.dumps({'error': {'message': '\x1b[31mred\x07', 'field': 'a\x1bb'}}).encode()
        head = f'HTTP/1.1 422 X\r\nContent-Length: {len(body)}\r\n\r\n'.encode()
        status, _, err = self.answered(head + body)
        self.assertEqual((status, err), (1, 'kettle-jobs: a?b: ?[31mred?\n'))


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(PROGRAM)
        cls.addClassCleanup(cls.server.__exit__)

    def run(self, *arguments, **more):
        if len(arguments) == 1 and isinstance(arguments[0], unittest.TestResult):
            return super().run(*arguments)
        return run(*arguments, server=self.server, **more)

    def id_of(self, *arguments):
        status, out, err = self.run('submit', *arguments)
        self.assertEqual((status, err), (0, ''))
        self.assertRegex(out, r'^\d+\n$')
        return int(out)

    # ---- submit --------------------------------------------------------------------------------------

    def test_the_sample_of_the_page_is_true(self):
        with open(os.path.join(kit.ROOT, 'programs/kettle-jobs/page/app.js'), encoding='utf-8') as f:
            self.assertIn('kettle-jobs submit -- echo hi', f.read())
        job = self.server.wait(self.id_of('--', 'echo', 'hi'), 'succeeded')
        self.assertEqual(job['result']['stdout'], 'hi\n')

    def test_options_of_the_program_are_its_own(self):
        for words in (['ls', '--help'], ['--', 'ls', '--help'], ['echo', '--json', '--wait', '--', '-x']):
            id = self.id_of('--delay', '1000', *words)
            self.assertEqual(self.server.job(id)['args']['argv'], [w for i, w in enumerate(words)
                                                                   if i or w != '--'])

    def test_every_option_of_a_job_arrives(self):
        id = self.id_of('--queue', 'mail ä', '--priority', '-7', '--attempts', '9', '--backoff', '1.5',
                        '--timeout', '2.5', '--delay', '1000', '--shell', 'exit 0')
        job = self.server.job(id)
        self.assertEqual([job[k] for k in ('queue', 'priority', 'attempts_max', 'backoff', 'timeout', 'state')],
                         ['mail ä', -7, 9, 1.5, 2.5, 'scheduled'])
        self.assertEqual(job['args'], {'shell': 'exit 0'})
        id = self.id_of('--type', 'sleep', '--args', '{"seconds": 0.25}', '--run-at', '2099-01-02T03:04:05Z')
        job = self.server.job(id)
        self.assertEqual((job['run_at'], job['args']), ('2099-01-02T03:04:05.000Z', {'seconds': 0.25}))

    def test_refusals_name_the_field_and_are_one(self):
        for arguments, wanted in ((['--priority', '5000', 'true'], 'priority: '),
                                  (['--type', 'nope'], 'type: '), (['--type', 'sleep'], 'args.seconds: '),
                                  (['--run-at', 'noon', 'true'], 'run_at: '), ([''], 'args.argv[0]: ')):
            status, out, err = self.run('submit', *arguments)
            self.assertEqual((status, out), (1, ''))
            self.assertTrue(err.startswith('kettle-jobs: ' + wanted), err)

    def test_wait_exits_by_the_outcome(self):
        status, out, err = self.run('submit', '--wait', 'true')
        self.assertEqual((status, err), (0, f'job {out.strip()} succeeded\n'))
        status, out, err = self.run('submit', '--wait', '--attempts', '1', '--shell', 'echo no >&2; exit 4')
        self.assertEqual((status, err), (1, f'job {out.strip()} dead: exit status 4: no\n'))

    def test_wait_sees_a_cancellation(self):
        with subprocess.Popen([PROGRAM, 'submit', '--server', self.server.url, '--wait', 'sleep', '1000'],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
            id = int(waiting.stdout.readline())  # printed before the wait
            self.server.wait(id, 'running')
            self.server.cancel(id)
            self.assertEqual(waiting.wait(60), 1)
            self.assertIn(f'job {id} cancelled', waiting.stderr.read())

    def test_interrupting_a_wait_leaves_the_job_alone(self):
        with subprocess.Popen([PROGRAM, 'submit', '--server', self.server.url, '--wait', 'sleep', '1000'],
                              stdout=subprocess.PIPE, text=True) as waiting:
            id = int(waiting.stdout.readline())
            self.server.wait(id, 'running')
            waiting.send_signal(signal.SIGINT)
            self.assertIn(waiting.wait(60), (130, -signal.SIGINT))
        self.assertEqual(self.server.job(id)['state'], 'running')
        self.server.cancel(id)

    def test_json_of_submit(self):
        status, out, _ = self.run('submit', '--json', '--delay', '1000', 'true')
        self.assertEqual((status, json.loads(out)['state']), (0, 'scheduled'))
        status, out, err = self.run('--json', 'submit', '--wait', 'echo', 'x')
        first, last = map(json.loads, out.splitlines())
        self.assertEqual((status, err, first['id'], last['id'], last['state']),
                         (0, '', last['id'], first['id'], 'succeeded'))

    # ---- batch ---------------------------------------------------------------------------------------

    def test_a_batch_is_json_lines_or_a_list(self):
        jobs = [{'type': 'sleep', 'args': {'seconds': 0}}, {'type': 'command', 'args': {'argv': ['true']}}]
        lines = '\n\n'.join(map(json.dumps, jobs)) + '\n'
        for text in (lines, lines.rstrip(), json.dumps(jobs), '\n ' + json.dumps(jobs, indent=2)):
            status, out, err = self.run('submit', '--batch', '-', stdin=text)
            self.assertEqual((status, err), (0, ''))
            self.assertEqual([self.server.job(int(id))['type'] for id in out.split()], ['sleep', 'command'])

    def test_a_batch_from_a_file_with_wait(self):
        with tempfile.NamedTemporaryFile('w', suffix='.json') as f:
            f.write('{"type":"sleep","args":{"seconds":0.2}}\n'
                    '{"type":"command","args":{"shell":"exit 1"},"attempts":1}')
            f.flush()
            status, out, err = self.run('submit', '--wait', '--batch', f.name)
        first, second = out.split()
        self.assertEqual((status, err), (1, f'job {first} succeeded\njob {second} dead: exit status 1\n'))

    def test_a_batch_that_is_wrong_is_told_with_its_place(self):
        good = '{"type":"sleep","args":{"seconds":0}}\n'
        for text, status, wanted in ((good + '\n{"type":\n', 2, 'line 3'), (good + '{"a":1,"a":2}', 2, 'line 2'),
                                     ('', 2, 'no jobs'), ('  \n', 2, 'no jobs'), ('[]', 2, 'no jobs'),
                                     (good + '{\0"type":"sleep"}', 2, 'line 2: no valid JSON: a zero byte'),
                                     ('[\n{\0}]', 2, 'line 2: no valid JSON: a zero byte'),
                                     (good + '3', 2, 'line 2'), ('[1, 2', 2, 'line 1'),
                                     (good + '{"type":"sleep","args":{"seconds":"x"}}', 1, 'jobs[1].args.seconds: '),
                                     (good + '{"type":"nope"}', 1, 'jobs[1].type: ')):
            with self.subTest(text=text):
                got, out, err = self.run('submit', '--batch', '-', stdin=text)
                self.assertEqual((got, out), (status, ''), err)
                self.assertIn(wanted, err)
        self.assertEqual(self.run('submit', '--batch', '/no/such/file')[0], 2)

    def test_a_batch_beyond_one_request_goes_in_pieces(self):
        with Server(PROGRAM) as server:
            job = '{"type":"sleep","args":{"seconds":0},"delay":1000}\n'
            status, out, _ = run('submit', '--batch', '-', server=server, stdin=job * 10001)
            self.assertEqual((status, len(set(out.split()))), (0, 10001))
            status, out, err = run('submit', '--batch', '-', server=server, stdin=job * 10000 + '{"type":"x"}')
            self.assertEqual((status, len(out.split())), (1, 10000))
            self.assertIn('jobs[10000].type: ', err)
            self.assertIn('The first 10000 jobs were taken in', err)

    # ---- list ----------------------------------------------------------------------------------------

    def test_a_list_is_a_table_with_newest_first(self):
        ids = [self.id_of('--queue', 'table', '--delay', '1000', 'echo', word) for word in ('one', 'two words')]
        status, out, err = self.run('list', '--queue', 'table')
        self.assertEqual((status, err), (0, ''))
        lines = out.splitlines()
        self.assertRegex(lines[0], r'^ *ID  STATE +TYPE +QUEUE +PRI  TRIES  CREATED +JOB$')
        self.assertEqual([int(line.split()[0]) for line in lines[1:]], ids[::-1])
        self.assertEqual({line.index('echo') for line in lines[1:]}, {lines[0].index('JOB')})
        self.assertTrue(lines[1].endswith('echo two words'))
        self.assertNotIn('\x1b', out)

    def test_filters_limit_and_the_next_page(self):
        ids = [self.id_of('--queue', 'pages', '--delay', '1000', 'true') for _ in range(5)]
        status, out, err = self.run('list', '--queue', 'pages', '--limit', '2')
        self.assertEqual((status, len(out.splitlines())), (0, 3))
        after = re.search(r'--after (\d+)', err).group(1)
        out = self.run('list', '--queue', 'pages', '--limit', '3', '--after', after)[1]
        self.assertEqual([int(line.split()[0]) for line in out.splitlines()[1:]], ids[2::-1])
        self.assertEqual(self.run('list', '--queue', 'pages', '--state', 'dead')[1], '')
        self.assertEqual(len(self.run('list', '--queue', 'pages', '--type', 'command')[1].splitlines()), 6)
        self.assertEqual(self.run('list', '--state', 'lost')[0], 1)

    def test_a_long_list_is_asked_for_in_pages(self):
        with Server(PROGRAM) as server:
            job = {'type': 'sleep', 'args': {'seconds': 0}, 'delay': 1000}
            server.ask('POST', '/v1/jobs', [job] * 2500)
            reply = json.loads(run('list', '--json', '--limit', '2400', server=server)[1])
            self.assertEqual([job['id'] for job in reply['jobs']], list(range(2500, 100, -1)))
            self.assertTrue(reply['next'])
            reply = json.loads(run('list', '--json', '--limit', '5000', server=server)[1])
            self.assertEqual((len(reply['jobs']), reply['next']), (2500, None))

    def test_an_empty_list_says_how_to_begin(self):
        with Server(PROGRAM) as server:
            status, out, err = run('list', server=server)
            self.assertEqual((status, out), (0, ''))
            self.assertIn('kettle-jobs submit -- echo hi', err)
            self.assertEqual(json.loads(run('list', '--json', server=server)[1]), {'jobs': [], 'next': None})

    def on_terminal(self, *arguments, **environment):
        """Standard output as a terminal of 60 columns gets it."""
        master, slave = pty.openpty()
        subprocess.run(['stty', 'cols', '60'], stdin=slave, check=True)
        env = {**os.environ, 'KETTLE_JOBS_SERVER': self.server.url, 'TERM': 'xterm', **environment}
        env.pop('NO_COLOR' if 'NO_COLOR' not in environment else '', None)
        subprocess.run([PROGRAM, *arguments], stdout=slave, stdin=slave, env=env, check=True, timeout=60)
        os.close(slave)
        data = b''
        try:
            while part := os.read(master, 65536):
                data += part
        except OSError:
            pass
        os.close(master)
        return data.decode()

    def test_colours_and_cut_lines_on_a_terminal_only(self):
        self.id_of('--queue', 't', '--delay', '1000', 'echo', 'x' * 200)
        out = self.on_terminal('list', '--queue', 't')
        self.assertIn('\x1b[', out)
        self.assertNotIn('x' * 60, out)
        self.assertNotIn('\x1b[', self.on_terminal('list', '--queue', 't', NO_COLOR='1'))
        self.assertNotIn('\x1b[', self.on_terminal('list', '--queue', 't', TERM='dumb'))
        self.assertIn('x' * 200, self.run('list', '--queue', 't')[1])

    # ---- show and cancel -----------------------------------------------------------------------------

    def test_show_tells_everything(self):
        id = self.id_of('--attempts', '2', '--backoff', '0', '--timeout', '30', '--shell',
                        r"echo out; printf '\033[2Jbad\n' >&2; exit 3")
        self.server.wait(id, 'dead')
        status, out, err = self.run('show', str(id))
        self.assertEqual((status, err), (0, ''))
        for wanted in (f'Job {id} dead', '2 of 2', '30 s', 'exit status 3: ?[2Jbad', 'Attempts', 'Result', 'out',
                       'exit_code', 'default'):
            self.assertIn(wanted, out)
        self.assertEqual(len(re.findall(r'(?m)^ +\d+  failed ', out)), 2)
        self.assertNotIn('\x1b', out)
        self.assertEqual(json.loads(self.run('show', '--json', str(id))[1]), self.server.job(id))

    def test_show_of_several_goes_on_behind_one_that_is_not_there(self):
        id = self.id_of('--delay', '1000', 'true')
        status, out, err = self.run('show', '999999', str(id), '--json')
        self.assertEqual((status, json.loads(out)['id']), (1, id))
        self.assertIn('999999', err)

    def test_cancel_tells_what_became_of_each(self):
        waiting, running = self.id_of('--delay', '1000', 'true'), self.id_of('sleep', '1000')
        self.server.wait(running, 'running')
        status, out, err = self.run('cancel', str(waiting), str(running))
        self.assertEqual((status, err), (0, ''))
        self.assertIn(f'job {waiting} cancelled', out)
        self.assertRegex(out, rf'job {running} (is being stopped|cancelled)')
        self.server.wait(running, 'cancelled')
        status, out, err = self.run('cancel', str(running), '999999')
        self.assertEqual((status, out), (1, ''))
        self.assertEqual(len(err.splitlines()), 2)

    def test_json_of_cancel(self):
        id = self.id_of('--delay', '1000', 'true')
        self.assertEqual(json.loads(self.run('cancel', str(id), '--json')[1])['state'], 'cancelled')

    def test_options_stand_before_or_behind_the_command(self):
        id = self.id_of('--delay', '1000', 'true')
        for arguments in (['--json', 'show', str(id)], ['show', '--json', str(id)], ['show', str(id), '--json']):
            self.assertEqual(json.loads(self.run(*arguments)[1])['id'], id)
        self.assertEqual(run('--server', self.server.url, 'show', str(id))[0], 0)
        self.assertEqual(run('--server', self.server.url + '/', 'show', str(id))[0], 0)
        self.assertEqual(run('--server', self.server.url[7:], 'show', str(id))[0], 0)

    def test_a_full_pipe_or_disk_is_noticed(self):
        self.id_of('--delay', '1000', 'true')
        with open('/dev/full', 'w', encoding='ascii') as full:
            status = subprocess.run([PROGRAM, 'list', '--server', self.server.url], stdout=full,
                                    stderr=subprocess.DEVNULL, timeout=60).returncode
        self.assertEqual(status, 1)


class Restarting(unittest.TestCase):
    def test_a_wait_outlasts_a_restart_of_the_server(self):
        with Server(PROGRAM) as server:
            with subprocess.Popen([PROGRAM, 'submit', '--server', server.url, '--wait', 'sleep', '1.5'],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
                id = int(waiting.stdout.readline())
                server.wait(id, 'running')
                server.kill()
                time.sleep(0.3)
                server.start()
                self.assertEqual(waiting.wait(60), 0, waiting.stderr.read())

    def test_a_wait_gives_up_when_the_server_stays_away(self):
        with Server(PROGRAM) as server:
            with subprocess.Popen([PROGRAM, 'submit', '--server', server.url, '--wait', '--time-limit', '0.5',
                                   'sleep', '1000'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True) as waiting:
                server.wait(int(waiting.stdout.readline()), 'running')
                server.kill()
                self.assertEqual(waiting.wait(60), 3)
                self.assertIn('cannot reach', waiting.stderr.read())


class Documents(unittest.TestCase):
    def test_the_man_page_is_well_formed(self):
        tool = shutil.which('mandoc') or shutil.which('groff') or shutil.which('man')
        if not tool:
            self.skipTest('neither mandoc, groff nor man is installed')
        command = {'mandoc': [tool, '-T', 'lint', '-W', 'warning', MAN_PAGE],
                   'groff': [tool, '-mandoc', '-ww', '-z', MAN_PAGE],
                   'man': [tool, '--warnings', '-l', MAN_PAGE]}[os.path.basename(tool)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ''), done.stdout[-2000:])

    def test_every_option_and_command_is_in_the_man_page(self):
        with open(MAN_PAGE, encoding='utf-8') as f:
            page = f.read().replace('\\-', '-')
        for arguments in (['--help'], *([c, '--help'] for c in COMMANDS)):
            options = set(re.findall(r'--[a-z][a-z-]+', run(*arguments)[1]))
            missing = {o for o in options if not re.search(rf'(?<![\w-]){re.escape(o)}(?![\w-])', page)}
            self.assertEqual(missing, set(), arguments)
        for word in (*COMMANDS, 'KETTLE_JOBS_SERVER', 'NO_COLOR'):
            self.assertIn(word, page)

    def test_every_option_of_the_man_page_exists(self):
        with open(MAN_PAGE, encoding='utf-8') as f:
            mentioned = set(re.findall(r'(?<![\w-])--[a-z][a-z-]+', f.read().replace('\\-', '-')))
        known = set()
        for arguments in (['--help'], *([c, '--help'] for c in COMMANDS)):
            known |= set(re.findall(r'--[a-z][a-z-]+', run(*arguments)[1]))
        self.assertEqual(mentioned - known, set())

    def test_the_curl_examples_of_the_manual_work(self):
        if not shutil.which('curl'):
            self.skipTest('curl is not installed')
        with open(MANUAL, encoding='utf-8') as f:
            blocks = re.findall(r'(?ms)^```sh\n(.*?)^```', f.read())
        examples = [c for b in blocks for c in re.split(r'(?<!\\)\n', b) if c.startswith('curl ')]
        self.assertGreaterEqual(len(examples), 6)
        with Server(PROGRAM) as server:
            for _ in range(17):  # the examples speak of job 17
                server.sleep(0, delay=1000)
            for example in examples:
                command = example.replace('127.0.0.1:8000', f'127.0.0.1:{server.port}')
                done = subprocess.run(['sh', '-c', 'set -e; ' + command.replace('curl ', 'curl -sS --fail-with-body '
                                                                               '--max-time 3 ', 1)],
                                      capture_output=True, text=True, timeout=60)
                # A stream of events has no end: curl gives up after three seconds (28).
                wanted = 28 if '/v1/events' in command else 0
                self.assertEqual(done.returncode, wanted, command + done.stdout + done.stderr)
                self.assertTrue(done.stdout)


if __name__ == '__main__':
    PROGRAM = os.path.realpath(sys.argv.pop(1))
    kit.main()
