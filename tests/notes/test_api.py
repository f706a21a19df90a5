#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The API of 'kettle-notes serve': notes written, read, changed, found; and who is refused.

usage: test_api.py KETTLE_NOTES [TEST]...
"""

import os
import signal
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import kit  # noqa: E402
from notes_server import Server, until  # noqa: E402

PROGRAM = None


class Case(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server(PROGRAM))

    def refused(self, status, code, *asked):
        got, headers, data = self.server.ask(*asked)
        self.assertEqual((got, data['error']['code']), (status, code), data)
        return headers, data['error']['message']


class Notes(Case):
    def test_a_note_is_made_shown_changed_and_removed(self):
        note = self.server.good('POST', '/api/notes', {'title': 'Green Tea', 'body': 'a\nb', 'tags': ['x', 'y']}, 201)
        self.assertEqual((note['name'], note['title'], note['body'], note['tags']),
                         ('green-tea', 'Green Tea', 'a\nb', ['x', 'y']))
        self.assertEqual(self.server.good('GET', '/api/notes/green-tea'), note)
        self.assertTrue(self.server.read('green-tea.md').startswith('# Green Tea\n\na\nb\n\nTags: x, y\n'))
        changed = self.server.good('PUT', '/api/notes/green-tea', {'body': 'new', 'seen': note['changed']})
        self.assertEqual((changed['title'], changed['body'], changed['tags']), ('Green Tea', 'new', ['x', 'y']))
        self.assertEqual(changed['created'], note['created'])
        self.assertEqual(self.server.good('DELETE', '/api/notes/green-tea'), {'removed': 'green-tea'})
        self.refused(404, 'not_found', 'GET', '/api/notes/green-tea')
        self.assertEqual(self.server.files(), [])

    def test_another_title_gives_another_name(self):
        self.server.add('Tea')
        self.server.add('Coffee')
        self.assertEqual(self.server.good('PUT', '/api/notes/coffee', {'title': 'Tea'})['name'], 'tea-2')
        self.assertEqual(self.server.files(), ['tea-2.md', 'tea.md'])

    def test_a_change_on_top_of_an_unseen_one_is_refused(self):
        self.server.add('Tea', 'one')
        seen = self.server.good('GET', '/api/notes/tea')['changed']
        self.server.write('tea.md', '# Tea\n\nby an editor\n')
        for body in ({'body': 'two', 'seen': seen}, {'title': 'Other', 'seen': seen}):
            self.refused(409, 'conflict', 'PUT', '/api/notes/tea', body)
        self.assertEqual(self.server.files(), ['tea.md'])
        self.assertEqual(self.server.good('GET', '/api/notes/tea')['body'], 'by an editor')

    def test_names_from_strangers_stay_in_the_folder(self):
        os.makedirs(os.path.join(self.server.folder, 'secret'))
        with open(os.path.join(self.server.folder, 'secret.md'), 'w', encoding='utf-8') as f:
            f.write('# Secret\n')
        for name in ('..%2fsecret', '../secret', '%2e%2e/secret', '.hidden', '', '..', 'x' * 300, '%ff', 'a%2Fb'):
            for method in ('GET', 'PUT', 'DELETE'):
                status, _, data = self.server.ask(method, '/api/notes/' + name, b'{}' if method == 'PUT' else None)
                self.assertEqual(status, 404, (name, data))
        self.assertTrue(os.path.exists(os.path.join(self.server.folder, 'secret.md')))

    def test_bad_notes_are_refused_with_the_reason(self):
        for body, status, words in ((b'{', 422, 'not valid JSON'), (b'[]', 422, 'must be an object'),
                                    ({'title': 5}, 422, 'title must be a string'),
                                    ({'titel': 'x'}, 422, "'titel' is no"),
                                    ({'title': 'a\nb'}, 422, 'line end'),
                                    ({'title': 'a', 'tags': ['x,y']}, 422, 'comma'),
                                    ({'title': 'a', 'tags': 'x'}, 422, 'list'), (b'{"title": "\xff"}', 422, 'JSON'),
                                    ({'title': 'a', 'body': 'x\0y'}, 422, 'JSON'),
                                    (b'[' * 100000, 422, 'nested deeper')):
            got, _, data = self.server.ask('POST', '/api/notes', body)
            self.assertEqual(got, status, (body, data))
            self.assertIn(words, data['error']['message'])
        self.assertEqual(self.server.files(), [])

    def test_a_note_that_is_too_large_is_refused(self):
        got, _, data = self.server.ask('POST', '/api/notes', {'title': 'big', 'body': 'x' * (17 << 20)})
        self.assertEqual((got, data['error']['code']), (413, 'too_large'))

    def test_a_file_that_is_no_text_is_told_of(self):
        self.server.add('Good')
        self.server.write('bad.md', b'# Bad\n\n\xff\n')
        listed = self.server.good('GET', '/api/notes')
        self.assertEqual(listed['unreadable'], [{'name': 'bad', 'error': 'bad.md: line 3, byte 1: not UTF-8'}])
        self.assertEqual([n['name'] for n in listed['notes']], ['good'])
        self.refused(422, 'validation', 'GET', '/api/notes/bad')

    def test_a_file_whose_name_is_not_utf8_is_told_of(self):
        with open(self.server.path('').encode() + b'caf\xe9.md', 'wb') as f:
            f.write(b'text')
        listed = self.server.good('GET', '/api/notes')
        self.assertEqual(listed['unreadable'], [{'name': 'caf?', 'error': "caf?.md: the file's name is not UTF-8"}])

    def test_many_at_once_get_names_of_their_own(self):
        names, lock = [], threading.Lock()

        def add():
            name = self.server.add('Same')
            with lock:
                names.append(name)

        threads = [threading.Thread(target=add) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(names)), 20)
        self.assertEqual(len(self.server.files()), 20)


class Lists(Case):
    def test_the_latest_change_comes_first(self):
        for i, title in enumerate(('A', 'B', 'C')):
            self.server.add(title, tags=['odd'] if i % 2 else ['even'])
            os.utime(self.server.path(title.lower() + '.md'), (0, 1000000 + i))
        self.assertEqual(self.server.names(), ['c', 'b', 'a'])
        self.assertEqual(self.server.names('?limit=2'), ['c', 'b'])
        self.assertEqual(self.server.good('GET', '/api/notes?limit=2')['total'], 3)
        self.assertEqual(self.server.names('?tag=even'), ['c', 'a'])
        self.assertEqual(self.server.names('?until=1970-01-12T13:46:41Z'), ['a'])
        self.assertEqual(self.server.names('?text=nothing'), [])

    def test_search_is_ranked(self):
        self.server.add('Tea', 'kettle')
        self.server.add('Kettle', 'tea')
        found = self.server.good('GET', '/api/notes?q=kettle')
        self.assertEqual([n['name'] for n in found['notes']], ['kettle', 'tea'])
        self.assertGreater(found['notes'][0]['score'], found['notes'][1]['score'])

    def test_wrong_queries_are_refused(self):
        for query in ('?limit=0', '?limit=x', '?since=yesterday', '?q=...'):
            self.refused(422, 'validation', 'GET', '/api/notes' + query)
        self.refused(400, 'query', 'GET', '/api/notes?q=%00')

    def test_stats_and_health(self):
        self.server.add('A', 'one two', ['x'])
        stats = self.server.good('GET', '/api/stats')
        self.assertEqual((stats['notes'], stats['words'], stats['tags']), (1, 3, [{'tag': 'x', 'notes': 1}]))
        self.assertEqual(self.server.good('GET', '/healthz'), {'status': 'ok'})


class Strangers(Case):
    def test_other_hosts_names_are_refused(self):
        for host in ('evil.example', 'evil.example:80'):
            self.refused(421, 'host', 'GET', '/api/notes', None, {'Host': host})
        for host in ('localhost', 'localhost:1', '127.0.0.1', '[::1]:80'):
            self.assertEqual(self.server.ask('GET', '/api/notes', None, {'Host': host})[0], 200)
        until(lambda: '421 to 127.0.0.1' in self.server.log, 'a line in the log')

    def test_a_host_can_be_allowed(self):
        with Server(PROGRAM, '--allow-host', 'notes.example') as server:
            self.assertEqual(server.ask('GET', '/api/notes', None, {'Host': 'Notes.Example'})[0], 200)

    def test_other_sites_pages_cannot_write(self):
        ours = f'127.0.0.1:{self.server.port}'
        for headers in ({'Origin': 'http://evil.example'}, {'Origin': 'null'}, {'Sec-Fetch-Site': 'cross-site'},
                        {'Origin': 'http://127.0.0.1:1'}):
            for method, path in (('POST', '/api/notes'), ('PUT', '/api/notes/x'), ('DELETE', '/api/notes/x')):
                self.refused(403, 'origin', method, path, b'{"title": "x"}', headers)
        self.refused(415, 'content_type', 'POST', '/api/notes', b'{"title": "x"}', {'Content-Type': 'text/plain'})
        self.assertEqual(self.server.files(), [])
        headers = {'Origin': 'http://' + ours, 'Host': ours}
        self.assertEqual(self.server.ask('POST', '/api/notes', {'title': 'x'}, headers)[0], 201)

    def test_the_page_loads_nothing_from_elsewhere_and_cannot_be_framed(self):
        for path in ('/', '/app.js', '/style.css', '/icon.svg'):
            status, headers, body = self.server.ask('GET', path)
            self.assertEqual(status, 200)
            self.assertIn("default-src 'none'", headers['Content-Security-Policy'])
            self.assertIn("frame-ancestors 'none'", headers['Content-Security-Policy'])
            self.assertEqual(headers['X-Content-Type-Options'], 'nosniff')
            self.assertNotIn(b'http://', body.replace(b'http://www.w3.org/2000/svg', b''))
            self.assertNotIn(b'https://', body)

    def test_unknown_paths_and_wrong_methods(self):
        self.refused(404, 'not_found', 'GET', '/api/nothing')
        headers, _ = self.refused(405, 'method', 'PATCH', '/api/notes/x')
        self.assertEqual(headers['Allow'], 'GET, HEAD, PUT, DELETE')
        self.assertEqual(self.server.ask('DELETE', '/')[0], 405)
        self.assertEqual(self.server.ask('HEAD', '/api/notes')[0], 200)


class Serving(Case):
    def test_a_signal_ends_it_well(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Server(PROGRAM) as server:
                self.assertEqual(server.stop(number), 0)

    def test_a_port_that_is_taken_is_said(self):

        done = subprocess.run([PROGRAM, 'serve', '--listen', f'127.0.0.1:{self.server.port}'], cwd=self.server.folder,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn('is taken', done.stderr)
        self.assertIn('--listen', done.stderr)


if __name__ == '__main__':
    PROGRAM = os.path.realpath(sys.argv.pop(1))
    kit.main()
