#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The life of a kettle-jobs server: starting, stopping, being stopped, and what it survives.

usage: test_serve.py KETTLE_JOBS [TEST]...
"""

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import kit  # noqa: E402
from served import Server, alive, processes_with, until, words  # noqa: E402

PROGRAM = None


class Serve(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='kettle-serve-')
        self.addCleanup(shutil.rmtree, self.folder, True)

    def server(self, *options, **more):
        server = Server(PROGRAM, *options, folder=self.folder, **more)
        self.addCleanup(server.__exit__)
        return server

    def run_to_end(self, *arguments, **more):
        """A serve that is expected to end by itself: (status, what it said)."""
        done = subprocess.run([PROGRAM, 'serve', *arguments], stdin=subprocess.DEVNULL, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder, **more)
        return done.returncode, done.stdout

    # ---- starting ----------------------------------------------------------------------------------

    def test_one_line_tells_where_it_listens(self):
        server = self.server('--concurrency', '3', start=False)
        line = server.start()
        self.assertEqual(line, f'kettle-jobs: {server.url} (store {server.db}, 3 workers)\n')
        self.assertEqual(server.ask('GET', '/healthz')[0], 200)

    def test_the_store_is_private(self):
        server = self.server()
        self.assertEqual(os.stat(server.db).st_mode & 0o777, 0o600)

    def test_a_taken_port_is_named_with_the_remedy(self):
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            port = taken.getsockname()[1]
            status, said = self.run_to_end('--listen', str(port), '--db', 'a.db')
        self.assertEqual(status, 1)
        self.assertIn(f'port {port} ', said)
        self.assertIn('--listen 127.0.0.1:', said)

    def test_a_second_server_on_a_store_is_told_who_has_it(self):
        server = self.server()
        began = time.monotonic()
        status, said = self.run_to_end('--listen', '0', '--db', server.db, '--lock-wait', '0.3')
        self.assertEqual(status, 1)
        self.assertGreaterEqual(time.monotonic() - began, 0.3)
        self.assertIn(f'in use by process {server.process.pid}', said)
        self.assertEqual(server.ask('GET', '/healthz')[0], 200)

    def test_a_second_server_takes_over_when_the_first_ends(self):
        first = self.server()
        second = self.server(start=False)
        second.process = second.spawn()
        until(lambda: 'waiting up to' in first.log, 'the second one waits')
        first.stop()
        self.assertIn('kettle-jobs: http://', second.process.stdout.readline())

    def test_a_store_that_cannot_be_made_says_why(self):
        for db in ('no/such/folder/jobs.db', '/sys/jobs.db', '.'):
            with self.subTest(db=db):
                status, said = self.run_to_end('--listen', '0', '--db', db)
                self.assertEqual(status, 1)
                self.assertIn(db, said)

    def test_a_file_that_is_no_store_is_left_alone(self):
        path = os.path.join(self.folder, 'letter')
        with open(path, 'w', encoding='ascii') as f:
            f.write('Dear Sir or Madam,\n' * 100)
        before = open_bytes(path)
        status, said = self.run_to_end('--listen', '0', '--db', path)
        self.assertEqual(status, 1)
        self.assertIn('letter', said)
        self.assertEqual(open_bytes(path), before)

    def test_wrong_options_are_usage(self):
        for arguments in (['--listen', 'x'], ['--listen', '127.0.0.1:99999'], ['--listen', '::1:8000'],
                          ['--concurrency', '0'], ['--concurrency', '10001'], ['--grace', '-1'],
                          ['--crashes-max', '0'], ['--db', ''], ['--allow-host', ''], ['--bogus'], ['extra'],
                          ['--lock-wait', 'nan'], ['--listen', '[::1]']):
            with self.subTest(arguments=arguments):
                status, said = self.run_to_end(*arguments)
                self.assertEqual(status, 2, said)
                self.assertIn('kettle-jobs serve --help', said)

    def test_listening_to_others_is_warned_of(self):
        server = self.server('--listen', '0.0.0.0:0', start=False)
        server.process = server.spawn()
        self.assertIn('http://0.0.0.0:', server.process.stdout.readline())
        self.assertIn('WARNING', server.log)
        server.kill()
        with Server(PROGRAM) as usual:
            self.assertNotIn('WARNING', usual.log)

    # ---- stopping ----------------------------------------------------------------------------------

    def test_interrupt_and_terminate_stop_it_cleanly(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            server = self.server()
            self.assertEqual(server.stop(number), 0)
            self.assertIn('stopped', server.log)
            self.assertFalse(os.path.exists(server.db + '-wal'))

    def test_a_stop_lets_running_jobs_end(self):
        server = self.server()
        id = server.shell('sleep 0.7; echo done')
        server.wait(id, 'running')
        self.assertEqual(server.stop(), 0)
        server.start()
        job = server.job(id)
        self.assertEqual((job['state'], job['result']['stdout'], job['crashes']), ('succeeded', 'done\n', 0))

    def test_what_the_grace_does_not_suffice_for_goes_back_to_ready_unused(self):
        server = self.server('--grace', '0.2', '--concurrency', '2')
        pids = os.path.join(self.folder, 'pids')
        ids = [server.sleep(1000), server.shell(f'echo $$ >>{pids}; sleep 1000')]
        until(lambda: words(pids), 'the program runs')
        waiting = server.sleep(0)
        self.assertEqual(server.stop(), 0)
        self.assertEqual([alive(pid) for pid in words(pids)], [False])
        server.start()
        for id in ids:
            job = server.wait(id, 'running')
            self.assertEqual((job['attempts_made'], job['crashes'], job['attempts']), (0, 0, []))
        until(lambda: len(words(pids)) == 2, 'the program runs again')
        for id in ids:
            server.cancel(id)
        self.assertEqual(server.wait(waiting, 'succeeded')['attempts_made'], 1)

    def test_a_stopping_server_takes_nothing_in_and_new_clients_are_refused(self):
        server = self.server('--grace', '30')
        id = server.sleep(1000)
        server.wait(id, 'running')
        with socket.create_connection(('127.0.0.1', server.port)):
            server.process.terminate()
            until(lambda: 'stopping' in server.log, 'it is told')
            with self.assertRaises(OSError):
                until(lambda: server.ask('GET', '/healthz')[0] == 0, 'refused', 5)
        server.process.terminate()
        self.assertEqual(server.process.wait(30), -signal.SIGTERM)

    def test_a_second_signal_ends_it_at_once_and_its_jobs_with_it(self):
        server = self.server('--grace', '1000')
        pids = os.path.join(self.folder, 'pids')
        id = server.shell(f'sleep 1000 & echo $$ $! >{pids}; wait')
        until(lambda: len(words(pids)) == 2, 'the program runs')
        server.process.send_signal(signal.SIGINT)
        until(lambda: 'stopping' in server.log, 'it is told')
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(30), -signal.SIGINT)
        server.start()
        self.assertEqual([alive(pid) for pid in words(pids)[:2]], [False, False])
        self.assertEqual(server.wait(id, 'running')['crashes'], 1)

    # ---- dying -------------------------------------------------------------------------------------

    def test_a_crash_costs_no_attempt_and_its_programs_are_gone_before_the_next_server(self):
        server = self.server(environment={'KETTLE_TEST_MARK': self.folder + '/1'})
        pids = os.path.join(self.folder, 'pids')
        id = server.shell(f'sh -c "trap : HUP INT TERM; sleep 1000 & echo \\$! >>{pids}; wait" & '
                          f'echo $$ $! >>{pids}; wait', attempts=1)
        until(lambda: len(words(pids)) == 3, 'the program runs')
        first = words(pids)
        server.kill()
        server.environment['KETTLE_TEST_MARK'] = self.folder + '/2'
        server.start()
        self.assertEqual([pid for pid in first if alive(pid)], [])
        self.assertEqual(processes_with(self.folder + '/1\0'), [])
        job = server.wait(id, 'running')
        self.assertEqual((job['crashes'], job['attempts_made']), (1, 0))
        self.assertEqual([a['outcome'] for a in job['attempts']], ['crashed'])

    def test_a_server_that_loses_its_guardian_stops_and_no_job_suffers(self):
        server = self.server('--concurrency', '2')
        ids = [server.sleep(1000), server.shell('sleep 1000'), server.sleep(0), server.shell('true')]
        for id in ids[:2]:
            server.wait(id, 'running')
        main = server.process.pid
        with open(f'/proc/{main}/task/{main}/children', encoding='ascii') as f:
            children = {int(pid): comm_of(pid) for pid in f.read().split()}
        guardian, = (pid for pid, name in children.items() if name == 'kettle-reaper')
        os.kill(guardian, signal.SIGKILL)
        self.assertEqual(server.process.wait(30), 1)
        self.assertIn(f'the guardian process {guardian} was ended', server.log)
        self.assertEqual([alive(pid) for pid in children], [False, False])
        server.start()
        for id in ids[:2]:
            job = server.wait(id, 'running')
            self.assertEqual((job['attempts_made'], job['crashes']), (0, 0))
            server.cancel(id)
        for id in ids[2:]:
            self.assertEqual(server.wait(id, 'succeeded')['attempts_made'], 1)

    def test_a_job_that_was_there_at_too_many_crashes_is_dead(self):
        server = self.server('--crashes-max', '2')
        id = server.sleep(1000)
        for crash in range(3):
            server.wait(id, 'running')
            server.kill()
            server.start()
        job = server.wait(id, 'dead')
        self.assertEqual((job['crashes'], job['attempts_made']), (3, 0))
        self.assertIn('the server ended 3 times', job['error'])

    def test_a_cancellation_survives_a_crash(self):
        server = self.server()
        path = os.path.join(self.folder, 'ran')
        id = server.shell(f'echo once >>{path}', delay=1000)
        server.cancel(id)
        server.kill()
        server.start()
        self.assertEqual(server.job(id)['state'], 'cancelled')
        self.assertEqual(words(path), [])

    def test_scheduled_and_waiting_jobs_survive(self):
        server = self.server()
        soon, later = server.sleep(0, delay=1), server.sleep(0, delay=1000)
        server.kill()
        server.start()
        self.assertEqual(server.wait(soon, 'succeeded')['crashes'], 0)
        self.assertEqual(server.job(later)['state'], 'scheduled')

    # ---- a full disk -------------------------------------------------------------------------------

    def test_a_full_disk_refuses_new_jobs_and_mends(self):
        server = self.server(start=False)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # inherited: writes fail with EFBIG
        self.addCleanup(signal.signal, signal.SIGXFSZ, before)
        server.process = subprocess.Popen(
            [PROGRAM, 'serve', '--listen', '127.0.0.1:0', '--db', server.db], stdout=subprocess.PIPE,
            stderr=open(os.path.join(self.folder, 'log'), 'ab'), text=True, restore_signals=False)
        server.port = int(server.process.stdout.readline().split(':')[3].split()[0])
        id = server.sleep(0)
        server.wait(id, 'succeeded')
        unlimited = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        job = {'type': 'sleep', 'args': {'seconds': 0}}
        status, headers, reply = server.ask('POST', '/v1/jobs', job)
        self.assertEqual((status, reply['error']['code']), (503, 'unavailable'), reply)
        self.assertEqual(headers['Retry-After'], '1')
        self.assertIn('jobs.db', reply['error']['message'])
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
        status, _, reply = until(lambda: (r := server.ask('POST', '/v1/jobs', job))[0] == 201 and r,
                                 'it takes jobs again')
        self.assertEqual(server.wait(reply['id'])['state'], 'succeeded')
        self.assertEqual(server.stop(), 0)

    # ---- the log -----------------------------------------------------------------------------------

    def test_the_log_tells_of_jobs_in_utc_and_is_safe_to_look_at(self):
        server = self.server()
        server.wait(server.shell(r"printf '\033[31mred\n' >&2; exit 1", attempts=1), 'dead')
        line = next(line for line in server.log.splitlines() if ' failed ' in line)
        self.assertRegex(line, r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z - server - INFO - job 1 '
                               r'command: attempt 1 of 1 failed after \d+\.\d{3} s: exit status 1: \\x1b\[31mred$')

    def test_quiet_tells_troubles_only(self):
        server = self.server('--quiet')
        server.wait(server.shell('exit 1', attempts=1), 'dead')
        server.stop()
        self.assertNotIn('job', server.log)


def comm_of(pid):
    with open(f'/proc/{pid}/comm', encoding='utf-8') as f:
        return f.read().strip()


def open_bytes(path):
    with open(path, 'rb') as f:
        return f.read()


if __name__ == '__main__':
    PROGRAM = os.path.realpath(sys.argv.pop(1))
    kit.main()
