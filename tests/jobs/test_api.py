#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The HTTP API of kettle-jobs from outside, against the real program.

usage: test_api.py KETTLE_JOBS [TEST]...
"""

import datetime
import json
import os
import socket
import sys
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import kit  # noqa: E402
from served import Server, alive, until, words  # noqa: E402

PROGRAM = None


class Shared(unittest.TestCase):
    """Tests that are content with one server for all of them."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(PROGRAM, *cls.options)
        cls.addClassCleanup(cls.server.__exit__)
        cls.addClassCleanup(cls.stop)

    @classmethod
    def stop(cls):
        status = cls.server.stop()
        assert status == 0 and ' 500 ' not in cls.server.log, (status, cls.server.log[-2000:])

    def refused(self, status, code, field, body, **headers):
        got, _, reply = self.server.ask('POST', '/v1/jobs', body, headers or None)
        self.assertEqual((got, reply.get('error', {}).get('code'), reply['error'].get('field')),
                         (status, code, field), reply)
        self.assertGreater(len(reply['error']['message']), 5)
        return reply['error']['message']

    def invalid(self, field, **job):
        return self.refused(422, 'validation', field, {'type': 'command', **job})


class Outcomes(Shared):
    def test_a_command_that_succeeds_keeps_what_it_wrote(self):
        id = self.server.submit(args={'argv': ['sh', '-c', 'echo out; echo err >&2']})
        job = self.server.wait(id, 'succeeded')
        self.assertEqual(job['result'], {'exit_code': 0, 'signal': 0, 'stdout': 'out\n',
                                         'stderr': 'err\n', 'dropped_bytes': 0})
        self.assertEqual([(a['number'], a['outcome'], a['error']) for a in job['attempts']],
                         [(1, 'succeeded', None)])
        self.assertEqual((job['type'], job['queue'], job['priority'], job['attempts_max'], job['crashes'],
                          job['error']), ('command', 'default', 5, 3, 0, None))
        self.assertLessEqual(job['created_at'], job['started_at'])
        self.assertLessEqual(job['started_at'], job['finished_at'])

    def test_arguments_reach_the_program_as_they_are_without_a_shell(self):
        words = ['a b', '$HOME', '*', '"', "'", '', 'ä€😀', '-n', 'x\ny']
        id = self.server.submit(args={'argv': ['printf', '%s|', *words]})
        self.assertEqual(self.server.wait(id, 'succeeded')['result']['stdout'],
                         ''.join(w + '|' for w in words))

    def test_directory_and_environment_are_the_jobs_own(self):
        id = self.server.submit(args={'shell': 'pwd; echo "$GREETING" "${PATH:+path}"', 'directory': '/usr',
                                      'env': {'GREETING': 'hallo'}})
        self.assertEqual(self.server.wait(id)['result']['stdout'], '/usr\nhallo path\n')

    def test_a_program_reads_an_empty_input(self):
        self.assertEqual(self.server.wait(self.server.shell('cat; echo end'))['result']['stdout'], 'end\n')

    def test_a_failing_program_is_dead_after_its_attempts_and_says_why(self):
        id = self.server.shell('echo broken >&2; exit 7', attempts=2, backoff=0)
        job = self.server.wait(id, 'dead')
        self.assertEqual([a['outcome'] for a in job['attempts']], ['failed', 'failed'])
        self.assertEqual(job['error'], 'exit status 7: broken')
        self.assertEqual((job['result']['exit_code'], job['attempts_made']), (7, 2))

    def test_a_program_that_a_signal_ends_is_told_apart(self):
        job = self.server.wait(self.server.shell('kill -SEGV $$', attempts=1), 'dead')
        self.assertEqual(job['result']['signal'], 11)
        self.assertIn('signal 11', job['error'])

    def test_a_program_that_is_not_there_fails_by_name(self):
        job = self.server.wait(self.server.submit(args={'argv': ['no-such-program']}, attempts=1), 'dead')
        self.assertIn('no-such-program', job['error'])
        job = self.server.wait(self.server.submit(args={'argv': ['/etc/passwd']}, attempts=1), 'dead')
        self.assertIn('/etc/passwd', job['error'])

    def test_output_beyond_the_cap_is_dropped_and_counted(self):
        job = self.server.wait(self.server.shell('head -c 200000 /dev/zero | tr "\\0" x'), 'succeeded')
        self.assertEqual(len(job['result']['stdout']), 65536)
        self.assertEqual(job['result']['dropped_bytes'], 200000 - 65536)

    def test_output_that_is_no_text_becomes_valid_json(self):
        job = self.server.wait(self.server.shell(r"printf 'a\377\000\300\257z\303\244\033'"), 'succeeded')
        self.assertEqual(job['result']['stdout'], 'a\ufffd\ufffd\ufffd\ufffdzä\x1b')
        job = self.server.wait(self.server.shell(r"printf 'bad \377\n' >&2; exit 1", attempts=1), 'dead')
        self.assertIn('exit status 1', job['error'])

    def test_a_failed_job_is_tried_again_after_one_then_two_seconds(self):
        job = self.server.wait(self.server.shell('exit 1', attempts=3, backoff=2), 'dead')
        at = [datetime.datetime.fromisoformat(a['started_at'].rstrip('Z')) for a in job['attempts']]
        waits = [(b - a).total_seconds() for a, b in zip(at, at[1:])]
        self.assertEqual([round(w - 0.4) for w in waits], [1, 2], waits)
        self.assertTrue(1 <= waits[0] and 2 <= waits[1], waits)

    def test_between_attempts_a_job_is_scheduled(self):
        id = self.server.shell('exit 1', attempts=2, backoff=1)
        job = self.server.wait(id, 'scheduled')
        self.assertEqual((job['attempts_made'], job['error']), (1, 'exit status 1'))
        self.assertEqual(self.server.wait(id, 'dead')['attempts_made'], 2)

    def test_a_later_attempt_may_succeed_and_leaves_no_error(self):
        id = self.server.shell('mkdir tried-here 2>/dev/null && exit 1; echo fine', backoff=0)
        job = self.server.wait(id, 'succeeded')
        self.assertEqual([a['outcome'] for a in job['attempts']], ['failed', 'succeeded'])
        self.assertEqual(job['result']['stdout'], 'fine\n')

    def test_a_timeout_ends_the_whole_process_group(self):
        marker = f'{self.server.folder}/timed'
        id = self.server.shell(f'sleep 1000 & echo $! >{marker}; sleep 1000', timeout=0.5, attempts=1)
        job = self.server.wait(id, 'dead')
        self.assertEqual([a['outcome'] for a in job['attempts']], ['timed_out'])
        self.assertIn('timed out after 0.5 s', job['error'])
        self.assertEqual([alive(pid) for pid in words(marker)], [False])

    def test_a_grandchild_does_not_outlive_the_job(self):
        job = self.server.wait(self.server.shell('sleep 1000 >/dev/null 2>&1 & echo $!'), 'succeeded')
        self.assertFalse(alive(int(job['result']['stdout'])))

    def test_sleep_sleeps(self):
        began = time.monotonic()
        self.server.wait(self.server.sleep(0.5), 'succeeded')
        self.assertGreaterEqual(time.monotonic() - began, 0.5)


class Timing(Shared):
    def test_a_delayed_job_is_scheduled_and_runs_in_time(self):
        began = time.monotonic()
        status, _, reply = self.server.ask('POST', '/v1/jobs',
                                           {'type': 'sleep', 'args': {'seconds': 0}, 'delay': 1.2})
        self.assertEqual((status, reply['state']), (201, 'scheduled'))
        self.assertEqual(self.server.job(reply['id'])['state'], 'scheduled')
        self.server.wait(reply['id'], 'succeeded')
        self.assertTrue(1.2 <= time.monotonic() - began < 5)

    def test_run_at_takes_a_time_and_one_in_the_past_is_now(self):
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1.5)
        id = self.server.sleep(0, run_at=at.strftime('%Y-%m-%dT%H:%M:%S.%fZ'))
        job = self.server.wait(id, 'succeeded')
        self.assertGreaterEqual(job['started_at'], at.strftime('%Y-%m-%dT%H:%M:%S'))
        for past in ('2001-01-01T00:00:00Z', '0001-01-01T00:00:00.5Z'):
            id = self.server.sleep(0, run_at=past)
            self.assertEqual(self.server.wait(id, 'succeeded')['attempts_made'], 1)

    def test_the_earliest_of_many_runs_first_whatever_the_order_of_submits(self):
        ids = {delay: self.server.sleep(0, delay=delay) for delay in (0.9, 0.3, 0.6)}
        jobs = [self.server.wait(ids[delay], 'succeeded') for delay in (0.3, 0.6, 0.9)]
        started = [job['started_at'] for job in jobs]
        self.assertEqual(started, sorted(started))


class Validation(Shared):
    def test_what_is_no_json_is_told_with_its_place(self):
        for body in (b'', b'{', b'{"type": }', b'3', b'"x"', b'{"type":"sleep"} x', b'\xff',
                     b'{"type":"s\\u0000p"}', b'{"priority": 99999999999999999999}'):
            with self.subTest(body=body):
                self.assertIn('line 1', self.refused(400, 'json', None, body))

    def test_duplicate_keys_are_refused(self):
        self.assertIn('duplicate', self.refused(400, 'json', None, b'{"type":"sleep","type":"command"}'))
        self.refused(400, 'json', None, b'{"type":"sleep","args":{"seconds":1,"seconds":2}}')

    def test_deep_nesting_is_refused_and_harmless(self):
        for depth in (65, 2000, 1000000):
            body = b'{"type":"command","args":' + b'[' * depth + b']' * depth + b'}'
            self.assertIn('64', self.refused(400, 'json', None, body))
        body = b'{"type":"command","args":' + b'{"a":' * 62 + b'{}' + b'}' * 62 + b'}'
        self.refused(422, 'validation', 'args.a', body)

    def test_type_and_unknown_fields_are_named(self):
        self.refused(422, 'validation', 'type', {})
        self.refused(422, 'validation', 'type', {'type': 3})
        self.assertIn('no job type', self.refused(422, 'validation', 'type', {'type': 'nope'}))
        self.invalid('colour', colour='red', args={'argv': ['true']})

    def test_each_field_says_what_it_wants(self):
        good = {'argv': ['true']}
        cases = [('queue', 3), ('queue', ''), ('queue', 'x' * 129), ('queue', 'a\nb'), ('args', []),
                 ('args', 'x'), ('args', None), ('priority', 1.5), ('priority', '1'), ('priority', 1001),
                 ('priority', -1001), ('priority', 2 ** 40), ('attempts', 0), ('attempts', -1),
                 ('attempts', 1001), ('attempts', True), ('backoff', -0.1), ('backoff', 1001),
                 ('backoff', '2'), ('timeout', -1), ('timeout', '3'), ('timeout', 1e12), ('delay', -1),
                 ('delay', None), ('delay', 1e300), ('run_at', 'tomorrow'), ('run_at', 7),
                 ('run_at', '2026-11-21'), ('run_at', '2026-11-21T02:41:31'),
                 ('run_at', '2026-11-21T02:41:31+01:00'), ('run_at', '9999-11-21T02:41:31Z')]
        for field, value in cases:
            with self.subTest(field=field, value=value):
                self.invalid(field, **{'args': good, field: value})
        self.invalid('run_at', args=good, delay=1, run_at='2026-11-21T02:41:31Z')

    def test_the_arguments_of_a_command_are_looked_at(self):
        cases = [('args.argv', {}), ('args.argv', {'argv': []}), ('args.argv', {'argv': 'ls'}),
                 ('args.argv[0]', {'argv': ['']}), ('args.argv[1]', {'argv': ['ls', 3]}),
                 ('args.shell', {'shell': 3}), ('args.shell', {'shell': ''}),
                 ('args.shell', {'shell': 'ls', 'argv': ['ls']}), ('args.dir', {'argv': ['ls'], 'dir': '/'}),
                 ('args.directory', {'argv': ['ls'], 'directory': ''}),
                 ('args.directory', {'argv': ['ls'], 'directory': 1}),
                 ('args.env', {'argv': ['ls'], 'env': []}), ('args.env.A', {'argv': ['ls'], 'env': {'A': 1}}),
                 ('args.env.A=B', {'argv': ['ls'], 'env': {'A=B': 'x'}}),
                 ('args.argv', {'argv': ['x'] * 4097})]
        for field, args in cases:
            with self.subTest(field=field, args=str(args)[:60]):
                self.invalid(field, args=args)
        self.refused(422, 'validation', 'args', {'type': 'command', 'args': {'argv': ['x' * (1 << 20)]}})

    def test_the_arguments_of_a_sleep_are_looked_at(self):
        for field, args in [('args.seconds', {}), ('args.seconds', {'seconds': '1'}),
                            ('args.seconds', {'seconds': -1}), ('args.seconds', {'seconds': 1e9}),
                            ('args.minutes', {'seconds': 1, 'minutes': 1})]:
            self.refused(422, 'validation', field, {'type': 'sleep', 'args': args})

    def test_a_batch_is_taken_whole_or_not_at_all(self):
        good = {'type': 'sleep', 'args': {'seconds': 0}, 'queue': 'batch'}
        self.refused(422, 'validation', 'jobs[2].args.seconds',
                     [good, good, {'type': 'sleep', 'args': {'seconds': 'x'}}])
        self.refused(422, 'validation', 'jobs[1].priority', [good, {**good, 'priority': 'x'}])
        self.refused(422, 'validation', 'jobs[0].type', [{}])
        self.refused(422, 'validation', 'jobs[1]', [good, 3])
        self.assertEqual(self.server.ids('?queue=batch'), [])
        status, _, reply = self.server.ask('POST', '/v1/jobs', [good] * 3)
        self.assertEqual(status, 201)
        self.assertEqual(sorted(self.server.ids('?queue=batch')), reply['ids'])

    def test_a_batch_has_a_size(self):
        good = {'type': 'sleep', 'args': {'seconds': 0}, 'queue': 'many', 'delay': 1000}
        self.refused(422, 'validation', None, [])
        self.refused(422, 'validation', None, [good] * 10001)
        status, _, reply = self.server.ask('POST', '/v1/jobs', [good] * 10000)
        self.assertEqual((status, len(set(reply['ids']))), (201, 10000))

    def test_a_request_beyond_sixteen_mebibytes_is_refused_early(self):
        with socket.create_connection(('127.0.0.1', self.server.port)) as s:
            s.sendall(b'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
                      b'Content-Length: 16777217\r\n\r\n')
            s.settimeout(30)
            self.assertIn(b' 413 ', s.recv(200))

    def test_a_refused_job_leaves_no_trace(self):
        before = self.server.list('?limit=1')
        self.invalid('args.argv', args={})
        self.assertEqual(self.server.list('?limit=1'), before)


class Listing(Shared):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.made = [cls.server.sleep(0, queue='a' if n % 2 else 'b&c ä') for n in range(7)]
        cls.made.append(cls.server.shell('exit 1', attempts=1))
        for id in cls.made:
            cls.server.wait(id)
        cls.made.append(cls.server.sleep(0, delay=1000))

    def test_newest_first(self):
        self.assertEqual(self.server.ids(), self.made[::-1])

    def test_filters_by_state_type_and_queue(self):
        m = self.made
        for query, wanted in (('state=dead', [m[7]]), ('state=scheduled', [m[8]]), ('state=ready', []),
                              ('type=command', [m[7]]), ('queue=a', [m[5], m[3], m[1]]),
                              ('queue=b%26c+%C3%A4', [m[6], m[4], m[2], m[0]]), ('queue=none', []),
                              ('type=sleep&state=scheduled', [m[8]]), ('type=command&queue=a', [])):
            with self.subTest(query=query):
                self.assertEqual(self.server.ids('?' + query), wanted)

    def test_pages_join_up(self):
        for limit in (1, 2, 4, 9):
            seen, after = [], 0
            while after is not None:
                page = self.server.list(f'?limit={limit}&after={after}')
                self.assertLessEqual(len(page['jobs']), limit)
                seen += [job['id'] for job in page['jobs']]
                after = page['next']
            self.assertEqual(seen, self.made[::-1])

    def test_bad_queries_name_the_parameter(self):
        for name, value in (('limit', '0'), ('limit', '1001'), ('limit', 'x'), ('limit', ''),
                            ('after', '-1'), ('after', '9' * 30), ('state', 'lost')):
            status, _, reply = self.server.ask('GET', f'/v1/jobs?{name}={value}')
            self.assertEqual((status, reply['error'].get('field')), (422, name), reply)
        self.assertEqual(self.server.ask('GET', '/v1/jobs?queue=%zz')[0], 400)

    def test_lists_leave_details_out(self):
        self.assertFalse({'args', 'result', 'attempts'} & set(self.server.list()['jobs'][0]))

    def test_paths_and_methods_that_do_not_exist(self):
        for path in ('/v1', '/v1/jobs/', '/v1/jobs/x', '/v1/jobs/1x', '/v1/jobs/999999', '/v1/jobs/1/kill',
                     '/v1/jobs/99999999999999999999', '/nope', '/v1/jobs/-1', '/v1/jobs/1/cancel/x'):
            status, _, reply = self.server.ask('GET', path)
            self.assertEqual((status, reply['error']['code']), (404, 'not_found'), path)
        for method, path, allowed in (('DELETE', '/v1/jobs', 'GET, HEAD, POST'), ('PUT', '/v1/jobs/1', 'GET, HEAD'),
                                      ('GET', '/v1/jobs/1/cancel', 'POST'), ('POST', '/healthz', 'GET, HEAD'),
                                      ('POST', '/v1/events', 'GET'), ('POST', '/v1/types', 'GET, HEAD')):
            status, headers, _ = self.server.ask(method, path, {})
            self.assertEqual((status, headers['Allow']), (405, allowed), (method, path))

    def test_healthz_and_types(self):
        status, headers, reply = self.server.ask('GET', '/healthz')
        self.assertEqual((status, reply, headers['Cache-Control']), (200, {'status': 'ok'}, 'no-store'))
        types = {t['type']: t for t in self.server.ask('GET', '/v1/types')[2]['types']}
        self.assertEqual(set(types), {'command', 'sleep'})
        self.assertEqual((types['sleep']['measured']['succeeded'], types['command']['measured']['failed']), (7, 1))


class Order(Shared):
    options = ('--concurrency', '1')

    def test_the_smallest_priority_goes_first_and_equals_in_order(self):
        first = self.server.sleep(60)
        self.server.wait(first, 'running')
        wanted = {}
        for n, priority in enumerate((5, 9, 0, 5, -3, 9)):
            wanted[self.server.sleep(0.02, priority=priority)] = (priority, n)
        self.server.cancel(first)
        jobs = {id: self.server.wait(id, 'succeeded') for id in wanted}
        ran = sorted(jobs, key=lambda id: jobs[id]['started_at'])
        self.assertEqual([wanted[id][0] for id in ran], [-3, 0, 5, 5, 9, 9])
        self.assertEqual(ran, sorted(ran, key=lambda id: wanted[id]))

    def test_no_more_run_at_once_than_workers(self):
        ids = [self.server.sleep(60) for _ in range(3)]
        self.server.wait(ids[0], 'running')
        self.assertEqual([self.server.job(id)['state'] for id in ids[1:]], ['ready', 'ready'])
        for id in ids:
            self.server.wait(id, 'running')
            self.server.cancel(id)
            self.server.wait(id, 'cancelled')


class Cancelling(Shared):
    options = ('--concurrency', '2')

    def cancelled(self, id):
        job = self.server.wait(id, 'cancelled')
        self.assertEqual(self.server.cancel(id)[0], 409)
        self.assertEqual(self.server.job(id), job)
        return job

    def test_a_scheduled_job_never_starts(self):
        id = self.server.sleep(0, delay=1000)
        status, _, job = self.server.cancel(id)
        self.assertEqual((status, job['state']), (200, 'cancelled'))
        self.assertEqual(self.cancelled(id)['attempts'], [])

    def test_a_ready_job_never_starts(self):
        busy = [self.server.sleep(60, priority=-9) for _ in range(2)]
        for id in busy:
            self.server.wait(id, 'running')
        id = self.server.sleep(0)
        self.assertEqual(self.server.job(id)['state'], 'ready')
        self.assertEqual(self.server.cancel(id)[0], 200)
        self.assertEqual(self.cancelled(id)['started_at'], None)
        for id in busy:
            self.assertEqual(self.server.cancel(id)[0], 200)
            self.cancelled(id)

    def test_a_running_program_is_gone_with_all_that_it_started(self):
        path = f'{self.server.folder}/pids'
        id = self.server.shell(f'sleep 1000 & sh -c "trap : TERM INT; sleep 1000 & echo \\$! >>{path}; wait" & '
                               f'echo $$ $! >>{path}; wait')
        until(lambda: len(words(path)) == 3, path)
        status, _, job = self.server.cancel(id)
        self.assertEqual(status, 200)
        self.assertTrue(job['state'] == 'cancelled' or job['cancel_requested'])
        job = self.cancelled(id)
        self.assertEqual([a['outcome'] for a in job['attempts']], ['cancelled'])
        self.assertEqual([pid for pid in words(path) if alive(pid)], [])

    def test_a_retry_that_waits_can_be_cancelled(self):
        id = self.server.shell('exit 1', attempts=5, backoff=1000)
        until(lambda: self.server.job(id)['attempts_made'] == 2 and
              self.server.job(id)['state'] == 'scheduled', 'the second wait')
        self.assertEqual(self.server.cancel(id)[2]['state'], 'cancelled')
        self.assertEqual([a['outcome'] for a in self.cancelled(id)['attempts']], ['failed', 'failed'])

    def test_what_has_ended_or_never_was_is_refused(self):
        id = self.server.sleep(0)
        self.server.wait(id, 'succeeded')
        self.assertEqual(self.server.cancel(id)[0], 409)
        self.assertEqual(self.server.job(id)['state'], 'succeeded')
        self.assertEqual(self.server.cancel(987654)[0], 404)


class Strangers(Shared):
    options = ('--allow-host', 'jobs.example')
    job = json.dumps({'type': 'sleep', 'args': {'seconds': 0}})

    def raw(self, method='POST', path='/v1/jobs', **headers):
        """The status; headers by name with _ for -, None leaves one out."""
        given = {'Host': f'127.0.0.1:{self.server.port}', 'Content-Type': 'application/json',
                 **{k.replace('_', '-'): v for k, v in headers.items()}}
        body = self.job if method == 'POST' else ''
        lines = [f'{method} {path} HTTP/1.1', f'Content-Length: {len(body)}', 'Connection: close',
                 *(f'{k}: {v}' for k, v in given.items() if v is not None), '', body]
        with socket.create_connection(('127.0.0.1', self.server.port)) as s:
            s.settimeout(30)
            s.sendall('\r\n'.join(lines).encode())
            data = b''
            while part := s.recv(65536):
                data += part
        return int(data.split()[1])

    def test_names_that_are_not_ours_are_not_answered(self):
        for host in ('evil.example', 'evil.example:8000', 'localhost.evil.example', 'xjobs.example',
                     '127.0.0.1.evil.example', '[', 'localhost@evil.example'):
            with self.subTest(host=host):
                before = self.server.ids('?limit=1')
                self.assertIn(self.raw(Host=host), (400, 421))
                for path in ('/', '/v1/jobs', '/v1/events', '/healthz'):
                    self.assertIn(self.raw('GET', path, Host=host), (400, 421))
                self.assertEqual(self.server.ids('?limit=1'), before)

    def test_our_names_are(self):
        port = self.server.port
        for host in (f'127.0.0.1:{port}', f'localhost:{port}', 'LOCALHOST', f'[::1]:{port}', 'jobs.example',
                     'Jobs.Example:443', '192.168.1.7'):
            with self.subTest(host=host):
                self.assertEqual(self.raw(Host=host), 201)

    def test_other_sites_may_not_change_anything(self):
        mine = f'http://127.0.0.1:{self.server.port}'
        for origin in ('http://evil.example', 'null', f'{mine}0', 'http://127.0.0.1', f'{mine}.evil.example',
                       'http://localhost', '', 'file://'):
            with self.subTest(origin=origin):
                self.assertEqual(self.raw(Origin=origin), 403)
                self.assertEqual(self.raw(path='/v1/jobs/1/cancel', Origin=origin), 403)
        self.assertEqual(self.raw(Sec_Fetch_Site='cross-site'), 403)
        self.assertEqual(self.raw(Sec_Fetch_Site='same-site'), 403)
        self.assertEqual(self.raw(Origin=mine, Sec_Fetch_Site='same-origin'), 201)

    def test_forms_cannot_speak_our_media_type(self):
        for kind in (None, 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x',
                     'application/jsonp', 'text/plain; x=application/json'):
            with self.subTest(kind=kind):
                self.assertEqual(self.raw(Content_Type=kind), 415)
        self.assertEqual(self.raw(Content_Type='application/json; charset=utf-8'), 201)

    def test_refusals_are_logged(self):
        self.raw(Host='evil-in-the-log.example', path='/v1/jobs?who=evil-in-the-log')
        until(lambda: 'evil-in-the-log' in self.server.log, 'a line in the log')

    def test_the_page_forbids_scripts_from_elsewhere_and_frames(self):
        _, headers, page = self.server.ask('GET', '/')
        self.assertIn(b'<!doctype html>', page.lower())
        policy = headers['Content-Security-Policy']
        for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"):
            self.assertIn(rule, policy)
        self.assertEqual(headers['X-Content-Type-Options'], 'nosniff')
        status, _, body = self.server.ask('GET', '/app.js', headers={'If-None-Match': headers['ETag']})
        self.assertEqual((status, len(body) > 1000), (200, True))
        self.assertEqual(self.server.ask('GET', '/', headers={'If-None-Match': headers['ETag']})[0], 304)


class Events(Shared):
    def listen(self):
        s = socket.create_connection(('127.0.0.1', self.server.port))
        self.addCleanup(s.close)
        s.settimeout(30)
        s.sendall(b'GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
        stream = s.makefile('rb')
        self.addCleanup(stream.close)
        return stream

    @staticmethod
    def next_stats(stream):
        while True:
            line = stream.readline()
            assert line, 'the stream ended'
            if line.startswith(b'data: '):
                return json.loads(line[6:])

    def test_the_first_event_comes_at_once_and_others_with_each_change(self):
        stream = self.listen()
        self.assertEqual(stream.readline().split()[1], b'200')
        stats = self.next_stats(stream)
        self.assertEqual(set(stats), {'counts', 'running', 'running_total', 'failures', 'recent', 'server_time',
                                      'concurrency'})
        self.assertEqual(set(stats['counts']), {'scheduled', 'ready', 'running', 'succeeded', 'dead', 'cancelled'})
        id = self.server.sleep(60)
        while not stats['running']:
            stats = self.next_stats(stream)
        self.assertEqual([(r['id'], r['label'], r['attempt'], r['attempts_max']) for r in stats['running']],
                         [(id, 'sleep 60 s', 1, 3)])
        self.server.cancel(id)
        while stats['running'] or not stats['counts']['cancelled']:
            stats = self.next_stats(stream)
        self.assertEqual(stats['recent'][0]['state'], 'cancelled')

    def test_failures_are_shown_with_their_words(self):
        stream = self.listen()
        id = self.server.shell('echo "<b>no</b>" >&2; exit 1', attempts=1)
        stats = self.next_stats(stream)
        while not stats['failures']:
            stats = self.next_stats(stream)
        failure = stats['failures'][0]
        self.assertEqual((failure['id'], failure['state'], failure['error']),
                         (id, 'dead', 'exit status 1: <b>no</b>'))

    def test_at_most_four_events_a_second_however_much_happens(self):
        stream = self.listen()
        self.next_stats(stream)
        self.server.ask('POST', '/v1/jobs', [{'type': 'sleep', 'args': {'seconds': 0}}] * 500)
        began, events = time.monotonic(), 0
        while self.next_stats(stream)['counts']['succeeded'] < 500:
            events += 1
        self.assertLessEqual(events, (time.monotonic() - began) * 4 + 2)

    def test_many_listeners_hear_the_same(self):
        streams = [self.listen() for _ in range(20)]
        for stream in streams:
            self.next_stats(stream)
        id = self.server.sleep(0, delay=1000, queue='heard')
        for stream in streams:
            while not any(job['id'] == id for job in self.next_stats(stream)['recent']):
                pass


if __name__ == '__main__':
    PROGRAM = os.path.realpath(sys.argv.pop(1))
    kit.main()
